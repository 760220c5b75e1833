"""Who asked for a class or an application: every place, the one that counted first."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from saltern.model import Options, open_inventory
from saltern.model.membership import application_entries, class_requests

Write = Callable[..., Path]


def requests(root: Path, options: Options | None = None) -> list[tuple[str, str, str, bool]]:
    """Class, place, chain and whether it was the first; ``|`` stands between the class and how it is written."""
    options = options or Options()
    node = open_inventory(root, options=options).node("n")
    found = class_requests(node.flat, options)
    assert [one.name for one in found if one.first] == [membership.name for membership in node.memberships]
    return [
        (
            one.name if one.name == one.written else f"{one.name}|{one.written}",
            one.mapping or f"{one.mark.source.name}:{one.mark.line}",
            " ".join(one.chain),
            one.first,
        )
        for one in found
    ]


def test_all_that_ask_are_told(model: Write) -> None:
    root = model(
        **{"nodes/n": "classes:\n- a\n- b\n- c\n", "classes/a": "classes: [.c]\n",
           "classes/b": "classes:\n- c\n- a\n", "classes/c": ""}
    )  # fmt: skip
    assert requests(root) == [
        ("a", "n:2", "n", True),
        ("c", "a:1", "n a", True),
        ("b", "n:3", "n", True),
        ("c", "b:2", "n b", False),
        ("a", "b:3", "n b", False),
        ("c", "n:4", "n", False),
    ]


def test_references_in_names_see_what_was_merged_before(model: Write) -> None:
    root = model(
        **{"nodes/n": "classes:\n- one\n- k.${x}\n- two\n- k.${x}\n- e.${_reclass_:environment}\n",
           "classes/one": "parameters: {x: p}", "classes/two": "parameters: {x: q}",
           "classes/k/p": "", "classes/k/q": "", "classes/e/base": ""}
    )  # fmt: skip
    assert requests(root)[1] == ("k.p|k.${x}", "n:3", "n", True)
    # a name that is written twice in a file counts once, as in the reference
    assert [one[0] for one in requests(root)[2:]] == ["two", "e.base|e.${_reclass_:environment}"]


def test_a_class_that_a_later_file_asks_for_by_another_value(model: Write) -> None:
    root = model(
        **{"nodes/n": "classes: [one, k.p, two, three]", "classes/one": "parameters: {x: p}",
           "classes/two": "classes: ['k.${x}']\nparameters: {x: q}", "classes/three": "classes: ['k.${x}']",
           "classes/k/p": "", "classes/k/q": ""}
    )  # fmt: skip
    assert ("k.p|k.${x}", "two:1", "n two", False) in requests(root)
    assert ("k.q|k.${x}", "three:1", "n three", True) in requests(root)


def test_mappings(model: Write) -> None:
    root = model(**{"nodes/n": "classes:\n- a\n- b\n", "classes/a": "", "classes/b": ""})
    options = Options(class_mappings=("x a", "n* b", "/^(.)/ a"))
    assert requests(root, options) == [
        ("b", "n* b", "n", True),
        ("a", "/^(.)/ a", "n", True),
        ("a", "n:2", "n", False),
        ("b", "n:3", "n", False),
    ]


def test_missing_and_looping_classes_are_left_to_the_nodes_problems(model: Write) -> None:
    root = model(
        **{"nodes/n": "classes: [nope, a, '${nope}']\n", "classes/a": "classes: [b]", "classes/b": "classes: [a]"}
    )
    assert [one[0] for one in requests(root)] == ["a", "b", "a"]


def test_applications(model: Write) -> None:
    root = model(
        **{"nodes/n": "classes: [a, b]\napplications: [y]\n", "classes/a": "applications:\n- x\n- y\n",
           "classes/b": "applications:\n- ~x\n"}
    )  # fmt: skip
    node = open_inventory(root).node("n")
    assert node.applications == ("y",)
    assert [(one.name, str(one.mark.place), one.removes) for one in application_entries(node.flat)] == [
        ("x", "classes/a.yml:2:3", False),
        ("y", "classes/a.yml:3:3", False),
        ("x", "classes/b.yml:2:3", True),
        ("y", "nodes/n.yml:2:16", False),
    ]
