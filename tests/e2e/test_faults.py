"""What breaks under a running cloud or beside it: nothing is lost, `status` is true, the next `apply` converges.

One small cloud for the whole file, one engine: two web servers behind our balancer and a cache that they need. Its
state is on a small disk of its own. Each test leaves the cloud whole.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from saltern.base.process import LocalRunner
from saltern.formulas.endpoints import Endpoint, Request
from saltern.images.engine import LABEL_KEY
from saltern.images.engine.select import select_engine
from saltern.plan.steps import Act

from .driver import CACHE, ROOT, Cloud, Done, LocalRegistry, eventually, free_port, substitute
from .load import Load
from .test_foreign import get, redis

HERE = ROOT / "tests" / "e2e"
STATE_SIZE = "48m"
RATE = 12.0
"""Requests a second of a user, beside what breaks."""
STEPS = {str(act) for act in Act}
PROCESSES = {"cache", "proxy", "web-1", "web-2"}
VOLUME = "cache-var-lib-redis"


@dataclass(frozen=True)
class Lab:
    """The cloud, and what changes of it."""

    cloud: Cloud
    registry: LocalRegistry
    numbers: Iterator[int]

    def change(self, *workloads: str) -> None:
        """Give these workloads (``web``, ``cache``) a configuration that they never had; the cache a new job too."""
        file = self.cloud.model / "classes/app/numbers.yml"
        text, number = file.read_text(), next(self.numbers)
        for name in workloads:
            text = re.sub(rf"{name}_number: '\d+'", f"{name}_number: '{number}'", text)
        file.write_text(text)

    @contextmanager
    def changed(self, file: str, old: str, new: str) -> Iterator[None]:
        """A change of the model that is taken back in the end; what runs is not."""
        path = self.cloud.model / file
        original = path.read_text()
        substitute(path, old, new)
        try:
            yield
        finally:
            path.write_text(original)

    def load(self) -> Load:
        base = f"http://127.0.0.1:{self.cloud.ports['shop']}"
        return Load([Endpoint("shop", base, (Request("GET", "/", {"Host": "shop.example.org"}),))], RATE)

    def status(self) -> dict[str, Any]:
        """What `status` says, compared with the engine and the journal, which it must not differ from."""
        done = self.cloud.saltern("status", "--json", code=None)
        found: dict[str, Any] = done.json
        there = {one.name.removeprefix(f"{self.cloud.name}-"): one.state for one in self.cloud.rows()}
        for line in found["processes"]:
            assert line["state"] == there.get(line["service"], "missing"), found
            assert not line["ready"] or line["state"] == "running", found
        assert {line["service"] for line in found["processes"]} == PROCESSES
        assert done.code == (0 if all(line["ready"] for line in found["processes"]) else 10)
        last = self.lines()[-1]
        said = found["rollout"]["outcome"]
        assert said == (last["outcome"] if last["event"] == "end" else "interrupted")
        return found

    def rollouts(self) -> list[Path]:
        return sorted((self.cloud.own_state / "rollouts").iterdir())

    def lines(self) -> list[dict[str, Any]]:
        """The newest rollout's journal."""
        text = (self.rollouts()[-1] / "journal.jsonl").read_text()
        return [json.loads(line) for line in text.splitlines()]

    def apply(self, *words: str, code: int | None = 0) -> Done:
        return self.cloud.saltern("apply", "--yes", *words, code=code)

    def assert_whole(self) -> None:
        """As the model says, all of it, and nothing of what was lost on the way is left behind."""
        assert self.cloud.saltern("plan", "--json").json["steps"] == []
        status = self.status()
        assert all(line["ready"] for line in status["processes"]), status
        assert status["rollout"]["outcome"] == "done"
        assert get(self.cloud, "shop.example.org").text == "<title>The shop</title>\n"
        assert "42" in redis(self.cloud, "GET visitors")
        assert self.cloud.jobs() == []
        assert not list(self.cloud.own_state.rglob(".new-*"))


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """tests/e2e/model with what tests/e2e/faults adds, up, and with something in its cache that must not be lost."""
    folder = tmp_path_factory.mktemp("faults")
    for part in ("model", "formulas"):
        shutil.copytree(HERE / part, folder / part)
        shutil.copytree(HERE / "faults" / part, folder / part, dirs_exist_ok=True)
    ports = {"shop": free_port(), "redis": free_port()}
    substitute(folder / "model/saltern.yml", "cloud: foreign", "cloud: e2e-faults")
    for file in ("nodes/proxy.yml", "classes/app/web.yml"):
        substitute(folder / "model" / file, "127.0.0.1:18080", f"127.0.0.1:{ports['shop']}")
    substitute(folder / "model/nodes/cache.yml", "127.0.0.1:16379", f"127.0.0.1:{ports['redis']}")
    engine = select_engine(LocalRunner(), CACHE / "saltern", "podman")
    cloud = Cloud("e2e-faults", folder / "model", folder / "state", engine, ports)
    cloud.clean()
    cloud.state.mkdir()
    _run("mount", "-t", "tmpfs", "-o", f"size={STATE_SIZE}", "saltern-tests", str(cloud.state))
    registry = LocalRegistry(tmp_path_factory.mktemp("registry"), f"127.0.0.1:{free_port()}")
    registry.start()
    try:
        cloud.saltern("build")  # under names that stay, so that the next run of the tests has these images
        with (cloud.model / "saltern.yml").open("a") as settings:
            settings.write(f"registry: {registry.address}\n")
        cloud.up()
        redis(cloud, "SET visitors 42")
        yield Lab(cloud, registry, count(11))
    finally:
        cloud.clean()
        registry.stop()
        _run("umount", str(cloud.state))
        tags = [tag for image in engine.images(LABEL_KEY) for tag in image.tags]
        engine.remove_images([tag for tag in tags if tag.startswith(f"{registry.address}/")])


