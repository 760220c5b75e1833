from __future__ import annotations

import pytest

from saltern.base.errors import LockedError
from saltern.rollout.kubernetes import lease
from saltern.rollout.kubernetes.kubectl import Kubectl
from saltern.rollout.kubernetes.lease import Lease

from .server import FakeServer


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "POLL", 0.01)
    monkeypatch.setattr(lease, "SECONDS", 0.1)
    monkeypatch.setattr(lease, "RENEW", 0.02)


@pytest.fixture
def server() -> FakeServer:
    return FakeServer()


def of(server: FakeServer, me: str) -> Lease:
    return Lease(Kubectl(server, "lab"), "saltern", me=me)


def holder(server: FakeServer) -> str:
    return str(server.objects["lease", "saltern"]["spec"]["holderIdentity"])


def test_it_is_held_renewed_and_given_back(server: FakeServer) -> None:
    mine = of(server, "here:1")
    with mine.held():
        assert holder(server) == "here:1"
        first = server.objects["lease", "saltern"]["spec"]["renewTime"]
        while server.objects["lease", "saltern"]["spec"]["renewTime"] == first:
            pass
    assert holder(server) == ""
    assert not mine.lost.is_set()
    with of(server, "there:2").held():
        assert holder(server) == "there:2"


def test_two_exclude_each_other(server: FakeServer) -> None:
    with of(server, "here:1").held(), pytest.raises(LockedError, match="here:1"), of(server, "there:2").held():
        pass


def test_one_without_a_sign_of_life_is_taken_over(server: FakeServer) -> None:
    of(server, "gone:1")._take()
    with of(server, "there:2").held():
        assert holder(server) == "there:2"


def test_a_dead_process_of_this_machine_is_not_waited_for(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "SECONDS", 1000)
    monkeypatch.setattr(lease, "_is_dead", lambda holder: holder == "here:1")
    of(server, "here:1")._take()
    with of(server, "here:2").held():
        assert holder(server) == "here:2"


def test_who_lost_it_knows(server: FakeServer) -> None:
    mine = of(server, "here:1")
    with mine.held():
        current = server.objects["lease", "saltern"]
        server.put({**current, "spec": {**current["spec"], "holderIdentity": "thief:1"}})
        assert mine.lost.wait(5)
    assert holder(server) == "thief:1"


def test_who_lost_it_is_refused(server: FakeServer) -> None:
    mine = of(server, "here:1")
    with mine.held():
        mine.refuse_lost()
        current = server.objects["lease", "saltern"]
        server.put({**current, "spec": {**current["spec"], "holderIdentity": "thief:1"}})
        with pytest.raises(LockedError, match="thief:1 has it"):
            of(server, "here:1").refuse_lost()
    del server.objects["lease", "saltern"]
    with pytest.raises(LockedError, match="nobody has it"):
        mine.refuse_lost()


def test_a_server_that_comes_back_finds_it_renewed(server: FakeServer) -> None:
    mine = of(server, "here:1")
    with mine.held():
        server.refuses["get"] = "forbidden for a while"
        calls = len(server.calls)
        while len(server.calls) < calls + 3:
            pass
        first = server.objects["lease", "saltern"]["spec"]["renewTime"]
        server.refuses.clear()
        while server.objects["lease", "saltern"]["spec"]["renewTime"] == first:
            pass
        assert not mine.lost.is_set()
