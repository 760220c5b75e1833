"""The content-addressed cache."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from saltern.base.store import Store, canonical, digest, write_atomically


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache")


def test_the_length_of_each_part_counts() -> None:
    assert digest("ab", "c") != digest("a", "bc") != digest("abc")
    assert digest("ab", "c") == digest(b"ab", b"c")
    assert digest("1:a") != digest("a")
    assert len(digest()) == 64


def test_equal_values_are_equal_text() -> None:
    assert canonical({"b": [1, "ü"], "a": None}) == canonical({"a": None, "b": [1, "ü"]}) == '{"a":null,"b":[1,"ü"]}'
    assert canonical({"a": 1}) != canonical({"a": "1"})


def test_what_is_put_is_got(store: Store) -> None:
    assert store.get("kind", "abcdef") is None
    store.put("kind", "abcdef", b"x")
    assert store.get("kind", "abcdef") == b"x"
    assert store.get("other", "abcdef") is None
    assert store.path("kind", "abcdef") == store.root / "kind" / "ab" / "abcdef"


def test_a_damaged_entry_is_a_missing_one(store: Store) -> None:
    store.put_json("kind", "abcdef", {"a": [1]})
    assert store.get_json("kind", "abcdef") == {"a": [1]}
    for damage in (b'{"a"', b"\xff", b""):
        store.put("kind", "abcdef", damage)
        assert store.get_json("kind", "abcdef") is None


def test_only_the_user_can_read_it(store: Store) -> None:
    store.put("kind", "abcdef", b"secret")
    path = store.path("kind", "abcdef")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_the_mode_can_be_chosen(tmp_path: Path) -> None:
    write_atomically(tmp_path / "lock", b"x", mode=0o644)
    assert stat.S_IMODE((tmp_path / "lock").stat().st_mode) == 0o644


def test_a_failed_write_leaves_the_old_entry_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "entry"
    write_atomically(path, b"old")

    def fail(_handle: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["entry"]
