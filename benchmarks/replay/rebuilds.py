"""What each commit rebuilds: the real compiler, recipes, keys and build plan over an engine that only remembers.

No image is built. What a build would find on the mirror comes from :data:`MIRROR`; as in a real build the versions go
into ``packages.lock``, and the image is known under the key that it has with them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from saltern.base.store import canonical, digest
from saltern.formulas.worker import Context
from saltern.images.base import Base
from saltern.images.build import Action, plan_builds
from saltern.images.engine import LABEL_KEY, Engine, Image
from saltern.images.key import identities
from saltern.images.packages import LockedImage, read_lock, write_lock
from saltern.images.recipe import Recipe
from saltern.images.toolchain import Toolchain
from saltern.phases import Phase
from saltern.project.building import recipes_of, site
from saltern.project.compiling import Compiled, compile_members
from saltern.project.context import Member, Options, Project, open_project
from saltern.project.workers import Bases, BaseSite

from .history import Commit, Repository

MIRROR: Mapping[str, Mapping[str, str]] = {
    "debian-12": {
        "default": "1-1+deb12u1",
        "keystone": "2:22.0.0-2",
        "glance-api": "2:25.1.0-2+deb12u1",
        "mariadb-server": "1:10.11.6-0+deb12u1",
        "rabbitmq-server": "3.10.8-1.1+deb12u1",
        "memcached": "1.6.18-1",
        "libssl3": "3.0.15-1~deb12u1",
    },
    "debian-13": {"default": "1-1", "keystone": "2:27.0.0-3", "glance-api": "2:30.0.0-3", "libssl3": "3.5.1-1"},
}
"""Base → package → the version that its mirror has."""
DEPENDS: Mapping[str, tuple[str, ...]] = {
    "keystone": ("libssl3", "python3", "uwsgi-core"),
    "glance-api": ("libssl3", "python3", "qemu-utils"),
    "mariadb-server": ("libssl3", "galera-4"),
    "rabbitmq-server": ("libssl3", "erlang-base"),
    "memcached": ("libevent-2.1-7",),
}
RELEASES: Mapping[str, Mapping[str, Any]] = {
    name: {
        "osmajorrelease": int(number),
        "osrelease": f"{number}.0",
        "oscodename": code,
        "osfinger": f"Debian-{number}",
    }
    for name, number, code in (("debian-12", "12", "bookworm"), ("debian-13", "13", "trixie"))
}


class StandIns(Bases):
    """Bases that need no engine: a worker of this machine that is told the base's release."""

    def __init__(self, project: Project) -> None:
        super().__init__(project)
        self._of = project

    def site(self, name: str) -> BaseSite:
        key = self._of.base_spec(name).key
        toolchain = Toolchain(f"toolchain-{name}", "t", digest("t", name), name)
        return BaseSite(self._of, name, (Base(name, f"base-{name}", f"sha256:{key}", {}), toolchain))

    def context(self, member: Member, roots: tuple[str, ...] | None = None) -> Context:
        found = super().context(member, roots)
        return replace(found, grains={**RELEASES[member.settings.base], **found.grains})


@dataclass(frozen=True)
class Known:
    """The images that were made so far, as an engine tells them."""

    tags: set[str]

    def images(self, _label: str) -> Iterator[Image]:
        return self.present(sorted(self.tags))

    def present(self, references: Sequence[str]) -> Iterator[Image]:
        return (Image(tag, 0, {LABEL_KEY: ""}, (tag,)) for tag in references if tag in self.tags)


@dataclass(frozen=True)
class Outcome:
    """One commit: what it rebuilt, what it had to, what the classic pipeline builds, and whose files change."""

    commit: Commit
    revision: str
    rebuilt: tuple[str, ...]
    images: int
    config: tuple[str, ...]

    @property
    def necessary(self) -> tuple[str, ...]:
        return tuple(sorted(self.commit.images))

    @property
    def exact(self) -> bool:
        return self.rebuilt == self.necessary and self.config == tuple(sorted(self.commit.config))

    def as_json(self) -> dict[str, Any]:
        return {
            "title": self.commit.title,
            "kind": self.commit.kind,
            "revision": self.revision,
            "rebuilt": list(self.rebuilt),
            "necessary": dict(self.commit.images),
            "everything": self.images,
            "config": list(self.config),
            "config_necessary": sorted(self.commit.config),
            "exact": self.exact,
        }


