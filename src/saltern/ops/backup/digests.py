"""What data is, as sorted lines: equal lines, equal data. Pure, but for the streams that it reads."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import unified_diff
from typing import IO, Any

from saltern.base.store import canonical

MARK = "digest: "
SHOWN = 10
"""How many lines of a difference are shown."""
_BLOCK = 1 << 20
_EMPTY: tuple[object, ...] = (None, "", [], {})


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of a volume. ``what`` is its type, mode, owner and, for a file, size and SHA-256 of the content."""

    path: str
    what: str

    def __str__(self) -> str:
        return f"{json.dumps(self.path)[1:-1]}: {self.what}"  # names need not be text, and may have line ends


def lines_of(text: str) -> tuple[str, ...]:
    """The digest lines in what a command said, sorted, without their mark."""
    return tuple(sorted(line.removeprefix(MARK) for line in text.splitlines() if line.startswith(MARK)))


def json_lines(data: bytes | str, ignore: Iterable[str]) -> tuple[str, ...]:
    """A document as lines, one for each item of its top keys, sorted. Lists are equal in any order. ValueError."""
    document = json.loads(data)
    if not isinstance(document, dict):
        raise ValueError("it is no JSON object")  # noqa: TRY004, EM101, RUF100 - the text is for a Problem
    found = []
    for key, value in document.items():
        if key not in ignore:
            items = value if isinstance(value, list) else [value]
            found += [f"{key} {digest_line}" for digest_line in (canonical(_sorted(item)) for item in items)]
    return tuple(sorted(found))


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):  # a program may write "" where it read [], or nothing at all
        return {key: _sorted(item) for key, item in value.items() if item not in _EMPTY}
    return sorted((_sorted(item) for item in value), key=canonical) if isinstance(value, list) else value


def tar_entries(stream: IO[bytes]) -> tuple[Entry, ...]:
    """All entries of a tar stream, sorted by path; modification times are left out. Raises tarfile.TarError."""
    found = []
    with tarfile.open(fileobj=stream, mode="r|") as tar:
        for member in tar:
            found.append(Entry(_path(member.name), _what(tar, member)))
    return tuple(sorted(found, key=lambda entry: entry.path))


def _path(name: str) -> str:
    return name.removeprefix("./") or "."


def _what(tar: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    owner = f"{member.mode & 0o7777:04o} {member.uid}:{member.gid}"
    content = tar.extractfile(member) if member.isfile() else None
    if content is not None:
        whole = hashlib.sha256()
        while block := content.read(_BLOCK):
            whole.update(block)
        return f"file {owner} {member.size} {whole.hexdigest()}"
    if member.islnk() or member.issym():
        return f"{'hard link' if member.islnk() else 'link'} {owner} to {_path(member.linkname)}"
    return f"{'folder' if member.isdir() else 'other'} {owner}"


def difference(wanted: Sequence[str], found: Sequence[str]) -> str:
    """What differs, for an error: lines that are missing begin with "-", lines that are new with "+"."""
    lines = [line for line in unified_diff(wanted, found, lineterm="", n=0) if line[:1] in "+-"][2:]
    more = [f"… and {len(lines) - SHOWN} more lines"] if len(lines) > SHOWN else []
    return "\n".join([*lines[:SHOWN], *more])
