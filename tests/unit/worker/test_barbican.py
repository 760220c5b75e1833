"""What Barbican's formula renders and says around it, and what Nova and Cinder say of it."""

from __future__ import annotations

from configparser import ConfigParser
from pathlib import Path
from typing import Any

import pytest

from saltern.formulas.metadata import Metadata, read_metadata
from saltern.formulas.schemas import load_schemas, violations
from saltern.formulas.sources import Formula as Source
from saltern.model import open_inventory
from saltern.model.secrets import secret_values
from tests.trees import write_tree

from .conftest import Formula

FORMULAS = Path(__file__).parents[3] / "formulas"
SECRET = "pa/ss$word"
"""What no command line may show."""
KEY, OLD_KEY = "bmV3ZXIta2V5LW9mLWEtdGVzdC0zMi1ieXRlcy0tLS0=", "b2xkZXIta2V5LW9mLWEtdGVzdC0zMi1ieXRlcy0tLS0="
IN_ITS_CODE = "dGhpcnR5X3R3b19ieXRlX2tleWJsYWhibGFoYmxhaGg="
"""The key that Barbican has where none is configured."""
QUEUE = {"host": "rabbitmq", "port": 5671, "user": "u", "password": SECRET}
COMMON: dict[str, Any] = {
    "enabled": True,
    "database": {"host": "mariadb", "name": "x", "user": "u", "password": SECRET},
    "identity": {"host": "keystone", "user": "u", "password": SECRET, "tenant": "service"},
}
SERVER = {**COMMON, "crypto": {"encryption_key": KEY}}


def node(formula: Formula, debian: int = 12, **values: Any) -> Formula:
    pillar = {"barbican": {"server": {**SERVER, **values}}}
    grains = {"os_family": "Debian", "os": "Debian", "osmajorrelease": debian, "host": "barbican"}
    return Formula(formula.worker, formula.root, pillar, grains, more_roots=(FORMULAS / "barbican",))


def settings(formula: Formula, debian: int = 12, **values: Any) -> str:
    """The text of barbican.conf."""
    text = "{%- set text %}{% include 'barbican/files/barbican.conf' %}{% endset %}"
    one = node(formula, debian, **values)
    one.write({"shown/init.sls": text + "shown:\n  test.nop:\n  - text: {{ text | json }}\n"})
    (chunk,) = one.compile("shown").chunks
    return str(chunk.raw["text"])


def parsed(text: str) -> ConfigParser:
    found = ConfigParser(interpolation=None, strict=False)
    found.read_string(text)
    return found


def said(formula: Formula, name: str = "barbican") -> Metadata:
    return read_metadata("node", formula.compile(name, kinds=("container", "verify", "upgrade")).metadata)


@pytest.mark.parametrize(("debian", "keys"), [(12, [f"kek = {KEY}"]), (13, [f"kek = {KEY}", f"kek = {OLD_KEY}"])])
def test_old_keys_are_only_for_releases_that_know_several(formula: Formula, debian: int, keys: list[str]) -> None:
    crypto = {"encryption_key": KEY, "old_encryption_key": [OLD_KEY]}
    lines = settings(formula, debian, crypto=crypto).splitlines()
    assert [line for line in lines if line.startswith("kek")] == keys


def test_both_names_of_the_database_are_given(formula: Formula) -> None:
    """Zed reads the one, later releases the other."""
    found = parsed(settings(formula))
    url = "mysql+pymysql://u:pa%2Fss%24word@mariadb:3306/x?charset=utf8mb4"
    assert found["DEFAULT"]["sql_connection"] == found["database"]["connection"] == url
    assert found["keystone_authtoken"]["password"] == "pa/ss$$word"
    assert "enforce_new_defaults" not in found["oslo_policy"]


def test_without_a_key_nothing_is_rendered(formula: Formula) -> None:
    with pytest.raises(Exception, match="encryption_key"):
        settings(formula, crypto={})


