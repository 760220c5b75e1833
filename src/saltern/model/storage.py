"""Where the files of an inventory are: trees of YAML files, in folders of this machine or elsewhere (:mod:`.git`)."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from saltern.base.errors import ModelError, Place, Problem

EXTENSIONS = ("yml", "yaml")
SKIPPED_FOLDERS = ("CVS", "SCCS")


class StoredFile(NamedTuple):
    """A YAML file of a tree: what its tree finds it by, the folders between the tree's top and it, and its stem."""

    key: str
    folders: tuple[str, ...]
    stem: str


class Tree(Protocol):
    """The nodes, or the classes. Trees are values: equal ones hold the same files."""

    def files(self) -> Iterator[StoredFile]:
        """All of them, sorted folder by folder. Raises ModelError."""

    def read(self, file: StoredFile) -> bytes:
        """Its content. Raises OSError or ModelError."""

    def stamp(self, file: StoredFile) -> Hashable:
        """What differs when its content may differ; cheaper than the content. Raises OSError or ModelError."""

    def place(self, file: StoredFile) -> str:
        """Its name for people, in places."""

    def uri(self, file: StoredFile) -> str:
        """Its name as the reference prints it."""

    def pathname(self, file: StoredFile) -> str:
        """What ``class_mappings_match_path`` looks at."""


@dataclass(frozen=True)
class Storage:
    """The trees of an inventory; a node finds its classes in the tree of its environment."""

    root: Path
    """The model's folder; places are shown relative to it."""
    nodes: Tree
    classes: Callable[[str], Tree]
    """From an environment."""
    by_environment: bool = False
    """Whether environments have different trees of classes."""
    warnings: tuple[Problem, ...] = ()
    """What is strange in the settings that say where the trees are."""


@dataclass(frozen=True)
class FolderTree:
    """``yaml_fs``: a folder; files in ``root`` are shown relative to it."""

    folder: Path
    root: Path

    def files(self) -> Iterator[StoredFile]:
        """See :meth:`Tree.files`."""
        if not self.folder.is_dir():
            raise ModelError(self._missing())
        for folder, subfolders, names in os.walk(self.folder, followlinks=True):
            subfolders[:] = sorted(name for name in subfolders if not is_skipped(name))
            folders = Path(folder).relative_to(self.folder).parts
            for name in sorted(names):
                if stem := yaml_stem(name):
                    yield StoredFile(f"{folder}/{name}", folders, stem)

    def read(self, file: StoredFile) -> bytes:
        """See :meth:`Tree.read`."""
        return Path(file.key).read_bytes()

    def stamp(self, file: StoredFile) -> Hashable:
        """See :meth:`Tree.stamp`."""
        about = Path(file.key).stat()
        return about.st_mtime_ns, about.st_ctime_ns, about.st_size, about.st_ino

    def place(self, file: StoredFile) -> str:
        """See :meth:`Tree.place`."""
        path = Path(file.key)
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else file.key

    def uri(self, file: StoredFile) -> str:
        """See :meth:`Tree.uri`."""
        return f"yaml_fs://{file.key}"

    def pathname(self, file: StoredFile) -> str:
        """See :meth:`Tree.pathname`."""
        return "/".join((*file.folders, file.stem))

    def _missing(self) -> Problem:
        shown = self.folder.relative_to(self.root) if self.folder.is_relative_to(self.root) else self.folder
        return Problem(
            brief=f"the model has no folder {shown}/",
            places=(Place(str(self.root)),),
            resolution=f"Make {self.folder}, or say where it is with nodes_uri and classes_uri, or --model.",
        )


def yaml_stem(name: str) -> str:
    """The name of a YAML file without its extension; "" when it is no such file."""
    stem, _, extension = name.rpartition(".")
    return stem if extension in EXTENSIONS else ""


def is_skipped(folder: str) -> bool:
    """Whether what is below a folder of this name is no part of the inventory."""
    return folder.startswith(".") or folder in SKIPPED_FOLDERS


def folder_storage(root: Path, nodes: Path | None = None, classes: Path | None = None) -> Storage:
    """The storage of a model whose files are in folders of this machine."""
    tree = FolderTree(classes or root / "classes", root)
    return Storage(root, FolderTree(nodes or root / "nodes", root), lambda _environment: tree)
