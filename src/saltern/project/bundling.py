"""Bundles: all images of a revision as one file, and back into a registry."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from saltern.base.errors import Problem, RegistryError
from saltern.base.events import Emit
from saltern.images.build import push_images
from saltern.images.bundle.loading import Loaded, load
from saltern.images.bundle.reading import opened
from saltern.images.bundle.saving import Saved, save
from saltern.images.registry import Reference, Registry
from saltern.project import recording, snapshot
from saltern.project.building import build_locked, installers, needed_registry
from saltern.project.context import Project


def save_bundle(project: Project, path: Path, target: str, revision: str = "") -> Saved:
    """Write all images that a target needs of a revision (default: of the model as it is) to a file.

    Images that are missing are built and pushed first: the registry knows the digests that manifests name.
    """
    asked = needed_registry(project, "bundles are made of what a registry has, and the model names none")
    with _of_revision(project, revision) as chosen:
        imaged = build_locked(chosen)
        tags = {one.image.tag for one in imaged}
        if target == "kubernetes":
            tags |= installers(chosen, imaged)
        digests = push_images(chosen.engine, sorted(tags), asked, chosen.emit)
    images = {}
    for tag, digest in digests.items():
        found = Reference.parse(tag)
        known = digest if digest.startswith("sha256:") else found.tag
        images[tag.removeprefix(f"{project.settings.registry}/")] = (found.repository, known)
    return save(asked, images, path, project.emit)


@contextmanager
def _of_revision(project: Project, revision: str) -> Iterator[Project]:
    """The model as it is, or as a revision was made from it; under this machine's lock. No cluster is asked."""
    with project.locked_here():
        if not revision:
            yield project
            return
        with snapshot.opened(project, recording.named(project, revision).snapshot) as past:
            yield replace(past, settings=replace(past.settings, registry=project.settings.registry))


def load_bundle(path: Path, address: str, emit: Emit, sha256: str = "") -> tuple[Loaded, ...]:
    """Check a bundle, and bring its images to a registry, ``host[:port]`` with a path or without."""
    host, _, below = address.partition("/")
    registry = Registry(host)
    with opened(path, emit, sha256) as bundle:
        if not registry.answers():
            brief = f"the registry {host} does not answer"
            resolution = "start it (`saltern registry run` runs one on this machine), or give another with --registry"
            raise RegistryError(Problem(brief, resolution=resolution))
        return load(bundle, registry, f"{host}/{below.strip('/')}/" if below.strip("/") else f"{host}/", emit)
