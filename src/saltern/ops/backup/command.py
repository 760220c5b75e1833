"""Data that a service's own commands give and take back."""

from __future__ import annotations

from pathlib import Path

from saltern.base.errors import BackupError, Problem
from saltern.base.process import Completed
from saltern.formulas.backups import CommandItem
from saltern.images.engine import Runtime
from saltern.ops.backup.digests import MARK, json_lines, lines_of
from saltern.ops.backup.instance import Instance


def dump(runtime: Runtime, instance: Instance, item: CommandItem, target: Path) -> tuple[str, ...]:
    """Write what the service gives into ``target``; return what the data was at that moment, as digest lines."""
    container = instance.running(item.process)
    with target.open("wb") as file:
        done = runtime.exec_bytes(container.name, item.dump, file, user=item.user, timeout=item.timeout)
    if not done.ok:
        said = [line for line in done.stderr.splitlines() if not line.startswith(MARK)]
        brief = f"{instance.workload}: {item.name} cannot be taken: {_why(item, done)}"
        raise BackupError(Problem(brief, details="\n".join(said[-10:]), node=instance.node))
    if item.compare == "json":
        return _json(item, instance, target.read_bytes())
    return _some(item, instance, lines_of(done.stderr))


def restore(runtime: Runtime, instance: Instance, item: CommandItem, source: Path) -> tuple[str, ...]:
    """Give the data back into the instance's volumes; return what is there now, as digest lines."""
    with source.open("rb") as file:
        done = runtime.run_bytes(instance.restoring(item.restore), stdin=file, timeout=item.timeout)
    if not done.ok:
        brief = f"{instance.workload}: {item.name} cannot be put back: {_why(item, done)}"
        raise BackupError(Problem(brief, details=done.tail(10), node=instance.node))
    return _json(item, instance, done.stdout) if item.compare == "json" else lines_of(done.stdout)


def _why(item: CommandItem, done: Completed) -> str:
    return f"not done after {item.timeout} s" if done.returncode == 124 else f"exit code {done.returncode}"


def _json(item: CommandItem, instance: Instance, text: bytes | str) -> tuple[str, ...]:
    try:
        return json_lines(text, item.ignore)
    except ValueError as error:
        brief = f"{instance.workload}: {item.name} is no JSON document: {error}"
        raise BackupError(Problem(brief, node=instance.node)) from None


def _some(item: CommandItem, instance: Instance, lines: tuple[str, ...]) -> tuple[str, ...]:
    if lines:
        return lines
    raise BackupError(
        Problem(
            f"{instance.workload}: nothing says what {item.name} is, so no restore could be compared with it",
            resolution=f"let `dump` of meta/backup.yml write lines to stderr that begin with {MARK!r}",
            node=instance.node,
        )
    )
