"""A runner that answers from a table, for the tests of this folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import IO

from saltern.base.process import Completed, Pipe

Answer = tuple[int, str, str]


class FakeRunner:
    """Answers with the first rule whose words all stand in the command; records what was run, and with which env."""

    def __init__(self, *rules: tuple[str, Answer]) -> None:
        self.rules = list(rules)
        self.calls: list[tuple[str, ...]] = []
        self.environments: list[Mapping[str, str]] = []

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
        self.calls.append(tuple(argv))
        self.environments.append(dict(env or {}))
        for words, (returncode, stdout, stderr) in self.rules:
            if set(words.split()) <= set(argv):
                for line in (stdout + stderr).splitlines() if on_line else ():
                    on_line(line)  # type: ignore[misc]
                return Completed(tuple(argv), returncode, stdout, stderr)
        return Completed(tuple(argv), 0, "", "")

    def transfer(
        self,
        argv: Sequence[str],
        *,
        stdin: IO[bytes] | None = None,
        stdout: IO[bytes] | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Completed:
        return self.run(argv, env=env, timeout=timeout)

    def open(self, argv: Sequence[str], *, env: Mapping[str, str] | None = None) -> Pipe:
        raise NotImplementedError
