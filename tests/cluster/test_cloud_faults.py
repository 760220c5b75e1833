"""The cloud in its cluster when people, machines and the cluster itself do wrong: it is told, and nothing is lost."""

from __future__ import annotations

import json
import time

import pytest

from ..e2e.load import Load
from .client import eventually
from .clouds import ClusterCloud, client, expire_tokens, full, load
from .cluster import Cluster

pytestmark = pytest.mark.filterwarnings("ignore")  # openstacksdk's own

QUOTA = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "full"}, "spec": {"hard": {"pods": "1"}}}
RECOVERY = 90.0
"""Seconds until users of a cloud that lost a machine have only good answers; the cluster itself waits for 35."""


def drift(cloud: ClusterCloud, code: int) -> list[tuple[str, str, str]]:
    found = cloud.saltern("status", "--drift", "--exit-code", "--json", code=code).json["drift"]
    return [(one["kind"], one["name"], one["path"]) for one in found]


def test_what_somebody_changed_by_hand_is_shown_and_taken_back(kube: ClusterCloud) -> None:
    assert drift(kube, code=0) == []
    kube.kubectl("scale", "statefulset", "keystone", "--replicas=1")
    kube.kubectl("delete", "poddisruptionbudget", "glance")
    assert drift(kube, code=13) == [("PodDisruptionBudget", "glance", ""), ("StatefulSet", "keystone", "spec.replicas")]
    assert kube.saltern("plan", "--json").json["steps"] == [], "the model has not changed"
    kube.saltern("apply", "--repair", "--yes")
    assert drift(kube, code=0) == []
    eventually(kube.is_well)


def test_a_command_runs_in_a_service_as_its_own_user(kube: ClusterCloud) -> None:
    assert kube.run("keystone", "id", "-un") == "keystone\n"
    assert "Uptime" in kube.run("mariadb", "mysqladmin", "status")


@full
def test_what_a_quota_refuses_is_told_and_goes_on_without_it(kube: ClusterCloud) -> None:
    expire_tokens(kube, 5500)
    kube.kubectl("apply", "-f", "-", stdin=json.dumps(QUOTA))
    try:
        failed = kube.saltern("apply", "--yes", code=10)
    finally:
        kube.kubectl("delete", "resourcequota", "full")
    assert "exceeded quota: full" in failed.stderr
    kube.saltern("apply", "--yes")
    assert kube.saltern("plan", "--json").json["steps"] == []


def test_a_rollout_waits_for_an_api_server_and_an_etcd_that_restart(kube: ClusterCloud, own_cluster: Cluster) -> None:
    expire_tokens(kube, 5600)
    with load(kube) as users, kube.started("apply", "--yes") as rollout:
        assert rollout.wait_for(lambda event: (event["stage"], event["subject"]) == ("roll", "keystone"))
        own_cluster.stop_apiserver()
        time.sleep(10)
        own_cluster.start_apiserver()
        own_cluster.restart_etcd()
        assert rollout.wait() == 0, "".join(rollout.lines)
    assert_nearly_available(users)
    assert kube.saltern("plan", "--json").json["steps"] == []


def test_a_drained_machine_takes_no_answer_away(kube: ClusterCloud) -> None:
    """MariaDB has one server, so it is the other machine. memcached goes with it: a request may wait for it in vain."""
    with load(kube) as users:
        kube.kubectl("drain", other(kube), "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=200s")
        kube.kubectl("uncordon", other(kube))
        eventually(kube.is_well, 180)
    assert_nearly_available(users)
    kube.saltern("verify")


def assert_nearly_available(users: Load) -> None:
    """Etcd's restart, and the pods that come all at once, take the machine's two processors from those that serve."""
    assert all(one.failures <= one.requests / 50 for one in users.figures()), str(users)


def other(cloud: ClusterCloud) -> str:
    """The machine without the database."""
    return "node2" if cloud.node_of("mariadb-0") == "node1" else "node1"


def test_a_lost_machine_is_survived(kube: ClusterCloud, own_cluster: Cluster) -> None:
    """The users' address is one of the machine that stays: what is in front of a cluster is not the cloud's."""
    user = client(kube).identity.create_user(name="survivor", password="of-the-test")
    lost = int(other(kube).removeprefix("node"))
    with load(kube, own_cluster.node_address(3 - lost)) as users:
        own_cluster.stop_node(lost)
        time.sleep(RECOVERY)
        before = [one.failures for one in users.figures()]
        time.sleep(15)
        assert [one.failures for one in users.figures()] == before, str(users)
        own_cluster.start_node(lost)
        eventually(kube.is_well, 180)
    assert client(kube).identity.find_user("survivor").id == user.id
    kube.saltern("verify")
