"""Salt's file client over formula roots: it reads the files where they are, without a copy in a cache.

Real paths keep Salt's error messages true, and the compatibility mode can tell which formula a template belongs to.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import salt.fileclient
import salt.utils.jinja
import salt.utils.url

ENVIRONMENT = "base"
SKIPPED = {".git", "__pycache__", ".tox", ".kitchen"}


class Roots:
    """The union of several formula roots; the first root that has a path wins, as with Salt's ``file_roots``."""

    def __init__(self, roots: Sequence[str]) -> None:
        self.roots = tuple(os.path.abspath(root) for root in roots)
        self.files: dict[str, str] = {}
        self.folders: dict[str, str] = {}
        self.times: dict[str, int] = {}
        """When the entries of each folder changed."""
        for root in self.roots:
            self._index(root)

    def now(self) -> dict[str, int]:
        """:attr:`times` as they are now; a folder that is gone has none."""
        found = {}
        for folder in self.times:
            with contextlib.suppress(OSError):
                found[folder] = os.stat(folder).st_mtime_ns
        return found

    def _index(self, root: str) -> None:
        for folder, folders, files in os.walk(root, followlinks=True):
            folders[:] = sorted(name for name in folders if name not in SKIPPED)
            self.times[folder] = os.stat(folder).st_mtime_ns
            relative = os.path.relpath(folder, root)
            prefix = "" if relative == "." else relative + "/"
            if prefix:
                self.folders.setdefault(relative, folder)
            for name in sorted(files):
                self.files.setdefault(prefix + name, os.path.join(folder, name))

    def relative(self, path: str) -> str:
        """A path as its formula sees it (``keystone/server.sls``); other paths unchanged."""
        for root in self.roots:
            if path.startswith(root + "/"):
                return path[len(root) + 1 :]
        return path

    def root_of(self, path: str) -> str:
        """The root that a path lies in, or ""."""
        return next((root for root in self.roots if path.startswith(root + "/")), "")

    def sls_file(self, sls: str) -> str:
        """The relative path of an SLS, or "" when no root has it."""
        path = sls.replace(".", "/")
        return next((name for name in (path + ".sls", path + "/init.sls") if name in self.files), "")


_known: dict[tuple[str, ...], Roots] = {}
"""The roots of the request before: nodes have the same."""


def roots_of(paths: tuple[str, ...]) -> Roots:
    """The union of roots, listed again only when a folder of theirs has other entries than before."""
    known = _known.get(paths)
    if known is None or known.times != known.now():
        _known.clear()
        known = _known[paths] = Roots(paths)
    return known


def sha256(path: str) -> str:
    """The hash of a file's content, in hex."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


class RootsClient(salt.fileclient.PillarClient):  # type: ignore[misc]
    """Salt's interface to files, served from :class:`Roots` (which the options carry as ``saltern_roots``)."""

    def __init__(self, opts: Any) -> None:
        super().__init__(opts)
        self._roots: Roots = opts["saltern_roots"]

    def _relative(self, path: str) -> str:
        path, _ = salt.utils.url.split_env(path)
        if path.startswith("salt://"):
            path, _ = salt.utils.url.parse(path)
        return str(path).strip("/")

    def _find_file(self, path: str, saltenv: str = ENVIRONMENT) -> dict[str, Any]:  # noqa: ARG002
        relative = self._relative(path)
        found = self._roots.files.get(relative)
        return {"path": found, "rel": relative} if found else {"path": "", "rel": ""}

    def get_file(self, path: str, dest: str = "", makedirs: bool = False, *_args: Any, **_more: Any) -> str:
        """Return the real path; a copy is made only where the caller names one."""
        found = str(self._find_file(path)["path"])
        if not found or not dest:
            return found
        if os.path.isdir(dest) or dest.endswith("/"):
            dest = os.path.join(dest, os.path.basename(found))
        if makedirs:
            os.makedirs(os.path.dirname(dest), exist_ok=True)
        Path(dest).write_bytes(Path(found).read_bytes())
        return dest

    def is_cached(self, path: str, saltenv: str = ENVIRONMENT, cachedir: str | None = None) -> str:
        """Where the file is; nothing is ever copied."""
        if path.startswith("salt://"):
            return str(self._find_file(path)["path"])
        return str(super().is_cached(path, saltenv, cachedir))

    def file_list(self, saltenv: str = ENVIRONMENT, prefix: str = "") -> list[str]:  # noqa: ARG002
        """All relative paths that start with ``prefix``."""
        prefix = prefix.strip("/")
        return [name for name in self._roots.files if name.startswith(prefix)]

    def dir_list(self, saltenv: str = ENVIRONMENT, prefix: str = "") -> list[str]:  # noqa: ARG002
        """All relative folders that start with ``prefix``."""
        prefix = prefix.strip("/")
        return [name for name in self._roots.folders if name.startswith(prefix)]

    def file_list_emptydirs(self, saltenv: str = ENVIRONMENT, prefix: str = "") -> list[str]:
        """Folders without any file below them."""
        return [
            folder
            for folder in self.dir_list(saltenv, prefix)
            if not any(name.startswith(folder + "/") for name in self._roots.files)
        ]

    def symlink_list(self, saltenv: str = ENVIRONMENT, prefix: str = "") -> dict[str, str]:  # noqa: ARG002
        """No file is treated as a link: its content counts."""
        return {}

    def hash_file(self, path: str, saltenv: str = ENVIRONMENT) -> dict[str, str]:
        """The hash of a file of the roots, or of the machine."""
        found = self._find_file(path, saltenv)["path"] or (path if os.path.isabs(path) and os.path.isfile(path) else "")
        return {"hsum": sha256(found), "hash_type": "sha256"} if found else {}

    def hash_and_stat_file(self, path: str, saltenv: str = ENVIRONMENT) -> tuple[dict[str, str], list[Any] | None]:
        """Hash and ``stat`` of a file."""
        found = self._find_file(path, saltenv)["path"] or (path if os.path.isabs(path) and os.path.isfile(path) else "")
        return (self.hash_file(path, saltenv), list(os.stat(found))) if found else ({}, None)

    def envs(self) -> list[str]:
        """One environment."""
        return [ENVIRONMENT]

    def list_env(self, saltenv: str = ENVIRONMENT) -> list[str]:
        """All relative paths."""
        return self.file_list(saltenv)

    def destroy(self) -> None:
        """Nothing to close."""


def install() -> None:
    """Make every part of Salt use :class:`RootsClient`, and Jinja imports read the roots directly."""
    salt.fileclient.get_file_client = lambda opts, pillar=False: RootsClient(opts)  # noqa: ARG005
    salt.fileclient.FSClient = salt.fileclient.LocalClient = RootsClient
    original = salt.utils.jinja.SaltCacheLoader.__init__

    def init(self: Any, opts: Any, *args: Any, **kwargs: Any) -> None:
        original(self, opts, *args, **kwargs)
        self.searchpath = list(opts["saltern_roots"].roots)

    salt.utils.jinja.SaltCacheLoader.__init__ = init
