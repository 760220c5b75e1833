from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from saltern.base.errors import EngineError, ImageError, Problem, RegistryError, UsageError
from saltern.base.process import STUCK
from saltern.images.engine import LABEL_OWNER, Mount, RunSpec, docker, podman
from saltern.images.engine.leftovers import BuildProcess, is_leftover, is_working_container, orphans
from saltern.images.engine.owner import is_alive, owner, start_time
from saltern.images.engine.podman import PodmanEngine
from saltern.images.engine.select import select_engine

from .fakes import FakeRunner

IMAGE = {"Id": "sha256:abc", "Size": 5, "Config": {"Labels": {"a": "b"}}, "RepoTags": ["z:1", "a:1"]}


def engine(*rules: tuple[str, tuple[int, str, str]]) -> tuple[PodmanEngine, FakeRunner]:
    runner = FakeRunner(*rules)
    return PodmanEngine(runner, ("podman",), {"CONTAINERS_CONF": "/x"}), runner


def test_an_image_is_what_inspect_says() -> None:
    one, runner = engine(("image inspect", (0, json.dumps([IMAGE]), "")))
    image = one.image("a:1")
    assert image is not None
    assert (image.id, image.size, image.labels, image.tags) == ("abc", 5, {"a": "b"}, ("a:1", "z:1"))
    assert runner.environments == [{"CONTAINERS_CONF": "/x"}]


@pytest.mark.parametrize("stderr", ["Error: inspecting object: x: image not known\n", "Error: No such image: x\n"])
def test_a_missing_image_is_none(stderr: str) -> None:
    assert engine(("image inspect", (125, "[]\n", stderr)))[0].image("x") is None


def test_the_mounts_of_a_container_are_volumes_and_host_paths() -> None:
    raw = {
        "Id": "1",
        "Name": "/lab-db",
        "Mounts": [
            {"Type": "volume", "Name": "lab-db-data", "Source": "/x/_data", "Destination": "/var/lib/db", "RW": True},
            {"Type": "bind", "Source": "/state/db.cnf", "Destination": "/etc/db.cnf", "RW": False},
            {"Type": "tmpfs", "Source": "", "Destination": "/tmp", "RW": True},
        ],
    }
    one, _ = engine(("ps", (0, "1\n", "")), ("container inspect", (0, json.dumps([raw]), "")))
    (container,) = one.containers("a=b")
    expected = (Mount("/state/db.cnf", "/etc/db.cnf"), Mount("lab-db-data", "/var/lib/db", read_only=False))
    assert container.mounts == expected


def test_a_container_whose_process_is_gone_does_not_run_whatever_podman_says() -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    states = [("running", gone.pid), ("running", os.getpid()), ("running", 0), ("exited", gone.pid)]
    raw = [{"Id": str(n), "Name": str(n), "State": {"Status": s, "Pid": pid}} for n, (s, pid) in enumerate(states)]
    one, _ = engine(("ps", (0, "0\n1\n2\n3\n", "")), ("container inspect", (0, json.dumps(raw), "")))
    assert [container.state for container in one.containers("a=b")] == ["dead", "running", "running", "exited"]


def test_a_container_in_the_network_of_another_has_its_address() -> None:
    own = {"Id": "1", "Name": "/lab-db", "NetworkSettings": {"Networks": {"lab": {"IPAddress": "10.0.0.9"}}}}
    other = {"Id": "2", "Name": "/lab-agent", "HostConfig": {"NetworkMode": "container:1"}}
    rules = [("ps", (0, "1\n2\n", "")), ("container inspect 1 2", (0, json.dumps([own, other]), ""))]
    rules += [
        ("container inspect 1", (0, json.dumps([own]), "")),
        ("container inspect 2", (0, json.dumps([other]), "")),
    ]
    one, _ = engine(*rules)
    assert {c.name: c.address for c in one.containers("a=b")} == {"lab-agent": "10.0.0.9", "lab-db": "10.0.0.9"}
    assert (one.address("1"), one.address("2")) == ("10.0.0.9", "10.0.0.9")


