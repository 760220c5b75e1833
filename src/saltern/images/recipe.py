"""A recipe: everything that an image is made from, as one frozen value, and the texts that a builder needs. Pure.

The directory that :mod:`.build` writes from it can be built by any OCI builder that has the base and the toolchain.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from saltern.images.base import Base
from saltern.images.engine import LABEL_KEY
from saltern.images.key import SHORT, image_key

INPUT = "input"
"""The folder of the context that is mounted at /media. The Containerfile stands outside of it, so that its metadata
lines can change without a new build of the layer (BuildKit hashes what it mounts)."""
ROOT = "/media/formulas"
PIN_PRIORITY = 1001
"""Wins over everything, a newer installed version included (apt_preferences(5))."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file of a formula that build chunks use; ``sha256`` is that of its content."""

    source: Path
    sha256: str
    executable: bool = False

    @classmethod
    def of(cls, source: Path) -> SourceFile:
        """Read the content's hash and the mode of ``source``."""
        with source.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        return cls(source, found, executable=bool(source.stat().st_mode & 0o111))

    @property
    def identity(self) -> str:
        """What of the file goes into the key."""
        return f"{self.sha256}{'+x' if self.executable else ''}"


@dataclass(frozen=True, slots=True)
class ProcessFacts:
    """How the image is started; known only when its packages are in it."""

    user: str = ""
    command: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    volumes: tuple[str, ...] = ()
    stop_signal: str = ""


@dataclass(frozen=True, slots=True)
class Metadata:
    """What the labels say of an image beside its key; it never causes a build."""

    title: str
    source: str = ""
    """Where the model is kept, e.g. the URL of its git remote."""
    revision: str = ""
    """The model's commit."""
    version: str = ""


@dataclass(frozen=True)
class Recipe:
    """One image to be. Keys of ``files`` are salt paths (``keystone/files/x``), of ``packages`` package names."""

    name: str
    base: Base
    toolchain_tag: str
    toolchain_key: str
    chunks: tuple[Mapping[str, Any], ...]
    metadata: Metadata
    files: Mapping[str, SourceFile] = field(default_factory=dict)
    grains: Mapping[str, Any] = field(default_factory=dict)
    packages: Mapping[str, str] = field(default_factory=dict)
    """The package lock of this image: what it has beyond its base. Empty: take what the mirror has now."""
    compat: bool = False
    """Whether a formula of the image needs the worker's Python 2 compatibility."""
    day: str = ""
    """See :meth:`asked_on`."""

    @cached_property
    def key(self) -> str:
        """See :mod:`.key`."""
        return image_key(
            base=self.base.digest,
            chunks=self.chunks,
            files={path: file.identity for path, file in self.files.items()},
            packages=self.packages,
            toolchain=self.toolchain_key,
            grains={**self.grains, "__compat__": True} if self.compat else self.grains,
        )

    @property
    def upgrades(self) -> dict[str, str]:
        """The packages of the base that the lock has in a newer version, with that version."""
        return {name: version for name, version in self.packages.items() if name in self.base.packages}

    @property
    def short_key(self) -> str:
        """The key as it stands in a tag."""
        return self.key[:SHORT]

    def with_packages(self, packages: Mapping[str, str]) -> Recipe:
        """The recipe under another package lock (so, in general, with another key)."""
        return replace(self, packages=dict(packages), day="")

    def asked_on(self, day: str) -> Recipe:
        """The recipe for a build on a day: without a package lock no layer that a builder made on another one will do.

        So what a builder keeps serves all clouds of a machine, and a new cloud has what the mirror has now.
        """
        return self if self.packages else replace(self, day=day)

    def labels(self, key: str = "") -> dict[str, str]:
        """The labels (and annotations) of the image; ``key`` when it is another one than the recipe's own."""
        said = {
            "org.opencontainers.image.title": self.metadata.title,
            "org.opencontainers.image.source": self.metadata.source,
            "org.opencontainers.image.revision": self.metadata.revision,
            "org.opencontainers.image.version": self.metadata.version,
            "org.opencontainers.image.base.name": self.base.tag,
            "org.opencontainers.image.base.digest": self.base.digest,
            LABEL_KEY: key or self.key,
        }
        return {name: value for name, value in said.items() if value}

    def request(self) -> str:
        """The worker's request, as JSON (see the worker's protocol)."""
        value = {
            "id": 1,
            "op": "apply",
            "node": self.name,
            "pillar": {},
            "grains": dict(self.grains),
            "roots": [ROOT],
            "compat": [ROOT] if self.compat else [],
            "chunks": list(self.chunks),
            "build": True,
            "collect": None,
            "inspect": [],
        }
        if self.upgrades:
            value["upgrade"] = self.upgrades
        return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n"

    def preferences(self) -> str:
        """apt's pins for the package lock: of a locked package no other version may be installed."""
        records = []
        for name, version in sorted(self.packages.items()):
            records.append(f"Package: {name}\nPin: version {version}\nPin-Priority: {PIN_PRIORITY}\n")
            records.append(f"Package: {name}\nPin: release *\nPin-Priority: -1\n")
        return "\n".join(records)

    def containerfile(self, facts: ProcessFacts | None = None, key: str = "") -> str:
        """The Containerfile; without ``facts`` only its first stage, which makes the layer.

        ``key`` is for the label only: the key under the package lock that the first stage resulted in.
        """
        text = _HEAD.format(title=_comment(self.metadata.title), name=self.name)
        text += f"FROM {self.base.tag}\n\n" + _RUN.format(
            toolchain=self.toolchain_tag,
            input=INPUT,
            key=f"{self.key}-{self.day}" if self.day else self.key,
            chunks=len(self.chunks),
        )
        if facts is not None:
            text += "\n# How it is started, as its packages and the formula say.\n"
            text += "".join(_process_lines(facts))
            text += "\n# Labels are no part of the key: a change of them alone builds nothing.\n"
            text += "".join(f"LABEL {name}={_quoted(value)}\n" for name, value in sorted(self.labels(key).items()))
        return text


