"""Changes of a running cloud, Keystone and Glance of examples/ha under load: planned, done, measured and taken back.

One cloud for the whole file, one engine: the tests come in the order of a cloud's life, and each leaves it whole.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from saltern.base.process import LocalRunner
from saltern.images.engine.select import select_engine
from saltern.project.context import Options, open_project

from .driver import CACHE, Cloud, Done, free_port, substitute
from .load import Load, endpoints
from .test_cloud import client
from .whole import part, publish

pytestmark = pytest.mark.filterwarnings("ignore")  # openstacksdk's own

RATE = 24.0
"""Requests a second beside each rollout."""
GAP = 1.0
"""Seconds: the longest gap that a rollout without interruption may have."""


CRASHING = "parameters:\n  glance:\n    server:\n      debug: perhaps\n"
"""oslo.config ends a service with a boolean that is none."""


@pytest.fixture(scope="module")
def ha(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Keystone and Glance of examples/ha on ports of their own, up."""
    folder = tmp_path_factory.mktemp("ha")
    model = part(folder, ("keystone", "glance"), "ha")
    ports = publish(model, lambda usual: free_port())
    (model / "saltern.yml").write_text("cloud: e2e-ha\nengine: podman\n")
    engine = select_engine(LocalRunner(), CACHE / "saltern", "podman")
    cloud = Cloud("e2e-ha", model, folder / "state", engine, ports)
    cloud.clean()
    try:
        cloud.saltern("up", "--json")
        yield cloud
    finally:
        cloud.clean()


def common(model: Path) -> Path:
    return model / "classes/cluster/ha/init.yml"


@contextmanager
def changed(cloud: Cloud, file: str, old: str, new: str) -> Iterator[None]:
    """A change of the model that is taken back in the end; what runs is not."""
    path = cloud.model / file
    original = path.read_text()
    substitute(path, old, new)
    try:
        yield
    finally:
        path.write_text(original)


@contextmanager
def load(cloud: Cloud, rate: float = RATE) -> Iterator[Load]:
    """A user's requests beside what the body does."""
    project = open_project(
        cloud.model, Options(engine="podman", cache=CACHE / "saltern", state=cloud.state / "saltern")
    )
    with Load(endpoints(project), rate) as users:
        yield users


def assert_available(cloud: Cloud, users: Load, names: Collection[str] = ("identity", "image")) -> dict[str, Any]:
    """Neither the users nor the newest rollout's own probes saw a failure; the newest rollout."""
    assert {one.name: one.failures for one in users.figures()} == dict.fromkeys(names, 0), str(users)
    newest: dict[str, Any] = cloud.saltern("history", "--json").json[0]
    assert {one["name"] for one in newest["endpoints"]} == {*names}
    for one in newest["endpoints"]:
        assert one["requests"] > 0
        assert one["failures"] == 0, newest["endpoints"]
        assert one["longest_gap"] < GAP
    return newest


def acts(done: Done) -> list[tuple[str, str]]:
    return [(step["act"], step["service"] or step["stage"] or step["workload"]) for step in done.json["steps"]]


def test_a_plan_of_no_change_is_empty(ha: Cloud) -> None:
    first = ha.saltern("plan", "--json")
    assert first.json["steps"] == []
    assert ha.saltern("plan", "--json").stdout == first.stdout
    assert ha.saltern("plan", "--exit-code").code == 0


