"""Classes that ``class_mappings`` give a node by its name or path. Pure."""

from __future__ import annotations

import fnmatch
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass

from saltern.base.errors import Problem
from saltern.model.entity import Entity, Include
from saltern.model.options import Options
from saltern.model.template import TemplateError, compile_text
from saltern.model.terms import Mark, Source


@dataclass(frozen=True, slots=True)
class Mapped(Source):
    """The option ``class_mappings`` as the one who asks; ``file`` is empty when no file gives it."""


def mapped_classes(entity: Entity, options: Options) -> tuple[list[Include], list[Problem]]:
    """The classes that ``class_mappings`` give a node."""
    subject = _mapped_path(entity, options) if options.class_mappings_match_path else entity.source.name
    places = (options.class_mappings_place,) if options.class_mappings_place else ()
    names: dict[str, str] = {}
    problems = []
    for mapping in options.class_mappings:
        try:
            pattern, classes, is_regexp = _split_mapping(mapping)
            expand = _matcher(pattern, subject, is_regexp=is_regexp)
            found = [] if expand is None else [expand(name) for name in classes]
        except (ValueError, IndexError, re.error) as error:  # IndexError: no group of that name
            problems.append(Problem(f"class mapping {mapping!r} cannot be read: {error}", places))
            continue
        for name in found:
            names.setdefault(name, mapping)
    mark = _mark(options)
    includes = []
    for name, mapping in names.items():
        try:
            template = compile_text(name, options.syntax)
        except TemplateError as error:
            problems.append(Problem(f"class mapping to {name!r}: {error}", places, f"By {mapping!r}."))
            continue
        includes.append(Include(name, mark, None if isinstance(template, str) else template, mapping))
    return includes, problems


def _mark(options: Options) -> Mark:
    place = options.class_mappings_place
    if place is None:
        return Mark(Mapped("", "class_mappings"), 0, 0)
    return Mark(Mapped(place.file, "class_mappings"), place.line, place.column)


def _mapped_path(entity: Entity, options: Options) -> str:
    """The node's path as the reference matches it: one without folders is ``./name``, unless names are composed."""
    return entity.pathname if "/" in entity.pathname or options.compose_node_name else f"./{entity.pathname}"


def _split_mapping(mapping: str) -> tuple[str, list[str], bool]:
    lexer = shlex.shlex(mapping, posix=True)
    lexer.whitespace_split = True
    lexer.commenters = ""
    is_regexp = mapping.startswith("/")
    if is_regexp:
        lexer.quotes += "/"
        lexer.escapedquotes += "/"
    pattern, *classes = list(lexer) or [""]
    return pattern, classes, is_regexp


def _matcher(pattern: str, subject: str, *, is_regexp: bool) -> Callable[[str], str] | None:
    if not is_regexp:
        return (lambda name: name) if fnmatch.fnmatchcase(subject, pattern) else None
    found = re.search(pattern, subject)
    return found.expand if found else None
