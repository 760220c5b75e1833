"""Bootstrap chunks as jobs: what each does, hashed, and the folder that its container gets."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from saltern.base.store import canonical
from saltern.formulas.lowstate import Chunk
from saltern.formulas.worker import Context, Frozen, apply_request
from saltern.phases import Phase, Split
from saltern.project.compiling import Compiled
from saltern.project.configuring import Configured
from saltern.project.context import Project
from saltern.project.revealing import Revealer
from saltern.project.workers import Bases
from saltern.targets.workload import Job

ROOT = "/media/formulas"


def jobs_of(project: Project, bases: Bases, configured: Configured, revealer: Revealer) -> tuple[Job, ...]:
    """The jobs of a node: before its processes start, and beside them."""
    one = configured.imaged.compiled
    parts = (("before", one.before), ("after", one.after))
    return tuple(_job(project, bases, configured, revealer, when) for when, frozen in parts if frozen.chunks)


def _job(project: Project, bases: Bases, configured: Configured, revealer: Revealer, when: str) -> Job:
    one = configured.imaged.compiled
    frozen = _frozen(one, when)
    chunks = one.split.of(Phase.BOOTSTRAP, after=when == "after")
    key = revealer.digest(
        one.member,
        configured.imaged.image.key,
        revealer.acts(bases, one, when),
        canonical(frozen.files),
        canonical(triggers(one.split, chunks, configured.files)),
    )
    folder = project.state / "jobs" / one.member.name / f"{when}-{key[:20]}"
    if not (folder / "request.json").is_file():
        real = revealer.compiled(bases, one)
        _write(project, bases.context(real.member, roots=(ROOT,)), _frozen(real, when), folder)
    lines = tuple(f"{chunk.function} {chunk.id}" for chunk in chunks)
    return Job(when, key, str(folder), lines, one.site.volume)


def _frozen(one: Compiled, when: str) -> Frozen:
    return one.before if when == "before" else one.after


def triggers(split: Split, chunks: tuple[Chunk, ...], files: Mapping[str, str]) -> dict[str, str]:
    """The rendered files that jobs watch (``watch``, ``onchanges``): path → SHA-256; a change of one is another job."""
    found: dict[str, str] = {}
    for chunk in chunks:
        for requisite in chunk.requisites:
            if requisite.kind.startswith(("watch", "onchanges", "listen")):
                names = (c.name for c in split.of(Phase.CONFIG) if c.answers(requisite))
                found |= {name: files[name] for name in names if name in files}
    return found


def _write(project: Project, context: Context, frozen: Frozen, folder: Path) -> None:
    """Write the folder beside its place and rename it there: half a job is never run."""
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    shutil.rmtree(folder, ignore_errors=True)
    new = Path(tempfile.mkdtemp(prefix=".new-", dir=folder.parent))
    for path in sorted(frozen.files):
        source = next(f.root / path for f in project.formulas if (f.root / path).is_file())
        target = new / "formulas" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
    (new / "formulas").mkdir(exist_ok=True)
    request = new / "request.json"
    request.touch(mode=0o600)
    request.write_text(apply_request(context, frozen.chunks))
    new.rename(folder)