def test_lines_of_a_command_in_a_container_are_told_as_they_come() -> None:
    one, runner = engine(("exec", (0, "one\ntwo\n", "")))
    lines: list[str] = []
    assert one.exec("lab-db", ("list",), environment={"A": "b"}, on_line=lines.append).ok
    assert lines == ["one", "two"]
    assert "b" not in runner.calls[0]


def test_bytes_of_a_command_in_a_container(tmp_path: Path) -> None:
    one, runner = engine(("exec", (4, "", "no")))
    with (tmp_path / "out").open("wb") as file:
        assert one.exec_bytes("lab-db", ("dump", "--all"), file, user="root").returncode == 4
        one.exec_bytes("lab-db", ("dump",), file)
    assert runner.calls[0] == ("podman", "exec", "--user", "root", "lab-db", "dump", "--all")
    assert runner.calls[1] == ("podman", "exec", "lab-db", "dump")


def test_bytes_of_a_helper_need_an_open_stdin_only_where_there_are_some(tmp_path: Path) -> None:
    one, runner = engine()
    (tmp_path / "in").write_bytes(b"x")
    with (tmp_path / "in").open("rb") as file:
        one.run_bytes(RunSpec("i", ("restore",)), stdin=file)
    one.run_bytes(RunSpec("i", ("pack",)))
    assert ["--interactive" in call for call in runner.calls] == [True, False]
    refusing, _ = engine(("run", (125, "", "Error: no such image")))
    with pytest.raises(EngineError):
        refusing.run_bytes(RunSpec("i", ("pack",)))


def test_every_helper_has_an_owner_and_is_removed() -> None:
    one, runner = engine()
    mounts = (Mount("/src", "/media"), Mount("data", "/data", read_only=False))
    one.run(RunSpec("img", ("cmd", "arg"), mounts=mounts, capabilities=("CHOWN",)), stdin="x")
    words = list(runner.calls[0])
    assert words[:3] == ["podman", "run", "--rm"]
    assert words[-4:] == ["--entrypoint", "cmd", "img", "arg"]
    assert f"{LABEL_OWNER}={owner()}" in words
    assert "type=bind,source=/src,target=/media,ro" in words
    assert "type=volume,source=data,target=/data" in words
    assert words[words.index("--network") + 1] == "none"
    assert words[words.index("--cap-drop") + 1] == "all"


def test_the_commands_own_failure_is_returned_and_the_engines_is_raised() -> None:
    assert engine(("run", (126, "", "sh: 1: x: Permission denied")))[0].run(RunSpec("i", ("x",))).returncode == 126
    with pytest.raises(EngineError):
        engine(("run", (126, "", "Error: runc: exec failed")))[0].run(RunSpec("i", ("x",)))


def test_a_full_disk_while_building_is_an_image_error_that_says_so(tmp_path: Path) -> None:
    one, _ = engine(("build", (1, "", "Error: committing: write /x: no space left on device")))
    with pytest.raises(ImageError, match="disk is full") as raised:
        one.build(tmp_path, tag="t")
    assert "free space" in raised.value.problems[0].resolution


@pytest.mark.parametrize(
    ("stderr", "runs"),
    [
        ("Error: checking if cached image exists from a previous build: getting top layer info: layer not known", 3),
        ("E: Unable to locate package x", 1),
    ],
)
def test_a_build_runs_again_only_when_an_image_went_while_it_looked_for_cached_ones(
    tmp_path: Path, stderr: str, runs: int
) -> None:
    one, runner = engine(("build", (125, "", stderr)))
    with pytest.raises(ImageError):
        one.build(tmp_path, tag="t")
    assert len([call for call in runner.calls if "build" in call]) == runs


def test_a_build_that_says_nothing_for_long_runs_again_and_is_told_at_last(tmp_path: Path) -> None:
    one, runner = engine(("build", (STUCK, "", "[1/3] pkg.installed nova\n")))
    with pytest.raises(ImageError) as raised:
        one.build(tmp_path, tag="t")
    assert len([call for call in runner.calls if "build" in call]) == 3
    (problem,) = raised.value.problems
    assert ("stuck" in problem.brief, "[1/3] pkg.installed nova" in problem.details) == (True, True)


