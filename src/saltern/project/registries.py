"""The registry of a model: what it has of a cloud, where it is run on this machine."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from saltern.base.errors import Problem, RegistryError
from saltern.images.engine.registry_name import is_loopback
from saltern.model.settings import Settings, find_model, load_settings
from saltern.project.building import needed_registry
from saltern.project.context import Project

ADDRESS = "127.0.0.1:5055"
"""Where one is run when nothing else is said; 5000 is Keystone's port."""


@dataclass(frozen=True, slots=True)
class Tagged:
    """A tag in the registry; ``image`` is its repository below the cloud's name."""

    image: str
    tag: str
    digest: str


def listed(project: Project) -> tuple[Tagged, ...]:
    """The cloud's images in its registry, by name and tag. Raises RegistryError."""
    asked = needed_registry(project, "there is no registry to list")
    host, _, _ = project.settings.registry.partition("/")
    below = f"{project.settings.registry}/{project.cloud}/".removeprefix(f"{host}/")
    return tuple(
        Tagged(repository.removeprefix(below), tag, asked.digest(f"{host}/{repository}:{tag}"))
        for repository in asked.repositories()
        if repository.startswith(below)
        for tag in asked.tags(repository)
    )


def address_of(model: Path | None) -> str:
    """Where the model's registry listens, if it is on this machine; else the usual address."""
    settings = _settings(model)
    host = settings.registry.partition("/")[0] if settings else ""
    return host if is_loopback(f"{host}/") and ":" in host else ADDRESS


def registry_of(model: Path | None) -> str:
    """The ``registry`` of saltern.yml; raises RegistryError where nothing names one."""
    settings = _settings(model)
    if settings is None or not settings.registry:
        raise RegistryError(
            Problem(
                "there is no registry to load into",
                resolution="give one with --registry, or set `registry` in saltern.yml",
            )
        )
    return settings.registry


def data_folder() -> Path:
    """Where a registry's data are when nothing else is said: they are no cache, and of no cloud."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "saltern" / "registry"


def _settings(model: Path | None) -> Settings | None:
    root = model or find_model(Path.cwd())
    return load_settings(root) if root else None
