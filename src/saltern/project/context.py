"""What every use case needs of one model: its settings, nodes and formulas, the engine, the cache and the state."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import IO, Any

from saltern.base.errors import LockedError, ModelError, Place, Problem, RolloutError, UsageError
from saltern.base.events import Emit, silent
from saltern.base.process import LocalRunner, Runner
from saltern.base.store import Store, canonical
from saltern.formulas import sources
from saltern.images.base import DEFAULT_BASES, BaseSpec
from saltern.images.engine import Engine, Runtime
from saltern.images.engine.select import select_engine
from saltern.images.packages import PackageLock, read_lock
from saltern.model import Inventory, Node, open_inventory
from saltern.model.inventory import refuse_problems
from saltern.model.location import Location, read_location
from saltern.model.secret_references import BEGIN, SecretReference, SecretUse, fill, uses_of
from saltern.model.secrets import MIN_LENGTH, SecretFinder, secret_values
from saltern.model.settings import NodeSettings, Settings, find_model, load_settings, read_node_settings
from saltern.model.trees import open_storage
from saltern.rollout.kubernetes.engine import PODS, pod_engine
from saltern.rollout.kubernetes.kubectl import Kubectl
from saltern.rollout.kubernetes.lease import Lease
from saltern.rollout.kubernetes.mirror import Mirror
from saltern.rollout.kubernetes.runtime import ClusterRuntime
from saltern.secrets.identity import Ask, default_identity, once, read_identities, refuse_to_ask
from saltern.secrets.safe import Safe

LOCK_SECONDS = 0.2
"""How long a lock that another process holds is waited for."""
UNWRITABLE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
"""What writing fails with on a disk that is full or read-only."""
HIDDEN_LENGTH = 4
"""Shorter values of secrets are not looked for in texts: half of each would be hidden."""


@dataclass(frozen=True)
class Member:
    """A node of the cloud with what it becomes."""

    node: Node
    settings: NodeSettings
    values: Mapping[SecretReference, str] = field(default_factory=dict)
    """Of the secrets that it refers to, when a rollout needs them; else stand-ins take their places."""
    finder: SecretFinder = field(default_factory=SecretFinder, compare=False, repr=False)
    """The project's own, for parts of parameters that nodes share."""

    @property
    def name(self) -> str:
        """Its short name, which is also its host name."""
        return self.node.short

    @property
    def image_name(self) -> str:
        """The image's name: as the model says, else what the node applies."""
        return self.settings.image or "-".join(self.node.applications).replace(".", "-").lower()

    @cached_property
    def uses(self) -> tuple[SecretUse, ...]:
        """The references to secrets in its parameters."""
        return tuple(uses_of(self.node)) if self._may_refer else ()

    @cached_property
    def references(self) -> frozenset[SecretReference]:
        """The secrets that it refers to."""
        return frozenset(use.reference for use in self.uses)

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters with the values of secrets, or their stand-ins. Nodes share parts: do not change them."""
        given: dict[str, Any] = self.node.parameters
        return fill(given, self._text_of) if self._may_refer else given

    @cached_property
    def secrets(self) -> frozenset[str]:
        """The texts that may be in no image and no output."""
        if not self._may_refer:
            return self.finder.values(self.parameters)
        own = (self._text_of(reference) for reference in self.references)
        return secret_values(self.parameters) | {text for text in own if len(text) >= MIN_LENGTH}

    def _text_of(self, reference: SecretReference) -> str:
        return self.values.get(reference, reference.stand_in)

    @property
    def pillar(self) -> dict[str, Any]:
        """What Salt's templates see, as from reclass's own ext_pillar."""
        return {**self.parameters, "__reclass__": self._about}

    @cached_property
    def pillar_text(self) -> str:
        """What decides its pillar, values of secrets apart, as text to be hashed."""
        return canonical({**self.node.parameters, "__reclass__": self._about})

    @property
    def _may_refer(self) -> bool:
        """Whether there can be a reference to a secret; mostly there is none, and nothing to be looked through."""
        return BEGIN in self.pillar_text

    @property
    def _about(self) -> dict[str, Any]:
        return {
            "nodename": self.node.name,
            "applications": list(self.node.applications),
            "classes": list(self.node.classes),
            "environment": self.node.environment,
        }


@dataclass(frozen=True)
class Options:
    """What the caller chooses besides the model."""

    engine: str = ""
    worker: str = "container"
    """``container`` or ``local``."""
    targets: tuple[str, ...] = ("compose",)
    """Nodes with one of these targets become containers."""
    strict: bool = False
    """Warnings of the model are errors."""
    identity: Path = field(default_factory=lambda: default_identity(os.environ))
    """The file that opens what is encrypted."""
    ask: Ask = refuse_to_ask
    """Asks for that file's passphrase, if it has one."""
    cache: Path = field(default_factory=lambda: _xdg("XDG_CACHE_HOME", ".cache"))
    state: Path = field(default_factory=lambda: _xdg("XDG_STATE_HOME", ".local/state"))


