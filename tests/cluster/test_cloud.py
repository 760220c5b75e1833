"""examples/kubernetes on a real cluster: deployed, changed, broken, upgraded and taken back under constant load.

One cloud for the whole file; the tests come in the order of a cloud's life, and each leaves it whole.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from saltern.base.process import LocalRunner
from saltern.images.engine.select import select_engine
from saltern.project.context import Options, open_project

from ..e2e.driver import CACHE, ROOT, Cloud, substitute
from ..e2e.load import Load, endpoints
from ..e2e.test_cloud import client as openstack
from . import binaries
from .client import eventually
from .conftest import AnyCluster

pytestmark = pytest.mark.filterwarnings("ignore")  # openstacksdk's own

RATE = 24.0
"""Requests a second beside each rollout."""
CRASHING = "parameters:\n  glance:\n    server:\n      debug: perhaps\n"
"""oslo.config ends a service with a boolean that is none."""


@dataclass(frozen=True)
class ClusterCloud(Cloud):
    """A cloud in a cluster, driven by the same command."""

    kubeconfig: Path = Path()

    @property
    def environment(self) -> dict[str, str]:
        path = f"{binaries.folder() / 'bin'}:{os.environ['PATH']}"  # its kubectl, where the cluster is ours
        return {**super().environment, "KUBECONFIG": str(self.kubeconfig), "PATH": path}

    def kubectl(self, *words: str) -> str:
        argv = ("kubectl", "--namespace", self.name, *words)
        done = subprocess.run(argv, env=self.environment, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, f"{words}: {done.stderr}"
        return done.stdout

    def pods(self) -> dict[str, str]:
        """Name → uid of the pods that run services."""
        raw = json.loads(self.kubectl("get", "pods", "-l", "app.kubernetes.io/component=service", "-o", "json"))
        return {one["metadata"]["name"]: one["metadata"]["uid"] for one in raw["items"]}

    def elsewhere(self, state: Path) -> ClusterCloud:
        """The same cloud, as another operator's machine sees it."""
        return replace(self, state=state)


@pytest.fixture(scope="module")
def kube(cluster: AnyCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterCloud]:
    """examples/kubernetes in a namespace of its own, not deployed yet."""
    folder = tmp_path_factory.mktemp("kube")
    model, address = folder / "model", cluster.node_address(1)
    shutil.copytree(ROOT / "examples" / "kubernetes", model)
    substitute(model / "saltern.yml", "cloud: kube\n", "cloud: e2e-kube\n")
    substitute(model / "saltern.yml", "127.0.0.1:5000", cluster.registry)
    substitute(common(model), "public_address: 127.0.0.1", f"public_address: {address}")
    for node in ("keystone", "glance"):
        substitute(model / f"nodes/{node}.yml", "127.0.0.1:", f"{address}:")
    engine = select_engine(LocalRunner(), CACHE / "saltern", "podman")
    ports = {"identity": 30500, "image": 30292}
    made = ClusterCloud("e2e-kube", model, folder / "state", engine, ports, kubeconfig=cluster.kubeconfig)
    try:
        yield made
    finally:
        done = subprocess.run(
            ("kubectl", "delete", "namespace", made.name, "--wait=false", "--ignore-not-found"),
            env=made.environment,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


def common(model: Path) -> Path:
    return model / "classes/cluster/kubernetes/init.yml"


@contextmanager
def load(cloud: ClusterCloud) -> Iterator[Load]:
    """A user's requests beside what the body does."""
    os.environ["KUBECONFIG"] = str(cloud.kubeconfig)
    options = Options(engine="podman", cache=CACHE / "saltern", state=cloud.state / "saltern")
    with Load(endpoints(open_project(cloud.model, options)), RATE) as users:
        yield users


def assert_available(cloud: ClusterCloud, users: Load) -> None:
    """Neither the users nor the newest rollout's own probes saw a failure."""
    assert [one.failures for one in users.figures()] == [0, 0], str(users)
    for one in cloud.saltern("history", "--json").json[0]["endpoints"]:
        assert one["requests"] > 0
        assert one["failures"] == 0, one


def client(cloud: ClusterCloud) -> Any:
    return openstack(cloud, open_project(cloud.model, Options()).member("keystone").settings.publish[0].address)


def test_it_is_deployed_and_a_real_client_uses_it(kube: ClusterCloud) -> None:
    done = kube.saltern("apply", "--yes", "--json")
    assert {one["workload"] for one in done.json["proofs"]} >= {
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
    file = kube.model / "classes/cluster/kubernetes/keystone.yml"
    file.write_text(
        f"{file.read_text()}parameters:\n  keystone:\n    server:\n      tokens:\n        expiration: 5400\n"
    )
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
    substitute(kube.model / "classes/cluster/kubernetes/keystone.yml", "expiration: 5400", "expiration: 4000")
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
    eventually(lambda: all(o["ready"] for o in kube.saltern("status", "--json", code=None).json["processes"]))
    assert client(kube).identity.find_user("kept-user").id == user.id
    kube.saltern("verify")


@pytest.mark.skipif(not os.environ.get("SALTERN_TESTS_FULL"), reason="ten minutes more: make test-full")
def test_the_openstack_release_goes_up_and_back_without_a_failed_request(kube: ClusterCloud) -> None:
    kept = {path: path.read_text() for path in (common(kube.model), kube.model / "packages.lock")}
    substitute(common(kube.model), "openstack_version: zed", "openstack_version: '2025.1'")
    with load(kube) as users:
        kube.saltern("apply", "--yes")
    assert_available(kube, users)
    assert release(kube).startswith("2:27")
    for path, text in kept.items():
        path.write_text(text)
    with load(kube) as users:
        kube.saltern("rollback", "--yes")
    assert_available(kube, users)
    assert release(kube).startswith("2:22")
    assert kube.saltern("plan", "--json").json["steps"] == []


def release(cloud: ClusterCloud) -> str:
    return cloud.kubectl("exec", "keystone-0", "--", "dpkg-query", "-W", "-f", "${Version}", "keystone")


def test_down_leaves_the_data_and_volumes_take_it(kube: ClusterCloud) -> None:
    kube.saltern("down")
    eventually(lambda: not kube.pods())
    claims = kube.kubectl("get", "pvc", "-o", "name").split()
    assert claims
    kube.saltern("down", "--volumes")
    assert kube.kubectl("get", "pvc", "-o", "name").split() == []
