"""An engine made of pods: what its pods are, what goes in and out of them, and what it refuses."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import pytest

from saltern.base.errors import EngineError, ModelError, UnbuiltError
from saltern.base.process import Completed, Pipe
from saltern.images.engine import LABEL_OWNER, Engine, Mount, RunSpec
from saltern.rollout.kubernetes import runtime
from saltern.rollout.kubernetes.engine import PodEngine, pod_engine, unpack
from saltern.rollout.kubernetes.helper import HELPER, remote
from saltern.rollout.kubernetes.kubectl import Kubectl
from saltern.rollout.kubernetes.runtime import ClusterRuntime
from saltern.targets.kubernetes.access import rules
from saltern.targets.kubernetes.operator import NETWORK
from tests.unit.images.memory_registry import MemoryRegistry
from tests.unit.targets import openapi, pod_security

from .guarded import GuardedServer
from .server import FakeServer

HOST = "127.0.0.1:5001"
BASE = "localhost/saltern/base-debian-12:b1"
TOOLCHAIN = "localhost/saltern/toolchain-debian-12:t1"


class Talk:
    """A conversation that says everything again, and ends with ``code``."""

    def __init__(self, code: int = 0) -> None:
        self.code = code
        self.said: list[str] = []

    def send(self, line: str) -> None:
        self.said.append(line)

    def receive(self) -> str | None:
        return self.said.pop(0) if self.said else None

    def close(self) -> Completed:
        if self.code < 0:
            raise KeyboardInterrupt
        return Completed((), self.code, "", "")


@dataclass
class Pods(FakeServer):
    """A cluster whose pods keep the files that are brought to them, and give back ``written``."""

    brought: dict[str, bytes] = field(default_factory=dict)
    written: dict[str, bytes] = field(default_factory=dict)
    lost: int = 0
    """How often the end of what comes back is lost."""
    talk: Talk = field(default_factory=Talk)
    pods: list[dict[str, Any]] = field(default_factory=list)

    def put(self, thing: Any) -> None:
        super().put(thing)
        if thing["kind"] == "Pod":
            self.pods.append(self.objects["pod", thing["metadata"]["name"]])

    def open(self, argv: Sequence[str], **_: Any) -> Pipe:
        self.calls.append(tuple(argv[3:]))
        return self.talk

    def transfer(
        self, argv: Sequence[str], *, stdin: IO[bytes] | None = None, stdout: IO[bytes] | None = None, **_: Any
    ) -> Completed:
        self.calls.append(tuple(argv[3:]))
        if stdin is not None:
            with tarfile.open(fileobj=stdin) as archive:
                assert {(one.uid, one.uname) for one in archive.getmembers()} == {(0, "")}
                files = [one for one in archive.getmembers() if one.isfile()]
                self.brought |= {one.name: archive.extractfile(one).read() for one in files}  # type: ignore[union-attr]
        if stdout is not None:
            data = packed(self.written)
            stdout.write(data[: len(data) // 3] if self.lost else data)
            self.lost = max(0, self.lost - 1)
        code, out, err = self.ends
        return Completed(tuple(argv), code, out, err)


def packed(files: dict[str, bytes], **more: Any) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o040
            for key, value in more.items():
                setattr(member, key, value)
            archive.addfile(member, io.BytesIO(content))
    return target.getvalue()


@pytest.fixture
def pods(monkeypatch: pytest.MonkeyPatch) -> Pods:
    monkeypatch.setattr(runtime, "POLL", 0.001)
    monkeypatch.setattr(runtime, "POD_SECONDS", 0.1)
    return Pods()


def of(pods: FakeServer, registry: MemoryRegistry | None = None) -> PodEngine:
    return PodEngine(Kubectl(pods, "lab"), "lab", (registry or MemoryRegistry()).client, f"{HOST}/lab")


@pytest.fixture
def spec(tmp_path: Path) -> RunSpec:
    """As configuration is rendered: the toolchain, a formula, and a folder for what comes out."""
    (tmp_path / "formula" / "web").mkdir(parents=True)
    (tmp_path / "formula" / "web" / "init.sls").write_text("a: b")
    (tmp_path / "out").mkdir()
    mounts = (
        Mount(TOOLCHAIN, "/mnt", image=True),
        Mount(str(tmp_path / "formula"), "/srv/formulas/web"),
        Mount(str(tmp_path / "out"), "/srv/out", read_only=False),
    )
    return RunSpec(f"{HOST}/lab/web:k1", ("/mnt/bin/python3", "serve"), mounts, tmpfs=("/tmp",))


# ---- pods


def test_a_conversation_with_a_pod_in_and_out_of_which_files_go(pods: Pods, spec: RunSpec, tmp_path: Path) -> None:
    pods.written = {"./etc/web.conf": b"workers = 4"}
    pipe = of(pods).open(spec)
    assert pods.brought == {"srv/formulas/web/web/init.sls": b"a: b"}
    pipe.send("hello")
    assert pipe.receive() == "hello"
    assert (
        "exec",
        pods.pods[0]["metadata"]["name"],
        "--container",
        "main",
        "--stdin",
        "--",
        *spec.command,
    ) in pods.calls
    assert not (tmp_path / "out" / "etc").exists()
    assert pipe.close().ok
    assert (tmp_path / "out" / "etc" / "web.conf").read_bytes() == b"workers = 4", "whoever owned it there"
    assert ("pod", pods.pods[0]["metadata"]["name"]) not in pods.objects


def test_what_is_lost_on_its_way_is_fetched_again(pods: Pods, spec: RunSpec, tmp_path: Path) -> None:
    pods.written, pods.lost = {"./a": b"x" * 5000}, 2
    of(pods).open(spec).close()
    assert (tmp_path / "out" / "a").stat().st_size == 5000
    pods.lost = 9
    with pytest.raises(EngineError, match="files cannot be fetched from the pod"):
        of(pods).open(spec).close()
    assert not [key for key in pods.objects if key[0] == "pod"]


def test_a_pod_goes_with_its_conversation(pods: Pods, spec: RunSpec) -> None:
    pods.talk = Talk(-1)
    with pytest.raises(KeyboardInterrupt):
        of(pods).open(spec).close()
    assert not [key for key in pods.objects if key[0] == "pod"]
    pods.ends = (2, "", "tar: full")
    with pytest.raises(EngineError, match="files cannot be brought"):
        of(pods).open(spec)
    assert not [key for key in pods.objects if key[0] == "pod"]


def test_a_command_runs_to_its_end(pods: Pods) -> None:
    pods.ends = (3, "out", "")
    done = of(pods).run(RunSpec(BASE, ("dpkg-query", "-W")))
    assert (done.returncode, done.stdout) == (3, "out")
    assert pods.pods[0]["spec"]["containers"][0]["image"] == f"{HOST}/lab/base-debian-12:b1"
    assert LABEL_OWNER in pods.pods[0]["metadata"]["annotations"]


@pytest.mark.parametrize("version", ["1.20", "1.36"])
def test_what_a_pod_is_made_of(spec: RunSpec, version: str) -> None:
    (pod,) = remote("name", "lab", spec, lambda tag: tag.replace("toolchain", "installer"))
    assert openapi.errors(pod, version) == []
    assert pod_security.baseline(pod["spec"]) == []
    (main,), (brings,) = pod["spec"]["containers"], pod["spec"]["initContainers"]
    assert (main["image"], brings["image"]) == (spec.image, "localhost/saltern/installer-debian-12:t1")
    kinds = {one["name"]: one["emptyDir"] for one in pod["spec"]["volumes"]}
    where = {one["mountPath"]: (kinds[one["name"]], one.get("readOnly", False)) for one in main["volumeMounts"]}
    memory = {"medium": "Memory"}
    assert where == {
        "/tmp": (memory, False),
        "/mnt": ({}, True),
        "/srv/formulas/web": ({}, False),
        "/srv/out": (memory, False),
    }, "what may hold secrets is on no disk"
    assert pod["metadata"]["labels"] | {HELPER: "lab", NETWORK: "none"} == pod["metadata"]["labels"]
    assert pod["spec"]["activeDeadlineSeconds"] > 0
    assert pod["spec"]["automountServiceAccountToken"] is False


def test_an_environment_is_in_a_secret(tmp_path: Path) -> None:
    pod, secret = remote("name", "lab", RunSpec("i:1", ("x",), environment={"A": "b"}, network="bridge"), str)
    assert secret["data"] == {"env.A": "Yg=="}
    assert NETWORK not in pod["metadata"]["labels"]


def test_nothing_gets_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(tarfile.TarError):
        unpack(io.BytesIO(packed({"../out": b"x"})), tmp_path / "in")
    unpack(io.BytesIO(packed({"/out": b"x"})), tmp_path / "in")
    assert [one.name for one in tmp_path.iterdir()] == ["in"]


@dataclass
class GuardedPods(Pods, GuardedServer):
    """The same, where an account may do what its Role says."""


def test_the_account_of_operate_is_enough(spec: RunSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "POLL", 0.001)
    pods = GuardedPods(rules=rules("saltern-operate", "lab"))
    engine = of(pods)
    engine.open(spec).close()
    engine.run(RunSpec(BASE, ("true",), environment={"A": "b"}))
    ClusterRuntime.sweep(engine)
    assert pods.refused == []
    assert {kind for kind, _ in pods.objects} == set()


# ---- images


def test_images_are_what_the_registry_has() -> None:
    registry = MemoryRegistry(HOST)
    config = b'{"config": {"Labels": {"io.saltern.base.digest": "sha256:1"}}}'
    registry.add_image("lab/base-debian-12:b1", [b"layer"], config=config)
    registry.add_image("lab/installer-debian-12:t1", [b"layer", b"more"], config=b'{"config": {}}')
    engine = of(FakeServer(), registry)
    found = engine.image(BASE)
    assert found is not None
    assert (found.labels, found.size) == ({"io.saltern.base.digest": "sha256:1"}, 5)
    assert [one.size for one in engine.present([TOOLCHAIN, f"{HOST}/lab/web:k9"])] == [9]
    assert engine.images("io.saltern.key") == ()


def test_an_image_of_several_machines() -> None:
    registry = MemoryRegistry(HOST)
    one = registry.add_image("lab/web:amd", [b"layer"], config=b'{"config": {"Labels": {"a": "b"}}}')
    registry.add_index("lab/web:k1", [one])
    found = of(FakeServer(), registry).image(f"{HOST}/lab/web:k1")
    assert found is not None
    assert found.labels == {"a": "b"}


def test_nothing_is_built(tmp_path: Path) -> None:
    engine: Engine = of(FakeServer())
    for act in (
        lambda: engine.build(tmp_path, tag="a:1"),
        lambda: engine.import_rootfs(tmp_path, tag="a:1", changes=()),
        lambda: engine.tag("b:1", "a:1"),
        lambda: engine.push("a:1"),
        lambda: engine.refuse_unbuilt(["a:1"]),
    ):
        with pytest.raises(UnbuiltError, match="the registry does not have a:1") as caught:
            act()
        assert caught.value.images == ("a:1",)
        assert "saltern push" in caught.value.problems[0].resolution
    engine.refuse_unbuilt([])
    with pytest.raises(UnbuiltError, match=f"{HOST}/lab/base-debian-12:b1, {HOST}/lab/installer-debian-12:t1"):
        engine.refuse_unbuilt([BASE, TOOLCHAIN])


def test_without_a_registry_there_is_no_such_engine() -> None:
    with pytest.raises(ModelError, match="the model names none"):
        pod_engine(Kubectl(FakeServer(), "lab"), "lab", "")
    assert pod_engine(Kubectl(FakeServer(), "lab"), "lab", f"{HOST}/team").builds is False
