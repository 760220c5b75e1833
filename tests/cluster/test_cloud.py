"""examples/kubernetes on a real cluster: deployed, changed, broken and taken back under constant load.

One cloud for the files ``test_cloud*``; their tests come in the order of a cloud's life, and each leaves it whole.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ..e2e.driver import Done
from .client import eventually
from .clouds import ClusterCloud, assert_available, client, expire_tokens, load

pytestmark = pytest.mark.filterwarnings("ignore")  # openstacksdk's own

CRASHING = "parameters:\n  glance:\n    server:\n      debug: perhaps\n"
"""oslo.config ends a service with a boolean that is none."""


def test_storage_that_the_cluster_has_not_is_told(without_storage: Done) -> None:
    """Such claims were never bound: the rollout after it, with a class that is there, makes them anew."""
    why = 'is not bound: storageclass.storage.k8s.io "not-there" not found'
    for claim in ("data-mariadb-0", "data-rabbitmq-0"):  # of a job before the first pod, and of a StatefulSet
        assert f"claim {claim} {why}" in without_storage.stderr


def test_it_is_deployed_and_a_real_client_uses_it(kube: ClusterCloud, deployed: Done) -> None:
    assert {one["workload"] for one in deployed.json["proofs"]} >= {
        "keystone",
        "glance",
        "mariadb",
        "rabbitmq",
        "memcached",
    }
    content = os.urandom(1_000_000)
    connection = client(kube)
    assert connection.authorize()
    image = connection.image.create_image(
        name="kept", data=content, container_format="bare", disk_format="raw", wait=True, allow_duplicates=True
    )
    assert connection.image.download_image(image).content == content
    status = {one["service"]: one for one in kube.saltern("status", "--json").json["processes"]}
    assert {*status} == {"glance", "keystone", "mariadb", "memcached", "rabbitmq"}
    assert all(one["ready"] for one in status.values())


def test_images_and_objects_hold_no_password_outside_of_secrets(kube: ClusterCloud) -> None:
    kinds = "deployments,statefulsets,jobs,pods,services,configmaps,networkpolicies"
    assert "example-" not in kube.kubectl("get", kinds, "-o", "yaml")


def test_nothing_to_do_is_an_empty_plan(kube: ClusterCloud) -> None:
    before = kube.pods()
    first = kube.saltern("plan", "--json")
    assert first.json["steps"] == []
    assert kube.saltern("plan", "--json").stdout == first.stdout
    kube.saltern("apply", "--yes")
    assert kube.pods() == before


def test_a_config_change_is_rolled_without_a_failed_request(kube: ClusterCloud) -> None:
    before = kube.pods()
    expire_tokens(kube, 5400)
    plan = kube.saltern("plan", "--json").json
    assert {one["workload"]: one["effect"] for one in plan["impacts"] if one["effect"] != "untouched"} == {
        "keystone": "rolled"
    }
    assert plan["images"] == []
    with load(kube) as users:
        kube.saltern("apply", "--yes")
    assert_available(kube, users)
    after = kube.pods()
    assert {name for name in before if before[name] != after[name]} == {"keystone-0", "keystone-1"}


def test_a_killed_apply_goes_on_from_another_machine(kube: ClusterCloud, tmp_path: Path) -> None:
    expire_tokens(kube, 4000)
    with kube.started("apply", "--yes") as first:
        assert first.wait_for(lambda event: (event["stage"], event["subject"]) == ("roll", "keystone"))
        first.kill()
    other = kube.elsewhere(tmp_path / "state")
    other.saltern("apply", "--yes")
    outcomes = [one["outcome"] for one in other.saltern("history", "--json").json[:2]]
    assert outcomes == ["done", "interrupted"]
    assert kube.saltern("plan", "--json").json["steps"] == []


def test_a_change_that_crashes_never_takes_what_serves(kube: ClusterCloud) -> None:
    file = kube.model / "classes/cluster/kubernetes/glance.yml"
    original = file.read_text()
    file.write_text(original.replace("- cluster.kubernetes\n", f"- cluster.kubernetes\n{CRASHING}"))
    try:
        with load(kube) as users:
            done = kube.saltern("apply", "--yes", "--auto-rollback", code=10)
    finally:
        file.write_text(original)
    assert "glance did not become ready" in done.stderr
    assert "rolled back" in done.stderr
    assert [one.failures for one in users.figures()] == [0, 0], str(users)
    assert kube.saltern("plan", "--json").json["steps"] == []


def test_killed_pods_come_back_with_their_data(kube: ClusterCloud) -> None:
    user = client(kube).identity.create_user(name="kept-user", password="of-the-test")
    kube.kubectl("delete", "pod", "mariadb-0", "rabbitmq-0", "--grace-period=0", "--force")
    eventually(kube.is_well)
    assert client(kube).identity.find_user("kept-user").id == user.id
    kube.saltern("verify")
