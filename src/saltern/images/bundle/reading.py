"""A bundle that somebody brings: read and checked to its last byte before anything is done with it."""

from __future__ import annotations

import hashlib
import re
import tarfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import IO

from saltern.base.errors import Problem, RegistryError, UsageError
from saltern.base.events import Emit, Event, State
from saltern.images.bundle import layout
from saltern.images.bundle.layout import Descriptor, NamedImage, WrongLayoutError
from saltern.images.registry import MANIFEST_SIZE

STAGE = "check"
CHUNK = 1 << 20
BLOCK = 512
"""Of a tar archive."""
FOLDERS = frozenset({".", "blobs", "blobs/sha256"})
DEEPEST = 3
"""An index of indexes of manifests; nobody has more."""
_BLOB = re.compile(r"blobs/sha256/([0-9a-f]{64})")


@dataclass(frozen=True)
class Bundle:
    """A bundle of which every byte that counts was found to be right; ``file`` stays open meanwhile."""

    file: IO[bytes]
    images: tuple[NamedImage, ...]
    places: Mapping[str, tuple[int, int]]
    """Digest → offset in the file, and size."""

    def chunks(self, digest: str) -> Iterator[bytes]:
        """The bytes of a blob."""
        offset, size = self.places[digest]
        self.file.seek(offset)
        while size and (chunk := self.file.read(min(CHUNK, size))):
            size -= len(chunk)
            yield chunk

    def parts(self, one: Descriptor) -> tuple[Descriptor, ...]:
        """What an image consists of, and at last itself: in the order in which a registry takes it."""
        if not one.is_manifest:
            return (one,)
        children = layout.children(b"".join(self.chunks(one.digest)))
        return tuple(dict.fromkeys((*(part for child in children for part in self.parts(child)), one)))


@contextmanager
def opened(path: Path, emit: Emit, sha256: str = "") -> Iterator[Bundle]:
    """Open a bundle and read all of it. Raises RegistryError with everything that is wrong with it.

    ``sha256``: what the file's has to be.
    """
    begun = time.monotonic()
    try:
        with path.open("rb") as file:
            emit(Event(STAGE, path.name, State.STARTED, "check every digest"))
            _refuse_other(path, file, sha256)
            bundle = _Reader(path, file).read()
            emit(Event(STAGE, path.name, State.DONE, "every digest is right", time.monotonic() - begun))
            yield bundle
    except OSError as error:
        raise UsageError(Problem(f"{path} cannot be read: {error.strerror or error}")) from error


def _refuse_other(path: Path, file: BufferedReader, sha256: str) -> None:
    if not sha256:
        return
    found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256.lower().removeprefix("sha256:"):
        raise RegistryError(
            Problem(
                f"{path} is another file than was saved: its SHA-256 is {found}",
                details=f"wanted is {sha256}",
                resolution="copy it again",
            )
        )


class _Reader:
    """Reads an archive from its begin to its end; collects what is wrong."""

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self._path = path
        self._file = file
        self._places: dict[str, tuple[int, int]] = {}
        self._files: dict[str, bytes] = {}
        self._problems: list[Problem] = []
        self._checked: set[tuple[Descriptor, int]] = set()

    def read(self) -> Bundle:
        """All of it; raises RegistryError."""
        self._file.seek(0)
        whole = self._read_entries()
        images = self._read_index() if whole else ()
        bundle = Bundle(self._file, images, self._places)
        for image in images:
            self._check(bundle, image.name, image.manifest)
        if self._problems:
            raise RegistryError(self._problems)
        return bundle

    def _wrong(self, text: str, details: str = "", resolution: str = "copy it again, or save it again") -> None:
        problem = Problem(f"{self._path}: {text}", details=details, resolution=resolution)
        if problem not in self._problems:
            self._problems.append(problem)

    def _read_entries(self) -> bool:
        """Whether the archive could be read to its end."""
        try:
            with tarfile.open(fileobj=self._file, mode="r:") as archive:
                for entry in archive:
                    self._read_entry(archive, entry)
                end = archive.offset
        except (tarfile.TarError, ValueError, EOFError) as error:
            self._wrong("it is no bundle, or it is cut off", str(error))
            return False
        self._file.seek(end)
        if self._file.read(BLOCK) != bytes(BLOCK):
            self._wrong("it is cut off or damaged", f"after {end} bytes there is no entry, and no end of an archive")
            return False
        return True

    def _read_entry(self, archive: tarfile.TarFile, entry: tarfile.TarInfo) -> None:
        name = entry.name.removeprefix("./")
        if entry.isdir() and name in FOLDERS:
            return
        blob = _BLOB.fullmatch(name)
        if not (blob or name in (layout.INDEX_FILE, layout.LAYOUT_FILE)) or not entry.isreg() or entry.issparse():
            self._wrong(f"{entry.name!r} has no place in a bundle", resolution="take a bundle of `saltern bundle save`")
            return
        content = archive.extractfile(entry)
        if content is None or name in self._files or (blob and f"sha256:{blob[1]}" in self._places):
            self._wrong(f"{entry.name!r} is there twice")
        elif blob:
            self._places[f"sha256:{blob[1]}"] = (entry.offset_data, entry.size)
            hashed = hashlib.sha256()
            for chunk in iter(lambda: content.read(CHUNK), b""):
                hashed.update(chunk)
            if hashed.hexdigest() != blob[1]:
                self._wrong(f"the blob {blob[1][:12]} was altered", f"its SHA-256 is {hashed.hexdigest()}")
        elif entry.size > MANIFEST_SIZE:
            self._wrong(f"{entry.name!r} is too large", f"{entry.size} bytes")
        else:
            self._files[name] = content.read()

    def _read_index(self) -> tuple[NamedImage, ...]:
        images: tuple[NamedImage, ...] = ()
        if missing := [name for name in (layout.LAYOUT_FILE, layout.INDEX_FILE) if name not in self._files]:
            self._wrong(f"it has no {' and no '.join(missing)}", resolution="take a bundle of `saltern bundle save`")
            return images
        try:
            layout.refuse_version(self._files[layout.LAYOUT_FILE])
        except WrongLayoutError as error:
            self._wrong(f"{layout.LAYOUT_FILE}: {error}")
        try:
            images = layout.read_index(self._files[layout.INDEX_FILE])
        except WrongLayoutError as error:
            self._wrong(f"{layout.INDEX_FILE}: {error}")
        return images

    def _check(self, bundle: Bundle, name: str, one: Descriptor, depth: int = 0) -> None:
        """Whether all that an image refers to is there."""
        if (one, depth) in self._checked:
            return
        self._checked.add((one, depth))
        place = self._places.get(one.digest)
        if place is None:
            self._wrong(f"{one.short}, a part of {name}, is missing")
        elif place[1] != one.size:
            self._wrong(f"{one.short}, a part of {name}, has {place[1]} bytes, and should have {one.size}")
        elif one.is_manifest:
            for part in self._children(bundle, name, one, depth):
                self._check(bundle, name, part, depth + 1)

    def _children(self, bundle: Bundle, name: str, one: Descriptor, depth: int) -> tuple[Descriptor, ...]:
        if depth == DEEPEST or one.size > MANIFEST_SIZE:
            self._wrong(f"{one.short}, a manifest of {name}, is too {'deep' if depth == DEEPEST else 'large'}")
            return ()
        try:
            return layout.children(b"".join(bundle.chunks(one.digest)))
        except WrongLayoutError as error:
            self._wrong(f"{one.short}, a manifest of {name}, cannot be understood", str(error))
            return ()
