"""Puts configuration where containers see it change: :class:`~saltern.targets.live.Live` on this machine's disk.

A folder that changes holds a copy of each content under its name, and links to one of them, as Kubernetes does it for
ConfigMaps: ``haproxy.cfg → ..data/haproxy.cfg`` and ``..data → ..<content>``. So all is exchanged by one rename, and
a process that starts at any moment finds all of one content. What a process runs with stands in ``taken.json``.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from saltern.base.store import write_atomically
from saltern.plan.steps import Taken
from saltern.rollout.rollouts import told
from saltern.targets.live import Kept, Live, LiveMount, kept_of
from saltern.targets.workload import Cloud

DATA = "..data"
NEW = "..new"
TAKEN = "taken.json"


def kept(cloud: Cloud) -> Iterator[Kept]:
    """Of all containers of a cloud that have one."""
    for workload in cloud.workloads:
        for one in workload.instances():
            if (found := kept_of(workload, one)) is not None:
                yield found


def lives(cloud: Cloud) -> Iterator[Live]:
    """Of all containers of a cloud whose processes take over what changed."""
    return (one for one in kept(cloud) if isinstance(one, Live))


def taken(folder: str) -> Taken | None:
    """What a process runs with; None where nothing says it. ``folder`` is that of its :class:`Live`."""
    try:
        raw = json.loads((Path(folder) / TAKEN).read_bytes())
        return Taken(str(raw["content"]), str(raw["begun"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def begin(live: Live) -> None:
    """Write down that its process is about to get this content."""
    known = taken(live.folder)
    if known != Taken(live.content):
        _write(live, Taken(known.content if known else "", live.content))


def took(live: Live, content: str = "") -> None:
    """Write down that its process runs with a content; "": with this one."""
    _write(live, Taken(content or live.content))


def _write(live: Live, now: Taken) -> None:
    with _told(live):
        text = json.dumps({"content": now.content, "begun": now.begun}, sort_keys=True)
        write_atomically(Path(live.folder) / TAKEN, text.encode())


def offer(live: Kept) -> None:
    """Make all that its container mounts; where there is a content already, that stays.

    Raises RolloutError when that cannot be written; so do the others here.
    """
    with _told(live):
        for mount in live.mounts:
            if mount.changes:
                _add(mount, live.content)
                if not (Path(mount.place) / DATA).is_symlink():
                    _point(mount, live.content)
            elif not Path(mount.place).exists():
                _copied(Path(mount.source), Path(mount.place))


def switch(live: Live, content: str = "") -> None:
    """Show its container a content that is there: "" the one that was rendered."""
    offer(live)
    with _told(live):
        for mount in live.mounts:
            if mount.changes:
                _point(mount, content or live.content)


def has(live: Live, content: str) -> bool:
    """Whether a content is there, so that it can be shown again."""
    places = [Path(mount.place) for mount in live.mounts if mount.changes]
    return bool(content) and all((place / f"..{content}").is_dir() for place in places)


def shown(content: str) -> str:
    """Where the link ``..data`` leads."""
    return f"..{content}"


def forget(root: Path, there: Collection[Kept]) -> None:
    """Remove contents that nothing shows, copies that nothing mounts, and the folders of containers that are gone."""
    known = {Path(live.folder): live for live in there}
    for folder in root.glob("*"):
        live = known.get(folder)
        if live is None:
            shutil.rmtree(folder, ignore_errors=True)
            continue
        places = [Path(mount.place) for mount in live.mounts]
        for path in [*folder.iterdir(), *(folder / "now").glob("*/..*")]:
            used = path.name in (TAKEN, "now", DATA, shown(live.content)) or path in {p.parent for p in places}
            if not used:
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink()


def _add(mount: LiveMount, content: str) -> None:
    """Copy a content beside those that are there. Mounts show the folder itself, so that is never made anew."""
    place, source = Path(mount.place), Path(mount.source)
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not (place / shown(content)).is_dir():
        _copied(source, place / shown(content))


def _point(mount: LiveMount, content: str) -> None:
    place = Path(mount.place)
    inside = place / shown(content)
    wanted = {path.name for path in inside.iterdir()}
    for name in sorted(wanted):
        if not (place / name).is_symlink():
            (place / name).symlink_to(f"{DATA}/{name}")
    shutil.copystat(inside, place)
    status = inside.stat()
    os.chown(place, status.st_uid, status.st_gid)
    (place / NEW).unlink(missing_ok=True)
    (place / NEW).symlink_to(shown(content))
    (place / NEW).rename(place / DATA)
    for path in place.iterdir():
        if not path.name.startswith("..") and path.name not in wanted:
            path.unlink()


@contextmanager
def _told(live: Kept) -> Iterator[None]:
    with told(Path(live.folder), "the configuration"):
        yield


def _copied(source: Path, target: Path) -> None:
    """A file or folder with owners, modes and links as they are; it is there as a whole, or not."""
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = target.with_name(f".{target.name}.new")
    if new.is_dir():
        shutil.rmtree(new)
    if source.is_dir():
        shutil.copytree(source, new, symlinks=True)
    else:
        shutil.copy2(source, new, follow_symlinks=False)
    for path in [new, *new.rglob("*")]:
        status = (source / path.relative_to(new)).lstat()
        os.chown(path, status.st_uid, status.st_gid, follow_symlinks=False)
        if not path.is_symlink():
            path.chmod(status.st_mode & 0o7777)
    new.rename(target)
