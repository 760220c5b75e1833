"""Which state of the model this is, from git."""

from __future__ import annotations

from saltern.project.checkout import Git
from saltern.project.context import Project


def describe_revision(project: Project) -> tuple[str, str]:
    """``(source, revision)``: where the model is kept, and its commit, with ``-dirty`` when files differ from it.

    Empty where the model is in no git repository: an image says what is known, not what is guessed.
    """
    git = Git(project.runner, project.root)
    commit = (git.ask("rev-parse", "HEAD") or "").strip()
    if not commit:
        return project.settings.source, ""
    differing = git.ask("status", "--porcelain", "--", ".")
    dirty = "" if differing is not None and not differing.strip() else "-dirty"
    source = project.settings.source or (git.ask("config", "--get", "remote.origin.url") or "").strip()
    return without_password(source), commit + dirty


def without_password(address: str) -> str:
    """An address of a repository as it may be shown."""
    scheme, found, rest = address.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}" if found else address
