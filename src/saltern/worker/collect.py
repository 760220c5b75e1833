"""What changed in the file system between two moments, and a copy of it with owners and modes."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections.abc import Collection, Iterable, Mapping
from typing import Any

EXCLUDED = ("/proc", "/sys", "/dev", "/mnt", "/media", "/tmp", "/run/lock")

Snapshot = dict[str, tuple[Any, ...]]


def snapshot(root: str = "/", exclude: Iterable[str] = ()) -> Snapshot:
    """Path → what tells a change: type, mode, owner, and for all but folders size, times and link target."""
    skipped = {*EXCLUDED, *(os.path.abspath(path) for path in exclude)}
    found: Snapshot = {}
    stack = [root]
    while stack:
        folder = stack.pop()
        try:
            entries = list(os.scandir(folder))
        except OSError:
            continue
        for entry in entries:
            if entry.path in skipped:
                continue
            try:
                status = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            found[entry.path] = _signature(entry.path, status)
            if stat.S_ISDIR(status.st_mode):
                stack.append(entry.path)
    return found


def _signature(path: str, status: os.stat_result) -> tuple[Any, ...]:
    kind = stat.S_IFMT(status.st_mode)
    common = (kind, stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)
    if kind == stat.S_IFDIR:  # its times change with every entry, which tells nothing about the folder itself
        return common
    target = os.readlink(path) if kind == stat.S_IFLNK else ""
    return (*common, status.st_size, status.st_mtime_ns, status.st_ctime_ns, target)


WHOLE_ENTRIES = 512
WHOLE_BYTES = 4 << 20
"""Folders with more than this are not copied whole."""


def changes(before: Snapshot, after: Snapshot, out: str, whole: Collection[str] = ()) -> dict[str, Any]:
    """Copy new and changed entries below ``out``; return ``files``, ``removed``, ``folders`` and ``kept``, sorted.

    ``folders`` were copied whole, unchanged entries too, because no mount of a single file can show what happened in
    them: a link, a removal, another mode of the folder itself, or that it is new. Those of ``whole`` are in any case.
    ``kept`` are those unchanged entries: who takes the copies over may not be able to give them their owners.
    """
    files: list[dict[str, Any]] = []
    for path in sorted(after):
        if before.get(path) == after[path]:
            continue
        described = describe(path)
        if described:
            files.append(described)
            _copy(described, out)
    removed = sorted(path for path in before if path not in after)
    wanted = {os.path.dirname(path) for path in removed} | set(whole)
    wanted |= {one["path"] if one["type"] == "directory" else os.path.dirname(one["path"])
               for one in files if one["type"] != "file"}  # fmt: skip
    present = sorted(path for path in wanted if stat.S_ISDIR((after.get(path) or (0,))[0]))
    folders = [path for path in present if not any(path.startswith(f"{other}/") for other in present)]
    copied = {path: _copy_whole(path, after, out) for path in folders}
    told = {one["path"] for one in files}
    kept = [one for entries in copied.values() for one in entries or () if one["path"] not in told]
    return {
        "files": files,
        "removed": removed,
        "folders": [path for path in folders if copied[path] is not None],
        "kept": kept,
    }


def _copy_whole(folder: str, after: Snapshot, out: str) -> list[dict[str, Any]] | None:
    """Copy a folder with all that is in it, and say what that is; None where it is too much."""
    inside = [path for path in sorted(after) if path == folder or path.startswith(f"{folder}/")]
    if len(inside) > WHOLE_ENTRIES or sum(after[path][4] for path in inside if len(after[path]) > 4) > WHOLE_BYTES:
        return None
    found = [described for path in inside if (described := describe(path))]
    for described in found:
        _copy(described, out)
    return found


def describe(path: str) -> dict[str, Any] | None:
    """An entry of the answer's ``files``; None for what is gone, and for sockets, devices and pipes."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return None
    kinds = {stat.S_IFREG: "file", stat.S_IFLNK: "symlink", stat.S_IFDIR: "directory"}
    kind = kinds.get(stat.S_IFMT(status.st_mode))
    if not kind:
        return None
    return {
        "path": path,
        "type": kind,
        "mode": f"{stat.S_IMODE(status.st_mode):04o}",
        "uid": status.st_uid,
        "gid": status.st_gid,
        "sha256": _sha256(path) if kind == "file" else "",
        "target": os.readlink(path) if kind == "symlink" else "",
    }


def _sha256(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _copy(entry: Mapping[str, Any], out: str) -> None:
    target = out.rstrip("/") + entry["path"]
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if os.path.lexists(target) and entry["type"] != "directory":
        os.unlink(target)
    if entry["type"] == "directory":
        os.makedirs(target, exist_ok=True)
    elif entry["type"] == "symlink":
        os.symlink(entry["target"], target)
    else:
        shutil.copyfile(entry["path"], target)
    os.chown(target, entry["uid"], entry["gid"], follow_symlinks=False)
    if entry["type"] != "symlink":
        os.chmod(target, int(entry["mode"], 8))
