"""The backups that there are: a folder each, with a manifest that was written last and is proof that it is whole."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from saltern.base.errors import BackupError, Problem
from saltern.base.store import write_atomically
from saltern.ops.backup.safe import disk_errors, sha256

MANIFEST = "manifest.json"
FORMAT = 1
PART = ".new-"
"""How the folder of a backup begins that is still being made, or whose making was killed."""
LATEST = "latest"
OTHER = "use another one: `saltern backup list`"


@dataclass(frozen=True, slots=True)
class Kept:
    """An item of a backup: two files, the data and its digest (what the data is, in lines)."""

    workload: str
    node: str
    item: str
    kind: str
    """``command`` or ``volume``."""
    image: str
    """The image that it was taken from and proven with."""
    file: str
    size: int
    """Bytes of the file as it is kept."""
    sha256: str
    digest_file: str
    digest_sha256: str
    proof: str
    """What was compared, for people."""
    seconds: float
    moving: tuple[str, ...] = ()
    """Of a volume: files that changed while they were read; the archive has them as they were then."""

    @property
    def name(self) -> str:
        """``node/item``."""
        return f"{self.workload}/{self.item}"


@dataclass(frozen=True)
class Backup:
    """A backup that was proven. ``name`` is the UTC time when it began; ``folder`` is where it is."""

    name: str
    folder: Path
    cloud: str
    reason: str
    source: str
    revision: str
    """Of the model; "" where it is in no git repository."""
    verified_at: str
    """UTC, ISO 8601: when the last restore into throw-away volumes was found equal."""
    recipients: tuple[str, ...]
    items: tuple[Kept, ...]
    seconds: float

    @property
    def size(self) -> int:
        """Bytes of all items."""
        return sum(item.size for item in self.items)

    @property
    def workloads(self) -> tuple[str, ...]:
        """The short names of its nodes, in the order in which they were taken."""
        return tuple(dict.fromkeys(item.workload for item in self.items))

    def as_json(self) -> dict[str, Any]:
        """The backup as JSON types."""
        return {**asdict(self), "folder": str(self.folder), "size": self.size, "format": FORMAT}


def write(backup: Backup, folder: Path) -> None:
    """Write a backup's manifest into the folder where its files are."""
    data = {key: value for key, value in backup.as_json().items() if key not in ("folder", "size")}
    write_atomically(folder / MANIFEST, json.dumps(data, indent=1, sort_keys=True).encode() + b"\n")


def read(folder: Path) -> Backup:
    """The backup in a folder. Raises BackupError when it has no manifest that can be read."""
    try:
        raw: dict[str, Any] = json.loads((folder / MANIFEST).read_bytes())
        if raw.pop("format") != FORMAT:
            raise BackupError(Problem(f"{folder} was made by another version of saltern"))
        items = tuple(_kept(item) for item in raw.pop("items"))
        return Backup(**{**raw, "recipients": tuple(raw["recipients"]), "items": items, "folder": folder})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BackupError(Problem(f"{folder} is no backup that can be read: {error}", resolution=OTHER)) from None


def _kept(raw: Mapping[str, Any]) -> Kept:
    return Kept(**{**raw, "moving": tuple(raw["moving"])})


def backups(folder: Path) -> tuple[Backup, ...]:
    """All backups in a folder, the newest first; half ones, and what cannot be read, are none of them."""
    return _all(folder)[0]


def unreadable(folder: Path) -> tuple[Problem, ...]:
    """What is wrong with the manifests that cannot be read."""
    return _all(folder)[1]


def _all(folder: Path) -> tuple[tuple[Backup, ...], tuple[Problem, ...]]:
    found: list[Backup] = []
    problems: list[Problem] = []
    places = (path.parent for path in folder.glob(f"*/{MANIFEST}") if not path.parent.name.startswith("."))
    for place in sorted(places, reverse=True):
        try:
            found.append(read(place))
        except BackupError as error:
            problems += error.problems
    return tuple(found), tuple(problems)


def damage(backup: Backup, workloads: Iterable[str] = (), *, thorough: bool) -> tuple[Problem, ...]:
    """What is wrong with a backup's files: missing, of another size, or with ``thorough`` of another content."""
    wanted = set(workloads) or set(backup.workloads)
    problems = []
    for item in backup.items:
        if item.workload in wanted:
            for name, size, sha in ((item.file, item.size, item.sha256), (item.digest_file, None, item.digest_sha256)):
                if why := _wrong(backup.folder / name, size, sha if thorough else ""):
                    brief = f"the backup {backup.name} is damaged: {name} {why}"
                    problems.append(Problem(brief, resolution=OTHER))
    return tuple(problems)


def _wrong(path: Path, size: int | None, sha: str) -> str:
    try:
        found = path.stat().st_size
        if size is not None and found != size:
            return f"has {found} bytes in place of {size}"
        return "has another content than was written (SHA-256)" if sha and sha256(path) != sha else ""
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read: {error.strerror}"


def find(folder: Path, name: str) -> Backup:
    """A backup by its name, or the newest (``latest``). Raises BackupError."""
    if name != LATEST and (folder / name / MANIFEST).is_file():
        return read(folder / name)
    known = backups(folder)
    if name == LATEST and known:
        return known[0]
    shown = ", ".join(backup.name for backup in known) or "none; make one with `saltern backup`"
    brief = f"there is no backup {name!r}" if name != LATEST else "there is no backup"
    raise BackupError(Problem(brief, details=f"in {folder}", resolution=f"there are: {shown}"))


def surplus(found: Iterable[Backup], keep: int) -> tuple[Backup, ...]:
    """The backups that retention gives up: all of whose items are in ``keep`` newer ones. ``found``: newest first."""
    seen: dict[str, int] = {}
    gone = []
    for backup in found:
        if all(seen.get(item.name, 0) >= keep for item in backup.items):
            gone.append(backup)
        for item in backup.items:
            seen[item.name] = seen.get(item.name, 0) + 1
    return tuple(gone)


def remove(backup: Backup) -> None:
    """Remove a backup: first its manifest, so that half of one is never listed."""
    with disk_errors(backup.folder):
        (backup.folder / MANIFEST).unlink(missing_ok=True)
        shutil.rmtree(backup.folder, ignore_errors=True)


def sweep(folder: Path) -> None:
    """Remove what killed processes left; the caller holds the cloud's lock."""
    for path in folder.glob(f"{PART}*"):
        shutil.rmtree(path, ignore_errors=True)
    for path in folder.glob("[0-9]*T[0-9]*Z*"):
        if path.is_dir() and not (path / MANIFEST).exists():
            shutil.rmtree(path, ignore_errors=True)
