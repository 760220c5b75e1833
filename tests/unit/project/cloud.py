"""A cloud whose rendering is a few lines of Python, and whose engine is in memory; all else is real.

Each node renders ``/etc/NAME.conf`` from its parameter ``conf``, a line per key. Its parameter ``image`` is the key of
its image, ``image_name`` an image that it shares with others, ``version`` the version of its package. It has one check,
and needs what its parameter ``needs`` lists. With ``reloads`` its file is in ``/etc/NAME.d``, and its process takes
that over while it runs; ``fixed`` is then the text of another file, ``/etc/NAME.fixed``. With ``fresh`` it has the
``RULES``, and a job beside its process; with ``staged`` the ``STAGES``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

import pytest
import yaml

from saltern.base.process import Completed, LocalRunner
from saltern.base.store import canonical, digest, write_atomically
from saltern.formulas.metadata import Check, Volume
from saltern.formulas.worker import ApplyResult, ChangedFile
from saltern.images.build import Action, Built
from saltern.images.engine import RunSpec
from saltern.images.packages import LockedImage, PackageLock, write_lock
from saltern.images.process import Accounts
from saltern.project import drifting, planning
from saltern.project.building import Imaged
from saltern.project.compiling import Compiled
from saltern.project.configuring import ANSWER, MASKED, Configured, masked_texts
from saltern.project.context import Options, Project, open_project
from saltern.project.rendering import COMPOSE_FILE, Rendered, ledger_of
from saltern.project.revealing import Revealer
from saltern.targets import compose
from saltern.targets.kubernetes import cloud as kubernetes
from saltern.targets.kubernetes import versions
from saltern.targets.kubernetes.site import ConfigFile, Contents, Site
from saltern.targets.kubernetes.units import flat, units
from saltern.targets.workload import Cloud, ConfigMount, Job, Workload
from tests.trees import write_tree
from tests.unit.project.compiled import Nodes
from tests.unit.rollout.fakes import FakeEngine
from tests.unit.rollout.kubernetes.server import FakeServer
from tests.unit.targets.clouds import workload

RULES: dict[str, Any] = {
    "container": {"volumes": [{"name": "data", "path": "/data"}]},
    "upgrade": {
        "components": [
            {
                "name": "web",
                "package": "web",
                "free": "patch",
                "downgrade": {"allowed": "otherwise", "source": "the guide"},
                "otherwise": {
                    "way": "fresh",
                    "volume": "data",
                    "source": "the guide",
                    "unless_holding": {"command": ["holding"]},
                },
            }
        ]
    },
}
"""No jump is allowed in place, forth and back; a fresh instance takes over where the old one holds nothing."""

STAGES: dict[str, Any] = {
    "backup": {"items": [{"name": "all"}]},
    "upgrade": {
        "components": [
            {
                "name": "web",
                "package": "web",
                "free": "minor",
                "jumps": [{"from": "22", "to": "27", "source": "our tests", "tested": True}],
                "downgrade": {"allowed": "before-contract", "source": "the guide"},
                "stages": {
                    name: [{"name": name, "command": [name, "web"]}] for name in ("check", "expand", "contract")
                },
            }
        ]
    },
}
"""From 22 to 27 by stages, and back until the last."""

FORMULA = {"init.sls": "a:\n  test.nop\n"}


@dataclass
class WorldEngine(FakeEngine):
    """What else a project asks of its engine. ``failing`` are workloads whose check fails, with what it says."""

    failing: dict[str, str] = field(default_factory=dict)
    good: dict[str, str] = field(default_factory=dict)
    """Container → the only hash of it with which the check of its workload does not fail."""
    environment: dict[str, str] = field(default_factory=dict)
    there: set[str] = field(default_factory=set)
    """Names of volumes."""
    ends: Completed = field(default_factory=lambda: Completed((), 0, "", ""))
    """How a command of a person ends."""
    builds: bool = True
    missing: set[str] = field(default_factory=set)
    """Tags of images that the registry does not have."""

    def image(self, reference: str) -> bool:
        return reference not in self.missing

    def sweep(self) -> tuple[str, ...]:
        return ()

    def volumes(self, label: str) -> tuple[str, ...]:
        """Those that containers brought; they stay."""
        return tuple(sorted(self.there))

    def remove_volumes(self, names: Sequence[str]) -> None:
        self.there -= set(names)

    def exec(self, container: str, argv: Sequence[str], **more: Any) -> Completed:
        if argv[0] != "tool":
            return super().exec(container, argv, **more)
        self.acts.append(f"{' '.join(argv)} in {container}")
        return self.ends

    def exec_bytes(self, container: str, argv: Sequence[str], stdout: IO[bytes], **_: Any) -> Completed:
        done = self.exec(container, argv)
        stdout.write(done.stdout.encode())
        return replace(done, stdout="")

    def run(self, spec: RunSpec, **_: Any) -> Completed:
        name = spec.command[1]
        self.acts.append(f"check {name}")
        said = self.failing.get(name)
        wanted = self.good.get(f"lab-{name}")
        if wanted and self.running[f"lab-{name}"].labels[compose.LABEL_HASH] != wanted:
            said = "it is another one"
        return Completed(spec.command, int(said is not None), f"{name} works", said or "")


class Machine(LocalRunner):
    """Runs git, and what podman-compose and kubectl would do, on the engine and the cluster in memory."""

    def __init__(self, engine: WorldEngine, server: FakeServer | None = None) -> None:
        super().__init__()
        self.engine = engine
        self.server = server

    def run(self, argv: Sequence[str], **more: Any) -> Completed:
        if argv[0] == "kubectl" and self.server is not None:
            return self.server.run(argv, **more)
        if not Path(argv[0]).name.startswith("podman-compose"):
            return super().run(argv, **more)
        words = [*argv]
        file = yaml.safe_load(Path(words[words.index("-f") + 1]).read_text())
        self.engine.services = file["services"]
        mounted = [v["source"] for v in file["services"][words[-1]].get("volumes", ()) if v["type"] == "volume"]
        self.engine.there |= {file["volumes"][source]["name"] for source in mounted}
        return self.engine.up(words[-1], replace="--force-recreate" in words)

    def transfer(self, argv: Sequence[str], **more: Any) -> Completed:
        if argv[0] == "kubectl" and self.server is not None:
            return self.server.transfer(argv, **more)
        return super().transfer(argv, **more)


@dataclass
class World:
    """``write`` changes the model; ``project`` opens it."""

    root: Path
    state: Path
    cache: Path
    engine: WorldEngine = field(default_factory=lambda: WorldEngine({}))
    server: FakeServer | None = None
    """With one the cloud is in a cluster."""

    def install(self, monkeypatch: pytest.MonkeyPatch) -> World:
        monkeypatch.setattr(Project, "engine", self.engine)
        monkeypatch.setattr(planning, "render_locked", render)
        monkeypatch.setattr(drifting, "render_locked", render)
        write_tree(self.root, {"classes/all.yml": "parameters: {conf: {}}\n"})
        settings: dict[str, Any] = {"cloud": "lab", "formulas": [{"name": "web", "path": "../formula"}]}
        if self.server is not None:
            settings["target"] = "kubernetes"
        write_tree(self.root, {"saltern.yml": yaml.safe_dump(settings)})
        write_tree(self.root.parent / "formula", FORMULA)
        return self

    def node(self, name: str, *, replicas: int = 1, **parameters: Any) -> World:
        """Write a node; each parameter is a line of its own."""
        known = {
            "conf": {},
            "image": "k1",
            "needs": [],
            "version": "1.0",
            "image_name": "",
            "reloads": False,
            "fixed": "",
            "fresh": False,
            "staged": False,
            **parameters,
        }
        raw = {"applications": ["web"], "parameters": {**known, "saltern": {"replicas": replicas}}}
        write_tree(self.root, {f"nodes/{name}.yml": yaml.safe_dump(raw, sort_keys=False)})
        written = {path.stem: yaml.safe_load(path.read_text())["parameters"] for path in self.root.glob("nodes/*")}
        locked = {
            one["image_name"] or name: LockedImage("debian-12", {"web": one["version"]})
            for name, one in written.items()
        }
        write_lock(self.root, PackageLock(locked))
        return self

    def without(self, name: str) -> World:
        (self.root / "nodes" / f"{name}.yml").unlink()
        return self

    def project(self) -> Project:
        options = Options(state=self.state, cache=self.cache)
        return open_project(self.root, options, runner=Machine(self.engine, self.server))

    def line(self, node: str, text: str) -> str:
        """The place of the first line of a node's file that holds a text, as plans show it."""
        lines = (self.root / "nodes" / f"{node}.yml").read_text().splitlines()
        return f"nodes/{node}.yml:{next(number for number, line in enumerate(lines, 1) if text in line)}"


