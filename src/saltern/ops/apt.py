"""Asks the mirrors of a base, with the base's own apt and its own sources, in throw-away containers.

The lists stay in the cache, so that an unchanged index is not fetched again, and so that questions about it (what would
be installed?) need no network.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from saltern.base.errors import ImageError, Problem
from saltern.base.events import Emit, Event, State
from saltern.base.store import Store, exclusive, write_atomically
from saltern.images.base import Base
from saltern.images.engine import Engine, Mount, RunSpec
from saltern.ops.index import Index, make_index, parse_release

STAGE = "index"
LISTS = "/var/lib/apt/lists"
TIMEOUT = 600.0
"""Seconds for the mirror; the lists of a Debian release are about 10 MB compressed."""
FEW = 5
"""So many packages are named in a message."""

_OPTIONS = "-o APT::Sandbox::User=root -o Acquire::Languages=none -o Acquire::GzipIndexes=false"
_UPDATE = (
    f"apt-get -q {_OPTIONS} -o APT::Update::Error-Mode=any -o Acquire::Retries=3 update >&2 && "
    f"exec apt-get {_OPTIONS} indextargets --format '$(FILENAME)|$(METAKEY)' 'Created-By: Packages'"
)


@dataclass(frozen=True, slots=True)
class Target:
    """A list of packages in the cache, and the Release file of its suite."""

    packages: str
    release: str


@dataclass(frozen=True, slots=True)
class Lists:
    """apt's lists of one base, as files in the cache."""

    base: Base
    folder: Path
    targets: tuple[Target, ...]

    def index(self, names: Iterable[str]) -> Index:
        """What they offer of the named packages."""
        read = [(parse_release(_text(self.folder, t.release)), _text(self.folder, t.packages)) for t in self.targets]
        return make_index(read, names)


def ensure_lists(engine: Engine, store: Store, base: Base, emit: Emit, max_age: float = 0.0) -> Lists:
    """The lists of a base, asked from its mirrors unless they were asked less than ``max_age`` seconds ago.

    Raises ImageError when a mirror does not answer.
    """
    place = store.path("apt", base.digest.removeprefix("sha256:"))
    folder, known = place / "lists", place / "targets.json"
    with exclusive(place):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        targets = _fresh(known, max_age)
        if targets is None:
            targets = _update(engine, base, folder, emit)
            write_atomically(known, json.dumps([[t.packages, t.release] for t in targets]).encode())
        else:
            emit(Event(STAGE, base.name, State.CACHED, f"asked less than {max_age / 60:.0f} minutes ago"))
    return Lists(base, folder, targets)


def _fresh(known: Path, max_age: float) -> tuple[Target, ...] | None:
    try:
        age = time.time() - known.stat().st_mtime
        raw = json.loads(known.read_bytes())
        return tuple(Target(str(p), str(r)) for p, r in raw) if 0 <= age < max_age else None
    except (OSError, ValueError, TypeError):
        return None


def _update(engine: Engine, base: Base, folder: Path, emit: Emit) -> tuple[Target, ...]:
    begun = time.monotonic()
    emit(Event(STAGE, base.name, State.STARTED, "ask the package mirrors"))
    done = engine.run(
        RunSpec(
            base.tag,
            ("/bin/sh", "-c", _UPDATE),
            mounts=(Mount(str(folder), LISTS, read_only=False),),
            network=engine.way_out,
            environment={"LC_ALL": "C"},
            tmpfs=("/var/cache/apt", "/tmp"),  # noqa: S108 - in the container
        ),
        timeout=TIMEOUT,
        on_line=lambda line: emit(Event(STAGE, base.name, State.PROGRESS, line)),
    )
    targets = parse_targets(done.stdout, {path.name for path in folder.iterdir()})
    if not done.ok or not targets:
        emit(Event(STAGE, base.name, State.FAILED, seconds=time.monotonic() - begun))
        raise ImageError(
            Problem(
                f"the package index of the base {base.name!r} cannot be read",
                details=done.tail(),
                resolution="check the network, or the base's `mirror` in saltern.yml; --max-age HOURS takes the "
                "index that was asked before",
            )
        )
    emit(Event(STAGE, base.name, State.DONE, f"{len(targets)} lists", time.monotonic() - begun))
    return targets


