"""The model and its formulas as one archive, from which a revision can be rendered again on this machine.

Equal content gives equal bytes, so a revision that changes nothing costs nothing. What the model encrypts stays
encrypted in it.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from saltern.base.errors import Problem, UsageError
from saltern.base.store import write_atomically
from saltern.formulas.sources import Formula
from saltern.images.packages import LOCK_FILE
from saltern.model.settings import FormulaSetting
from saltern.project.context import Project, open_project

MODEL = "model"
FORMULAS = "formulas"
INDEX = "formulas.json"
LEFT_OUT = frozenset({".git", "__pycache__", ".venv"})


def take(project: Project) -> str:
    """Archive the model with its formulas below ``snapshots`` of the cloud's state; the archive's SHA-256.

    "" where parts of the model are outside of its folder (nodes or classes elsewhere, or in git storages): such a
    revision can be compared, but not be rendered again.
    """
    if project.snapshot:  # packed again it would not be the same bytes: its formulas have moved
        return project.snapshot
    if not _is_whole(project):
        return ""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        index = [{"name": f.name, "compat": f.compat, "origin": f.origin} for f in project.formulas]
        _add_bytes(archive, INDEX, json.dumps(index).encode())
        inside = [f.root for f in project.formulas if f.root.is_relative_to(project.root)]
        for folder in sorted({Path(str(f)).relative_to(project.root) for f in _folders(project)}):
            _add_folder(archive, f"{MODEL}/{folder}")  # a model has them, even if nothing is in one
        lock = project.root / LOCK_FILE
        left_out = {*inside, project.options.state.resolve(), project.store.root.resolve(), lock}
        if project.lock is not None or lock.is_file():  # the one that holds: a plan may not have written it
            _add_bytes(archive, f"{MODEL}/{LOCK_FILE}", project.read_packages().text().encode())
        _add_tree(archive, MODEL, project.root, left_out)
        for formula in project.formulas:
            _add_tree(archive, f"{FORMULAS}/{formula.name}", formula.root, set())
    data = buffer.getvalue()
    name = hashlib.sha256(data).hexdigest()
    path = _path(project, name)
    if not path.is_file():
        write_atomically(path, data)
    return name


@contextmanager
def opened(project: Project, name: str) -> Iterator[Project]:
    """The model of a snapshot in a throw-away folder. Raises UsageError when there is no such snapshot."""
    path = _path(project, name)
    if not name or not path.is_file():
        raise UsageError(
            Problem(
                "this revision's model is not kept, so it cannot be rendered again",
                resolution="check its commit out, and plan or apply that",
            )
        )
    with tempfile.TemporaryDirectory(prefix="saltern-") as folder, tarfile.open(path) as archive:
        archive.extraction_filter = getattr(tarfile, "tar_filter", lambda member, _path: member)
        archive.extractall(folder)  # noqa: S202 - we made it, and it has a filter where Python has one
        root = Path(folder).resolve()
        index = json.loads((root / INDEX).read_text())
        past = open_project(root / MODEL, project.options, project.emit, project.runner)
        formulas = tuple(
            FormulaSetting(one["name"], path=str(root / FORMULAS / one["name"]), compat=one["compat"]) for one in index
        )
        settings = replace(past.settings, cloud=project.cloud, engine=project.settings.engine, formulas=formulas)
        yield replace(past, settings=settings, snapshot=name)


def files_of(project: Project, name: str) -> dict[str, str]:
    """The files of the formulas in a snapshot: ``<formula>/<path>`` → SHA-256; empty when it is not kept."""
    path = _path(project, name)
    if not name or not path.is_file():
        return {}
    found = {}
    with tarfile.open(path) as archive:
        for member in archive:
            if member.isfile() and member.name.startswith(f"{FORMULAS}/"):
                file = archive.extractfile(member)
                data = file.read() if file else b""
                found[member.name.removeprefix(f"{FORMULAS}/")] = hashlib.sha256(data).hexdigest()
    return found


def formula_files(formulas: tuple[Formula, ...]) -> dict[str, str]:
    """The same of the formulas as they are now."""
    return {
        f"{formula.name}/{path.relative_to(formula.root)}": hashlib.sha256(path.read_bytes()).hexdigest()
        for formula in formulas
        for path, is_link in _walk(formula.root, set())
        if not is_link
    }


def _path(project: Project, name: str) -> Path:
    return project.state / "snapshots" / f"{name}.tar"


def _folders(project: Project) -> tuple[object, ...]:
    return project.location.nodes, project.location.classes


def _is_whole(project: Project) -> bool:
    return all(isinstance(path, Path) and path.resolve().is_relative_to(project.root) for path in _folders(project))


def _add_tree(archive: tarfile.TarFile, prefix: str, root: Path, left_out: set[Path]) -> None:
    for path, is_link in _walk(root, left_out):
        name = f"{prefix}/{path.relative_to(root)}"
        if is_link:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, str(path.readlink())
            archive.addfile(info)
        else:
            _add_bytes(archive, name, path.read_bytes(), executable=bool(path.stat().st_mode & 0o100))


def _add_bytes(archive: tarfile.TarFile, name: str, data: bytes, *, executable: bool = False) -> None:
    info = tarfile.TarInfo(name)  # owner root, time 0
    info.size, info.mode = len(data), 0o755 if executable else 0o644
    archive.addfile(info, io.BytesIO(data))


def _add_folder(archive: tarfile.TarFile, name: str) -> None:
    info = tarfile.TarInfo(name)
    info.type, info.mode = tarfile.DIRTYPE, 0o755
    archive.addfile(info)


def _walk(root: Path, left_out: set[Path]) -> Iterator[tuple[Path, bool]]:
    """All files below a folder, and whether each is a link that says the same in a copy of the folder.

    Other links are followed, as what they lead to is not in the copy.
    """
    return _below(root, root, left_out, (root.resolve(),))


def _below(folder: Path, root: Path, left_out: set[Path], above: tuple[Path, ...]) -> Iterator[tuple[Path, bool]]:
    with os.scandir(folder) as found:  # it knows what each entry is; a model may have thousands
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        path = folder / entry.name
        if entry.name in LEFT_OUT or path in left_out or entry.name.endswith(".pyc"):
            continue
        real = path.resolve() if entry.is_symlink() or entry.is_dir() else path
        if entry.is_symlink() and (not path.exists() or real in above or _stays(path, real, root, left_out)):
            yield path, True
        elif entry.is_dir():
            yield from _below(path, root, left_out, (*above, real))
        elif entry.is_file():
            yield path, False


def _stays(link: Path, real: Path, root: Path, left_out: set[Path]) -> bool:
    target = link.readlink()
    there = Path(os.path.normpath(link.parent / target))
    return (
        not target.is_absolute()
        and there.is_relative_to(root)
        and there.resolve() == real
        and not any(there.is_relative_to(path) for path in left_out)
        and not LEFT_OUT & {*there.relative_to(root).parts}
    )