def render(project: Project) -> Rendered:
    """In the place of :func:`saltern.project.rendering.render_locked`."""
    configured, workloads = [], []
    for one in Nodes(project.root).compiled(project):
        name = one.member.name
        kinds = {"fresh": RULES, "staged": STAGES}
        chosen = [rules for kind, rules in kinds.items() if one.member.parameters[kind]]
        raw = {"web": chosen[0]} if chosen else {}
        done = _configured(project, replace(one, metadata=replace(one.metadata, checks=(_check(name),), raw=raw)))
        configured.append(done)
        made = _workload(done, str(project.state / "live"))
        workloads.append(replace(made, generation=ledger_of(project).generations.get(name, 1)))
    cloud = Cloud(project.cloud, tuple(workloads))
    if project.in_cluster:
        return _in_cluster(project, cloud, tuple(configured))
    data = compose.project(cloud, "podman")
    return Rendered(cloud, data, project.state / COMPOSE_FILE, tuple(configured), Revealer(project))


def _in_cluster(project: Project, cloud: Cloud, configured: tuple[Configured, ...]) -> Rendered:
    contents = {w.name: _contents(one) for w, one in zip(cloud.workloads, configured, strict=True)}
    site = Site(versions.parse("1.36"), project.namespace, revision=project.snapshot, contents=contents)
    found = units(cloud, kubernetes.project(cloud, site))
    data: dict[str, Any] = {"services": dict(found.services)}
    return Rendered(flat(cloud), data, project.state / COMPOSE_FILE, configured, Revealer(project), found, cloud)


