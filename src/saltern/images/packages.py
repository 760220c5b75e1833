"""``packages.lock``: the package versions that each image got beyond its base, and that a rebuild takes again.

Versions of the base's own packages are not repeated: the base's digest stands for them. One that is newer in the image
stands in the lock, and is upgraded in the image; see docs/decisions/014-patches.md.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from saltern.base.errors import ImageError, ModelError, Place, Problem
from saltern.base.store import write_atomically
from saltern.images.versions import compare

LOCK_FILE = "packages.lock"
SBOM_PATH = "/usr/share/saltern/sbom.spdx.json"
SPLIT = "--"
"""Between the name of an image and that of a node, where nodes of one kind have images of their own."""
_HEADER = """\
# The Debian packages of every image beyond its base, written by `saltern build` and to be kept in git.
# A rebuild installs exactly these versions. To take newer ones, remove an image's entry and build again.
"""


@dataclass(frozen=True, slots=True)
class LockedImage:
    """The entry of one image."""

    base: str
    packages: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PackageLock:
    """The whole lock; frozen, :meth:`with_image` makes the next one."""

    images: Mapping[str, LockedImage] = field(default_factory=dict)

    def packages(self, image: str, base: str) -> Mapping[str, str]:
        """The versions for an image on ``base``; empty when it is not locked, or was locked on another base."""
        entry = self.images.get(image)
        return entry.packages if entry and entry.base == base else {}

    def first(self, image: str, base: str) -> Mapping[str, str]:
        """The versions that an image begins with: its own, else those of the image that it was split off from.

        Nodes whose images become different get images ``<image>--<node>``: what they have in common stays as it is.
        """
        return self.packages(image, base) or self.packages(image.partition(SPLIT)[0], base)

    def others(self, image: str, base: str) -> Iterator[Mapping[str, str]]:
        """The versions of other images on ``base`` that have all of the image's own, if it has any."""
        own = self.packages(image, base).items()
        for name, entry in sorted(self.images.items()):
            if name != image and entry.base == base and own <= entry.packages.items():
                yield entry.packages

    def only(self, images: Collection[str]) -> PackageLock:
        """The lock of these images, without the others."""
        return PackageLock({name: entry for name, entry in self.images.items() if name in images})

    def with_image(self, image: str, entry: LockedImage) -> PackageLock:
        """The lock with another entry for ``image``."""
        return PackageLock({**self.images, image: entry})

    def text(self) -> str:
        """The file's content; equal locks give equal text."""
        images = {
            name: {"base": entry.base, "packages": dict(sorted(entry.packages.items()))}
            for name, entry in sorted(self.images.items())
        }
        options: Any = {"sort_keys": False, "default_flow_style": False, "width": 1000}
        return f"{_HEADER}{yaml.dump({'images': images}, Dumper=yaml.CSafeDumper, **options)}"


def read_lock(folder: Path) -> PackageLock:
    """The lock of the model in ``folder``; an empty one when there is no file. A damaged file is a ModelError."""
    path = folder / LOCK_FILE
    try:
        return _parsed(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return PackageLock()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = Place(str(path), mark.line + 1, mark.column + 1) if mark else Place(str(path))
        raise ModelError(_damaged(place, str(error.problem))) from error
    except (TypeError, AttributeError, KeyError, UnicodeError, yaml.YAMLError) as error:
        raise ModelError(_damaged(Place(str(path)), str(error))) from error


def write_lock(folder: Path, lock: PackageLock) -> None:
    """Write the lock, atomically, unless the file says the same already."""
    path = folder / LOCK_FILE
    data = lock.text().encode()
    if not path.exists() or path.read_bytes() != data:
        write_atomically(path, data, mode=0o644)


@lru_cache(maxsize=2)
def _parsed(text: str) -> PackageLock:
    """A plan reads the lock many times; it has thousands of lines."""
    raw: Any = yaml.load(text, yaml.CSafeLoader)
    images = (raw or {}).get("images") or {}
    return PackageLock(
        {
            str(name): LockedImage(str(entry["base"]), {str(k): str(v) for k, v in (entry["packages"] or {}).items()})
            for name, entry in images.items()
        }
    )


def _damaged(place: Place, details: str) -> Problem:
    return Problem(
        "the package lock cannot be read",
        places=(place,),
        details=details,
        resolution=f"restore {LOCK_FILE} from git, or remove it to take the packages that the mirror has now",
    )


def packages_of_sbom(text: str, image: str) -> dict[str, str]:
    """Name → version of the Debian packages that an SPDX document of an image names."""
    try:
        document = json.loads(text)
        return {
            str(package["name"]): str(package["versionInfo"])
            for package in document["packages"]
            if any(
                str(reference.get("referenceLocator", "")).startswith("pkg:deb/")
                for reference in package.get("externalRefs", ())
            )
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ImageError(
            Problem(f"the SBOM of image {image!r} is damaged", details=f"{SBOM_PATH}: {error!r}")
        ) from error


def beyond(base: Mapping[str, str], packages: Mapping[str, str]) -> dict[str, str]:
    """What an image has that its base does not have as new; a lock never takes a newer base back."""
    return {name: new for name, new in packages.items() if name not in base or compare(base[name], new) < 0}
