"""Which state of the model this is, from git."""

from __future__ import annotations

from saltern.project.context import Project


def describe_revision(project: Project) -> tuple[str, str]:
    """``(source, revision)``: where the model is kept, and its commit, with ``-dirty`` when files differ from it.

    Empty where the model is in no git repository: an image says what is known, not what is guessed.
    """
    commit = _git(project, "rev-parse", "HEAD")
    if not commit:
        return project.settings.source, ""
    dirty = "-dirty" if _git(project, "status", "--porcelain", "--", ".") else ""
    source = project.settings.source or _git(project, "config", "--get", "remote.origin.url")
    return _without_password(source), commit + dirty


def _git(project: Project, *words: str) -> str:
    done = project.runner.run(("git", "-C", str(project.root), *words), timeout=30)
    return done.stdout.strip() if done.ok else ""


def _without_password(address: str) -> str:
    scheme, found, rest = address.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}" if found else address
