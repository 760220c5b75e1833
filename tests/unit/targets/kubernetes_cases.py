"""Cases of ``tests/golden/kubernetes``: ``input/{cloud.yml,site.yml}`` and ``expected``, the folder that is written.

``python -m tests.unit.targets.kubernetes_cases NAME…`` writes what Saltern makes of a case; read it before you believe
it.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from saltern.formulas.metadata import Balancer, Connection
from saltern.model.settings import KubernetesNode, KubernetesSettings
from saltern.targets.kubernetes import versions
from saltern.targets.kubernetes.cloud import project
from saltern.targets.kubernetes.manifest import Manifest, files
from saltern.targets.kubernetes.site import ConfigFile, Contents, Request, Site
from saltern.targets.workload import Cloud, Workload
from tests.unit.targets.clouds import workload

GOLDEN = Path(__file__).parents[2] / "golden" / "kubernetes"
CASES = sorted(GOLDEN.iterdir())
OWN = ("balancer", "connects", "kubernetes", "reaches")


def cloud(raw: Mapping[str, Any]) -> Cloud:
    return Cloud(raw["name"], tuple(one(w) for w in raw["workloads"]))


def one(raw: Mapping[str, Any]) -> Workload:
    """A workload as the compose cases write it, with ``connects``, ``reaches``, ``balancer``, ``kubernetes``."""
    made = workload({key: value for key, value in raw.items() if key not in OWN})
    balancer = None
    if "balancer" in raw:
        hosts, listens = raw["balancer"]["members"], raw["balancer"].get("listens", {})
        said = dict.fromkeys(("drain", "idle", "enable", "ready"), ("x", "{member}"))
        balancer = Balancer({h: (h,) for h in hosts}, listens={int(p): tuple(b) for p, b in listens.items()}, **said)
    return replace(
        made,
        connects=tuple(Connection(**connection) for connection in raw.get("connects", ())),
        reaches=tuple(Connection(**connection) for connection in raw.get("reaches", ())),
        balancer=balancer,
        kubernetes=KubernetesNode(**raw.get("kubernetes", {})),
    )


def site(raw: Mapping[str, Any], version: str = "") -> Site:
    settings = raw.get("settings", {})
    return Site(
        version=versions.parse(version or raw.get("version", versions.DEFAULT)),
        namespace=raw.get("namespace", "lab"),
        settings=KubernetesSettings(**{**settings, "pull_secrets": tuple(settings.get("pull_secrets", ()))}),
        revision=raw.get("revision", ""),
        digests=raw.get("digests", {}),
        contents={name: contents(item) for name, item in raw.get("contents", {}).items()},
    )


def contents(raw: Mapping[str, Any]) -> Contents:
    requests = {key: request(item) for key, item in raw.get("requests", {}).items()}
    return Contents(**{**raw, "config": tuple(config(c) for c in raw.get("config", ())), "requests": requests})


def request(raw: Mapping[str, str]) -> Request:
    return Request({path: text.encode() for path, text in raw.items() if path != "identity"}, raw["identity"])


def config(raw: Mapping[str, Any]) -> ConfigFile:
    return ConfigFile(**{**raw, "mode": int(raw.get("mode", "0644"), 8), "content": raw.get("content", "").encode()})


def read(case: Path, version: str = "") -> tuple[Cloud, Site]:
    raw = {name: yaml.safe_load((case / "input" / f"{name}.yml").read_text()) for name in ("cloud", "site")}
    return cloud(raw["cloud"]), site(raw["site"], version)


def manifests(case: Path, version: str = "") -> tuple[Manifest, ...]:
    return project(*read(case, version))


def texts(case: Path) -> dict[str, str]:
    return {path: text for path, (text, _) in files(manifests(case), secrets=False).items()}


def write(case: Path) -> None:
    shutil.rmtree(case / "expected", ignore_errors=True)
    for path, text in texts(case).items():
        (case / "expected" / path).parent.mkdir(parents=True, exist_ok=True)
        (case / "expected" / path).write_text(text)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        write(GOLDEN / name)
