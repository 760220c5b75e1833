"""The formula for OpenSDN, which has no public packages for Debian: what Salt makes of it, as far as that shows."""

from __future__ import annotations

import json
from configparser import RawConfigParser
from pathlib import Path
from typing import Any

import pytest

from saltern.formulas.metadata import Metadata, read_metadata
from saltern.formulas.schemas import load_schemas
from saltern.formulas.sources import Formula as Source
from saltern.formulas.upgrades import read_upgrades
from saltern.phases import Hints, Phase, split
from saltern.plan.upgrade import Verdict, judge

from .conftest import Formula

ROOT = Path(__file__).parents[3] / "formulas" / "opensdn"
PASSWORD = "pa$$ #w'ord"
"""What a careless template breaks."""
KEY = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmQ\n-----END PGP PUBLIC KEY BLOCK-----\n"


def members(*hosts: str) -> dict[str, Any]:
    return {"members": [{"host": host} for host in hosts]}


COMMON: dict[str, Any] = {
    "repo": {"uri": "https://packages.example/opensdn", "suite": "bookworm", "components": ["main"], "signed_by": KEY},
    "identity": {"host": "keystone", "user": "opensdn", "password": PASSWORD, "tenant": "service"},
    "config": members("config-1", "config-2"),
    "control": members("control-1", "control-2"),
    "analytics": members("analytics-1"),
    "database": members("cassandra-1", "cassandra-2", "cassandra-3"),
    "zookeeper": members("zookeeper-1"),
    "message_queue": {**members("rabbitmq-1"), "user": "opensdn", "password": PASSWORD, "virtual_host": "/opensdn"},
    "redis": {"host": "redis", "port": 6379, "password": PASSWORD},
}
ROLES: dict[str, dict[str, Any]] = {
    "config": {"enabled": True, "settings": {"contrail-api.conf": {"QUOTA": {"subnet": 5}}}},
    "control": {"enabled": True, "rndc_key": "a2V5"},
    "analytics": {"enabled": True},
    "queryengine": {"enabled": True},
    "webui": {"enabled": True},
    "vrouter": {
        "enabled": True,
        "metadata_secret": PASSWORD,
        "interface": {"device": "eth1", "address": "10.0.0.5/24", "gateway": "10.0.0.1"},
    },
    "plugin": {"enabled": True},
    "cni": {"enabled": True, "cluster_name": "k8s"},
}
KINDS = ("container", "upgrade", "verify")


def node(formula: Formula, *roles: str, **common: Any) -> Formula:
    pillar = {"opensdn": {"common": {**COMMON, **common}, **{role: ROLES[role] for role in roles}}}
    return Formula(formula.worker, ROOT, pillar)


def metadata(formula: Formula, *roles: str, **common: Any) -> Metadata:
    return read_metadata("node", node(formula, *roles, **common).compile("opensdn", kinds=KINDS).metadata)


def rendered(formula: Formula, role: str, file: str) -> str:
    """A file as Salt renders it for a node with the role."""
    one = Formula(formula.worker, formula.root, node(formula, role).pillar, more_roots=(ROOT,))
    text = f"{{%- set text %}}{{% include 'opensdn/files/{file}' %}}{{% endset %}}"
    one.write({"shown/init.sls": text + "shown:\n  test.nop:\n  - text: {{ text | json }}\n"})
    (chunk,) = one.compile("shown").chunks
    return str(chunk.raw["text"])


def ini(formula: Formula, role: str, file: str) -> RawConfigParser:
    """As OpenStack's and Python's own parsers read it: strict, no interpolation."""
    parser = RawConfigParser(strict=True)
    parser.read_string(rendered(formula, role, file))
    return parser


def files(formula: Formula, role: str) -> list[str]:
    chunks = node(formula, role).compile("opensdn").chunks
    sources = [chunk.raw.get("source", "") for chunk in chunks if chunk.raw["state"] == "file"]
    return sorted(source.rpartition("/")[2] for source in sources if source)


@pytest.mark.parametrize("role", ROLES)
def test_a_role_installs_before_it_configures_and_runs_what_it_names(formula: Formula, role: str) -> None:
    chunks = node(formula, role).compile("opensdn").chunks
    packages = [chunk.raw for chunk in chunks if chunk.raw["state"] == "pkg"]
    assert packages
    assert all(chunk["require"] == [{"file": "opensdn_repo"}, {"file": "opensdn_repo_key"}] for chunk in packages)
    running = {chunk.raw["name"] for chunk in chunks if chunk.raw["state"] == "service"}
    assert set(metadata(formula, role).processes) == running


@pytest.mark.parametrize("role", ROLES)
def test_the_source_is_in_the_image_and_the_settings_are_not(formula: Formula, role: str) -> None:
    phases = split(node(formula, role).compile("opensdn"), Hints(metadata(formula, role).phases))
    built = {chunk.id for chunk in phases.of(Phase.BUILD)}
    assert {"opensdn_repo", "opensdn_repo_key"} < built
    assert not [chunk for chunk in built if ".conf" in chunk or ".ini" in chunk or ".js" in chunk]
    assert bool(phases.of(Phase.HOST)) is (role == "vrouter")


