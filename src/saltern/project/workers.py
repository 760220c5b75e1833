"""Salt workers: one warm process per base, in a container of that base, or on this machine for linting."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from types import TracebackType

from saltern.base.errors import Problem, UsageError
from saltern.base.store import canonical, digest
from saltern.formulas.worker import Context, Worker
from saltern.images.base import Base, ensure_base
from saltern.images.engine import Mount, RunSpec
from saltern.images.toolchain import (
    Toolchain,
    ensure_toolchain,
    ensure_toolchain_volume,
    local_command,
    local_key,
    local_site_packages,
    serve_spec,
)
from saltern.project.context import HIDDEN_LENGTH, Member, Project

FORMULAS = "/srv/formulas"
"""Where a container has the formulas, by name."""
OUT = "/srv/out"
"""Where a container puts rendered files."""
LOCAL = "local"


@dataclass(frozen=True)
class BaseSite:
    """A base with its toolchain; with a local worker there is neither: it compiles, and can build nothing."""

    project: Project
    name: str
    made: tuple[Base, Toolchain] | None

    @property
    def identity(self) -> str:
        """What compiled low state depends on."""
        return digest(self.base.digest, self.toolchain.key) if self.made else local_key()

    @property
    def base(self) -> Base:
        """The base; raises UsageError when there is none."""
        return self._made[0]

    @property
    def toolchain(self) -> Toolchain:
        """The toolchain; raises UsageError when there is none."""
        return self._made[1]

    @cached_property
    def volume(self) -> str:
        """The named volume that shows the toolchain to the jobs of a Compose file."""
        return ensure_toolchain_volume(self.project.engine, self.toolchain)

    @property
    def _made(self) -> tuple[Base, Toolchain]:
        if self.made is None:
            raise UsageError(
                Problem("a local worker cannot build images", resolution="use --worker local with check and show only")
            )
        return self.made


class Bases:
    """The bases of one run and their workers, made when they are first needed; a context manager that ends them."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._sites: dict[str, BaseSite] = {}
        self._workers: dict[tuple[str, int], Worker] = {}
        self._lock = threading.Lock()
        self._stack = ExitStack()

    def __enter__(self) -> Bases:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @cached_property
    def fingerprints(self) -> tuple[tuple[str, str, str], ...]:
        """Name, compatibility mode and content hash of every formula."""
        return tuple((f.name, f.compat, f.fingerprint()) for f in self._project.formulas)

    @cached_property
    def fingerprints_text(self) -> str:
        """:attr:`fingerprints` as text to be hashed."""
        return canonical(self.fingerprints)

    def site(self, name: str) -> BaseSite:
        """The base of that name, made when the engine does not have it."""
        if name not in self._sites:
            self._sites[name] = BaseSite(self._project, name, None if self._is_local else self._make(name))
        return self._sites[name]

    def worker(self, site: BaseSite, number: int = 0) -> Worker:
        """The warm worker that compiles for a base; with a ``number``, one more to work beside it."""
        with self._lock:
            if (site.name, number) not in self._workers:
                self._workers[site.name, number] = self._stack.enter_context(self._new_worker(site))
            return self._workers[site.name, number]

    def _new_worker(self, site: BaseSite) -> Worker:
        project = self._project
        if self._is_local:
            argv, env = local_command(local_site_packages(project.runner, project.options.cache))
            return Worker(lambda: project.runner.open(argv, env=env))
        spec = serve_spec(site.toolchain, self.mounts)
        return Worker(lambda: project.engine.open(spec))

    def image_worker(self, site: BaseSite, image: str, *mounts: Mount) -> Worker:
        """A worker in a throw-away, network-less container of an image; the caller closes it."""
        spec: RunSpec = serve_spec(site.toolchain, (*self.mounts, *mounts), image=image)
        return Worker(lambda: self._project.engine.open(spec))

    def context(self, member: Member, roots: tuple[str, ...] | None = None) -> Context:
        """What a worker must know of a node; ``roots`` where the formulas are elsewhere (a job's own copies)."""
        formulas = self._project.formulas
        own = {f.name: str(f.root) if self._is_local else f"{FORMULAS}/{f.name}" for f in formulas}
        compat = {f.name for f in formulas if f.compat}
        return Context(
            node=member.node.name,
            pillar=member.pillar,
            grains=member.settings.grains,
            roots=tuple(own.values()) if roots is None else roots,
            compat=tuple(own[name] for name in own if name in compat) if roots is None else roots if compat else (),
            secrets=tuple(sorted({text for text in member.values.values() if len(text) >= HIDDEN_LENGTH})),
        )

    @cached_property
    def mounts(self) -> tuple[Mount, ...]:
        """The formulas, as containers get them."""
        return tuple(Mount(str(f.root), f"{FORMULAS}/{f.name}") for f in self._project.formulas)

    @property
    def _is_local(self) -> bool:
        return self._project.options.worker == LOCAL

    def _make(self, name: str) -> tuple[Base, Toolchain]:
        project = self._project
        base = ensure_base(project.engine, project.runner, project.store, project.base_spec(name), project.emit)
        cache = project.options.cache
        return base, ensure_toolchain(project.engine, project.runner, base, cache, project.emit)
