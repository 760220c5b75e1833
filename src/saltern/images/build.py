"""Builds what recipes describe: first a plan (what is there already, what must be made and why), then its execution.

Independent images are built side by side. A killed build leaves at most a builder's cache, where the next run goes on.
"""

from __future__ import annotations

import contextlib
import json
import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any

from saltern.base.errors import ImageError, Problem, SalternError
from saltern.base.events import Emit, Event, State
from saltern.images.context import write_containerfile, write_context
from saltern.images.engine import LABEL_KEY, Engine, RunSpec
from saltern.images.packages import (
    LOCK_FILE,
    SBOM_PATH,
    LockedImage,
    PackageLock,
    beyond,
    packages_of_sbom,
    read_lock,
    write_lock,
)
from saltern.images.recipe import ProcessFacts, Recipe
from saltern.images.registry import Registry

STAGE = "build"
PUSH = "push"
PARALLEL = 2
"""Builds at a time: they wait for the mirror and for dpkg's disk writes in turn."""
JOIN_SECONDS = 20.0

ReadFacts = Callable[[Recipe, str], ProcessFacts]
"""``(recipe, tag of the image without metadata) → how its process is started``."""


class Action(StrEnum):
    """What is done for an image."""

    KEEP = "keep"
    TAG = "tag"
    PULL = "pull"
    BUILD = "build"


@dataclass(frozen=True, slots=True)
class Site:
    """Where images and their by-products go: ``contexts/<image>/`` gets what any OCI builder could build."""

    cloud: str
    model: Path
    contexts: Path
    registry: str = ""
    """``host[:port]``; "" keeps images in the local engine only."""
    lock: PackageLock | None = None
    """Stands in for the model's package lock, which is then neither read nor written: for plans."""

    def read_lock(self) -> PackageLock:
        """The package lock that holds. Raises ModelError for a damaged file."""
        return read_lock(self.model) if self.lock is None else self.lock

    def tag(self, recipe: Recipe) -> str:
        """``<registry or localhost>/<cloud>/<image>:<key>``."""
        return f"{self.registry or 'localhost'}/{self.cloud}/{recipe.name}:{recipe.short_key}"


@dataclass(frozen=True, slots=True)
class Step:
    """What is done for one image, and why."""

    recipe: Recipe
    tag: str
    action: Action
    reason: str
    origin: str = ""
    """For TAG: the image that is the same."""
    id: str = ""
    """For KEEP: the image's."""


@dataclass(frozen=True, slots=True)
class Built:
    """An image that the engine has now."""

    name: str
    tag: str
    key: str
    id: str
    action: Action


def plan_builds(
    engine: Engine, recipes: Iterable[Recipe], site: Site, registry: Registry | None = None
) -> tuple[Step, ...]:
    """What :func:`build_images` would do; reads the package lock, asks engine and registry, changes nothing."""
    lock, all_recipes = site.read_lock(), tuple(recipes)
    there = _Images(engine, [site.tag(_first(recipe, lock)) for recipe in all_recipes])
    return tuple(_plan(recipe, lock, site, there, registry) for recipe in all_recipes)


class _Images:
    """What the engine has: the tags that are wanted, and all others only when one of those is missing."""

    def __init__(self, engine: Engine, wanted: Sequence[str]) -> None:
        self._engine = engine
        self.wanted = {tag: i for i in engine.present(wanted) if LABEL_KEY in i.labels for tag in i.tags}

    @cached_property
    def tags(self) -> Sequence[str]:
        """The tags of all images that were built from recipes, other clouds' too: podman needs 10 ms for each."""
        return sorted(tag for image in self._engine.images(LABEL_KEY) for tag in image.tags)


def _first(recipe: Recipe, lock: PackageLock) -> Recipe:
    """The recipe with the packages that its image begins with."""
    return _locked(recipe, lock.first(recipe.name, recipe.base.name))


def _locked(recipe: Recipe, packages: Mapping[str, str]) -> Recipe:
    """The recipe with what a lock says of an image beyond its base, which may have become newer since."""
    return recipe.with_packages(beyond(recipe.base.packages, packages))


def _plan(recipe: Recipe, lock: PackageLock, site: Site, there: _Images, registry: Registry | None) -> Step:
    name, base = recipe.name, recipe.base.name
    own, first = lock.packages(name, base), _first(recipe, lock)
    tag = site.tag(first)
    if tag in there.wanted and (own or not first.packages):
        return Step(first, tag, Action.KEEP, "the engine has this key", id=there.wanted[tag].id)
    for same in (first, *(_locked(recipe, packages) for packages in lock.others(name, base))):
        for other in there.tags:
            if other.endswith(f":{same.short_key}") and other.rpartition(":")[0].split("/")[-2:-1] == [site.cloud]:
                return Step(same, site.tag(same), Action.TAG, f"the engine has this key as {other}", other)
    if registry is not None and registry.digest(tag):
        return Step(first, tag, Action.PULL, "the registry has this key")
    where = "neither the engine nor the registry has" if registry else "the engine does not have"
    return Step(first, tag, Action.BUILD, f"{where} the key {first.short_key}")