def test_a_config_change_is_rolled_without_a_failed_request(ha: Cloud) -> None:
    before = ha.processes()
    file = "classes/cluster/ha/keystone.yml"
    (ha.model / file).write_text(
        (ha.model / file).read_text()
        + "parameters:\n  keystone:\n    server:\n      tokens:\n        expiration: 5400\n"
    )
    line = len((ha.model / file).read_text().splitlines())
    plan = ha.saltern("plan", "--json").json
    [value] = plan["values"]
    assert (value["old"], value["new"], value["place"]) == (3600, 5400, f"{file}:{line}")
    assert plan["images"] == []
    [found] = plan["files"]
    assert (found["path"], found["causes"]) == ("/etc/keystone/keystone.conf", [f"{file}:{line}"])
    assert "+expiration = 5400" in found["diff"]
    effects = {one["workload"]: one["effect"] for one in plan["impacts"]}
    assert {name for name, effect in effects.items() if effect != "untouched"} == {"keystone"}
    assert effects["keystone"] == "rolled"
    with load(ha) as users:
        done = ha.saltern("apply", "--yes", "--json")
    assert [act for act in acts(done) if act[0] == "roll"] == [("roll", "keystone-1"), ("roll", "keystone-2")]
    assert_available(ha, users)
    after = ha.processes()
    assert {name for name in before if before[name] != after[name]} == {"keystone-1", "keystone-2"}


def test_a_plan_is_applied_once_and_only_to_the_world_that_it_was_made_for(ha: Cloud, tmp_path: Path) -> None:
    file = str(tmp_path / "change.plan")
    with changed(ha, "classes/cluster/ha/keystone.yml", "expiration: 5400", "expiration: 5000"):
        ha.saltern("plan", "--out", file)
    done = ha.saltern("apply", file, code=14)
    assert "no more the one that was shown" in done.stderr
    assert ha.saltern("plan", "--json").json["steps"] == []


def test_a_change_that_crashes_is_stopped_and_undone_while_the_others_serve(ha: Cloud) -> None:
    before = ha.processes()
    with (
        changed(ha, "classes/cluster/ha/glance.yml", "- cluster.ha\n", f"- cluster.ha\n{CRASHING}"),
        load(ha) as users,
    ):
        done = ha.saltern("apply", "--yes", "--auto-rollback", code=10)
    assert "glance-1 did not become ready" in done.stderr
    assert "rolled back" in done.stderr
    assert [one.failures for one in users.figures()] == [0, 0], str(users)
    after = ha.processes()
    assert before["glance-2"] == after["glance-2"]  # it never had to do anything but serve
    outcomes = [(one["kind"], one["outcome"]) for one in ha.saltern("history", "--json").json[:2]]
    assert outcomes == [("rollback", "done"), ("apply", "failed")]
    assert ha.saltern("plan", "--json").json["steps"] == []


def test_a_killed_apply_is_told_and_goes_on(ha: Cloud) -> None:
    substitute(ha.model / "classes/cluster/ha/keystone.yml", "expiration: 5400", "expiration: 4000")
    with load(ha) as users:
        with ha.started("apply", "--yes") as first:
            assert first.wait_for(lambda event: (event["stage"], event["subject"]) == ("roll", "keystone-2"))
            first.kill()
        status = ha.saltern("status", "--json", code=None).json
        assert status["rollout"]["outcome"] == "interrupted"
        assert status["rollout"]["open_steps"] == ["roll:keystone-2"]
        ha.saltern("apply", "--yes")
    assert [one.failures for one in users.figures()] == [0, 0], str(users)
    assert ha.saltern("plan", "--json").json["steps"] == []


def test_the_openstack_release_goes_up_and_back_and_up_for_good(ha: Cloud) -> None:
    zed = kept(ha)
    substitute(common(ha.model), "openstack_version: zed", "openstack_version: '2025.1'")
    plan = ha.saltern("plan", "--json").json
    stages = [step["stage"] for step in plan["steps"] if step["stage"]]
    assert "keystone:expand:expand the schema" in stages
    assert not [stage for stage in stages if ":contract:" in stage]
    assert plan["way_back"] == "schema expanded"
    assert any("--contract" in note for note in plan["notes"])
    assert [step["workload"] for step in plan["steps"] if step["act"] == "backup"]
    with load(ha) as users:
        ha.saltern("apply", "--yes", "--json")
    assert_available(ha, users)
    assert version(ha, "keystone-1", "keystone").startswith("2:27")
    epoxy = kept(ha)

    put_back(ha, zed)
    with load(ha) as users:
        ha.saltern("rollback", "--yes")
    assert_available(ha, users)
    assert version(ha, "keystone-1", "keystone").startswith("2:22")
    assert ha.saltern("plan", "--json").json["steps"] == []

    put_back(ha, epoxy)
    with load(ha) as users:
        ha.saltern("apply", "--yes")
        ha.saltern("apply", "--yes", "--contract")
    assert_available(ha, users)
    assert ha.saltern("plan", "--json").json["steps"] == []
    put_back(ha, zed)
    assert "contracted" in ha.saltern("plan", code=14).stderr
    put_back(ha, epoxy)


