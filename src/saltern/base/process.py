"""The one module that spawns processes.

Callers get a :class:`Runner`; tests give a fake one. Output is captured and shown only when a command fails.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

STUCK = 124
"""Return code of a process that was ended because its time was over, as with ``timeout(1)``."""
STDERR_TAIL = 200
"""How many lines of a followed command's stderr are kept for an error message."""


@dataclass(frozen=True, slots=True)
class Completed:
    """A finished command: its argument list, return code and decoded output."""

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str

    @property
    def ok(self) -> bool:
        """True when the command returned 0."""
        return self.returncode == 0

    def tail(self, lines: int = 20) -> str:
        """The last ``lines`` lines of what the command said (stderr first, else stdout)."""
        return "\n".join((self.stderr.strip() or self.stdout.strip()).splitlines()[-lines:])


class Runner(Protocol):
    """Runs commands; never through a shell."""

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: str | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,
        silence: float | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> Completed:
        """Run ``argv`` and wait.

        ``env`` is added to the current environment. ``timeout`` is in seconds; when it passes the process is ended and
        the return code is :data:`STUCK`; the same after ``silence`` seconds in which it wrote no line.
        ``on_line`` gets each line of stderr and stdout as it comes.
        A command that does not exist returns 127.
        """

    def transfer(
        self,
        argv: Sequence[str],
        *,
        stdin: IO[bytes] | None = None,
        stdout: IO[bytes] | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Completed:
        """Run ``argv`` with bytes of any size: stdin from an open file (None: empty), stdout to one (None: as text)."""

    def open(self, argv: Sequence[str], *, env: Mapping[str, str] | None = None) -> Pipe:
        """Start ``argv`` with pipes on stdin and stdout, for a conversation."""


class Pipe(Protocol):
    """A running process that is talked to line by line."""

    def send(self, line: str) -> None:
        """Write one line to its stdin."""

    def receive(self) -> str | None:
        """The next line of its stdout, or None when it ended."""

    def close(self) -> Completed:
        """Close its stdin, wait, and return how it ended."""


class Service(Protocol):
    """A running program that nobody talks to."""

    def ended(self) -> bool:
        """Whether it has ended by itself."""

    def wait(self) -> int:
        """Wait until it ends; its return code."""

    def end(self, seconds: float) -> None:
        """Let it end (SIGTERM); after ``seconds`` end it. One that has ended is no error."""


class Starter(Protocol):
    """Starts programs that serve for as long as we want."""

    def start(self, argv: Sequence[str], log: Path) -> Service:
        """Start ``argv``; what it writes is in the file ``log``.

        Ctrl-C of the terminal does not reach it: whoever started it ends it.
        """


class LocalRunner:
    """Runs commands on this machine; ``log`` gets the exact command before it starts."""

    def __init__(
        self, *, env: Mapping[str, str] | None = None, log: Callable[[Sequence[str]], None] | None = None
    ) -> None:
        self._env = dict(env or {})
        self._log = log

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: str | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,
        silence: float | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> Completed:
        """See :meth:`Runner.run`."""
        try:
            process = self._spawn(argv, env=env, stdin=stdin is not None)
        except FileNotFoundError:
            return Completed(tuple(argv), 127, "", f"{argv[0]}: command not found")
        except PermissionError as error:
            return Completed(tuple(argv), 126, "", str(error))
        patience = _Patience(timeout, silence, on_line)
        out, err = _Collector(process.stdout, patience.hear), _Collector(process.stderr, patience.hear)
        if process.stdin is not None:
            with contextlib.suppress(BrokenPipeError), process.stdin:  # it did not want its input; its code tells
                process.stdin.write(stdin or "")
        returncode = _ended(process, patience)
        return Completed(tuple(argv), returncode, out.text(), err.text())

    def transfer(
        self,
        argv: Sequence[str],
        *,
        stdin: IO[bytes] | None = None,
        stdout: IO[bytes] | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Completed:
        """See :meth:`Runner.transfer`."""
        if self._log:
            self._log(argv)
        try:
            process = subprocess.Popen(
                list(argv),
                stdin=stdin if stdin is not None else subprocess.DEVNULL,
                stdout=stdout if stdout is not None else subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**os.environ, **self._env, **(env or {})},
                text=True,
                encoding="utf-8",
                errors="replace",
            )
        except FileNotFoundError:
            return Completed(tuple(argv), 127, "", f"{argv[0]}: command not found")
        out, err = _Collector(process.stdout, None), _Collector(process.stderr, None)
        returncode = _ended(process, _Patience(timeout))
        return Completed(tuple(argv), returncode, out.text(), err.text())

    def attend(self, argv: Sequence[str]) -> int:
        """Run a program that a person uses, e.g. an editor: it has the terminal. Returns its code, 127 for none."""
        if self._log:
            self._log(argv)
        try:
            return subprocess.run(list(argv), env={**os.environ, **self._env}, check=False).returncode
        except OSError:
            return 127

    def open(self, argv: Sequence[str], *, env: Mapping[str, str] | None = None) -> Pipe:
        """See :meth:`Runner.open`."""
        return _LocalPipe(tuple(argv), self._spawn(argv, env=env, stdin=True))

    def start(self, argv: Sequence[str], log: Path) -> Service:
        """See :meth:`Starter.start`."""
        if self._log:
            self._log(argv)
        with log.open("wb") as output:
            return _LocalService(
                subprocess.Popen(
                    list(argv),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    env={**os.environ, **self._env},
                    start_new_session=True,
                )
            )

    def _spawn(self, argv: Sequence[str], *, env: Mapping[str, str] | None, stdin: bool) -> subprocess.Popen[str]:
        if self._log:
            self._log(argv)
        return subprocess.Popen(
            list(argv),
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **self._env, **(env or {})},
            text=True,
            encoding="utf-8",
            errors="replace",
        )


