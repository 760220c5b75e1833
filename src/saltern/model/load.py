"""The files of an inventory as entities by class and node name; each is read once, when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import suppress
from copy import copy
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from saltern.base import yamlmarks
from saltern.base.errors import ModelError, Place, Problem
from saltern.base.store import digest
from saltern.model.entity import Entity, OwnFile, broken_entity, compile_entity
from saltern.model.options import Options
from saltern.model.storage import FolderTree, Storage, StoredFile, Tree
from saltern.model.terms import Source


class Library:
    """All nodes, and the classes of each environment."""

    def __init__(self, storage: Storage, class_paths: Mapping[str, Path], options: Options) -> None:
        """Lists the files. Raises ModelError when there are none to list or two have one name."""
        self._storage = storage
        self._options = options
        naming = _composed_name if options.compose_node_name else _node_name
        self._nodes = Shelf(storage.nodes, naming, options, are_nodes=True)
        self._more = tuple(
            Shelf(FolderTree(folder, storage.root), _prefixed(prefix), options)
            for prefix, folder in class_paths.items()
        )
        self._classes: dict[Tree, ClassLibrary] = {}
        self._refuse_problems()

    def refreshed(self) -> Library:
        """The same with the files as they are now; entities of unchanged files stay. Raises ModelError."""
        new = copy(self)
        new._nodes = self._nodes.refreshed()
        new._more = tuple(shelf.refreshed() for shelf in self._more)
        new._classes = {
            tree: ClassLibrary(classes.own.refreshed(), new._more) for tree, classes in self._classes.items()
        }
        new._refuse_problems()
        return new

    @property
    def entities(self) -> Iterator[Entity]:
        """All that were read so far, and that files still say."""
        for shelf in (self._nodes, *self._class_shelves):
            yield from shelf.entities

    @property
    def class_files(self) -> tuple[tuple[str, ...], ...]:
        """The names of all classes, tree by tree: what decides which file a class name means."""
        return tuple(shelf.names for shelf in self._class_shelves)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What is strange in the settings that say where the files are."""
        return self._storage.warnings

    @property
    def node_names(self) -> tuple[str, ...]:
        """All nodes that have files, sorted."""
        return self._nodes.names

    def node(self, name: str) -> Entity | None:
        """The node's entity, or None when no file has this name."""
        return self._nodes.get(name)

    def own_files(self) -> Iterator[OwnFile]:
        """All files of nodes, and of the classes of each environment that was asked for; no formula's."""
        for shelf in (self._nodes, *(library.own for library in self._classes.values())):
            yield from shelf.files()

    def classes(self, environment: str) -> ClassLibrary:
        """The classes of nodes of an environment: the same object where environments share them."""
        tree = self._storage.classes(environment)
        found = self._classes.get(tree)
        if found is None:
            found = self._classes[tree] = ClassLibrary(Shelf(tree, _class_name, self._options), self._more)
        return found

    @property
    def _class_shelves(self) -> tuple[Shelf, ...]:
        return (*(classes.own for classes in self._classes.values()), *self._more)

    def _refuse_problems(self) -> None:
        shelves = [self._nodes]
        if not self._storage.by_environment:
            shelves.append(self.classes(self._options.default_environment).own)
        problems = [problem for shelf in shelves for problem in shelf.problems]
        if problems:
            raise ModelError(problems)


class ClassLibrary:
    """The classes of a tree, and what formulas add to them; its own win. Raises ModelError when it is asked."""

    def __init__(self, own: Shelf, more: tuple[Shelf, ...]) -> None:
        self.own = own
        self._shelves = (own, *more)

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """All classes, used or not, sorted."""
        return tuple(sorted({name for shelf in self._shelves for name in shelf.names}))

    def class_(self, name: str) -> Entity | None:
        """The class's entity, or None when no file has this name."""
        for shelf in self._shelves:
            if shelf.problems:
                raise ModelError(shelf.problems)
            if (found := shelf.get(name)) is not None:
                return found
        return None


Naming = Callable[[tuple[str, ...], str], str]
"""From the folders between a tree's top and a file, and the file's stem, to the name."""


