"""A real Kubernetes for tests: a control machine and some nodes, each in namespaces of this machine.

``with started() as cluster:`` starts one and takes it away again. What a killed run left is taken away by the next one.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from . import binaries
from .api import ApiError
from .certificates import Certificates
from .claims import claimed
from .control import REGISTRY_PORT, Control
from .image import Image
from .machine import Machine, wait_until
from .node import PAUSE, Node
from .site import Site, free_addresses

EVER = datetime.min.replace(tzinfo=UTC)
WAIT = 120.0
"""Seconds that one step of the start may take on a busy machine; idle ones need a tenth of it."""


class Cluster:
    """A cluster of nodes ``node1`` and on."""

    def __init__(self, site: Site, nodes: int) -> None:
        self._site = site
        self._certificates = Certificates(site)
        self._control = Control(site, self._certificates, nodes)
        numbers = range(1, nodes + 1)
        self._nodes = {number: Node(site, self._certificates, self._control, number) for number in numbers}

    @property
    def kubeconfig(self) -> Path:
        """For an administrator of it."""
        return self._certificates.kubeconfig("admin")

    @property
    def registry(self) -> str:
        """``127.0.0.1:PORT``: this machine pushes there (plain HTTP), and the nodes pull by the same name."""
        return self._site.registry

    @property
    def registry_inside(self) -> tuple[str, int]:
        """Host and port where pods reach the same registry."""
        return self._site.addresses.control, REGISTRY_PORT

    @property
    def host(self) -> str:
        """The address of this machine, as pods see it."""
        return self._site.addresses.host

    @property
    def folder(self) -> Path:
        """Logs and data of all parts."""
        return self._site.folder

    def node_address(self, number: int = 1) -> str:
        """Where the NodePorts of a node answer, for this machine too."""
        return self._site.addresses.node(number)

    def start(self) -> None:
        """Start all of it and wait until it works."""
        self._certificates.make(len(self._nodes))
        self._control.boot()
        pause = Image({"pause": Path(self._site.program("pause")).read_bytes()}, ("/pause",))
        pause.save(self._site.folder / "pause.tar", PAUSE)
        with ThreadPoolExecutor() as pool:
            list(pool.map(Node.boot, self._nodes.values()))  # while the API server comes up
            self._wait_for_api()
            self._control.manage()
            list(pool.map(Node.serve, self._nodes.values()))
        for number in self._nodes:
            self._wait_for_node(number)
        wait_until(self._has_default_account, WAIT, "the default service account")

    def stop(self) -> None:
        """End all of it."""
        for node in self._nodes.values():
            node.power_off()
        self._control.power_off()

    def stop_node(self, number: int) -> None:
        """Pull a node's plug; returns at once, Kubernetes notices after a while."""
        self._nodes[number].power_off()

    def start_node(self, number: int) -> None:
        """Switch a node on again, with the disk that it had, and wait until it is ready."""
        begin = datetime.now(UTC)
        self._nodes[number].boot()
        self._nodes[number].serve()
        self._wait_for_node(number, begin)

    def stop_apiserver(self) -> None:
        """End the API server."""
        self._control.machine.stop("apiserver")

    def start_apiserver(self) -> None:
        """Start it again and wait until it is ready."""
        self._control.start_apiserver()
        self._wait_for_api()

    def restart_etcd(self) -> None:
        """End etcd, start it again, and wait until the API server is ready again."""
        self._control.machine.stop("etcd")
        self._control.start_etcd()
        self._wait_for_api()

    def _wait_for_api(self) -> None:
        self._wait(self._control.api.ready, "a ready API server", self._control.machine, ("etcd", "apiserver"))

    def _wait_for_node(self, number: int, since: datetime = EVER) -> None:
        """Until it is ready and has said so after a moment."""
        node = self._nodes[number]
        daemons = ("containerd", "kubelet", "proxy")
        self._wait(lambda: self._is_ready(node.name, since), f"a ready {node.name}", node.machine, daemons)

    def _is_ready(self, node: str, since: datetime) -> bool:
        try:
            lease = self._control.api.call(
                "GET", f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{node}"
            )
            conditions = self._control.api.call("GET", f"/api/v1/nodes/{node}")["status"]["conditions"]
        except ApiError:
            return False
        ready = any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)
        return ready and datetime.fromisoformat(lease["spec"]["renewTime"]) > since

    def _has_default_account(self) -> bool:
        try:
            self._control.api.call("GET", "/api/v1/namespaces/default/serviceaccounts/default")
        except ApiError:
            return False
        return True

    def _wait(self, condition: Callable[[], bool], what: str, machine: Machine, daemons: Sequence[str]) -> None:
        """Wait while these daemons run; what one of them said last tells why it does not work."""

        def met() -> bool:
            ended = [name for name in daemons if not machine.running(name)]
            if ended:
                raise RuntimeError(f"{what}: {ended[0]} has ended:\n{machine.log(ended[0])}")
            return condition()

        try:
            wait_until(met, WAIT, what)
        except TimeoutError as error:
            raise TimeoutError("\n".join([str(error), *(machine.log(name) for name in daemons)])) from None


@contextlib.contextmanager
def started(nodes: int = 2) -> Iterator[Cluster]:
    """A running cluster of so many nodes; its binaries are there."""
    if not binaries.complete():
        raise RuntimeError("the binaries are not built yet: tests/cluster/build")
    with claimed() as folder:
        site = Site(folder.name, folder, binaries.folder(), free_addresses(), _free_port())
        cluster = Cluster(site, nodes)
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
