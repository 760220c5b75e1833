"""Which backup is put back; who is stopped for it; what an interrupted restore leaves."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from saltern.base.errors import BackupError, UsageError
from saltern.formulas.backups import CommandItem
from saltern.images.engine import Container
from saltern.ops.backup.put_back import Plain
from saltern.project import restoring
from saltern.project.backing_up import backups_folder
from saltern.project.context import Project
from saltern.project.rendering import Rendered
from saltern.rollout.journal import Journal
from saltern.rollout.ledger import Ledger
from saltern.targets.compose import LABEL_CLOUD, LABEL_WORKLOAD
from saltern.targets.kubernetes.units import Units
from saltern.targets.workload import Cloud
from tests.unit.ops.backup.fakes import FakeEngine, Files
from tests.unit.ops.backup.test_catalogue import make
from tests.unit.project.compiled import Nodes
from tests.unit.targets.clouds import cloud

OLD, NEW = "2026-01-01T00-00-00Z", "2026-01-02T00-00-00Z"
ITEM = CommandItem("data", ("dump",), ("restore",))
JOB = {"when": "after", "key": "0123456789abcdef"}


@pytest.fixture
def project(nodes: Nodes) -> Project:
    found = nodes.write(db="", web="", cache="").project()
    make(backups_folder(found), OLD, "db", "web")
    make(backups_folder(found), NEW, "db")
    return found


@pytest.mark.parametrize(
    ("words", "name", "workloads"),
    [
        ([], NEW, ("db",)),
        (["latest"], NEW, ("db",)),
        (["db"], NEW, ("db",)),
        ([OLD], OLD, ("db", "web")),
        ([OLD, "web"], OLD, ("web",)),
    ],
)
def test_backup_and_nodes(project: Project, words: list[str], name: str, workloads: tuple[str, ...]) -> None:
    choice = restoring.choose(project, words)
    assert (choice.backup.name, choice.workloads) == (name, workloads)
    assert [item.workload for item in choice.items] == list(workloads)


def test_a_node_that_the_backup_does_not_have(project: Project) -> None:
    with pytest.raises(BackupError, match="has nothing of web"):
        restoring.choose(project, ["web"])
    with pytest.raises(UsageError, match="no node 'wbe'"):
        restoring.choose(project, [OLD, "wbe"])
    with pytest.raises(BackupError, match="no backup 'wbe'"):
        restoring.choose(project, ["wbe"])


def test_a_damaged_file_is_found_before_anything_is_touched(project: Project) -> None:
    path = backups_folder(project) / OLD / "web-data"
    path.write_bytes(b"dato")
    assert restoring.choose(project, [OLD, "db"]).workloads == ("db",)
    with pytest.raises(BackupError, match="web-data has another content"):
        restoring.choose(project, [OLD])


def lab() -> Cloud:
    volumes = [{"name": "data", "path": "/d"}, {"name": "run", "path": "/run/d", "kind": "runtime"}]
    return cloud(
        {
            "name": "model",
            "workloads": [
                {"name": "db", "volumes": volumes, "jobs": [JOB]},
                {"name": "web", "needs": ["db"], "jobs": [JOB]},
                {"name": "far", "needs": ["web"], "jobs": [JOB]},
                {"name": "cache", "jobs": [JOB]},
            ],
        }
    )


def test_who_needs_what_is_put_back_is_stopped_too() -> None:
    assert restoring.dependents(lab(), ["web"]) == {"web", "far"}
    assert restoring.dependents(lab(), ["db"]) == {"db", "web", "far"}


def test_a_cache_forgets_what_is_replaced() -> None:
    data = [{"name": "data", "path": "/d"}]
    known = cloud(
        {
            "name": "model",
            "workloads": [
                {"name": "db", "volumes": data},
                {"name": "broker", "volumes": data},
                {"name": "memory", "volumes": [{"name": "run", "path": "/run/m", "kind": "runtime"}]},
                {"name": "elsewhere"},
                {"name": "web", "needs": ["db", "broker", "memory"]},
            ],
        }
    )
    assert restoring.with_caches(known, ["db", "web"]) == {"db", "web", "memory"}


def run(project: Project, engine: FakeEngine, tmp_path: Path) -> restoring.Restored:
    project.__dict__["engine"] = engine
    rendered = Rendered(lab(), {}, tmp_path, (), cast("Any", SimpleNamespace(values={})))
    (tmp_path / "plain").write_bytes(b"new")
    todo = {"db": {ITEM: Plain(tmp_path / "plain", ("rows 3",))}}
    return restoring.restore_rendered(project, rendered, restoring.choose(project, ["db"]), todo)


def filled(files: Files, data: bytes) -> tuple[int, str]:
    files["rows"] = data
    return 0, f"digest: rows {len(data)}"


def test_a_restore_stops_forgets_jobs_and_fills(project: Project, tmp_path: Path) -> None:
    known = [
        Container(name, f"model-{name}", "i", "running", 0, {LABEL_WORKLOAD: name}) for name in ("db", "web", "cache")
    ]
    engine = FakeEngine({"model-db-data": {"old": b"x"}}, restore=filled, known=known)
    journal = Journal(project.state / "jobs.json")
    for name in ("db", "web", "far", "cache"):
        journal.add(f"model-{name}-after-0123456789ab")
    ledger = Ledger(project.state / "upgrades.json")
    for key in ("web/api", "cache/cache"):
        ledger.done(key, "1", "2", "api:migrate:schema")
    done = run(project, engine, tmp_path)
    assert set(Ledger(project.state / "upgrades.json").upgrades) == {"cache/cache"}
    assert done.stopped == ("model-db", "model-web")
    assert engine.acts == ["stop model-db", "stop model-web", "remove model-db-data"]
    assert engine.stored == {"model-db-data": {"rows": b"new"}}
    assert Journal(project.state / "jobs.json").done == {"model-cache-after-0123456789ab"}
    restoring.refuse_half_restored(project)


def test_members_of_a_cluster_lose_what_they_have_for_what_is_put_back(project: Project, tmp_path: Path) -> None:
    """Their own would be newer, and win over it; the sockets may be on another machine than the new claim."""
    volumes = [{"name": "data", "path": "/d", "each": True}, {"name": "run", "path": "/run/d", "kind": "runtime"}]
    members = cloud({"name": "model", "workloads": [{"name": "db", "volumes": volumes, "jobs": [JOB], "replicas": 3}]})
    # 3 and 10 are left of a time with more replicas
    old = [f"{volume}-db-{number}" for volume in ("data", "run") for number in (0, 1, 2, 3, 10)]
    others = ["data-db-g2-1", "data-web-1", "data-db-x"]
    engine = FakeEngine({name: {"old": b"x"} for name in [*old, *others]}, restore=filled)
    engine.labels = {name: {LABEL_CLOUD: "model"} for name in engine.stored}
    project.__dict__["cluster"] = SimpleNamespace(with_claims=lambda _claims: engine)
    revealer = cast("Any", SimpleNamespace(values={}))
    rendered = Rendered(members, {}, tmp_path, (), revealer, Units({}, {}, {}, ()))
    (tmp_path / "plain").write_bytes(b"new")
    todo = {"db": {ITEM: Plain(tmp_path / "plain", ("rows 3",))}}
    restoring.restore_rendered(project, rendered, restoring.choose(project, ["db"]), todo)
    assert engine.stored == {"data-db-0": {"rows": b"new"}, **{name: {"old": b"x"} for name in others}}


def test_an_interrupted_restore_is_remembered_until_it_is_done(project: Project, tmp_path: Path) -> None:
    def killed(files: Files, data: bytes) -> tuple[int, str]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(project, FakeEngine(restore=killed), tmp_path)
    with pytest.raises(BackupError, match="the data of db may be half there"):
        restoring.refuse_half_restored(project)
    run(project, FakeEngine(restore=filled), tmp_path)
    restoring.refuse_half_restored(project)


def test_a_restore_that_is_not_equal_leaves_the_mark(project: Project, tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="not what was taken"):
        run(project, FakeEngine(restore=lambda _files, _data: (0, "digest: rows 2")), tmp_path)
    with pytest.raises(BackupError, match="interrupted"):
        restoring.refuse_half_restored(project)
    restoring.forget_restore(project)
    restoring.refuse_half_restored(project)
