"""What a revision of a cloud consists of: enough to see what differs, and to render all of it again. Frozen values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from saltern.base.store import canonical, digest

ID_LENGTH = 12
"""Characters of a revision's id: the start of the hash of all that it consists of."""


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A rendered file: SHA-256 of its content, octal mode, ``uid:gid``."""

    sha256: str
    mode: str
    owner: str


@dataclass(frozen=True)
class WorkloadRecord:
    """A node as containers, without the containers."""

    name: str
    node: str
    image: str
    """Reference by tag; the tag is the image's key."""
    base: str = ""
    packages: Mapping[str, str] = field(default_factory=dict)
    """Debian packages of the image beyond its base, with their versions."""
    tree: str = ""
    """The folder of its rendered files below ``config/<name>`` in the cloud's state."""
    files: Mapping[str, FileRecord] = field(default_factory=dict)
    services: Mapping[str, str] = field(default_factory=dict)
    """Service → hash of everything that defines its container, and of what its process can take over."""
    jobs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Service of a job → what it does, a line per chunk."""
    volumes: tuple[str, ...] = ()
    """The names in the engine of the volumes with its data."""
    data_plane: bool = False
    """Whether guests' traffic goes through it."""

    @property
    def image_name(self) -> str:
        """The image's name, without registry, cloud and tag."""
        return self.image.rpartition("/")[2].partition(":")[0]

    def as_json(self) -> dict[str, Any]:
        """JSON types; :meth:`of` reads them. What it holds is shared: ``asdict`` copies each of its packages."""
        return {**vars(self), "files": {path: asdict(file) for path, file in self.files.items()}}

    @property
    def generation(self) -> int:
        """Which of its fresh instances it is; a service's name tells: ``rabbitmq-g2``."""
        found = (re.match(rf"{re.escape(self.name)}-g([0-9]+)(?:-|$)", service) for service in self.services)
        return max((int(match[1]) for match in found if match), default=1)

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> WorkloadRecord:
        """From JSON types."""
        files = {path: FileRecord(**about) for path, about in raw["files"].items()}
        jobs = {name: tuple(lines) for name, lines in raw["jobs"].items()}
        return cls(**{**raw, "files": files, "jobs": jobs, "volumes": tuple(raw.get("volumes", ()))})


@dataclass(frozen=True)
class Revision:
    """A cloud as it was rendered once."""

    workloads: Mapping[str, WorkloadRecord]
    formulas: Mapping[str, str] = field(default_factory=dict)
    """Name → hash of all its files."""
    commit: str = ""
    """The model's commit, with ``-dirty`` when files differed from it; "" without git."""
    snapshot: str = ""
    """Hash of the archive of the model and its formulas; "" where none could be made."""

    @cached_property
    def id(self) -> str:
        """Equal content, equal id. The commit is no part of it: another commit can give the same cloud."""
        content = {"workloads": {name: one.as_json() for name, one in self.workloads.items()}, "from": self.snapshot}
        return digest(canonical(content))[:ID_LENGTH]

    @cached_property
    def _by_service(self) -> dict[tuple[str, str], WorkloadRecord]:
        found: dict[tuple[str, str], WorkloadRecord] = {}
        for one in self.workloads.values():
            for service in one.services.items():
                found.setdefault(service, one)
        return found

    def record_of(self, service: str, hashed: str) -> WorkloadRecord | None:
        """The workload whose service has this hash, i.e. what a running container was made from."""
        return self._by_service.get((service, hashed))

    def as_json(self) -> dict[str, Any]:
        """JSON types; :meth:`of` reads them."""
        workloads = {name: one.as_json() for name, one in self.workloads.items()}
        about = {"formulas": dict(self.formulas), "commit": self.commit, "snapshot": self.snapshot}
        return {"id": self.id, "workloads": workloads, **about}

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Revision:
        """From JSON types; raises KeyError or TypeError where they are no revision."""
        workloads = {name: WorkloadRecord.of(one) for name, one in raw["workloads"].items()}
        return cls(workloads, raw["formulas"], raw["commit"], raw["snapshot"])


def running_records(
    revisions: Iterator[Revision] | tuple[Revision, ...], running: Mapping[str, str]
) -> dict[str, WorkloadRecord]:
    """What each running service (name → hash) was made from, as far as a revision, newest first, knows it."""
    left = dict(running)
    found: dict[str, WorkloadRecord] = {}
    for revision in revisions:
        for service, hashed in [*left.items()]:
            if record := revision.record_of(service, hashed):
                found[service] = record
                del left[service]
        if not left:
            break
    return found