@pytest.mark.parametrize(
    ("values", "processes", "queue"),
    [
        ({}, ["barbican-api"], "False"),
        ({"message_queue": QUEUE}, ["barbican-api", "barbican-worker"], "True"),
        (
            {"message_queue": QUEUE, "listener": {"enabled": True}},
            ["barbican-api", "barbican-worker", "barbican-keystone-listener"],
            "True",
        ),
        # nobody would tell it anything
        ({"listener": {"enabled": True}}, ["barbican-api"], "False"),
    ],
)
def test_what_runs(formula: Formula, values: dict[str, Any], processes: list[str], queue: str) -> None:
    found = said(node(formula, **values))
    assert list(found.processes) == processes
    assert parsed(settings(formula, **values))["queue"]["enable"] == queue
    states = node(formula, **values).compile("barbican").chunks
    assert [chunk.raw["name"] for chunk in states if chunk.raw["fun"] == "running"] == processes
    assert {hints.user for hints in found.processes.values()} == {None}
    assert {hints.capabilities for hints in found.processes.values()} == {()}
    assert ("rabbitmq" in {one.host for one in found.connects}) == bool("message_queue" in values)
    assert found.checks[0].environment["ORDERS"] == ("yes" if "message_queue" in values else "")


def test_no_secret_is_on_a_command_line(formula: Formula) -> None:
    found = said(node(formula, message_queue=QUEUE))
    commands = [check.command for check in found.checks] + [hints.command for hints in found.processes.values()]
    assert SECRET not in str(commands)
    assert KEY not in str(commands)
    (script,) = (check.command[check.command.index("-c") + 1] for check in found.checks)
    compile(script, "verify.py", "exec")


@pytest.mark.parametrize(
    ("crypto", "fits"),
    [
        (f"{{encryption_key: {KEY}}}", True),
        (f"{{encryption_key: {KEY}, old_encryption_key: [{OLD_KEY}]}}", True),
        (f"{{encryption_key: {IN_ITS_CODE}}}", False),
        ("{encryption_key: too-short}", False),
        ("{}", False),
    ],
)
def test_a_key_is_one_and_not_barbicans_own(tmp_path: Path, crypto: str, fits: bool) -> None:
    pillar = f"enabled: true, database: {{host: a, name: a, user: a, password: a}}, crypto: {crypto}"
    server = f"{{{pillar}, identity: {{host: a, user: a, password: a}}}}"
    node = f"parameters: {{barbican: {{server: {server}}}}}\n"
    model = write_tree(tmp_path, {"nodes/n.yml": node, "classes/a.yml": ""})
    schemas, wrong = load_schemas([Source("barbican", FORMULAS / "barbican", origin="path")])
    assert wrong == ()
    assert ([*violations(open_inventory(model).node("n"), schemas)] == []) == fits


def test_keys_are_secrets_that_no_plan_shows() -> None:
    crypto = {"encryption_key": KEY, "old_encryption_key": [OLD_KEY]}
    assert secret_values({"barbican": {"server": {"crypto": crypto}}}) == {KEY, OLD_KEY}


@pytest.mark.parametrize(
    ("name", "role"),
    [("nova", "controller"), ("nova", "compute"), ("cinder", "controller"), ("cinder", "volume")],
)
def test_nova_and_cinder_ask_it_where_they_are_told_to(formula: Formula, name: str, role: str) -> None:
    def hosts(**more: Any) -> set[tuple[str, int]]:
        pillar = {name: {role: {**COMMON, "message_queue": QUEUE, **more}}}
        grains = {"os_family": "Debian", "os": "Debian", "osmajorrelease": 12, "host": "node"}
        found = said(Formula(formula.worker, FORMULAS / name, pillar, grains), name)
        return {(one.host, one.port) for one in found.connects}

    asked = hosts(key_manager={"engine": "barbican", "host": "keys"})
    assert asked - hosts() == {("keys", 9311)}
