"""``saltern.yml`` (settings of the whole model) and ``parameters.saltern`` (what a node becomes) as frozen values."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from saltern.base import yamlmarks
from saltern.base.errors import ModelError, Problem
from saltern.base.schema import Locate, check, load_schema
from saltern.model.allow import Allowance
from saltern.model.location import SYSTEM, Given, check_location, config_file

FILE = "saltern.yml"

BUILT_IN_BASES: Mapping[str, Mapping[str, str]] = {
    "debian-12": {"bootstrap": "bookworm"},
    "debian-13": {"bootstrap": "trixie"},
}


@dataclass(frozen=True, slots=True)
class FormulaSetting:
    """Where one formula comes from: a ``path``, or ``git`` with an optional ``ref``."""

    name: str
    path: str = ""
    git: str = ""
    ref: str = ""
    compat: str = ""


@dataclass(frozen=True, slots=True)
class BackupSettings:
    """How backups are kept: for which age recipients, how many, and where ("": in the cloud's state)."""

    recipients: tuple[str, ...] = ()
    keep: int = 7
    folder: str = ""


@dataclass(frozen=True, slots=True)
class KubernetesSettings:
    """What all objects of a cloud on Kubernetes have in common."""

    context: str = ""
    """Of the kubeconfig; "": its current one."""
    namespace: str = ""
    """"": the cloud's name."""
    storage_class: str = ""
    shared_storage_class: str = ""
    storage: str = "10Gi"
    pull_secrets: tuple[str, ...] = ()
    ingress_class: str = ""


@dataclass(frozen=True, slots=True)
class OperateSettings:
    """What ``saltern operate`` may carry out without an approval, and whether it takes back what fails."""

    automatic: tuple[str, ...] = ("config",)
    """Kinds of plans; see :class:`saltern.plan.policy.Kind`."""
    auto_rollback: bool = True


@dataclass(frozen=True)
class Settings:
    """The content of ``saltern.yml``; see ``docs/reference/settings.md``."""

    cloud: str
    target: str = "compose"
    """Where it runs: ``compose`` or ``kubernetes``."""
    engine: str = ""
    registry: str = ""
    source: str = ""
    bases: Mapping[str, Mapping[str, str]] = field(default_factory=lambda: BUILT_IN_BASES)
    formulas: tuple[FormulaSetting, ...] = ()
    allowed: tuple[Allowance, ...] = ()
    """Warnings that shall not be shown."""
    inventory: Mapping[str, Given] = field(default_factory=dict)
    """What wins over ``reclass-config.yml``."""
    backup: BackupSettings = field(default_factory=BackupSettings)
    kubernetes: KubernetesSettings = field(default_factory=KubernetesSettings)
    operate: OperateSettings = field(default_factory=OperateSettings)


@dataclass(frozen=True, slots=True)
class Publish:
    """A port of a node that is reachable at ``address`` (IPv4 and port) of the machine."""

    port: int
    address: str
    name: str = ""
    host: str = ""
    """DNS name of its Ingress on Kubernetes."""


@dataclass(frozen=True, slots=True)
class KubernetesNode:
    """What only Kubernetes needs to know of a node."""

    every_machine: bool = False
    host_network: bool = False
    node_selector: Mapping[str, str] = field(default_factory=dict)
    storage: Mapping[str, str] = field(default_factory=dict)
    """Name of a volume → size of its claim."""


@dataclass(frozen=True)
class NodeSettings:
    """The content of ``parameters.saltern`` of one node."""

    target: str = "compose"
    base: str = "debian-12"
    image: str = ""
    publish: tuple[Publish, ...] = ()
    grains: Mapping[str, Any] = field(default_factory=dict)
    memory: str = ""
    replicas: int = 1
    kubernetes: KubernetesNode = field(default_factory=KubernetesNode)


def _is_address(text: str) -> bool:
    host, _, port = text.rpartition(":")
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        return False
    return 0 < int(port) < 65536


def find_model(start: Path) -> Path | None:
    """The nearest folder upwards from ``start`` that is a model, or where the reference looks besides: home and /etc.

    A model has ``nodes/`` and ``classes/``, or a file that says where they are.
    """
    for folder in (start, *start.parents):
        if (folder / "nodes").is_dir() and (folder / "classes").is_dir():
            return folder
        if config_file(folder) or (folder / FILE).is_file():
            return folder
    return next((folder for folder in (Path.home(), *SYSTEM) if config_file(folder)), None)


def load_settings(root: Path) -> Settings:
    """Settings of the model at ``root``, defaults where it has no ``saltern.yml``; raises ModelError."""
    path = root / FILE
    default = "".join(c if c.isalnum() else "-" for c in root.resolve().name.lower()).strip("-") or "cloud"
    if not path.exists():
        return Settings(cloud=default)
    try:
        document = yamlmarks.read(path)
    except yamlmarks.WrongYamlError as error:
        raise ModelError(error.problem) from error
    raw = document.data if document.data is not None else {}
    problems = [d.as_problem() for d in document.duplicates]
    problems += check(raw, load_schema("saltern.model", "settings"), FILE, lambda at: (document.place(at),))
    if not problems:
        inventory = raw.get("inventory") or {}
        problems = [*_contradictions(raw, document), *check_location(inventory, document, ("inventory",))]
    if problems:
        raise ModelError(problems)
    formulas = tuple(FormulaSetting(**item) for item in raw.get("formulas") or ())
    bases = {**BUILT_IN_BASES, **(raw.get("bases") or {})}
    allowed = tuple(Allowance(**item) for item in (raw.get("check") or {}).get("allow") or ())
    location = {key: Given(value, document.place(("inventory", key))) for key, value in inventory.items()}
    own = {name: value for name, value in raw.items() if name != "check"}
    kept = raw.get("backup") or {}
    backup = BackupSettings(**{**kept, "recipients": tuple(kept.get("recipients") or ())})
    cluster = raw.get("kubernetes") or {}
    kubernetes = KubernetesSettings(**{**cluster, "pull_secrets": tuple(cluster.get("pull_secrets") or ())})
    operate = dict(raw.get("operate") or {})
    if "automatic" in operate:
        operate["automatic"] = tuple(operate["automatic"])
    read: dict[str, Any] = {"formulas": formulas, "bases": bases, "allowed": allowed, "inventory": location}
    read |= {"backup": backup, "kubernetes": kubernetes, "operate": OperateSettings(**operate)}
    return Settings(**{"cloud": default, **own, **read})


def _contradictions(raw: Mapping[str, Any], document: yamlmarks.Document) -> Iterator[Problem]:
    names: set[str] = set()
    for index, item in enumerate(raw.get("formulas") or ()):
        place = (document.place(("formulas", index)),)
        if bool(item.get("path")) == bool(item.get("git")):
            resolution = "keep the one that says where it comes from"
            yield Problem(f"formula {item['name']!r} needs exactly one of path and git", place, resolution=resolution)
        if item["name"] in names:
            yield Problem(f"formula {item['name']!r} is listed twice", place, resolution="remove one")
        names.add(item["name"])
    for name, base in (raw.get("bases") or {}).items():
        if bool(base.get("bootstrap")) == bool(base.get("image")):
            yield Problem(
                f"base {name!r} needs exactly one of bootstrap and image",
                (document.place(("bases", name)),),
                resolution="keep the one that says what it is made of",
            )


def read_node_settings(
    raw: object, what: str, bases: Mapping[str, object], locate: Locate = lambda _path: ()
) -> tuple[NodeSettings, tuple[Problem, ...]]:
    """``parameters.saltern`` of a node, and its problems (then the settings are the defaults)."""
    raw = raw if raw is not None else {}
    problems = tuple(check(raw, load_schema("saltern.model", "saltern"), what, locate))
    if problems or not isinstance(raw, Mapping):
        return NodeSettings(), problems
    if raw.get("base", "debian-12") not in bases:
        known = ", ".join(sorted(bases))
        brief = f"{what}: base {raw['base']!r} does not exist"
        return NodeSettings(), (Problem(brief, locate(("base",)), resolution=f"known: {known}"),)
    publish = tuple(Publish(**item) for item in raw.get("publish") or ())
    if wrong := [index for index, item in enumerate(publish) if not _is_address(item.address)]:
        problem = Problem(
            f"{what}: publish: {publish[wrong[0]].address} is no address of a machine",
            locate(("publish", wrong[0], "address")),
            resolution="write an IPv4 address and a port from 1 to 65535, e.g. 127.0.0.1:8080",
        )
        return NodeSettings(), (problem,)
    if publish and raw.get("replicas", 1) > 1 and raw.get("target") != "kubernetes":
        problem = Problem(
            f"{what}: {raw['replicas']} replicas cannot all be published at {publish[0].address}",
            (*locate(("publish",)), *locate(("replicas",))),
            resolution="publish the balancer in front of them instead, or remove `replicas`",
        )
        return NodeSettings(), (problem,)
    kubernetes = KubernetesNode(**(raw.get("kubernetes") or {}))
    if kubernetes.every_machine and raw.get("replicas", 1) > 1:
        problem = Problem(
            f"{what}: a node with a pod on every machine has no replicas of its own",
            (*locate(("kubernetes", "every_machine")), *locate(("replicas",))),
            resolution="remove one of `replicas` and `kubernetes: {every_machine: true}`",
        )
        return NodeSettings(), (problem,)
    return NodeSettings(**{**raw, "publish": publish, "kubernetes": kubernetes}), ()