APT_CONF = """\
// Active only while the image is built: APT_CONFIG names this file, which is mounted and never part of the image.
Dir::Etc::Preferences "/media/preferences";
Acquire::Languages "none";
Acquire::Retries "3";
"""

_HEAD = """\
# {title}: written by saltern. Any OCI builder that has the two images below can build it, here:
#   podman build -t {name} -f Containerfile .
#   DOCKER_BUILDKIT=1 docker build -t {name} -f Containerfile .
"""

_RUN = """\
# Salt comes in through a mount, applies {chunks} build chunks and leaves nothing behind, apt's lists included.
# The key stands in the line because builders do not look into mounts when they search their layer cache.
RUN --mount=type=bind,from={toolchain},target=/mnt \\
    --mount=type=bind,source={input},target=/media \\
    --mount=type=tmpfs,target=/tmp \\
    --mount=type=tmpfs,target=/var/lib/apt/lists \\
    --mount=type=tmpfs,target=/var/cache/apt \\
    SALTERN_KEY={key} \\
    APT_CONFIG=/media/apt.conf LC_ALL=C.UTF-8 \\
    /mnt/bin/python3 -I -S -B /mnt/worker apply /media/request.json

# buildah removes the empty directories that it mounted over; nothing happens here where they still exist.
RUN mkdir -p /mnt /media && mkdir -p -m 1777 /tmp
"""


def _process_lines(facts: ProcessFacts) -> list[str]:
    lines = [f"EXPOSE {port}\n" for port in sorted(facts.ports)]
    lines += [f"VOLUME {json.dumps([path])}\n" for path in sorted(facts.volumes)]
    if facts.user:
        lines.append(f"USER {facts.user}\n")
    if facts.stop_signal:
        lines.append(f"STOPSIGNAL {facts.stop_signal}\n")
    if facts.command:
        lines.append(f"CMD {json.dumps(list(facts.command))}\n")
    return lines


def _quoted(value: str) -> str:
    """A value for LABEL: in quotes, on one line, without variables."""
    text = " ".join(value.split()).replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    return f'"{text}"'


def _comment(text: str) -> str:
    return " ".join(text.split())
