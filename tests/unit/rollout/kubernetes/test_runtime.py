from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import pytest

from saltern.base.errors import EngineError
from saltern.images.engine import Mount, RunSpec
from saltern.rollout.kubernetes import runtime
from saltern.rollout.kubernetes.kubectl import Kubectl
from saltern.rollout.kubernetes.runtime import HELPER, SOURCE_ENVIRONMENT, ClusterRuntime, helper
from saltern.targets.compose import LABEL_CLOUD

from .server import FakeServer
from .things import DONE, OURS, pod, waiting, workload


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> FakeServer:
    monkeypatch.setattr(runtime, "POLL", 0.001)
    monkeypatch.setattr(runtime, "POD_SECONDS", 0.1)
    return FakeServer()


def of(server: FakeServer, **claims: dict[str, Any]) -> ClusterRuntime:
    return ClusterRuntime(Kubectl(server, "lab"), "lab", claims)


def up(server: FakeServer) -> ClusterRuntime:
    """web with one pod that serves and one that does not; a Job; and a Deployment of somebody else."""
    server.put(workload(**DONE))
    server.put(workload("Job", "install"))
    server.put({**workload(name="foreign"), "metadata": {"name": "foreign", "labels": {"app": "foreign"}}})
    server.put(pod("web-1", ready=False))
    server.put(pod("web-2"))
    server.put(pod("install-x", "install"))
    return of(server)


# ---- what is there


def test_workload_objects_and_jobs_of_the_cloud_are_its_containers(server: FakeServer) -> None:
    found = up(server).containers(f"{LABEL_CLOUD}=lab")
    assert [(one.name, one.state) for one in found] == [("lab-install", "running"), ("lab-web", "running")]


def test_pods_that_serve_come_first(server: FakeServer) -> None:
    found = up(server)
    assert [one["metadata"]["name"] for one in found.pods("lab-web")] == ["web-2", "web-1"]
    assert [one["metadata"]["name"] for one in found.pods("lab-install")] == ["install-x"]
    assert found.pods("lab-foreign") == []


def test_why_a_workload_is_not_ready(server: FakeServer) -> None:
    assert up(server).unready("lab-web") == ""
    server.put(workload(**{**DONE, "readyReplicas": 1}))
    server.put(pod("web-1", ready=False, **waiting("ErrImagePull")))
    assert of(server).unready("lab-web") == "1 of 2 replicas are ready: web-1: main: ErrImagePull: so it is"
    assert of(server).unready("lab-gone") == "is not there"


def test_logs_are_those_of_the_pod_that_does_not_serve_with_what_it_said_before(server: FakeServer) -> None:
    found = up(server)
    server.logs = {("web-1", False): "now\n", ("web-1", True): "a\nb\nbefore\n", ("web-2", False): "fine\n"}
    assert found.logs("lab-web", tail=2) == "before\nnow"
    assert found.logs("lab-web", tail=1) == "now"
    with pytest.raises(EngineError, match="no pod of gone"):
        found.logs("lab-gone")


# ---- commands inside


def test_a_command_runs_in_the_main_container_of_a_pod_that_serves(server: FakeServer) -> None:
    server.ends = (3, "out", "err")
    done = up(server).exec("lab-web", ("ls", "-l"))
    assert (done.returncode, done.stdout, done.stderr) == (3, "out", "err")
    assert server.calls[-1] == ("exec", "web-2", "--container", "main", "--", "ls", "-l")


@pytest.mark.parametrize("environment", [{}, {"A": "b"}])
def test_lines_of_a_command_are_told_as_they_come(server: FakeServer, environment: dict[str, str]) -> None:
    server.ends = (0, "one\ntwo\n", "")
    lines: list[str] = []
    up(server).exec("lab-web", ("ls",), environment=environment, on_line=lines.append)
    assert lines == ["one", "two"]


def test_an_environment_goes_through_stdin_and_shows_in_no_process_list(server: FakeServer) -> None:
    up(server).exec("lab-web", ("env",), environment={"B": "it's $HOME", "A": "s3cret"})
    words = ("/bin/sh", "-c", SOURCE_ENVIRONMENT, "sh", "env")
    assert server.calls[-1] == ("exec", "web-2", "--container", "main", "--stdin", "--", *words)
    assert server.inputs == ["export A='s3cret'\nexport B='it'\\''s $HOME'\n"]
    assert not any("s3cret" in word for call in server.calls for word in call)


