"""Formulas that were not written for containers become a running cloud, unmodified; and what is killed goes on."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from saltern.images.engine import LABEL_OWNER, Engine

from .driver import ROOT, Cloud, build_processes, eventually, free_port, substitute

HERE = ROOT / "tests" / "e2e"
PASSWORD = "example-redis-password"


def copy_of_model(engine: Engine, folder: Path, name: str) -> Cloud:
    """tests/e2e/model with its formulas under another name and on other ports."""
    shutil.copytree(HERE / "model", folder / "model")
    shutil.copytree(HERE / "formulas", folder / "formulas")
    shop, redis = free_port(), free_port()
    substitute(folder / "model/saltern.yml", "cloud: foreign", f"cloud: {name}")
    substitute(folder / "model/nodes/web.yml", "127.0.0.1:18080", f"127.0.0.1:{shop}")
    substitute(folder / "model/nodes/cache.yml", "127.0.0.1:16379", f"127.0.0.1:{redis}")
    return Cloud(name, folder / "model", folder / "state", engine, {"shop": shop, "redis": redis})


@pytest.fixture(scope="module")
def foreign(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    found = copy_of_model(engine, tmp_path_factory.mktemp("foreign"), f"e2e-foreign-{engine.name}")
    found.clean()
    try:
        yield found
    finally:
        found.clean()


def get(cloud: Cloud, host: str, path: str = "/") -> httpx.Response:
    return httpx.get(f"http://127.0.0.1:{cloud.ports['shop']}{path}", headers={"Host": host}, trust_env=False)


def redis(cloud: Cloud, *words: str) -> str:
    """What Redis answers to commands, over the published port."""
    with socket.create_connection(("127.0.0.1", cloud.ports["redis"]), timeout=10) as connection:
        connection.sendall("".join(f"{word}\r\n" for word in (f"AUTH {PASSWORD}", *words, "QUIT")).encode())
        answer = b""
        while received := connection.recv(4096):
            answer += received
    return answer.decode()


def assert_serving(cloud: Cloud) -> None:
    assert get(cloud, "shop.example.org").text == "<title>The shop</title>\n"
    assert get(cloud, "blog").text == "<title>The blog</title>\n"
    assert get(cloud, "unknown").text == "<title>The shop</title>\n"  # the default site of the package is gone
    assert "hello from salt" in redis(cloud, "GET greeting")
    assert "unknown command" in redis(cloud, "FLUSHALL")


def test_killed_at_any_moment_the_next_up_goes_on(engine: Engine, tmp_path: Path) -> None:
    """One cloud from nothing, killed again and again on its way up."""
    cloud = copy_of_model(engine, tmp_path, f"e2e-kill-{engine.name}")
    cloud.clean()
    cloud.forget_images()  # a build of an earlier run would be over before it could be killed
    substitute(cloud.model / "nodes/web.yml", "parameters:", "parameters:\n  nginx: {extra_packages: [tree]}")
    moments: list[dict[str, Any]] = [
        {"stage": "compile", "state": "started"},
        {"stage": "build", "state": "progress", "subject": "nginx"},
        {"stage": "config", "state": "started"},
        {"stage": "start", "state": "started", "subject": "cache"},
        {"stage": "job", "state": "started"},
    ]
    reached = []
    try:
        for moment in moments:
            with cloud.started("up") as running:
                if running.wait_for(lambda event: moment.items() <= event.items()):  # noqa: B023 - used at once
                    reached.append(moment["stage"])
                else:
                    assert running.wait() == 0, "".join(running.lines)
                running.kill()
        cloud.saltern("up")
        assert_serving(cloud)
        assert {"config", "start", "job"} <= set(reached)  # the others only where nothing was cached
        assert eventually(lambda: not [c for c in engine.containers(LABEL_OWNER) if is_dead(c.labels[LABEL_OWNER])])
        assert cloud.jobs() == []
        assert len(cloud.containers()) == 2
        assert eventually(lambda: not build_processes([str(cloud.state)]))
        assert str(tmp_path) not in mounts_of_this_machine()
        assert not list(cloud.own_state.rglob(".new-*"))
        assert "Nothing to do" in cloud.saltern("up").stdout
    finally:
        cloud.clean()
    assert cloud.left() == {"containers": [], "networks": [], "volumes": []}


def is_dead(owner: str) -> bool:
    return not Path("/proc", owner.partition(":")[0]).exists()


def mounts_of_this_machine() -> str:
    return Path("/proc/self/mountinfo").read_text()


def test_they_work_unmodified(foreign: Cloud) -> None:
    done = foreign.saltern("up")
    assert PASSWORD not in done.stdout + done.stderr
    assert_serving(foreign)


def test_second_up_does_nothing(foreign: Cloud) -> None:
    foreign.up()
    before = foreign.containers()
    assert "Nothing to do" in foreign.saltern("up").stdout
    assert foreign.containers() == before


def test_a_changed_page_is_served_without_a_build(foreign: Cloud) -> None:
    foreign.up()
    before = foreign.processes()
    substitute(foreign.model / "classes/app/web.yml", "The blog", "A new blog")
    foreign.up()
    after = foreign.processes()
    assert get(foreign, "blog").text == "<title>A new blog</title>\n"
    assert after["cache"] == before["cache"]
    assert after["web"][1] == before["web"][1]
    substitute(foreign.model / "classes/app/web.yml", "A new blog", "The blog")


def test_down_and_up_bring_the_same_back_with_its_data(foreign: Cloud) -> None:
    foreign.up()
    redis(foreign, "SET visitors 42")
    foreign.saltern("down")
    foreign.up()
    assert_serving(foreign)
    assert "42" in redis(foreign, "GET visitors")


def test_a_package_that_does_not_exist_is_told_with_its_state(foreign: Cloud) -> None:
    node = foreign.model / "nodes/web.yml"
    original = node.read_text()
    substitute(node, "parameters:", "parameters:\n  nginx: {extra_packages: [no-such-package]}")
    try:
        done = foreign.saltern("build", "web", code=6)
    finally:
        node.write_text(original)
    assert "nginx_package" in done.stderr
    assert "no-such-package" in done.stderr
    assert foreign.left()["containers"] == [] or len(foreign.containers()) == 2


def test_a_process_that_ends_at_once_shows_its_last_words(foreign: Cloud) -> None:
    foreign.up()
    template = foreign.model.parent / "formulas/nginx/nginx/files/vhost.conf.jinja"
    original = template.read_text()
    substitute(template, "index index.html;", "no_such_directive on;")
    try:
        done = foreign.saltern("up", code=10)
    finally:
        template.write_text(original)
    assert "no_such_directive" in done.stderr
    foreign.up()
    assert_serving(foreign)
