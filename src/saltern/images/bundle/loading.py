"""From a bundle that was checked to a registry; what that has is not sent."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from saltern.base.events import Emit, Event, State
from saltern.images.bundle.layout import NamedImage
from saltern.images.bundle.reading import Bundle
from saltern.images.registry import Manifest, Reference, Registry

STAGE = "load"


@dataclass(frozen=True, slots=True)
class Loaded:
    """An image of a bundle, and what was done: it was ``there``, is ``new``, or its tag ``moved`` from ``before``."""

    name: str
    digest: str
    was: str
    before: str = ""


def load(bundle: Bundle, registry: Registry, prefix: str, emit: Emit) -> tuple[Loaded, ...]:
    """Bring the images of a bundle to a registry, below ``prefix`` (``host[:port]/…/``); what it has is not sent."""
    sender = _Sender(bundle, registry)
    return tuple(_load(sender, image, f"{prefix}{image.name}", emit) for image in bundle.images)


def _load(sender: _Sender, image: NamedImage, reference: str, emit: Emit) -> Loaded:
    begun, digest = time.monotonic(), image.manifest.digest
    target = Reference.parse(reference)
    before = sender.registry.digest(reference)
    if before == digest:
        sender.remember(image, target.repository)
        emit(Event(STAGE, image.name, State.CACHED, digest))
        return Loaded(image.name, digest, "there")
    emit(Event(STAGE, image.name, State.STARTED))
    sender.send(image, target, lambda text: emit(Event(STAGE, image.name, State.PROGRESS, text)))
    emit(Event(STAGE, image.name, State.DONE, digest, time.monotonic() - begun))
    return Loaded(image.name, digest, "moved" if before else "new", before)


@dataclass
class _Sender:
    """Sends blobs once: a second repository gets one from the first."""

    bundle: Bundle
    registry: Registry
    homes: dict[str, str] = field(default_factory=dict)
    """Digest of a blob → a repository that has it."""

    def remember(self, image: NamedImage, repository: str) -> None:
        """A repository has an image."""
        for part in self.bundle.parts(image.manifest):
            self.homes.setdefault(part.digest, repository)

    def send(self, image: NamedImage, target: Reference, tell: Callable[[str], None]) -> None:
        """Send what is missing of an image, the tag last."""
        for part in self.bundle.parts(image.manifest):
            if part.is_manifest:
                name = target.tag if part == image.manifest else part.digest
                data = b"".join(self.bundle.chunks(part.digest))
                self.registry.push_manifest(target.repository, name, Manifest(part.media_type, data))
                continue
            if not self.registry.has_blob(target.repository, part.digest):
                tell(f"{part.short}, {part.size / 1e6:.1f} MB")
                origin, chunks = self.homes.get(part.digest, ""), self.bundle.chunks(part.digest)
                self.registry.push_blob(target.repository, part.digest, part.size, chunks, origin)
            self.homes.setdefault(part.digest, target.repository)
