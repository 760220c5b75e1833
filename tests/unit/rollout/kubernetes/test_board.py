"""The ConfigMaps of a program that works by itself."""

from __future__ import annotations

from saltern.rollout.kubernetes.board import Board
from saltern.rollout.kubernetes.kubectl import Kubectl
from tests.unit.rollout.kubernetes.server import FakeServer


def test_what_is_written_is_read_and_the_approval_is_in_an_object_of_its_own() -> None:
    server = FakeServer()
    board = Board(Kubectl(server, "lab"), "operate")
    assert board.read() == ({}, "")
    board.write({"state": "waiting", "plan": "p1"})
    data, approval = board.read()
    assert {**data, "since": "x"} == {"state": "waiting", "plan": "p1", "since": "x"}
    assert (data["since"][4], approval) == ("-", "")
    server.annotate("configmap", "operate", saltern__io_approve="p0")
    server.annotate("configmap", "operate-approval", saltern__io_approve=" p1 ")
    board.write({"state": "done"})
    data, approval = board.read()
    assert ({*data}, approval) == ({"state", "since"}, "p1")


def test_the_place_for_an_approval_is_there_before_the_first_status_and_made_again() -> None:
    server = FakeServer()
    board = Board(Kubectl(server, "lab"), "operate")
    for _ in range(2):
        board.read()
        assert [*server.objects] == [("configmap", "operate-approval")]
        server.objects.clear()
