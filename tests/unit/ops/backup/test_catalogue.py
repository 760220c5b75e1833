from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from saltern.base.errors import BackupError
from saltern.ops.backup import catalogue
from saltern.ops.backup.catalogue import Backup, Kept


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def make(folder: Path, name: str, *workloads: str) -> Backup:
    place = folder / name
    place.mkdir(parents=True)
    items = []
    for workload in workloads or ("db",):
        (place / f"{workload}-data").write_bytes(b"data")
        (place / f"{workload}-data.digest").write_bytes(b"digest")
        items.append(
            Kept(
                workload, f"{workload}.example", "data", "command", "image:1", f"{workload}-data", 4, _sha(b"data"),
                f"{workload}-data.digest", _sha(b"digest"), "equal", 1.5,
            )
        )  # fmt: skip
    made = Backup(name, place, "lab", "why", "", "abc", "2026-11-23T00:00:00+00:00", ("age1x",), tuple(items), 2.0)
    catalogue.write(made, place)
    return made


def test_a_manifest_is_read_as_it_was_written(tmp_path: Path) -> None:
    made = make(tmp_path, "2026-01-01T00-00-00Z", "db", "web")
    assert catalogue.read(made.folder) == made
    assert (made.size, made.workloads) == (8, ("db", "web"))
    assert (made.folder / "manifest.json").stat().st_mode & 0o777 == 0o600


def test_only_whole_backups_are_listed_the_newest_first(tmp_path: Path) -> None:
    old, new = make(tmp_path, "2026-01-01T00-00-00Z"), make(tmp_path, "2026-01-02T00-00-00Z")
    make(tmp_path, ".new-xyz")
    (tmp_path / "2026-01-03T00-00-00Z").mkdir()
    assert catalogue.backups(tmp_path) == (new, old)
    assert catalogue.find(tmp_path, "latest") == new
    assert catalogue.find(tmp_path, old.name) == old
    catalogue.sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [old.name, new.name]


def test_an_unknown_backup_tells_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(BackupError) as none:
        catalogue.find(tmp_path, "latest")
    assert "saltern backup" in none.value.problems[0].resolution
    make(tmp_path, "2026-01-01T00-00-00Z")
    with pytest.raises(BackupError) as other:
        catalogue.find(tmp_path, "yesterday")
    assert "2026-01-01T00-00-00Z" in other.value.problems[0].resolution


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 9}', '{"format": 1}'])
def test_a_manifest_that_cannot_be_read_is_an_error(tmp_path: Path, text: str) -> None:
    made = make(tmp_path, "2026-01-01T00-00-00Z")
    (made.folder / "manifest.json").write_text(text)
    with pytest.raises(BackupError):
        catalogue.read(made.folder)


def test_damage_is_found(tmp_path: Path) -> None:
    made = make(tmp_path, "2026-01-01T00-00-00Z", "db", "web")
    assert catalogue.damage(made, thorough=True) == ()
    (made.folder / "db-data").write_bytes(b"dat")
    assert "has 3 bytes in place of 4" in catalogue.damage(made, thorough=False)[0].brief
    assert catalogue.damage(made, ("web",), thorough=True) == ()
    (made.folder / "db-data").write_bytes(b"dato")
    assert catalogue.damage(made, thorough=False) == ()
    assert "another content" in catalogue.damage(made, thorough=True)[0].brief
    (made.folder / "db-data").unlink()
    (made.folder / "web-data.digest").unlink()
    assert [p.brief.rpartition(": ")[2] for p in catalogue.damage(made, thorough=False)] == [
        "db-data is missing",
        "web-data.digest is missing",
    ]


def test_retention_counts_each_item(tmp_path: Path) -> None:
    full = make(tmp_path, "2026-01-01T00-00-00Z", "db", "web")
    parts = [make(tmp_path, f"2026-01-0{day}T00-00-00Z", "db") for day in (2, 3, 4)]
    found = catalogue.backups(tmp_path)
    assert catalogue.surplus(found, 2) == (parts[0],)
    assert catalogue.surplus(found, 3) == ()
    web = replace(parts[2], items=full.items)
    assert catalogue.surplus((web, *reversed(parts[:2]), full), 1) == (parts[1], parts[0], full)
    catalogue.remove(parts[0])
    assert catalogue.backups(tmp_path) == (parts[2], parts[1], full)
