"""What the images of a cloud contain: those that the model asks for, and those that run although it does not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from saltern.base.errors import ImageError, Problem
from saltern.images.base import Base
from saltern.images.build import Action, Step, plan_builds
from saltern.images.engine import Container, RunSpec
from saltern.images.packages import SBOM_PATH, PackageLock
from saltern.ops.contents import Contents, Package, of_lock, read_sbom
from saltern.project.building import recipes_of, site
from saltern.project.compiling import compile_members
from saltern.project.context import Project
from saltern.project.workers import Bases
from saltern.targets.compose import LABEL_CLOUD, LABEL_ROLE, LABEL_WORKLOAD


@dataclass(frozen=True)
class Cloud:
    """The images of a cloud, the bases that they are made on, and of what nothing is known."""

    images: tuple[Contents, ...]
    bases: Mapping[str, Base]
    unknown: tuple[Problem, ...]


def read_cloud(project: Project, names: Sequence[str] = ()) -> Cloud:
    """The contents of the images of the named nodes (default: all). Builds no image, and asks no registry."""
    members = tuple(project.member(name) for name in names) or project.members
    with Bases(project) as bases:
        compiled = compile_members(project, bases=bases)  # all: which image a node has depends on the others
        recipes = recipes_of(project, compiled)
        made = {one.site.base.name: one.site.base for one in compiled}
    wanted = {member.name for member in members}
    nodes: dict[str, list[str]] = {}
    for node in sorted(recipes):
        if node in wanted:
            nodes.setdefault(recipes[node].name, []).append(node)
    by_name = {recipe.name: recipe for recipe in recipes.values() if recipe.name in nodes}
    steps = plan_builds(project.engine, [by_name[name] for name in sorted(by_name)], site(project))
    running = [c for c in _processes(project) if c.labels.get(LABEL_WORKLOAD) in wanted]
    images: list[Contents] = []
    unknown: list[Problem] = []
    for step in steps:
        try:
            images.append(_asked_for(project, step, nodes[step.recipe.name], running))
        except ImageError as error:
            unknown += error.problems
    tags = {step.tag for step in steps}
    for tag in sorted({container.image for container in running} - tags):
        try:
            images.append(_stale(project, tag, running, made))
        except ImageError as error:
            unknown += error.problems
    if not names:
        unknown += _no_containers(project)
    return Cloud(tuple(images), made, tuple(unknown))


def _processes(project: Project) -> list[Container]:
    found = project.runtime.containers(f"{LABEL_CLOUD}={project.cloud}")
    return [c for c in found if c.labels.get(LABEL_ROLE) == "process" and c.state == "running"]


def _asked_for(project: Project, step: Step, nodes: Sequence[str], running: Iterable[Container]) -> Contents:
    recipe = step.recipe
    if step.action in (Action.KEEP, Action.TAG):
        origin, packages = "sbom", _sbom(project, step.origin or step.tag)
    elif recipe.packages:
        origin, packages = "lock", of_lock(recipe.base.packages, recipe.packages)
    else:
        raise ImageError(
            Problem(
                f"nothing is known of the packages of image {recipe.name!r}",
                details=f"it is not built here as the model asks for it ({step.reason}), and packages.lock lacks it",
                resolution="run `saltern build`",
            )
        )
    runs = any(container.image == step.tag for container in running)
    own = _own(recipe.base.packages, packages)
    return Contents(recipe.name, recipe.base.name, packages, origin, step.tag, tuple(nodes), runs, own=own)


def _stale(project: Project, tag: str, running: Iterable[Container], bases: Mapping[str, Base]) -> Contents:
    image = project.engine.image(tag)
    digest = image.labels.get("org.opencontainers.image.base.digest", "") if image else ""
    base = next((base for base in bases.values() if base.digest == digest), None)
    packages = _sbom(project, tag)
    own = _own(base.packages, packages) if base else frozenset()
    nodes = tuple(sorted({c.labels.get(LABEL_WORKLOAD, "") for c in running if c.image == tag}))
    name = tag.rpartition("/")[2].partition(":")[0]
    return Contents(name, base.name if base else "", packages, "sbom", tag, nodes, running=True, stale=True, own=own)


def _own(base: Mapping[str, str], packages: Mapping[str, Package]) -> frozenset[str]:
    return frozenset(name for name, package in packages.items() if base.get(name) == package.version)


def _sbom(project: Project, tag: str) -> dict[str, Package]:
    image = project.engine.image(tag)
    key = image.id.rpartition(":")[2] if image else ""
    known = project.store.get("sbom", key) if key else None
    if known is not None:
        return read_sbom(known.decode(), tag)
    done = project.engine.run(RunSpec(tag, ("cat", SBOM_PATH)))
    if not done.ok:
        raise ImageError(
            Problem(
                f"nothing is known of the packages of image {tag}",
                details=f"it has no {SBOM_PATH}: {done.tail(3)}",
                resolution="build it again with `saltern build`",
            )
        )
    packages = read_sbom(done.stdout, tag)
    if key:
        project.store.put("sbom", key, done.stdout.encode())
    return packages


def _no_containers(project: Project) -> list[Problem]:
    """Nodes that are no containers here; what they have installed is not in the model."""
    members = {member.node.name for member in project.members}
    others = sorted(name for name in project.inventory.nodes if name not in members)
    if not others:
        return []
    return [
        Problem(
            f"nothing is known of the packages of {len(others)} nodes that are no containers",
            details=", ".join(others),
            resolution="ask their own package managers",
        )
    ]


def locked_images(project: Project, lock: PackageLock) -> tuple[str, ...]:
    """The images of the lock that the model still has on that base; needs no compiling."""
    used = {(member.image_name, member.settings.base) for member in project.members}

    def is_used(name: str) -> bool:
        return any((image, lock.images[name].base) in used for image in (name, name.rpartition("--")[0]))

    return tuple(name for name in sorted(lock.images) if is_used(name))
