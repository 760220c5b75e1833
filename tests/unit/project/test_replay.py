"""The replay of ``benchmarks/replay``, on the part of its history where one commit of each kind is."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.replay.commits import COMMITS
from benchmarks.replay.history import Commit, Repository, replace
from benchmarks.replay.rebuilds import Outcome, Replay, totals

from saltern.base.process import LocalRunner
from saltern.images.toolchain import local_site_packages
from tests.unit.worker.conftest import CACHE

PART = (
    "Three Keystone workers",
    "Comments in the SLS of Keystone",
    "Try LDAP: its packages in Keystone",
    "Revert LDAP",
    "CVE: libssl3",
    "A second Keystone, without the client's states",
    "memcached only from the security suite",
    "Release: the second Keystone goes first to Debian 13",
    "Release: the first Keystone follows",
    "memcached's image has a name of its own",
    "The rack of MariaDB as a grain",
)


def replay(folder: Path) -> Replay:
    """Without an engine, with a cache of its own beside the worker's Salt."""
    local_site_packages(LocalRunner(), CACHE)
    cache = folder / "cache"
    cache.mkdir()
    (cache / "toolchain").symlink_to(CACHE / "toolchain")
    return Replay(folder, cache=cache)


def test_what_is_rebuilt_is_what_has_to_be(tmp_path: Path) -> None:
    chosen = [commit for commit in COMMITS if commit.title in PART]
    assert len(chosen) == len(PART)
    outcomes = list(replay(tmp_path).play(chosen))
    assert [one.as_json() for one in outcomes if not one.exact] == []
    found = totals(outcomes)
    assert (found["rebuilt"], found["spurious"], found["missed"]) == (found["necessary"], 0, 0)
    assert found["necessary"] == 7
    assert found["everything"] == 56


def test_a_history_that_says_too_little_or_too_much_is_seen(tmp_path: Path) -> None:
    model = "classes/system/mariadb/server/single.yml"
    wrong = (
        Commit("a value", "value", replace(model, "128M", "256M"), images={"mariadb": "wrong"}, config=("mariadb",)),
        Commit("another", "value", replace(model, "256M", "512M")),
        Commit("a package", "package", replace("formulas/memcached/memcached/map.jinja", "['memcached']", "['jq']")),
    )
    outcomes = list(replay(tmp_path).play(wrong))
    assert [one.exact for one in outcomes] == [False, False, False]
    assert (totals(outcomes)["spurious"], totals(outcomes)["missed"]) == (1, 1)


def test_the_history_is_long_and_each_commit_changes_something(tmp_path: Path) -> None:
    assert len(COMMITS) >= 40
    assert len({commit.title for commit in COMMITS}) == len(COMMITS)
    assert all(why for commit in COMMITS for why in commit.images.values())
    assert len({commit.kind for commit in COMMITS}) >= 12


def test_an_edit_that_finds_nothing_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x x")
    with pytest.raises(ValueError, match="2 times"):
        replace("a", "x", "y")(Repository(tmp_path))


def test_an_outcome_is_exact_only_when_files_are_too() -> None:
    commit = Commit("a", "value", lambda _tree: None, {"web": "why"}, ("web",))
    assert Outcome(commit, "r", ("web",), 1, ("web",)).exact
    assert not Outcome(commit, "r", ("web",), 1, ()).exact
    assert not Outcome(commit, "r", (), 1, ("web",)).exact