def test_another_user_works_in_a_pod_beside_with_the_same_files(server: FakeServer) -> None:
    found = up(server)
    assert found.exec("lab-web", ("id",), user="200:1").ok
    assert server.calls[-1][1] == "web-2"
    made: list[dict[str, Any]] = []
    inside = server._exec

    def watched(argv: Any, words: Any, stdin: Any) -> Any:
        made.append(server.objects["pod", words[1]])
        return inside(argv, words, stdin)

    server._exec = watched  # type: ignore[method-assign]
    assert found.exec("lab-web", ("id",), user="0:0").ok
    (beside,) = made
    assert beside["spec"]["nodeName"] == "machine-2", "a claim may be of one machine"
    assert [one["name"] for one in beside["spec"]["volumes"]] == ["data", "config"]
    (container,) = beside["spec"]["containers"]
    assert container["image"] == "web:1"
    assert container["securityContext"]["runAsUser"] == 0
    assert [one["mountPath"] for one in container["volumeMounts"]] == ["/data", "/etc/web.conf"]
    assert left(server) == []


def test_a_user_by_name_is_looked_up_in_the_pod(server: FakeServer) -> None:
    found = up(server)
    server.ends = (0, "200\n", "")
    found.exec("lab-web", ("id",), user="web")
    assert [call[-2:] for call in server.calls if call[0] == "exec"] == [("-u", "web"), ("--", "id")]
    server.ends = (1, "", "id: nobody: no such user")
    with pytest.raises(EngineError, match="web-2 has no user 'nobody'"):
        found.exec("lab-web", ("id",), user="nobody")


def test_the_files_that_pods_have_from_secrets(server: FakeServer) -> None:
    found = up(server)
    content = base64.b64encode(b"workers = 4").decode()
    server.put({"kind": "Secret", "metadata": {"name": "web-config"}, "data": {"k0": content}})
    assert found.files("lab-web") == {"/etc/web.conf": b"workers = 4"}
    assert found.files("lab-gone") == {}


def test_without_a_pod_that_runs_nothing_can_be_asked(server: FakeServer) -> None:
    server.put(workload())
    server.put(pod("web-1", phase="Pending"))
    with pytest.raises(EngineError, match="no pod of web runs"):
        of(server).exec("lab-web", ("id",))


def test_bytes_of_a_command(server: FakeServer) -> None:
    target = io.BytesIO()
    server.ends = (0, "bytes", "")
    assert up(server).exec_bytes("lab-web", ("dump",), target).ok
    assert target.getvalue() == b"bytes"
    assert server.calls[-1] == ("exec", "web-2", "--container", "main", "--", "dump")


# ---- helper pods


def left(server: FakeServer) -> list[tuple[str, str]]:
    return sorted(key for key in server.objects if key[1].startswith("saltern-"))


def test_a_helper_pod_and_its_secret_are_gone_afterwards(server: FakeServer) -> None:
    server.ends = (7, "said", "")
    seen: list[list[tuple[str, str]]] = []
    spec = RunSpec("i:1", ("check", "it"), environment={"TOKEN": "s3cret"})
    inside = server._exec

    def watched(*words: Any) -> Any:
        seen.append(left(server))
        return inside(*words)

    server._exec = watched  # type: ignore[method-assign]
    assert of(server).run(spec, stdin="input").returncode == 7
    assert [kind for kind, _ in seen[0]] == ["pod", "secret"]
    assert server.inputs == ["input"]
    assert left(server) == []
    assert not any("s3cret" in word for call in server.calls for word in call)


def test_a_helper_pod_is_gone_when_its_command_broke(server: FakeServer) -> None:
    server.refuses["exec"] = "unable to upgrade connection"
    assert not of(server).run(RunSpec("i:1", ("x",))).ok
    assert left(server) == []

    def broken(*_: Any) -> Any:
        raise KeyboardInterrupt

    server._exec, server.refuses = broken, {}  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        of(server).run(RunSpec("i:1", ("x",)))
    assert left(server) == []


