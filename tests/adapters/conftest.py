"""Real Salt with its files, keys and ports in a test's folder, and a model that it gets its pillar from."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from getpass import getuser
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml

from saltern.base.process import LocalRunner
from saltern.images.toolchain import local_site_packages
from saltern.project.inventorying import salt_modules
from tests.trees import write_tree

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "saltern"
TIMEOUT = 120
"""Seconds for one command; Salt needs 2 or 3."""

MODEL = {
    "nodes/web01.cloud.yml": """
        classes: [app, "role.${kind}"]
        environment: prod
        parameters: {secret: of-web01}
        """,
    "nodes/db01.cloud.yml": "environment: prod\napplications: [mysql]\nparameters: {secret: of-db01}\n",
    "nodes/bad.cloud.yml": "parameters: {x: '${nothing}'}\n",
    "classes/app.yml": "applications: [ntp]\nparameters: {kind: web}\n",
    "classes/role/web.yml": "applications: [nginx]\nparameters: {nginx: {port: 80, name: é}}\n",
}


@dataclass(frozen=True)
class Salt:
    """Salt's commands with a configuration of their own."""

    folder: Path
    site: Path
    ports: tuple[int, int]

    @property
    def model(self) -> Path:
        return self.folder / "model"

    @property
    def options(self) -> dict[str, Any]:
        """Of both adapters."""
        return {"model": str(self.model), "command": str(Path(sys.executable).with_name("saltern"))}

    def configure(self, minion: str, **more: Any) -> Salt:
        """Write the configuration of a master and of a minion of this name, which also works without the master."""
        modules = [str(salt_modules())]
        adapters = {
            "pillar_dirs": modules,
            "top_dirs": modules,
            "ext_pillar": [{"saltern": self.options}],
            "master_tops": {"saltern": self.options},
            **more,
        }
        shared = {"transport": "tcp", "root_dir": str(self.folder), "user": getuser(), "log_level": "error"}
        (self.folder / "states").mkdir(exist_ok=True)
        for name in ("ntp", "nginx", "mysql"):
            (self.folder / "states" / f"{name}.sls").write_text(f"{name}:\n  test.nop\n")
        roots = {"file_roots": {"prod": [str(self.folder / "states")], "base": [str(self.folder / "states")]}}
        master = {
            "interface": "127.0.0.1",
            "publish_port": self.ports[0],
            "ret_port": self.ports[1],
            "auto_accept": True,
            "worker_threads": 2,
            "pki_dir": "pki/master",
            "cachedir": "cache/master",
            "sock_dir": str(self.folder / "sock"),
        }
        client = {
            "id": minion,
            "master": "127.0.0.1",
            "publish_port": self.ports[0],
            "master_port": self.ports[1],
            "pki_dir": "pki/minion",
            "cachedir": "cache/minion",
            "sock_dir": str(self.folder / "sock-minion"),
        }
        self._write("master", {**shared, **roots, **adapters, **master})
        self._write("minion", {**shared, **roots, **adapters, **client})
        return self

    def call(self, *words: str, local: bool = True) -> Any:
        """What ``salt-call`` answers; with ``local`` there is no master."""
        where = ["--local"] if local else ["--retcode-passthrough"]
        argv = self._argv("salt_call", *where, "--out=json", *words)
        done = subprocess.run(argv, capture_output=True, text=True, timeout=TIMEOUT, check=False)
        assert done.stdout, done.stderr
        return json.loads(done.stdout)["local"]

    def ask(self, *words: str) -> Any:
        """What the minion answers to the master's ``salt``; None when it is not there."""
        argv = self._argv("salt_main", "--out=json", "--static", "--timeout=5", "*", *words)
        done = subprocess.run(argv, capture_output=True, text=True, timeout=TIMEOUT, check=False)
        answers = json.loads(done.stdout) if done.stdout.startswith("{") else {}
        return next(iter(answers.values()), None)

    @contextmanager
    def master(self) -> Iterator[None]:
        """A real master, which takes every minion's key."""
        with self._daemon("salt_master", self._listens):
            yield

    @contextmanager
    def minion(self) -> Iterator[None]:
        """A real minion of that master."""
        with self._daemon("salt_minion", lambda: self.ask("test.ping") is True):
            yield

    @contextmanager
    def _daemon(self, command: str, is_ready: Callable[[], bool]) -> Iterator[None]:
        log = self.folder / f"{command}.log"
        with log.open("w") as out:
            process = subprocess.Popen(
                self._argv(command), stdout=out, stderr=subprocess.STDOUT, start_new_session=True
            )
            try:
                end = time.monotonic() + TIMEOUT
                while not is_ready():
                    if process.poll() is not None or time.monotonic() > end:
                        pytest.fail(f"{command} did not start:\n{log.read_text()}")
                    time.sleep(0.2)
                yield
            finally:
                process.terminate()
                with suppress(subprocess.TimeoutExpired):
                    process.wait(20)
                with suppress(ProcessLookupError):  # what is left of its own process group
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.ports[1]), timeout=1).close()
        except OSError:
            return False
        return True

    def _argv(self, command: str, *words: str) -> list[str]:
        start = f"import sys; sys.path.insert(0, {str(self.site)!r}); sys.argv[0] = {command!r}; "
        start += f"from salt.scripts import {command}; {command}()"
        return [sys.executable, "-I", "-S", "-B", "-c", start, "-c", str(self.folder / "etc"), *words]

    def _write(self, name: str, config: Mapping[str, Any]) -> None:
        path = self.folder / "etc" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump(config))


def _free_ports() -> tuple[int, int]:
    with socket.socket() as first, socket.socket() as second:
        for one in (first, second):
            one.bind(("127.0.0.1", 0))
        return first.getsockname()[1], second.getsockname()[1]


@pytest.fixture
def salt() -> Iterator[Salt]:
    site = local_site_packages(LocalRunner(), CACHE)
    with TemporaryDirectory(prefix="saltern-") as folder:  # not tmp_path: the paths of its sockets must be short
        salt = Salt(Path(folder), site, _free_ports())
        write_tree(salt.model, MODEL)
        yield salt