def _contents(one: Configured) -> Contents:
    files = [ConfigFile(m.target, content=Path(m.source).read_bytes()) for m in one.mounts if Path(m.source).is_file()]
    return Contents("nodes/x.yml", one.tree, tuple(files))


def _check(name: str) -> Check:
    return Check("answers", ("check", name))


def _configured(project: Project, one: Compiled) -> Configured:
    member, parameters = one.member, one.member.parameters
    name = member.name
    path = f"/etc/{name}.d/{name}.conf" if parameters["reloads"] else f"/etc/{name}.conf"
    text = "".join(f"{key} = {value}\n" for key, value in parameters["conf"].items())
    folder = project.state / "config" / member.name
    tree = digest(text, parameters["fixed"])[:20]
    write_atomically(folder / tree / path.lstrip("/"), text.encode())
    write_atomically(folder / tree / f"etc/{name}.fixed", parameters["fixed"].encode())
    file = ChangedFile(path, "file", "0644", 0, 0, hashlib.sha256(text.encode()).hexdigest())
    result = ApplyResult(ok=True, results=(), files=(file,))
    answer = {MASKED: masked_texts(folder / tree, result, member)}
    write_atomically(folder / f"{tree}{ANSWER}", canonical(answer).encode())
    image = parameters["image_name"] or name
    tag = f"localhost/lab/{image}:{parameters['image']}"
    imaged = Imaged(one, Built(image, tag, parameters["image"], "id", Action.BUILD))
    seen = {path.rpartition("/")[0]: text, f"/etc/{name}.fixed": parameters["fixed"]}
    seen = seen if parameters["reloads"] else {path: text}
    mounts = tuple(ConfigMount(f"{folder / tree}{where}", where, digest(what)) for where, what in seen.items())
    return Configured(imaged, mounts, tree, (file,), {}, Accounts({}, {}))


def _workload(done: Configured, live: str) -> Workload:
    member = done.imaged.compiled.member
    name = member.name
    probe = {"kind": "exec", "command": ["ready"], "timeout": 1}
    process: dict[str, Any] = {"name": name, "command": [name], "probe": probe}
    if member.parameters["reloads"]:
        folders, check = [f"/etc/{name}.d"], ["check", f"{name} config"]
        process["reload"] = {"folders": folders, "check": check, "command": ["reload"]}
    made = workload(
        {
            "name": member.name,
            "node": member.node.name,
            "image": done.imaged.image.tag,
            "processes": [process],
            "needs": member.parameters["needs"],
            "replicas": member.settings.replicas,
        }
    )
    if member.parameters["fresh"]:
        job = Job("after", f"{done.imaged.image.key:0>12}", "/request", ("x",), "toolchain-t1")
        made = replace(made, jobs=(job,), volumes=(Volume("data", "/data"),))
    return replace(made, config=done.mounts, live=live, checks=(_check(name),))
