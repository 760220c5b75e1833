"""Which jobs are done, across processes; and which of them count no more because data is gone."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from saltern.base.errors import RolloutError
from saltern.rollout.journal import Journal, lost
from saltern.targets.workload import Cloud
from tests.unit.targets.clouds import workload


def test_it_is_on_disk_at_once(tmp_path: Path) -> None:
    path = tmp_path / "lab" / "jobs.json"
    journal = Journal(path)
    assert journal.done == frozenset()
    journal.add("b")
    journal.add("a")
    assert Journal(path).done == {"a", "b"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_keep_forgets_the_others_and_adds_none(tmp_path: Path) -> None:
    path = tmp_path / "jobs.json"
    journal = Journal(path)
    journal.add("a")
    journal.add("b")
    journal.keep(["b", "c"])
    assert journal.done == Journal(path).done == {"b"}
    journal.keep(())
    assert Journal(path).done == frozenset()


def test_keep_writes_only_what_changed(tmp_path: Path) -> None:
    Journal(tmp_path / "jobs.json").keep(["a"])
    assert not (tmp_path / "jobs.json").exists()


CLOUD = Cloud(
    "lab",
    (
        workload({"name": "db", "processes": []}),
        workload({"name": "keystone", "needs": ["db"], "processes": []}),
        workload({"name": "glance", "needs": ["keystone"], "processes": []}),
        workload({"name": "cache", "processes": []}),
    ),
)
VOLUMES: dict[str, set[str]] = {
    "db": {"lab-db-data"},
    "keystone": {"lab-keystone-fernet"},
    "glance": set(),
    "cache": set(),
}


@pytest.mark.parametrize(
    ("present", "gone"),
    [
        (["lab-db-data", "lab-keystone-fernet", "other"], set()),
        (["lab-db-data"], {"keystone", "glance"}),
        (["lab-keystone-fernet"], {"db", "keystone", "glance"}),
        ([], {"db", "keystone", "glance"}),
    ],
)
def test_lost_data_undoes_the_jobs_of_all_that_need_it(present: list[str], gone: set[str]) -> None:
    assert {*lost(CLOUD, VOLUMES, present)} == gone


def test_why_jobs_count_no_more() -> None:
    assert lost(CLOUD, VOLUMES, ["lab-keystone-fernet"], ["cache"]) == {
        "db": "what it did is gone: there is no volume lab-db-data",
        "keystone": "what it did in db is gone",
        "glance": "what it did in keystone is gone",
        "cache": "what it did goes with the old container",
    }


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "jobs.json"
    Journal(path).add("a")
    full(monkeypatch)
    with pytest.raises(RolloutError, match="cannot be written: No space left on device"):
        Journal(path).add("b")
    assert Journal(path).done == {"a"}


def full(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on no file can be brought to the disk."""

    def fsync(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fsync)
