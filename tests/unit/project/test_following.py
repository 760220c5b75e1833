"""A branch of a repository, with the real git."""

from __future__ import annotations

from pathlib import Path

import pytest

from saltern.base.errors import EngineError, LockedError, UsageError
from saltern.base.process import LocalRunner
from saltern.project.following import Branch
from tests.unit.project.history import History


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path / "repository", "model").start()


def branch(history: History, **more: str) -> Branch:
    known = {"address": str(history.top), "name": "main", "folder": "model", **more}
    return Branch(LocalRunner(), known["address"], known["name"], history.top.parent / "cache", known["folder"])


def test_a_branch_is_followed(history: History) -> None:
    first = history.commit("one", {"a.yml": "1\n", "b.yml": "1\n"})
    followed = branch(history)
    assert followed.tip() == first
    model = followed.check_out(first)
    assert (model / "b.yml").read_text() == "1\n"
    second = history.commit("two", {"a.yml": "2\n", "b.yml": None})
    assert (followed.tip(), followed.commits(second)) == (second, (second, first))
    (model / "a.yml").write_text("by hand\n")
    (model / "new.yml").write_text("by hand\n")
    assert followed.differing() == ("model/a.yml", "model/new.yml")
    assert followed.check_out(second) == model
    assert {path.name: path.read_text() for path in model.glob("*.yml")} == {"a.yml": "2\n"}
    assert followed.differing() == ()


def test_a_branch_that_was_rewritten(history: History) -> None:
    history.commit("one", {"a.yml": "1\n"})
    followed = branch(history)
    old = followed.tip()
    history.git("commit", "-q", "--amend", "-m", "another")
    new = followed.tip()
    assert new != old
    assert followed.commits(new) == (new,)
    followed.check_out(new)


def test_the_repository_stays_as_it_is(history: History) -> None:
    commit = history.commit("one", {"a.yml": "1\n"})
    history.write({"a.yml": "not committed\n"})
    followed = branch(history)
    assert (followed.check_out(followed.tip()) / "a.yml").read_text() == "1\n"
    assert history.git("status", "--porcelain") == "M model/a.yml"
    assert history.git("rev-parse", "HEAD") == commit


@pytest.mark.parametrize(("about", "value"), [("name", "other"), ("address", "/nowhere"), ("name", "--upload-pack=x")])
def test_a_branch_that_cannot_be_read(history: History, about: str, value: str) -> None:
    history.commit("one", {"a.yml": "1\n"})
    with pytest.raises(EngineError, match="cannot be read"):
        branch(history, **{about: value}).tip()


@pytest.mark.parametrize("folder", ["other", "../..", "model/a.yml"])
def test_a_folder_that_is_not_there(history: History, folder: str) -> None:
    commit = history.commit("one", {"a.yml": "1\n"})
    followed = branch(history, folder=folder)
    followed.tip()
    with pytest.raises(UsageError, match="has no folder"):
        followed.check_out(commit)


@pytest.mark.parametrize("lock", ["index.lock", "HEAD.lock"])
def test_what_a_killed_git_left_keeps_nobody_from_checking_out(history: History, lock: str) -> None:
    commit = history.commit("one", {"a.yml": "1\n"})
    followed = branch(history)
    followed.tip()
    (followed.top / ".git" / lock).touch()
    assert (followed.check_out(commit) / "a.yml").read_text() == "1\n"


@pytest.mark.parametrize("lock", ["config.lock", "refs/remotes/origin/main.lock"])
def test_what_a_killed_git_left_keeps_nobody_from_fetching(history: History, lock: str) -> None:
    history.commit("one", {"a.yml": "1\n"})
    followed = branch(history)
    followed.check_out(followed.tip())
    (followed.top / ".git" / lock).touch()
    second = history.commit("two", {"a.yml": "2\n"})
    assert followed.tip() == second
    assert (followed.check_out(second) / "a.yml").read_text() == "2\n"


def test_half_a_copy_is_not_taken_for_the_repository_around_it(history: History) -> None:
    around = History(history.top.parent)
    around.git("init", "-q", "-b", "main")
    commit = history.commit("one", {"a.yml": "1\n"})
    followed = branch(history)
    (followed.top / ".git").mkdir(parents=True)
    assert followed.tip() == commit
    (followed.top / ".git" / "HEAD").unlink()
    assert (followed.check_out(commit) / "a.yml").read_text() == "1\n"
    assert around.git("for-each-ref") == ""


def test_the_copy_stays_while_the_repository_is_away(history: History, tmp_path: Path) -> None:
    history.commit("one", {"a.yml": "1\n"})
    followed = branch(history)
    model = followed.check_out(followed.tip())
    history.top.rename(tmp_path / "away")
    with pytest.raises(EngineError):
        followed.tip()
    assert (model / "a.yml").read_text() == "1\n"


def test_users_are_not_shown(history: History) -> None:
    with pytest.raises(EngineError) as caught:
        branch(history, address="nosuch://t0ken@127.0.0.1/x").tip()
    assert "t0ken" not in str(caught.value.problems)


@pytest.mark.parametrize("address", ["https://ann:s3cret@git.example/x", "ssh://:s3cret@git.example:22"])
def test_an_address_with_a_password_is_refused(history: History, address: str) -> None:
    with pytest.raises(UsageError, match="has a password in it") as caught:
        branch(history, address=address)
    assert "s3cret" not in str(caught.value.problems)


@pytest.mark.parametrize(
    "address", ["ssh://git@git.example:22/x", "git@git.example:a/b.git", "https://git.example:8443/a:b@c", "/a:b@c"]
)
def test_an_address_without_a_password(history: History, address: str) -> None:
    assert branch(history, address=address).remote == address


def test_one_process_has_the_working_copy(history: History) -> None:
    first, second = branch(history), branch(history)
    with first.held(), pytest.raises(LockedError), second.held():
        raise AssertionError("both have it")
    with second.held():
        pass
