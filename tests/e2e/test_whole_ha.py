"""examples/ha as a whole: its control plane changes the release under load, while a guest runs on.

One cloud for the whole file; the tests come in the order of its life.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from saltern.base.process import LocalRunner
from saltern.images.engine.select import select_engine

from .driver import CACHE, Cloud, eventually, free_port, substitute
from .test_cloud import client
from .test_compute import BOOT, WAIT, Server, Site, prepared
from .test_rollouts import acts, assert_available, common, kept, load, put_back, version
from .whole import part, publish

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # openstacksdk's own
    pytest.mark.skipif(not os.environ.get("SALTERN_TESTS_FULL"), reason="a whole OpenStack twice: make test-full"),
]

APIS = ("identity", "image", "placement", "compute", "network", "volume", "orchestration", "dashboard")
RATE = 8.0
"""Requests a second over all APIs together, beside those of the rollout's own probes."""
TWICE = ("keystone", "glance", "placement", "nova-conductor", "nova", "neutron", "cinder", "heat", "horizon")
NEVER_BACK = ("nova_conductor", "nova", "cinder", "cinder_volume", "heat")
"""Of ``classes/cluster/ha``: what cannot go back to an older release."""
PIN = "parameters: {_param: {openstack_version: zed}}\n"


@pytest.fixture(scope="module")
def ha(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """All of examples/ha on ports of its own, up."""
    folder = tmp_path_factory.mktemp("whole-ha")
    model = part(folder, example="ha")
    ports = publish(model, lambda usual: free_port())
    (model / "saltern.yml").write_text("cloud: e2e-whole-ha\nengine: podman\n")
    engine = select_engine(LocalRunner(), CACHE / "saltern", "podman")
    cloud = Cloud("e2e-whole-ha", model, folder / "state", engine, ports, timeout=3600)
    with cloud.brought_up() as done:
        print(f"up took {done.seconds:.0f} s")  # noqa: T201 - shown with -rP
        yield cloud


@pytest.fixture(scope="module")
def site(ha: Cloud) -> Site:
    return prepared(client(ha))


@pytest.fixture(scope="module")
def first(site: Site) -> Server:
    """A guest that pings another one from now on."""
    there, here = (site.boot(name, ["default"], value=name) for name in ("second", "first"))
    assert there.says(f"metadata {there.id} second", BOOT), there.console()
    here.tell(ping=there.address)
    return here


@contextmanager
def running_on(server: Server, word: str) -> Iterator[None]:
    """The guest is not begun anew beside what the body does, loses no ping, and then learns of a changed metadata."""
    uptime = server.uptime()
    yield
    assert eventually(lambda: server.uptime() > uptime, WAIT), server.console()
    said = server.since(uptime)
    assert "begun" not in said
    assert [line for line in said if line.startswith("ping ") and line.endswith("lost")] == []
    assert [line for line in said if line.startswith("ping ") and line.endswith("answered")]
    server.tell(value=word)
    assert server.says(f"metadata {server.id} {word}"), server.console()


@contextmanager
def under_load(cloud: Cloud) -> Iterator[None]:
    """No request to any of the APIs fails beside what the body does; their figures are shown with -rP."""
    with load(cloud, RATE) as users:
        yield
    print(users)  # noqa: T201
    newest = assert_available(cloud, users, APIS)
    print({one["name"]: one for one in newest["endpoints"]})  # noqa: T201


def test_all_that_can_is_there_twice_and_behind_the_balancer(ha: Cloud, site: Site) -> None:
    labels = [one.labels for one in ha.rows()]
    counts = {(one["io.saltern.workload"], one.get("io.saltern.replica", "")) for one in labels}
    assert {name for name, number in counts if number == "2"} == {*TWICE}
    [proof] = ha.saltern("verify", "haproxy", "--json").json
    assert proof["text"].count("2 of 2 servers up") == proof["text"].count(" servers up") > len(APIS), proof
    hosts = {(one.binary, one.host) for one in site.connection.compute.services() if one.state == "up"}
    conductors = {(binary, f"nova-conductor-{n}") for binary in ("nova-conductor", "nova-scheduler") for n in (1, 2)}
    assert hosts == {*conductors, ("nova-compute", "compute")}


def test_a_guest_reaches_another_and_its_metadata(first: Server) -> None:
    assert first.says(f"address {first.address}", BOOT), first.console()
    assert first.says(f"metadata {first.id} first", BOOT), first.console()
    assert eventually(lambda: any(line.endswith("answered") for line in first.said()), WAIT), first.console()


def test_what_can_go_back_goes_up_and_back(ha: Cloud, first: Server) -> None:
    for name in NEVER_BACK:
        with (ha.model / f"classes/cluster/ha/{name}.yml").open("a") as file:
            file.write(PIN)
    zed = kept(ha)
    substitute(common(ha.model), "openstack_version: zed", "openstack_version: '2025.1'")
    ha.saltern("build")  # for itself: each command has its time
    plan = ha.saltern("plan", "--json").json
    changed = {one["workload"]: one["effect"] for one in plan["impacts"] if one["effect"] not in ("untouched", "jobs")}
    assert changed == dict.fromkeys(("keystone", "glance", "placement", "neutron", "horizon"), "rolled")
    assert (plan["way_back"], plan["data_plane"]) == ("schema expanded", False)
    with running_on(first, "newer"), under_load(ha):
        ha.saltern("apply", "--yes")
    assert version(ha, "neutron-neutron-api-2", "neutron-common").startswith("2:26")

    put_back(ha, zed)
    with running_on(first, "older"), under_load(ha):
        ha.saltern("rollback", "--yes")
    assert ha.saltern("plan", "--json").json["steps"] == []


def test_the_whole_control_plane_gets_a_release_beside_guests_that_run(ha: Cloud, site: Site, first: Server) -> None:
    for name in NEVER_BACK:
        substitute(ha.model / f"classes/cluster/ha/{name}.yml", PIN, "")
    zed, before = kept(ha), ha.processes()
    substitute(common(ha.model), "openstack_version: zed", "openstack_version: '2025.1'")
    substitute(common(ha.model), "nova_old_computes: false", "nova_old_computes: true")
    ha.saltern("build")
    plan = ha.saltern("plan", "--json").json
    assert (plan["way_back"], plan["data_plane"]) == ("only by restore", False)
    with running_on(first, "newest"), under_load(ha):
        done = ha.saltern("apply", "--yes", "--json")
    services = [service for act, service in acts(done) if act == "roll"]
    conductors = [n for n, service in enumerate(services) if service.startswith("nova-conductor-")]
    apis = [n for n, service in enumerate(services) if service.startswith("nova-nova-")]
    assert max(conductors) < min(apis)

    after = ha.processes()
    kinds = {one.name.removeprefix(f"{ha.name}-"): one.labels["io.saltern.workload"] for one in ha.rows()}
    changed = {kinds[name] for name in after if after[name] != before.get(name)}
    assert changed == {*TWICE, "cinder-volume"}
    later = site.boot("later", ["default"], value="of-a-newer-nova")
    assert later.says(f"metadata {later.id} of-a-newer-nova", BOOT), later.console()

    epoxy = kept(ha)
    put_back(ha, zed)
    refused = ha.saltern("rollback", "--yes", code=14).stderr
    assert "nova-api cannot go back" in refused
    put_back(ha, epoxy)
    assert ha.saltern("plan", "--json").json["steps"] == []
