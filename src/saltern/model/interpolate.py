"""Rendering: references, queries and stacks of layers become values, each when it is asked for and once per node. Pure.

A reference is absolute, so a term has one value wherever it stands: results are remembered by term. ``head`` finds only
the outermost shape of a term; what a dictionary or list holds stays unrendered until somebody looks.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence as Seq
from difflib import get_close_matches
from typing import Any

from saltern.base.errors import Place, Problem
from saltern.model.kinds import WarningKind
from saltern.model.merge import merge_rendered, sealed
from saltern.model.options import Options
from saltern.model.template import Part, QueryText, Reference, split_path
from saltern.model.terms import Branch, Head, Layer, Mark, Scalar, Sequence, Stack, Term, Text, kind

Path = tuple[str | int, ...]
Answer = Callable[["Renderer", QueryText, Text], Any]
"""Answers an inventory query with plain Python values."""


class UnresolvedError(Exception):
    """A term has no value; ``problem`` says why. ``overwritable``: a later layer may make it irrelevant."""

    def __init__(self, problem: Problem, *, overwritable: bool = False) -> None:
        super().__init__(problem.brief)
        self.problem = problem
        self.overwritable = overwritable


class EndlessError(UnresolvedError):
    """References that go on for ever (or too deep); nothing more of the node is rendered."""


MAX_DEPTH = 200
"""How deep a rendered value may be nested; only a loop that grows gets there."""


class Renderer:
    """Renders terms of one node; ``root`` is what references are looked up in."""

    def __init__(self, root: Branch, options: Options, answer: Answer | None = None) -> None:
        self.root = root
        self.options = options
        self.ignored: dict[int, Problem] = {}
        """Problems of layers that later layers overwrote, by term."""
        self._answer = answer
        self._heads: dict[int, Head] = {}
        self._sealed: dict[int, Branch] = {}
        self._active: dict[int, Text | Stack] = {}
        self._kept: list[Term] = []  # terms made while rendering: their ids must stay theirs

    def fresh(self) -> Renderer:
        """The same that remembers nothing yet."""
        return Renderer(self.root, self.options, self._answer)

    def head(self, term: Term) -> Head:
        """The term's outermost shape. Raises UnresolvedError."""
        if not isinstance(term, (Text, Stack)):
            return term
        key = id(term)
        found = self._heads.get(key)
        if found is not None:
            return found
        if key in self._active:
            raise UnresolvedError(self._loop(key), overwritable=True)
        self._active[key] = term
        try:
            found = self._text(term) if isinstance(term, Text) else self._stack(term)
        except RecursionError:
            raise EndlessError(self._endless()) from None
        finally:
            del self._active[key]
        self._heads[key] = found
        self._kept.append(term)
        return found

    def has_seen(self, stack: Stack) -> bool:
        """Whether something that was rendered so far needed it."""
        return id(stack) in self._heads

    def find(self, path: Seq[str], asking: Text | None = None) -> Term:
        """The term at a path of the root, for a query in ``asking``. Raises UnresolvedError when there is none."""
        return self._walk(path, asking, None)

    def value(self, term: Term) -> Any:
        """The term as plain Python values, newly made. Raises UnresolvedError for the first thing that is wrong."""
        problems: list[tuple[Path, Problem]] = []
        result = self._collect(term, problems, set())
        if problems:
            raise UnresolvedError(problems[0][1], overwritable=True)
        return result

    def collect(self, term: Term, problems: list[tuple[Path, Problem]]) -> Any:
        """The term as plain Python values; what has none is None there, and among the ``problems`` with its path."""
        try:
            return self._collect(term, problems, set())
        except EndlessError as error:
            problems.append(((), error.problem))
            return None

    def _collect(self, term: Term, problems: list[tuple[Path, Problem]], inside: set[int]) -> Any:
        try:
            head = self.head(term)
        except EndlessError:
            raise
        except UnresolvedError as error:
            problems.append(((), error.problem))
            return None
        if isinstance(head, Scalar):
            return head.value
        if len(inside) > MAX_DEPTH:
            raise EndlessError(self._endless())
        key = id(head)
        if key in inside:
            problems.append(((), _inside_itself(term.mark, term)))
            return None
        inside.add(key)
        try:
            if isinstance(head, Branch):
                return self._dictionary(head, problems, inside)
            return self._list(head, problems, inside)
        finally:
            inside.discard(key)

    def _dictionary(self, head: Branch, problems: list[tuple[Path, Problem]], inside: set[int]) -> dict[Any, Any]:
        result = {}
        for key, term in head.entries.items():
            if type(term) is Scalar:  # the most frequent case needs no call
                result[key] = term.value
                continue
            before = len(problems)
            result[key] = self._collect(term, problems, inside)
            if len(problems) > before:
                problems[before:] = [((key, *path), problem) for path, problem in problems[before:]]
        return result

    def _list(self, head: Sequence, problems: list[tuple[Path, Problem]], inside: set[int]) -> list[Any]:
        result = []
        for index, term in enumerate(head.items):
            before = len(problems)
            result.append(self._collect(term, problems, inside))
            if len(problems) > before:
                problems[before:] = [((index, *path), problem) for path, problem in problems[before:]]
        return result

    # --- text -------------------------------------------------------------------------------------------------------

    def _text(self, term: Text) -> Head:
        whole = term.template.whole
        if isinstance(whole, Reference):
            return self.head(self.target(whole, term))
        if isinstance(whole, QueryText):
            return lift(self.ask(whole, term), term.mark)
        return Scalar("".join([self._string(part, term) for part in term.template.parts]), term.mark)

    def target(self, reference: Reference, term: Text) -> Term:
        """What a reference in ``term`` points at, itself unrendered. Raises UnresolvedError."""
        return self._walk(self.path_of(reference, term), term, reference)

    def path_of(self, reference: Reference, term: Text) -> tuple[str, ...]:
        """The keys that a reference means, inner references rendered. Raises UnresolvedError."""
        if reference.path is not None:
            return reference.path
        text = "".join([self._string(part, term) for part in reference.parts])
        return split_path(text, reference.syntax.delimiter)

    def _string(self, part: Part, term: Text) -> str:
        if isinstance(part, str):
            return part
        if isinstance(part, QueryText):
            return str(self.ask(part, term))
        return str(self.value(self.target(part, term)))

    def ask(self, query: QueryText, term: Text) -> Any:
        """The answer to an inventory query in ``term``; do not change it. Raises UnresolvedError."""
        if self._answer is None:
            problem = Problem(
                brief=f"the inventory query {query} cannot be answered here",
                places=(term.mark.place,),
                details="Exports and class names may not hold queries.",
                resolution="Write \\$[ for literal text that is no query.",
            )
            raise UnresolvedError(problem)
        return self._answer(self, query, term)

    def _walk(self, path: Seq[str], term: Text | None, written: Reference | None) -> Term:
        found: Term = self.root
        for depth, key in enumerate(path):
            head = self.head(found)
            step: Term | None = None
            if isinstance(head, Branch):
                step = head.entries.get(key)
            elif isinstance(head, Sequence) and key.isdecimal() and int(key) < len(head.items):
                step = head.items[int(key)]
            if step is None:
                raise UnresolvedError(self._missing(path, depth, head, term, written), overwritable=True)
            found = step
        return found

    # --- stacks -----------------------------------------------------------------------------------------------------

    def _stack(self, stack: Stack) -> Head:
        result: Head | None = None
        below: Layer | None = None
        constant: Layer | None = None
        failure: UnresolvedError | None = None
        for layer in stack.layers:
            last = layer is stack.layers[-1]
            try:
                new = self._layer(layer, alone=len(stack.layers) == 1)
            except UnresolvedError as error:
                if last or not self._may_ignore(error, result):
                    raise
                new, failure = Scalar(None, layer.term.mark), error
                self.ignored[id(layer.term)] = _overwritten(error.problem, stack.layers[-1].term.mark)
            if constant is not None:
                if self.options.strict_constant_parameters:
                    raise UnresolvedError(_constant_changed(constant, layer))
                continue
            if (
                result is None
                or layer.overwrite
                or below is None
                or (isinstance(result, Scalar) and result.value is None)
            ):
                result = new
            else:
                result = self._over(result, new, below, layer)
            below = layer
            constant = layer if layer.constant else None
        if result is None:  # a stack has at least one layer
            raise AssertionError("empty stack")
        if failure is not None and not isinstance(result, Scalar):
            raise failure
        return result

    def _layer(self, layer: Layer, *, alone: bool) -> Head:
        head = self.head(layer.term)
        if alone or not isinstance(layer.term, (Text, Stack)) or not isinstance(head, Branch):
            return head
        found = self._sealed.get(id(head))
        if found is None:
            found = self._sealed[id(head)] = sealed(head)
            self._kept.append(head)
        return found

    def _may_ignore(self, error: UnresolvedError, result: Head | None) -> bool:
        ignore = self.options.ignore_overwritten_missing_references
        return ignore and error.overwritable and not isinstance(result, (Branch, Sequence))

    def _over(self, result: Head, new: Head, below: Layer, layer: Layer) -> Head:
        """``new`` over ``result`` by the reference's table of types."""
        if isinstance(result, Branch) and isinstance(new, Branch):
            return merge_rendered(result, new)
        if isinstance(result, Sequence) and isinstance(new, Sequence):
            return Sequence(result.items + new.items, new.mark)
        if isinstance(result, Scalar) and isinstance(new, Scalar):
            return new
        if not self._may_replace(result, new):
            raise UnresolvedError(_type_conflict(result, new, below, layer))
        if not isinstance(result, Scalar):
            self.ignored[id(layer.term)] = _lost(result, new, below, layer)
        if isinstance(result, Scalar) and isinstance(new, Sequence):
            return Sequence((result, *new.items), new.mark)
        return new

    def _may_replace(self, result: Head, new: Head) -> bool:
        options = self.options
        if isinstance(new, Branch):
            return isinstance(result, Scalar) and options.allow_dict_over_scalar
        if isinstance(new, Sequence):
            return isinstance(result, Scalar) and options.allow_list_over_scalar
        if options.allow_none_override and new.value is None:
            return True
        return options.allow_scalar_over_dict if isinstance(result, Branch) else options.allow_scalar_over_list

    # --- problems ---------------------------------------------------------------------------------------------------

    def _loop(self, key: int) -> Problem:
        terms = list(self._active.values())
        start = next(n for n, term in enumerate(terms) if id(term) == key)
        texts = _from_first([term for term in terms[start:] if isinstance(term, Text)])
        steps = [f"{term.template.text} ({term.mark.place})" for term in texts]
        return Problem(
            brief="references form a loop" if len(texts) > 1 else "a reference points at itself",
            places=tuple(term.mark.place for term in texts),
            details=" → ".join([*steps, texts[0].template.text]) if texts else "",
            resolution="Break the loop: give one of these keys a value of its own.",
        )

    def _endless(self) -> Problem:
        texts = {term.template.text: term for term in self._active.values() if isinstance(term, Text)}
        last = list(texts.values())[-4:]
        return Problem(
            brief="references never end, or go too deep",
            places=tuple(term.mark.place for term in last),
            details=" → ".join(f"{term.template.text} ({term.mark.place})" for term in last),
            resolution="Refer to the parts that are needed, not to a dictionary that itself holds the reference.",
        )

    def _missing(self, path: Seq[str], depth: int, head: Head, term: Text | None, written: Reference | None) -> Problem:
        parent, key = self.options.delimiter.join(path[:depth]), path[depth]
        where = repr(parent) if parent else "the node"
        keys = [str(name) for name in head.entries] if isinstance(head, Branch) else []
        close = [self.options.delimiter.join([*path[:depth], name]) for name in get_close_matches(key, keys, 2)]
        details = f"{where} has no key {key!r}." if isinstance(head, Branch) else f"{where} is a {kind(head)}."
        if isinstance(head, Sequence):
            details = f"{where} is a list of {len(head.items)}; {key!r} is no index of it."
        return Problem(
            brief=f"reference to nothing: {written or self.options.delimiter.join(path)}",
            places=(term.mark.place,) if term else (),
            details=details,
            resolution="Did you mean " + " or ".join(f"${{{name}}}" for name in close) + "?" if close else "",
        )


