"""Questions after packages, ``openssl<3.0.17`` or ``source:redis``, and which images answer them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from saltern.base.errors import Problem, UsageError
from saltern.images.versions import compare, is_version
from saltern.ops.contents import Contents, Package

SOURCE = "source:"
_QUESTION = re.compile(r"\s*(source:)?([A-Za-z0-9*?\[\]!.+-]+?)\s*(?:(<=|>=|<<|>>|==|<|>|=)\s*(\S+))?\s*$")
_TESTS = {
    "<": lambda order: order < 0,
    "<=": lambda order: order <= 0,
    "=": lambda order: order == 0,
    ">=": lambda order: order >= 0,
    ">": lambda order: order > 0,
}
_DOUBLED = {"<<": "<", ">>": ">", "==": "="}


@dataclass(frozen=True, slots=True)
class Mask:
    """A name, with ``*`` and ``?`` for several, of a binary package or (``source``) of the source it was built from."""

    text: str
    pattern: str
    source: bool = False

    def matches(self, package: Package) -> bool:
        """Whether the package is meant; one whose source is unknown is meant by no source."""
        name = package.source if self.source else package.name
        return bool(name) and fnmatchcase(name, self.pattern)


@dataclass(frozen=True, slots=True)
class Question:
    """A mask and, unless ``operator`` is "", a bound for the version."""

    mask: Mask
    operator: str = ""
    version: str = ""

    def matches(self, package: Package) -> bool:
        """Whether the package is one that was asked for."""
        if not self.mask.matches(package):
            return False
        installed = (package.source_version or package.version) if self.mask.source else package.version
        return not self.operator or bool(_TESTS[self.operator](compare(installed, self.version)))


@dataclass(frozen=True, slots=True)
class Hit:
    """A package of an image that a question asks for."""

    question: str
    package: Package
    contents: Contents


def parse_question(text: str) -> Question:
    """``NAME``, ``NAME<VERSION`` (also ``<= = >= >``), each also behind ``source:``. Raises UsageError."""
    found = _QUESTION.match(text)
    if not found or (found.group(4) and not is_version(found.group(4))):
        why = f"{found.group(4)!r} is no version" if found else "it is no name with or without a bound"
        raise UsageError(
            Problem(
                f"{text!r} asks for no package",
                details=why,
                resolution="write a name, openssl, with a bound if you want one: 'openssl<3.0.17' (< <= = >= >); "
                "source:openssl means all that is built from that source",
            )
        )
    source, name, operator, version = found.groups()
    mask = Mask(text, name, bool(source))
    return Question(mask, _DOUBLED.get(operator or "", operator or ""), version or "")


def parse_questions(texts: Iterable[str]) -> tuple[Question, ...]:
    """All of them; the problems of all that are none are raised together."""
    questions: list[Question] = []
    problems: list[Problem] = []
    for text in texts:
        try:
            questions.append(parse_question(text))
        except UsageError as error:
            problems += error.problems
    if problems:
        raise UsageError(problems)
    return tuple(questions)


def find_hits(contents: Iterable[Contents], questions: Sequence[Question]) -> tuple[Hit, ...]:
    """Every package of every image that a question asks for, once, with the first question that does."""
    hits = []
    for one in contents:
        for name in sorted(one.packages):
            package = one.packages[name]
            question = next((q for q in questions if q.matches(package)), None)
            if question is not None:
                hits.append(Hit(question.mask.text, package, one))
    return tuple(hits)
