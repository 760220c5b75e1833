"""What Saltern must remember of a cloud, kept in its cluster: any operator's machine can go on.

The state folder of this machine is a copy. It is fetched when the cloud's lease is taken, and what changed is sent
before each act begins and after it ended. One Secret holds one file or one rollout's folder, compressed: plans show no
secret, but snapshots hold the model.
"""

from __future__ import annotations

import base64
import gzip
import io
import tarfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from saltern.base.errors import Problem, RolloutError
from saltern.base.store import digest, write_atomically
from saltern.rollout.kubernetes.kubectl import Kubectl

LABEL_STATE = "io.saltern.state"
"""Label of the Secrets with state; its value is the cloud."""
PATH = "io.saltern.path"
"""Annotation: what the Secret holds, relative to the cloud's state folder."""
FILES = ("jobs.json", "upgrades.json", "digest.key")
FOLDERS = ("revisions", "snapshots")
ROLLOUTS = "rollouts"
LIMIT = 1_000_000
"""Bytes of one Secret, which Kubernetes limits to 1 MiB."""


class Mirror:
    """The copy of one cloud's state."""

    def __init__(self, kubectl: Kubectl, cloud: str, folder: Path) -> None:
        self._kubectl = kubectl
        self._cloud = cloud
        self._folder = folder
        self._known: dict[str, str] = {}
        """Path → digest of what the cluster has."""
        self._lock = threading.Lock()

    def pull(self) -> None:
        """Make the folder what the cluster remembers; what the cluster does not know goes."""
        found = {
            thing["metadata"]["annotations"][PATH]: base64.b64decode(thing["data"]["content"])
            for thing in self._kubectl.get(("secret",), f"{LABEL_STATE}={self._cloud}")
        }
        for path in self._parts():
            if path not in found:
                _remove(self._folder / path)
        for path, packed in found.items():
            content = gzip.decompress(packed)
            self._known[path] = digest(content)
            if not self._same(path, content):
                self._put(path, content)

    def push(self) -> None:
        """Send what changed here; may be called from several threads.

        Raises EngineError, or RolloutError for what is too large.
        """
        with self._lock:
            self._push()

    def _push(self) -> None:
        there: dict[str, str] = {}
        changed: dict[str, bytes] = {}
        for path in self._parts():
            content = _content(self._folder / path)
            there[path] = digest(content)
            if self._known.get(path) != there[path]:
                changed[path] = content
        self._kubectl.apply([self._secret(path, content) for path, content in sorted(changed.items())], force=True)
        gone = [path for path in self._known if path not in there]
        self._kubectl.delete("secret", [self._name(path) for path in gone], wait=False)
        self._known = there

    def _parts(self) -> Iterator[str]:
        """What there is here, relative to the folder."""
        yield from (name for name in FILES if (self._folder / name).is_file())
        for folder in FOLDERS:
            yield from sorted(f"{folder}/{path.name}" for path in (self._folder / folder).glob("[!.]*"))
        yield from sorted(f"{ROLLOUTS}/{path.name}" for path in (self._folder / ROLLOUTS).glob("[0-9]*"))

    def _same(self, path: str, content: bytes) -> bool:
        here = self._folder / path
        return here.exists() and _content(here) == content

    def _put(self, path: str, content: bytes) -> None:
        here = self._folder / path
        if not path.startswith(f"{ROLLOUTS}/"):
            write_atomically(here, content)
            return
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            for member in archive.getmembers():
                source = archive.extractfile(member)
                if source is not None and "/" not in member.name:
                    write_atomically(here / member.name, source.read())

    def _name(self, path: str) -> str:
        return f"saltern-state-{digest(path)[:20]}"

    def _secret(self, path: str, content: bytes) -> Mapping[str, Any]:
        packed = gzip.compress(content, mtime=0)
        if len(packed) > LIMIT:
            raise RolloutError(
                Problem(
                    f"{path} of the cloud's state is too large to be kept in the cluster: {len(packed)} bytes",
                    details=f"one Secret holds at most {LIMIT} bytes",
                    resolution="keep large files out of the model's repository, or in a formula's own",
                )
            )
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": self._name(path),
                "labels": {LABEL_STATE: self._cloud, "app.kubernetes.io/managed-by": "saltern"},
                "annotations": {PATH: path},
            },
            "type": "saltern.io/state",
            "data": {"content": base64.b64encode(packed).decode()},
        }


def _content(path: Path) -> bytes:
    """A file, or a folder as an archive that depends on its files' names and contents alone."""
    if path.is_file():
        return path.read_bytes()
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for file in sorted(one for one in path.iterdir() if one.is_file() and not one.name.startswith(".")):
            data = file.read_bytes()
            member = tarfile.TarInfo(file.name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return target.getvalue()


def _remove(path: Path) -> None:
    if path.is_dir():
        for file in path.iterdir():
            file.unlink()
        path.rmdir()
    else:
        path.unlink(missing_ok=True)
