"""Rendered files as they may be shown: by what was a secret when they were rendered."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from saltern.formulas.worker import ApplyResult, ChangedFile
from saltern.project.configuring import ANSWER, MASKED, masked_texts, shown_text
from saltern.project.context import Member
from tests.unit.project.compiled import Nodes

TREE = "t1"


def member(nodes: Nodes, **parameters: str) -> Member:
    lines = "".join(f"    {key}: {json.dumps(value)}\n" for key, value in parameters.items())
    nodes.write(web=f"applications: [web]\nparameters:\n  web:\n{lines}")
    return nodes.project().member("web")


def rendered(folder: Path, one: Member, tree: str = TREE, **files: bytes) -> None:
    """Write a tree with its answer, as a rollout does."""
    for name, data in files.items():
        path = folder / tree / "etc" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    result = ApplyResult(
        ok=True,
        results=(),
        files=(
            *(ChangedFile(f"/etc/{n}", "file", "0644", 0, 0) for n in files),
            ChangedFile("/e", "symlink", "", 0, 0),
        ),
    )
    masked = masked_texts(folder / tree, result, one)
    (folder / f"{tree}{ANSWER}").write_text(json.dumps({MASKED: masked}))


def test_secrets_are_masked_and_the_rest_is_kept(nodes: Nodes, tmp_path: Path) -> None:
    one = member(nodes, password="s3cret-one", user="web")
    rendered(tmp_path, one, a=b"user = web\npassword = s3cret-one\n", b=b"plain\n")
    assert shown_text(tmp_path, TREE, "/etc/a") == "user = web\npassword = ***\n"
    assert shown_text(tmp_path, TREE, "/etc/b") == "plain\n"
    answer = (tmp_path / f"{TREE}{ANSWER}").read_text()
    assert "/etc/b" not in answer, "only what holds secrets is kept twice"
    assert "s3cret" not in answer


def test_a_secret_that_was_changed_is_still_masked(nodes: Nodes, tmp_path: Path) -> None:
    rendered(tmp_path, member(nodes, password="s3cret-one"), a=b"s3cret-one s3cret-two\n")
    rendered(tmp_path, member(nodes, password="s3cret-two"), "t2", a=b"s3cret-one s3cret-two\n")
    assert shown_text(tmp_path, "t1", "/etc/a") == "*** s3cret-two\n", "as it was known then"
    assert shown_text(tmp_path, "t2", "/etc/a") == "s3cret-one ***\n"


def test_the_longest_secret_is_masked_first(nodes: Nodes, tmp_path: Path) -> None:
    one = member(nodes, password="s3cret", token="s3cret-and-more")
    rendered(tmp_path, one, a=b"s3cret-and-more s3cret")
    assert shown_text(tmp_path, TREE, "/etc/a") == "*** ***"


def test_values_that_a_rollout_brings_are_masked(nodes: Nodes, tmp_path: Path) -> None:
    one = member(nodes, name="?{env:NAME}", short="?{env:SHORT}")
    known = {"?{env:NAME}": "from-outside", "?{env:SHORT}": "abc"}
    values = {reference: known[str(reference)] for reference in one.references}
    rendered(tmp_path, replace(one, values=values), a=b"from-outside abcdef")
    assert shown_text(tmp_path, TREE, "/etc/a") == "*** abcdef", "what is too short would hide half of each text"


def test_what_is_no_text(nodes: Nodes, tmp_path: Path) -> None:
    one = member(nodes, password="s3cret-one")
    rendered(tmp_path, one, plain=b"\xff\x00", secret=b"\xffs3cret-one")
    assert shown_text(tmp_path, TREE, "/etc/plain") is None
    assert "s3cret" not in (shown_text(tmp_path, TREE, "/etc/secret") or "")


@pytest.mark.parametrize("answer", [None, "{}", "{"])
def test_what_may_be_shown_is_not_known(nodes: Nodes, tmp_path: Path, answer: str | None) -> None:
    rendered(tmp_path, member(nodes, password="s3cret-one"), a=b"s3cret-one")
    path = tmp_path / f"{TREE}{ANSWER}"
    path.unlink()
    if answer is not None:
        path.write_text(answer)
    assert shown_text(tmp_path, TREE, "/etc/a") is None


def test_what_is_no_more_there(nodes: Nodes, tmp_path: Path) -> None:
    rendered(tmp_path, member(nodes, user="x"), a=b"x")
    assert shown_text(tmp_path, TREE, "/etc/b") is None
    assert shown_text(tmp_path, "t9", "/etc/a") is None
    (tmp_path / TREE / "etc" / "a").unlink()
    assert shown_text(tmp_path, TREE, "/etc/a") is None
