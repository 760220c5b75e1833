"""Rounds of ``operate``: what is carried out, what waits, what is refused, and with which rights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from saltern.base.errors import EngineError, UnbuiltError, UsageError
from saltern.plan.following import State
from saltern.project import operating
from saltern.project.context import Project
from saltern.project.operating import NAME, Pace, operate
from saltern.rollout.kubernetes.lease import Lease
from saltern.rollout.rollouts import Outcome
from saltern.targets.kubernetes.access import approver, rules
from tests.unit.project.cloud import World
from tests.unit.project.followed import Followed, never
from tests.unit.project.history import History
from tests.unit.rollout.kubernetes.guarded import GuardedServer

# ---- what is carried out


def test_a_new_cloud_waits_for_an_approval_of_its_plan(empty: Followed) -> None:
    status = empty.round()
    assert (status.state, status.kinds) == (State.WAITING, "image workloads")
    assert "the policy does not allow image, workloads" in status.message
    assert f"annotate --overwrite configmap saltern-operate-approval saltern.io/approve={status.plan}" in status.message
    assert ("deployment", "web") not in empty.server.objects
    assert {key: empty.shown[key] for key in ("state", "plan", "commit")} == {
        "state": "waiting",
        "plan": status.plan,
        "commit": empty.history.git("rev-parse", "HEAD"),
    }
    assert empty.round() == status, "nothing changed"
    assert len(empty.told) == 1

    empty.approve("0" * 12)
    other = empty.round()
    assert (other.state, other.plan) == (State.WAITING, status.plan)
    assert "000000000000 was approved, which is another plan" in other.message

    empty.approve(status.plan)
    done = empty.round()
    assert (done.state, empty.shown["state"]) == (State.DONE, "done")
    assert [one.state for one in empty.told[-2:]] == [State.APPLYING, State.DONE]
    assert empty.outcomes == [("operate", Outcome.DONE)]


def test_configuration_is_carried_out_by_itself(up: Followed) -> None:
    commit = up.config(8)
    status = up.round()
    assert (status.state, status.commit, status.kinds) == (State.DONE, commit, "config")
    assert up.workers == "workers = 8"
    assert up.told[0].message == "the policy allows it"
    assert up.round() == status
    assert up.outcomes == [("operate", Outcome.DONE)] * 2


def test_another_image_waits_where_the_policy_is_the_default(up: Followed) -> None:
    up.config(8, image="k2")
    status = up.round()
    assert (status.state, status.kinds) == (State.WAITING, "image")
    assert up.workers == "workers = 4"


def test_the_policy_of_the_model_decides(up: Followed) -> None:
    up.world.node("web", replicas=2, conf={"workers": 8}, image="k2")
    up.commit(automatic=["config", "image"])
    assert up.round().state is State.DONE
    up.world.node("web", replicas=2, conf={"workers": 9}, image="k2")
    up.commit(automatic=[])
    assert up.round().state is State.WAITING


def test_who_has_no_other_replica_is_not_restarted_by_itself(up: Followed) -> None:
    up.world.node("db", conf={"size": 1})
    up.commit(automatic=["config", "image", "workloads"])
    assert up.round().state is State.DONE
    up.world.node("db", conf={"size": 2})
    up.commit()
    status = up.round()
    assert (status.state, status.kinds) == (State.WAITING, "config restart")


def test_an_approval_does_not_count_for_the_next_commit(up: Followed) -> None:
    up.config(8, image="k2")
    up.approve(up.round().plan)
    up.config(9, image="k3")
    status = up.round()
    assert (status.state, up.workers) == (State.WAITING, "workers = 4")
    assert "another plan" in status.message


def test_an_approval_does_not_count_when_the_cloud_has_changed(up: Followed) -> None:
    up.config(8, image="k2")
    first = up.round()
    up.server.objects.pop(("deployment", "web"))
    up.approve(first.plan)
    second = up.round()
    assert second.state is State.WAITING
    assert second.plan != first.plan
    up.approve(second.plan)
    assert up.round().state is State.DONE


def test_a_commit_that_changes_nothing(up: Followed) -> None:
    commit = up.commit("only words")
    status = up.round()
    assert (status.state, status.commit, status.message) == (State.DONE, commit, "nothing to do")
    assert up.outcomes == [("operate", Outcome.DONE)]


# ---- what is not


def test_a_model_that_is_wrong_is_looked_at_once(up: Followed, monkeypatch: pytest.MonkeyPatch) -> None:
    (up.world.root / "nodes" / "web.yml").write_text("applications: [web]\nparameters:\n  x: ${nowhere}\n")
    commit = up.commit()
    status = up.round()
    assert (status.state, status.commit) == (State.FAILED, commit)
    assert "nodes/web.yml:3" in status.message
    monkeypatch.setattr(operating.planning, "plan", _refused)
    assert up.round() == status, "it is not planned again"


def test_a_policy_that_is_wrong_has_its_line(up: Followed) -> None:
    up.commit(automatic=["config", "restore"])
    status = up.round()
    assert status.state is State.FAILED
    assert "operate:automatic:1: 'restore' is not one of" in status.message
    assert "saltern.yml:" in status.message


def test_what_git_does_not_have_is_held(up: Followed, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = operating.planning.plan

    def builds(project: Project) -> Any:
        made = plan(project)
        (project.root / "packages.lock").write_text("images: {}\n")
        return made

    monkeypatch.setattr(operating.planning, "plan", builds)
    up.config(8)
    status = up.round()
    assert status.state is State.HELD
    assert "planning changed model/packages.lock" in status.message
    up.approve(status.plan)
    assert up.round().state is State.HELD, "an approval changes nothing of that"
    assert up.workers == "workers = 4"


def test_what_cannot_be_built_is_held_until_it_was_pushed(up: Followed, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, plan = up.world.engine, operating.planning.plan

    def needs(project: Project) -> Any:
        if engine.missing:
            raise UnbuiltError.of(sorted(engine.missing))
        return plan(project)

    monkeypatch.setattr(operating.planning, "plan", needs)
    engine.builds, engine.missing = False, {"r/lab/web:k2", "r/lab/db:k1"}
    up.config(8)
    status = up.round()
    assert (status.state, status.missing) == (State.HELD, "r/lab/db:k1 r/lab/web:k2")
    assert "the registry does not have r/lab/db:k1, r/lab/web:k2" in status.message
    assert "saltern push" in status.message
    engine.missing.pop()
    with monkeypatch.context() as quiet:
        quiet.setattr(operating.planning, "plan", _refused)
        assert up.round() == status, "it is asked for, not planned"
    engine.missing.clear()
    done = up.round()
    assert (done.state, done.missing, up.workers) == (State.DONE, "", "workers = 8")


def test_what_is_held_for_want_of_an_engine_is_built_by_who_has_one(
    up: Followed, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(operating.planning, "plan", _unbuilt)
        up.world.engine.builds, up.world.engine.missing = False, {"r/lab/web:k2"}
        up.config(8)
        assert up.round().state is State.HELD
    up.world.engine.builds = True
    assert up.round().state is State.DONE


def test_a_plan_with_a_backup_needs_an_engine(up: Followed) -> None:
    up.world.node("db", version="22.0", staged=True)
    up.commit(automatic=["config", "image", "schema", "restart", "workloads"])
    assert up.round().state is State.DONE
    up.world.node("db", version="27.0", image="k2", staged=True)
    up.world.engine.builds = False
    up.commit()
    status = up.round()
    assert status.state is State.HELD, status
    assert "it takes a backup first" in status.message


def test_another_cloud_is_not_followed(up: Followed) -> None:
    path = up.world.root / "saltern.yml"
    data = yaml.safe_load(path.read_text())
    home = up.open(up.world.root)
    leads = Lease(home.kubectl, NAME)
    path.write_text(yaml.safe_dump({**data, "cloud": "prod"}))
    up.commit()
    with leads.held():
        status = operating.Operator(up.branch, home, up.open, up.told.append, leads).round()
    assert status.state is State.FAILED
    assert "another cloud than the one that is followed: prod" in status.message


def test_one_commit_that_is_no_cloud_of_a_cluster_ends_nothing(up: Followed) -> None:
    """Each round is one of a process that was started for it."""
    path = up.world.root / "saltern.yml"
    good = path.read_text()
    path.write_text(yaml.safe_dump({**yaml.safe_load(good), "target": "compose"}))
    up.commit()
    assert "only a cloud on Kubernetes" in up.round().message
    elsewhere = up.world.root.rename(up.history.top / "elsewhere")
    up.commit()
    assert "has no folder 'model'" in up.round().message
    elsewhere.rename(up.world.root)
    path.write_text(good)
    up.config(8)
    assert (up.round().state, up.workers) == (State.DONE, "workers = 8")
    assert [one.state for one in up.told] == [State.FAILED, State.FAILED, State.APPLYING, State.DONE]


def test_a_cloud_that_is_in_no_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history = History(tmp_path / "repository", "model").start()
    world = World(history.model, tmp_path / "state", tmp_path / "cache").install(monkeypatch)
    found = Followed(world.node("web"), history, GuardedServer())
    found.commit()
    with pytest.raises(UsageError, match="only a cloud on Kubernetes"):
        operate(found.branch, found.open, found.told.append, never, Pace())


# ---- its account


def test_the_account_may_do_what_is_done(up: Followed) -> None:
    """With a job, and a workload that goes; what is refused would have failed the tests above too."""
    up.world.node("db", conf={"size": 1}, fresh=True).node("web", replicas=2, conf={"workers": 5})
    up.commit(automatic=["config", "image", "workloads", "restart"])
    assert up.round().state is State.DONE
    up.world.without("db")
    up.commit()
    assert up.round().state is State.DONE
    assert up.server.refused == []


def test_what_is_forbidden_is_told(up: Followed) -> None:
    up.server.rules = [rule for rule in up.server.rules if "deployments" not in rule["resources"]]
    up.config(8)
    with pytest.raises(EngineError, match="operate may not list deployments"):
        up.round()


def test_the_account_is_written_as_manifests(up: Followed, tmp_path: Path) -> None:
    up.server.rules = [{}]
    names = operating.write_account(up.branch, up.open, tmp_path / "access")
    assert [*names] == sorted(path.name for path in (tmp_path / "access").iterdir())
    found = [yaml.safe_load((tmp_path / "access" / name).read_text()) for name in names]
    things = {(one["kind"], one["metadata"]["name"]): one for one in found if one["kind"] != "Kustomization"}
    assert {one["metadata"]["namespace"] for one in things.values()} == {"lab"}
    assert things["Role", NAME]["rules"] == rules(NAME, "lab")
    assert things["RoleBinding", NAME]["subjects"][0]["name"] == things["ServiceAccount", NAME]["metadata"]["name"]
    assert things["Role", f"{NAME}-approve"]["rules"] == approver(NAME)


def test_what_runs_it_in_the_cluster_is_written_too(up: Followed, tmp_path: Path) -> None:
    branch = replace(up.branch, address=f"file://{up.history.top}")
    words = ("operate", "--repository", "ssh://git@git.example/$cloud.git")
    operating.write_account(branch, up.open, tmp_path / "operate", "registry.example/saltern:1", words)
    raw = yaml.safe_load((tmp_path / "operate" / f"deployment-{NAME}.yaml").read_text())
    (container,) = raw["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "registry.example/saltern:1"
    assert container["command"][-1] == "ssh://git@git.example/$$cloud.git"
    assert (tmp_path / "operate" / f"networkpolicy-{NAME}-helpers.yaml").is_file()
    with pytest.raises(UsageError, match="no pod can fetch from it"):
        operating.write_account(up.branch, up.open, tmp_path / "other", "registry.example/saltern:1", words)


def _unbuilt(_project: Project) -> Any:
    raise UnbuiltError.of(["r/lab/web:k2"])


def _refused(_project: Project) -> Any:
    raise AssertionError("planned")
