"""The package lock in which chosen packages are newer. Nothing is written: the lock is part of a plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from saltern.base.errors import ImageError, Problem, UsageError
from saltern.images.base import ensure_base
from saltern.images.packages import LOCK_FILE, LockedImage, PackageLock, beyond
from saltern.ops.affected import Mask, parse_question
from saltern.ops.apt import Lists, ensure_lists, read_status, simulate
from saltern.ops.contents import Contents, of_lock
from saltern.ops.index import Index
from saltern.ops.upgrade import Move, apply_moves, choose, complete, installed_status, stuck
from saltern.project.contents import locked_images
from saltern.project.context import Project


@dataclass(frozen=True)
class Upgrade:
    """A package lock, and how it differs from the one that holds."""

    lock: PackageLock
    moves: tuple[Move, ...]
    current: tuple[str, ...]
    """What was asked for and is as new as it can be: ``image: package version``."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing moves."""
        return not self.moves

    def as_json(self) -> dict[str, Any]:
        """JSON types; the lock itself is left out."""
        moves = [{**asdict(move), "cause": str(move.cause)} for move in self.moves]
        return {"moves": moves, "current": list(self.current)}


@dataclass(frozen=True)
class _Site:
    """A base, what its mirrors offer, and its dpkg database."""

    packages: Mapping[str, str]
    lists: Lists
    index: Index
    status: str


def upgraded_lock(
    project: Project, packages: Sequence[str] = (), *, security: bool = False, max_age: float = 0.0
) -> Upgrade:
    """The lock in which exactly the asked packages of all locked images are as new as the mirrors have them.

    ``packages``: names, with ``*`` and ``?``, also ``source:NAME``; ``security``: all that have security updates.
    ``max_age``: as of :func:`saltern.ops.apt.ensure_lists`. The images need not be built here.

    Raises:
        UsageError: for a name that no locked image has; all of them together.
        ImageError: when a mirror is silent, or apt finds no way.
    """
    masks = _masks(packages)
    if not masks and not security:
        raise UsageError(Problem("nothing to upgrade", resolution="name packages, or ask for security updates"))
    lock = project.read_packages()
    images = locked_images(project, lock)
    if missing := _not_locked(project, images):
        raise UsageError(
            Problem(
                f"images of the model are not in {LOCK_FILE}: {', '.join(missing)}",
                details="what is not locked gets the newest versions of everything when it is built",
                resolution="run `saltern build`, and keep the file in git",
            )
        )
    sites = _sites(project, lock, images, max_age)
    contents = [_contents(name, lock.images[name], sites[lock.images[name].base]) for name in images]
    if problems := [*_unknown(masks, contents)]:
        raise UsageError(problems)
    moves: list[Move] = []
    problems = []
    for one in contents:
        site, entry = sites[one.base], lock.images[one.image]
        try:
            found = _moves(project, one, site, masks, security=security)
        except ImageError as error:
            problems += error.problems
            continue
        if found:
            lock = lock.with_image(one.image, apply_moves(entry, site.packages, found))
            moves += found
    if problems:
        raise ImageError(problems)
    return Upgrade(lock, tuple(moves), tuple(_current(masks, contents, moves)))


def _not_locked(project: Project, images: Sequence[str]) -> list[str]:
    locked = {part for image in images for part in (image, image.rpartition("--")[0])}
    return sorted({member.image_name for member in project.members} - locked)


def _masks(packages: Sequence[str]) -> tuple[Mask, ...]:
    masks: list[Mask] = []
    problems: list[Problem] = []
    for text in packages:
        try:
            question = parse_question(text)
        except UsageError as error:
            problems += error.problems
            continue
        if question.operator:
            why = "an upgrade goes to the newest version that apt would take"
            problems.append(
                Problem(f"{text!r} has a bound", details=why, resolution=f"write {question.mask.pattern!r}")
            )
        masks.append(question.mask)
    if problems:
        raise UsageError(problems)
    return tuple(masks)


def _sites(project: Project, lock: PackageLock, images: Sequence[str], max_age: float) -> dict[str, _Site]:
    found = {}
    for name in sorted({lock.images[image].base for image in images}):
        base = ensure_base(project.engine, project.runner, project.store, project.base_spec(name), project.emit)
        locked = {package for i in images if lock.images[i].base == name for package in lock.images[i].packages}
        lists = ensure_lists(project.engine, project.store, base, project.emit, max_age)
        status = read_status(project.engine, project.store, base)
        found[name] = _Site(base.packages, lists, lists.index({*base.packages, *locked}), status)
    return found


def _contents(image: str, entry: LockedImage, site: _Site) -> Contents:
    packages = of_lock(site.packages, beyond(site.packages, entry.packages))
    own = frozenset(name for name, package in packages.items() if site.packages.get(name) == package.version)
    return Contents(image, entry.base, packages, "lock", own=own).with_sources(site.index)


def _unknown(masks: Sequence[Mask], contents: Sequence[Contents]) -> Iterator[Problem]:
    for mask in masks:
        if not any(mask.matches(package) for one in contents for package in one.packages.values()):
            yield Problem(
                f"no image has a package {mask.text!r}",
                details=f"searched: {', '.join(one.image for one in contents)}, as {LOCK_FILE} has them",
                resolution="look with `saltern affected` what the images contain",
            )


def _moves(project: Project, one: Contents, site: _Site, masks: Sequence[Mask], *, security: bool) -> tuple[Move, ...]:
    chosen = choose(one, site.index, masks, security=security)
    if not chosen:
        return ()
    if left := stuck(one, site.index):
        raise ImageError(
            Problem(
                f"image {one.image!r} cannot be built again: the mirrors do not have {', '.join(left)} any more",
                details="they have no newer version either",
                resolution=f"set the base's `mirror` to a snapshot, or remove images:{one.image} from {LOCK_FILE}",
            )
        )
    status = installed_status(site.status, one, site.index)
    wanted = [f"{move.package}={move.new}" for move in chosen.values()]
    return complete(one, site.index, chosen, simulate(project.engine, site.lists, status, wanted))


def _current(masks: Sequence[Mask], contents: Sequence[Contents], moves: Sequence[Move]) -> Iterator[str]:
    moved = {(move.image, move.package) for move in moves}
    for one in contents:
        for name, package in one.packages.items():
            if (one.image, name) not in moved and any(mask.matches(package) for mask in masks):
                yield f"{one.image}: {name} {package.version}"
