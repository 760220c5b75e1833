"""What an image contains: from its SBOM where the engine has it, else from the package lock and its base. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from saltern.base.errors import ImageError, Problem
from saltern.images.packages import SBOM_PATH, packages_of_sbom
from saltern.ops.index import Index

_BUILT_FROM = re.compile(r"built from the source package (\S+) (\S+)")


@dataclass(frozen=True, slots=True, order=True)
class Package:
    """An installed binary package; ``source`` "" where nothing says what it was built from."""

    name: str
    version: str
    source: str = ""
    source_version: str = ""


@dataclass(frozen=True, slots=True)
class Contents:
    """The packages of an image, by name, and who uses it."""

    image: str
    base: str
    packages: Mapping[str, Package]
    origin: str
    """``sbom`` or ``lock``: where the packages are read from."""
    tag: str = ""
    nodes: tuple[str, ...] = ()
    """The nodes whose workloads are made of it."""
    running: bool = False
    """Whether containers of those workloads run from it now."""
    stale: bool = False
    """It runs, but the model asks for another image by now."""
    own: frozenset[str] = frozenset()
    """The packages that are the base's: in the base in the same version."""

    def with_sources(self, index: Index) -> Contents:
        """The same with the sources of its packages, as far as the index still knows their versions."""
        return replace(self, packages={name: _sourced(package, index) for name, package in self.packages.items()})


def _sourced(package: Package, index: Index) -> Package:
    if package.source:
        return package
    offer = index.offer(package.name, package.version)
    if offer is not None:
        return replace(package, source=offer.source, source_version=offer.source_version)
    others = index.offers.get(package.name, ())
    return replace(package, source=others[0].source, source_version="") if others else package


def read_sbom(text: str, image: str) -> dict[str, Package]:
    """The Debian packages of an SBOM. Raises ImageError for a damaged one."""
    versions = packages_of_sbom(text, image)
    try:
        sources = {
            str(entry["name"]): found.groups()
            for entry in json.loads(text)["packages"]
            if (found := _BUILT_FROM.match(str(entry.get("sourceInfo", ""))))
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ImageError(
            Problem(f"the SBOM of image {image!r} is damaged", details=f"{SBOM_PATH}: {error!r}")
        ) from error
    return {name: Package(name, version, *sources.get(name, ("", ""))) for name, version in sorted(versions.items())}


def of_lock(base: Mapping[str, str], locked: Mapping[str, str]) -> dict[str, Package]:
    """The packages of an image that the lock describes: its base's, and the locked ones over them."""
    return {name: Package(name, version) for name, version in sorted({**base, **locked}.items())}
