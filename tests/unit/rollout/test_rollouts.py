"""The record of rollouts: on disk before each act, readable whatever killed its writer."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from saltern.base.errors import RolloutError
from saltern.rollout.rollouts import AVAILABILITY, JOURNAL, PLAN, Outcome, Past, Record, history, unproven

PLANNED = {"id": "p1", "new": "r2", "old": "r1", "steps": [{"key": "roll:web-1"}]}
FULL = Path("/dev/full")
full = pytest.mark.skipif(not FULL.exists(), reason="no /dev/full here")


def begun(root: Path, kind: str = "apply", **plan: Any) -> Record:
    return Record.begin(root, kind, {**PLANNED, **plan})


def newest(root: Path, *, at_work: bool = False) -> Past:
    return history(root, at_work=at_work)[0]


def test_a_whole_rollout(tmp_path: Path) -> None:
    record = begun(tmp_path)
    record.write("act", step="roll:web-1", reason="changed")
    record.write("done", step="roll:web-1", seconds=1.5)
    record.end(Outcome.DONE, {"endpoints": [{"name": "identity", "answered": True}]}, 2.34567)
    past = newest(tmp_path)
    assert (past.number, past.kind, past.outcome, past.seconds) == (1, "apply", Outcome.DONE, 2.346)
    assert (past.target, past.plan) == ("r2", PLANNED)
    assert past.availability == {"endpoints": [{"name": "identity", "answered": True}]}
    assert (past.open_steps, past.done_steps, past.problems) == ((), 1, ())
    assert [line["event"] for line in past.lines] == ["begin", "act", "done", "end"]
    assert past.begun.endswith("+00:00")


def test_each_line_is_on_disk_when_it_is_written(tmp_path: Path) -> None:
    record = begun(tmp_path)
    path = record.folder / JOURNAL
    for count, event in enumerate(("act", "done", "act"), 2):
        record.write(event, step="x")
        lines = path.read_bytes().splitlines()
        assert len(lines) == count
        assert json.loads(lines[-1])["event"] == event
    assert json.loads((record.folder / PLAN).read_bytes()) == PLANNED, "before the first act"
    assert stat.S_IMODE((record.folder / PLAN).stat().st_mode) == 0o600


def test_threads_write_whole_lines(tmp_path: Path) -> None:
    record = begun(tmp_path)
    threads = [
        threading.Thread(target=lambda n=n: [record.write("act", step=f"{n}-{m}" * 99) for m in range(10)])
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({line["step"] for line in newest(tmp_path).lines if line["event"] == "act"}) == 40


def test_numbers_count_on(tmp_path: Path) -> None:
    assert history(tmp_path) == ()
    assert history(tmp_path / "none") == ()
    assert [begun(tmp_path).number for _ in range(11)] == [*range(1, 12)]
    assert [past.number for past in history(tmp_path)] == [*range(11, 0, -1)]
    (tmp_path / "000003").rename(tmp_path / "999999")
    assert begun(tmp_path).number == 1_000_000
    (tmp_path / "000004" / JOURNAL).unlink()
    (tmp_path / "12.old").mkdir()
    numbers = [past.number for past in history(tmp_path)]
    assert numbers[:3] == [1_000_000, 999_999, 11]


def test_without_an_end_it_was_interrupted(tmp_path: Path) -> None:
    record = begun(tmp_path)
    record.write("act", step="start:db", reason="x")
    record.write("done", step="start:db", seconds=1.0)
    record.write("act", step="start:web", reason="x")
    past = newest(tmp_path)
    assert (past.outcome, past.open_steps, past.done_steps) == (Outcome.INTERRUPTED, ("start:web",), 1)
    assert past.seconds == 0.0


def test_the_newest_is_running_while_a_saltern_works(tmp_path: Path) -> None:
    begun(tmp_path)
    begun(tmp_path)
    assert [past.outcome for past in history(tmp_path)] == [Outcome.INTERRUPTED] * 2
    assert [past.outcome for past in history(tmp_path, at_work=True)] == [Outcome.RUNNING, Outcome.INTERRUPTED]


def test_what_was_killed_does_not_run_while_another_saltern_works(tmp_path: Path) -> None:
    record = begun(tmp_path)
    gone = subprocess.Popen(["true"])
    gone.wait()
    journal = record.folder / JOURNAL
    journal.write_text(journal.read_text().replace(f'"pid": {os.getpid()}', f'"pid": {gone.pid}'))
    assert newest(tmp_path, at_work=True).outcome is Outcome.INTERRUPTED


def test_a_step_that_is_done_twice_may_be_open_the_second_time(tmp_path: Path) -> None:
    record = begun(tmp_path)
    for event, step in (("act", "verify:web"), ("done", "verify:web"), ("act", "start:db"), ("act", "verify:web")):
        record.write(event, step=step)
    assert newest(tmp_path).open_steps == ("start:db", "verify:web")


@pytest.mark.parametrize("outcome", [Outcome.DONE, Outcome.FAILED])
def test_what_has_ended_does_not_run(tmp_path: Path, outcome: Outcome) -> None:
    begun(tmp_path).end(outcome, {}, 1.0)
    assert newest(tmp_path, at_work=True).outcome is outcome


def test_a_failure(tmp_path: Path) -> None:
    record = begun(tmp_path)
    for step in ("a", "b"):
        record.write("act", step=step, reason="x")
    record.write("failed", step="b", problem="it said no\nmore", seconds=0.1)
    record.end(Outcome.FAILED, {}, 1.0)
    past = newest(tmp_path)
    assert (past.outcome, past.problems, past.open_steps) == (Outcome.FAILED, ("it said no\nmore",), ("a",))


@pytest.mark.parametrize(
    "torn", [b'{"event": "ac', b'{"event": "act", "step": "y"', b"\xff\xfe\x00", b"3", b"[]", b"{}"]
)
def test_a_torn_last_line_is_left_out(tmp_path: Path, torn: bytes) -> None:
    record = begun(tmp_path)
    record.write("act", step="x", reason="x")
    with (record.folder / JOURNAL).open("ab") as file:
        file.write(torn)
    past = newest(tmp_path)
    assert [line["event"] for line in past.lines] == ["begin", "act"]
    assert (past.outcome, past.open_steps) == (Outcome.INTERRUPTED, ("x",))


@pytest.mark.parametrize("length", range(0, 160, 7))
def test_any_beginning_of_a_journal_can_be_read(tmp_path: Path, length: int) -> None:
    record = begun(tmp_path)
    record.write("act", step="x", reason="x")
    record.write("done", step="x", seconds=1.0)
    record.end(Outcome.DONE, {}, 1.0)
    path = record.folder / JOURNAL
    whole = newest(tmp_path).lines
    path.write_bytes(path.read_bytes()[:length])
    past = newest(tmp_path)
    assert past.lines == whole[: len(past.lines)]
    assert past.outcome is Outcome.INTERRUPTED


def gates(root: Path, kind: str, *events: tuple[str, str], end: Outcome | None = None) -> Record:
    """A rollout that was to check two workloads, one of them twice."""
    steps = [{"key": f"verify:{name}", "act": "verify", "workload": name} for name in ("web", "db", "web")]
    record = begun(root, kind, steps=steps)
    for event, step in events:
        record.write(event, step=step)
    if end:
        record.end(end, {}, 1.0)
    return record


def test_checks_that_were_not_made_are_owed_until_they_are(tmp_path: Path) -> None:
    did, web, db = (("act", "start:db"), ("done", "start:db")), ("done", "verify:web"), ("done", "verify:db")
    gates(tmp_path, "apply", *did, db, end=Outcome.FAILED)
    assert unproven(history(tmp_path)) == {"web"}
    gates(tmp_path, "apply", *did, web, web)
    assert unproven(history(tmp_path)) == {"db"}
    gates(tmp_path, "apply", *did, web, end=Outcome.FAILED)
    assert unproven(history(tmp_path)) == {"web", "db"}, "it was to be made twice"
    gates(tmp_path, "apply", end=Outcome.FAILED)
    assert unproven(history(tmp_path)) == {"web", "db"}, "what did nothing proves nothing"
    gates(tmp_path, "apply", end=Outcome.DONE)
    assert unproven(history(tmp_path)) == frozenset()
    gates(tmp_path, "apply")
    assert unproven(history(tmp_path)) == frozenset(), "what did nothing owes nothing"


def test_the_wall_clock_orders_nothing(tmp_path: Path) -> None:
    """Rollouts come by their numbers, lines in their order, whatever time of day the clock said."""
    for year in ("2031", "1970", "2026"):
        record = gates(tmp_path, year, ("act", "start:db"), end=Outcome.DONE)
        path = record.folder / JOURNAL
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        shifted = [{**line, "at": f"{year}-01-0{9 - n}T00:00:00+00:00"} for n, line in enumerate(lines)]
        path.write_text("".join(json.dumps(line) + "\n" for line in shifted))
        os.utime(record.folder, (int(year), int(year)))
    found = history(tmp_path)
    assert [(past.number, past.kind, past.begun[:4]) for past in found] == [
        (3, "2026", "2026"),
        (2, "1970", "1970"),
        (1, "2031", "2031"),
    ]
    assert [past.seconds for past in found] == [1.0] * 3
    assert begun(tmp_path).number == 4


def test_damaged_and_missing_files(tmp_path: Path) -> None:
    record = begun(tmp_path)
    (record.folder / PLAN).write_bytes(b"{")
    (record.folder / AVAILABILITY).write_bytes(b"[1]")
    (tmp_path / "000007").mkdir()
    found = history(tmp_path)
    assert [(past.number, past.plan, past.availability, past.target) for past in found] == [
        (7, {}, {}, ""),
        (1, {}, {}, ""),
    ]
    assert [past.kind for past in found] == ["", "apply"]


# ---- what cannot be written


def test_where_no_folder_can_be_made_nothing_begins(tmp_path: Path) -> None:
    (tmp_path / "rollouts").write_text("a file")
    with pytest.raises(RolloutError) as caught:
        begun(tmp_path / "rollouts")
    (problem,) = caught.value.problems
    assert problem.brief.startswith(f"the journal in {tmp_path}/rollouts/000001 cannot be written: ")
    assert "what cannot be recorded is not done" in problem.details
    assert "goes on" in problem.resolution


@full
def test_a_full_disk(tmp_path: Path) -> None:
    record = begun(tmp_path)
    journal = record.folder / JOURNAL
    kept = journal.read_bytes()
    journal.unlink()
    journal.symlink_to(FULL)
    with pytest.raises(RolloutError, match="No space left on device"):
        record.write("act", step="x")
    journal.unlink()
    journal.write_bytes(kept + b'{"event": "act", "st')
    record.end(Outcome.FAILED, {}, 1.0)
    past = newest(tmp_path)
    assert past.outcome is Outcome.FAILED, "half a line does not spoil the next one"
    assert [line["event"] for line in past.lines] == ["begin", "end"]
