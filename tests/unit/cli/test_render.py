"""``saltern render``: which words go together."""

from __future__ import annotations

from pathlib import Path

import pytest

from saltern.base.errors import ExitCode
from tests.trees import write_tree
from tests.unit.cli.conftest import Run


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--target", "kubernetes"), "DIR is missing"),
        (("out",), "DIR and --secrets are for manifests"),
        (("--secrets",), "DIR and --secrets are for manifests"),
        (("--target", "kubernetes", "--kubernetes-version", "1.19", "out"), "'1.19' is no version of Kubernetes"),
    ],
)
def test_words_that_do_not_go_together(run: Run, tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    write_tree(tmp_path, {"nodes/a.yml": "applications: [a]\n", "classes/a.yml": "{}\n"})
    done = run("render", *words, "--model", str(tmp_path), "--json")
    assert done.code == ExitCode.USAGE
    assert said in done.problems()[0]["brief"]