def _xdg(variable: str, default: str) -> Path:
    return Path(os.environ.get(variable) or Path.home() / default) / "saltern"


@dataclass(frozen=True)
class Project:
    """An opened model. Everything that costs time is done when it is first asked for."""

    root: Path
    settings: Settings
    options: Options = field(default_factory=Options)
    runner: Runner = field(default_factory=LocalRunner)
    emit: Emit = silent
    lock: PackageLock | None = None
    """Stands in for ``packages.lock``, which is then neither read nor written."""
    snapshot: str = ""
    """The snapshot that it was opened from, where it is no model of the operator's."""

    @property
    def cloud(self) -> str:
        """The cloud's name."""
        return self.settings.cloud

    @property
    def targets(self) -> tuple[str, ...]:
        """Nodes with one of these targets become containers; a cloud in a cluster has those that name none too."""
        return ("compose", "kubernetes") if self.in_cluster else self.options.targets

    @property
    def in_cluster(self) -> bool:
        """Whether the cloud runs on Kubernetes."""
        return self.settings.target == "kubernetes"

    @property
    def namespace(self) -> str:
        """The namespace of a cloud on Kubernetes."""
        return self.settings.kubernetes.namespace or self.cloud

    @cached_property
    def store(self) -> Store:
        """The cache."""
        return Store(self.options.cache)

    @property
    def state(self) -> Path:
        """Where this cloud's Compose file, rendered configuration and journal are; private to the user."""
        return self.options.state / self.cloud

    @cached_property
    def engine(self) -> Engine:
        """The container engine, or pods that stand for one."""
        name = self.options.engine or self.settings.engine
        if name == PODS:
            return pod_engine(self.kubectl, self.cloud, self.settings.registry)
        return select_engine(self.runner, self.options.cache, name)

    @cached_property
    def kubectl(self) -> Kubectl:
        """The way to the cluster."""
        return Kubectl(self.runner, self.namespace, self.settings.kubernetes.context)

    @cached_property
    def cluster(self) -> ClusterRuntime:
        """The cluster as the place where the cloud runs."""
        return ClusterRuntime(self.kubectl, self.cloud)

    @property
    def runtime(self) -> Runtime:
        """Where the cloud runs; images are made by :attr:`engine`, wherever that is."""
        return self.cluster if self.in_cluster else self.engine

    @cached_property
    def mirror(self) -> Mirror | None:
        """The cloud's state in its cluster; None where this machine's is all there is."""
        return Mirror(self.kubectl, self.cloud, self.state) if self.in_cluster else None

    @property
    def lease(self) -> Lease:
        """What keeps other machines away from a cloud in a cluster."""
        return Lease(self.kubectl, "saltern")

    def remember(self) -> None:
        """Send what was written into the state to the cluster; nothing to do elsewhere.

        Raises LockedError where somebody else has taken over meanwhile: what is not remembered is not done.
        """
        if self.mirror is not None:
            self.lease.refuse_lost()
            self.mirror.push()

    def sweep(self) -> None:
        """Remove what killed salterns left, here and where the cloud runs. The caller holds the cloud's lock."""
        self.engine.sweep()
        if self.in_cluster:
            self.cluster.sweep()

    @cached_property
    def formulas(self) -> tuple[sources.Formula, ...]:
        """All formulas, the model's own first."""
        return sources.resolve(self.root, self.settings.formulas, self.options.cache)

    @cached_property
    def inventory(self) -> Inventory:
        """The model's nodes, every one rendered and checked. Raises ModelError with all problems."""
        refuse_problems(self.opened, strict=self.options.strict)
        return self.opened

    @cached_property
    def opened(self) -> Inventory:
        """The model's nodes, each rendered when it is looked at: for verbs that need some, or problems as values."""
        class_paths = dict(found for formula in self.formulas if (found := formula.classes))
        return open_inventory(
            self.root,
            class_paths=class_paths,
            allowed=self.settings.allowed,
            options=self.location.options,
            storage=open_storage(self.location, self.runner, self.options.cache),
        )

    @cached_property
    def location(self) -> Location:
        """Where the nodes and classes are, and how they are merged. Raises ModelError."""
        return read_location(self.root, self.settings.inventory)

    @cached_property
    def members(self) -> tuple[Member, ...]:
        """The nodes that become containers, by name. Raises ModelError with all problems of ``parameters.saltern``."""
        members, problems = self.members_of(self.inventory.nodes.values())
        problems += clashes(members)
        if problems:
            raise ModelError(problems)
        return members

    def members_of(self, nodes: Iterable[Node]) -> tuple[tuple[Member, ...], tuple[Problem, ...]]:
        """Which healthy nodes become containers, and what is wrong with their ``parameters.saltern``."""
        members: list[Member] = []
        problems: list[Problem] = []
        finder = SecretFinder()
        for node in nodes:
            what = f"parameters:saltern of {node.name}"
            raw = node.parameters.get("saltern")
            settings, found = read_node_settings(raw, what, self.settings.bases, partial(setting_places, node))
            problems += (replace(problem, node=node.name) for problem in found)
            if settings.target in self.targets and not found:
                members.append(Member(node, settings, finder=finder))
        return tuple(members), tuple(problems)

    def member(self, name: str) -> Member:
        """The member of that node name or short name; raises UsageError."""
        for member in self.members:
            if name in (member.name, member.node.name):
                return member
        known = ", ".join(member.name for member in self.members)
        raise UsageError(Problem(f"there is no node {name!r}", resolution=f"known nodes: {known}"))

    def base_spec(self, name: str) -> BaseSpec:
        """What a base is made of."""
        given = self.settings.bases[name]
        if name in DEFAULT_BASES and dict(given) == {"bootstrap": DEFAULT_BASES[name].bootstrap}:
            return DEFAULT_BASES[name]
        return BaseSpec(name, **given)

    def read_packages(self) -> PackageLock:
        """The package lock that holds: the one that stands in, or the model's. Raises ModelError."""
        return read_lock(self.root) if self.lock is None else self.lock

    @cached_property
    def safe(self) -> Safe:
        """The secrets that lie encrypted in the model."""
        return Safe(self.root, self.identities)

    @cached_property
    def identities(self) -> Callable[[], tuple[Any, ...]]:
        """Reads the keys that open what is encrypted, once."""
        return once(lambda: read_identities(self.options.identity, self.root, self.options.ask))

    def is_locked(self) -> bool:
        """Whether a saltern changes this cloud at this moment."""
        try:
            with (self.state / "lock").open() as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return False

    def _lock_file(self) -> IO[str]:
        self.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        return (self.state / "lock").open("a+")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Exclude other saltern processes from changing this cloud; raises LockedError when one is at work.

        A disk that is full meanwhile is a RolloutError.
        """
        with self.locked_here(), self._leased():
            yield

    @contextmanager
    def locked_here(self) -> Iterator[None]:
        """As :meth:`locked`, of this machine: for what makes images and files and asks no cluster."""
        with _written(self.state), self._lock_file() as file:
            if not _taken(file):
                file.seek(0)
                holder = file.read().strip() or "unknown"
                raise LockedError(
                    Problem(
                        f"another saltern (process {holder}) works on the cloud {self.cloud!r}",
                        resolution="wait until it has ended",
                    )
                )
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield

    def ensure_namespace(self) -> None:
        """Make the cloud's namespace if it is not there. Raises EngineError, at once where there is no cluster."""
        self.kubectl.version(waits=False)
        if self.kubectl.find("namespace", self.namespace) is None:
            self.kubectl.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}})

    @contextmanager
    def _leased(self) -> Iterator[None]:
        """Exclude other machines as well, and have the state that the cluster remembers."""
        if self.mirror is None:
            yield
            return
        self.ensure_namespace()
        with self.lease.held():
            self.mirror.pull()
            try:
                yield
            finally:
                self.remember()