def _run(*argv: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, f"{argv}: {done.stderr}"


def planned(folder: Path) -> list[str]:
    """The keys of a rollout's steps."""
    return [step["key"] for step in json.loads((folder / "plan.json").read_text())["steps"]]


def started(key: str) -> str:
    """A replica that is not there is started, not rolled."""
    return key.replace("roll:", "start:")


# ---- killed


def test_killed_inside_each_step_and_after_it(lab: Lab) -> None:
    """One change, whose apply is killed in its first step, then when that step is done, then in the next …"""
    cloud = lab.cloud
    lab.change("cache", "web")
    left = [step["key"] for step in cloud.saltern("plan", "--json").json["steps"]]
    assert [key.split("-after")[0] for key in left] == [
        *("start:cache", "job:cache", "verify:cache", "roll:web-1", "roll:web-2", "verify:web"),
    ]
    everything, done, kills = tuple(left), set[str](), 0
    with lab.load() as users:
        while left:
            state = ("started", "done")[kills % 2]
            with cloud.started("apply", "--yes") as running:
                assert running.wait_for(lambda e: e["stage"] in STEPS and e["state"] == state)  # noqa: B023 - used at once
                running.kill()
            kills += 1
            newest = lab.rollouts()[-1]
            assert {started(key) for key in planned(newest)} <= {started(key) for key in left}, "nothing is done twice"
            rollout = lab.status()["rollout"]
            done |= {started(line["step"]) for line in lab.lines() if line["event"] == "done"}
            left = [key for key in everything if started(key) not in done]
            assert rollout["outcome"] == "interrupted" or not left
            if state == "started":
                assert rollout["open_steps"] == planned(newest)[:1], "it was killed in its first step"
        lab.apply()
    assert [one.failures for one in users.figures()] == [0], str(users)
    assert kills >= 2 * len(everything) - 2
    assert eventually(lambda: not cloud.helpers_of_the_dead())
    lab.assert_whole()


def test_containers_that_die_in_the_middle(lab: Lab) -> None:
    """The replica that is being rolled is killed, then the one that serves beside it."""
    cloud = lab.cloud
    lab.change("web")
    name, old = f"{cloud.name}-web-1", cloud.processes()["web-1"][0]
    with lab.load() as users, cloud.started("apply", "--yes") as running:
        assert running.wait_for(lambda e: (e["stage"], e["subject"]) == ("roll", "web-1"))
        assert eventually(lambda: any(one.name == name and one.id != old for one in cloud.rows()))
        cloud.kill("web-1")
        running.wait()
    assert [one.failures for one in users.figures()] == [0], str(users)
    lab.status()

    lab.change("web")
    with cloud.started("apply", "--yes") as running:
        assert running.wait_for(lambda e: e["subject"] == "web-1")  # started, where podman left it dead, else rolled
        cloud.kill("web-2")
        running.wait()
    lab.status()
    lab.apply()
    lab.assert_whole()


def test_a_monitor_of_a_container_that_dies(lab: Lab) -> None:
    """podman has no daemon: a process of its own, conmon, looks after each container."""
    cloud = lab.cloud
    pid = int(cloud.call("inspect", "--format", "{{.State.ConmonPid}}", f"{cloud.name}-web-2"))
    os.kill(pid, 9)
    assert eventually(lambda: not Path("/proc", str(pid)).exists())
    [line] = [line for line in lab.status()["processes"] if line["service"] == "web-2"]
    assert (line["state"], line["ready"]) == ("dead", False), "its process went with it, and podman does not know"
    with lab.load() as users:
        lab.change("web")
        lab.apply()
    assert [one.failures for one in users.figures()] == [0], str(users)
    lab.assert_whole()


# ---- what is missing


def test_lost_data_is_never_silent(lab: Lab) -> None:
    cloud = lab.cloud
    cloud.call("rm", "--force", f"{cloud.name}-cache")
    cloud.call("volume", "rm", f"{cloud.name}-{VOLUME}")
    [line] = [line for line in lab.status()["processes"] if line["service"] == "cache"]
    assert line["why"] == f"its container is gone, and its data: there is no volume {cloud.name}-{VOLUME}"
    plan = cloud.saltern("plan", "--json").json
    assert any(note.startswith("cache: its data is gone") and VOLUME in note for note in plan["notes"]), plan["notes"]
    reasons = {step["act"]: step["reason"] for step in plan["steps"] if step["workload"] == "cache"}
    assert reasons["start"] == "is not there"
    assert VOLUME in reasons["job"]
    lab.apply()
    assert "hello from salt" in redis(cloud, "GET greeting")
    redis(cloud, "SET visitors 42")
    lab.assert_whole()


def test_without_the_registry_nothing_changes_and_then_it_goes_on(lab: Lab) -> None:
    cloud = lab.cloud
    before = cloud.containers()
    group = f"new-{secrets.token_hex(8)}"  # no other cloud of this machine has its image
    with (cloud.model.parent / "formulas/redis/redis/server.sls").open("a") as formula:
        formula.write(f"\n{group}:\n  group.present: []\n")
    [tag] = cloud.saltern("push", "cache", "--json").json
    cloud.engine.remove_images([tag])
    with lab.registry.away():
        for words in (("plan",), ("apply", "--yes"), ("push", "cache")):
            done = cloud.saltern(*words, code=8)
            assert f"the registry {lab.registry.address} cannot be reached" in done.stderr
        assert cloud.containers() == before
        assert lab.status()["rollout"]["outcome"] == "done"
    [image] = cloud.saltern("plan", "--json").json["images"]
    assert (image["new"], image["action"]) == (tag, "pulled")
    lab.apply()
    lab.assert_whole()


# ---- a plan, twice; a clock that jumps


def test_a_plan_is_done_once_and_no_clock_matters(lab: Lab, tmp_path: Path) -> None:
    cloud, file = lab.cloud, str(tmp_path / "change.plan")
    for journal in (cloud.own_state / "rollouts").glob("*/journal.jsonl"):
        journal.write_text(re.sub(r'"at": "20\d\d', '"at": "2099', journal.read_text()))
    for path in cloud.own_state.rglob("*"):
        os.utime(path, (4e9, 4e9), follow_symlinks=False)
    number = int(lab.rollouts()[-1].name)
    lab.change("cache")
    cloud.saltern("plan", "--out", file)
    cloud.saltern("apply", file)
    lab.assert_whole()
    before = cloud.containers()
    done = cloud.saltern("apply", file, code=14)
    assert "no more the one that was shown" in done.stderr
    assert cloud.containers() == before
    history = cloud.saltern("history", "--json").json
    assert [one["number"] for one in history] == sorted((one["number"] for one in history), reverse=True)
    assert (history[0]["number"], history[0]["outcome"]) == (number + 1, "done")
    assert history[0]["begun"] < history[1]["begun"]
    assert 0 < history[0]["seconds"] < 600
    assert lab.status()["rollout"]["number"] == number + 1


# ---- a migration that fails


def test_a_migration_that_fails_stops_there_and_goes_on_when_it_is_corrected(lab: Lab) -> None:
    """nginx of Debian 12 → 13, for good; the stages count themselves in Redis."""
    cloud = lab.cloud
    before = cloud.processes()
    failing = "echo no room for the new column; exit 3"
    substitute(cloud.model / "nodes/web.yml", "  saltern:\n", "  saltern:\n    base: debian-13\n")
    with lab.load() as users:
        with lab.changed("classes/app/web.yml", "expand: 'true'", f"expand: '{failing}'"):
            done = lab.apply(code=10)
        assert "'grow more' ended with 3" in done.stderr
        assert "no room for the new column" in done.stderr
        assert cloud.processes() == before, "the old replicas serve"
        assert lab.status()["rollout"]["outcome"] == "failed"
        assert counted(cloud) == (1, 1, 0)

        cloud.saltern("rollback", "--yes")
        assert cloud.processes() == before
        assert lab.status()["rollout"]["outcome"] == "done"

        with lab.changed("classes/app/web.yml", "migrate: 'true'", f"migrate: '{failing}'"):
            done = lab.apply(code=10)
        assert "'move' ended with 3" in done.stderr
        assert lab.status()["rollout"]["outcome"] == "failed"
        assert counted(cloud) == (2, 2, 1), "it was taken back, so it is done from its beginning"
        after = cloud.processes()
        assert not {before[name] for name in ("web-1", "web-2")} & {*after.values()}

        lab.apply()
        assert counted(cloud) == (2, 2, 2), "what was done is not done again"
    assert [one.failures for one in users.figures()] == [0], str(users)
    assert cloud.processes() == after, "nothing was rolled again"
    lab.assert_whole()


def counted(cloud: Cloud) -> tuple[int, ...]:
    """How often the stages were begun: the first of expand, the second, migrate."""
    said = redis(cloud, "MGET grown grown-more moved").split("*3\r\n")[1]
    return tuple(int(one or 0) for one in re.findall(r"\$(?:-1|\d+\r\n(\d+))", said))


# ---- a full disk


def test_a_full_disk_does_nothing_by_halves(lab: Lab) -> None:
    cloud = lab.cloud
    before = cloud.containers()
    lab.change("cache", "web")
    with filled(cloud.state):
        done = lab.apply(code=None)
        assert "No space left on device" in done.stderr, str(done)
        assert "has a defect" not in done.stderr
        assert done.code in (9, 10)
        assert cloud.containers() == before
        lab.status()
    with cloud.started("apply", "--yes") as running:
        assert running.wait_for(lambda e: (e["stage"], e["state"]) == ("start", "started"))
        with filled(cloud.state):
            assert running.wait() == 10
            assert "No space left on device" in "".join(running.lines)
            assert lab.status()["rollout"]["outcome"] == "interrupted"
    lab.apply()
    lab.assert_whole()


@contextmanager
def filled(folder: Path) -> Iterator[None]:
    """No room is left in its file system, to the last byte."""
    file = folder / "filling"
    with file.open("wb", buffering=0) as filling:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while filling.write(b"\0" * size):
                    pass
            except OSError:
                continue
    try:
        yield
    finally:
        file.unlink()
