"""HAProxy's formula with plain Salt: it balances, takes servers out and in again, and misses none that goes."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from saltern.base.process import LocalRunner
from saltern.formulas.metadata import Balancer, read_metadata
from saltern.images.engine.select import select_engine

from .plainsalt import CACHE, ROOT, PlainError, PlainMachine, plain_machines

BASES = ("debian-12", "debian-13") if os.environ.get("SALTERN_TESTS_FULL") else ("debian-12",)

PILLAR = {
    "haproxy": {
        "proxy": {
            "enabled": True,
            "stats": {"address": "0.0.0.0", "port": 8404},
            "listen": {
                "web": {
                    "binds": [{"port": 8080}],
                    "health_check": {"uri": "/name"},
                    "repeat": [{"method": "POST", "path": "/token"}],
                    "replicas": {"host": "web", "count": 2, "port": 8000},
                },
                "line": {
                    "mode": "tcp",
                    "binds": [{"port": 8081}],
                    "servers": [{"name": "first", "host": "web-1", "port": 8000, "params": "weight 10"}],
                },
            },
        }
    }
}

PROCPS = "DEBIAN_FRONTEND=noninteractive apt-get install -y -q procps >/dev/null"
"""What a machine has: the init script's ``status`` asks ps."""

SERVE = """
mkdir -p /srv/web && hostname >/srv/web/name && cd /srv/web
python3 -m http.server 8000 >/dev/null 2>&1 &
echo $! >/run/web.pid
"""
ASK = """
import sys, urllib.request
for _ in range(int(sys.argv[1])):
    print(urllib.request.urlopen("http://127.0.0.1:8080/name", timeout=10).read().decode().strip())
"""


@pytest.fixture(scope="module", params=BASES)
def machines(request: pytest.FixtureRequest) -> Iterator[dict[str, PlainMachine]]:
    engine = select_engine(LocalRunner(), CACHE / "saltern")
    pillars: Mapping[str, Mapping[str, Any]] = {"haproxy": PILLAR, "web-1": {}, "web-2": {}}
    with plain_machines(engine, CACHE, request.param, [ROOT / "formulas" / "haproxy"], pillars) as made:
        made["haproxy"].run("sh", "-c", PROCPS)
        failed = {t: r["comment"] for t, r in made["haproxy"].apply("haproxy").items() if r["result"] is not True}
        assert not failed
        for name in ("web-1", "web-2"):
            made[name].run("sh", "-c", SERVE)
        yield made


def metadata(machine: PlainMachine, kind: str) -> dict[str, Any]:
    found = machine.salt("slsutil.renderer", f"path=salt://haproxy/meta/{kind}.yml", "default_renderer=jinja|yaml")
    assert isinstance(found, dict)
    return found


def balancer(machine: PlainMachine) -> Balancer:
    found = read_metadata("haproxy", {"haproxy": {"container": metadata(machine, "container")}}).balancer
    assert found is not None
    return found


def ends_well(machine: PlainMachine, *argv: str) -> bool:
    try:
        machine.run(*argv)
    except PlainError:
        return False
    return True


def wait(machine: PlainMachine, *argv: str) -> None:
    machine.run("sh", "-c", 'for try in $(seq 100); do "$@" 2>/dev/null && exit; sleep 0.2; done; "$@"', "sh", *argv)


def answers(machine: PlainMachine, count: int) -> Counter[str]:
    """Who answered; one failed request is a failure."""
    return Counter(machine.run("python3", "-c", ASK, str(count)).split())


def test_servers_that_come_later_are_found(machines: dict[str, PlainMachine]) -> None:
    checks = read_metadata("haproxy", {"haproxy": {"verify": metadata(machines["haproxy"], "verify")}}).checks
    assert [check.name for check in checks] == ["servers up"]
    proof = machines["haproxy"].run(*checks[0].command, environment=checks[0].environment)
    assert "line: 1 of 1 servers up" in proof
    told = balancer(machines["haproxy"])
    wait(machines["haproxy"], *told.argv(told.ready, "web/web-2"))
    assert set(answers(machines["haproxy"], 10)) == {"web-1", "web-2"}


def test_a_second_apply_changes_nothing(machines: dict[str, PlainMachine]) -> None:
    results = machines["haproxy"].apply("haproxy")
    assert {tag: r["changes"] for tag, r in results.items() if r["changes"] or r["result"] is not True} == {}


def test_the_metadata_knows_the_servers(machines: dict[str, PlainMachine]) -> None:
    told = balancer(machines["haproxy"])
    assert told.members == {"web-1": ("line/first", "web/web-1"), "web-2": ("web/web-2",)}
    assert told.listens == {8080: ("web-1", "web-2"), 8081: ("web-1",)}


def test_out_and_in_again(machines: dict[str, PlainMachine]) -> None:
    machine, told = machines["haproxy"], balancer(machines["haproxy"])
    wait(machine, *told.argv(told.ready, "web/web-1"))
    machine.run(*told.argv(told.drain, "web/web-1"))
    wait(machine, *told.argv(told.idle, "web/web-1"))
    assert not ends_well(machine, *told.argv(told.ready, "web/web-1")), "it is up, but takes no part"
    assert set(answers(machine, 20)) == {"web-2"}
    machines["web-1"].run("sh", "-c", "kill $(cat /run/web.pid)")
    assert set(answers(machine, 20)) == {"web-2"}
    machine.run(*told.argv(told.enable, "web/web-1"))
    assert set(answers(machine, 20)) == {"web-2"}
    assert not ends_well(machine, *told.argv(told.ready, "web/web-1"))
    machines["web-1"].run("sh", "-c", SERVE)
    wait(machine, *told.argv(told.ready, "web/web-1"))
    assert set(answers(machine, 20)) == {"web-1", "web-2"}


def test_a_server_that_dies_costs_no_request(machines: dict[str, PlainMachine]) -> None:
    machine, told = machines["haproxy"], balancer(machines["haproxy"])
    wait(machine, *told.argv(told.ready, "web/web-1"))
    machines["web-1"].run("sh", "-c", "kill -9 $(cat /run/web.pid)")
    assert set(answers(machine, 40)) == {"web-2"}
    machines["web-1"].run("sh", "-c", SERVE)
    wait(machine, *told.argv(told.ready, "web/web-1"))


@pytest.mark.parametrize("member", ["web/none", "none/web-1"])
def test_who_is_no_member(machines: dict[str, PlainMachine], member: str) -> None:
    told = balancer(machines["haproxy"])
    for command in (told.drain, told.idle, told.enable, told.ready):
        assert not ends_well(machines["haproxy"], *told.argv(command, member))