class Shelf:
    """The files of one tree by name."""

    def __init__(self, tree: Tree, naming: Naming, options: Options, *, are_nodes: bool = False) -> None:
        self._tree = tree
        self._naming = naming
        self._syntax = options.syntax
        self._are_nodes = are_nodes
        self._read: dict[str, _Read] = {}

    def refreshed(self) -> Shelf:
        """The same with the files as they are now; entities of unchanged files stay."""
        new = copy(self)
        vars(new).pop("_listed", None)
        vars(new).pop("names", None)
        files, _ = new._listed
        now = ((name, new._again(read, files.get(name))) for name, read in self._read.items())
        new._read = {name: read for name, read in now if read is not None}
        return new

    @property
    def entities(self) -> Iterator[Entity]:
        """All that were read so far."""
        return (read.entity for read in self._read.values())

    @cached_property
    def names(self) -> tuple[str, ...]:
        """All names, sorted."""
        return tuple(sorted(self._listed[0]))

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Why the files cannot be listed, and which of them have one name."""
        return self._listed[1]

    def get(self, name: str) -> Entity | None:
        """What the file of this name says, or None."""
        read = self._read.get(name)
        if read is None:
            file = self._listed[0].get(name)
            if file is None:
                return None
            read = self._read[name] = self._reading(name, file)
        return read.entity

    def files(self) -> Iterator[OwnFile]:
        """Every file that can be read with its content, by name."""
        for name, file in sorted(self._listed[0].items()):
            if (entity := self.get(name)) is not None:
                with suppress(OSError):
                    yield OwnFile(entity, self._tree.read(file))

    @cached_property
    def _listed(self) -> tuple[Mapping[str, StoredFile], tuple[Problem, ...]]:
        files: dict[str, StoredFile] = {}
        problems = []
        try:
            for file in self._tree.files():
                name = self._naming(file.folders, file.stem)
                first = files.setdefault(name, file)
                if first is not file:
                    problems.append(_two_files(name, self._tree.place(first), self._tree.place(file)))
        except ModelError as error:
            problems += error.problems
        return files, tuple(problems)

    def _reading(self, name: str, file: StoredFile) -> _Read:
        source = Source(self._tree.place(file), name, self._are_nodes)
        try:
            stamp = self._tree.stamp(file)  # before the content: a change in between is seen the next time
            content = self._tree.read(file)
        except OSError as error:
            problem = Problem(f"the file cannot be read: {error.strerror}", (Place(source.file),))
            return _Read(broken_entity(source, problem), file, None, "")
        return _Read(self._entity(content, source, file), file, stamp, digest(content))

    def _entity(self, content: bytes, source: Source, file: StoredFile) -> Entity:
        try:
            document = yamlmarks.parse(content, source.file)
        except yamlmarks.WrongYamlError as error:
            return broken_entity(source, error.problem)
        uri, pathname = self._tree.uri(file), self._tree.pathname(file)
        return compile_entity(document, source, uri=uri, pathname=pathname, syntax=self._syntax)

    def _again(self, read: _Read, file: StoredFile | None) -> _Read | None:
        """What was read before, if it is what the file says now; watched by stamp, then by content."""
        if file != read.file:
            return None
        try:
            stamp = self._tree.stamp(read.file)
            if stamp == read.stamp:
                return read
            return read._replace(stamp=stamp) if digest(self._tree.read(read.file)) == read.digest else None
        except OSError:
            return None


class _Read(NamedTuple):
    """An entity, and what tells whether its file has changed since."""

    entity: Entity
    file: StoredFile
    stamp: Hashable
    digest: str


def _node_name(_folders: tuple[str, ...], stem: str) -> str:
    return stem


def _composed_name(folders: tuple[str, ...], stem: str) -> str:
    """``compose_node_name``: folders are part of the name, unless the first starts with an underscore."""
    return stem if folders and folders[0].startswith("_") else ".".join((*folders, stem))


def _class_name(folders: tuple[str, ...], stem: str) -> str:
    """``a/b.yml`` and ``a/b/init.yml`` are both the class ``a.b``."""
    return ".".join(folders) if stem == "init" and folders else ".".join((*folders, stem))


def _prefixed(prefix: str) -> Naming:
    parts = tuple(prefix.split("."))
    return lambda folders, stem: _class_name(parts + folders, stem)


def _two_files(name: str, first: str, second: str) -> Problem:
    return Problem(
        brief=f"two files define {name!r}",
        places=(Place(first), Place(second)),
        resolution="Keep one of them, or give one another name.",
    )