class Replay:
    """Plays commits one after the other in a folder; ``engine`` "" plays without any, on this machine's Salt."""

    def __init__(self, folder: Path, engine: str = "", cache: Path | None = None) -> None:
        self.repository = Repository(folder / "model")
        worker = "container" if engine else "local"
        self._options = Options(engine, worker, state=folder / "state", cache=cache or Options().cache)
        self._known = Known(set())
        self._files: dict[str, str] = {}

    def play(self, commits: Iterable[Commit]) -> Iterator[Outcome]:
        """The outcome of each commit; the images of the start are there, as after a first ``saltern up``."""
        self.repository.start()
        self._step(Commit("the example", "start", lambda _tree: None))
        for commit in commits:
            yield self._step(commit)

    def _step(self, commit: Commit) -> Outcome:
        commit.edit(self.repository)
        project = open_project(self.repository.root, self._options)
        bases = Bases(project) if self._options.engine else StandIns(project)
        with bases:
            compiled = compile_members(project, bases=bases)
            recipes = {recipe.name: recipe for recipe in recipes_of(project, compiled).values()}
            rebuilt = self._build(project, [recipes[name] for name in sorted(recipes)])
            config = self._config(bases, compiled)
        revision = self.repository.commit(commit.title)
        return Outcome(commit, revision, rebuilt, len(recipes), config)

    def _build(self, project: Project, recipes: Sequence[Recipe]) -> tuple[str, ...]:
        """What the plan builds; afterwards it is there, and its packages are locked."""
        steps = plan_builds(cast("Engine", self._known), recipes, site(project))
        for step in steps:
            recipe = step.recipe
            if step.action is Action.BUILD:
                recipe = recipe.with_packages(installed(recipe))
            if step.action is not Action.KEEP:
                entry = LockedImage(recipe.base.name, recipe.packages)
                write_lock(project.root, read_lock(project.root).with_image(recipe.name, entry))
            self._known.tags.add(site(project).tag(recipe))
        write_lock(project.root, read_lock(project.root).only({recipe.name for recipe in recipes}))
        return tuple(step.recipe.name for step in steps if step.action is Action.BUILD)

    def _config(self, bases: Bases, compiled: Sequence[Compiled]) -> tuple[str, ...]:
        """The workloads whose configuration chunks, templates rendered, are not what they were."""
        before, self._files = self._files, {}
        for one in compiled:
            frozen = bases.worker(one.site).freeze(bases.context(one.member), one.split.of(Phase.CONFIG))
            self._files[one.member.name] = digest(canonical(identities(frozen.chunks)), canonical(frozen.files))
        return tuple(sorted(name for name, found in self._files.items() if before.get(name) != found))


def installed(recipe: Recipe) -> dict[str, str]:
    """What a build would install: locked versions, else those of the mirror; dependencies too."""
    mirror = MIRROR[recipe.base.name]
    wanted = [str(chunk["name"]) for chunk in recipe.chunks if chunk["state"] == "pkg"]
    names = {*wanted, *(name for one in wanted for name in DEPENDS.get(one, ()))}
    return {name: recipe.packages.get(name) or mirror.get(name, mirror["default"]) for name in sorted(names)}


def totals(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """Over a whole history."""
    return {
        "commits": len(outcomes),
        "rebuilt": sum(len(one.rebuilt) for one in outcomes),
        "necessary": sum(len(one.necessary) for one in outcomes),
        "everything": sum(one.images for one in outcomes),
        "spurious": sum(len(set(one.rebuilt) - set(one.necessary)) for one in outcomes),
        "missed": sum(len(set(one.necessary) - set(one.rebuilt)) for one in outcomes),
        "config": sum(len(one.config) for one in outcomes),
        "config_necessary": sum(len(one.commit.config) for one in outcomes),
        "exact": sum(one.exact for one in outcomes),
    }


def as_text(outcomes: Sequence[Outcome]) -> str:
    return json.dumps({"commits": [one.as_json() for one in outcomes], "totals": totals(outcomes)}, indent=1)
