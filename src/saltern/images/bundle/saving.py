"""From a registry into a file, blob by blob, without holding one in memory."""

from __future__ import annotations

import hashlib
import tarfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BufferedRandom
from pathlib import Path
from typing import IO

from saltern.base.errors import Problem, RegistryError, UsageError
from saltern.base.events import Emit, Event, State
from saltern.base.store import appearing
from saltern.images.bundle import layout
from saltern.images.bundle.layout import Descriptor, NamedImage, WrongLayoutError
from saltern.images.registry import Manifest, Registry

STAGE = "save"
TOLD = 1_000_000
"""Bytes of a blob from which on it is shown."""
BLOCK = 512
"""Of a tar archive."""


@dataclass(frozen=True, slots=True)
class Saved:
    """A bundle that was written."""

    images: tuple[NamedImage, ...]
    size: int
    sha256: str
    """Of the file."""


def save(registry: Registry, images: Mapping[str, tuple[str, str]], path: Path, emit: Emit) -> Saved:
    """Write images to a file that appears when it is whole.

    ``images``: name in the bundle → repository and digest (or tag) in the registry. Raises RegistryError or UsageError.
    """
    content = _Content(registry)
    named = tuple(NamedImage(name, content.add(*images[name])) for name in sorted(images))
    with _appearing(path) as file:
        for one in sorted(content.parts.values(), key=lambda one: one.path):
            if one.digest in content.manifests:
                _write(file, one.path, one.size, (content.manifests[one.digest].data,))
            else:
                _write(file, one.path, one.size, _told(emit, one, registry, content.homes[one.digest]))
        for name, data in ((layout.INDEX_FILE, layout.index_of(named)), (layout.LAYOUT_FILE, layout.LAYOUT)):
            _write(file, name, len(data), (data,))
        file.write(bytes(2 * BLOCK))
        file.seek(0)
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return Saved(named, file.tell(), sha256)


@dataclass
class _Content:
    """What a bundle consists of, by digest: images may name a blob that they share by other media types."""

    registry: Registry
    parts: dict[str, Descriptor] = field(default_factory=dict)
    manifests: dict[str, Manifest] = field(default_factory=dict)
    """They are small, and here already."""
    homes: dict[str, str] = field(default_factory=dict)
    """In which repository a blob is."""

    def add(self, repository: str, reference: str) -> Descriptor:
        """Take a manifest, and what it refers to."""
        manifest = self.registry.manifest(repository, reference)
        found = Descriptor(manifest.digest, len(manifest.data), manifest.media_type)
        self.parts[found.digest] = found
        self.manifests[found.digest] = manifest
        try:
            children = layout.children(manifest.data)
        except WrongLayoutError as error:
            brief = f"the manifest {found.digest} of {repository} cannot be understood"
            raise RegistryError(Problem(brief, details=str(error), resolution="push the image again")) from error
        for part in children:
            if part.digest in self.parts:
                continue
            if part.is_manifest:
                self.add(repository, part.digest)
            else:
                self.parts[part.digest] = part
                self.homes[part.digest] = repository
        return found


def _told(emit: Emit, one: Descriptor, registry: Registry, repository: str) -> Iterator[bytes]:
    """The bytes of a blob; of one that takes its time, people are told."""
    begun, text = time.monotonic(), f"{one.size / 1e6:.1f} MB of {repository}"
    if one.size >= TOLD:
        emit(Event(STAGE, one.short, State.STARTED, text))
    yield from registry.blob(repository, one.digest, one.size)
    if one.size >= TOLD:
        emit(Event(STAGE, one.short, State.DONE, text, time.monotonic() - begun))


def _write(file: IO[bytes], name: str, size: int, chunks: Iterable[bytes]) -> None:
    """One entry: mode 0644, owner 0, time 0."""
    entry = tarfile.TarInfo(name)
    entry.size = size
    file.write(entry.tobuf(tarfile.PAX_FORMAT))
    for chunk in chunks:
        file.write(chunk)
    file.write(bytes(-size % BLOCK))


@contextmanager
def _appearing(path: Path) -> Iterator[BufferedRandom]:
    """A file that everybody may read, once it is whole. Raises UsageError where it cannot be written."""
    try:
        with appearing(path, 0o644) as file:
            yield file
    except OSError as error:
        raise UsageError(
            Problem(
                f"{path} cannot be written: {error.strerror}",
                resolution="name a file in a folder that you may write to and that has room",
            )
        ) from error