def test_the_source_is_signed(formula: Formula) -> None:
    chunks = {chunk.id: chunk.raw for chunk in node(formula, "config").compile("opensdn").chunks}
    assert chunks["opensdn_repo_key"]["contents"] == KEY
    assert "Signed-By: /etc/apt/keyrings/opensdn.asc" in chunks["opensdn_repo"]["contents"]


def test_an_image_that_has_all_gets_no_packages(formula: Formula) -> None:
    chunks = node(formula, "config", source="image").compile("opensdn").chunks
    assert {chunk.raw["state"] for chunk in chunks} == {"file", "service"}
    assert not [chunk.id for chunk in chunks if "repo" in chunk.id]
    assert read_upgrades("node", metadata(formula, "config", source="image").raw) == ()


@pytest.mark.parametrize("role", ["config", "control", "analytics", "queryengine", "vrouter", "plugin"])
def test_files_are_read_as_they_are_meant(formula: Formula, role: str) -> None:
    names = [name for name in files(formula, role) if name != "contrail-rndc.conf"]
    assert names
    parsed = {name: ini(formula, role, name) for name in names}
    if role in ("config", "control", "analytics"):
        found = [
            parser.get(section, option)
            for parser in parsed.values()
            for section in parser.sections()
            for option in parser.options(section)
            if option.endswith("password")
        ]
        assert set(found) == {PASSWORD}


def test_who_finds_whom(formula: Formula) -> None:
    api = ini(formula, "config", "contrail-api.conf")
    assert api.get("DEFAULTS", "cassandra_server_list") == "cassandra-1:9042 cassandra-2:9042 cassandra-3:9042"
    assert (api.get("DEFAULTS", "auth"), api.get("QUOTA", "subnet")) == ("keystone", "5")
    control = ini(formula, "control", "contrail-control.conf")
    assert control.get("CONFIGDB", "rabbitmq_server_list") == "rabbitmq-1:5672"
    agent = ini(formula, "vrouter", "contrail-vrouter-agent.conf")
    assert agent.get("CONTROL-NODE", "servers") == "control-1:5269 control-2:5269"
    assert agent.get("DNS", "servers") == "control-1:53 control-2:53"
    assert agent.get("NETWORKS", "control_network_ip") == "10.0.0.5"
    plugin = ini(formula, "plugin", "ContrailPlugin.ini")
    assert plugin.get("APISERVER", "api_server_ip") == "config-1,config-2"


@pytest.mark.parametrize("file", ["config.global.js", "contrail-webui-userauth.js"])
def test_the_web_interface_gets_an_object(formula: Formula, file: str) -> None:
    head, _, value = rendered(formula, "webui", file).partition("module.exports = ")
    found = json.loads(value.strip().rstrip(";"))
    assert head.startswith("//")
    assert PASSWORD in json.dumps(found)


def test_cni_file_is_json(formula: Formula) -> None:
    found = json.loads(rendered(formula, "cni", "10-contrail.conf"))
    assert (found["type"], found["contrail"]["cluster-name"]) == ("contrail-k8s-cni", "k8s")


def test_zero_impact_order(formula: Formula) -> None:
    found = read_upgrades("node", metadata(formula, *ROLES).raw)
    order = [one.name.removeprefix("opensdn-") for one in sorted(found, key=lambda one: one.order)]
    assert order == ["config", "analytics", "queryengine", "control", "webui", "vrouter"]
    assert len({one.order for one in found}) == len(found)
    assert [one.name for one in found if one.stage("check")] == ["opensdn-vrouter"]


@pytest.mark.parametrize(
    ("old", "new", "verdict"),
    [
        ("2008.121-1", "2011.138-1", Verdict.DOCUMENTED),
        ("2005.1-1", "2011.138-1", Verdict.FORBIDDEN),
        ("2011.138-1", "2008.121-1", Verdict.DOWNGRADE),
        ("2011.138-1", "2011.138-2", Verdict.FREE),
    ],
)
def test_the_next_release_only(formula: Formula, old: str, new: str, verdict: Verdict) -> None:
    (rules,) = read_upgrades("node", metadata(formula, "control").raw)
    assert judge(rules, old, new).verdict is verdict


def test_releases_are_the_operators_own(formula: Formula) -> None:
    (rules,) = read_upgrades("node", metadata(formula, "control", releases=["24.1", "24.2"]).raw)
    assert judge(rules, "24.1.0-1", "24.2.0-1").verdict is Verdict.DOCUMENTED


@pytest.mark.parametrize(
    ("role", "values", "wrong"),
    [
        ("common", {}, 0),
        ("common", {"repo": {"uri": "https://packages.example", "suite": "x", "components": ["main"]}}, 1),
        ("common", {"message_queue": {"members": [], "user": "x", "password": "50%"}}, 2),
        ("vrouter", {"interface": {"device": "eth1", "address": "10.0.0.5"}}, 1),
        ("cni", {"mtu": "9000"}, 0),
    ],
)
def test_schemas(role: str, values: dict[str, Any], wrong: int) -> None:
    schemas, problems = load_schemas([Source("opensdn", ROOT)])
    assert problems == ()
    (schema,) = (one for one in schemas if one.path == ("opensdn", role))
    assert len(list(schema.validator.iter_errors({**(COMMON if role == "common" else {}), **values}))) == wrong


def test_only_the_vrouter_is_data_plane(formula: Formula) -> None:
    assert [role for role in ROLES if metadata(formula, role).data_plane] == ["vrouter"]