def build_images(
    engine: Engine,
    recipes: Sequence[Recipe],
    site: Site,
    *,
    facts: ReadFacts,
    emit: Emit,
    registry: Registry | None = None,
) -> tuple[Built, ...]:
    """Make every image present in the engine; the package lock of the model is read first and written after each build,
    unless the site brings one of its own.

    All failures are raised together, after the images that do not fail are done.
    """
    steps = plan_builds(engine, recipes, site, registry)
    engine.refuse_unbuilt([step.tag for step in steps if step.action is Action.BUILD])
    builder = _Builder(engine, site, facts, emit)
    return _side_by_side(builder.execute, steps, engine.stop_builds)


def push_images(engine: Engine, tags: Sequence[str], registry: Registry, emit: Emit) -> dict[str, str]:
    """Send tags to their registry unless it has them; returns tag → manifest digest."""
    digests = {}
    for tag in tags:
        started = time.monotonic()
        found = registry.digest(tag)
        if found:
            emit(Event(PUSH, tag, State.CACHED, found))
        else:
            emit(Event(PUSH, tag, State.STARTED))
            found = engine.push(tag, on_line=_teller(emit, PUSH, tag))
            emit(Event(PUSH, tag, State.DONE, found, time.monotonic() - started))
        digests[tag] = found
    return digests


class _Builder:
    """Executes steps; may be used from several threads."""

    def __init__(self, engine: Engine, site: Site, facts: ReadFacts, emit: Emit) -> None:
        self._engine = engine
        self._site = site
        self._facts = facts
        self._emit = emit
        self._lock = threading.Lock()

    def execute(self, step: Step) -> Built:
        """Do what the step says."""
        name, started = step.recipe.name, time.monotonic()
        if step.action is Action.KEEP:
            self._emit(Event(STAGE, name, State.CACHED, step.reason))
            return Built(step.recipe.name, step.tag, step.recipe.key, step.id, step.action)
        self._emit(Event(STAGE, name, State.STARTED, step.reason))
        try:
            recipe = self._act(step)
        except BaseException:
            self._emit(Event(STAGE, name, State.FAILED, seconds=time.monotonic() - started))
            raise
        tag = self._site.tag(recipe)
        self._emit(Event(STAGE, name, State.DONE, tag, time.monotonic() - started))
        return self._built(recipe, tag, step.action)

    def _act(self, step: Step) -> Recipe:
        if step.action is Action.TAG:
            self._engine.tag(step.origin, step.tag)
        elif step.action is Action.PULL:
            self._engine.pull(step.tag, on_line=self._progress(step.recipe.name))
        else:
            return self._build(step.recipe)
        if step.recipe.packages:  # they may be those of the image that it was found as, or split off from
            self._write_lock(step.recipe)
        return step.recipe

    def _build(self, recipe: Recipe) -> Recipe:
        """Build the layer, read what is in it, and finish with the lines that depend on that."""
        recipe = recipe.asked_on(time.strftime("%Y-%m-%d", time.gmtime()))
        folder = write_context(recipe, self._site.contexts / recipe.name)
        making = f"localhost/saltern/making-{self._site.cloud}-{recipe.name}:{recipe.short_key}"
        self._build_layer(recipe, folder, making)
        packages = beyond(recipe.base.packages, packages_of_sbom(self._read(making, SBOM_PATH), recipe.name))
        locked = recipe.with_packages(packages)
        facts = self._facts(recipe, making)
        tag = self._site.tag(locked)
        write_containerfile(recipe, folder, facts, key=locked.key)
        self._engine.build(folder, tag=tag, annotations=recipe.labels(locked.key), on_line=self._progress(recipe.name))
        self._engine.untag(making)
        # The tag comes first: killed between the two, the next run finds the builder's cache, not another key.
        self._write_lock(locked)
        write_context(locked, folder, facts)
        return locked

    def _build_layer(self, recipe: Recipe, folder: Path, tag: str) -> None:
        lines: list[str] = []
        progress = self._progress(recipe.name)

        def on_line(line: str) -> None:
            lines.append(line)
            progress(line)

        try:
            self._engine.build(folder, tag=tag, on_line=on_line)
        except ImageError as error:
            failed = state_problems(lines, recipe.name)
            gone = missing_versions(self._engine, recipe) if recipe.packages else ()
            raise ImageError([*_gone_problem(recipe, gone), *(failed or error.problems)]) from error

    def _write_lock(self, recipe: Recipe) -> None:
        if self._site.lock is not None:
            return
        with self._lock:
            lock: PackageLock = read_lock(self._site.model)
            entry = LockedImage(recipe.base.name, recipe.packages)
            write_lock(self._site.model, lock.with_image(recipe.name, entry))

    def _read(self, image: str, path: str) -> str:
        done = self._engine.run(RunSpec(image, ("cat", path)))
        if not done.ok:
            raise ImageError(Problem(f"{path} is missing in image {image}", details=done.tail(3)))
        return done.stdout

    def _progress(self, name: str) -> Callable[[str], None]:
        return _teller(self._emit, STAGE, name)

    def _built(self, recipe: Recipe, tag: str, action: Action) -> Built:
        image = self._engine.image(tag)
        return Built(recipe.name, tag, recipe.key, image.id if image else "", action)


