"""Images: from compiled nodes to recipes, and the recipes built or pushed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from saltern.base.errors import ImageError, Problem, RegistryError
from saltern.formulas.metadata import Volume
from saltern.formulas.sources import Formula
from saltern.formulas.worker import UnitFiles
from saltern.images.build import Built, Site, build_images, push_images
from saltern.images.packages import SPLIT, read_lock, write_lock
from saltern.images.process import Accounts, Process, read_process
from saltern.images.recipe import Metadata, ProcessFacts, Recipe, SourceFile
from saltern.images.registry import Registry
from saltern.images.toolchain import INSTALLER, SHORT, ensure_installer, pushed_as
from saltern.project.compiling import Compiled, compile_members
from saltern.project.context import Project
from saltern.project.revision import describe_revision
from saltern.project.workers import Bases, BaseSite


@dataclass(frozen=True)
class Imaged:
    """A compiled node and the image that it runs."""

    compiled: Compiled
    image: Built


def build(project: Project, names: Sequence[str] = ()) -> tuple[Imaged, ...]:
    """Make the images of the named nodes (default: all) present in the engine."""
    with project.locked_here():
        return build_locked(project, names)


def build_locked(project: Project, names: Sequence[str] = ()) -> tuple[Imaged, ...]:
    """The same; the caller holds the cloud's lock."""
    members = [project.member(name) for name in names] or list(project.members)
    with Bases(project) as bases:
        project.engine.sweep()
        return build_compiled(project, bases, compile_members(project, members, bases))


def build_compiled(project: Project, bases: Bases, compiled: Sequence[Compiled]) -> tuple[Imaged, ...]:
    """Make the images of compiled nodes present; nodes whose images are equal share one.

    When it was all nodes, the package lock forgets the images that none has any more.
    """
    recipes = recipes_of(project, compiled)
    by_name = {recipe.name: recipe for recipe in recipes.values()}
    owners = {recipes[one.member.name].name: one for one in reversed(compiled)}

    def facts(recipe: Recipe, tag: str) -> ProcessFacts:
        return facts_of(bases, owners[recipe.name], tag)

    built = build_images(
        project.engine,
        [by_name[name] for name in sorted(by_name)],
        site(project),
        facts=facts,
        emit=project.emit,
        registry=registry(project),
    )
    if project.lock is None and len(compiled) == len(project.members):
        _forget_unused(project, by_name)
    images = {image.name: image for image in built}
    return tuple(Imaged(one, images[recipes[one.member.name].name]) for one in compiled)


def _forget_unused(project: Project, names: Collection[str]) -> None:
    """Take images that no node has out of the package lock; without, an old entry would be found again later."""
    lock = read_lock(project.root)
    kept = lock.only(names)
    if kept != lock:
        write_lock(project.root, kept)


def push(project: Project, names: Sequence[str] = ()) -> dict[str, str]:
    """Build, and send to the registry what it does not have; tag → digest.

    For a cluster that is all that pods need to plan the same commit (:mod:`saltern.rollout.kubernetes.engine`).
    """
    target = needed_registry(project, "there is no registry to push to")
    imaged = build(project, names)
    tags = {*(one.image.tag for one in imaged), *(helpers(project, imaged) if project.in_cluster else ())}
    return push_images(project.engine, sorted(tags), target, project.emit)


def installers(project: Project, imaged: Iterable[Imaged]) -> set[str]:
    """The images that bring the toolchain to jobs on Kubernetes; makes those that the engine does not have."""
    return {installer(project, one.compiled.site) for one in imaged if one.compiled.has_jobs}


def helpers(project: Project, imaged: Iterable[Imaged]) -> Iterator[str]:
    """The bases of nodes with their toolchains, as a registry has them; made or tagged when they are missing."""
    for base in {one.compiled.site.name: one.compiled.site for one in imaged}.values():
        tag = pushed_as(base.base.tag, place(project))
        project.engine.tag(base.base.tag, tag)
        yield from (tag, installer(project, base))


def place(project: Project) -> str:
    """How the names of the cloud's images begin."""
    return f"{project.settings.registry or 'localhost'}/{project.cloud}"


def installer(project: Project, base: BaseSite) -> str:
    """The image that brings the toolchain of a base to where no image can be mounted; made when it is missing."""
    tag = f"{place(project)}/{INSTALLER}{base.name}:{base.toolchain.key[:SHORT]}"
    ensure_installer(project.engine, base.toolchain, tag)
    return tag


