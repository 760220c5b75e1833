"""``yaml_git``: trees of YAML files in branches of git repositories, read without a checkout."""

from __future__ import annotations

import errno
import fcntl
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath

from saltern.base.errors import ModelError, Problem
from saltern.base.process import Completed, Runner
from saltern.model.storage import StoredFile, is_skipped, yaml_stem

QUIET = {"GIT_TERMINAL_PROMPT": "0"}
"""A repository that asks for a password is one that cannot be read."""
REPLACED = "\ufffd"
"""Stands in the output of commands for what is not UTF-8."""
TIMEOUT = 600
"""Seconds for a fetch."""


@dataclass(frozen=True)
class Mirror:
    """Where the mirror of a repository on another machine is kept, and the SSH key that it is fetched with."""

    folder: Path
    lock: Path
    key: str = ""


class Repository:
    """A git repository; one on another machine is mirrored, and fetched once by this process."""

    def __init__(self, address: str, runner: Runner, mirror: Mirror) -> None:
        """``address`` is what git takes, or a path."""
        self.address = address
        self._runner = runner
        self._mirror = mirror

    def blobs(self, branch: str, root: str) -> Iterator[tuple[str, str]]:
        """Path and object name of every file of a branch below the folder ``root`` ("" for all). Raises ModelError."""
        reference = f"refs/heads/{branch}"
        if not self._git("rev-parse", "--quiet", "--verify", f"{reference}^{{commit}}").ok:
            raise ModelError(
                Problem(
                    f"{self.address} has no branch {branch!r}",
                    resolution="Push it, or correct `branch`; with __env__ each environment of a node needs a branch.",
                )
            )
        below = (f"{root}/",) if root else ()
        done = self._wanted(self._git("ls-tree", "-r", "-z", "--full-tree", reference, "--", *below))
        for line in done.stdout.split("\0"):
            about, _, path = line.partition("\t")
            if about.startswith("100"):  # links (120000) and submodules (160000) are no files
                yield path, about.split()[2]

    def contents(self, names: Iterable[str]) -> dict[str, str]:
        """The texts of objects by name, all with one command."""
        wanted = sorted(set(names))
        # git answers with a header, the content and a newline; of a name that it does not know it says so in a line
        question = "".join(f"{name}\n{name}.\n" for name in wanted)
        done = self._wanted(self._git("cat-file", "--batch", stdin=question))
        lines = iter(done.stdout.split("\n"))
        return {name: _content(lines, f"{name}. missing") for name in wanted}

    def _git(self, *words: str, stdin: str | None = None) -> Completed:
        return self._runner.run(("git", "-C", str(self._folder), *words), stdin=stdin, env=QUIET)

    def _wanted(self, done: Completed) -> Completed:
        if done.ok:
            return done
        raise ModelError(
            Problem(
                f"the repository {self.address} cannot be read",
                details=done.tail(5),
                resolution="Check the address, the network, and your access to it.",
            )
        )

    @cached_property
    def _folder(self) -> Path:
        here = Path(self.address.removeprefix("file://")).expanduser()
        if here.is_dir():
            return here
        folder = self._mirror.folder
        for path in (folder, self._mirror.lock.parent):
            path.mkdir(parents=True, exist_ok=True)
        key = self._mirror.key
        env = {**QUIET, **({"GIT_SSH_COMMAND": f"ssh -o IdentitiesOnly=yes -i '{key}'"} if key else {})}
        with self._mirror.lock.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._wanted(self._runner.run(("git", "init", "--quiet", "--bare", str(folder))))
            refs = "+refs/heads/*:refs/heads/*"
            fetch = ("git", "-C", str(folder), "fetch", "--quiet", "--prune", "--no-tags", "--", self.remote, refs)
            self._wanted(self._runner.run(fetch, env=env, timeout=TIMEOUT))
        return folder

    @property
    def remote(self) -> str:
        """The address as git takes it: the reference also writes ``git+ssh://user@host:path``."""
        transport, _, rest = self.address.rpartition("://")
        path = rest.partition(":")[2]
        return rest if "ssh" in transport and path and not path[0].isdigit() else self.address.removeprefix("git+")


def _content(lines: Iterator[str], end: str) -> str:
    next(lines)
    found = []
    for line in lines:
        if line == end:
            break
        found.append(line)
    return "\n".join(found)


@dataclass(frozen=True)
class GitTree:
    """A folder of a branch."""

    address: str
    branch: str
    root: str
    repository: Repository = field(compare=False, repr=False)

    def files(self) -> Iterator[StoredFile]:
        """See :meth:`Tree.files`."""
        for path in sorted(self._blobs):
            *folders, name = PurePosixPath(path).relative_to(self.root).parts
            if (stem := yaml_stem(name)) and not any(is_skipped(folder) for folder in folders):
                yield StoredFile(path, tuple(folders), stem)

    def read(self, file: StoredFile) -> bytes:
        """See :meth:`Tree.read`. All files of the tree are read when the first one is."""
        text = self._contents[self._blobs[file.key]]
        if REPLACED in text:
            raise OSError(errno.EILSEQ, "it is not UTF-8")
        return text.encode()

    def stamp(self, file: StoredFile) -> Hashable:
        """See :meth:`Tree.stamp`."""
        return self._blobs[file.key]

    def place(self, file: StoredFile) -> str:
        """See :meth:`Tree.place`."""
        return f"{self.address}@{self.branch}:{file.key}"

    def uri(self, file: StoredFile) -> str:
        """See :meth:`Tree.uri`."""
        return f"git_fs://{self.address} {self.branch} {file.key}"

    def pathname(self, file: StoredFile) -> str:
        """See :meth:`Tree.pathname`; the path from the top of the repository, as in the reference."""
        return str(PurePosixPath(file.key).with_suffix(""))

    @cached_property
    def _blobs(self) -> Mapping[str, str]:
        blobs = self.repository.blobs(self.branch, self.root)
        return {path: name for path, name in blobs if yaml_stem(PurePosixPath(path).name)}

    @cached_property
    def _contents(self) -> Mapping[str, str]:
        return self.repository.contents(self._blobs.values())
