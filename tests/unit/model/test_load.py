"""Which files are nodes and classes, what they are called, and how lazily they are read."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from pathlib import Path

from saltern.model import Options, load_inventory, open_inventory

Write = Callable[..., Path]


def test_node_names(model: Write) -> None:
    root = model(**{"nodes/a.b": "", "nodes/dir/c": "", "nodes/_gen/d": "", "nodes/.hidden/e": "", "nodes/CVS/f": ""})
    assert list(load_inventory(root).nodes) == ["a.b", "c", "d"]
    assert list(load_inventory(root, options=Options(compose_node_name=True)).nodes) == ["a.b", "d", "dir.c"]
    node = load_inventory(root).nodes["a.b"]
    assert (node.name, node.short, node.place.file) == ("a.b", "a", "nodes/a.b.yml")
    assert node.uri == f"yaml_fs://{root}/nodes/a.b.yml"


def test_class_paths_add_classes_and_the_models_own_win(model: Write, tmp_path: Path) -> None:
    formula = tmp_path / "formula" / "metadata" / "service"
    (formula / "server").mkdir(parents=True)
    (formula / "init.yml").write_text("parameters: {base: formula, own: formula}")
    (formula / "server" / "single.yml").write_text("classes: [service.keystone]\nparameters: {single: 1}")
    root = model(**{"nodes/n": "classes: [service.keystone.server.single, service.keystone.other]",
                    "classes/service/keystone/other": "parameters: {own: model}"})  # fmt: skip
    node = load_inventory(root, class_paths={"service.keystone": formula}).nodes["n"]
    assert node.classes == ("service.keystone", "service.keystone.server.single", "service.keystone.other")
    assert {key: node.parameters[key] for key in ("base", "own", "single")} == {
        "base": "formula",
        "own": "model",
        "single": 1,
    }
    assert node.origin("base")[0].file == "formula/metadata/service/init.yml"


def test_one_node_reads_only_its_files(model: Write) -> None:
    root = model(**{"nodes/good": "classes: [a]", "classes/a": "", "nodes/bad": "a: [", "classes/unused": "a: ["})
    assert open_inventory(root).node("good").classes == ("a",)


def test_parameters_are_json_and_fresh(model: Write) -> None:
    root = model(**{"nodes/n": "parameters: {d: 2020-01-02, l: [{1: x, true: y}], b: !!binary aGk=, s: !!set {q}}"})
    node = load_inventory(root).nodes["n"]
    assert node.native_parameters["d"] == datetime.date(2020, 1, 2)
    parameters = node.parameters
    assert (parameters["d"], parameters["b"], parameters["s"]) == ("2020-01-02", "aGk=", ["q"])
    json.dumps(node.as_json(), sort_keys=True)
    parameters["d"] = "changed"
    assert node.parameters["d"] == "2020-01-02"


def test_class_mappings(model: Write) -> None:
    root = model(**{"nodes/web1": "", "nodes/sub/db2": "", "classes/all": "", "classes/web": "", "classes/kind/db": ""})
    options = Options(class_mappings=("* all", "web* web", "/^(db)\\d/ kind.\\\\1"))
    inventory = load_inventory(root, options=options)
    assert inventory.nodes["web1"].classes == ("all", "web")
    assert inventory.nodes["db2"].classes == ("all", "kind.db")
    by_path = load_inventory(root, options=Options(class_mappings=("sub/* all",), class_mappings_match_path=True))
    assert by_path.nodes["db2"].classes == ("all",)


def test_automatic_parameters_can_be_merged_over_and_switched_off(model: Write) -> None:
    root = model(**{"nodes/n.x": "parameters: {_reclass_: {name: {short: mine}, more: 1}}"})
    automatic = load_inventory(root).nodes["n.x"].parameters["_reclass_"]
    assert automatic["name"] == {"full": "n.x", "short": "mine", "path": "n/x", "parts": ["n", "x"]}
    assert (automatic["environment"], automatic["more"]) == ("base", 1)
    off = load_inventory(root, options=Options(automatic_parameters=False))
    assert off.nodes["n.x"].parameters == {"_reclass_": {"name": {"short": "mine"}, "more": 1}}


def test_rendered_class_names(model: Write) -> None:
    parameters = "parameters: {_param: {pick: '${_param:p}', p: b}}"
    root = model(**{"nodes/n": "classes: [a, '${_param:pick}']", "classes/a": parameters, "classes/b": ""})
    node = load_inventory(root).nodes["n"]
    assert node.classes == ("a", "b")
    assert node.flat.classes_as_written == ("a", "${_param:pick}")


def test_nodes_that_ask_for_the_same_classes_keep_their_own_names(model: Write) -> None:
    files = {
        "classes/by/a": "parameters: {p: a}",
        "classes/by/b": "parameters: {p: b}",
        "classes/common": "{classes: [plain, 'by.${_reclass_:name:short}'], applications: [one, two]}",
        "classes/plain": "",
        "nodes/a": "classes: [common]",
        "nodes/b": "{applications: [~one, three],\n  classes: [common]}",
        "nodes/c": "classes: [plain]",
        "nodes/d": "\nclasses: [plain]",
    }
    nodes = load_inventory(model(**files)).nodes
    assert [nodes[name].parameters["p"] for name in "ab"] == ["a", "b"]
    assert [nodes[name].applications for name in "ab"] == [("one", "two"), ("two", "three")]
    assert [one.chain for one in nodes["b"].memberships] == [("b",), ("b", "common"), ("b", "common")]
    assert [str(nodes[name].memberships[0].mark.place) for name in "cd"] == ["nodes/c.yml:1:11", "nodes/d.yml:2:11"]
    assert nodes["c"].flat.lineage is nodes["d"].flat.lineage
    assert nodes["a"].flat.lineage is not nodes["b"].flat.lineage
