"""Manifests: golden folders (``tests/golden/kubernetes/<case>/{input,expected}``), schemas, and laws for all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from saltern.base.errors import ConfigError, UsageError
from saltern.targets.kubernetes import versions
from saltern.targets.kubernetes.cloud import project
from saltern.targets.kubernetes.manifest import HEADER, KUSTOMIZATION, Manifest, files, render
from saltern.targets.kubernetes.metadata import dns
from tests.unit.targets import openapi, pod_security
from tests.unit.targets.kubernetes_cases import CASES, cloud, manifests, read, site, texts

CURRENT = versions.DEFAULT
CONTROLLERS = ("Deployment", "StatefulSet", "DaemonSet")

cases = pytest.mark.parametrize("case", CASES, ids=lambda path: path.name)


def made(*workloads: Mapping[str, Any], version: str = CURRENT, **about: Any) -> dict[tuple[str, str], dict[str, Any]]:
    """The objects of workloads by kind and name."""
    raw = [
        {"processes": [{"name": w["name"], "command": ["x"], "user": "200:200", "read_only": True}], **w}
        for w in workloads
    ]
    found = project(cloud({"name": "lab", "workloads": raw}), site(about, version))
    return {(m.kind, m.name): dict(m.data) for m in found}


def pods(found: tuple[Manifest, ...]) -> Iterator[tuple[Manifest, dict[str, Any]]]:
    for one in found:
        if one.kind in (*CONTROLLERS, "Job"):
            yield one, one.data["spec"]["template"]


def pod_of(found: dict[tuple[str, str], dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    spec: dict[str, Any] = found[kind, name]["spec"]["template"]["spec"]
    return spec


# ---- all cases


@cases
def test_golden(case: Path) -> None:
    folder = case / "expected"
    expected = {p.relative_to(folder).as_posix(): p.read_text() for p in sorted(folder.rglob("*.yaml"))}
    assert texts(case) == expected


@cases
@pytest.mark.parametrize("version", ["1.20", CURRENT])
def test_servers_take_every_object(case: Path, version: str) -> None:
    for one in manifests(case, version):
        assert openapi.errors(one.data, version) == [], one.path
        assert one.masked is None or openapi.errors(one.masked, version) == [], one.path


def test_the_schemas_refuse_what_is_wrong() -> None:
    ((_, good),) = [item for item in made({"name": "a"}).items() if item[0][0] == "Deployment"]
    for version in ("1.20", CURRENT):
        assert openapi.errors(good, version) == []
        assert openapi.errors({**good, "spec": {**good["spec"], "replica": 2}}, version)
        assert openapi.errors({**good, "spec": {**good["spec"], "replicas": "2"}}, version)
    with pytest.raises(LookupError):
        openapi.errors({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget"}, "1.20")


@cases
def test_the_text_is_the_data(case: Path) -> None:
    for one in manifests(case):
        text = render(one.data)
        assert text.startswith(HEADER)
        assert yaml.safe_load(text) == one.data
        assert not any(line.lstrip(" -").startswith(("&", "*")) for line in text.splitlines()), "an alias"


@cases
def test_equal_clouds_are_equal_bytes_in_any_order_of_making(case: Path) -> None:
    made_of, where = read(case)
    turned = replace(
        where,
        digests=dict(reversed([*where.digests.items()])),
        contents={
            name: replace(one, requests=dict(reversed([*one.requests.items()])))
            for name, one in reversed([*where.contents.items()])
        },
    )
    processes = [
        replace(
            w, processes=tuple(replace(p, environment=dict(reversed([*p.environment.items()]))) for p in w.processes)
        )
        for w in made_of.workloads
    ]
    again = files(project(replace(made_of, workloads=tuple(processes)), turned), secrets=True)
    assert again == files(manifests(case), secrets=True)


@cases
def test_the_kustomization_has_everything_that_may_be_applied(case: Path) -> None:
    for secrets in (False, True):
        written = files(manifests(case), secrets=secrets)
        named = yaml.safe_load(written[KUSTOMIZATION][0])["resources"]
        assert named == sorted(path for path in written if "/" not in path and path != KUSTOMIZATION)
        hidden = [path for path in written if path.startswith("masked/")]
        assert bool(hidden) is (not secrets and any(m.is_secret for m in manifests(case)))


@cases
def test_only_files_with_secrets_are_private_and_only_on_request(case: Path) -> None:
    found = manifests(case)
    private = {path for path, (_, only_mine) in files(found, secrets=True).items() if only_mine}
    assert private == {m.path for m in found if m.is_secret}
    assert not any(only_mine for _, only_mine in files(found, secrets=False).values())


def test_no_secret_is_written_unless_asked_for() -> None:
    case = next(case for case in CASES if case.name == "pair")
    shown = "".join(texts(case).values())
    encoded = "eyJwYXNzd29yZCI6ICJzM2NyZXQifQ=="  # of the request of a job
    assert "s3cret" not in shown
    assert encoded not in shown
    assert encoded in "".join(text for text, _ in files(manifests(case), secrets=True).values())


@cases
def test_what_selects_finds_pods_and_only_its_own(case: Path) -> None:
    found = manifests(case)
    labels = {m.name: t["metadata"]["labels"] for m, t in pods(found) if m.kind in CONTROLLERS}
    for one in found:
        spec = one.data.get("spec", {})
        selector = spec.get("selector", {})
        wanted = selector.get("matchLabels", selector) if one.kind != "Job" else {}
        wanted = {key: value for key, value in wanted.items() if key != "statefulset.kubernetes.io/pod-name"}
        if wanted and one.kind != "PersistentVolumeClaim":
            matching = [name for name, own in labels.items() if wanted.items() <= own.items()]
            assert matching == [wanted["app.kubernetes.io/instance"]], one.path


@cases
def test_what_pods_name_is_there(case: Path) -> None:
    found = manifests(case)
    names = {(m.kind, m.name) for m in found}
    for one, template in pods(found):
        spec = template["spec"]
        assert ("ServiceAccount", spec["serviceAccountName"]) in names
        templates = [t["metadata"]["name"] for t in one.data["spec"].get("volumeClaimTemplates", ())]
        volumes = [*templates, *(v["name"] for v in spec["volumes"])]
        assert len(volumes) == len({*volumes}), "two volumes of one name"
        for volume in spec["volumes"]:
            sources = [s["secret"]["name"] for s in volume.get("projected", {}).get("sources", ())]
            sources += [volume["secret"]["secretName"]] if "secret" in volume else []
            assert all(("Secret", name) in names for name in sources)
        for container in (*spec.get("initContainers", ()), *spec["containers"]):
            places = [m["mountPath"] for m in container["volumeMounts"]]
            assert len(places) == len({*places}), f"{container['name']} mounts two things at one place"
            assert {m["name"] for m in container["volumeMounts"]} <= {*volumes}


@cases
def test_claims_of_jobs_are_those_of_the_first_pod(case: Path) -> None:
    found = manifests(case)
    own = {m.name for m in found if m.kind == "PersistentVolumeClaim"}
    own |= {
        f"{t['metadata']['name']}-{m.name}-0"
        for m in found
        for t in m.data.get("spec", {}).get("volumeClaimTemplates", ())
    }
    for _, template in pods(found):
        claims = {
            v["persistentVolumeClaim"]["claimName"] for v in template["spec"]["volumes"] if "persistentVolumeClaim" in v
        }
        assert claims <= own


@cases
def test_no_commit_replaces_a_pod(case: Path) -> None:
    made_of, where = read(case)
    other = project(made_of, replace(where, revision="f" * 40))
    for (one, before), (_, after) in zip(pods(manifests(case)), pods(other), strict=True):
        assert before == after, one.path


@cases
def test_standard_labels(case: Path) -> None:
    for one in manifests(case):
        labels = one.data["metadata"]["labels"]
        assert labels["app.kubernetes.io/managed-by"] == "saltern"
        assert labels["app.kubernetes.io/part-of"] == "lab"
        if one.kind != "Namespace":
            assert {f"app.kubernetes.io/{key}" for key in ("name", "instance", "component", "version")} <= {*labels}


# ---- security


@cases
def test_pods_satisfy_the_restricted_standard_unless_they_say_why(case: Path) -> None:
    for one, template in pods(manifests(case)):
        why = template["metadata"].get("annotations", {}).get("io.saltern.security", "")
        assert bool(pod_security.restricted(template["spec"])) is bool(why), one.path
        assert pod_security.baseline(template["spec"]) == []


@pytest.mark.parametrize(
    ("process", "jobs", "level"),
    [
        ({"user": "200:200"}, [], "restricted"),
        ({"user": "200:200", "capabilities": ["NET_BIND_SERVICE"]}, [], "restricted"),
        ({"user": "200:200"}, [{"when": "after", "key": "a" * 16}], "baseline"),
        ({"user": ""}, [], "baseline"),
        ({"user": "200:200", "capabilities": ["NET_ADMIN"]}, [], "privileged"),
        ({"user": "200:200", "devices": ["/dev/net/tun"]}, [], "privileged"),
    ],
)
def test_the_namespace_asks_for_what_all_pods_satisfy(process: Any, jobs: Any, level: str) -> None:
    found = made({"name": "a", "processes": [{"name": "a", "command": ["a"], **process}], "jobs": jobs})
    assert found["Namespace", "lab"]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == level


def test_a_borrowed_volume_is_a_claim_of_the_other_node_that_several_machines_can_have() -> None:
    processes = [{"name": "p", "command": ["p"]}]
    lender = {"name": "a", "processes": processes, "volumes": [{"name": "v", "path": "/v", "shared": True}]}
    borrower = {"name": "b", "processes": processes}
    borrower["volumes"] = [{"name": "v", "path": "/w", "kind": "borrowed", "of": "a"}]
    found = made(lender, borrower)
    (claim,) = (data for (kind, _), data in found.items() if kind == "PersistentVolumeClaim")
    assert (claim["metadata"]["name"], claim["spec"]["accessModes"]) == ("a-v", ["ReadWriteMany"])
    pod = pod_of(found, "StatefulSet", "b")
    assert {"name": "v", "persistentVolumeClaim": {"claimName": "a-v"}} in pod["volumes"]
    scripts = "".join(" ".join(c["command"]) for c in pod.get("initContainers", ()))
    assert "content" not in scripts


def test_a_device_is_the_machines_and_only_of_the_process_that_uses_it() -> None:
    processes = [{"name": "a", "command": ["a"], "devices": ["/dev/net/tun"]}, {"name": "b", "command": ["b"]}]
    pod = pod_of(made({"name": "a", "processes": processes}), "Deployment", "a")
    volume = {"name": "saltern-dev-net-tun", "hostPath": {"path": "/dev/net/tun", "type": "CharDevice"}}
    assert [v for v in pod["volumes"] if "hostPath" in v] == [volume]
    mounts = {c["name"]: [m["mountPath"] for m in c["volumeMounts"]] for c in pod["containers"]}
    assert ("/dev/net/tun" in mounts["a"], "/dev/net/tun" in mounts["b"]) == (True, False)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"hostNetwork": True}, "hostNetwork"),
        ({"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}, "volume v: hostPath"),
        ({"securityContext": {}}, "a: seccompProfile"),
        ({"securityContext": {"seccompProfile": {"type": "RuntimeDefault"}, "runAsUser": 0}}, "pod: runAsUser 0"),
    ],
)
def test_the_checker_refuses_pods(change: dict[str, Any], said: str) -> None:
    pod = pod_of(made({"name": "a"}), "Deployment", "a")
    assert pod_security.restricted(pod) == []
    assert said in pod_security.restricted({**pod, **change})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"privileged": True}, "a: privileged"),
        ({"allowPrivilegeEscalation": True}, "a: allowPrivilegeEscalation"),
        ({"runAsNonRoot": False}, "a: runAsNonRoot"),
        ({"runAsUser": 0}, "a: runAsUser 0"),
        ({"capabilities": {}}, "a: capabilities are not dropped"),
        ({"capabilities": {"drop": ["ALL"], "add": ["CHOWN"]}}, "a: capabilities are added"),
        ({"capabilities": {"drop": ["ALL"], "add": ["SYS_ADMIN"]}}, "a: capabilities ['SYS_ADMIN']"),
    ],
)
def test_the_checker_refuses_containers(change: dict[str, Any], said: str) -> None:
    pod = pod_of(made({"name": "a"}), "Deployment", "a")
    (container,) = pod["containers"]
    changed = {**container, "securityContext": {**container["securityContext"], **change}}
    assert said in pod_security.restricted({**pod, "containers": [changed]})


@cases
def test_no_pod_has_a_token(case: Path) -> None:
    for one, template in pods(manifests(case)):
        assert template["spec"]["automountServiceAccountToken"] is False, one.path
        assert template["spec"]["enableServiceLinks"] is False, one.path
    assert all(m.data["automountServiceAccountToken"] is False for m in manifests(case) if m.kind == "ServiceAccount")


def test_low_ports_of_users_that_are_not_root() -> None:
    raw = {
        "name": "a",
        "processes": [{"name": "a", "command": ["a"], "user": "2:2", "capabilities": ["NET_BIND_SERVICE"]}],
    }
    sysctl = [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}]
    assert pod_of(made(raw), "Deployment", "a")["securityContext"]["sysctls"] == sysctl
    assert "sysctls" not in pod_of(made(raw, version="1.21"), "Deployment", "a")["securityContext"]


# ---- which controller


VOLUME = {"name": "d", "path": "/d"}
BALANCER = {"name": "lb", "balancer": {"members": ["a-1", "a-2"]}}


@pytest.mark.parametrize(
    ("workload", "others", "kind"),
    [
        ({}, [], "Deployment"),
        ({"replicas": 2}, [], "Deployment"),
        ({"volumes": [VOLUME]}, [], "StatefulSet"),
        ({"volumes": [{**VOLUME, "kind": "runtime"}]}, [], "Deployment"),
        ({"replicas": 2}, [BALANCER], "StatefulSet"),
        ({"replicas": 2}, [{"name": "b", "connects": [{"host": "a-2"}]}], "StatefulSet"),
        ({"replicas": 2}, [{"name": "b", "reaches": [{"host": "a-2"}]}], "StatefulSet"),
        ({"replicas": 2}, [{"name": "b", "connects": [{"host": "a"}]}], "Deployment"),
        ({"kubernetes": {"every_machine": True}}, [], "DaemonSet"),
    ],
)
def test_controllers(workload: Any, others: Any, kind: str) -> None:
    found = made({"name": "a", **workload}, *others)
    assert [k for k, name in found if name == "a" and k in CONTROLLERS] == [kind]


def test_sockets_are_shared_with_a_job_beside_by_a_claim() -> None:
    raw = {"name": "a", "volumes": [{"name": "run", "path": "/run/a", "kind": "runtime"}]}
    found = made({**raw, "jobs": [{"when": "after", "key": "a" * 16}]})
    (template,) = found["StatefulSet", "a"]["spec"]["volumeClaimTemplates"]
    assert template["spec"]["resources"]["requests"]["storage"] == "64Mi"
    (job,) = [data for (kind, _), data in found.items() if kind == "Job"]
    spec = job["spec"]["template"]["spec"]
    assert {"name": "run", "persistentVolumeClaim": {"claimName": "run-a-0"}} in spec["volumes"]
    (term,) = spec["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert term["labelSelector"]["matchLabels"]["statefulset.kubernetes.io/pod-name"] == "a-0"
    alone = made({**raw, "jobs": [{"when": "before", "key": "a" * 16}]})
    assert ("Deployment", "a") in alone
    assert not any(kind == "PersistentVolumeClaim" for kind, _ in alone)


def test_a_node_on_the_machines_network_says_so_and_its_jobs_are_not() -> None:
    found = made({"name": "a", "kubernetes": {"host_network": True}, "jobs": [{"when": "before", "key": "a" * 16}]})
    pod = pod_of(found, "Deployment", "a")
    assert (pod["hostNetwork"], pod["dnsPolicy"]) == (True, "ClusterFirstWithHostNet")
    assert found["Namespace", "lab"]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "privileged"
    template = found["Deployment", "a"]["spec"]["template"]
    assert "shares the machine's network" in template["metadata"]["annotations"]["io.saltern.security"]
    (job,) = [data for (kind, _), data in found.items() if kind == "Job"]
    assert "hostNetwork" not in job["spec"]["template"]["spec"]


def test_data_of_its_own_cannot_be_on_every_machine() -> None:
    with pytest.raises(ConfigError) as caught:
        made({"name": "a", "volumes": [VOLUME], "kubernetes": {"every_machine": True}})
    assert "/d" in caught.value.problems[0].brief
    assert "shared" in caught.value.problems[0].details


@pytest.mark.parametrize(("replicas", "mode", "name"), [(1, "ReadWriteOnce", "fast"), (2, "ReadWriteMany", "nfs")])
def test_shared_data_is_one_claim(replicas: int, mode: str, name: str) -> None:
    settings = {"storage_class": "fast", "shared_storage_class": "nfs", "storage": "3Gi"}
    found = made({"name": "a", "replicas": replicas, "volumes": [{**VOLUME, "shared": True}]}, settings=settings)
    spec = found["PersistentVolumeClaim", "a-d"]["spec"]
    assert (spec["accessModes"], spec["storageClassName"]) == ([mode], name)
    assert spec["resources"]["requests"]["storage"] == "3Gi"
    assert "volumeClaimTemplates" not in found["StatefulSet", "a"]["spec"]


def test_a_deployment_never_takes_the_last_good_pod_away() -> None:
    rolling = made({"name": "a"})["Deployment", "a"]["spec"]["strategy"]["rollingUpdate"]
    assert rolling == {"maxSurge": 1, "maxUnavailable": 0}


@pytest.mark.parametrize("replicas", [1, 2])
def test_replicas_are_spread_and_not_drained_together(replicas: int) -> None:
    found = made({"name": "a", "replicas": replicas})
    assert (("PodDisruptionBudget", "a") in found) is (replicas > 1)
    assert ("topologySpreadConstraints" in pod_of(found, "Deployment", "a")) is (replicas > 1)


# ---- services and policies


def test_each_addressed_replica_has_a_name() -> None:
    found = made({"name": "a", "replicas": 2}, BALANCER)
    for number in (1, 2):
        spec = found["Service", f"a-{number}"]["spec"]
        assert spec["clusterIP"] == "None"
        assert spec["selector"]["statefulset.kubernetes.io/pod-name"] == f"a-{number - 1}"


@pytest.mark.parametrize(
    ("address", "port"),
    [("127.0.0.1:5000", None), ("0.0.0.0:30000", 30000), ("0.0.0.0:32767", 32767), ("0.0.0.0:32768", None)],
)
def test_node_ports(address: str, port: int | None) -> None:
    found = made({"name": "a", "publish": [{"port": 5000, "address": address}]})
    (published,) = found["Service", "a-public"]["spec"]["ports"]
    assert (published["port"], published.get("nodePort")) == (5000, port)


def rules(found: dict[tuple[str, str], dict[str, Any]], name: str, side: str) -> list[tuple[str, tuple[int, ...]]]:
    """Who is named by the rules of a policy, and at which ports; without DNS."""
    result = []
    for rule in found["NetworkPolicy", name]["spec"][side]:
        ports = tuple(p["port"] for p in rule.get("ports", ()))
        for peer in rule.get("to", rule.get("from", [{}])):
            labels = peer.get("podSelector", {}).get("matchLabels", {})
            result.append((labels.get("app.kubernetes.io/instance") or peer.get("ipBlock", {}).get("cidr", "*"), ports))
    return [item for item in result if item != ("*", (53, 53))]


PORTS = [{"name": "a", "command": ["a"], "user": "2:2", "ports": [80, 81]}]


@pytest.mark.parametrize(
    ("client", "edges"),
    [
        ({}, []),
        ({"needs": ["a"]}, [("a", (80, 81))]),
        ({"connects": [{"host": "a", "port": 80}]}, [("a", (80,))]),
        ({"connects": [{"host": "a", "port": 80}], "needs": ["a"]}, [("a", (80,))]),
        ({"connects": [{"host": "a"}]}, [("a", (80, 81))]),
        ({"reaches": [{"host": "a", "port": 80}]}, [("a", (80,))]),
        (
            {"connects": [{"host": "a", "port": 81}], "reaches": [{"host": "a", "port": 80}]},
            [("a", (80,)), ("a", (81,))],
        ),
        (
            {"reaches": [{"host": "192.0.2.1", "port": 5}, {"host": "far", "port": 6}]},
            [("192.0.2.1/32", (5,)), ("*", (6,))],
        ),
        ({"connects": [{"host": "192.0.2.1", "port": 5}]}, [("192.0.2.1/32", (5,))]),
        ({"connects": [{"host": "2001:db8::1"}]}, [("2001:db8::1/128", ())]),
        ({"connects": [{"host": "far.example.com", "port": 5}, {"host": "far2", "port": 5}]}, [("*", (5,))]),
        ({"connects": [{"host": "127.0.0.1", "port": 5}, {"host": "localhost", "port": 6}]}, []),
        ({"connects": [{"host": "lb", "port": 8}], "needs": ["a", "lb"]}, [("lb", (8,))]),
    ],
)
def test_policies_have_the_edges_of_the_model(client: Any, edges: Any) -> None:
    balancer = {"name": "lb", "balancer": {"members": ["a"]}}
    found = made({"name": "a", "processes": PORTS}, balancer, {"name": "c", **client})
    assert rules(found, "c", "egress") == edges
    assert rules(found, "c", "ingress") == []
    assert rules(found, "lb", "egress") == [("a", (80, 81))]
    assert ("lb", (80, 81)) in rules(found, "a", "ingress")
    assert [rule for rule in rules(found, "a", "ingress") if rule[0] == "c"] == [
        ("c", ports) for name, ports in edges if name == "a"
    ]


def test_who_names_itself_reaches_itself_by_one_rule() -> None:
    jobs = [{"when": "after", "key": "a" * 16}]
    found = made({"name": "a", "processes": PORTS, "jobs": jobs, "reaches": [{"host": "a", "port": 80}]})
    assert rules(found, "a", "egress") == rules(found, "a", "ingress") == [("a", ())]


def test_published_ports_are_open_to_all() -> None:
    found = made({"name": "a", "publish": [{"port": 80, "address": "0.0.0.0:80"}]})
    assert rules(found, "a", "ingress") == [("*", (80,))]


@pytest.mark.parametrize("more", [{"replicas": 2}, {"jobs": [{"when": "after", "key": "a" * 16}]}])
def test_pods_of_a_workload_reach_each_other_where_there_are_several(more: Any) -> None:
    assert rules(made({"name": "a", **more}), "a", "ingress") == [("a", ())]
    assert rules(made({"name": "a", **more}), "a", "egress") == [("a", ())]


# ---- containers


def test_dollar_signs_reach_the_container() -> None:
    raw = {"name": "a", "command": ["sh", "-c", "echo $A $(B) $$"], "environment": {"A": "$(x)"}, "user": "2:2"}
    raw["probe"] = {"kind": "exec", "command": ["test", "$HOME"]}
    (container,) = pod_of(made({"name": "a", "processes": [raw]}), "Deployment", "a")["containers"]
    assert [expanded(word) for word in container["command"]] == raw["command"]
    assert [(e["name"], expanded(e["value"])) for e in container["env"]] == [("A", "$(x)")]
    assert [expanded(word) for word in container["readinessProbe"]["exec"]["command"]] == ["test", "$HOME"]


def expanded(text: str) -> str:
    """What Kubernetes does (third_party/forked/golang/expansion): ``$$`` is a dollar sign, ``$(NAME)`` a variable."""
    rest = text.replace("$$", "")
    assert "$(" not in rest, f"Kubernetes would replace a variable in {text}"
    return text.replace("$$", "$")


@pytest.mark.parametrize(("memory", "amount"), [("512m", "512Mi"), ("2g", "2Gi"), ("100k", "100Ki"), ("9b", "9")])
def test_memory(memory: str, amount: str) -> None:
    (container,) = pod_of(made({"name": "a", "memory": memory}), "Deployment", "a")["containers"]
    assert container["resources"] == {"requests": {"memory": amount}, "limits": {"memory": amount}}


def test_a_pod_may_drain_before_it_is_told_to_stop() -> None:
    processes = [{"name": n, "command": [n], "user": "2:2", "stop_timeout": t} for n, t in (("a", 5), ("b", 60))]
    pod = pod_of(made({"name": "a", "processes": processes}), "Deployment", "a")
    assert pod["terminationGracePeriodSeconds"] == 70
    assert all(c["lifecycle"]["preStop"]["exec"]["command"] == ["sleep", "10"] for c in pod["containers"])


@pytest.mark.parametrize(("timeout", "count"), [(1, 1), (5, 1), (6, 2), (90, 18)])
def test_a_start_may_take_as_long_as_the_formula_says(timeout: int, count: int) -> None:
    raw = {"name": "a", "command": ["a"], "user": "2:2", "probe": {"kind": "tcp", "port": 1, "timeout": timeout}}
    (container,) = pod_of(made({"name": "a", "processes": [raw]}), "Deployment", "a")["containers"]
    startup = container["startupProbe"]
    assert (startup["failureThreshold"], startup["periodSeconds"]) == (count, 5)
    assert startup["tcpSocket"] == {"port": 1}


# ---- jobs


def job_names(found: dict[tuple[str, str], dict[str, Any]]) -> list[str]:
    return [name for kind, name in found if kind == "Job"]


def test_a_job_with_another_template_has_another_name() -> None:
    raw = {"name": "a", "jobs": [{"when": "before", "key": "a" * 16}]}
    name = job_names(made(raw))
    assert name == job_names(made(raw, revision="other", settings={"pull_secrets": ["x"]}))
    about = {"contents": {"a": {"tree": "t" * 20, "config": [{"path": "/etc/a"}]}}}
    others = [
        made({**raw, "image": "other"}),
        made({**raw, "jobs": [{"when": "before", "key": "b" * 16}]}),
        made(raw, **about),
        made(raw, contents={"a": {"requests": {"a" * 16: {"identity": "i" * 10, "request.json": "{}"}}}}),
    ]
    assert len({*name, *(n for other in others for n in job_names(other))}) == 5


def test_jobs_bring_the_toolchain_and_the_request() -> None:
    contents = {"a": {"installer": "installer:1", "requests": {"a" * 16: {"identity": "i", "formulas/x/y": "z"}}}}
    found = made({"name": "a", "jobs": [{"when": "before", "key": "a" * 16}]}, contents=contents)
    pod = pod_of(found, "Job", job_names(found)[0])
    assert [c["image"] for c in pod["initContainers"]] == ["installer:1"]
    (salt,) = pod["containers"]
    assert {m["mountPath"] for m in salt["volumeMounts"]} >= {"/mnt", "/media"}
    projected = next(v["projected"] for v in pod["volumes"] if "projected" in v)
    assert projected["sources"][0]["secret"]["items"] == [{"key": "formulas.x.y", "path": "formulas/x/y"}]
    assert pod["restartPolicy"] == "Never"


# ---- files


FILES = [
    ({"mode": "0644"}, "direct"),
    ({"mode": "0640", "gid": 200}, "direct"),
    ({"mode": "0640", "gid": 7}, "absent"),
    ({"mode": "0600"}, "absent"),
    ({"mode": "0400", "uid": 200}, "copied"),
    ({"mode": "0640", "uid": 200, "gid": 7}, "copied"),
    ({"mode": "0755", "folder": "/etc"}, "copied"),
    ({"kind": "symlink", "target": "x", "folder": "/etc"}, "copied"),
]


@pytest.mark.parametrize(("file", "how"), FILES)
def test_how_a_file_gets_to_a_process(file: dict[str, Any], how: str) -> None:
    contents = {"a": {"tree": "t", "config": [{"path": "/etc/a", **file}]}}
    pod = pod_of(made({"name": "a"}, contents=contents), "Deployment", "a")
    (container,) = pod["containers"]
    mounts = {m["name"] for m in container["volumeMounts"] if m["mountPath"] in ("/etc/a", "/etc")}
    assert mounts == {"direct": {"saltern-config"}, "copied": {"saltern-exact"}, "absent": set()}[how]
    assert ("initContainers" in pod) is (how == "copied")


@pytest.mark.parametrize(("file", "how"), FILES)
def test_jobs_have_every_file(file: dict[str, Any], how: str) -> None:
    contents = {"a": {"tree": "t", "config": [{"path": "/etc/a", **file}]}}
    found = made({"name": "a", "jobs": [{"when": "before", "key": "a" * 16}]}, contents=contents)
    (salt,) = pod_of(found, "Job", job_names(found)[0])["containers"]
    assert any(m["mountPath"] in ("/etc/a", "/etc") for m in salt["volumeMounts"]), how


def test_much_configuration_is_several_secrets() -> None:
    config = [{"path": f"/etc/{n}", "content": "x" * 500_000} for n in range(3)]
    found = made({"name": "a"}, contents={"a": {"tree": "t", "config": config}})
    names = sorted(name for kind, name in found if kind == "Secret")
    assert names == ["a-config-t", "a-config-t-2", "a-config-t-3"]
    pod = pod_of(found, "Deployment", "a")
    mounts = {m["mountPath"]: m["name"] for m in pod["containers"][0]["volumeMounts"]}
    assert [mounts[f"/etc/{n}"] for n in range(3)] == ["saltern-config", "saltern-config-2", "saltern-config-3"]


def test_a_file_that_no_secret_can_hold() -> None:
    config = [{"path": "/etc/large", "content": "x" * 1_000_000}]
    with pytest.raises(ConfigError) as caught:
        made({"name": "a"}, contents={"a": {"tree": "t", "config": config}})
    assert "etc.large" in caught.value.problems[0].brief


def test_keys_of_files_are_different() -> None:
    config = [{"path": path, "content": path} for path in ("/etc/a b", "/etc/a_b", "/etc/a:b")]
    found = made({"name": "a"}, contents={"a": {"tree": "t", "config": config}})
    assert len(found["Secret", "a-config-t"]["data"]) == 3


# ---- names and versions


@pytest.mark.parametrize("name", ["1a", "a_b", "A", "a" * 60])
def test_names_that_no_service_can_have(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        made({"name": name, "processes": []})
    assert repr(name) in caught.value.problems[0].brief


def test_a_node_by_its_full_name_cannot_be_reached() -> None:
    with pytest.raises(ConfigError) as caught:
        made({"name": "a", "node": "a.example.com"}, {"name": "b", "connects": [{"host": "a.example.com"}]})
    assert "let the configuration say a" in caught.value.problems[0].resolution


def test_two_objects_of_one_name() -> None:
    with pytest.raises(ConfigError) as caught:
        made({"name": "a", "publish": [{"port": 1, "address": "0.0.0.0:1"}]}, {"name": "a-public"})
    assert [p.brief for p in caught.value.problems] == ["two nodes would both have a Service 'a-public'"]


@pytest.mark.parametrize(("text", "version"), [("1.20", (1, 20)), ("v1.31.4", (1, 31)), ("1.30.2+k3s1", (1, 30))])
def test_versions(text: str, version: versions.Version) -> None:
    assert versions.parse(text) == version


@pytest.mark.parametrize("text", ["1.19", "1", "", "latest", "0.99"])
def test_wrong_versions(text: str) -> None:
    with pytest.raises(UsageError):
        versions.parse(text)


@pytest.mark.parametrize(("version", "api"), [("1.20", "policy/v1beta1"), ("1.21", "policy/v1"), ("1.36", "policy/v1")])
def test_api_versions(version: str, api: str) -> None:
    assert versions.api("PodDisruptionBudget", versions.parse(version)) == api


def test_a_long_name_is_cut_and_stays_different() -> None:
    one, other = dns("a" * 70), dns("a" * 71)
    assert len(one) <= 63
    assert one != other
    assert dns("Glance API@2") == "glance-api-2"


@pytest.mark.parametrize(
    "text", ["12e4567", "0x1F", "1_000", "yes", "n", "~", "null", "0640", "-1", ".5", "on", "a\nb\n"]
)
def test_text_stays_text(text: str) -> None:
    written = render({"a": text})
    assert yaml.safe_load(written) == {"a": text}
    assert written.removeprefix(f"{HEADER}a: ")[0] in "'\"|", "a parser of YAML 1.2 could read it as something else"
