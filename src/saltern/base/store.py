"""A content-addressed cache that may be deleted at any time.

Entries are files below ``root/<kind>/<ab>/<key>``, written to a temporary name and renamed, so that a reader never sees
half of one and a killed writer leaves nothing that is read. The tree is private to the user (mode 0700): rendered
configuration with secrets may be among the entries.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedRandom
from pathlib import Path
from typing import Any


def digest(*parts: str | bytes) -> str:
    """SHA-256, in hex, over the parts; the length of each counts, so that ("ab", "c") and ("a", "bc") differ."""
    whole = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        whole.update(f"{len(data)}:".encode())
        whole.update(data)
    return whole.hexdigest()


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)


class Store:
    """Reads and writes entries; see the module's text."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, kind: str, key: str) -> Path:
        """Where the entry is, whether or not it exists."""
        return self.root / kind / key[:2] / key

    def get(self, kind: str, key: str) -> bytes | None:
        """The entry's content, or None."""
        try:
            return self.path(kind, key).read_bytes()
        except FileNotFoundError:
            return None

    def put(self, kind: str, key: str, data: bytes) -> None:
        """Write an entry, atomically."""
        write_atomically(self.path(kind, key), data)

    def get_json(self, kind: str, key: str) -> Any:
        """The entry parsed as JSON, or None when it is missing or damaged."""
        data = self.get(kind, key)
        if data is None:
            return None
        try:
            return json.loads(data)
        except ValueError:
            return None

    def put_json(self, kind: str, key: str, value: Any) -> None:
        """Write a JSON entry, atomically."""
        data = json.dumps(value, sort_keys=True).encode()
        write_atomically(self.path(kind, key), data, durable=False)  # half an entry after a power cut is no JSON


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Only one process makes the file or folder ``path``; the lock goes with the process, however it ends."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with path.with_name(f"{path.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def in_json(text: str) -> str:
    """How a text stands inside :func:`canonical` JSON: line ends, quotes and backslashes escaped."""
    return canonical(text)[1:-1]


def write_atomically(path: Path, data: bytes, mode: int = 0o600, *, durable: bool = True) -> None:
    """Write ``data`` beside ``path`` and rename it there; folders are made with mode 0700.

    ``durable``: it is on disk before it is renamed, so that not even a power cut leaves half of it.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with appearing(path, mode, durable=durable) as file:
        file.write(data)


@contextmanager
def appearing(path: Path, mode: int = 0o600, *, durable: bool = True) -> Iterator[BufferedRandom]:
    """An open file beside ``path`` that gets its name when it is whole, and is gone when that fails.

    ``durable`` as in :func:`write_atomically`.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w+b") as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException as error:
        Path(name).unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)  # a write does not know where it was to
        raise
