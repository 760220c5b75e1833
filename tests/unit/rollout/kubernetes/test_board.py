"""The ConfigMap of a program that works by itself."""

from __future__ import annotations

from saltern.rollout.kubernetes.board import Board
from saltern.rollout.kubernetes.kubectl import Kubectl
from tests.unit.rollout.kubernetes.server import FakeServer


def test_what_is_written_is_read_and_the_approval_stays() -> None:
    server = FakeServer()
    board = Board(Kubectl(server, "lab"), "operate")
    assert board.read() == ({}, "")
    board.write({"state": "waiting", "plan": "p1"})
    data, approval = board.read()
    assert {**data, "since": "x"} == {"state": "waiting", "plan": "p1", "since": "x"}
    assert (data["since"][4], approval) == ("-", "")
    server.annotate("configmap", "operate", saltern__io_approve=" p1 ")
    board.write({"state": "done"})
    data, approval = board.read()
    assert ({*data}, approval) == ({"state", "since"}, "p1")
