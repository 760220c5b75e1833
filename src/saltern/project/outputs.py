"""Folders into which a rendering is written again and again, and in which other files may lie too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from stat import S_IMODE

from saltern.base.errors import Problem, UsageError
from saltern.base.store import write_atomically


def write_ours(
    folder: Path, wanted: Mapping[str, tuple[str, bool]], there: Iterable[Path], header: str
) -> tuple[str, ...]:
    """Write files (path → text, private) into a folder and remove those of an earlier rendering, which it returns.

    Of the files that are ``there`` those that begin with ``header`` are ours. Raises UsageError before anything is
    written where a file in the place of one of ours is not.
    """
    found = {path.relative_to(folder).as_posix(): path for path in there}
    ours = {name for name, path in found.items() if path.read_bytes().startswith(header.encode())}
    if foreign := sorted({*wanted} & {*found} - ours):
        raise UsageError(
            Problem(
                f"{folder / name} was not written by saltern",
                resolution="give a folder of its own, or remove the file",
            )
            for name in foreign
        )
    folder.mkdir(parents=True, exist_ok=True)
    for name, (text, private) in wanted.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        mode = 0o600 if private else 0o644
        if name not in ours or path.read_bytes() != text.encode() or S_IMODE(path.stat().st_mode) != mode:
            write_atomically(path, text.encode(), mode)
    stale = sorted(ours - {*wanted})
    for name in stale:
        found[name].unlink()
    return tuple(stale)