def parse_targets(text: str, present: Iterable[str]) -> tuple[Target, ...]:
    """What ``apt-get indextargets`` printed (file and its key in the archive, per line), as names of present files."""
    names = frozenset(present)
    targets = []
    for line in sorted(text.splitlines()):
        path, bar, key = line.partition("|")
        name = path.rpartition("/")[2]
        if not bar or name not in names:
            continue
        prefix = name.removesuffix("_" + key.replace("/", "_"))
        release = next((r for r in (f"{prefix}_InRelease", f"{prefix}_Release") if r in names), "")
        if release:
            targets.append(Target(name, release))
    return tuple(targets)


def _text(folder: Path, name: str) -> str:
    return (folder / name).read_text(encoding="utf-8", errors="replace")


def read_status(engine: Engine, store: Store, base: Base) -> str:
    """The base's dpkg database; asked once for each base."""
    key = base.digest.removeprefix("sha256:")
    known = store.get("base-status", key)
    if known is not None:
        return known.decode(errors="replace")
    done = engine.run(RunSpec(base.tag, ("cat", "/var/lib/dpkg/status")))
    if not done.ok:
        raise ImageError(Problem(f"the base {base.tag} has no dpkg database", details=done.tail(3)))
    store.put("base-status", key, done.stdout.encode())
    return done.stdout


@dataclass(frozen=True, slots=True)
class Moved:
    """What apt would do to a package: ``old`` "" when it is new, ``new`` "" when it goes."""

    package: str
    old: str
    new: str


def simulate(engine: Engine, lists: Lists, status: str, wanted: Sequence[str]) -> tuple[Moved, ...]:
    """What ``apt-get install WANTED`` (``name=version``) would do where ``status`` is the dpkg database; no network.

    Raises ImageError with apt's words when it finds no way.
    """
    with tempfile.TemporaryDirectory(prefix="saltern-") as folder:
        Path(folder).chmod(0o755)
        (Path(folder) / "status").write_text(status, encoding="utf-8")
        command = ["apt-get", "-s", "-y", "-o", "Dir::State::status=/media/status", "-o", "Debug::NoLocking=1"]
        done = engine.run(
            RunSpec(
                lists.base.tag,
                (*command, "--allow-downgrades", "install", *wanted),
                mounts=(Mount(str(lists.folder), LISTS), Mount(folder, "/media")),
                environment={"LC_ALL": "C"},
                tmpfs=("/var/cache/apt", "/tmp"),  # noqa: S108 - in the container
            ),
            timeout=TIMEOUT,
        )
    if not done.ok:
        said = f"{done.stdout.strip()}\n{done.stderr.strip()}".strip()
        broken = "--fix-broken" in said
        raise ImageError(
            Problem(
                f"apt finds no way to install {_some(wanted)}",
                details=said[-3000:],
                resolution="packages.lock lacks packages that others need: run `saltern build`, which completes it"
                if broken
                else "upgrade what it names too, or lock another version",
            )
        )
    return parse_simulation(done.stdout)


def _some(words: Sequence[str]) -> str:
    more = f" and {len(words) - FEW} more" if len(words) > FEW else ""
    return ", ".join(words[:FEW]) + more


def parse_simulation(text: str) -> tuple[Moved, ...]:
    """The ``Inst`` and ``Remv`` lines of ``apt-get -s``, sorted by name."""
    moved = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) > 2 and words[0] == "Inst":
            old = words[2].strip("[]") if words[2].startswith("[") else ""
            new = next(word for word in words[2:] if word.startswith("(")).lstrip("(")
            moved[words[1]] = Moved(words[1], old, new)
        elif len(words) > 2 and words[0] == "Remv" and words[1] not in moved:
            moved[words[1]] = Moved(words[1], words[2].strip("[]"), "")
    return tuple(moved[name] for name in sorted(moved))
