"""An engine in memory: volumes are dictionaries, ``tar`` is Python's, commands are the test's functions."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO

from saltern.base.process import Completed
from saltern.images.engine import Container, RunSpec
from saltern.targets.compose import LABEL_PROCESS, LABEL_ROLE, LABEL_WORKLOAD

Files = dict[str, bytes]
Say = Callable[[Files], tuple[int, bytes, str]]
Take = Callable[[Files, bytes], tuple[int, str]]


@dataclass
class FakeEngine:
    """``dump`` answers commands in running containers, ``restore`` those of helpers, both on the volume's files."""

    stored: dict[str, Files] = field(default_factory=dict)
    labels: dict[str, Mapping[str, str]] = field(default_factory=dict)
    dump: Say = lambda _files: (0, b"", "")
    restore: Take = lambda _files, _data: (0, "")
    on_pack: Callable[[Files], None] = lambda _files: None
    acts: list[str] = field(default_factory=list)
    known: list[Container] = field(default_factory=list)
    name: str = "podman"

    def create_volume(self, name: str, labels: Mapping[str, str]) -> None:
        self.stored.setdefault(name, {})
        self.labels[name] = labels

    def remove_volumes(self, names: Sequence[str]) -> None:
        for name in names:
            self.acts.append(f"remove {name}")
            self.stored.pop(name, None)

    def volumes(self, label: str) -> tuple[str, ...]:
        key, _, value = label.partition("=")
        return tuple(name for name in self.stored if self.labels.get(name, {}).get(key) == value)

    def containers(self, label: str) -> tuple[Container, ...]:
        return tuple(self.known)

    def remove_containers(self, names: Sequence[str]) -> None:
        self.acts += [f"stop {name}" for name in names]
        self.known = [one for one in self.known if one.name not in names]

    def sweep(self) -> tuple[str, ...]:
        return ()

    def exec_bytes(
        self, container: str, argv: Sequence[str], stdout: IO[bytes], *, user: str = "", timeout: float | None = None
    ) -> Completed:
        self.acts.append(f"exec {container} as {user or 'its user'}")
        code, data, said = self.dump(self.stored[next(iter(self.stored))])
        stdout.write(data)
        return Completed(tuple(argv), code, "", said)

    def run_bytes(
        self,
        spec: RunSpec,
        *,
        stdin: IO[bytes] | None = None,
        stdout: IO[bytes] | None = None,
        timeout: float | None = None,
    ) -> Completed:
        files = self.stored[spec.mounts[0].source]
        if spec.command[0] == "tar":
            assert stdout is not None
            stdout.write(pack(files))
            self.on_pack(files)
            return Completed(spec.command, 0, "", "")
        data = stdin.read() if stdin else b""
        if spec.command[:2] == ("sh", "-c"):
            files.clear()
            files.update(_unpacked(data))
            return Completed(spec.command, 0, "", "")
        assert spec.network == "none"
        code, said = self.restore(files, data)
        return Completed(spec.command, code, said, "it broke" if code else "")


def pack(files: Files) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in sorted(files):
            entry = tarfile.TarInfo(f"./{name}")
            entry.size, entry.mode, entry.uid, entry.gid = len(files[name]), 0o640, 64062, 64062
            tar.addfile(entry, io.BytesIO(files[name]))
    return buffer.getvalue()


def _unpacked(data: bytes) -> Files:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        found = {member.name.removeprefix("./"): tar.extractfile(member) for member in tar}
    return {name: content.read() for name, content in found.items() if content}


def process(name: str, state: str = "running", service: str = "db") -> Container:
    labels = {LABEL_WORKLOAD: "db", LABEL_ROLE: "process", LABEL_PROCESS: service}
    return Container(name, name, "image:1", state, 0, labels)
