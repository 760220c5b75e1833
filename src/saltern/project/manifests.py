"""The whole model as manifests of Kubernetes in a folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from stat import S_IMODE

from saltern.base.errors import ConfigError, Problem, UsageError
from saltern.base.store import write_atomically
from saltern.project.cluster import shown_in, site_of
from saltern.project.context import Project
from saltern.project.rendering import render_cloud
from saltern.targets.kubernetes import cloud as target
from saltern.targets.kubernetes import versions
from saltern.targets.kubernetes.manifest import HEADER, SEPARATE, Manifest, files


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
    with project.locked_here():
        project.engine.sweep()
        cloud, configured, revealer = render_cloud(project)
        site = site_of(project, cloud, configured, revealer, parsed)
        found = target.project(cloud, site)
    if problems := [*shown_in(project, found, revealer)]:
        raise ConfigError(problems)
    removed = write(folder, files(found, secrets=secrets))
    return Manifests(folder, parsed, site.namespace, found, secrets, removed)


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
