"""The process runner, with real small processes."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from saltern.base.process import STUCK, Completed, LocalRunner


def sh(script: str) -> tuple[str, ...]:
    return ("/bin/sh", "-c", script)


def test_output_and_return_code_are_kept_apart() -> None:
    done = LocalRunner().run(sh("echo out; echo err >&2; exit 3"))
    assert (done.returncode, done.stdout, done.stderr, done.ok) == (3, "out\n", "err\n", False)


def test_a_missing_command_is_127_and_a_forbidden_one_126(tmp_path: Path) -> None:
    done = LocalRunner().run(("/nonexistent/tool", "x"))
    assert (done.returncode, done.stderr) == (127, "/nonexistent/tool: command not found")
    plain = tmp_path / "plain"
    plain.write_text("no program")
    assert LocalRunner().run((str(plain),)).returncode == 126


def test_silence_ends_a_process_and_each_line_keeps_it() -> None:
    said: list[str] = []
    script = sh("for n in 1 2 3 4; do echo $n; sleep 0.7; done; exec sleep 600")
    done = LocalRunner().run(script, silence=2, on_line=said.append)
    assert (done.returncode, said) == (STUCK, ["1", "2", "3", "4"])
    assert LocalRunner().run(("true",), silence=20).ok


def test_a_timeout_ends_the_process_with_124() -> None:
    begun = time.monotonic()
    done = LocalRunner().run(("sleep", "60"), timeout=0.2)
    assert done.returncode == STUCK
    assert time.monotonic() - begun < 5


def test_stdin_and_environment_reach_the_command() -> None:
    runner = LocalRunner(env={"A": "runner", "B": "runner"})
    done = runner.run(sh('cat; echo "$A $B"'), stdin="given ", env={"B": "call"})
    assert done.stdout == "given runner call\n"


def test_a_command_that_ignores_its_input_is_no_error() -> None:
    assert LocalRunner().run(("true",), stdin="x" * 1_000_000).ok


def test_no_stdin_means_an_empty_one() -> None:
    assert LocalRunner().run(("cat",), timeout=5).ok


def test_both_pipes_may_be_filled_at_once() -> None:
    script = "import sys; [(print('o' * 999), print('e' * 999, file=sys.stderr)) for _ in range(500)]"
    done = LocalRunner().run((sys.executable, "-c", script), timeout=20)
    assert (len(done.stdout), len(done.stderr)) == (500_000, 500_000)


def test_lines_come_while_the_command_runs() -> None:
    seen: list[str] = []
    first = threading.Event()

    def on_line(line: str) -> None:
        seen.append(line)
        first.set()

    thread = threading.Thread(target=lambda: LocalRunner().run(sh("echo a; sleep 0.5; echo b >&2"), on_line=on_line))
    thread.start()
    assert first.wait(5)
    assert seen == ["a"]
    thread.join()
    assert seen == ["a", "b"]


def test_bytes_that_are_no_utf8_do_not_stop_it() -> None:
    assert LocalRunner().run(sh(r"printf '\377ok'")).stdout == "\ufffdok"


def test_bytes_of_any_size_pass_through_files(tmp_path: Path) -> None:
    data = bytes(range(256)) * 5000
    (tmp_path / "in").write_bytes(data)
    with (tmp_path / "in").open("rb") as source, (tmp_path / "out").open("wb") as sink:
        done = LocalRunner().transfer(sh("echo said >&2; cat; exit 3"), stdin=source, stdout=sink)
    assert (done.returncode, done.stdout, done.stderr) == (3, "", "said\n")
    assert (tmp_path / "out").read_bytes() == data


def test_a_transfer_without_files_has_no_input_and_text_as_output() -> None:
    done = LocalRunner(env={"A": "x"}).transfer(sh("cat; echo $A $B"), env={"B": "y"})
    assert (done.returncode, done.stdout) == (0, "x y\n")


def test_a_transfer_that_takes_too_long_or_does_not_exist() -> None:
    assert LocalRunner().transfer(sh("exec sleep 60"), timeout=0.1).returncode == 124
    missing = LocalRunner().transfer(("saltern-no-such-command",))
    assert (missing.returncode, missing.stderr) == (127, "saltern-no-such-command: command not found")


def test_the_exact_command_is_logged_before_it_starts() -> None:
    logged: list[Sequence[str]] = []
    LocalRunner(log=logged.append).run(("/nonexistent/tool", "a b"))
    assert logged == [("/nonexistent/tool", "a b")]


def test_an_interrupt_ends_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = tmp_path / "mark"
    runner = LocalRunner()
    spawn = runner._spawn

    def spawn_interrupted(*args: object, **more: object) -> object:
        process = spawn(*args, **more)  # type: ignore[arg-type]
        wait = process.wait

        def interrupted(timeout: float | None = None) -> int:
            process.wait = wait  # type: ignore[method-assign]
            raise KeyboardInterrupt

        process.wait = interrupted  # type: ignore[method-assign]
        return process

    monkeypatch.setattr(runner, "_spawn", spawn_interrupted)
    with pytest.raises(KeyboardInterrupt):
        runner.run(sh(f"sleep 1; touch {mark}"))
    time.sleep(1.3)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("stdout", "stderr", "tail"),
    [("a\nb\nc\n", "", "b\nc"), ("out", "x\ny\nz\n", "y\nz"), ("", "", "")],
)
def test_tail_prefers_stderr(stdout: str, stderr: str, tail: str) -> None:
    assert Completed(("x",), 1, stdout, stderr).tail(2) == tail


def test_a_conversation() -> None:
    pipe = LocalRunner().open(sh('while read line; do echo "got $line"; done; echo bye >&2; exit 4'))
    pipe.send("one")
    assert pipe.receive() == "got one"
    pipe.send("two")
    assert pipe.receive() == "got two"
    done = pipe.close()
    assert (done.returncode, done.stderr) == (4, "bye\n")


def test_a_conversation_with_a_process_that_ended() -> None:
    pipe = LocalRunner().open(sh("seq 1 1000 >&2; exit 7"))
    assert pipe.receive() is None
    done = pipe.close()
    assert done.returncode == 7
    assert done.stderr.splitlines()[-1] == "1000"
    assert len(done.stderr.splitlines()) == 200, "only the tail is kept"


def test_a_service_runs_until_it_is_ended(tmp_path: Path) -> None:
    logged: list[Sequence[str]] = []
    argv = [sys.executable, "-c", "import time; time.sleep(60)"]
    service = LocalRunner(log=logged.append).start(argv, tmp_path / "log")
    assert not service.ended()
    service.end(20)
    assert service.ended()
    assert service.wait() == -signal.SIGTERM
    service.end(20)
    assert logged == [argv]


def test_a_service_that_does_not_want_to_end_is_ended(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    code = f"import signal, time; signal.signal(15, signal.SIG_IGN); open({str(ready)!r}, 'w'); time.sleep(60)"
    service = LocalRunner().start([sys.executable, "-c", code], tmp_path / "log")
    while not ready.exists():
        assert not service.ended()
        time.sleep(0.01)
    service.end(0.1)
    assert service.wait() == -signal.SIGKILL


def test_a_service_that_ends_by_itself(tmp_path: Path) -> None:
    code = "import sys; print('out', flush=True); sys.exit('err')"
    service = LocalRunner().start([sys.executable, "-c", code], tmp_path / "log")
    assert service.wait() == 1
    assert (tmp_path / "log").read_text() == "out\nerr\n"
    assert service.ended()
