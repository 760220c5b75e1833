"""What a backup does in a real engine: files of volumes with their owners, and commands beside and in containers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from saltern.base.errors import BackupError
from saltern.base.events import silent
from saltern.base.process import LocalRunner
from saltern.formulas.backups import CommandItem, VolumeItem
from saltern.images.base import Base
from saltern.images.engine import Engine, Mount, RunSpec
from saltern.ops.backup import volume
from saltern.ops.backup.instance import LABEL_THROWAWAY, DataVolume, Instance
from saltern.ops.backup.put_back import Plain, PutBack
from saltern.ops.backup.take import Taker

CLOUD = "test-backup"
DATA = "test-backup-data"
FILES = r"""
cd /d; mkdir sub; printf one >sub/a; printf '' >'b c'; ln -s sub/a link; ln sub/a hard; mkfifo pipe
printf x >"$(printf 'n\nl\303')"; chown -R 64062:1234 sub; chmod 4711 sub/a; chmod 2750 sub; chmod 1777 .
"""


@pytest.fixture
def instance(engine: Engine, base: Base) -> Iterator[Instance]:
    """A node whose volume has files of many kinds."""
    _remove(engine)
    engine.create_volume(DATA, {LABEL_THROWAWAY: CLOUD})
    made = engine.run(RunSpec(base.tag, ("bash", "-ec", FILES), mounts=(Mount(DATA, "/d", read_only=False),)))
    assert made.ok, made
    yield Instance(CLOUD, "db", "db.example", base.tag, (DataVolume("data", DATA, "/var/lib/data"),))
    _remove(engine)


def _remove(engine: Engine) -> None:
    engine.remove_volumes([DATA, *engine.volumes(f"{LABEL_THROWAWAY}={CLOUD}")])


def taker(engine: Engine, tmp_path: Path) -> Taker:
    for name in ("work", "kept"):
        (tmp_path / name).mkdir()
    return Taker(engine, tmp_path / "work", tmp_path / "kept", (), silent)


def test_files_of_every_kind_come_back_as_they_were(engine: Engine, instance: Instance, tmp_path: Path) -> None:
    kept = taker(engine, tmp_path).take(instance, VolumeItem("files", "data"))
    assert kept.moving == ()
    before = volume.entries(engine, instance.image, DATA, 60)
    found = {entry.path: entry.what for entry in before}
    assert found["."].startswith("folder 1777 0:0")
    assert found["sub"].startswith("folder 2750 64062:1234")
    assert any(what.startswith("file 4711 64062:1234 3 ") for what in found.values())
    engine.run(
        RunSpec(instance.image, ("sh", "-c", "rm -r /d/*; echo >/d/new"), mounts=(Mount(DATA, "/d", read_only=False),))
    )
    assert volume.entries(engine, instance.image, DATA, 60) != before
    lines = tuple((tmp_path / "kept" / kept.digest_file).read_text().split("\n")[:-1])
    plain = Plain(tmp_path / "kept" / kept.file, lines)
    PutBack(engine, silent).put(instance, {VolumeItem("files", "data"): plain})
    assert volume.entries(engine, instance.image, DATA, 60) == before
    assert engine.volumes(f"{LABEL_THROWAWAY}={CLOUD}") == (DATA,)


def test_a_damaged_archive_is_an_error(engine: Engine, instance: Instance, tmp_path: Path) -> None:
    (tmp_path / "cut").write_bytes(b"no archive" * 100)
    with pytest.raises(BackupError, match="cannot be filled"):
        volume.unpack(engine, instance.image, DATA, tmp_path / "cut", 60)


def test_a_restore_has_empty_volumes_and_no_network(engine: Engine, instance: Instance, tmp_path: Path) -> None:
    script = "cat >/var/lib/data/given; cd /var/lib/data; ls -A; ls /sys/class/net; hostname; sed 's/^/digest: /' given"
    item = CommandItem("rows", ("dump",), ("sh", "-ec", script))
    (tmp_path / "plain").write_bytes(b"a 1\nb 2\n")
    PutBack(engine, silent).put(instance, {item: Plain(tmp_path / "plain", ("a 1", "b 2"))})
    with (tmp_path / "plain").open("rb") as file:
        said = engine.run_bytes(instance.restoring(item.restore), stdin=file).stdout
    assert said.splitlines() == ["given", "lo", "db", "digest: a 1", "digest: b 2"]
    with pytest.raises(BackupError, match="cannot be put back: exit code 7"):
        PutBack(engine, silent).put(
            instance, {CommandItem("rows", ("dump",), ("sh", "-c", "exit 7")): Plain(tmp_path / "plain", ())}
        )


def test_large_output_of_a_command_in_a_container(engine: Engine, base: Base, tmp_path: Path) -> None:
    """No test of Saltern's compose: a container is started by hand, as a service would be."""
    name = "test-backup-service"
    engine.remove_containers([name])
    words = [*engine.argv, "run", "-d", "--name", name, "--network", "none", base.tag, "sleep", "300"]
    started = LocalRunner().run(words, env=engine.environment)
    assert started.ok, started.stderr
    try:
        with (tmp_path / "out").open("wb") as file:
            script = "head -c 30000000 /dev/zero; echo 'digest: all' >&2"
            done = engine.exec_bytes(name, ("sh", "-c", script), file, user="root")
        assert (done.returncode, done.stderr.strip()) == (0, "digest: all")
        assert (tmp_path / "out").stat().st_size == 30_000_000
    finally:
        engine.remove_containers([name])