def lift(value: Any, mark: Mark) -> Head:
    """Plain Python values as terms, all at one place."""
    if isinstance(value, dict):
        return Branch({key: lift(item, mark) for key, item in value.items()}, (mark, None))
    if isinstance(value, list):
        return Sequence(tuple(lift(item, mark) for item in value), mark)
    return Scalar(value, mark)


def _inside_itself(mark: Mark, term: Term) -> Problem:
    written = term.template.text if isinstance(term, Text) else "a reference"
    return Problem(
        brief=f"reference loop: {written} brings a value into itself",
        places=(mark.place,),
        details="The value would never end.",
        resolution="Refer to the parts that are needed, not to the dictionary or list that holds the reference.",
    )


def _overwritten(problem: Problem, mark: Mark) -> Problem:
    return Problem(
        brief=f"{problem.brief} (ignored: a later class overwrites it)",
        places=(*problem.places, mark.place),
        details=problem.details,
        resolution=problem.resolution,
        kind=WarningKind.OVERWRITTEN_REFERENCE,
    )


def _lost(result: Head, new: Head, below: Layer, layer: Layer) -> Problem:
    return Problem(
        brief=f"a {kind(new)} replaces a {kind(result)}",
        places=(below.term.mark.place, layer.term.mark.place),
        details=f"An option of the inventory permits it; what the {kind(result)} held is lost.",
        resolution="Write ~ before the key of the second one where this is meant, or give both one type.",
        kind=WarningKind.LOST_VALUE,
    )


def _constant_changed(constant: Layer, layer: Layer) -> Problem:
    return Problem(
        brief="a constant is changed",
        places=(constant.term.mark.place, layer.term.mark.place),
        details="The first place makes it constant with =; the second one sets it again.",
        resolution="Remove the second definition, or the = of the first one.",
    )


def _type_conflict(result: Head, new: Head, below: Layer, layer: Layer) -> Problem:
    places: tuple[Place, ...] = (below.term.mark.place, layer.term.mark.place)
    return Problem(
        brief=f"a {kind(new)} cannot be merged over a {kind(result)}",
        places=places,
        resolution="Write ~ before the key of the second one to replace the first one, or give both one type.",
    )


def _from_first(loop: list[Text]) -> list[Text]:
    """The loop from its first place on, so that it is the same problem for all values that lead into it."""
    places = [(term.mark.source.file, term.mark.line, term.mark.column) for term in loop]
    first = places.index(min(places)) if places else 0
    return loop[first:] + loop[:first]
