"""examples/kubernetes as a cloud of these tests: in a namespace of its own, driven by the command, under load."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from saltern.base.process import LocalRunner
from saltern.formulas.endpoints import Endpoint, Request
from saltern.images.engine.select import select_engine
from saltern.project.context import Options, open_project

from ..e2e.driver import CACHE, ROOT, SALTERN, Cloud, substitute
from ..e2e.load import Load, endpoints
from ..e2e.test_cloud import client as openstack
from . import binaries

full = pytest.mark.skipif(not os.environ.get("SALTERN_TESTS_FULL"), reason="minutes more: make test-full")
RATE = 24.0
"""Requests a second beside each rollout."""


def search_path() -> str:
    """PATH with the kubectl of the tests' own cluster first, where that is built."""
    return f"{binaries.folder() / 'bin'}:{os.environ['PATH']}"


@dataclass(frozen=True)
class ClusterCloud(Cloud):
    """A cloud in a cluster, driven by the same command."""

    kubeconfig: Path = Path()

    @property
    def environment(self) -> dict[str, str]:
        return {**super().environment, "KUBECONFIG": str(self.kubeconfig), "PATH": search_path()}

    def kubectl(self, *words: str, stdin: str = "") -> str:
        """What kubectl says of the cloud's namespace."""
        argv = ("kubectl", "--namespace", self.name, *words)
        done = subprocess.run(
            argv, env=self.environment, input=stdin, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, f"{words}: {done.stderr}"
        return done.stdout

    def pods(self) -> dict[str, str]:
        """Name → uid of the pods that run services."""
        raw = json.loads(self.kubectl("get", "pods", "-l", "app.kubernetes.io/component=service", "-o", "json"))
        return {one["metadata"]["name"]: one["metadata"]["uid"] for one in raw["items"]}

    def elsewhere(self, state: Path) -> ClusterCloud:
        """The same cloud, as another operator's machine sees it."""
        return replace(self, state=state)

    def run(self, service: str, *command: str) -> str:
        """What ``saltern exec`` says."""
        argv = (str(SALTERN), "exec", "--model", str(self.model), service, "--", *command)
        done = subprocess.run(argv, env=self.environment, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def node_of(self, pod: str) -> str:
        """The machine that a pod is on."""
        return self.kubectl("get", "pod", pod, "-o", "jsonpath={.spec.nodeName}")

    def is_well(self) -> bool:
        """Whether all processes are ready."""
        return all(one["ready"] for one in self.saltern("status", "--json", code=None).json["processes"])

    def remove(self) -> None:
        """Its namespace, with all that is in it."""
        self.kubectl("delete", "namespace", self.name, "--wait=false", "--ignore-not-found")


def made_cloud(folder: Path, kubeconfig: Path, registry: str, address: str) -> ClusterCloud:
    """A copy of the example whose public endpoints are at an address of a node; nothing is deployed."""
    model = folder / "model"
    shutil.copytree(ROOT / "examples" / "kubernetes", model)
    substitute(model / "saltern.yml", "cloud: kube\n", "cloud: e2e-kube\n")
    substitute(model / "saltern.yml", "127.0.0.1:5000", registry)
    substitute(common(model), "public_address: 127.0.0.1", f"public_address: {address}")
    for node in ("keystone", "glance"):
        substitute(model / f"nodes/{node}.yml", "127.0.0.1:", f"{address}:")
    engine = select_engine(LocalRunner(), CACHE / "saltern", "podman")
    ports = {"identity": 30500, "image": 30292}
    return ClusterCloud("e2e-kube", model, folder / "state", engine, ports, kubeconfig=kubeconfig)


def common(model: Path) -> Path:
    return model / "classes/cluster/kubernetes/init.yml"


@contextmanager
def load(cloud: ClusterCloud, address: str = "") -> Iterator[Load]:
    """A user's requests beside what the body does; ``address`` is another machine's than the model names."""
    options = Options(engine="podman", cache=CACHE / "saltern", state=cloud.state / "saltern")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", str(cloud.kubeconfig))
        found = endpoints(open_project(cloud.model, options))
    if address:
        found = tuple(_moved(one, str(urlsplit(one.base).hostname), address) for one in found)
    with Load(found, RATE) as users:
        yield users


def _moved(endpoint: Endpoint, old: str, new: str) -> Endpoint:
    def moved(requests: tuple[Request, ...]) -> tuple[Request, ...]:
        return tuple(replace(one, path=one.path.replace(f"//{old}:", f"//{new}:")) for one in requests)

    base = endpoint.base.replace(f"//{old}:", f"//{new}:")
    return replace(endpoint, base=base, requests=moved(endpoint.requests), session=moved(endpoint.session))


def assert_available(cloud: ClusterCloud, users: Load) -> None:
    """Neither the users nor the newest rollout's own probes saw a failure."""
    assert [one.failures for one in users.figures()] == [0, 0], str(users)
    for one in cloud.saltern("history", "--json").json[0]["endpoints"]:
        assert one["requests"] > 0
        assert one["failures"] == 0, one


def client(cloud: ClusterCloud) -> Any:
    return openstack(cloud, open_project(cloud.model, Options()).member("keystone").settings.publish[0].address)


def expire_tokens(cloud: ClusterCloud, seconds: int) -> None:
    """Another value of keystone, which rolls its two pods."""
    file = cloud.model / "classes/cluster/kubernetes/keystone.yml"
    classes = file.read_text().partition("parameters:")[0]
    value = f"parameters:\n  keystone:\n    server:\n      tokens:\n        expiration: {seconds}\n"
    file.write_text(classes + value)