def test_a_bridge_of_podman_gets_the_address_that_it_has_and_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    one, runner = engine(
        ("network inspect lab", (0, json.dumps([{"name": "lab", "network_interface": "podman7"}]), "")),
        ("ip -json", (0, json.dumps([{"ifname": "podman7", "address": "aa:bb:cc:dd:ee:0f"}]), "")),
    )
    one.settle("lab")
    one.settle("lab")
    told = ("ip", "link", "set", "dev", "podman7", "address", "aa:bb:cc:dd:ee:0f")
    assert [call for call in runner.calls if call[0] == "ip" and "set" in call] == [told, told]
    assert sum("inspect" in call for call in runner.calls) == 1


def test_bridges_that_are_not_seen_from_here_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for user, answer in ((1000, (0, "[]", "")), (0, (125, "", "Error: network not found"))):
        monkeypatch.setattr(os, "geteuid", lambda user=user: user)
        one, runner = engine(("network inspect", answer))
        one.settle("lab")
        assert not [call for call in runner.calls if call[0] == "ip"]


def test_a_failed_step_shows_the_builders_last_lines(tmp_path: Path) -> None:
    with pytest.raises(ImageError) as raised:
        engine(("build", (1, "", "E: Unable to locate package x")))[0].build(tmp_path, tag="t")
    assert "Unable to locate" in raised.value.problems[0].details


def test_a_refused_push_is_a_registry_error() -> None:
    one, runner = engine(("push", (125, "", "Error: unauthorized")))
    with pytest.raises(RegistryError):
        one.push("127.0.0.1:5001/a/b:c")
    assert "--tls-verify=false" in runner.calls[0]


@pytest.mark.parametrize(
    ("stderr", "brief"),
    [
        ("Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?", "daemon is not running"),
        (
            "Got permission denied while trying to connect to the Docker daemon socket at unix:///x",
            "not permitted for this user",
        ),
    ],
)
def test_a_daemon_that_cannot_be_reached(tmp_path: Path, stderr: str, brief: str) -> None:
    client = tmp_path / "docker"
    client.touch(mode=0o755)
    rules = (("--version", (0, "Docker version 20.10.24, build x", "")), ("version", (1, "", stderr)))
    with pytest.raises(EngineError, match=brief):
        docker.prepare(FakeRunner(*rules), tmp_path, [str(tmp_path)])


def test_a_docker_client_that_can_build_is_chosen(tmp_path: Path) -> None:
    clients = []
    for name in ("new", "old"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "docker").touch(mode=0o755)
        clients.append(str(tmp_path / name / "docker"))
    rules = (
        (f"{clients[0]} --version", (0, "Docker version 28.2.2, build x", "")),
        (f"{clients[0]} buildx", (1, "", "unknown command")),
        (f"{clients[1]} --version", (0, "Docker version 20.10.24, build x", "")),
    )
    folders = [str(tmp_path / "new"), str(tmp_path / "old")]
    assert docker.prepare(FakeRunner(*rules), tmp_path, folders).argv == (clients[1],)
    with pytest.raises(EngineError, match="BuildKit"):
        docker.prepare(FakeRunner(*rules), tmp_path, folders[:1])
    with pytest.raises(EngineError, match="not installed"):
        docker.prepare(FakeRunner(), tmp_path, [])


def test_podman_is_probed_once_and_settings_are_written_only_when_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    binary = tmp_path / "podman"
    binary.touch(mode=0o755)
    rules: list[tuple[str, tuple[int, str, str]]] = [("image inspect", (0, json.dumps([IMAGE]), ""))]
    works = FakeRunner(*rules)
    assert "CONTAINERS_CONF" not in podman.prepare(works, tmp_path / "a", str(binary)).environment
    again = FakeRunner()
    podman.prepare(again, tmp_path / "a", str(binary))
    assert again.calls == []

    class OnlyWithSettings(FakeRunner):
        def run(self, argv, *, env=None, **more):  # type: ignore[no-untyped-def]
            done = super().run(argv, env=env, **more)
            fails = "run" in argv and "CONTAINERS_CONF" not in (env or {})
            return type(done)(done.argv, 126, "", "Error: crun: setrlimit") if fails else done

    found = podman.prepare(OnlyWithSettings(*rules), tmp_path / "b", str(binary)).environment["CONTAINERS_CONF"]
    assert Path(found).is_relative_to(tmp_path / "b")
    assert "default_ulimits" in Path(found).read_text()


