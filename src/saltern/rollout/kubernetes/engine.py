"""An engine made of pods: :class:`saltern.images.engine.Engine` for a saltern that runs in the cluster itself.

Images are what the registry has; making one is refused. A helper container is a pod of its image: the toolchain comes
with an init container, folders of this machine go in and out as tar over ``kubectl exec``, like the conversation.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, NoReturn

from saltern.base.errors import EngineError, ModelError, Problem, UnbuiltError
from saltern.base.process import Completed, Pipe
from saltern.images.engine import LABEL_OWNER, Image, Mount, RunSpec
from saltern.images.registry import Registry
from saltern.images.toolchain import pushed_as
from saltern.rollout.kubernetes.helper import MAIN, is_folder, remote
from saltern.rollout.kubernetes.kubectl import Kubectl
from saltern.rollout.kubernetes.runtime import ClusterRuntime

PODS = "pods"
"""What it is called where an engine is chosen."""
TRIES = 3
"""How often files are fetched: the end of what a command wrote can be lost on its way out of a cluster."""


def pod_engine(kubectl: Kubectl, cloud: str, registry: str) -> PodEngine:
    """The engine of a cloud in a cluster; ``registry`` is as in saltern.yml. Raises ModelError where there is none."""
    if not registry:
        raise ModelError(
            Problem(
                "an engine made of pods takes images from a registry, and the model names none",
                resolution="set `registry` in saltern.yml, and run `saltern push`",
            )
        )
    return PodEngine(kubectl, cloud, Registry(registry.partition("/")[0]), f"{registry}/{cloud}")


class PodEngine(ClusterRuntime):
    """See the module. Whoever works with it holds the cloud's lease: by that, pods that are left are known as such."""

    builds = False
    argv: tuple[str, ...] = ()
    environment: Mapping[str, str] = {}
    way_out = ""
    """Nothing is built here."""

    def __init__(self, kubectl: Kubectl, cloud: str, registry: Registry, place: str) -> None:
        super().__init__(kubectl, cloud)
        self._registry = registry
        self._place = place

    # ---- images

    def image(self, reference: str) -> Image | None:
        """See :meth:`Engine.image`; of what an engine keeps for itself it is the one that was pushed."""
        return self._registry.image(self._named(reference))

    def present(self, references: Sequence[str]) -> tuple[Image, ...]:
        """See :meth:`Engine.present`."""
        return tuple(found for one in references if (found := self.image(one)) is not None)

    def images(self, label: str) -> tuple[Image, ...]:  # noqa: ARG002 - the protocol's
        """None: a registry is asked for what is wanted by its name."""
        return ()

    def pull(self, reference: str, *, on_line: Callable[[str], None] | None = None) -> None:
        """Nothing: the machines of the cluster do it."""

    def settle(self, network: str) -> None:
        """Nothing: the cluster's networks are its own."""

    def remove_images(self, references: Sequence[str]) -> None:
        """Nothing: what a registry has may be somebody else's too."""

    def refuse_unbuilt(self, missing: Sequence[str]) -> None:
        """See :meth:`Engine.refuse_unbuilt`; the error has the names that are to be pushed."""
        if missing:
            raise UnbuiltError.of([self._named(one) for one in missing])

    def build(
        self,
        context: Path,  # noqa: ARG002 - the protocol's
        *,
        tag: str,
        annotations: Mapping[str, str] | None = None,  # noqa: ARG002
        on_line: Callable[[str], None] | None = None,  # noqa: ARG002
    ) -> NoReturn:
        """Raises UnbuiltError."""
        raise UnbuiltError.of([tag])

    def stop_builds(self) -> None:
        """There are none."""

    def import_rootfs(self, tar: Path, *, tag: str, changes: Sequence[str]) -> NoReturn:  # noqa: ARG002
        """Raises UnbuiltError."""
        raise UnbuiltError.of([tag])

    def tag(self, reference: str, new: str) -> NoReturn:  # noqa: ARG002
        """Raises UnbuiltError."""
        raise UnbuiltError.of([new])

    def untag(self, reference: str) -> None:
        """See :meth:`remove_images`."""

    def push(self, reference: str, *, on_line: Callable[[str], None] | None = None) -> NoReturn:  # noqa: ARG002
        """Raises UnbuiltError: what is here came from the registry."""
        raise UnbuiltError.of([reference])

    def _named(self, reference: str) -> str:
        return pushed_as(reference, self._place)

    # ---- helper containers

    def open(self, spec: RunSpec) -> Pipe:
        """See :meth:`Engine.open`."""
        with contextlib.ExitStack() as stack:
            pod = stack.enter_context(self._helper(spec))
            return PodPipe(self.kubectl.open(pod, MAIN, spec.command), stack.pop_all())

    def sweep(self) -> tuple[str, ...]:
        """Nothing: :meth:`ClusterRuntime.sweep` removes these pods too, for who holds the cloud's lock."""
        return ()

    @contextlib.contextmanager
    def _helper(self, spec: RunSpec) -> Iterator[str]:
        name = f"saltern-{secrets.token_hex(5)}"
        objects = remote(name, self._cloud, spec, self._named)
        objects[0]["metadata"]["annotations"] = {LABEL_OWNER: f"{socket.gethostname()}:{os.getpid()}"}
        folders = [mount for mount in spec.mounts if is_folder(mount)]
        with self._started(name, objects):
            self._bring(name, folders)
            yield name
            for mount in folders:
                if not mount.read_only:
                    self._fetch(name, mount)

    def _bring(self, pod: str, mounts: Sequence[Mount]) -> None:
        """Copy folders of this machine to their places in a pod."""
        if not mounts:
            return
        with tempfile.TemporaryFile() as file:
            pack(file, mounts)
            file.seek(0)
            words = ("exec", pod, "--container", MAIN, "--stdin", "--", "tar", "-x", "-C", "/", "-f", "-")
            done = self.kubectl.transfer(words, stdin=file)
        if not done.ok:
            raise EngineError(Problem(f"files cannot be brought to the pod {pod}", details=done.tail(5)))

    def _fetch(self, pod: str, mount: Mount) -> None:
        """Copy what a pod has in a folder back to this machine."""
        why = ""
        for _ in range(TRIES):
            with tempfile.TemporaryFile() as file:
                words = ("exec", pod, "--container", MAIN, "--", "tar", "-c", "-C", mount.target, "-f", "-", ".")
                done = self.kubectl.transfer(words, stdout=file)
                file.seek(0)
                try:
                    if done.ok:
                        unpack(file, Path(mount.source))
                        return
                    why = done.tail(5)
                except tarfile.TarError as error:
                    why = str(error)
        raise EngineError(Problem(f"files cannot be fetched from the pod {pod}", details=why))