def test_a_helper_pod_that_cannot_start_says_why_and_goes(server: FakeServer) -> None:
    server.pod_status = waiting("ErrImagePull")
    with pytest.raises(EngineError, match=r"did not start: .*: main: ErrImagePull: so it is"):
        of(server).run(RunSpec("i:1", ("x",)))
    assert left(server) == []
    server.pod_status = {}
    with pytest.raises(EngineError, match="it is being started"):
        of(server).run(RunSpec("i:1", ("x",)))


def test_helper_pods_of_killed_runs_are_swept_and_no_others(server: FakeServer) -> None:
    for cloud in ("lab", "other"):
        for thing in helper(f"saltern-{cloud}", cloud, RunSpec("i:1", ("x",))):
            server.put(thing)
    server.put(pod("web-1"))
    of(server).sweep()
    assert left(server) == [("pod", "saltern-other"), ("secret", "saltern-other")]
    assert ("pod", "web-1") in server.objects


def test_what_a_helper_pod_is_made_of(tmp_path: Path) -> None:
    (tmp_path / "tree" / "below").mkdir(parents=True)
    (tmp_path / "tree" / "below" / "file").write_text("content")
    (tmp_path / "one.conf").write_text("alone")
    mounts = (
        Mount("data-db-0", "/data", read_only=False),
        Mount(str(tmp_path / "tree"), "/tree"),
        Mount(str(tmp_path / "one.conf"), "/etc/one.conf"),
    )
    spec = RunSpec(
        "i:1",
        ("x",),
        mounts,
        user="5:6",
        environment={"A": "b"},
        tmpfs=("/tmp",),
        capabilities=("CHOWN",),
        hostname="h",
    )
    made, secret = helper("name", "lab", spec)
    (main,) = made["spec"]["containers"]
    security = main["securityContext"]
    assert (security["runAsUser"], security["runAsGroup"]) == (5, 6)
    assert security["capabilities"] == {"drop": ["ALL"], "add": ["CHOWN"]}
    assert made["spec"]["hostname"] == "h"
    assert "hostname" not in helper("name", "lab", RunSpec("i:1", ("x",)))[0]["spec"]
    assert made["metadata"]["labels"][HELPER] == secret["metadata"]["labels"][HELPER] == "lab"
    claim, tree, file, memory = made["spec"]["volumes"]
    assert claim["persistentVolumeClaim"] == {"claimName": "data-db-0"}
    assert [item["path"] for item in tree["secret"]["items"]] == ["below/file"]
    assert memory["emptyDir"] == {"medium": "Memory"}
    where = {one["mountPath"]: one for one in main["volumeMounts"]}
    assert where["/etc/one.conf"]["subPath"] == "one.conf"
    assert not where["/data"]["readOnly"]
    held = {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}
    assert held == {
        "env.A": "b",
        tree["secret"]["items"][0]["key"]: "content",
        file["secret"]["items"][0]["key"]: "alone",
    }


# ---- what goes


def test_containers_go_with_their_objects(server: FakeServer) -> None:
    found = up(server)
    found.remove_containers(["lab-web", "lab-gone", "lab-foreign"])
    assert [call[:3] for call in server.calls if call[0] == "delete"] == [("delete", "deployment", "web")]
    server.calls.clear()
    found.remove_containers([])
    assert server.calls == []


def test_volumes_are_the_claims_of_the_cloud(server: FakeServer) -> None:
    claim = {"kind": "PersistentVolumeClaim", "metadata": {"name": "data-db-0", "labels": OURS}}
    found = of(server, **{"data-db-0": claim})
    found.create_volume("data-db-0", {})
    assert found.volumes(f"{LABEL_CLOUD}=lab") == ("data-db-0",)
    assert found.volumes("io.saltern.owner") == ()
    with pytest.raises(EngineError, match="no claim 'other'"):
        found.create_volume("other", {})
    found.remove_volumes(["data-db-0"])
    assert found.volumes(f"{LABEL_CLOUD}=lab") == ()
