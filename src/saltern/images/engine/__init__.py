"""Container engines behind one small interface; podman and docker are sibling modules (see :mod:`.select`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol

from saltern.base.process import Completed, Pipe

LABEL_OWNER = "io.saltern.owner"
"""Label of short-lived helper containers: ``<pid>:<start time of the pid>`` of the saltern that made them."""

LABEL_KEY = "io.saltern.key"
"""Label of the images that were built from a recipe: the recipe's key."""


@dataclass(frozen=True, slots=True)
class Mount:
    """A mount of a container: a named volume (``source`` without a slash), a host path, or an image's tree."""

    source: str
    target: str
    read_only: bool = True
    image: bool = False
    """True: ``source`` is an image, and its whole tree appears (always read-only) at ``target``, e.g. the toolchain."""


@dataclass(frozen=True, slots=True)
class RunSpec:
    """A helper container: what ``podman run`` and ``docker run`` have in common."""

    image: str
    command: tuple[str, ...]
    mounts: tuple[Mount, ...] = ()
    network: str = "none"
    """``none``, the name of a network, or ``container:<name>``."""
    hostname: str = ""
    user: str = "0:0"
    labels: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    tmpfs: tuple[str, ...] = ()
    read_only: bool = False
    capabilities: tuple[str, ...] | None = None
    """None: the engine's defaults; else all are dropped but these."""


@dataclass(frozen=True, slots=True)
class Image:
    """An image that the engine has."""

    id: str
    size: int
    """Bytes, uncompressed, as the engine counts them."""
    labels: Mapping[str, str]
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Container:
    """A container that the engine knows, running or not."""

    id: str
    name: str
    image: str
    state: str
    """``created``, ``running``, ``exited`` … as the engine says, in lower case."""
    exit_code: int
    labels: Mapping[str, str]
    started_at: str = ""
    address: str = ""
    """Its first IPv4 address, "" while it has none."""
    mounts: tuple[Mount, ...] = ()
    """Its named volumes and host paths; memory that is no volume is not among them."""


class Runtime(Protocol):
    """Where containers run, whatever starts them. Every method raises :class:`~saltern.base.errors.EngineError`.

    A container engine is one; :mod:`saltern.rollout.kubernetes` makes one of a cluster.
    """

    name: str
    """``podman``, ``docker`` or ``kubernetes``."""

    def run(
        self,
        spec: RunSpec,
        *,
        stdin: str | None = None,
        timeout: float | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> Completed:
        """Run a helper container to its end and remove it, also when interrupted."""

    def run_bytes(
        self,
        spec: RunSpec,
        *,
        stdin: IO[bytes] | None = None,
        stdout: IO[bytes] | None = None,
        timeout: float | None = None,
    ) -> Completed:
        """As :meth:`run`, with bytes of any size from and to open files (stdout None: as text)."""

    def containers(self, label: str) -> tuple[Container, ...]:
        """All containers, running or not, that carry ``label`` (``key`` or ``key=value``), sorted by name."""

    def address(self, container: str) -> str:
        """The container's first IPv4 address, or "" while it has none."""

    def exec(
        self,
        container: str,
        argv: Sequence[str],
        *,
        user: str = "",
        environment: Mapping[str, str] | None = None,
        timeout: float | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> Completed:
        """Run a command inside a running container. ``user`` "": the container's; no value shows in a process list.

        ``on_line`` gets each line of its stdout and stderr as it comes.
        """

    def exec_bytes(
        self, container: str, argv: Sequence[str], stdout: IO[bytes], *, user: str = "", timeout: float | None = None
    ) -> Completed:
        """Run a command inside a running container; its stdout goes to an open file. ``user`` "": the container's."""

    def logs(self, container: str, *, tail: int = 20) -> str:
        """The last lines that the container wrote, stdout and stderr together."""

    def remove_containers(self, names: Sequence[str]) -> None:
        """Stop and remove containers (SIGTERM, then SIGKILL after 30 s); missing ones are no error."""

    def networks(self, label: str) -> tuple[str, ...]:
        """The names of all networks that carry ``label``."""

    def remove_networks(self, names: Sequence[str]) -> None:
        """Remove networks; missing ones are no error."""

    def volumes(self, label: str) -> tuple[str, ...]:
        """The names of all volumes that carry ``label``."""

    def create_volume(self, name: str, labels: Mapping[str, str]) -> None:
        """Make a named volume; an existing one is no error."""

    def remove_volumes(self, names: Sequence[str]) -> None:
        """Remove volumes; missing ones are no error."""


class Engine(Runtime, Protocol):
    """A container engine of this machine, which builds images as well; or pods, which can only use them."""

    builds: bool
    """Whether images are made here."""
    argv: tuple[str, ...]
    """The command that starts every call, e.g. ``("podman",)``."""
    environment: Mapping[str, str]
    """What the engine's commands (and compose's) need in their environment on this machine."""
    way_out: str
    """The network in which builds, and helpers that ask for packages, reach the mirrors (docs/decisions/045)."""

    def refuse_unbuilt(self, missing: Sequence[str]) -> None:
        """Raises UnbuiltError where images are missing and none can be made; asked before what takes its time."""

    def build(
        self,
        context: Path,
        *,
        tag: str,
        annotations: Mapping[str, str] | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> str:
        """Build ``context/Containerfile`` as ``tag``; return the image id. No network is denied, no cache is pruned.

        ``annotations`` go to the manifest where the engine can write them (podman); give the same as labels.
        """

    def settle(self, network: str) -> None:
        """Let the address at which the containers of a network find the way out stay as it is, where it might not."""

    def stop_builds(self) -> None:
        """End the builds that this process runs (in other threads), wait until they are gone, and sweep after them."""

    def import_rootfs(self, tar: Path, *, tag: str, changes: Sequence[str]) -> str:
        """Make an image of one layer of a root file system; ``changes`` are Containerfile lines (LABEL, CMD, ENV)."""

    def image(self, reference: str) -> Image | None:
        """The image behind a tag or id, or None when this engine does not have it."""

    def present(self, references: Sequence[str]) -> tuple[Image, ...]:
        """The images behind those of some tags or ids that this engine has; how many others it has costs nothing."""

    def images(self, label: str) -> tuple[Image, ...]:
        """All images that carry ``label`` (``key`` or ``key=value``)."""

    def tag(self, reference: str, new: str) -> None:
        """Give an image another tag."""

    def untag(self, reference: str) -> None:
        """Take a tag away. What later builds can use of the image stays, until the last image made from it goes."""

    def pull(self, reference: str, *, on_line: Callable[[str], None] | None = None) -> None:
        """Fetch an image from its registry."""

    def push(self, reference: str, *, on_line: Callable[[str], None] | None = None) -> str:
        """Send a tag to the registry that its name says; return the manifest digest (``sha256:…``)."""

    def remove_images(self, references: Sequence[str]) -> None:
        """Remove tags or ids; missing ones are no error."""

    def open(self, spec: RunSpec) -> Pipe:
        """Start a helper container for a conversation over stdin and stdout; it is removed when the pipe closes."""

    def sweep(self) -> tuple[str, ...]:
        """Remove the helper containers and half-made builds of saltern processes that are dead; return their names."""
