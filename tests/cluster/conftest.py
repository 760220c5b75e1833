"""A cluster for the tests of this folder: the user's own (SALTERN_TESTS_KUBECONFIG), else one that is made here.

Its binaries are built in the background from the moment that pytest knows that these tests will run.
Each process of a parallel run asks for the build; it is done once, and goes on in another when the first one ends.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from ..e2e.driver import Done, substitute
from . import binaries, cluster
from .client import Client, eventually
from .clouds import ClusterCloud, made_cloud
from .workloads import busybox

HERE = Path(__file__).resolve().parent
GIVEN = os.environ.get("SALTERN_TESTS_KUBECONFIG", "")


class AnyCluster(Protocol):
    """What a test may expect of a cluster, whoever made it."""

    @property
    def kubeconfig(self) -> Path:
        """For an administrator of it."""

    @property
    def registry(self) -> str:
        """Where images are pushed to, and pulled from by the same name."""

    def node_address(self, number: int = 1) -> str:
        """Where the NodePorts of a node answer."""


class GivenCluster:
    """The user's own."""

    kubeconfig = Path(GIVEN)
    registry = os.environ.get("SALTERN_TESTS_REGISTRY", "127.0.0.1:5000")

    def node_address(self, number: int = 1) -> str:
        """As the cluster tells."""
        path = f"jsonpath={{.items[{number - 1}].status.addresses[?(@.type=='InternalIP')].address}}"
        argv = ("kubectl", f"--kubeconfig={self.kubeconfig}", "get", "nodes", "-o", path)
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


class BackgroundBuild:
    """``tests/cluster/build``, at the lowest priority."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, unless its result is there."""
        if self._process is None and not binaries.complete():
            self._process = subprocess.Popen(
                (sys.executable, str(HERE / "build")),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )

    def wait(self) -> None:
        """Wait until it is complete; what it said last tells why it is not."""
        self.start()
        if self._process and self._process.wait():
            log = (binaries.folder() / "build.log").read_text(errors="replace")
            pytest.fail("tests/cluster/build failed:\n" + "\n".join(log.splitlines()[-20:]))

    def end(self) -> None:
        """End it where nobody waited for it; the next run goes on where it was."""
        if self._process and self._process.poll() is None:
            os.killpg(self._process.pid, 15)
            self._process.wait()


BUILD = BackgroundBuild()
NUMBERS = itertools.count()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Begin to build as soon as it is known that it will be needed."""
    wanted = any(HERE in item.path.parents for item in session.items)
    if wanted and not session.config.option.collectonly and not GIVEN and os.geteuid() == 0:
        BUILD.start()


def pytest_unconfigure() -> None:
    """Leave no build behind."""
    BUILD.end()


@pytest.fixture(scope="session", name="cluster")
def any_cluster(request: pytest.FixtureRequest) -> AnyCluster:
    """A cluster with an administrator's kubeconfig and a registry."""
    return GivenCluster() if GIVEN else request.getfixturevalue("own_cluster")


@pytest.fixture(scope="session")
def own_cluster() -> Iterator[cluster.Cluster]:
    """A cluster of two nodes that is ours, whose parts may be stopped."""
    if GIVEN:
        pytest.skip("the cluster is the user's own")
    if os.geteuid() != 0:
        pytest.skip("a cluster is made by root; or name yours in SALTERN_TESTS_KUBECONFIG")
    BUILD.wait()
    with cluster.started() as made:
        yield made


@pytest.fixture(scope="module")
def client(cluster: AnyCluster) -> Iterator[Client]:
    """Works in a namespace that exists as long as the tests of a file."""
    client = Client(cluster.kubeconfig, f"saltern-test-{os.getpid()}-{next(NUMBERS)}")
    client.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": client.namespace}})
    eventually(lambda: client.get("v1", "ServiceAccount", "default"))
    yield client
    client.delete("v1", "Namespace", client.namespace)
    client.close()


@pytest.fixture(scope="session")
def image(cluster: AnyCluster) -> str:
    """The image of the tests' workloads, in the registry; its name has the digest."""
    return busybox().push(cluster.registry, "saltern/busybox")


@pytest.fixture(scope="session", name="cloud_before")
def cloud_without_pods(cluster: AnyCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterCloud]:
    """examples/kubernetes, before its first rollout; its namespace goes with the tests."""
    made = made_cloud(tmp_path_factory.mktemp("kube"), cluster.kubeconfig, cluster.registry, cluster.node_address(1))
    try:
        yield made
    finally:
        made.remove()


@pytest.fixture(scope="session")
def without_storage(cloud_before: ClusterCloud) -> Done:
    """What a first rollout says whose storage class the cluster has not; the model names none afterwards."""
    settings = cloud_before.model / "saltern.yml"
    original = settings.read_text()
    substitute(settings, "kubernetes:\n", "kubernetes:\n  storage_class: not-there\n")
    try:
        return cloud_before.saltern("apply", "--yes", code=10)
    finally:
        settings.write_text(original)


@pytest.fixture(scope="session")
def deployed(cloud_before: ClusterCloud, without_storage: Done) -> Done:
    """What the first rollout said that had all that it needs."""
    assert without_storage.code == 10
    return cloud_before.saltern("apply", "--yes", "--json")


@pytest.fixture(scope="session")
def kube(cloud_before: ClusterCloud, deployed: Done) -> ClusterCloud:
    """The one cloud of the files ``test_cloud*``; each test leaves it whole for the next."""
    return cloud_before