def site(project: Project) -> Site:
    """Where images and the builders' folders go."""
    return Site(project.cloud, project.root, project.state / "images", project.settings.registry, project.lock)


def registry(project: Project) -> Registry | None:
    """The registry of the model, if it names one."""
    return Registry(project.settings.registry.partition("/")[0]) if project.settings.registry else None


def needed_registry(project: Project, brief: str) -> Registry:
    """The registry of the model; raises RegistryError, which begins with ``brief``, where it names none."""
    found = registry(project)
    if found is None:
        resolution = "set `registry` in saltern.yml; `saltern registry run` runs one on this machine"
        raise RegistryError(Problem(brief, resolution=resolution))
    return found


def recipes_of(project: Project, compiled: Iterable[Compiled]) -> dict[str, Recipe]:
    """The recipe of each node, by the node's short name.

    Nodes with the same image name share it when they build the same; else each one's image carries its node's name.
    """
    revision = describe_revision(project)
    recipes = {one.member.name: _recipe(project, one, revision) for one in compiled}
    variants: dict[str, set[str]] = {}
    for recipe in recipes.values():
        variants.setdefault(recipe.name, set()).add(recipe.key)
    return {
        node: recipe if len(variants[recipe.name]) == 1 else replace(recipe, name=f"{recipe.name}{SPLIT}{node}")
        for node, recipe in recipes.items()
    }


def _recipe(project: Project, one: Compiled, described: tuple[str, str]) -> Recipe:
    name = one.member.image_name
    source, revision = described
    return Recipe(
        name=name,
        base=one.site.base,
        toolchain_tag=one.site.toolchain.tag,
        toolchain_key=one.site.toolchain.build_key,
        chunks=tuple(one.build.chunks),
        metadata=Metadata(f"{name} of {project.cloud}", source, revision),
        files=_files(project.formulas, one.build.files),
        grains=dict(one.member.settings.grains),
        compat=any(formula.compat for formula in project.formulas),
    )


def _files(formulas: Sequence[Formula], wanted: Mapping[str, str]) -> dict[str, SourceFile]:
    """The files that build chunks use, from the first formula that has each: Salt's own order of file roots."""
    found = {}
    for path in sorted(wanted):
        source = next(f.root / path for f in formulas if (f.root / path).is_file())
        found[path] = SourceFile.of(source)
    return found


def facts_of(bases: Bases, one: Compiled, tag: str) -> ProcessFacts:
    """How the process of a node is started, from what the image with this tag holds."""
    with bases.image_worker(one.site, tag) as worker:
        found = worker.apply(bases.context(one.member), (), inspect=service_names(one))
    processes = read_processes(one, found.units, Accounts.parse(found.passwd, found.group))
    if not processes:
        return ProcessFacts()
    first = processes[0]
    ports = {port for process in processes for port in process.ports}
    return ProcessFacts(
        user=first.user,
        command=first.command,
        ports=tuple(sorted(ports)),
        volumes=tuple(volume.path for volume in volumes_of(one, processes) if volume.kind == "data"),
        stop_signal=first.stop_signal,
    )


def service_names(one: Compiled) -> tuple[str, ...]:
    """The services that a node keeps running, in the order in which its formulas start them."""
    return tuple(dict.fromkeys(chunk.name.removesuffix(".service") for chunk in one.split.services))


def volumes_of(one: Compiled, processes: Iterable[Process]) -> tuple[Volume, ...]:
    """What outlives a node's containers: what its formulas name, and the data of services that they do not describe."""
    found = {volume.path: volume for volume in one.metadata.volumes}
    for process in processes:
        if process.name not in one.metadata.processes:
            for path in process.state:
                found.setdefault(path, Volume(path.strip("/").replace("/", "-"), path))
    return tuple(found.values())


def read_processes(one: Compiled, units: Mapping[str, UnitFiles], accounts: Accounts) -> tuple[Process, ...]:
    """The processes of a node; raises ImageError with a problem for each service that nothing says how to run."""
    found: list[Process] = []
    problems: list[Problem] = []
    for name in service_names(one):
        hints = one.metadata.processes.get(name)
        if hints is not None and not hints.enabled:
            continue
        try:
            found.append(read_process(name, asdict(units.get(name, UnitFiles())), hints, accounts))
        except ImageError as error:
            problems += (replace(problem, node=one.member.node.name) for problem in error.problems)
    if problems:
        raise ImageError(problems)
    return tuple(found)
