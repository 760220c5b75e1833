"""Where an inventory is (:mod:`.location`) as the trees that hold its files (:mod:`.storage`)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from saltern.base.process import Runner
from saltern.base.store import digest
from saltern.model.git import GitTree, Mirror, Repository
from saltern.model.location import ENVIRONMENT, GitSource, Location, TreeSource
from saltern.model.storage import FolderTree, Storage, Tree


def open_storage(location: Location, runner: Runner, cache: Path) -> Storage:
    """The trees; nothing is read yet. Repositories on other machines are mirrored in ``cache``."""
    opener = _Opener(location.root, runner, cache)
    every = (location.classes, *location.environments.values())
    return Storage(
        root=location.root,
        nodes=opener.tree(location.nodes, location.options.default_environment),
        classes=lambda environment: opener.tree(location.environments.get(environment, location.classes), environment),
        by_environment=len(set(every)) > 1 or any(isinstance(s, GitSource) and s.branch == ENVIRONMENT for s in every),
        warnings=location.warnings,
    )


class _Opener:
    def __init__(self, root: Path, runner: Runner, cache: Path) -> None:
        self._root = root
        self._runner = runner
        self._cache = cache
        self._trees: dict[TreeSource, Tree] = {}
        self._repositories: dict[str, Repository] = {}

    def tree(self, source: TreeSource, environment: str) -> Tree:
        """The same tree each time, so that its files are listed once."""
        if isinstance(source, GitSource) and source.branch == ENVIRONMENT:
            source = replace(source, branch=environment)
        if source not in self._trees:
            self._trees[source] = self._git(source) if isinstance(source, GitSource) else FolderTree(source, self._root)
        return self._trees[source]

    def _git(self, source: GitSource) -> GitTree:
        repository = self._repositories.get(source.repo)
        if repository is None:
            name = digest(source.repo)[:16]
            cache = Path(source.cache_dir or self._cache / "inventory") / name
            lock = Path(source.lock_dir) / name if source.lock_dir else cache.with_suffix(".lock")
            mirror = Mirror(cache, lock, source.privkey)
            repository = self._repositories[source.repo] = Repository(source.repo, self._runner, mirror)
        return GitTree(source.repo, source.branch, source.root, repository)
