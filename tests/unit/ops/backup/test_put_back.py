from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from saltern.base.errors import BackupError
from saltern.base.events import Event
from saltern.formulas.backups import CommandItem, VolumeItem
from saltern.images.engine import Engine
from saltern.ops.backup.instance import DataVolume, Instance
from saltern.ops.backup.put_back import Plain, PutBack

from .fakes import FakeEngine, Files, pack

ITEM = CommandItem("tables", ("dump",), ("restore",))
KEYS = VolumeItem("keys", "keys")
DATA, OTHER = DataVolume("data", "lab-db-data", "/var/lib/db"), DataVolume("keys", "lab-db-keys", "/etc/keys")
DIGEST = ("key: file 0640 64062:64062 3 ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",)


def instance(*volumes: DataVolume) -> Instance:
    return Instance("lab", "db", "db.example", "image:1", volumes)


@pytest.fixture
def engine() -> FakeEngine:
    def restore(files: Files, data: bytes) -> tuple[int, str]:
        assert "old" not in files, "a command begins with empty volumes"
        files["rows"] = data
        return 0, f"digest: rows {len(data)}"

    return FakeEngine({"lab-db-data": {"old": b"x"}, "lab-db-keys": {"old": b"y"}}, restore=restore)


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
def put_back(engine: FakeEngine, events: list[Event]) -> PutBack:
    return PutBack(cast("Engine", engine), events.append)


def rows(tmp_path: Path, data: bytes, *digest: str) -> Plain:
    path = tmp_path / "plain"
    path.write_bytes(data)
    return Plain(path, digest)


def test_a_command_gets_new_volumes_and_its_outcome_is_compared(
    put_back: PutBack, engine: FakeEngine, tmp_path: Path
) -> None:
    put_back.put(instance(DATA), {ITEM: rows(tmp_path, b"abc", "rows 3")})
    assert engine.stored["lab-db-data"] == {"rows": b"abc"}
    assert engine.labels["lab-db-data"] == {"io.saltern.cloud": "lab", "io.saltern.node": "db.example"}


def test_a_volume_gets_the_files_of_the_archive_and_keeps_no_other(
    put_back: PutBack, engine: FakeEngine, tmp_path: Path
) -> None:
    put_back.put(instance(DATA, OTHER), {KEYS: rows(tmp_path, pack({"key": b"abc"}), *DIGEST)})
    assert engine.stored == {"lab-db-data": {"old": b"x"}, "lab-db-keys": {"key": b"abc"}}
    assert "remove lab-db-data" not in engine.acts


def test_all_volumes_may_be_gone(put_back: PutBack, engine: FakeEngine, tmp_path: Path) -> None:
    engine.stored.clear()
    put_back.put(instance(OTHER), {KEYS: rows(tmp_path, pack({"key": b"abc"}), *DIGEST)})
    assert engine.stored == {"lab-db-keys": {"key": b"abc"}}


def test_what_is_not_equal_is_an_error(
    put_back: PutBack, engine: FakeEngine, tmp_path: Path, events: list[Event]
) -> None:
    with pytest.raises(BackupError, match="not what was taken"):
        put_back.put(instance(DATA), {ITEM: rows(tmp_path, b"abc", "rows 4")})
    with pytest.raises(BackupError, match="not what was taken"):
        put_back.put(instance(OTHER), {KEYS: rows(tmp_path, pack({"key": b"abd"}), *DIGEST)})
    assert [str(event.state) for event in events] == ["started", "failed"] * 2


def test_a_command_that_fails_is_an_error(put_back: PutBack, engine: FakeEngine, tmp_path: Path) -> None:
    engine.restore = lambda _files, _data: (1, "")
    with pytest.raises(BackupError, match="cannot be put back: exit code 1"):
        put_back.put(instance(DATA), {ITEM: rows(tmp_path, b"abc", "rows 3")})


def test_another_image_may_describe_the_same_data_in_other_words(
    put_back: PutBack, engine: FakeEngine, tmp_path: Path
) -> None:
    plain = rows(tmp_path, b"abc", "rows three")
    assert put_back.put(instance(DATA), {ITEM: rows(tmp_path, b"abc", "rows 3")}) == ()
    (warning,) = put_back.put(instance(DATA), {ITEM: replace(plain, image="lab/db:0")})
    assert "-rows three\n+rows 3" in warning.details
    for image in ("image:1", "registry.example:5000/other/image:1"):
        with pytest.raises(BackupError, match="not what was taken"):
            put_back.put(instance(DATA), {ITEM: replace(plain, image=image)})
    archive = replace(rows(tmp_path, pack({"key": b"abd"}), *DIGEST), image="lab/db:0")
    with pytest.raises(BackupError, match="not what was taken"):
        put_back.put(instance(OTHER), {KEYS: archive})
