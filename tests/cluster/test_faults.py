"""The parts of our own cluster can be stopped and come back; what it knew is kept."""

from __future__ import annotations

import time
import urllib.request

import pytest
from urllib3.exceptions import HTTPError

from .client import Client, eventually
from .cluster import Cluster
from .workloads import keeper, service, web_server


def test_the_api_server_may_go_and_come_back(own_cluster: Cluster, client: Client, image: str) -> None:
    client.apply(service("kept"))
    own_cluster.stop_apiserver()
    with pytest.raises(HTTPError, match="refused"):
        client.get("v1", "Service", "kept")
    own_cluster.start_apiserver()
    assert client.get("v1", "Service", "kept").spec.selector.app == "kept"


def test_etcd_may_be_restarted(own_cluster: Cluster, client: Client, image: str) -> None:
    client.apply(service("also-kept"))
    own_cluster.restart_etcd()
    assert client.get("v1", "Service", "also-kept").spec.selector.app == "also-kept"


def test_a_node_may_be_lost_and_come_back(own_cluster: Cluster, client: Client, image: str) -> None:
    client.apply(service("spread", type="NodePort"))
    client.apply(web_server("spread", image))
    client.apply(keeper("disk", image, "echo begun >> /data/log; sleep 1000"))
    eventually(lambda: client.get("apps/v1", "Deployment", "spread").status.readyReplicas == 2)
    eventually(lambda: client.get("apps/v1", "StatefulSet", "disk").status.readyReplicas == 1)
    victim = int(client.get("v1", "Pod", "disk-0").spec.nodeName.removeprefix("node"))
    port = client.get("v1", "Service", "spread").spec.ports[0].nodePort
    own_cluster.stop_node(victim)
    eventually(lambda: client.get("apps/v1", "Deployment", "spread").status.readyReplicas == 1)
    # the proxies of the machines learn of it a moment later
    eventually(lambda: answers(f"http://{own_cluster.node_address(3 - victim)}:{port}/"))
    begin = time.monotonic()
    own_cluster.start_node(victim)
    assert time.monotonic() - begin < 60
    eventually(lambda: client.get("apps/v1", "Deployment", "spread").status.readyReplicas == 2)
    eventually(lambda: "begun\nbegun\n" in client.execute("disk-0", "cat", "/data/log").stdout)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