def _teller(emit: Emit, stage: str, subject: str) -> Callable[[str], None]:
    return lambda line: emit(Event(stage, subject, State.PROGRESS, line))


def state_problems(lines: Iterable[str], image: str) -> list[Problem]:
    """The failed states in a build's output, from the answer that the worker printed; none when there is no answer."""
    for line in reversed(list(lines)):
        answer = _answer(line)
        if answer is not None:
            return [
                Problem(
                    f"image {image!r}: {result.get('function', '?')} {result.get('id', '?')!r} failed while building",
                    details=str(result.get("comment", "")),
                    node=image,
                )
                for result in answer.get("results", ())
                if not result.get("ok")
            ] + [
                Problem(
                    f"image {image!r}: {error.get('brief', error)}", details=str(error.get("details", "")), node=image
                )
                for error in answer.get("errors", ())
            ]
    return []


def _answer(line: str) -> dict[str, Any] | None:
    """The worker's answer in a line of output, behind a builder's prefix."""
    start = line.find("{")
    if start < 0 or '"ok"' not in line:
        return None
    try:
        value = json.loads(line[start:])
    except ValueError:
        return None
    return value if isinstance(value, dict) and "ok" in value else None


def missing_versions(engine: Engine, recipe: Recipe) -> tuple[str, ...]:
    """The locked ``package=version`` that the sources of the image's base do not have any more."""
    names = sorted(recipe.packages)
    script = 'apt-get -qq update >/dev/null 2>&1; exec apt-cache madison "$@"'
    lists = ("/var/lib/apt/lists", "/var/cache/apt", "/tmp")  # noqa: S108  # inside the container
    done = engine.run(
        RunSpec(recipe.base.tag, ("/bin/sh", "-c", script, "sh", *names), network=engine.way_out, tmpfs=lists),
        timeout=120,
    )
    rows = [[word.strip() for word in line.split("|")] for line in done.stdout.splitlines()]
    offered = {(row[0], row[1]) for row in rows if len(row) > 2}
    if not offered:  # the mirror did not answer at all: that is another problem, and the build's own
        return ()
    return tuple(f"{name}={recipe.packages[name]}" for name in names if (name, recipe.packages[name]) not in offered)


def _gone_problem(recipe: Recipe, gone: Sequence[str]) -> list[Problem]:
    if not gone:
        return []
    return [
        Problem(
            f"image {recipe.name!r}: the mirror no longer has {len(gone)} of the package versions in {LOCK_FILE}",
            details="\n".join(gone),
            resolution=f"remove images:{recipe.name} from {LOCK_FILE} to take the versions of today, "
            "or set the base's `mirror` to a snapshot that has them (snapshot.debian.org)",
            node=recipe.name,
        )
    ]


def _side_by_side(do: Callable[[Step], Built], steps: Sequence[Step], stop: Callable[[], None]) -> tuple[Built, ...]:
    """Do the steps in a few threads, in order; raise all their user errors together.

    The threads are daemons: after Ctrl-C the builds are ended with ``stop``, and nothing is left to wait for.
    """
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    for index in range(len(steps)):
        waiting.put(index)
    built: dict[int, Built] = {}
    failed: dict[int, BaseException] = {}
    stopped = threading.Event()

    def work() -> None:
        while not stopped.is_set() and not waiting.empty():
            with contextlib.suppress(queue.Empty):
                index = waiting.get_nowait()
                try:
                    built[index] = do(steps[index])
                except BaseException as error:
                    failed[index] = error  # raised again by the main thread

    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(PARALLEL, len(steps)))]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    except BaseException:
        stopped.set()
        stop()
        for thread in threads:
            thread.join(JOIN_SECONDS)
        raise
    _raise_together([failed[index] for index in sorted(failed)])
    return tuple(built[index] for index in range(len(steps)))


def _raise_together(errors: Sequence[BaseException]) -> None:
    for error in errors:
        if not isinstance(error, SalternError):
            raise error
    users = [error for error in errors if isinstance(error, SalternError)]
    if len(users) == 1:
        raise users[0]
    if users:
        same = {type(error) for error in users}
        kind = same.pop() if len(same) == 1 else ImageError
        raise kind(problem for error in users for problem in error.problems)
