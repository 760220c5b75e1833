"""What a backup of a node holds, in which order; where backups are; the newest good one."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from saltern.formulas.metadata import read_metadata
from saltern.project import backing_up
from saltern.project.compiling import Compiled
from tests.unit.ops.backup.test_catalogue import make
from tests.unit.project.compiled import Nodes

ITEM = {"name": "data", "kind": "command", "dump": {"command": ["d"]}, "restore": {"command": ["r"]}}


class Backed(Nodes):
    """Nodes whose formula says what a backup of them holds."""

    def _one(self, project: Any, member: Any) -> Compiled:
        one = super()._one(project, member)
        hosts = self.metadata.get(member.name, {}).get("connects", [])
        raw = {"web": {"container": {"connects": hosts}, "backup": {"items": [] if member.name == "bare" else [ITEM]}}}
        return Compiled(**{**vars(one), "metadata": read_metadata(member.node.name, raw)})


@pytest.fixture
def backed(tmp_path: Path) -> Backed:
    return Backed(tmp_path / "model")


def test_what_a_node_needs_is_taken_before_it(backed: Backed) -> None:
    backed.write(a="", z="", m="", bare="")
    backed.metadata = {"a": {"connects": [{"host": "m"}]}, "m": {"connects": [{"host": "z"}]}}
    found = backing_up.items_of(backed.compiled(backed.project()))
    assert list(found) == ["z", "m", "a"]
    assert [item.name for item in found["a"]] == ["data"]


@pytest.mark.parametrize(("given", "where"), [("", "state/lab/backups"), ("/mnt/kept", "/mnt/kept/lab")])
def test_where_backups_are(backed: Backed, tmp_path: Path, given: str, where: str) -> None:
    backed.write(a="")
    setting = f"backup: {{folder: {given}}}\n" if given else ""
    (backed.root / "saltern.yml").write_text(f"cloud: lab\n{setting}")
    assert backing_up.backups_folder(backed.project()) == tmp_path / where


def test_the_newest_comes_first_and_missing_files_are_told(backed: Backed) -> None:
    backed.write(db="", web="")
    project = backed.project()
    assert backing_up.listed(project) == ()
    folder = backing_up.backups_folder(project)
    first = make(folder, "2026-01-01T00-00-00Z", "db", "web")
    second = make(folder, "2026-01-02T00-00-00Z", "db")
    assert backing_up.listed(project) == ((second, ()), (first, ()))
    (second.folder / "db-data").unlink()
    assert [bool(problems) for _, problems in backing_up.listed(project)] == [True, False]


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        ((), "2026-03-01T12-00-00Z"),
        (("2026-02-28T23-59-59Z", ".part-x", "notes"), "2026-03-01T12-00-00Z"),
        (("2026-03-01T12-00-00Z",), "2026-03-01T12-00-01Z"),
        (("2026-03-01T12-00-00Z-2",), "2026-03-01T12-00-01Z"),
        (("2031-01-01T00-00-00Z", "2026-02-28T23-59-59Z"), "2031-01-01T00-00-01Z"),
    ],
    ids=["the first", "others are older", "the same second", "a name of before", "the clock was set back"],
)
def test_a_new_backup_is_the_newest_whatever_the_clock_says(
    tmp_path: Path, there: tuple[str, ...], expected: str
) -> None:
    for name in there:
        (tmp_path / name).mkdir()
    assert backing_up.free_name(tmp_path, datetime(2026, 3, 1, 12, 0, 0, 5000, tzinfo=UTC)) == expected


def test_what_killed_processes_left_is_swept(backed: Backed) -> None:
    backed.write(db="")
    project = backed.project()
    project.__dict__["engine"] = _NoVolumes()
    folder = backing_up.backups_folder(project)
    kept = make(folder, "2026-01-01T00-00-00Z")
    work = backing_up.work_folder(project)
    assert work.stat().st_mode & 0o777 == 0o700
    (folder / ".new-abc").mkdir()
    (work / "plain").write_text("secret")
    backing_up.sweep_left(project)
    assert list(folder.iterdir()) == [kept.folder]
    assert not work.exists()


def test_a_damaged_manifest_hides_no_other_backup(backed: Backed) -> None:
    backed.write(db="")
    project = backed.project()
    folder = backing_up.backups_folder(project)
    good = make(folder, "2026-01-01T00-00-00Z")
    (make(folder, "2026-01-02T00-00-00Z").folder / "manifest.json").write_text("{")
    assert backing_up.backups(project) == (good,)
    assert "2026-01-02T00-00-00Z is no backup that can be read" in backing_up.unreadable(project)[0].brief


class _NoVolumes:
    def volumes(self, label: str) -> tuple[str, ...]:
        return ()

    def remove_volumes(self, names: Any) -> None:
        assert not names
