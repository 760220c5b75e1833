"""A cloud in a cluster: what its manifests are made from, and its objects for a rollout."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from stat import S_IMODE, S_ISDIR, S_ISLNK
from types import MappingProxyType

from saltern.base.errors import ConfigError, Problem
from saltern.base.store import canonical, digest
from saltern.formulas.worker import ChangedFile
from saltern.images.build import push_images
from saltern.project.building import installer, needed_registry, registry
from saltern.project.configuring import Configured, masked_files
from saltern.project.context import Project
from saltern.project.revealing import Revealer
from saltern.project.revision import describe_revision
from saltern.project.secrets import held, uses
from saltern.targets.kubernetes import cloud as target
from saltern.targets.kubernetes import versions
from saltern.targets.kubernetes.manifest import Manifest
from saltern.targets.kubernetes.site import ConfigFile, Contents, Request, Site
from saltern.targets.kubernetes.units import Units, units
from saltern.targets.workload import Cloud, ConfigMount, Workload

KEEP = "formulas/.keep"
"""A Secret has no empty folders, and the worker wants the root of the formulas."""


def units_of(project: Project, cloud: Cloud, configured: Iterable[Configured], revealer: Revealer) -> Units:
    """The cloud's objects for the cluster as it is, its images pushed: pods name them by digest.

    Raises RegistryError without a registry, EngineError where the cluster does not answer.
    """
    asked = needed_registry(project, "a cluster pulls images from a registry, and the model names none")
    version = project.kubectl.version()
    site = site_of(project, cloud, configured, revealer, version)
    images = {*(w.image for w in cloud.workloads), *(c.installer for c in site.contents.values())} - {""}
    site = replace(site, digests=push_images(project.engine, sorted(images), asked, project.emit))
    found = target.project(cloud, site)
    if problems := [*shown_in(project, found, revealer)]:
        raise ConfigError(problems)
    return units(cloud, found)


def site_of(
    project: Project, cloud: Cloud, configured: Iterable[Configured], revealer: Revealer, version: versions.Version
) -> Site:
    """What the manifests are made from besides the workloads; makes the images that bring the toolchain."""
    settings = project.settings.kubernetes
    contents = {
        workload.name: _contents(project, workload, one, revealer)
        for workload, one in zip(cloud.workloads, configured, strict=True)
    }
    images = {*(w.image for w in cloud.workloads), *(c.installer for c in contents.values())}
    return Site(
        version=version,
        namespace=settings.namespace or cloud.name,
        settings=settings,
        revision=describe_revision(project)[1],
        digests=_digests(project, images),
        contents=contents,
    )


def _digests(project: Project, images: Iterable[str]) -> Mapping[str, str]:
    """What the registry has of these images. An image that was not pushed yet is named by its tag, which is its key."""
    asked = registry(project)
    if asked is None:
        return {}
    found = {image: asked.digest(image) for image in sorted(images) if image}
    return {image: known for image, known in found.items() if known.startswith("sha256:")}


def _contents(project: Project, workload: Workload, one: Configured, revealer: Revealer) -> Contents:
    compiled = one.imaged.compiled
    masked = masked_files(project.state / "config" / workload.name, one.tree)
    requests = {}
    for job in workload.jobs:
        content = {KEEP: b"", **_below(Path(job.request))}
        hashes = canonical({path: digest(data) for path, data in content.items()})
        requests[job.key] = Request(content, revealer.digest(compiled.member, hashes))
    return Contents(
        origin=compiled.member.node.place.file,
        tree=one.tree,
        config=tuple(entry for mount in workload.config for entry in entries(mount, masked, one.owned)),
        requests=requests,
        installer=installer(project, compiled.site) if workload.jobs else "",
    )


def _below(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def entries(
    mount: ConfigMount, masked: Mapping[str, str], owned: Mapping[str, ChangedFile] = MappingProxyType({})
) -> Iterator[ConfigFile]:
    """A mounted file, or a mounted folder with all that is in it. Raises ConfigError for what the user may not read."""
    source = Path(mount.source)
    whole = source.is_dir() and not source.is_symlink()
    folder = mount.target if whole else ""
    for path in [source, *(sorted(source.rglob("*")) if whole else ())]:
        below = path.relative_to(source).as_posix()
        place = mount.target if below == "." else f"{mount.target}/{below}"
        found = replace(_entry(path, place, masked.get(place)), folder=folder)
        known = owned.get(place)
        yield replace(found, mode=int(known.mode, 8), uid=known.uid, gid=known.gid) if known else found


def _entry(path: Path, place: str, masked: str | None) -> ConfigFile:
    status = path.lstat()
    found = ConfigFile(place, "file", S_IMODE(status.st_mode), status.st_uid, status.st_gid)
    if S_ISLNK(status.st_mode):
        return replace(found, kind="symlink", target=str(path.readlink()))
    if S_ISDIR(status.st_mode):
        return replace(found, kind="directory")
    try:
        content = path.read_bytes()
    except PermissionError as error:
        raise ConfigError(
            Problem(
                f"you may not read {place}, which was rendered for a node",
                details=f"it belongs to user {status.st_uid} of its container: {error}",
                resolution="render manifests as root",
            )
        ) from error
    return replace(found, content=content, masked=masked)


def shown_in(project: Project, manifests: Iterable[Manifest], revealer: Revealer) -> Iterator[Problem]:
    """Secrets that got into an object that is no Secret, by way of a unit."""
    for one in manifests:
        if one.kind == "Secret":
            continue
        for reference in held(canonical(one.data).replace("$$", "$"), revealer.values):
            yield Problem(
                f"the {one.kind} {one.name} would show the secret {reference}",
                tuple(sorted({p for use in uses(project) if use.reference == reference for p in use.places})),
                details="the unit of its service, or a drop-in of it that a state writes, has the value",
                resolution="have it in a file that the unit names with EnvironmentFile=, or in the service's own",
            )
