"""The Compose file: golden folders (``tests/golden/compose/<case>/{cloud.yml,podman.yaml,docker.yaml}``) and laws."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from saltern.formulas.metadata import Balancer, Probe, Volume
from saltern.images.process import RuntimeDirectory
from saltern.model.settings import Publish
from saltern.targets import compose
from saltern.targets.compose import LABEL_HASH, LABEL_PUBLISH
from saltern.targets.workload import Cloud, ConfigMount, Workload
from tests.unit.targets.clouds import GOLDEN, cloud, job, process, read_cloud, workload

CASES = sorted(GOLDEN.iterdir())


@pytest.mark.parametrize("engine", ["podman", "docker"])
@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name)
def test_golden(case: Path, engine: str) -> None:
    text = compose.render(compose.project(read_cloud(case), engine))
    assert text == (case / f"{engine}.yaml").read_text()


def services(*workloads: Workload, engine: str = "podman") -> dict[str, Any]:
    found: dict[str, Any] = compose.project(Cloud("lab", workloads), engine)["services"]
    return found


def hashes(*workloads: Workload) -> dict[str, str]:
    return {name: service["labels"][LABEL_HASH] for name, service in services(*workloads).items()}


@pytest.fixture
def db() -> Workload:
    return next(w for w in read_cloud(GOLDEN / "pair").workloads if w.name == "db")


@pytest.fixture
def web() -> Workload:
    return next(w for w in read_cloud(GOLDEN / "pair").workloads if w.name == "web")


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name)
def test_the_text_is_the_data(case: Path) -> None:
    data = compose.project(read_cloud(case), "podman")
    assert yaml.safe_load(compose.render(data)) == data
    text = compose.render(data).splitlines()
    assert not any(line.lstrip(" -").startswith(("&", "*")) for line in text), "an alias"


def test_equal_clouds_are_equal_bytes_in_any_order_of_making() -> None:
    raw = yaml.safe_load((GOLDEN / "pair" / "cloud.yml").read_text())
    turned = {key: raw[key] for key in reversed(list(raw))}
    turned["workloads"] = [{k: w[k] for k in reversed(list(w))} for w in raw["workloads"]]
    assert compose.render(compose.project(cloud(turned), "docker")) == (GOLDEN / "pair" / "docker.yaml").read_text()


# ---- hashes


def test_a_hash_is_independent_of_what_is_waited_for(db: Workload, web: Workload) -> None:
    other = replace(db, jobs=(replace(db.jobs[0], key="eeeeeeeeeeeeeeee"), db.jobs[1]))
    before, after = hashes(db, web), hashes(other, web)
    assert services(db, web)["web"]["depends_on"] != services(other, web)["web"]["depends_on"]
    assert (before["db"], before["web"]) == (after["db"], after["web"])
    assert hashes(replace(web, needs=()))["web"] == before["web"]


@pytest.mark.parametrize(
    "change",
    [
        {"image": "other"},
        {"memory": "1g"},
        {"publish": (Publish(5000, "127.0.0.1:5001"),)},
        {"config": ()},
    ],
)
def test_a_hash_depends_on_everything_else(web: Workload, change: dict[str, Any]) -> None:
    assert hashes(replace(web, **change))["web"] != hashes(web)["web"]


@pytest.mark.parametrize(
    "change",
    [
        {"command": ("other",)},
        {"user": ""},
        {"environment": {}},
        {"read_only": True},
        {"capabilities": ("CHOWN",)},
        {"tmpfs": ("/x",)},
        {"stop_signal": "SIGINT"},
        {"stop_timeout": 1},
        {"probe": None},
    ],
    ids=str,
)
def test_a_hash_depends_on_the_process(web: Workload, change: dict[str, Any]) -> None:
    changed = replace(web, processes=(replace(web.processes[0], **change),))
    assert hashes(changed)["web"] != hashes(web)["web"]


# ---- folders in memory


def test_folders_in_memory_belong_to_the_process(web: Workload) -> None:
    folders = (RuntimeDirectory("/run/web", "0750"), RuntimeDirectory("/run/web/sub", owner="7:8"))
    data = compose.project(
        Cloud("lab", (replace(web, processes=(replace(web.processes[0], runtime=folders),)),)), "docker"
    )
    options = {name: volume["driver_opts"]["o"] for name, volume in data["volumes"].items()}
    assert options == {
        "web-run-web": "uid=200,gid=200,mode=0750,nosuid,nodev",
        "web-run-web-sub": "uid=7,gid=8,mode=0755,nosuid,nodev",
    }


@pytest.mark.parametrize("path", ["/run", "/tmp", "/var/tmp"])
def test_what_is_in_memory_anyway_is_no_volume(path: str) -> None:
    one = workload({"name": "a", "processes": [{"name": "a", "command": ["a"], "tmpfs": [path]}]})
    assert compose.project(Cloud("lab", (one,)), "podman")["volumes"] == {}


@pytest.mark.parametrize("path", ["/run/a", "/var/run/a"])
def test_a_volume_wins_over_a_runtime_directory(path: str) -> None:
    raw = {"name": "a", "processes": [{"name": "a", "command": ["a"], "runtime": [{"path": "/run/a"}]}]}
    one = workload({**raw, "volumes": [{"name": "sock", "path": path, "kind": "runtime"}]})
    mounts = [m["source"] for m in services(one)["a"]["volumes"]]
    assert mounts == ["a-sock"]


def test_a_borrowed_volume_is_the_other_nodes(db: Workload, web: Workload) -> None:
    lent = replace(db, volumes=(Volume("data", "/data", shared=True),))
    one = replace(web, volumes=(Volume("data", "/theirs", "borrowed", of="db"),))
    data = compose.project(Cloud("lab", (lent, one)), "podman")
    assert [name for name in data["volumes"] if name.endswith("data")] == ["db-data"]
    every = [(name, m) for name in ("db", "web") for m in data["services"][name]["volumes"]]
    mounts = [(name, m["target"]) for name, m in every if m["source"] == "db-data"]
    assert mounts == [("db", "/data"), ("web", "/theirs")]


def test_data_volumes_are_no_memory(db: Workload) -> None:
    volumes = compose.project(Cloud("lab", (db,)), "podman")["volumes"]
    assert "driver_opts" not in volumes["db-data"]
    assert volumes["db-run"]["driver_opts"]["o"].startswith("uid=100,gid=101,")


# ---- jobs


def test_a_job_before_is_alone_and_one_after_is_beside_the_process(db: Workload) -> None:
    for engine in ("podman", "docker"):
        found = services(db, engine=engine)
        before, after = found["db-before-aaaaaaaaaaaa"], found["db-after-bbbbbbbbbbbb"]
        assert before["networks"] == {"cloud": {}}
        assert "network_mode" not in before
        assert before["hostname"] == "db"
        assert after["network_mode"] == "service:db"
        assert "networks" not in after
        assert ("hostname" in after) is (engine == "podman"), "docker refuses a host name in another's network"
        assert {m["target"] for m in found["db"]["volumes"]} <= {m["target"] for m in after["volumes"]}
        assert "restart" in after
        assert after["restart"] == "no"


def test_jobs_are_named_by_what_they_do(db: Workload) -> None:
    renamed = replace(db, jobs=(job({"when": "before", "key": "f" * 64}),))
    assert set(services(renamed)) == {"db", "db-before-ffffffffffff"}


def test_who_waits_for_whom(db: Workload, web: Workload) -> None:
    found = services(db, web)
    assert found["db"]["depends_on"] == {"db-before-aaaaaaaaaaaa": {"condition": "service_completed_successfully"}}
    assert "depends_on" not in found["db-before-aaaaaaaaaaaa"]
    assert found["db-after-bbbbbbbbbbbb"]["depends_on"] == {"db": {"condition": "service_healthy"}}
    assert set(found["web"]["depends_on"]) == {"db", "db-before-aaaaaaaaaaaa", "db-after-bbbbbbbbbbbb"}


def test_a_need_of_itself_or_of_nothing_known_waits_for_nobody(web: Workload) -> None:
    assert "depends_on" not in services(replace(web, needs=("web", "elsewhere")))["web"]


# ---- what is published and what is escaped


def test_the_first_process_has_the_network_and_all_ports_and_each_says_its_own() -> None:
    found = services(*read_cloud(GOLDEN / "several").workloads)
    api, scrubber = found["glance-glance-api"], found["glance-glance-scrubber"]
    assert api["ports"] == ["127.0.0.1:9292:9292", "127.0.0.1:9999:9393"]
    assert scrubber["network_mode"] == "service:glance-glance-api"
    assert not {"ports", "networks"} & {*scrubber}
    said = [[p["port"] for p in json.loads(one["labels"][LABEL_PUBLISH])] for one in (api, scrubber)]
    assert said == [[9292], [9393]]


def test_a_process_goes_with_the_one_whose_network_it_shares() -> None:
    glance = next(w for w in read_cloud(GOLDEN / "several").workloads if w.name == "glance")
    api, scrubber = glance.processes
    other = {name: replace(one, stop_timeout=99) for name, one in (("api", api), ("scrubber", scrubber))}
    before = hashes(glance)
    with_api = hashes(replace(glance, processes=(other["api"], scrubber)))
    with_scrubber = hashes(replace(glance, processes=(api, other["scrubber"])))
    assert [name for name in before if with_api[name] != before[name]] == [
        "glance-glance-api",
        "glance-glance-scrubber",
    ]
    assert [name for name in before if with_scrubber[name] != before[name]] == ["glance-glance-scrubber"]
    assert glance.carried("glance-glance-api") == ("glance-glance-scrubber",)
    assert glance.carried("glance-glance-scrubber") == ()


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (None, ["/etc/a", "/etc/a.conf", "/etc/b/b.conf"]),
        ((), []),
        (("/etc/a",), ["/etc/a"]),
        (("/etc/a/deep",), ["/etc/a"]),
        (("/etc/b/", "/etc/a.conf"), ["/etc/a.conf", "/etc/b/b.conf"]),
    ],
)
def test_a_process_gets_the_files_that_its_formula_names(
    web: Workload, files: tuple[str, ...] | None, expected: list[str]
) -> None:
    config = tuple(ConfigMount(f"/rendered{t}", t) for t in ("/etc/a", "/etc/a.conf", "/etc/b/b.conf"))
    one = replace(web, config=config, processes=(replace(web.processes[0], files=files),))
    mounts = services(one)["web"].get("volumes", [])
    assert [m["target"] for m in mounts if m["type"] == "bind"] == expected


def test_a_change_of_files_that_a_process_does_not_get_leaves_it_alone(web: Workload) -> None:
    def config(tree: str, **digests: str) -> tuple[ConfigMount, ...]:
        return tuple(ConfigMount(f"/trees/{tree}/{name}", f"/etc/{name}", digest) for name, digest in digests.items())

    one = replace(web, live="/live", processes=(replace(web.processes[0], files=("/etc/a",)),))
    before, other, own = (
        hashes(replace(one, config=config(*given[:1], a=given[1], b=given[2])))["web"]
        for given in (("1", "a" * 64, "b" * 64), ("2", "a" * 64, "c" * 64), ("3", "d" * 64, "b" * 64))
    )
    assert before == other != own


def test_devices_are_the_machines(web: Workload) -> None:
    one = replace(web, processes=(replace(web.processes[0], devices=("/dev/net/tun",)),))
    assert services(one)["web"]["devices"] == ["/dev/net/tun:/dev/net/tun"]


def interpolate(value: Any) -> Any:
    """What Compose does: ``$$`` is a dollar sign; any other would be a variable."""
    if isinstance(value, str):
        rest = value.replace("$$", "")
        assert "$" not in rest, f"Compose would replace a variable in {value}"
        return value.replace("$$", "$")
    if isinstance(value, dict):
        return {key: interpolate(item) for key, item in value.items()}
    return [interpolate(item) for item in value] if isinstance(value, list) else value


def test_dollar_signs_reach_the_container() -> None:
    raw = {"name": "a", "command": ["sh", "-c", "echo $A ${B} $$"], "environment": {"A": "$x"}, "ports": [1]}
    raw |= {"probe": {"kind": "exec", "command": ["sh", "-c", "test $HOME"]}}
    one = workload({"name": "a", "processes": [raw], "publish": [{"port": 1, "address": "1.1.1.1:1", "name": "$1"}]})
    service = interpolate(services(one)["a"])
    assert service["command"] == raw["command"]
    assert service["environment"] == raw["environment"]
    assert service["healthcheck"]["test"] == ["CMD", "sh", "-c", "test $HOME"]
    assert '"test $HOME"' in service["labels"]["io.saltern.probe"]
    assert '"$1"' in service["labels"][LABEL_PUBLISH]


@pytest.mark.parametrize("probe", [Probe("tcp", 5000), Probe("http", 5000, "/v3")])
def test_health_checks_are_scripts_that_parse(web: Workload, probe: Probe) -> None:
    service = services(replace(web, processes=(replace(web.processes[0], probe=probe),)))["web"]
    kind, shell, option, script = interpolate(service["healthcheck"]["test"])
    assert (kind, shell, option) == ("CMD", "bash", "-c")
    subprocess.run(("bash", "-n", "-c", script), check=True)
    done = subprocess.run(("bash", "-c", script.replace("5000", "1")), capture_output=True, check=False, timeout=10)
    assert done.returncode, "nothing listens there"


def test_a_process_without_a_probe_has_no_health_check() -> None:
    one = workload({"name": "a", "processes": [{"name": "a", "command": ["a"]}]})
    assert "healthcheck" not in services(one)["a"]


# ---- what must never be there


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name)
def test_no_container_is_privileged(case: Path) -> None:
    for service in services(*read_cloud(case).workloads).values():
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges"]
        assert not {"privileged", "pid", "ipc", "devices"} & set(service)
        assert not {"SYS_ADMIN", "NET_ADMIN", "ALL"} & set(service.get("cap_add", ()))
        assert all(m.get("read_only") for m in service.get("volumes", ()) if m["type"] == "bind")


def test_no_secret_of_checks_and_jobs_is_in_the_file(db: Workload) -> None:
    raw = {"name": "login", "command": ["mysql"], "environment": {"MYSQL_PWD": "s3cret"}}
    one = workload({"name": "db", "processes": [{"name": "db", "command": ["db"]}], "checks": [raw]})
    assert "s3cret" not in compose.render(compose.project(Cloud("lab", (one,)), "podman"))
    with_chunks = replace(db, jobs=(replace(db.jobs[0], chunks=("cmd.run echo s3cret",)),))
    assert "s3cret" not in compose.render(compose.project(Cloud("lab", (with_chunks,)), "podman"))


def test_names_are_the_clouds_own(db: Workload) -> None:
    data = compose.project(Cloud("lab", (db,)), "podman")
    assert all(s["container_name"].startswith("lab-") for s in data["services"].values())
    assert all(v["name"].startswith("lab-") for v in data["volumes"].values() if not v.get("external"))
    assert data["networks"]["cloud"]["name"] == "saltern-lab"
    assert "name" not in data


def test_waves() -> None:
    def made(name: str, *needs: str) -> Workload:
        return workload({"name": name, "needs": needs, "processes": []})

    assert _names(Cloud("x", (made("a", "b"), made("b", "c", "zzz"), made("c"), made("d")))) == [
        ["c", "d"],
        ["b"],
        ["a"],
    ]
    assert _names(Cloud("x", (made("a", "a"),))) == [["a"]]
    assert _names(Cloud("x", (made("a", "b"), made("b", "a"), made("c")))) == [["c"], ["a", "b"]]
    assert _names(Cloud("x", ())) == []


def _names(found: Cloud) -> list[list[str]]:
    return [[w.name for w in wave] for wave in found.ordered()]


def test_a_node_with_several_processes_names_each() -> None:
    one, two = process({"name": "a", "command": ["a"]}), process({"name": "b", "command": ["b"]})
    single = Workload("n", "n", "i", (one,))
    assert single.service(one) == "n"
    several = replace(single, processes=(one, two))
    assert several.service(one) == "n-a"
    assert [i.service for i in replace(single, replicas=2).instances()] == ["n-1", "n-2"]
    assert [(i.service, i.hostname, i.process.name, i.number) for i in replace(several, replicas=2).instances()] == [
        ("n-a-1", "n-1", "a", 1),
        ("n-b-1", "n-1", "b", 1),
        ("n-a-2", "n-2", "a", 2),
        ("n-b-2", "n-2", "b", 2),
    ]
    assert [(i.service, i.hostname) for i in several.instances()] == [("n-a", "n"), ("n-b", "n")]


# ---- replicas


@pytest.fixture
def api() -> Workload:
    return next(w for w in read_cloud(GOLDEN / "replicas").workloads if w.name == "api")


def test_replicas_share_data_and_no_memory(api: Workload) -> None:
    found = services(api)
    one, two = ({m["source"] for m in found[name]["volumes"]} for name in ("api-1", "api-2"))
    assert one & two == {"api-keys"}
    assert one - two == {"api-1-run", "api-1-run-api"}
    for name, service in found.items():
        if "-before-" in name or "-after-" in name:
            assert one <= {m["source"] for m in service["volumes"]}, "a job sees what the first replica sees"


def test_plain_dns_reaches_any_replica_and_each_one(api: Workload) -> None:
    aliases = {name: s["networks"]["cloud"]["aliases"] for name, s in services(api).items() if "-1" in name[-2:]}
    assert aliases == {"api-1": ["api", "api-1", "api.example.com"]}


def test_jobs_run_once_beside_the_first_replica_when_all_are_ready(api: Workload) -> None:
    found = services(api)
    jobs = {name: s for name, s in found.items() if s["labels"][compose.LABEL_ROLE] == "job"}
    assert set(jobs) == {"api-before-aaaaaaaaaaaa", "api-after-bbbbbbbbbbbb"}
    after = jobs["api-after-bbbbbbbbbbbb"]
    assert after["network_mode"] == "service:api-1"
    assert set(after["depends_on"]) == {"api-1", "api-2"}


def test_a_balancer_is_no_part_of_its_container(api: Workload) -> None:
    balancer = Balancer({"api-1": ("api/api-1",)}, ("drain",), ("idle",), ("enable",), ("ready",))
    assert services(replace(api, balancer=balancer)) == services(api)


def test_what_a_process_can_take_over_is_no_part_of_its_container() -> None:
    lb = read_cloud(GOLDEN / "reload").workloads[0]
    folder, file = lb.config
    before = hashes(lb)
    changed = hashes(replace(lb, config=(replace(folder, source="/c1/etc/haproxy", digest="d1"), file)))
    assert (changed["lb-haproxy"], changed["lb-agent"] != before["lb-agent"]) == (before["lb-haproxy"], True)
    moved = hashes(replace(lb, config=(folder, replace(file, source="/c1/usr/bin/reload"))))
    assert (moved["lb-haproxy"], moved["lb-agent"] != before["lb-agent"]) == (before["lb-haproxy"], True)
    other = hashes(replace(lb, config=(folder, replace(file, digest="e1"))))
    assert other["lb-haproxy"] != before["lb-haproxy"], "it is in no folder that may change"
