from __future__ import annotations

from pathlib import Path

import pytest

from saltern.base.errors import RolloutError
from saltern.rollout.kubernetes import mirror
from saltern.rollout.kubernetes.kubectl import Kubectl
from saltern.rollout.kubernetes.mirror import Mirror

from .server import FakeServer


def of(server: FakeServer, folder: Path) -> Mirror:
    return Mirror(Kubectl(server, "lab"), "lab", folder)


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_json", ".json")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def tree(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_another_machine_gets_what_this_one_sent(tmp_path: Path) -> None:
    server, here, there = FakeServer(), tmp_path / "here", tmp_path / "there"
    write(here, jobs_json="[1]", rollouts__000001__plan_json="{}", revisions__abc_json="r", compose="not state")
    of(server, here).push()
    other = of(server, there)
    other.pull()
    assert tree(there) == {"jobs.json": "[1]", "rollouts/000001/plan.json": "{}", "revisions/abc.json": "r"}
    write(there, rollouts__000001__journal="line\n")
    other.push()
    of(server, here).pull()
    assert tree(here)["rollouts/000001/journal"] == "line\n"


def test_only_what_changed_is_sent(tmp_path: Path) -> None:
    server = FakeServer()
    write(tmp_path, jobs_json="[1]", upgrades_json="{}")
    one = of(server, tmp_path)
    one.push()
    server.calls.clear()
    one.push()
    assert server.calls == []
    write(tmp_path, jobs_json="[2]")
    one.push()
    assert len(server.calls) == 1


def test_what_was_forgotten_elsewhere_goes_here_too(tmp_path: Path) -> None:
    server, here, there = FakeServer(), tmp_path / "here", tmp_path / "there"
    write(here, revisions__a_json="a", revisions__b_json="b", rollouts__000001__plan_json="{}")
    first = of(server, here)
    first.push()
    of(server, there).pull()
    (here / "revisions/a.json").unlink()
    first.push()
    of(server, there).pull()
    assert sorted(tree(there)) == ["revisions/b.json", "rollouts/000001/plan.json"]
    server.objects.clear()
    of(server, there).pull()
    assert tree(there) == {}


def test_what_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror, "LIMIT", 10)
    write(tmp_path, jobs_json="[1]")
    with pytest.raises(RolloutError, match="too large"):
        of(FakeServer(), tmp_path).push()
