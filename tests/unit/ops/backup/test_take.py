from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from saltern.base.errors import BackupError
from saltern.base.events import silent
from saltern.formulas.backups import CommandItem, VolumeItem
from saltern.images.engine import Engine
from saltern.ops.backup.instance import LABEL_THROWAWAY, DataVolume, Instance, sorted_containers, sweep
from saltern.ops.backup.take import Taker

from .fakes import FakeEngine, Files, process

ITEM = CommandItem("tables", ("dump",), ("restore",), user="root")
KEYS = VolumeItem("keys", "data")


def instance(engine: FakeEngine) -> Instance:
    volume = DataVolume("data", "lab-db-data", "/var/lib/db")
    return Instance("lab", "db", "db.example", "image:1", (volume,), (), sorted_containers(tuple(engine.known), "db"))


@pytest.fixture
def engine() -> FakeEngine:
    def dump(files: Files) -> tuple[int, bytes, str]:
        return 0, files["rows"], f"digest: rows {len(files['rows'])}\nnoise"

    def restore(files: Files, data: bytes) -> tuple[int, str]:
        files["rows"] = data
        return 0, f"loading\ndigest: rows {len(data)}\n"

    return FakeEngine({"lab-db-data": {"rows": b"one two"}}, dump=dump, restore=restore, known=[process("lab-db")])


@pytest.fixture
def taker(engine: FakeEngine, tmp_path: Path) -> Taker:
    for name in ("work", "kept"):
        (tmp_path / name).mkdir()
    return Taker(cast("Engine", engine), tmp_path / "work", tmp_path / "kept", (), silent)


def refused(taker: Taker, engine: FakeEngine, item: CommandItem | VolumeItem) -> str:
    """The error; nothing may be left of the attempt, and the node's own volume is as it was."""
    with pytest.raises(BackupError) as caught:
        taker.take(instance(engine), item)
    assert list(engine.stored) == ["lab-db-data"]
    assert list(taker.work.iterdir()) == []
    return f"{caught.value.problems[0].brief}\n{caught.value.problems[0].details}"


def test_a_dump_is_restored_elsewhere_compared_and_kept(taker: Taker, engine: FakeEngine) -> None:
    kept = taker.take(instance(engine), ITEM)
    assert (taker.folder / kept.file).read_bytes() == b"one two"
    assert (taker.folder / kept.digest_file).read_text() == "rows 7\n"
    assert (kept.name, kept.kind, kept.image, kept.size) == ("db/tables", "command", "image:1", 7)
    assert engine.acts[0] == "exec lab-db as root"
    assert engine.acts[1].startswith("remove saltern-proof-")
    assert engine.stored == {"lab-db-data": {"rows": b"one two"}}
    assert list(taker.work.iterdir()) == []


def test_a_restore_that_loses_something_is_no_proof(taker: Taker, engine: FakeEngine) -> None:
    engine.restore = lambda _files, data: (0, f"digest: rows {len(data) - 1}")
    told = refused(taker, engine, ITEM)
    assert "when restored, is not what was taken" in told
    assert "-rows 7\n+rows 6" in told


def test_a_restore_that_fails_is_no_proof(taker: Taker, engine: FakeEngine) -> None:
    engine.restore = lambda _files, _data: (3, "")
    assert "cannot be put back: exit code 3\nit broke" in refused(taker, engine, ITEM)


def test_a_dump_that_fails_shows_its_words_without_the_digest(taker: Taker, engine: FakeEngine) -> None:
    engine.dump = lambda _files: (2, b"half", "digest: rows 1\nno such table")
    assert refused(taker, engine, ITEM) == "db: tables cannot be taken: exit code 2\nno such table"


def test_a_dump_without_a_digest_proves_nothing(taker: Taker, engine: FakeEngine) -> None:
    engine.dump = lambda _files: (0, b"data", "")
    assert "nothing says what tables is" in refused(taker, engine, ITEM)


def test_json_is_compared_without_what_may_differ(taker: Taker, engine: FakeEngine) -> None:
    item = CommandItem("tables", ("dump",), ("restore",), compare="json", ignore=("version",))
    engine.dump = lambda _files: (0, b'{"users": [1, 2], "version": 1}', "")
    engine.restore = lambda _files, _data: (0, '{"version": 2, "users": [2, 1]}')
    assert taker.take(instance(engine), item).size == 31
    engine.restore = lambda _files, _data: (0, '{"users": [2]}')
    assert "-users 1" in refused(taker, engine, item)
    engine.restore = lambda _files, _data: (0, "oops")
    assert "no JSON document" in refused(taker, engine, item)


@pytest.mark.parametrize("state", ["exited", "created"])
def test_what_does_not_run_cannot_be_dumped(taker: Taker, engine: FakeEngine, state: str) -> None:
    engine.known = [process("lab-db", state)]
    assert "db is not running" in refused(taker, engine, ITEM)


def test_the_first_replica_that_runs_is_asked(taker: Taker, engine: FakeEngine) -> None:
    engine.known = [
        process("lab-db-1", "exited"),
        process("lab-db-3"),
        process("lab-db-2"),
        process("lab-db-0", service="x"),
    ]
    taker.take(instance(engine), CommandItem("tables", ("dump",), ("restore",), process="db"))
    assert engine.acts[0] == "exec lab-db-2 as its user"


def test_the_files_of_a_volume_are_restored_and_compared(taker: Taker, engine: FakeEngine) -> None:
    kept = taker.take(instance(engine), KEYS)
    assert kept.moving == ()
    assert "1 files are equal" in kept.proof
    assert (taker.folder / kept.digest_file).read_text().startswith("rows: file 0640 64062:64062 7 ")
    assert engine.stored == {"lab-db-data": {"rows": b"one two"}}


def test_a_file_that_changes_while_it_is_read_is_named(taker: Taker, engine: FakeEngine) -> None:
    engine.stored["lab-db-data"]["steady"] = b"x"
    engine.on_pack = lambda files: files.update(rows=b"three", new=b"y")
    kept = taker.take(instance(engine), KEYS)
    assert kept.moving == ("rows",)
    assert "1 changed while they were read" in kept.proof


def test_a_volume_that_its_containers_do_not_have_is_an_error(taker: Taker, engine: FakeEngine) -> None:
    assert "has no volume 'other'" in refused(taker, engine, VolumeItem("keys", "other"))


def test_volumes_of_a_killed_proof_are_swept(engine: FakeEngine) -> None:
    engine.create_volume("saltern-proof-1", {LABEL_THROWAWAY: "lab"})
    engine.create_volume("saltern-proof-2", {LABEL_THROWAWAY: "other"})
    sweep(cast("Engine", engine), "lab")
    assert list(engine.stored) == ["lab-db-data", "saltern-proof-2"]
