"""Configuration: the config chunks of a node applied in a throw-away container of its image, and what that changed.

A rendered tree is kept under the hash of its content: equal configuration is the same mount, and nothing restarts.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from saltern.base.errors import ConfigError, FormulaError, Problem
from saltern.base.events import Event, State
from saltern.base.store import canonical, write_atomically
from saltern.formulas.worker import ApplyResult, ChangedFile
from saltern.images.engine import Mount
from saltern.images.process import Accounts
from saltern.phases import Phase
from saltern.project.building import Imaged, service_names
from saltern.project.compiling import Compiled
from saltern.project.context import HIDDEN_LENGTH, Member, Project
from saltern.project.revealing import Revealer
from saltern.project.workers import OUT, Bases
from saltern.targets.workload import ConfigMount, is_in

STAGE = "config"
ANSWER = ".json"
MASKED = "masked"
"""The key in an answer of the texts of :func:`masked_texts`."""
HIDDEN = "***"


@dataclass(frozen=True)
class Configured:
    """A node's rendered files, and what starts its services, both read in its image."""

    imaged: Imaged
    mounts: tuple[ConfigMount, ...]
    tree: str
    """The folder of the rendered files below ``config/<node>`` in the cloud's state."""
    rendered: tuple[ChangedFile, ...]
    units: Mapping[str, Any]
    accounts: Accounts
    owned: Mapping[str, ChangedFile] = field(default_factory=dict)
    """Path → owner and mode, of all that is in the tree; the tree itself has them only where root made it."""

    @property
    def files(self) -> Mapping[str, str]:
        """Path → SHA-256 of each rendered file."""
        return {file.path: file.sha256 for file in self.rendered}


def configure(project: Project, bases: Bases, imaged: Imaged, revealer: Revealer) -> Configured:
    """Render a node's configuration, or take it from the cache. Raises ConfigError with every failed state."""
    one = imaged.compiled
    key = revealer.digest_with_values(one.member, one.key, imaged.image.key, *_whole(one))
    folder = project.state / "config" / one.member.name
    content = project.store.get_json("configured", key)
    if isinstance(content, str) and (known := _known(folder, content)):
        return _configured(project, imaged, known, content, revealer)
    begun = time.monotonic()
    project.emit(Event(STAGE, one.member.name, State.STARTED, "render configuration"))
    result, content = _render(bases, imaged, revealer, folder)
    project.store.put_json("configured", key, content)
    project.emit(Event(STAGE, one.member.name, State.DONE, f"{_count(result)} files", time.monotonic() - begun))
    return _configured(project, imaged, result, content, revealer)


def _whole(one: Compiled) -> tuple[str, ...]:
    """The folders that a process of the node takes over as they are."""
    hints = (one.metadata.processes.get(name) for name in service_names(one))
    return tuple(sorted({folder for h in hints if h and h.enabled and h.reload for folder in h.reload.folders}))


def _known(folder: Path, content: str) -> ApplyResult | None:
    """The answer that a rendered tree came with; it lies beside the tree, because it may show what is in it."""
    try:
        answer = json.loads((folder / f"{content}{ANSWER}").read_bytes())
    except (OSError, ValueError):
        return None
    return ApplyResult.of(answer) if MASKED in answer and (folder / content).is_dir() else None


def _render(bases: Bases, imaged: Imaged, revealer: Revealer, folder: Path) -> tuple[ApplyResult, str]:
    real = revealer.compiled(bases, imaged.compiled)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for left in folder.glob(".new-*"):  # of a process that was killed; we hold the cloud's lock
        shutil.rmtree(left)
    new = Path(tempfile.mkdtemp(prefix=".new-", dir=folder))
    try:
        result = _apply(bases, imaged, real, new)
        answer = canonical(_answer(result))
        content = revealer.digest(real.member, answer)[:20]
        new.chmod(0o755)
        if (folder / content).is_dir():
            shutil.rmtree(new)
        else:
            new.rename(folder / content)
        more = {MASKED: masked_texts(folder / content, result, real.member), "kept": [asdict(f) for f in result.kept]}
        write_atomically(folder / f"{content}{ANSWER}", canonical({**_answer(result), **more}).encode())
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise
    return result, content


