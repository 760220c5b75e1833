"""``saltern render``: which words go together, and what is said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from saltern.base.errors import ExitCode
from saltern.cli import render
from saltern.project.manifests import Manifests
from saltern.targets.kubernetes.manifest import Manifest
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


@pytest.fixture
def done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Manifests:
    write_tree(tmp_path, {"nodes/a.yml": "applications: [a]\n", "classes/a.yml": "{}\n"})
    data = {"kind": "Secret"}
    objects = (Manifest("Service", "a", {"kind": "Service"}), Manifest("Secret", "b", data, data))
    result = Manifests(Path("out"), (1, 31), "lab", objects, secrets=False, removed=("job-old.yaml",))
    monkeypatch.setattr(render, "render_manifests", lambda *_, secrets, **__: replace(result, secrets=secrets))
    return result


@pytest.mark.usefixtures("done")
@pytest.mark.parametrize(
    ("words", "masked", "file"), [((), 1, "masked/secret-b.yaml"), (("--secrets",), 0, "secret-b.yaml")]
)
def test_programs_are_told_every_object(
    run: Run, tmp_path: Path, words: tuple[str, ...], masked: int, file: str
) -> None:
    said = run("render", "--target", "kubernetes", *words, "out", "--model", str(tmp_path), "--json").json
    assert (said["kubernetes_version"], said["namespace"], said["masked"]) == ("1.31", "lab", masked)
    assert [one["file"] for one in said["objects"]] == ["service-a.yaml", file]
    assert said["removed"] == ["job-old.yaml"]


@pytest.mark.usefixtures("done")
def test_people_are_told_what_is_masked(run: Run, tmp_path: Path) -> None:
    words = ("render", "--target", "kubernetes", "out", "--model", str(tmp_path))
    assert run(*words).out == (
        "out: 2 objects for Kubernetes 1.31, namespace lab\n"
        "1 Secrets are masked, in out/masked: the cluster needs their values (--secrets)\n"
    )
    assert "masked" not in run(*words, "--secrets").out