def test_a_podman_that_never_works_says_why(tmp_path: Path) -> None:
    binary = tmp_path / "podman"
    binary.touch(mode=0o755)
    runner = FakeRunner(("image inspect", (0, json.dumps([IMAGE]), "")), ("run", (126, "", "Error: crun: no cgroups")))
    with pytest.raises(EngineError) as raised:
        podman.prepare(runner, tmp_path, str(binary))
    assert raised.value.problems[0].details == "Error: crun: no cgroups"


def test_the_first_engine_that_works_is_taken(tmp_path: Path) -> None:
    def broken(*_: object) -> PodmanEngine:
        raise EngineError(Problem("broken"))

    one, runner = engine()
    assert select_engine(runner, tmp_path, engines={"a": broken, "b": lambda *_: one}) is one
    with pytest.raises(EngineError) as raised:
        select_engine(runner, tmp_path, engines={"a": broken, "b": broken})
    assert len(raised.value.problems) == 2
    with pytest.raises(UsageError):
        select_engine(runner, tmp_path, "lxc")


def test_an_owner_is_alive_only_as_the_same_process(tmp_path: Path) -> None:
    stat = "7 (a b) c) S 1 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4711 0"
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "stat").write_text(stat)
    assert start_time(7, tmp_path) == "4711"
    assert is_alive("7:4711", tmp_path)
    assert not is_alive("7:4712", tmp_path)
    assert not is_alive("8:4711", tmp_path)
    assert not is_alive("7:", tmp_path)
    assert not is_alive("x:y", tmp_path)
    (tmp_path / "7" / "stat").write_text(stat.replace(" S ", " Z "))
    assert not is_alive("7:4711", tmp_path)
    assert is_alive(owner())


def test_only_working_containers_of_our_images_and_of_no_live_build_are_leftovers() -> None:
    ours = {
        "State": "storage",
        "Command": ["buildah"],
        "Image": "localhost/saltern/base-debian-12:x",
        "Created": 1000,
        "Id": "abcdef",
    }
    earlier, later = BuildProcess(1, "", started=999), BuildProcess(2, "", started=1010)
    assert is_leftover(ours, {}, [])
    assert is_leftover(ours, {}, [later])
    assert not is_leftover(ours, {}, [later, earlier])
    assert is_leftover(ours, {}, [earlier], ["abc"])
    assert not is_leftover(ours, {}, [earlier], ["abd"])
    foreign = {**ours, "Image": "docker.io/library/0123-tmp:latest"}
    assert not is_leftover(foreign, {"org.example": "x"}, [], ["abc"])
    assert is_leftover(foreign, {"io.saltern.base.name": "debian-12"}, [])
    assert is_working_container(ours)
    assert not is_working_container({**ours, "State": "running", "Command": ["sleep"]})


@pytest.mark.parametrize(
    ("parents", "expected"),
    [
        (["init"], ("abc",)),
        (["/usr/bin/podman"], ()),
        (["buildah-oci-runtime", "/usr/bin/podman"], ()),
        (["buildah-oci-runtime", "init"], ("abc",)),
    ],
)
def test_a_step_without_its_builder_is_an_orphan(tmp_path: Path, parents: list[str], expected: tuple[str, ...]) -> None:
    bundle, proc = tmp_path / "buildah1", tmp_path / "proc"
    for folder in (bundle, tmp_path / "buildah2"):
        folder.mkdir()
    (bundle / "config.json").write_text('{"hostname": "abc"}')
    (bundle / "pid").write_text("9\n")
    for number, command in enumerate(["sh", *parents]):
        process = proc / str(9 - number)
        process.mkdir(parents=True)
        (process / "stat").write_text(f"{9 - number} (sh) S {8 - number} 7 7")
        (process / "cmdline").write_bytes(command.encode() + b"\0build\0")
    assert orphans(tmp_path, proc) == expected
