"""Random models, small ones where names meet often."""

from __future__ import annotations

import datetime
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from hypothesis import strategies as st

KEYS = "abcd"
Tree = dict[Any, Any]


@dataclass(frozen=True)
class Raw:
    """A file that is written as it is."""

    text: str


@dataclass(frozen=True)
class Model:
    """Files by their path without extension, and options."""

    files: Mapping[str, Any]
    options: Mapping[str, Any] = field(default_factory=dict)

    def write(self, root: Path) -> None:
        """The files into a folder that held another model."""
        for folder in ("nodes", "classes"):
            shutil.rmtree(root / folder, ignore_errors=True)
            (root / folder).mkdir(parents=True)
        for name, content in self.files.items():
            path = root / f"{name}.yml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(_text(content))

    def __str__(self) -> str:
        files = "".join(f"--- {name}.yml\n{_text(content)}" for name, content in self.files.items())
        return f"{files}--- options {json.dumps(self.options)}\n"


def _text(content: Any) -> str:
    return content.text if isinstance(content, Raw) else yaml.dump(content, Dumper=_Plain, sort_keys=False)


class _Plain(yaml.SafeDumper):
    """Without anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


# --- values ---------------------------------------------------------------------------------------------------------

words = st.sampled_from([*KEYS, "x", "0", "1", "n1", ""])
odd_scalars = st.sampled_from(
    [True, False, None, 0, 1, -3, 2.5, float("inf"), datetime.date(2020, 1, 2), b"raw", "yes", "0600", "ü", "~", "="]
)
scalars = words | st.integers(0, 3) | odd_scalars
paths = st.sampled_from([*KEYS, *KEYS, "a:b", "b:a", "c:d", "d:c", "b:b", "d:a:b", "own:a"])
odd_paths = st.sampled_from(
    ["_reclass_:name", "_reclass_:name:full", "_reclass_:name:parts", "_reclass_:environment", "none", "a:none",
     "d:0:b", ":a", "a:"]
)  # fmt: skip
references = st.recursive(
    st.tuples(st.just("${"), st.one_of(*[paths] * 9, odd_paths), st.just("}")).map("".join),
    lambda inner: st.builds("${{{}{}}}".format, st.sampled_from(["", "a:", "b:", "d:a:"]), inner),
    max_leaves=2,
)
escapes = st.sampled_from(["\\${a}", "\\\\${a}", "\\$[a]", "\\", "\\\\", "$", "}", "]", "$ {a}", " ", "\n", "\t"])
texts = st.lists(words | references | references | escapes, min_size=1, max_size=4).map("".join)
plain_keys = st.sampled_from(KEYS)
odd_keys = st.sampled_from([1, 0, True, None, 2.5, "ü", "a b", "${a}", datetime.date(2020, 1, 2)])


prefixed_keys = st.one_of(*[plain_keys] * 4, plain_keys.map("~{}".format), plain_keys.map("={}".format))
values = st.recursive(
    scalars | references | references | texts,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(st.dictionaries(plain_keys | odd_keys, inner, max_size=2), max_size=2)
        | st.dictionaries(plain_keys, inner, max_size=3)
    ),
    max_leaves=4,
)
whole = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(plain_keys, inner, max_size=3), max_leaves=3
)
own = st.dictionaries(prefixed_keys | odd_keys, scalars | references | st.lists(references, max_size=2), max_size=3)


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    """Parameters of one file. Prefixes, and keys that are no text, stand only where the reference gives them a meaning
    that does not depend on what is rendered first: at the top, and in a dictionary that is one in every file.
    """
    tree: Tree = draw(st.dictionaries(prefixed_keys, values, max_size=3))
    if draw(st.booleans()):
        tree["own"] = draw(own)
    return tree


SWITCHES = (
    "allow_scalar_over_dict",
    "allow_scalar_over_list",
    "allow_list_over_scalar",
    "allow_dict_over_scalar",
    "allow_none_override",
    "strict_constant_parameters",
    "ignore_overwritten_missing_references",
    "automatic_parameters",
)
LENIENT = {name: name.startswith("allow_") for name in SWITCHES if name != "automatic_parameters"}
merging_options = st.just(LENIENT) | st.fixed_dictionaries({}, optional={name: st.booleans() for name in SWITCHES})


@st.composite
def layered(draw: st.DrawFn) -> Model:
    """Some nodes that begin with the same classes: merging and references, and values that nodes share."""
    count = draw(st.integers(1, 3))
    base = draw(st.fixed_dictionaries(dict.fromkeys(KEYS, whole)))
    files: dict[str, Any] = {"classes/base": {"parameters": base}}
    files |= {f"classes/c{n}": {"parameters": draw(trees())} for n in range(count)}
    for name in ("n1", "n2", "n3")[: draw(st.integers(1, 3))]:
        classes = ["base", *(f"c{n}" for n in range(draw(st.integers(0, count))))]
        files[f"nodes/{name}"] = {"classes": classes, "parameters": draw(trees())}
    return Model(files, draw(merging_options))


# --- classes, applications, names -----------------------------------------------------------------------------------

CLASSES = ("a", "b", "a.init", "a.b", "a.c", "a.b.init", "a.b.c", "n1", "x.y")
NAMES = ("a", "b", "a.b", "a.c", "a.b.c", "n1", "x.y")
asked = st.one_of(
    *[st.sampled_from(NAMES)] * 4,
    st.sampled_from([".a", ".b", ".c", "..a", "..b", "...a"]),
    st.sampled_from(
        ["${name}", "a.${last}", "${last}", "${none}", ".${last}", "\\${name}", "none.such", "${_reclass_:name:short}"]
    ),
)
applications = st.lists(st.sampled_from(["a", "b", "c", "~a", "~b", "~~c"]), max_size=4)
environments = st.sampled_from([None, "base", "dev", "e1"])
node_names = st.sampled_from(["n1", "n2", "a.b", "web.n1", "g/n3", "g/h/n4.x", "_h/n5", "_h/i/n6"])
mappings = st.sampled_from(
    [
        "* a",
        "n* b a.b",
        "*.b x.y",
        "g/* a.c",
        "n[12] a.c",
        "?1 n1",
        r"/^n(\d)$/ n\1",
        r"/(.)\.(.)/ \1.\2 b",
        r"/^(a).*/ \1 ${name}",
        "'n1' a",
        "n1 none.such",
        r"/^g\/(.*)$/ a",
    ]
)
class_options = st.fixed_dictionaries(
    {},
    optional={
        "compose_node_name": st.booleans(),
        "class_mappings": st.lists(mappings, max_size=3),
        "class_mappings_match_path": st.booleans(),
        "default_environment": st.just("prod"),
        "ignore_class_notfound": st.booleans(),
        "ignore_class_notfound_regexp": st.sampled_from([[".*"], ["none.*"], ["x", "none"], ["such"]]),
        "ignore_class_notfound_warning": st.booleans(),
        "automatic_parameters": st.booleans(),
    },
)


contents = st.fixed_dictionaries(
    {},
    optional={
        "classes": st.lists(asked, max_size=2),
        "applications": applications,
        "environment": environments,
        "parameters": st.fixed_dictionaries(
            {}, optional={"name": st.sampled_from(NAMES), "last": st.sampled_from("abc"), "l": st.just([1])}
        ),
    },
)


@st.composite
def class_trees(draw: st.DrawFn) -> Model:
    """Class search: init files, relative names, references in names, mappings, applications, environments."""
    classes = draw(st.lists(st.sampled_from(CLASSES), min_size=2, max_size=7, unique=True))
    nodes = draw(st.lists(node_names, min_size=1, max_size=2, unique=True))
    names = [f"classes/{name.replace('.', '/')}" for name in classes] + [f"nodes/{name}" for name in nodes]
    return Model({name: draw(contents) for name in names}, draw(class_options))


# --- exports and queries --------------------------------------------------------------------------------------------

export_values = st.one_of(
    words, st.integers(0, 3), st.sampled_from([True, False, 1.0, 2.5, -3, "1", "true", "True", None]),
    st.sampled_from(["${p}", "${d}", "${l}", "x${p}", "${d:b}", "${none}"]),
    st.lists(st.integers(0, 2), max_size=2),
    st.dictionaries(plain_keys, words | st.just("${p}"), max_size=2),
)  # fmt: skip
exports = st.builds(
    lambda flat, deep: {**flat, **deep},
    st.dictionaries(plain_keys, export_values, max_size=3),
    st.fixed_dictionaries({}, optional={"e": st.integers(0, 1) | st.dictionaries(plain_keys, words | st.just("${p}"))}),
)
export_paths = st.sampled_from(["exports:a", "exports:b", "exports:c", "exports:e:b", "Exports:a", "exports:none"])
operands = st.sampled_from(
    ["0", "1", "a", "x", "True", "false", "TRUE", "-3", "2.5", "1.0", "1.", ".5", "1a", "-x", "n1",
     "self:p", "self:q", "Self:d:b",
     "self:d", "self:l"]
)  # fmt: skip


@st.composite
def tests(draw: st.DrawFn) -> str:
    """``exports:a == b``, at times with other words and spaces, or the operands exchanged."""
    sides = [draw(export_paths), draw(operands)]
    if draw(st.integers(0, 4)) == 0:
        sides.reverse()
    operator = draw(st.sampled_from(["==", "!="]))
    return f"{sides[0]} {operator} {sides[1]}"


@st.composite
def queries(draw: st.DrawFn, options: list[str]) -> str:
    """An inventory query with these options."""
    words = [*options]
    shape = draw(st.integers(0, 2))
    if shape:
        words.append(draw(export_paths))
    if shape != 1:
        words.append(draw(st.sampled_from(["if", "IF"])))
        words.append(draw(tests()))
        for _ in range(draw(st.integers(0, 2))):
            words += [draw(st.sampled_from(["and", "or", "AND", "Or"])), draw(tests())]
    return f"$[ {' '.join(words)} ]"


@st.composite
def query_trees(draw: st.DrawFn) -> Model:
    """Exports of nodes and classes, and queries. In the reference one query decides for all of a node's which
    environments they see, so here all say the same; and it ignores no types that cannot be merged, so there are none
    then.
    """
    environment = draw(st.sampled_from([[], [], ["+AllEnvs"], ["+allenvs"]]))
    broken = draw(st.sampled_from([[], [], ["+IgnoreErrors"], ["+ignoreerrors"]]))
    asking = queries(environment + broken)
    parameters = st.fixed_dictionaries(
        {"p": st.sampled_from(["a", "x", 1, True]), "d": st.dictionaries(plain_keys, words, max_size=2)},
        optional={
            "q": asking,
            "l": st.just([1]),
            "r": st.sampled_from(["${q}", "${q:n1}", "${l}"]),
            "qs": st.lists(asking, max_size=2),
            "o": st.dictionaries(st.just("q"), asking),
        },
    )
    files: dict[str, Any] = {"classes/a": {"exports": {} if broken else draw(exports), "parameters": draw(parameters)}}
    for name in ("n1", "n2", "n3")[: draw(st.integers(1, 3))]:
        content: Tree = {"exports": draw(exports), "environment": draw(environments)}
        if draw(st.booleans()):
            content["classes"] = ["a"]
        if draw(st.booleans()):
            content["parameters"] = draw(parameters)
        files[f"nodes/{name}"] = content
    return Model(files)


# --- texts ----------------------------------------------------------------------------------------------------------

SENTINELS = ({}, {"reference_sentinels": ["<<", ">>"], "export_sentinels": ["<?", "?>"], "escape_character": "!"})


@st.composite
def sentences(draw: st.DrawFn) -> Model:
    """Single texts of sentinels, escapes and words, each a node of its own because one wrong text fails a node."""
    options = draw(st.sampled_from(SENTINELS))
    begin, end = options.get("reference_sentinels", ("${", "}"))
    query, query_end = options.get("export_sentinels", ("$[", "]"))
    escape = options.get("escape_character", "\\")
    whole = [f"{begin}a{end}", f"{begin}{begin}n{end}{end}", f"{begin}d:b{end}"]
    pieces = st.sampled_from(
        [begin, end, escape, escape * 2, query, query_end, "a", "d:b", "$", " ", "\n", "\t", "{", *whole]
    )
    parameters = {"a": "d", "n": "a", "d": {"b": "x y"}}
    texts = draw(st.lists(st.lists(pieces, min_size=1, max_size=7).map("".join), min_size=4, max_size=4))
    files = {f"nodes/n{n}": {"parameters": {**parameters, "text": text}} for n, text in enumerate(texts)}
    return Model(files, options)


# --- everything -----------------------------------------------------------------------------------------------------

chosen = st.sampled_from(["c0", "c1", ".c2", "${pick}", "${own:pick}", "none.${pick}"])
some_options = st.fixed_dictionaries(
    {"ignore_class_notfound": st.sampled_from([True])},
    optional={
        "class_mappings": st.lists(st.sampled_from(["n* c0", "n1 c2 c1", r"/n(\d)/ c\\1"]), max_size=2),
        "default_environment": st.just("dev"),
        "delimiter": st.just(":"),
    },
)


@st.composite
def everything(draw: st.DrawFn) -> Model:
    """All features in one model."""
    base = draw(st.fixed_dictionaries(dict.fromkeys(KEYS, whole)))
    base |= {"pick": draw(st.sampled_from(["c0", "c1", "c2", "none"])), "own": {"pick": "c2"}, "p": 1}
    asking = queries(draw(st.sampled_from([[], ["+AllEnvs"]])))
    files: dict[str, Any] = {"classes/base": {"parameters": base, "exports": draw(exports)}}
    names = [f"classes/c{n}" for n in range(3)] + [f"nodes/n{n}" for n in range(1, draw(st.integers(2, 4)))]
    for number, name in enumerate(names):
        is_node = name.startswith("nodes")
        content: Tree = {"parameters": draw(trees()), "applications": draw(applications)}
        content["classes"] = (
            ["base", *draw(st.lists(chosen, max_size=2))]
            if is_node
            else draw(st.lists(st.sampled_from(["c0", "c1", "c2"][:number]), max_size=2))
            if number
            else []
        )
        if draw(st.booleans()):
            content["parameters"][f"q{number}"] = draw(asking)
        if is_node:
            content["environment"] = draw(environments)
            content["exports"] = draw(st.dictionaries(st.sampled_from(["x", "y"]), references | words, max_size=2))
        files[name] = content
    return Model(files, draw(merging_options) | draw(some_options))


# --- YAML -----------------------------------------------------------------------------------------------------------

written = st.text(alphabet="0189abefnoxy_.:-+~=<>|'\"!&*#%@?, \t\n[]{}", max_size=12) | st.sampled_from(
    ["On", "off", "NO", "0o7", "1_0", "1:30", "0b1", "1e3", "+.inf", ".NaN", "2020-1-2", "2020-01-02 1:2:3", "<<", "=",
     "!!str 1", "!!int '1'", "&x 1", "*x", "!!set {a}", "!!omap [a: 1]", "!!pairs [a: 1]", "!!binary aGk=", "? a",
     "a: 1, a: 2", "- a\n - b"]
)  # fmt: skip


def _has_meaning(text: str) -> bool:
    """Whether no prefix stands alone."""
    return bool(set(text) - set("~=")) or len(text) < 2


@st.composite
def yaml_texts(draw: st.DrawFn) -> Model:
    """Values and keys as someone might write them, each in a node of its own."""
    texts = draw(st.lists(written.filter(_has_meaning), min_size=6, max_size=6))
    shapes = (
        "parameters:\n  k: {}\n",
        "parameters: {{k: {}}}\n",
        "parameters: {{{}: 1}}\n",
        "parameters:\n  {}: 1\n  l: [x]\n",
    )
    return Model({f"nodes/n{n}": Raw(draw(st.sampled_from(shapes)).format(text)) for n, text in enumerate(texts)})