def masked_texts(tree: Path, result: ApplyResult, member: Member) -> dict[str, str]:
    """The files that hold secrets, as they may be shown: known now, and no more when a secret has been changed."""
    secrets = {text for text in member.values.values() if len(text) >= HIDDEN_LENGTH} | member.secrets
    ordered = sorted(secrets, key=lambda text: (-len(text), text))
    found = {}
    for file in result.files:
        path = tree / file.path.lstrip("/")
        if file.type == "file" and path.is_file():
            text = path.read_text(encoding="utf-8", errors="replace")
            shown = text
            for secret in ordered:
                shown = shown.replace(secret, HIDDEN)
            if shown != text:
                found[file.path] = shown
    return found


def shown_text(folder: Path, tree: str, path: str) -> str | None:
    """A rendered file as it may be shown: secrets masked; None where it is no text, or is no more there.

    ``folder`` is ``config/<node>`` in the cloud's state.
    """
    try:
        masked = json.loads((folder / f"{tree}{ANSWER}").read_bytes()).get(MASKED)
        if masked is None:  # rendered before texts were masked: nothing tells what may be shown
            return None
        return str(masked[path]) if path in masked else (folder / tree / path.lstrip("/")).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return None


def masked_files(folder: Path, tree: str) -> Mapping[str, str]:
    """The files of a rendered tree that hold secrets, as they may be shown; ``folder`` as in :func:`shown_text`."""
    masked: Mapping[str, str] = json.loads((folder / f"{tree}{ANSWER}").read_bytes())[MASKED]
    return masked


def _apply(bases: Bases, imaged: Imaged, one: Compiled, out: Path) -> ApplyResult:
    chunks = [chunk.raw for chunk in one.split.of(Phase.CONFIG)]
    with bases.image_worker(one.site, imaged.image.tag, Mount(str(out), OUT, read_only=False)) as worker:
        try:
            context, whole = bases.context(one.member), _whole(one)
            result = worker.apply(context, chunks, out=OUT, whole=whole, inspect=service_names(one))
        except FormulaError as error:
            raise ConfigError(error.problems) from error
    if not result.ok:
        raise ConfigError(result.problems(one.member.node.name))
    if missing := [folder for folder in whole if not is_in(folder, result.folders)]:
        raise ConfigError(
            Problem(
                f"{folder} is not there, or holds too much to be delivered whole",
                resolution="name a folder of its own under `reload` in the formula's meta/container.yml",
                node=one.member.node.name,
            )
            for folder in missing
        )
    return result


def _answer(result: ApplyResult) -> dict[str, Any]:
    """What of an answer names its tree: what was rendered, not how long it took."""
    return {
        "ok": True,
        "files": [asdict(f) for f in result.files],
        "removed": list(result.removed),
        "folders": list(result.folders),
        "units": {name: asdict(unit) for name, unit in result.units.items()},
        "passwd": result.passwd,
        "group": result.group,
    }


def _count(result: ApplyResult) -> int:
    return sum(1 for f in result.files if f.type == "file")


def _configured(project: Project, imaged: Imaged, result: ApplyResult, content: str, revealer: Revealer) -> Configured:
    one = imaged.compiled
    tree = project.state / "config" / one.member.name / content

    def named(path: str) -> str:  # a folder holds files of the image too
        entries = [asdict(f) for f in result.files if is_in(f.path, (path,))]
        removed = [gone for gone in result.removed if is_in(gone, (path,))]
        return revealer.digest(one.member, imaged.image.key, canonical(entries), canonical(removed))

    mounts = tuple(ConfigMount(str(tree) + path, path, named(path)) for path in mount_points(result))
    return Configured(
        imaged,
        mounts,
        content,
        tuple(f for f in result.files if f.type == "file"),
        result.units,
        Accounts.parse(result.passwd, result.group),
        {f.path: f for f in (*result.kept, *result.files)},
    )


def mount_points(result: ApplyResult) -> list[str]:
    """What has to be mounted so that a container sees the rendered tree: single files, and the folders copied whole.

    Raises ConfigError for a link or a removal in a folder that is too large to be delivered whole.
    """
    unseen = [f.path for f in result.files if f.type != "file" and not is_in(f.path, result.folders)]
    unseen += [path for path in result.removed if not is_in(path, result.folders)]
    if unseen:
        raise ConfigError(
            Problem(
                f"{path} was made or removed, and its folder holds too much to be delivered whole",
                resolution="give the state the phase build in the formula's meta/container.yml",
            )
            for path in unseen
        )
    single = [f.path for f in result.files if f.type == "file" and not is_in(f.path, result.folders)]
    return sorted([*result.folders, *single])