class PodPipe:
    """A conversation with a pod that does not outlive it."""

    def __init__(self, pipe: Pipe, pod: contextlib.ExitStack) -> None:
        self._pipe = pipe
        self._pod = pod

    def send(self, line: str) -> None:
        """See :meth:`Pipe.send`."""
        self._pipe.send(line)

    def receive(self) -> str | None:
        """See :meth:`Pipe.receive`."""
        return self._pipe.receive()

    def close(self) -> Completed:
        """See :meth:`Pipe.close`; files come back, and the pod goes."""
        with self._pod:
            return self._pipe.close()


def pack(file: IO[bytes], mounts: Sequence[Mount]) -> None:
    """Write folders of this machine as a tar whose paths are their places in a pod; all belongs to root there."""

    def by_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        return member

    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for mount in mounts:
            archive.add(mount.source, mount.target.lstrip("/"), filter=by_root)


def unpack(file: IO[bytes], folder: Path) -> None:
    """Put the content of a tar into a folder, out of which it cannot get. Raises tarfile.TarError.

    Owners are kept where we are root; elsewhere all is ours, and we can read it.
    """
    safe = getattr(tarfile, "tar_filter", lambda member, _path: member)

    def ours(member: tarfile.TarInfo, path: str) -> tarfile.TarInfo:
        kept: tarfile.TarInfo = safe(member, path)
        return kept.replace(mode=(kept.mode or 0) | (0o700 if kept.isdir() else 0o600), deep=False)

    with tarfile.open(fileobj=file) as archive:
        archive.extraction_filter = ours
        archive.extractall(folder, numeric_owner=True)  # noqa: S202 - it has a filter
