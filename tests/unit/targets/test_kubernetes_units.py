"""What a rollout sees of the golden clouds' manifests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from saltern.rollout.kubernetes.objects import container_of
from saltern.targets.compose import LABEL_HASH, LABEL_JOB, LABEL_PROCESS, LABEL_PUBLISH, LABEL_REPLICA, LABEL_ROLE
from saltern.targets.kubernetes.cloud import project
from saltern.targets.kubernetes.units import Units, flat, units
from tests.unit.targets.kubernetes_cases import CASES, GOLDEN, cloud, read

cases = pytest.mark.parametrize("case", CASES, ids=lambda path: path.name)


def of(case: str, **changes: Any) -> Units:
    found, site = read(GOLDEN / case)
    return units(found, project(found, replace(site, **changes)))


def hashes(found: Units) -> dict[str, str]:
    return {name: one["labels"][LABEL_HASH] for name, one in found.services.items()}


def names(objects: tuple[Mapping[str, Any], ...]) -> list[str]:
    return [f"{one['kind']}/{one['metadata']['name']}" for one in objects]


@cases
def test_every_object_is_applied_once_and_seen_as_the_service_that_it_is(case: Any) -> None:
    found = of(case.name)
    everything = project(*read(case))
    assert sorted(names(found.all)) == sorted(f"{one.kind}/{one.name}" for one in everything)
    for service, objects in found.objects.items():
        last = objects[-1]
        seen = container_of("lab", {**last, "metadata": {**last["metadata"], "uid": "u"}})
        assert seen.name == found.services[service]["container_name"] == f"lab-{service}"
        assert seen.labels.items() >= found.services[service]["labels"].items()


def test_a_workload_is_one_service_and_its_jobs_are_others() -> None:
    found = of("pair")
    assert [*found.services] == ["db", "db-after-bbbbbbbbbbbb", "db-before-aaaaaaaaaaaa", "web"]
    roles = {name: (one["labels"][LABEL_ROLE], one["labels"].get(LABEL_JOB)) for name, one in found.services.items()}
    assert roles["db"] == ("process", None)
    assert roles["db-after-bbbbbbbbbbbb"] == ("job", "after")
    assert found.services["web"]["labels"][LABEL_PROCESS] == "web"
    assert LABEL_PUBLISH in found.services["web"]["labels"]
    assert of("replicas").services["api"]["labels"][LABEL_REPLICA] == "2"


def test_a_job_has_its_request_and_the_ground_and_no_process() -> None:
    before = names(of("pair").objects["db-before-aaaaaaaaaaaa"])
    assert before[-1].startswith("Job/db-before-")
    assert any(name.startswith("Secret/db-before-") for name in before)
    assert not any(name.startswith(("Secret/db-after-", "Job/db-after-", "StatefulSet/")) for name in before)
    assert {"ServiceAccount/db", "NetworkPolicy/db"} <= {*before}


def test_a_process_comes_after_what_it_uses_and_without_the_jobs() -> None:
    found = names(of("pair").objects["db"])
    assert found[-1] == "StatefulSet/db"
    assert found[:-1] == sorted(found[:-1])
    assert not any(name.startswith(("Job/", "Secret/db-before-", "Secret/db-after-")) for name in found)


def test_another_commit_makes_no_other_container() -> None:
    one, other = of("pair", revision="1" * 40), of("pair", revision="2" * 40)
    assert hashes(one) == hashes(other)
    assert one.all != other.all


def test_another_content_makes_another_one_of_that_workload_alone() -> None:
    _, site = read(GOLDEN / "pair")
    changed = {**site.contents, "web": replace(site.contents["web"], tree="f" * 20)}
    before, after = hashes(of("pair")), hashes(of("pair", contents=changed))
    assert {name for name in before if before[name] != after[name]} == {"web"}


def test_claims_are_known_by_the_names_that_they_will_have() -> None:
    pair, replicas = of("pair").claims, of("replicas").claims
    assert "data-db-0" in pair
    assert pair["data-db-0"]["spec"]["resources"]["requests"]["storage"] == "50Gi"
    assert "PersistentVolumeClaim/run-db-0" not in names(of("pair").all)  # its StatefulSet makes it
    assert pair["run-db-0"]["metadata"]["labels"]["app.kubernetes.io/part-of"] == "lab"
    assert replicas["api-keys"]["metadata"]["namespace"] == "production"
    assert all(one["metadata"]["name"] == name for name, one in (*pair.items(), *replicas.items()))


def test_steps_see_one_process_with_the_patience_of_the_slowest() -> None:
    def process(name: str, timeout: int) -> dict[str, Any]:
        return {"name": name, "command": [name], "probe": {"kind": "tcp", "port": 1, "timeout": timeout}}

    raw = {"name": "api", "replicas": 3, "processes": [process("quick", 5), process("slow", 500)]}
    (one,) = flat(cloud({"name": "lab", "workloads": [raw]})).workloads
    assert (one.replicas, [instance.service for instance in one.instances()]) == (1, ["api"])
    probe = one.processes[0].probe
    assert probe is not None
    assert probe.timeout == 500


def test_what_runs_nothing_is_a_service_of_nobody() -> None:
    (one,) = flat(cloud({"name": "lab", "workloads": [{"name": "tool", "processes": []}]})).workloads
    assert one.processes == ()
