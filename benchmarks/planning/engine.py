"""An engine in memory on which all of a cloud runs: plans ask it, and it answers at once.

Nodes are compiled by real Salt in a process of this machine, which takes the place of the container of the base. What
would be rendered in a container of each node's image is only a hash of what decides it, and images are only names.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from saltern.base.process import Completed, LocalRunner, Pipe
from saltern.images.base import LABEL_BASE_DIGEST
from saltern.images.engine import LABEL_KEY, LABEL_OWNER, Container, Image, RunSpec
from saltern.images.toolchain import LABEL, LABEL_READY, local_command, local_site_packages

PASSWD = "".join(
    f"{name}:x:{number}:{number}::/nonexistent:/bin/false\n"
    for number, name in enumerate(
        ("mysql", "rabbitmq", "memcache", "keystone", "glance", "haproxy", "www-data", "nobody"), 101
    )
)
DPKG = "ii \tbase-files\t12.4+deb12u5\nii \tbash\t5.2.15-2\n"
SBOM = json.dumps(
    {
        "packages": [
            {
                "name": name,
                "versionInfo": f"1.{number}-1",
                "externalRefs": [{"referenceLocator": f"pkg:deb/debian/{name}@1.{number}-1"}],
            }
            for number, name in enumerate(f"package{n}" for n in range(150))
        ]
    }
)


class MemoryEngine:
    """As much of :class:`saltern.images.engine.Engine` as plans and builds use; what it has lies in a file."""

    name = "podman"
    argv = ("podman",)
    environment: Mapping[str, str] = {}

    def __init__(self, file: Path, cache: Path) -> None:
        self._file = file
        self._site = local_site_packages(LocalRunner(), cache)
        known = json.loads(file.read_text()) if file.exists() else {}
        self._tags: list[str] = known.get("tags", [])
        self._containers: list[dict[str, Any]] = known.get("containers", [])
        self._volumes: list[str] = known.get("volumes", [])

    def run_all(self, services: Mapping[str, Any], volumes: Mapping[str, Any]) -> None:
        """Have all services of a Compose file that are no jobs run, and keep that for the next process."""
        self._volumes = sorted(one["name"] for one in volumes.values())
        self._containers = [
            {"id": name, "name": one["container_name"], "image": one["image"], "labels": one["labels"]}
            for name, one in services.items()
            if one["labels"]["io.saltern.role"] == "process"
        ]
        known = {"tags": self._tags, "containers": self._containers, "volumes": self._volumes}
        self._file.write_text(json.dumps(known))

    def sweep(self) -> tuple[str, ...]:
        return ()

    def image(self, reference: str) -> Image | None:
        base = "saltern/base-" in reference or "saltern/toolchain-" in reference
        labels = {LABEL_BASE_DIGEST: "sha256:base"} if base else {}
        return Image("0", 0, labels, (reference,)) if base or reference in self._tags else None

    def images(self, _label: str) -> tuple[Image, ...]:
        return self.present(self._tags)

    def present(self, references: Sequence[str]) -> tuple[Image, ...]:
        return tuple(Image("0", 0, {LABEL_KEY: ""}, (tag,)) for tag in references if tag in self._tags)

    def build(self, _context: Path, *, tag: str, **_: Any) -> str:
        self._tags.append(tag)
        return tag

    def stop_builds(self) -> None: ...

    def tag(self, _reference: str, new: str) -> None:
        self._tags.append(new)

    def remove_images(self, references: list[str]) -> None:
        self._tags = [tag for tag in self._tags if tag not in references]

    def containers(self, label: str) -> tuple[Container, ...]:
        if label.startswith(LABEL_OWNER):
            return ()
        return tuple(Container(state="running", exit_code=0, **one) for one in self._containers)

    def volumes(self, label: str) -> tuple[str, ...]:
        key, _, value = label.partition("=")
        made = {LABEL: f"saltern-toolchain-{value}", LABEL_READY: f"saltern-ready-{value}"}
        return (made[key],) if key in made else tuple(self._volumes)

    def run(self, spec: RunSpec, **_: Any) -> Completed:
        return Completed(spec.command, 0, DPKG if spec.command[0] == "dpkg-query" else SBOM, "")

    def open(self, spec: RunSpec) -> Pipe:
        if "saltern/base-" not in spec.image:
            return _Renderer(next((mount.source for mount in spec.mounts if not mount.read_only), ""))
        argv, env = local_command(self._site)
        paths = {json.dumps(mount.target): json.dumps(mount.source) for mount in spec.mounts if not mount.image}
        return _Moved(LocalRunner().open(argv, env=env), lambda line: _replaced(line, paths))


def _replaced(line: str, paths: Mapping[str, str]) -> str:
    for inside, outside in paths.items():
        line = line.replace(inside, outside)
    return line


class _Moved:
    """A worker of this machine that is told where the formulas are here."""

    def __init__(self, pipe: Pipe, move: Callable[[str], str]) -> None:
        self._pipe, self._move = pipe, move
        self.receive, self.close = pipe.receive, pipe.close

    def send(self, line: str) -> None:
        self._pipe.send(self._move(line))


class _Renderer:
    """In the place of a worker in a container of an image: a file in ``out`` is a hash of its chunk and the pillar."""

    def __init__(self, out: str) -> None:
        self._out = out
        self._answer = ""

    def send(self, line: str) -> None:
        request = json.loads(line)
        pillar = json.dumps(request["pillar"], sort_keys=True)
        files = [_file(chunk, pillar) for chunk in request["chunks"] if chunk["fun"] == "managed"]
        units = {name: {"unit": f"[Service]\nExecStart=/usr/bin/{name}\n"} for name in request["inspect"] or ()}
        whole = request["collect"]["whole"] if self._out else []
        for path in whole:
            Path(self._out + path).mkdir(parents=True)
        for file in files if self._out else ():
            path = Path(self._out + file["path"])
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(file["sha256"])
        answer = {"ok": True, "results": [], "files": files, "removed": [], "folders": whole, "units": units}
        self._answer = json.dumps({**answer, "passwd": PASSWD, "group": PASSWD})

    def receive(self) -> str | None:
        return self._answer

    def close(self) -> Completed:
        return Completed((), 0, "", "")


def _file(chunk: Mapping[str, Any], pillar: str) -> dict[str, Any]:
    text = json.dumps(chunk, sort_keys=True) + pillar
    hashed = hashlib.sha256(text.encode()).hexdigest()
    return {"path": chunk["name"], "type": "file", "mode": "0644", "uid": 0, "gid": 0, "sha256": hashed}
