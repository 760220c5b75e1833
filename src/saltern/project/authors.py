"""Which commit wrote a line, or took it away: ``git blame``, once per file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from saltern.project.checkout import Git

NOT_COMMITTED = "0" * 40
_FORMAT = "--format=%H%x00%an%x00%at%x00%s"
_PLAIN = ("--no-show-signature", _FORMAT)
_HEADER = re.compile(r"([0-9a-f]{40}) (\d+) (\d+)(?: \d+)?")


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit; ``name`` is empty for what is not committed yet."""

    name: str
    author: str = ""
    date: str = ""
    """ISO, in UTC."""
    summary: str = ""

    def as_json(self) -> dict[str, Any]:
        """JSON types."""
        return asdict(self)


UNCOMMITTED = Commit("")


@dataclass(frozen=True, slots=True, order=True)
class Line:
    """A line of a file in the repository, in the old or in the new state."""

    file: str
    number: int
    """0: the file as a whole."""
    is_old: bool


class Authors:
    """Finds the commits between two states; ``new`` is None for the working tree."""

    def __init__(self, git: Git, old: str, new: str | None) -> None:
        self._git = git
        self._old = old
        self._new = new

    def of(self, lines: Iterable[Line]) -> Mapping[Line, Commit]:
        """The commit of each line that was written, or of an old one taken away, between the states; others are not
        in the result.
        """
        files: dict[tuple[str, bool], set[int]] = {}
        for line in lines:
            files.setdefault((line.file, line.is_old), set()).add(line.number)
        found: dict[Line, Commit] = {}
        for (file, is_old), numbers in sorted(files.items(), key=lambda item: item[0]):
            commits = self._whole(file, is_old=is_old) if 0 in numbers else {}
            if inner := numbers - {0}:
                commits |= self._removed(file, inner) if is_old else self._written(file, inner)
            found.update({Line(file, number, is_old): commit for number, commit in commits.items()})
        return found

    def _whole(self, file: str, *, is_old: bool) -> dict[int, Commit]:
        """Who made or removed a file; renaming is both."""
        which = ("-1", *_PLAIN, "--no-renames", f"--diff-filter={'D' if is_old else 'A'}")
        said = self._git.ask("log", *which, f"{self._old}..{self._new or 'HEAD'}", "--", file)
        if said:
            return {0: _commit(said)}
        return self._uncommitted(file, {0}, is_old=is_old)

    def _written(self, file: str, numbers: Iterable[int]) -> dict[int, Commit]:
        ends = (f"^{self._old}", *((self._new,) if self._new else ()))
        said = self._git.ask("blame", "--porcelain", *_ranges(numbers), *ends, "--", file)
        if said is None:  # a file that no commit has
            return self._uncommitted(file, numbers, is_old=False)
        return {
            number: UNCOMMITTED if commit.name == NOT_COMMITTED else commit
            for number, (commit, is_boundary) in _read(said).items()
            if not is_boundary
        }

    def _removed(self, file: str, numbers: Iterable[int]) -> dict[int, Commit]:
        """The first commit after the last one that still had the line."""
        end = self._new or self._git.tell("rev-parse", "HEAD").strip()
        if end == self._old:
            return self._uncommitted(file, numbers, is_old=True)
        said = self._git.ask("blame", "--reverse", "--porcelain", *_ranges(numbers), f"{self._old}..{end}", "--", file)
        if said is None:
            return {}
        next_ones: dict[str, Commit | None] = {}
        found: dict[int, Commit] = {}
        for number, (last, _) in _read(said).items():
            if last.name not in next_ones:
                next_ones[last.name] = self._next(last.name, end, file)
            if (commit := next_ones[last.name]) is not None:
                found[number] = commit
        return found

    def _uncommitted(self, file: str, numbers: Iterable[int], *, is_old: bool) -> dict[int, Commit]:
        """Lines that no commit wrote or took away; of a file in a submodule or outside nobody knows that."""
        if is_old:
            known = self._git.ask("cat-file", "-e", f"{self._old}:{file}") is not None
        else:
            known = bool(self._git.ask("ls-files", "--cached", "--others", "--", file))
        return dict.fromkeys(numbers, UNCOMMITTED) if known and not self._new else {}

    def _next(self, last: str, end: str, file: str) -> Commit | None:
        if last == end:
            return None if self._new else UNCOMMITTED
        said = self._git.ask("log", "--reverse", "--ancestry-path", *_PLAIN, f"{last}..{end}", "--", file)
        return _commit(said) if said else None


def _commit(log: str) -> Commit:
    """The first commit of a log in our format."""
    name, author, seconds, summary = log.splitlines()[0].split("\0")
    return Commit(name, author, _date(seconds), summary)


def _ranges(numbers: Iterable[int]) -> list[str]:
    return [word for number in sorted(numbers) for word in ("-L", f"{number},{number}")]


def _read(porcelain: str) -> dict[int, tuple[Commit, bool]]:
    """Line number → commit, and whether it only bounds what was asked; git tells of a commit once."""
    commits: dict[str, Commit] = {}
    bounds: set[str] = set()
    found: dict[int, str] = {}
    name = ""
    for text in porcelain.splitlines():
        header = _HEADER.fullmatch(text)
        key, _, value = text.partition(" ")
        if header:
            name = header[1]
            commits.setdefault(name, Commit(name))
            found[int(header[3])] = name
        elif key == "author":
            commits[name] = replace(commits[name], author=value)
        elif key == "author-time":
            commits[name] = replace(commits[name], date=_date(value))
        elif key == "summary":
            commits[name] = replace(commits[name], summary=value)
        elif key == "boundary":
            bounds.add(name)
    return {number: (commits[name], name in bounds) for number, name in found.items()}


def _date(seconds: str) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).date().isoformat()
