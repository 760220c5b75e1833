"""What Saltern stands on when its target is Kubernetes, tried on a real one."""

from __future__ import annotations

import urllib.error
import urllib.request
from typing import Any

import pytest
from kubernetes.dynamic.exceptions import ConflictError

from .client import Client, eventually
from .conftest import AnyCluster
from .workloads import PAGE, job, keeper, service, web_server


@pytest.fixture(scope="module")
def web(client: Client, image: str) -> Any:
    """A web server of two replicas that is ready, behind a Service of its name."""
    client.apply(service("web", type="NodePort"))
    client.apply(web_server("web", image))
    eventually(lambda: client.get("apps/v1", "Deployment", "web").status.readyReplicas == 2)
    return client.get("v1", "Service", "web")


def test_the_image_comes_from_the_registry_and_the_pods_from_both_nodes(client: Client, web: Any, image: str) -> None:
    pods = client.find("v1", "Pod", "app=web")
    assert len({pod.spec.nodeName for pod in pods}) == 2
    assert {pod.status.containerStatuses[0].imageID for pod in pods} == {image}


@pytest.mark.parametrize("node", [1, 2])
def test_a_node_port_answers_on_each_node(cluster: AnyCluster, web: Any, node: int) -> None:
    place = f"http://{cluster.node_address(node)}:{web.spec.ports[0].nodePort}/"
    eventually(lambda: answers(place))  # a Service is known to each node a moment after it is to the cluster
    for _ in range(6):  # kube-proxy deals them out to the pods of both nodes
        with urllib.request.urlopen(place, timeout=30) as answer:
            assert answer.read().decode() == PAGE


def answers(place: str) -> bool:
    """Whether somebody takes connections there."""
    try:
        with urllib.request.urlopen(place, timeout=5):
            return True
    except urllib.error.URLError:
        return False


def test_a_service_answers_by_name(client: Client, web: Any) -> None:
    pod = client.find("v1", "Pod", "app=web")[0].metadata.name
    for name in ("web", f"web.{client.namespace}", f"web.{client.namespace}.svc.cluster.local"):
        for _ in range(4):  # once in two it is the pod that asks
            assert client.execute(pod, "wget", "-q", "-O", "-", f"http://{name}/").stdout == PAGE


def test_exec_tells_both_outputs_and_the_exit_code(client: Client, web: Any) -> None:
    pod = client.find("v1", "Pod", "app=web")[0].metadata.name
    done = client.execute(pod, "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (done.stdout, done.stderr, done.returncode) == ("out\n", "err\n", 7)
    assert client.execute(pod, "sh", "-c", "exit 0").returncode == 0


def test_a_field_of_another_manager_is_a_conflict_that_names_it(client: Client, web: Any, image: str) -> None:
    with pytest.raises(ConflictError) as refused:
        client.apply(web_server("web", image, replicas=3), manager="somebody-else")
    assert ".spec.replicas" in refused.value.summary()
    assert "saltern-tests" in refused.value.summary()


def test_a_stateful_set_keeps_its_name_and_its_data(client: Client, web: Any, image: str) -> None:
    script = "echo begun >> /data/log; httpd -f -p 8080 -h /data"
    client.apply(service("keeper", clusterIP="None"))
    client.apply(keeper("keeper", image, script))
    eventually(lambda: client.get("apps/v1", "StatefulSet", "keeper").status.readyReplicas == 1)
    assert client.get("v1", "PersistentVolumeClaim", "data-keeper-0").status.phase == "Bound"
    first = client.get("v1", "Pod", "keeper-0").metadata.uid
    client.delete("v1", "Pod", "keeper-0")
    eventually(lambda: (pod := client.get("v1", "Pod", "keeper-0")) and pod.metadata.uid != first)
    eventually(lambda: client.get("apps/v1", "StatefulSet", "keeper").status.readyReplicas == 1)
    asker = client.find("v1", "Pod", "app=web")[0].metadata.name
    place = "http://keeper-0.keeper:8080/log"
    eventually(lambda: client.execute(asker, "wget", "-q", "-O", "-", place).stdout == "begun\nbegun\n")


@pytest.mark.parametrize(("code", "outcome"), [(0, "Complete"), (3, "Failed")])
def test_a_job_ends_and_its_log_stays(client: Client, image: str, code: int, outcome: str) -> None:
    name = f"once-{code}"
    client.apply(job(name, image, f"echo did it; exit {code}"))
    conditions = eventually(lambda: client.get("batch/v1", "Job", name).status.conditions)
    assert [condition.type for condition in conditions] == [outcome]
    (pod,) = client.find("v1", "Pod", f"app={name}")
    assert client.log(pod.metadata.name) == "did it\n"
