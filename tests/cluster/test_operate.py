"""A branch followed on a real cluster, with the account that `operate --manifests` writes and no more rights."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from ..e2e.driver import CACHE, ROOT, SALTERN, TIMEOUT, eventually, substitute
from .clouds import search_path
from .cluster import Cluster
from .conftest import AnyCluster
from .inside import push_image, served, with_registry

NAME = "e2e-operate"
ACCOUNT = "saltern-operate"


@dataclass(frozen=True)
class Followed:
    """A repository with a model of two memcached, and its cloud."""

    folder: Path
    administrator: Path
    kubeconfig: Path
    machine: str = "one"

    @property
    def repository(self) -> Path:
        return self.folder / "repository"

    def environment(self, kubeconfig: Path) -> dict[str, str]:
        own = {"XDG_STATE_HOME": str(self.folder / self.machine), "XDG_CACHE_HOME": str(CACHE)}
        return {**os.environ, "PATH": search_path(), "KUBECONFIG": str(kubeconfig), **own}

    def run(self, *argv: str, stdin: str | None = None, kubeconfig: Path | None = None) -> str:
        """A command of the administrator, or of another account."""
        done = subprocess.run(
            argv,
            env=self.environment(kubeconfig or self.administrator),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        assert done.returncode == 0, f"{argv}: {done.stdout}\n{done.stderr}"
        return done.stdout

    def kubectl(self, *words: str, stdin: str | None = None) -> str:
        return self.run("kubectl", "--namespace", NAME, *words, stdin=stdin)

    @property
    def argv(self) -> tuple[str, ...]:
        return (str(SALTERN), "operate", "--repository", str(self.repository), "--folder", "model", "--json")

    def round(self) -> dict[str, Any]:
        """One look of the account; what the ConfigMap says then."""
        self.run(*self.argv, "--once", "--engine", "podman", kubeconfig=self.kubeconfig)
        return self.status

    @property
    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.kubectl("get", "configmap", ACCOUNT, "-o", "json"))["data"]
        return found

    @property
    def helpers(self) -> list[str]:
        """Helper pods that are there to stay."""
        found = json.loads(self.kubectl("get", "pods", "-l", f"io.saltern.helper={NAME}", "-o", "json"))["items"]
        return [one["metadata"]["name"] for one in found if "deletionTimestamp" not in one["metadata"]]

    @property
    def sizes(self) -> set[str]:
        """The size of the cache that the pods have which are there to stay."""
        pods = json.loads(self.kubectl("get", "pods", "-l", "app.kubernetes.io/component=service", "-o", "json"))
        names = [one["metadata"]["name"] for one in pods["items"] if "deletionTimestamp" not in one["metadata"]]
        words = ("-c", "memcached", "--", "sed", "-n", "s/^-m //p", "/etc/memcached.conf")
        return {self.kubectl("exec", name, *words).strip() for name in names}

    def commit(self, size: int) -> str:
        """Commit another size of the cache."""
        node = self.repository / "model/nodes/memcached.yml"
        raw = yaml.safe_load(node.read_text())
        raw["parameters"]["memcached"] = {"server": {"cache_size": size}}
        node.write_text(yaml.safe_dump(raw, sort_keys=False))
        return self.git_commit(f"{size} MB")

    def git_commit(self, summary: str) -> str:
        git = ("git", "-C", str(self.repository), "-c", "user.name=Ann", "-c", "user.email=ann@localhost")
        self.run(*git, "add", "-A")
        self.run(*git, "commit", "-q", "-m", summary)
        return self.run(*git, "rev-parse", "HEAD").strip()

    def becomes(self, commit: str, state: str, seconds: float = 120) -> dict[str, Any]:
        """Wait for what is said of a commit by who follows beside us."""
        found: dict[str, Any] = {}

        def is_said() -> bool:
            found.update(self.status)
            return (found["commit"], found["state"]) == (commit, state)

        assert eventually(is_said, seconds=seconds), found
        return found

    def approve(self, plan: str) -> None:
        self.kubectl("annotate", "--overwrite", "configmap", f"{ACCOUNT}-approval", f"saltern.io/approve={plan}")


@pytest.fixture(scope="module")
def followed(cluster: AnyCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Followed]:
    """A namespace with the account; nothing runs."""
    folder = tmp_path_factory.mktemp("operate")
    model = folder / "repository/model"
    shutil.copytree(ROOT / "examples/kubernetes", model)
    for node in model.glob("nodes/*"):
        if node.stem != "memcached":
            node.unlink()
    substitute(model / "saltern.yml", "cloud: kube\n", f"cloud: {NAME}\n")
    substitute(model / "saltern.yml", "127.0.0.1:5000", cluster.registry)
    substitute(model / "nodes/memcached.yml", "  saltern:\n", "  saltern:\n    replicas: 2\n")
    made = Followed(folder, cluster.kubeconfig, folder / "account.yml")
    made.run("git", "init", "-q", "-b", "main", str(made.repository))
    made.run(str(SALTERN), "build", "--model", str(model), "--engine", "podman")
    made.git_commit("the cloud, with its package lock")
    made.run("kubectl", "create", "namespace", NAME)
    try:
        made.run(*made.argv, "--manifests", str(folder / "access"))
        made.run("kubectl", "apply", "-k", str(folder / "access"))
        _log_in(made)
        yield made
    finally:
        made.run("kubectl", "delete", "namespace", NAME, "--wait=false")


def _log_in(made: Followed) -> None:
    """Write a kubeconfig with a token of the account."""
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/service-account-token",
        "metadata": {"name": "token", "annotations": {"kubernetes.io/service-account.name": ACCOUNT}},
    }
    made.kubectl("apply", "-f", "-", stdin=json.dumps(secret))
    tokens: list[str] = []

    def is_filled() -> bool:
        data = json.loads(made.kubectl("get", "secret", "token", "-o", "json")).get("data") or {}
        tokens[:] = [base64.b64decode(data["token"]).decode()] if "token" in data else []
        return bool(tokens)

    assert eventually(is_filled)
    config = yaml.safe_load(made.run("kubectl", "config", "view", "--flatten", "-o", "json"))
    config["users"] = [{"name": one["name"], "user": {"token": tokens[0]}} for one in config["users"]]
    made.kubeconfig.touch(mode=0o600)
    made.kubeconfig.write_text(yaml.safe_dump(config))


def test_a_new_cloud_waits_and_is_brought_up_when_its_plan_is_approved(followed: Followed) -> None:
    waiting = followed.round()
    assert (waiting["state"], waiting["kinds"]) == ("waiting", "config workloads"), waiting["message"]
    words = ("plan", "--json", "--engine", "podman", "--model", str(followed.repository / "model"))
    shown = followed.run(str(SALTERN), *words)
    assert json.loads(shown)["id"] == waiting["plan"], "who approves can see the same plan"
    followed.approve(waiting["plan"])
    assert followed.round()["state"] == "done"
    assert followed.sizes == {"64"}


def test_a_change_goes_by_itself_and_another_machine_ends_what_a_killed_one_began(followed: Followed) -> None:
    commit = followed.commit(66)
    before = followed.kubectl("get", "pods", "-o", "name")
    first = subprocess.Popen(
        (*followed.argv, "--engine", "podman", "--interval", "5s"),
        env=followed.environment(followed.kubeconfig),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        changed = eventually(lambda: followed.kubectl("get", "pods", "-o", "name") != before, seconds=120)
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
    assert changed
    assert (followed.status["state"], followed.status["commit"]) == ("applying", commit)
    done = replace(followed, machine="two").round()
    assert (done["state"], done["commit"], done["attempts"]) == ("done", commit, "2")
    assert followed.sizes == {"66"}


@pytest.fixture
def inside(followed: Followed, own_cluster: Cluster) -> Iterator[Followed]:
    """The same cloud, followed by two pods of it; what they need was pushed by a machine with an engine."""
    image = push_image(followed.folder / "context", f"{own_cluster.registry}/{NAME}")
    words = ("--model", str(followed.repository / "model"), "--engine", "podman")
    followed.run(str(SALTERN), "push", *words)
    manifests = followed.folder / "inside"
    with served(followed.repository, own_cluster.host) as url:
        words = ("--repository", url, "--folder", "model", "--interval", "2s")
        followed.run(str(SALTERN), "operate", *words, "--manifests", str(manifests), "--image", image)
        with_registry(manifests / f"deployment-{ACCOUNT}.yaml", own_cluster)
        followed.run("kubectl", "apply", "-k", str(manifests))
        yield followed
        followed.kubectl("delete", "deployment", ACCOUNT)


def test_the_cluster_follows_by_itself(inside: Followed) -> None:
    commit = inside.commit(67)
    inside.becomes(commit, "done", 240)
    assert inside.sizes == {"67"}

    leader = inside.kubectl("get", "lease", ACCOUNT, "-o", "jsonpath={.spec.holderIdentity}").partition(":")[0]
    inside.kubectl("delete", "pod", leader, "--force", "--grace-period=0")
    commit = inside.commit(68)
    inside.becomes(commit, "done")
    assert inside.sizes == {"68"}
    leads = inside.kubectl("get", "lease", ACCOUNT, "-o", "jsonpath={.spec.holderIdentity}").partition(":")[0]
    assert leads != leader

    node = inside.repository / "model/nodes/memcached.yml"
    substitute(node, "replicas: 2\n", "replicas: 2\n    grains: {num_cpus: 8}\n")
    held = inside.becomes(inside.git_commit("another image"), "held")
    assert "the registry does not have" in held["message"]
    assert "saltern push" in held["message"]
    assert f"/{NAME}/memcached:" in held["missing"]
    assert inside.sizes == {"68"}
    assert inside.helpers == []