class _Patience:
    """How long a process may still take: until a moment, and until it has been silent for too long."""

    def __init__(
        self,
        timeout: float | None = None,
        silence: float | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> None:
        self._on_line = on_line
        self._silence = silence
        self._heard = time.monotonic()
        self._deadline = None if timeout is None else self._heard + timeout

    def hear(self, line: str) -> None:
        """It wrote a line."""
        self._heard = time.monotonic()
        if self._on_line:
            self._on_line(line)

    def left(self) -> float | None:
        """Seconds, at least 0; None: for ever."""
        ends = [] if self._deadline is None else [self._deadline]
        if self._silence is not None:
            ends.append(self._heard + self._silence)
        return max(0.0, min(ends) - time.monotonic()) if ends else None


def _ended(process: subprocess.Popen[str], patience: _Patience) -> int:
    """Wait for a process; when the patience is at its end so is the process, and the code is 124."""
    try:
        while process.poll() is None and (left := patience.left()) != 0:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(left)
        if process.poll() is None:
            process.kill()
            process.wait()
            return STUCK
        return process.returncode
    except BaseException:  # Ctrl-C: the command must not outlive us
        process.terminate()
        process.wait()
        raise


class _Collector:
    """Reads a stream in a thread, so that neither pipe of a process can fill up."""

    def __init__(self, stream: IO[str] | None, on_line: Callable[[str], None] | None, keep: int = 0) -> None:
        self._lines: list[str] = []
        self._keep = keep
        self._thread = threading.Thread(target=self._read, args=(stream, on_line), daemon=True)
        self._thread.start()

    def _read(self, stream: IO[str] | None, on_line: Callable[[str], None] | None) -> None:
        if stream is None:
            return
        with stream:
            for line in stream:
                self._lines.append(line)
                if self._keep and len(self._lines) > self._keep:
                    del self._lines[0]
                if on_line:
                    on_line(line.rstrip("\n"))

    def text(self) -> str:
        self._thread.join(timeout=5)
        return "".join(self._lines)


class _LocalPipe:
    """:class:`Pipe` over a local process; stderr is drained and its tail kept."""

    def __init__(self, argv: tuple[str, ...], process: subprocess.Popen[str]) -> None:
        self._argv = argv
        self._process = process
        self._stderr = _Collector(process.stderr, None, keep=STDERR_TAIL)

    def send(self, line: str) -> None:
        stream = self._process.stdin
        if stream is None:
            raise BrokenPipeError
        stream.write(line + "\n")
        stream.flush()

    def receive(self) -> str | None:
        stream = self._process.stdout
        line = stream.readline() if stream else ""
        return line.rstrip("\n") if line else None

    def close(self) -> Completed:
        if self._process.stdin and not self._process.stdin.closed:
            with contextlib.suppress(BrokenPipeError):  # it ended before us
                self._process.stdin.close()
        try:
            returncode = self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            returncode = self._process.wait()
        rest = ""
        if self._process.stdout and not self._process.stdout.closed:
            with self._process.stdout as stream:
                rest = stream.read()
        return Completed(self._argv, returncode, rest, self._stderr.text())


class _LocalService:
    """:class:`Service` over a local process."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def ended(self) -> bool:
        return self._process.poll() is not None

    def wait(self) -> int:
        return self._process.wait()

    def end(self, seconds: float) -> None:
        self._process.terminate()
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
