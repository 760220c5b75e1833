from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pyrage
import pytest

from saltern.base.errors import BackupError, SecretError
from saltern.ops.backup.safe import disk_errors, load, parse_recipients, store

DATA = os.urandom(200_000)
FULL = Path("/dev/full")


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    path = tmp_path / "plain"
    path.write_bytes(DATA)
    return path


@pytest.fixture
def identity() -> Any:
    return pyrage.x25519.Identity.generate()


def test_without_recipients_the_file_is_plain_and_private(plain: Path, tmp_path: Path) -> None:
    kept = store(plain, tmp_path / "kept", ())
    assert (kept.name, kept.read_bytes(), kept.stat().st_mode & 0o777) == ("kept", DATA, 0o600)


def test_encrypted_for_recipients_and_only_for_them(plain: Path, tmp_path: Path, identity: Any) -> None:
    kept = store(plain, tmp_path / "kept", parse_recipients([str(identity.to_public())]))
    assert (kept.name, kept.stat().st_mode & 0o777) == ("kept.age", 0o600)
    assert DATA[:32] not in kept.read_bytes()
    load(kept, tmp_path / "again", lambda: [identity])
    assert (tmp_path / "again").read_bytes() == DATA
    with pytest.raises(SecretError, match="not encrypted for your identity"):
        load(kept, tmp_path / "other", lambda: [pyrage.x25519.Identity.generate()])


@pytest.mark.parametrize("at", [-1, 70_000])
def test_a_changed_byte_is_noticed(plain: Path, tmp_path: Path, identity: Any, at: int) -> None:
    kept = store(plain, tmp_path / "kept", parse_recipients([str(identity.to_public())]))
    data = bytearray(kept.read_bytes())
    data[at] ^= 1
    kept.write_bytes(data)
    with pytest.raises(SecretError, match="cannot be decrypted"):
        load(kept, tmp_path / "again", lambda: [identity])


def test_all_wrong_recipients_are_told() -> None:
    with pytest.raises(SecretError) as caught:
        parse_recipients(["age1nonsense", "ssh-ed25519 nonsense"])
    assert len(caught.value.problems) == 2


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full on this system")
@pytest.mark.parametrize("encrypted", [False, True])
def test_a_full_disk_says_so(
    plain: Path, tmp_path: Path, identity: Any, encrypted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / ("kept.age" if encrypted else "kept")
    target.symlink_to(FULL)
    with pytest.raises(BackupError, match="disk is full"):
        store(plain, tmp_path / "kept", parse_recipients([str(identity.to_public())]) if encrypted else ())


def test_other_errors_of_the_disk_keep_their_name(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="Permission denied"), disk_errors(tmp_path):
        raise OSError(errno.EACCES, os.strerror(errno.EACCES), "x")
