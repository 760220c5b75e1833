"""The nova formula's program that empties machines, beside a Nova of a few lines: ``files/hosts.py``."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.unit.formulas.nova_api import HOST, PASSWORD, TASK, Nova, serving

SCRIPT = Path(__file__).parents[3] / "formulas/nova/nova/files/hosts.py"
CONF = """\
[DEFAULT]
host = controller
[cinder]
password = another
[keystone_authtoken]
# of a comment
auth_url = {url}
project_domain_id = default
user_domain_id = default
project_name = service
username = nova
password = {password}
region_name = RegionOne
[DEFAULT]
debug = True
"""
MARKED = {"saltern_drained": "hv1"}


@dataclass
class Ran:
    """What the program told, by kind."""

    code: int
    told: list[dict[str, Any]]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [{key: value for key, value in one.items() if key != "kind"} for one in self.told if one["kind"] == kind]

    @property
    def guests(self) -> dict[str, tuple[str, str, str, str]]:
        """Id → what was done, status, host, problem."""
        return {one["id"]: (one["did"], one["status"], one["host"], one["problem"]) for one in self.of("guest")}


@dataclass
class Site:
    nova: Nova
    conf: Path

    def run(self, verb: str, guests: str = "", timeout: int = 60) -> Ran:
        given = {"HOST": "hv1", "GUESTS": guests, "REASON": "a disk", "TIMEOUT": str(timeout)}
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", SCRIPT.read_text(), verb, str(self.conf)],
            env={f"SALTERN_{name}": value for name, value in given.items()} if verb != "list" else {},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stderr == ""
        return Ran(done.returncode, [json.loads(line) for line in done.stdout.splitlines()])


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """``hv1`` and ``hv2``, without guests."""
    nova = Nova().host("hv1").host("hv2")
    with serving(nova) as url:
        conf = tmp_path / "nova.conf"
        # oslo.config's way to write a "$"
        conf.write_text(CONF.format(url=url, password=PASSWORD.replace("$", "$$")))
        yield Site(nova, conf)


def test_all_machines_with_their_guests(site: Site) -> None:
    site.nova.host("hv3", "disabled", "down").services["hv3"]["disabled_reason"] = "broken"
    site.nova.server("a", "hv1").server("b", "hv1", "SHUTOFF").server("c", "hv1", "PAUSED")
    ran = site.run("list")
    good = {"enabled": True, "up": True, "reason": ""}
    assert ran.of("host") == [
        {"host": "hv1", **good, "guests": 3, "running": 2},
        {"host": "hv2", **good, "guests": 0, "running": 0},
        {"host": "hv3", "enabled": False, "up": False, "reason": "broken", "guests": 0, "running": 0},
    ]


def test_guests_that_run_migrate_one_after_the_other(site: Site) -> None:
    site.nova.server("a", "hv1").server("b", "hv1", "SHUTOFF").server("c", "hv1", "PAUSED").server("d", "hv2")
    ran = site.run("drain", "migrate")
    assert ran.code == 0
    assert site.nova.asked == ["disabled hv1", "os-migrateLive a", "os-migrateLive c"]
    assert ran.guests == {
        "a": ("migrated", "ACTIVE", "hv2", ""),
        "b": ("left", "SHUTOFF", "hv1", ""),
        "c": ("migrated", "PAUSED", "hv2", ""),
    }
    (host,) = ran.of("host")
    assert host == {"host": "hv1", "enabled": False, "up": True, "reason": "a disk", "guests": 1, "running": 0}
    assert [one["subject"] for one in ran.of("begun")] == ["name-a", "name-b", "name-c"]


def test_what_nova_says_is_told_and_the_rest_goes_on(site: Site) -> None:
    for id_ in "abcd":
        site.nova.server(id_, "hv1")
    site.nova.refused["a"] = "Cannot 'os-migrateLive' instance a while it is in vm_state error"
    site.nova.failing["b"] = "No valid host was found. There are not enough hosts available."
    site.nova.endless.add("c")
    ran = site.run("drain", "migrate", timeout=0)
    assert ran.guests == {
        "a": ("left", "ACTIVE", "hv1", site.nova.refused["a"]),
        "b": ("left", "ACTIVE", "hv1", site.nova.failing["b"]),
        "c": ("left", "ACTIVE", "hv1", "still migrating after 0 s"),
        "d": ("migrated", "ACTIVE", "hv2", ""),
    }
    assert ran.code == 0


@pytest.mark.parametrize(("timeout", "why"), [(60, "no room"), (0, "it is ACTIVE on hv1, and Nova does not say why")])
def test_a_reason_may_come_a_moment_later(site: Site, timeout: int, why: str) -> None:
    site.nova.server("a", "hv1").failing["a"] = "no room"
    site.nova.silent = 1
    assert site.run("drain", "migrate", timeout).guests["a"][-1] == why


def test_a_second_time_it_goes_on(site: Site) -> None:
    site.nova.server("a", "hv1").server("b", "hv1")
    site.nova.failing["a"] = "no"
    assert site.run("drain", "migrate").guests["a"][-1] == "no"
    del site.nova.failing["a"]
    assert site.run("drain", "migrate").guests == {"a": ("migrated", "ACTIVE", "hv2", "")}


def test_what_another_run_began_is_waited_for(site: Site) -> None:
    site.nova.server("a", "hv1").endless.add("a")
    site.run("drain", "migrate", timeout=0)
    site.nova.endless.clear()
    assert site.run("drain", "migrate").guests == {"a": ("migrated", "ACTIVE", "hv2", "")}
    assert site.nova.asked.count("os-migrateLive a") == 1


def test_progress_is_told_while_it_takes_its_time(site: Site) -> None:
    site.nova.server("a", "hv1").servers["a"][TASK] = "migrating"
    ran = site.run("drain", "leave", timeout=1)
    assert {"subject": "name-a", "text": "migrating"} in ran.of("progress")
    assert ran.guests["a"][-1] == "still migrating after 1 s"


@pytest.mark.parametrize(("status", "state"), [("disabled", "up"), ("enabled", "down")])
def test_without_another_machine_nothing_is_changed(site: Site, status: str, state: str) -> None:
    site.nova.host("hv2", status, state).server("a", "hv1")
    ran = site.run("drain", "migrate")
    (problem,) = ran.of("problem")
    assert problem["brief"] == "no guest can be moved away from hv1: there is no other machine that is enabled and up"
    assert "--guests stop" in problem["resolution"]
    assert (ran.code, site.nova.asked) == (1, [])


@pytest.mark.parametrize(("status", "guests"), [("ACTIVE", "stop"), ("ACTIVE", "leave"), ("SHUTOFF", "migrate")])
def test_no_other_machine_is_needed_where_nothing_has_to_move(site: Site, status: str, guests: str) -> None:
    del site.nova.services["hv2"]
    site.nova.server("a", "hv1", status)
    assert site.run("drain", guests).code == 0
    assert site.nova.asked[0] == "disabled hv1"


def test_guests_may_run_on(site: Site) -> None:
    site.nova.server("a", "hv1")
    assert site.run("drain", "leave").guests == {"a": ("left", "ACTIVE", "hv1", "")}
    assert site.nova.asked == ["disabled hv1"]


def test_guests_are_stopped_and_marked_and_only_those_are_started(site: Site) -> None:
    for id_ in "abc":  # more than a page
        site.nova.server(id_, "hv1")
    site.nova.server("d", "hv1", "SHUTOFF", own="value").server("e", "hv2", "SHUTOFF", **MARKED)
    stopped = {id_: ("stopped", "SHUTOFF", "hv1", "") for id_ in "abc"}
    for _ in range(2):
        assert site.run("drain", "stop").guests == {**stopped, "d": ("left", "SHUTOFF", "hv1", "")}
    assert site.nova.servers["a"]["metadata"] == MARKED
    site.nova.servers["b"] |= {"status": "ACTIVE"}  # by its user
    ran = site.run("return")
    assert ran.guests == {
        "a": ("started", "ACTIVE", "hv1", ""),
        "b": ("left", "ACTIVE", "hv1", ""),
        "c": ("started", "ACTIVE", "hv1", ""),
    }
    (host,) = ran.of("host")
    assert (host["enabled"], host["reason"]) == (True, "")
    assert [one["metadata"] for _, one in sorted(site.nova.servers.items())] == [{}, {}, {}, {"own": "value"}, MARKED]
    assert site.run("return").guests == {}


def test_one_that_does_not_stop_is_not_marked(site: Site) -> None:
    site.nova.server("a", "hv1").server("b", "hv1").server("c", "hv1")
    site.nova.refused["a"] = "it is locked"
    site.nova.failing["b"] = "libvirt says no"
    site.nova.endless.add("c")
    ran = site.run("drain", "stop", timeout=0)
    assert {id_: found[-1] for id_, found in ran.guests.items()} == {
        "a": "it is locked",
        "b": "libvirt says no",
        "c": "still powering-off after 0 s",
    }
    # one that may still stop is started again then
    assert [one["metadata"] for _, one in sorted(site.nova.servers.items())] == [{}, {}, MARKED]


def test_one_that_does_not_start_keeps_its_mark(site: Site) -> None:
    site.nova.server("a", "hv1", "SHUTOFF", **MARKED)
    site.nova.failing["a"] = "no memory"
    assert site.run("return").guests == {"a": ("left", "SHUTOFF", "hv1", "no memory")}
    assert site.nova.servers["a"]["metadata"] == MARKED


def test_one_that_was_on_its_way_is_moved_too(site: Site) -> None:
    late = Nova().server("z", "hv1").servers["z"]
    site.nova.server("a", "hv1").comes.update(late)
    assert set(site.run("drain", "migrate").guests) == {"a", "z"}


def test_one_that_is_deleted_meanwhile_is_no_problem(site: Site) -> None:
    site.nova.server("a", "hv1")
    gone = site.nova.servers["a"] | {"id": "gone"}
    site.nova.servers["other"] = gone  # listed, and not found
    assert site.run("drain", "migrate").guests["gone"] == ("deleted", "DELETED", "", "")


@pytest.mark.parametrize("verb", ["drain", "return"])
def test_a_machine_that_nova_does_not_know(site: Site, verb: str) -> None:
    del site.nova.services["hv1"]
    ran = site.run(verb, "migrate")
    assert [one["brief"] for one in ran.of("problem")] == ["Nova knows no machine hv1"]
    assert ran.code == 1


def test_one_that_is_down_does_not_return(site: Site) -> None:
    site.nova.host("hv1", "disabled", "down").server("a", "hv1", "SHUTOFF", **MARKED)
    ran = site.run("return", timeout=0)
    assert "nothing is heard of hv1" in ran.of("problem")[0]["brief"]
    assert site.nova.asked == []


def test_nova_cannot_be_reached(site: Site) -> None:
    site.conf.write_text(CONF.format(url="http://127.0.0.1:9/v3", password="x"))
    ran = site.run("list")
    assert ran.of("problem")[0]["brief"].startswith("Nova cannot be asked: ")
    assert ran.code == 1

