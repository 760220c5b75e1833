"""The law of origins: what the chain names changes the value, and nothing else does.

Random models, in which every literal is a word of its own. A word is changed in its file, and the model is rendered
again: exactly those values change whose chains lead to the place of that word.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from saltern.model import Node, Options, Origin, open_inventory
from saltern.model.interpolate import Path as Keys
from saltern.model.origins import effective
from saltern.model.paths import join_path
from saltern.model.tracing import Tracer
from saltern.model.uses import Target, Uses

FILES = ("classes/one.yml", "classes/two.yml", "classes/three.yml", "nodes/n.yml")
HEADER = "classes: [one, two, three]\n"
OPTIONS = Options(
    allow_scalar_over_dict=True,
    allow_scalar_over_list=True,
    allow_list_over_scalar=True,
    allow_dict_over_scalar=True,
    allow_none_override=True,
    strict_constant_parameters=False,
)

names = st.sampled_from("abc")
keys = st.builds(lambda prefix, name: prefix + name, st.sampled_from(("", "", "", "", "~", "=")), names)
steps = names | st.sampled_from("01")
nested = st.lists(steps | names.map(lambda name: f"${{{name}}}"), min_size=1, max_size=3)
references = nested.map(lambda path: f"${{{':'.join(path)}}}")
texts = st.just("WORD") | names | references | references.map(lambda text: f"WORD {text}") | st.just("null")
trees = st.recursive(
    texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=5,
)
parameters = st.dictionaries(keys, trees, max_size=3)


class Written:
    """The files of a model; every ``WORD`` became a word of its own whose place is known."""

    def __init__(self, trees: Iterable[Mapping[str, Any]]) -> None:
        self.places: dict[str, tuple[str, int, int]] = {}
        self.texts = {}
        for file, tree in zip(FILES, trees, strict=True):
            header = HEADER if file == FILES[-1] else ""
            self.texts[file] = self._numbered(file, header + "\n".join(["parameters:", *_lines(tree, "  ")]) + "\n")

    def _numbered(self, file: str, text: str) -> str:
        lines = text.split("\n")
        for number, line in enumerate(lines):
            if "WORD" in line:
                word = f"w{len(self.places)}e"
                lines[number] = line.replace("WORD", word)
                self.places[word] = (file, number + 1, lines[number].index(word) + 1)
        return "\n".join(lines)

    def render(self, root: Path, changed: str = "") -> Node:
        for file, text in self.texts.items():
            path = root / file
            path.parent.mkdir(exist_ok=True)
            path.write_text(text.replace(changed, "CHANGED") if changed else text)
        return open_inventory(root, options=OPTIONS).node("n")


def _lines(value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _entry(f"{indent}{key}:", item, indent)
    else:
        for item in value:
            yield from _entry(f"{indent}-", item, indent)


def _entry(start: str, value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, str):
        yield f"{start} {value}"
    elif not value:
        yield f"{start} {'{}' if isinstance(value, dict) else '[]'}"
    else:
        yield start
        yield from _lines(value, indent + "  ")


def leaves(value: Any, at: Keys = ()) -> Iterator[tuple[Keys, Any]]:
    if isinstance(value, dict) and "_reclass_" not in at:
        for key, item in value.items():
            yield from leaves(item, (*at, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, (*at, index))
    elif "_reclass_" not in at:
        yield at, value


def rendered(node: Node) -> dict[Keys, Any]:
    """The values by path, but for nulls and what has a problem."""
    problems: list[Any] = []
    values = dict(leaves(node.renderer.collect(node.flat.parameters, problems) or {}))
    broken = {path for path, _ in problems}
    return {
        path: value
        for path, value in values.items()
        if value is not None and not any(path[: len(one)] == one for one in broken)
    }


def made_of(origins: Iterable[Origin]) -> Iterator[tuple[str, int, int]]:
    """The places that a value is still made of."""
    for origin in effective(origins):
        yield origin.file, origin.line, origin.column
        for through in origin.references:
            yield from made_of(through.origins)


@settings(max_examples=60, deadline=None)
@given(st.tuples(parameters, parameters, parameters, parameters))
def test_what_the_chain_names_changes_the_value_and_nothing_else_does(trees: tuple[dict[str, Any], ...]) -> None:
    written = Written(trees)
    with tempfile.TemporaryDirectory() as folder:
        node = written.render(Path(folder))
        values = rendered(node)
        tracer: Tracer = node.tracer
        chains = {path: set(made_of(tracer.chain(path))) for path in values}
        assert all(chains.values())
        for word, place in written.places.items():
            again = rendered(written.render(Path(folder), word))
            changed = {path for path, value in values.items() if again.get(path) != value}
            assert changed == {path for path, places in chains.items() if place in places}, word


@settings(max_examples=40, deadline=None)
@given(st.tuples(parameters, parameters, parameters, parameters))
def test_uses_are_the_chains_the_other_way_round(trees: tuple[dict[str, Any], ...]) -> None:
    written = Written(trees)
    with tempfile.TemporaryDirectory() as folder:
        node = written.render(Path(folder))
        tracer: Tracer = node.tracer
        chains = {join_path(path): set(made_of(tracer.chain(path))) for path in rendered(node)}
        words = {place[:2] for place in written.places.values()}
        for file in FILES:
            for line in range(1, written.texts[file].count("\n") + 1):
                found = {use.path for use in Uses(Target(file, frozenset({line})), {"n": node}).of(node)}
                named = {path for path, places in chains.items() if (file, line) in {one[:2] for one in places}}
                assert found & chains.keys() <= named
                if (
                    file,
                    line,
                ) in words:  # the others are keys of dictionaries and lists, whose values are on lines below
                    assert found & chains.keys() == named