@contextmanager
def _written(folder: Path) -> Iterator[None]:
    """Explain that nothing can be written: no defect, but the disk of the state, the cache or the model."""
    try:
        yield
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        raise RolloutError(
            Problem(
                f"{error.filename or folder} cannot be written: {error.strerror}",
                details="what was done before stands",
                resolution="make room there, and run the same command again: it goes on from what is there",
            )
        ) from error


def _taken(file: IO[str]) -> bool:
    """Take a lock; :meth:`Project.is_locked` of another process holds it for an instant, which is waited for."""
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() > deadline:
                return False
            time.sleep(LOCK_SECONDS / 10)
        else:
            return True


def setting_places(node: Node, path: tuple[str | int, ...]) -> tuple[Place, ...]:
    """Where a setting of a node was set last; a part that has no place of its own is shown at the whole's."""
    for end in range(len(path), -1, -1):
        if origins := node.origin(("saltern", *path[:end])):
            return (origins[-1].place,)
    return ()


def clashes(members: Iterable[Member]) -> tuple[Problem, ...]:
    """What keeps nodes from being in one cloud."""
    seen: dict[str, Member] = {}
    problems = []
    for member in members:
        if not member.node.applications:
            problems.append(
                Problem(
                    f"node {member.node.name} applies nothing",
                    resolution="give it a class with `applications`, or `saltern: {target: none}`",
                )
            )
        if other := seen.get(member.name):
            problems.append(
                Problem(
                    f"nodes {other.node.name} and {member.node.name} have the same host name {member.name!r}",
                    resolution="rename one: the part before the first dot must be unique in a cloud",
                )
            )
        seen[member.name] = member
    return (*problems, *_taken_by_replicas(seen), *_published_twice(seen.values()))


