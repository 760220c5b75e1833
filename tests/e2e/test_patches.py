"""A cloud with old packages that Debian's mirrors still have: found, planned, and patched, and nothing else moves."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from saltern.base.events import silent
from saltern.base.process import LocalRunner
from saltern.base.store import Store, digest
from saltern.images.base import DEFAULT_BASES, ensure_base
from saltern.images.build import plan_builds
from saltern.images.engine import LABEL_KEY, Engine, RunSpec
from saltern.images.packages import LOCK_FILE, write_lock
from saltern.ops.apt import ensure_lists
from saltern.project.building import recipes_of, site
from saltern.project.compiling import compile_members
from saltern.project.context import Options, Project, open_project
from saltern.project.patching import Upgrade, upgraded_lock

from .driver import CACHE, ROOT, Cloud, free_port, substitute

HERE = ROOT / "tests" / "e2e"
ASKED = "redis-server"
SIBLING = "redis-tools"
OF_BASE = "liblzma5"

pytestmark = pytest.mark.parametrize("engine", ["podman"], indirect=True)  # nothing of it depends on the engine


@dataclass(frozen=True)
class Old:
    """A cloud whose image has old versions of three packages; ``versions``: package → (old, new)."""

    cloud: Cloud
    versions: dict[str, tuple[str, str]]

    @property
    def project(self) -> Project:
        cache, state = CACHE / "saltern", self.cloud.state / "saltern"
        return open_project(self.cloud.model, Options(self.cloud.engine.name, cache=cache, state=state))

    def upgrade(self, *packages: str, security: bool = False) -> Upgrade:
        return upgraded_lock(self.project, packages, security=security, max_age=3600)

    def tag(self, project: Project) -> str:
        """The image that a project asks for."""
        recipes = recipes_of(project, compile_members(project))
        (step,) = plan_builds(project.engine, recipes.values(), site(project))
        return step.tag

    def installed(self) -> dict[str, str]:
        """What is installed in the image that the model asks for."""
        argv = ("dpkg-query", "-W", "-f", "${Package}\t${Version}\n")
        done = self.cloud.engine.run(RunSpec(self.tag(self.project), argv))
        assert done.ok, done.stderr
        return dict(line.split("\t") for line in done.stdout.splitlines())


@pytest.fixture(scope="module")
def old(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Old]:
    store = Store(CACHE / "saltern")
    base = ensure_base(engine, LocalRunner(), store, DEFAULT_BASES["debian-12"], silent)
    index = ensure_lists(engine, store, base, silent).index([ASKED, SIBLING, OF_BASE])
    versions = {}
    for name in (ASKED, SIBLING, OF_BASE):
        offers = {offer.suite.name: offer.version for offer in index.offers[name]}
        versions[name] = (offers["bookworm"], offers["bookworm-security"])
        assert index.newer(name, offers["bookworm"]), f"{name} has no security update any more; take another one"
    folder = tmp_path_factory.mktemp(f"patches-{engine.name}")
    model = folder / "model"
    shutil.copytree(HERE / "model", model)
    shutil.copytree(HERE / "formulas", folder / "formulas")
    (model / "nodes/web.yml").unlink()
    name, port = f"e2e-patches-{engine.name}", free_port()
    substitute(model / "nodes/cache.yml", "127.0.0.1:16379", f"127.0.0.1:{port}")
    substitute(model / "nodes/cache.yml", "  saltern:\n", "  saltern:\n    base: old\n")
    image = _old_base(engine, base.tag, base.digest, f"{OF_BASE}={versions[OF_BASE][0]}", folder)
    substitute(model / "saltern.yml", "cloud: foreign\n", f"cloud: {name}\nbases:\n  old: {{image: '{image}'}}\n")
    locked = "".join(f"      {package}: {versions[package][0]}\n" for package in (ASKED, SIBLING))
    (model / LOCK_FILE).write_text(f"images:\n  redis:\n    base: old\n    packages:\n{locked}")
    cloud = Cloud(name, model, folder / "state", engine, {"redis": port})
    cloud.clean()
    try:
        cloud.saltern("up", "--no-verify")
        yield Old(cloud, versions)
    finally:
        cloud.clean()
        made = [tag for found in engine.images(LABEL_KEY) for tag in found.tags if f"/{name}/" in tag]
        engine.remove_images(made)  # the next run shall patch again


def _old_base(engine: Engine, base: str, identity: str, package: str, folder: Path) -> str:
    """Debian 12 with an old version of one of its own packages; kept between runs."""
    tag = f"localhost/saltern-tests/old-base:{digest(identity, package)[:12]}"
    if engine.image(tag) is None:
        (folder / "base").mkdir()
        install = f"apt-get -q update && apt-get -qy --allow-downgrades install {package} && rm -r /var/lib/apt/lists/*"
        (folder / "base/Containerfile").write_text(f"FROM {base}\nRUN {install}\n")
        engine.build(folder / "base", tag=tag)
    return tag


def test_from_old_to_patched(old: Old) -> None:
    cloud, (was, new) = old.cloud, old.versions[ASKED]
    before = old.installed()
    assert {name: before[name] for name in old.versions} == {name: pair[0] for name, pair in old.versions.items()}

    # what is outdated, and where it comes from
    fixed = {"status": "resolved", "fixed_version": new, "urgency": "high"}
    tracker = cloud.model.parent / "tracker.json"
    tracker.write_text(json.dumps({"redis": {"CVE-2026-0001": {"releases": {"bookworm": fixed}}}}))
    done = cloud.saltern("outdated", "--tracker", str(tracker), "--json", "--exit-code", code=13)
    updates = {update["package"]: update for update in done.json["updates"]}
    for name, pair in old.versions.items():
        found = updates[name]
        assert (found["installed"], found["newest"], found["suite"]) == (*pair, "bookworm-security")
        assert found["security"]
        assert found["base"] == (name == OF_BASE)
    assert [fix["cve"] for fix in updates[ASKED]["fixes"]] == ["CVE-2026-0001"]
    assert updates[OF_BASE]["fixes"] == []
    again = cloud.saltern("outdated", "--tracker", str(tracker), "--json", "--max-age", "1")
    assert again.stdout == done.stdout

    # who has it
    (hit,) = cloud.saltern("affected", f"{ASKED}<{new}", "--json", "--exit-code", code=13).json["affected"]
    assert (hit["image"], hit["nodes"], hit["version"], hit["running"]) == ("redis", ["cache"], was, True)
    assert cloud.saltern("affected", f"{ASKED}<{was}", "--json", "--exit-code").json["affected"] == []

    # the plan: exactly that, and nothing is written
    lock = (cloud.model / LOCK_FILE).read_bytes()
    upgrade = old.upgrade(ASKED)
    assert {(m.package, m.old, m.new, m.security) for m in upgrade.moves} == {
        (name, *old.versions[name], True) for name in (ASKED, SIBLING)
    }
    assert (cloud.model / LOCK_FILE).read_bytes() == lock
    planned = old.tag(replace(old.project, lock=upgrade.lock))
    assert planned != old.tag(old.project)

    # the same as a verb: what it would do to the cloud, which goes on as it is
    running = cloud.containers()
    shown = cloud.saltern("plan", "--upgrade", ASKED, "--json").json
    assert [image["new"] for image in shown["images"]] == [planned]
    assert {(move["name"], move["old"], move["new"]) for move in shown["images"][0]["packages"]} == {
        (name, *old.versions[name]) for name in (ASKED, SIBLING)
    }
    assert (shown["steps"][0]["act"], shown["steps"][0]["workload"]) == ("start", "cache")
    assert (cloud.model / LOCK_FILE).read_bytes() == lock
    assert cloud.containers() == running
    assert cloud.saltern("plan", "--json").json["steps"] == []

    # built: the planned image, with that alone
    write_lock(cloud.model, upgrade.lock)
    (built,) = cloud.saltern("build", "--json").json
    assert built["tag"] == planned
    after = old.installed()
    assert {name for name in {*before, *after} if before.get(name) != after.get(name)} == {ASKED, SIBLING}
    assert after[ASKED] == after[SIBLING] == new
    assert (cloud.model / LOCK_FILE).read_text() == upgrade.lock.text()
    assert old.upgrade(ASKED).is_empty

    # the old one still runs, and is told of until the cloud is brought up to date
    (hit,) = cloud.saltern("affected", f"{ASKED}<{new}", "--json").json["affected"]
    assert (hit["version"], hit["running"], hit["stale"]) == (was, True, True)
    (cloud.model / LOCK_FILE).write_bytes(lock)
    done = cloud.saltern("apply", "--upgrade", ASKED, "--yes", "--json").json
    assert done["steps"] == shown["steps"]
    assert (cloud.model / LOCK_FILE).read_text() == upgrade.lock.text()
    assert cloud.saltern("affected", f"{ASKED}<{new}", "--json").json["affected"] == []
    assert cloud.saltern("plan", "--json").json["steps"] == []


def test_security_updates_of_the_base_are_installed_over_it(old: Old) -> None:
    before = old.installed()
    upgrade = old.upgrade(security=True)
    moves = {move.package: move for move in upgrade.moves}
    assert moves[OF_BASE].in_base
    assert (moves[OF_BASE].old, moves[OF_BASE].new) == old.versions[OF_BASE]
    write_lock(old.cloud.model, upgrade.lock)
    old.cloud.saltern("build")
    after = old.installed()
    changed = {name: after[name] for name in after if before.get(name) != after[name]}
    assert changed == {move.package: move.new for move in upgrade.moves}
    assert (old.cloud.model / LOCK_FILE).read_text() == upgrade.lock.text()
    left = old.cloud.saltern("outdated", "--security", "--json", "--max-age", "1").json["updates"]
    assert OF_BASE in {update["package"] for update in left if update["stale"]}  # what runs is not brought up yet
    assert [update for update in left if not update["stale"]] == []
