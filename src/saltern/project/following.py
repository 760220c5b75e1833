"""A branch of the model's repository, fetched and checked out in a folder of the cache; git is the command."""

from __future__ import annotations

import fcntl
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from saltern.base.errors import EngineError, LockedError, Problem, UsageError
from saltern.base.process import Completed, Runner
from saltern.base.store import digest
from saltern.project.revision import without_password

QUIET = {"GIT_TERMINAL_PROMPT": "0"}
"""A repository that asks for a password is one that cannot be read."""
LOOKED_BACK = 20
SECONDS = 600
"""How long git may take for one call."""


@dataclass(frozen=True)
class Branch:
    """A branch of ``address`` (what git takes, or a path), with its working copy below ``cache``."""

    runner: Runner
    address: str
    name: str
    cache: Path
    folder: str = ""
    """Where in the repository the model is; "" for its top."""

    def __post_init__(self) -> None:
        """Raises UsageError for an address with a password."""
        if _has_password(self.address):
            raise UsageError(
                Problem(
                    "the address of the repository has a password in it",
                    details="command lines, and the log of --debug, are no places for one",
                    resolution="give the password to a credential helper of git, or use an SSH key",
                )
            )

    @property
    def top(self) -> Path:
        """The working copy. It may be deleted at any time."""
        return self.cache / "operate" / digest(self.remote, self.name)[:20]

    @property
    def remote(self) -> str:
        """The address as git takes it from any folder."""
        here = Path(self.address).expanduser()
        return str(here.resolve()) if here.is_dir() else self.address

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes of this machine away from the working copy. Raises LockedError."""
        self.top.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self.top.with_suffix(".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise LockedError(
                    Problem(
                        "another `saltern operate` of this machine follows this branch",
                        resolution="end it, or let it do its work",
                    )
                ) from error
            yield

    def tip(self) -> str:
        """Fetch, and the name of the newest commit. Raises EngineError: the repository may come back."""
        try:
            return self._fetched()
        except EngineError:
            if not self._answers():
                raise
        return self._fetched_anew()

    def _fetched(self) -> str:
        if not (self.top / ".git").exists():
            self._wanted(self.runner.run(("git", "init", "--quiet", str(self.top))))
        self._wanted(self._git("config", "remote.origin.url", self.remote))
        there = f"refs/remotes/origin/{self.name}"
        words = ("fetch", "--quiet", "--force", "--no-tags", "--", self.remote, f"+refs/heads/{self.name}:{there}")
        self._wanted(self._git(*words))
        return self._wanted(self._git("rev-parse", "--verify", there)).stdout.strip()

    def _fetched_anew(self) -> str:
        """Without the working copy that was there: a git that was killed leaves locks in it, or half a file."""
        shutil.rmtree(self.top, ignore_errors=True)
        return self._fetched()

    def _answers(self) -> bool:
        """Whether the repository has the branch: then it is the working copy that nothing can be fetched into."""
        words = ("ls-remote", "--quiet", "--exit-code", "--", self.remote, f"refs/heads/{self.name}")
        return self._git(*words, folder=self.top.parent).ok

    def commits(self, tip: str) -> tuple[str, ...]:
        """The commits that led to one, newest first, itself included; not all."""
        words = ("rev-list", "--first-parent", f"--max-count={LOOKED_BACK}", tip)
        return tuple(self._wanted(self._git(*words)).stdout.split())

    def check_out(self, commit: str) -> Path:
        """The model's folder, with all files as the commit has them and no others. Raises EngineError, UsageError."""
        try:
            self._put(commit)
        except EngineError:
            self._fetched_anew()
            self._put(commit)
        model = self.top / self.folder
        if not model.is_dir() or not model.resolve().is_relative_to(self.top.resolve()):
            raise UsageError(
                Problem(f"{self.address} has no folder {self.folder!r}", resolution="correct --folder, or push it")
            )
        return model

    def _put(self, commit: str) -> None:
        self._wanted(self._git("checkout", "--quiet", "--force", "--detach", commit))
        self._wanted(self._git("clean", "-ffdxq"))
        if (self.top / ".gitmodules").exists():
            self._wanted(self._git("submodule", "--quiet", "sync", "--recursive"))
            self._wanted(self._git("submodule", "--quiet", "update", "--init", "--recursive", "--force"))

    def differing(self) -> tuple[str, ...]:
        """Files of the working copy that are not as the commit has them."""
        said = self._wanted(self._git("status", "--porcelain", "--no-renames", "-z")).stdout
        return tuple(sorted(line[3:] for line in said.split("\0") if line))

    def _git(self, *words: str, folder: Path | None = None) -> Completed:
        here = {"GIT_CEILING_DIRECTORIES": str(self.top.parent.absolute())}  # where half a copy is, no other is meant
        return self.runner.run(("git", "-C", str(folder or self.top), *words), env=QUIET | here, timeout=SECONDS)

    def _wanted(self, done: Completed) -> Completed:
        if done.ok:
            return done
        raise EngineError(
            Problem(
                f"the branch {self.name} of {without_password(self.address)} cannot be read",
                details=done.tail(5).replace(self.address, without_password(self.address)),
                resolution="check the address, the branch, the network, and your access to it",
            )
        )


def _has_password(address: str) -> bool:
    _, found, rest = address.partition("://")
    user, _, _ = re.split("[/?#]", rest, maxsplit=1)[0].rpartition("@")
    return bool(found) and ":" in user