def _published_twice(members: Iterable[Member]) -> Iterator[Problem]:
    """Two nodes at one address of the machine; 0.0.0.0 is all of them."""
    taken: dict[str, list[tuple[str, Member, int]]] = {}
    for member in members:
        for index, publish in enumerate(member.settings.publish):
            host, _, port = publish.address.rpartition(":")
            for other_host, other, other_index in taken.get(port, ()):
                if host == other_host or "0.0.0.0" in (host, other_host):  # noqa: S104 - compared, not bound
                    places = [(other, other_index), (member, index)]
                    yield Problem(
                        f"{other.node.name} and {member.node.name} are both published at port {port} of {host}",
                        tuple(p for one, i in places for p in setting_places(one.node, ("publish", i, "address"))),
                        resolution="give one of them another address or port",
                        node=member.node.name,
                    )
            taken.setdefault(port, []).append((host, member, index))


def _taken_by_replicas(members: Mapping[str, Member]) -> Iterator[Problem]:
    for member in members.values():
        count = member.settings.replicas
        for other in (members.get(f"{member.name}-{number}") for number in range(1, count + 1) if count > 1):
            if other is not None:
                yield Problem(
                    f"node {other.node.name} has the host name of a replica of {member.node.name}",
                    setting_places(member.node, ("replicas",)),
                    resolution=f"rename it, or give {member.node.name} fewer replicas",
                    node=member.node.name,
                )


def open_project(model: Path | None, options: Options, emit: Emit = silent, runner: Runner | None = None) -> Project:
    """Open the model in ``model``, or the nearest one upwards from here. Raises UsageError or ModelError."""
    root = model or find_model(Path.cwd())
    if root is None:
        raise UsageError(
            Problem(
                "no model here",
                details=f"neither {Path.cwd()} nor a folder above it has nodes/ and classes/, or reclass-config.yml",
                resolution="go into a model, or give one with --model",
            )
        )
    project = Project(root.resolve(), load_settings(root), options, runner or LocalRunner(), emit)
    location = project.location
    missing = [str(path) for path in (location.nodes, location.classes) if isinstance(path, Path) and not path.is_dir()]
    if missing:
        shown = " and no ".join(f"{path.removeprefix(f'{location.root}/')}/" for path in missing)
        raise UsageError(
            Problem(f"{root} is no model: it has no {shown}", resolution="give another folder with --model")
        )
    return project
