"""The OCI image layout as values: descriptors, what a manifest refers to, the index with the images' names. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from saltern.images.registry import MANIFESTS

INDEX_FILE = "index.json"
LAYOUT_FILE = "oci-layout"
BLOBS = "blobs/sha256/"
REF_NAME = "org.opencontainers.image.ref.name"
VERSION = "1.0.0"
LAYOUT = json.dumps({"imageLayoutVersion": VERSION}, separators=(",", ":")).encode()

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_NAME = re.compile(rf"{_PART}(?:/{_PART})*:[A-Za-z0-9_][A-Za-z0-9._-]{{0,127}}")


class WrongLayoutError(ValueError):
    """A document of the layout is not what the specification says; the text tells in which way."""


@dataclass(frozen=True, slots=True)
class Descriptor:
    """What refers to a blob: its digest (``sha256:…``), its bytes, and what it is."""

    digest: str
    size: int
    media_type: str

    @property
    def is_manifest(self) -> bool:
        """Whether it is a manifest or an index of them; all else is taken as it is."""
        return self.media_type in MANIFESTS

    @property
    def path(self) -> str:
        """Where a layout has it."""
        return BLOBS + self.digest.removeprefix("sha256:")

    @property
    def short(self) -> str:
        """Its digest for people."""
        return self.digest.removeprefix("sha256:")[:12]

    @classmethod
    def of(cls, raw: object) -> Descriptor:
        """From JSON types; raises WrongLayoutError."""
        if not isinstance(raw, Mapping):
            raise WrongLayoutError("a descriptor is no object")
        digest, size, media_type = raw.get("digest"), raw.get("size"), raw.get("mediaType")
        if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
            raise WrongLayoutError(f"{digest!r} is no SHA-256 digest")
        if not isinstance(size, int) or isinstance(size, bool) or size < 0:
            raise WrongLayoutError(f"{digest} has no size")
        if not isinstance(media_type, str):
            raise WrongLayoutError(f"{digest} has no media type")
        return cls(digest, size, media_type)


@dataclass(frozen=True, slots=True)
class NamedImage:
    """An image of a layout: ``repository:tag`` without a registry, and its manifest."""

    name: str
    manifest: Descriptor


def digest_of(data: bytes) -> str:
    """What the data is called."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def children(manifest: bytes) -> tuple[Descriptor, ...]:
    """What a manifest (configuration and layers) or an index (manifests) refers to; raises WrongLayoutError."""
    document = _document(manifest)
    if "manifests" in document:
        return tuple(map(Descriptor.of, _list(document, "manifests")))
    return (Descriptor.of(document.get("config")), *map(Descriptor.of, _list(document, "layers")))


def index_of(images: Iterable[NamedImage]) -> bytes:
    """``index.json`` of some images; the same ones give the same bytes."""
    manifests = [
        {
            "mediaType": image.manifest.media_type,
            "digest": image.manifest.digest,
            "size": image.manifest.size,
            "annotations": {REF_NAME: image.name},
        }
        for image in sorted(images, key=lambda image: image.name)
    ]
    index = {"schemaVersion": 2, "manifests": manifests}
    return json.dumps(index, separators=(",", ":")).encode()


def read_index(data: bytes) -> tuple[NamedImage, ...]:
    """The images of an ``index.json``, by name; raises WrongLayoutError."""
    found: dict[str, NamedImage] = {}
    for raw in _list(_document(data), "manifests"):
        manifest = Descriptor.of(raw)
        annotations = raw.get("annotations")
        name = annotations.get(REF_NAME) if isinstance(annotations, Mapping) else None
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise WrongLayoutError(f"{name!r}, an image's name, is no repository:tag")
        if name in found:
            raise WrongLayoutError(f"two images are called {name}")
        if not manifest.is_manifest:
            raise WrongLayoutError(f"{name} is no image but {manifest.media_type!r}")
        found[name] = NamedImage(name, manifest)
    return tuple(found[name] for name in sorted(found))


def refuse_version(data: bytes) -> None:
    """Raises WrongLayoutError for an ``oci-layout`` of a version that is not known here."""
    version = _document(data).get("imageLayoutVersion")
    if version != VERSION:
        raise WrongLayoutError(f"the layout has version {version!r}, known is {VERSION}")


def _document(data: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(data)
    except ValueError as error:
        raise WrongLayoutError(f"it is no JSON: {error}") from error
    if not isinstance(found, Mapping):
        raise WrongLayoutError("it is no JSON object")
    return found


def _list(document: Mapping[str, Any], key: str) -> list[Any]:
    found = document.get(key)
    if not isinstance(found, list):
        raise WrongLayoutError(f"it has no list {key!r}")
    return found
