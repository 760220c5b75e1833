"""A revision of the model's repository in a throw-away folder, with its submodules; the repository stays as it is."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from saltern.base.errors import Problem, UsageError
from saltern.base.process import Runner

QUESTION_SECONDS = 60
"""How long git may think about a question; what it writes may take as long as it takes."""
GITLINK = "160000"
"""The mode of a submodule in a tree."""


class Git:
    """Git in one repository."""

    def __init__(self, runner: Runner, folder: Path) -> None:
        self.folder = folder
        self.runner = runner

    def ask(self, *words: str, env: dict[str, str] | None = None) -> str | None:
        """What git answers; None when it refuses, or does not answer in time."""
        done = self.runner.run(("git", "-C", str(self.folder), *words), env=env, timeout=QUESTION_SECONDS)
        return done.stdout if done.ok else None

    def tell(self, *words: str, env: dict[str, str] | None = None) -> str:
        """What git answers. Raises UsageError when it refuses."""
        done = self.runner.run(("git", "-C", str(self.folder), *words), env=env)
        if not done.ok:
            raise UsageError(Problem(f"git {words[0]} failed in {self.folder}", details=done.tail(5)))
        return done.stdout


@dataclass(frozen=True)
class Repository:
    """The repository that a model is in."""

    git: Git
    top: Path
    prefix: str
    """The model's folder in it: ``""`` or ``folder/``."""

    def commit(self, revision: str) -> str:
        """The full name of a commit. Raises UsageError when there is none of that name."""
        words = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        found = self.git.ask(*words)
        if found is None:
            brief = f"there is no revision {revision!r} in {self.top}"
            raise UsageError(Problem(brief, resolution="Give a commit, a branch, a tag, or what git takes, as HEAD~3."))
        return found.strip()

    def keeps(self, path: Path) -> bool:
        """Whether git has the file, or anything in the folder, as the index is now."""
        return bool(self.git.ask("ls-files", "--", str(path)))

    @contextmanager
    def checked_out(self, commit: str) -> Iterator[Path]:
        """The top of the commit's tree in a folder that is removed afterwards."""
        with tempfile.TemporaryDirectory(prefix="saltern-") as folder:
            tree = Path(folder).resolve() / "tree"
            _check_out(self.git, commit, tree, Path(folder) / "index")
            yield tree


def find_repository(runner: Runner, model: Path) -> Repository:
    """The repository of a model. Raises UsageError when it is in none."""
    git = Git(runner, model)
    found = git.ask("rev-parse", "--show-toplevel", "--show-prefix")
    if found is None:
        raise UsageError(
            Problem(f"{model} is in no git repository", resolution="Keep the model in git to compare its revisions.")
        )
    top, _, prefix = found.rstrip("\n").partition("\n")
    return Repository(Git(runner, Path(top)), Path(top), prefix)


def _check_out(git: Git, commit: str, tree: Path, index: Path) -> None:
    """All files of a commit, by an index of its own; what a submodule points at comes from where it is cloned."""
    env = {"GIT_INDEX_FILE": str(index)}
    git.tell("read-tree", commit, env=env)
    tree.mkdir(parents=True)
    git.tell("checkout-index", "--all", "--quiet", f"--prefix={tree}/", env=env)
    for path, pinned in _submodules(git, commit):
        inner = Git(git.runner, git.folder / path)
        if (inner.folder / ".git").exists() and inner.ask("cat-file", "-e", f"{pinned}^{{commit}}") is not None:
            (tree / path).rmdir()
            _check_out(inner, pinned, tree / path, index.with_name(f"{index.name}-{pinned[:12]}"))


def _submodules(git: Git, commit: str) -> Sequence[tuple[str, str]]:
    found = []
    for line in git.tell("ls-tree", "-r", "-z", "--full-tree", commit).split("\0"):
        about, _, path = line.partition("\t")
        mode, _, name = about.partition(" ")
        if mode == GITLINK:
            found.append((path, name.split()[1]))
    return found
