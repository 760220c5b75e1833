"""The whole model as manifests of Kubernetes in a folder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from stat import S_IMODE, S_ISDIR, S_ISLNK

from saltern.base.errors import ConfigError, Problem, UsageError
from saltern.base.store import canonical, digest, write_atomically
from saltern.images.toolchain import SHORT, ensure_installer
from saltern.project.building import registry
from saltern.project.configuring import Configured, masked_files
from saltern.project.context import Project
from saltern.project.rendering import render_cloud
from saltern.project.revealing import Revealer
from saltern.project.revision import describe_revision
from saltern.project.secrets import held, uses
from saltern.targets.kubernetes import cloud as target
from saltern.targets.kubernetes import versions
from saltern.targets.kubernetes.manifest import HEADER, SEPARATE, Manifest, files
from saltern.targets.kubernetes.site import ConfigFile, Contents, Request, Site
from saltern.targets.workload import Cloud, ConfigMount, Workload

KEEP = "formulas/.keep"
"""A Secret has no empty folders, and the worker wants the root of the formulas."""


@dataclass(frozen=True)
class Manifests:
    """What was written: the objects of a cloud, each in a file of ``folder``."""

    folder: Path
    version: versions.Version
    namespace: str
    manifests: tuple[Manifest, ...]
    secrets: bool
    """Whether the values of secrets were written too."""
    removed: tuple[str, ...]
    """Files of an earlier rendering."""


def render_manifests(project: Project, folder: Path, version: str, *, secrets: bool) -> Manifests:
    """Build what is missing, render all configuration, and write the manifests for a version of Kubernetes.

    Raises UsageError where ``folder`` holds files of somebody else in the places of ours.
    """
    parsed = versions.parse(version)
    with project.locked():
        project.engine.sweep()
        cloud, configured, revealer = render_cloud(project)
        site = _site(project, cloud, configured, revealer, parsed)
        found = target.project(cloud, site)
    if problems := [*_shown(project, found, revealer)]:
        raise ConfigError(problems)
    removed = write(folder, files(found, secrets=secrets))
    return Manifests(folder, parsed, site.namespace, found, secrets, removed)


def _site(
    project: Project, cloud: Cloud, configured: Iterable[Configured], revealer: Revealer, version: versions.Version
) -> Site:
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
        config=tuple(entry for mount in workload.config for entry in entries(mount, masked)),
        requests=requests,
        installer=_installer(project, one) if workload.jobs else "",
    )


def _installer(project: Project, one: Configured) -> str:
    site = one.imaged.compiled.site
    name = f"installer-{site.name}:{site.toolchain.key[:SHORT]}"
    tag = f"{project.settings.registry or 'localhost'}/{project.cloud}/{name}"
    ensure_installer(project.engine, site.toolchain, tag)
    return tag


def _below(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def entries(mount: ConfigMount, masked: Mapping[str, str]) -> Iterator[ConfigFile]:
    """A mounted file, or a mounted folder with all that is in it. Raises ConfigError for what the user may not read."""
    source = Path(mount.source)
    whole = source.is_dir() and not source.is_symlink()
    folder = mount.target if whole else ""
    for path in [source, *(sorted(source.rglob("*")) if whole else ())]:
        below = path.relative_to(source).as_posix()
        place = mount.target if below == "." else f"{mount.target}/{below}"
        yield _entry(path, place, folder, masked.get(place))


def _entry(path: Path, place: str, folder: str, masked: str | None) -> ConfigFile:
    status = path.lstat()
    found = ConfigFile(place, "file", S_IMODE(status.st_mode), status.st_uid, status.st_gid, folder=folder)
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


def _shown(project: Project, manifests: Iterable[Manifest], revealer: Revealer) -> Iterator[Problem]:
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


def write(folder: Path, wanted: Mapping[str, tuple[str, bool]]) -> tuple[str, ...]:
    """Write files (path → text, private) into a folder and remove those of an earlier rendering, which it returns.

    Raises UsageError before anything is written where a file in the place of one of ours is not ours.
    """
    there = {p.relative_to(folder).as_posix(): p for f in (folder, folder / SEPARATE) for p in sorted(f.glob("*.yaml"))}
    ours = {name for name, path in there.items() if path.read_bytes().startswith(HEADER.encode())}
    if foreign := sorted({*wanted} & {*there} - ours):
        raise UsageError(
            Problem(
                f"{folder / name} was not written by saltern",
                resolution="give a folder of its own, or remove the file",
            )
            for name in foreign
        )
    folder.mkdir(parents=True, exist_ok=True)
    for name, (text, private) in wanted.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        mode = 0o600 if private else 0o644
        if name not in ours or path.read_bytes() != text.encode() or S_IMODE(path.stat().st_mode) != mode:
            write_atomically(path, text.encode(), mode)
    stale = sorted(ours - {*wanted})
    for name in stale:
        there[name].unlink()
    if (folder / SEPARATE).is_dir() and not any((folder / SEPARATE).iterdir()):
        (folder / SEPARATE).rmdir()
    return tuple(stale)