def kept(cloud: Cloud) -> dict[Path, str]:
    """What a commit of the model would hold."""
    return {path: path.read_text() for path in (common(cloud.model), cloud.model / "packages.lock")}


def put_back(cloud: Cloud, files: dict[Path, str]) -> None:
    """As git would."""
    for path, text in files.items():
        path.write_text(text)


def version(cloud: Cloud, service: str, package: str) -> str:
    return cloud.call("exec", f"{cloud.name}-{service}", "dpkg-query", "-W", "-f", "${Version}", package)


def test_a_fresh_rabbitmq_comes_up_beside_the_old_one_where_a_jump_is_forbidden(ha: Cloud) -> None:
    substitute(common(ha.model), "message_queue_base: debian-12", "message_queue_base: debian-13")
    plan = ha.saltern("plan", "--json").json
    [note] = [note for note in plan["notes"] if "rabbitmq" in note]
    assert "3.10" in note
    assert "4.0" in note
    with load(ha) as users:
        done = ha.saltern("apply", "--yes", "--json")
    steps = acts(done)
    assert steps.index(("start", "rabbitmq-g2")) < steps.index(("remove", "rabbitmq"))
    assert_available(ha, users)
    assert version(ha, "rabbitmq-g2", "rabbitmq-server").startswith("4.0")


def test_mariadb_is_upgraded_in_place_and_cannot_go_back(ha: Cloud) -> None:
    before = kept(ha)
    substitute(common(ha.model), "database_base: debian-12", "database_base: debian-13")
    plan = ha.saltern("plan", "--json").json
    assert plan["way_back"] == "only by restore"
    done = ha.saltern("apply", "--yes", "--json")
    order = [act for act, _ in acts(done)]
    assert order.index("backup") < order.index("start")
    assert ("command", "mariadb:migrate:mariadb-upgrade") in acts(done)
    assert version(ha, "mariadb", "mariadb-server").startswith("1:11.8")
    assert ha.saltern("plan", "--json").json["steps"] == []
    after = kept(ha)
    put_back(ha, before)
    assert "cannot go back" in ha.saltern("plan", code=14).stderr
    put_back(ha, after)


def test_the_cloud_comes_back_from_its_backup_when_all_volumes_are_lost(ha: Cloud) -> None:
    user = client(ha).identity.create_user(name="kept-user", password="of-the-test")
    ha.saltern("backup")
    ha.saltern("down", "--volumes")
    assert ha.left() == {"containers": [], "networks": [], "volumes": []}
    ha.saltern("restore", "--yes")
    ha.saltern("up")
    assert client(ha).identity.find_user("kept-user").id == user.id


def test_all_that_was_done_is_in_the_history(ha: Cloud) -> None:
    found = ha.saltern("history", "--json").json
    assert all(one["outcome"] in ("done", "failed", "interrupted") for one in found)
    newest = found[0]["number"]
    lines = ha.saltern("history", str(newest), "--json").json["lines"]
    assert [line["event"] for line in lines][:2] == ["begin", "act"]
    assert lines[-1]["event"] == "end"
    assert json.dumps(found).count("example-") == 0  # no password of the example
