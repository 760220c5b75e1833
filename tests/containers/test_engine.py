from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from saltern.base.errors import EngineError
from saltern.images.base import Base
from saltern.images.engine import LABEL_OWNER, Engine, Mount, RunSpec

from .conftest import CACHE

CHILD = """
import sys
from pathlib import Path
from saltern.base.process import LocalRunner
from saltern.images.engine import RunSpec
from saltern.images.engine.select import select_engine
engine = select_engine(LocalRunner(), Path(sys.argv[1]), sys.argv[2])
labels = {"io.saltern.test": sys.argv[4]}
if sys.argv[4] == "open":
    pipe = engine.open(RunSpec(sys.argv[3], ("cat",), labels=labels))
    pipe.send("ready")
    print(pipe.receive(), flush=True)
    pipe.receive()
else:
    engine.run(RunSpec(sys.argv[3], ("sh", "-c", "echo ready; sleep 300"), labels=labels),
               on_line=lambda line: print(line, flush=True))
"""


def start_child(engine: Engine, image: str, kind: str) -> subprocess.Popen[str]:
    argv = [sys.executable, "-c", CHILD, str(CACHE), engine.name, image, kind]
    child = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline().strip() == "ready"
    return child


def end_child(child: subprocess.Popen[str], number: signal.Signals) -> None:
    os.kill(child.pid, number)
    child.wait(timeout=30)
    assert child.stdout is not None
    child.stdout.close()


def eventually(check: Callable[[], bool], seconds: float = 15) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if check():
            return True
        time.sleep(0.1)
    return False


def test_a_helper_gets_its_input_and_environment_and_gives_its_output_and_return_code(
    engine: Engine, base: Base
) -> None:
    lines: list[str] = []
    spec = RunSpec(
        base.tag,
        ("sh", "-c", "cat; echo $K; id -u; hostname; touch /run/x; touch /x; exit 3"),
        environment={"K": "value with spaces"},
        hostname="helper",
        tmpfs=("/run",),
        read_only=True,
        capabilities=(),
        user="65534:65534",
    )
    done = engine.run(spec, stdin="from stdin\n", on_line=lines.append)
    assert done.returncode == 3
    assert done.stdout.splitlines() == ["from stdin", "value with spaces", "65534", "helper"]
    assert "from stdin" in lines


def test_a_helper_has_no_network_unless_asked(engine: Engine, base: Base) -> None:
    script = ("sh", "-c", "ls /sys/class/net")
    assert engine.run(RunSpec(base.tag, script)).stdout.split() == ["lo"]
    assert "eth0" in engine.run(RunSpec(base.tag, script, network="bridge")).stdout.split()


def test_host_paths_volumes_and_images_are_mounted(engine: Engine, base: Base, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("from the host")
    engine.create_volume("saltern-test-volume", {"io.saltern.test": "volume"})
    engine.create_volume("saltern-test-volume", {"io.saltern.test": "volume"})
    try:
        assert engine.volumes("io.saltern.test=volume") == ("saltern-test-volume",)
        mounts = (
            Mount(str(tmp_path), "/host"),
            Mount("saltern-test-volume", "/data", read_only=False),
            Mount(base.tag, "/mnt", image=True),
        )
        script = "cat /host/file; touch /data/x; ls /mnt/etc/debian_version; touch /host/y || touch /mnt/y"
        done = engine.run(RunSpec(base.tag, ("sh", "-c", script), mounts=mounts))
        assert done.stdout.startswith("from the host/mnt/etc/debian_version")
        assert done.stderr.count("Read-only file system") == 2
    finally:
        engine.remove_volumes(["saltern-test-volume", "saltern-test-none"])
    assert engine.volumes("io.saltern.test=volume") == ()


def test_a_conversation_leaves_no_container(engine: Engine, base: Base) -> None:
    pipe = engine.open(RunSpec(base.tag, ("cat",), labels={"io.saltern.test": "talk"}))
    pipe.send("hello")
    assert pipe.receive() == "hello"
    [container] = engine.containers("io.saltern.test=talk")
    assert (container.state, container.image) == ("running", base.tag)
    assert pipe.close().returncode == 0
    assert eventually(lambda: not engine.containers("io.saltern.test=talk"))


def test_a_helper_that_takes_too_long_is_removed(engine: Engine, base: Base) -> None:
    done = engine.run(RunSpec(base.tag, ("sleep", "300"), labels={"io.saltern.test": "late"}), timeout=2)
    assert done.returncode == 124
    assert engine.containers("io.saltern.test=late") == ()


@pytest.mark.parametrize("spec", [RunSpec("localhost/saltern/none:1", ("true",))], ids=["no image"])
def test_what_the_engine_refuses_is_an_error(engine: Engine, spec: RunSpec) -> None:
    with pytest.raises(EngineError):
        engine.run(spec)


def test_a_command_that_does_not_exist_is_an_error(engine: Engine, base: Base) -> None:
    with pytest.raises(EngineError) as raised:
        engine.run(RunSpec(base.tag, ("/no/such",)))
    assert "not installed" not in str(raised.value)


def test_ctrl_c_removes_the_helper(engine: Engine, base: Base) -> None:
    child = start_child(engine, base.tag, "interrupt")
    end_child(child, signal.SIGINT)
    assert engine.containers("io.saltern.test=interrupt") == ()


def test_a_conversation_ends_when_saltern_is_killed(engine: Engine, base: Base) -> None:
    child = start_child(engine, base.tag, "open")
    end_child(child, signal.SIGKILL)
    assert eventually(lambda: not engine.containers("io.saltern.test=open"))


def test_the_helper_of_a_killed_saltern_is_swept_and_that_of_a_live_one_is_not(engine: Engine, base: Base) -> None:
    live = engine.open(RunSpec(base.tag, ("cat",), labels={"io.saltern.test": "live"}))
    live.send("x")
    live.receive()
    child = start_child(engine, base.tag, "orphan")
    end_child(child, signal.SIGKILL)
    [orphan] = engine.containers("io.saltern.test=orphan")
    assert orphan.labels[LABEL_OWNER].startswith(f"{child.pid}:")
    assert orphan.name in engine.sweep()
    assert engine.containers("io.saltern.test=orphan") == ()
    assert len(engine.containers("io.saltern.test=live")) == 1
    live.close()


def test_removing_what_does_not_exist_is_no_error(engine: Engine) -> None:
    engine.remove_containers(["saltern-test-none"])
    engine.remove_images(["localhost/saltern/none:1"])
    assert engine.image("localhost/saltern/none:1") is None
    assert engine.address("saltern-test-none") == ""
