"""The whole model as manifests of Kubernetes in a folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from saltern.base.errors import ConfigError
from saltern.project.cluster import shown_in, site_of
from saltern.project.context import Project
from saltern.project.outputs import write_ours
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
    """See :func:`~saltern.project.outputs.write_ours`."""
    there = [path for part in (folder, folder / SEPARATE) for path in sorted(part.glob("*.yaml"))]
    removed = write_ours(folder, wanted, there, HEADER)
    if (folder / SEPARATE).is_dir() and not any((folder / SEPARATE).iterdir()):
        (folder / SEPARATE).rmdir()
    return removed
