"""``saltern secret``: the model's encrypted secrets, listed, written, read, renewed."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from saltern.base.errors import Place, Problem, SecretError, UsageError
from saltern.base.store import write_atomically
from saltern.model.secret_references import SecretReference, SecretUse, references_in, uses_of
from saltern.project.context import Project
from saltern.project.secrets import stores
from saltern.secrets.generate import like
from saltern.secrets.identity import make_identity, read_identities, recipients_of
from saltern.secrets.resolve import wrong
from saltern.secrets.safe import FOLDER, RECIPIENTS
from saltern.secrets.store import Store, without_last_newline

Edit = Callable[[Path], bool]
"""Lets a person change a file; False when that failed."""
MEMORY = (os.environ.get("XDG_RUNTIME_DIR", ""), "/dev/shm")  # noqa: S108 - memory, with a private folder in it


@dataclass(frozen=True)
class Listed:
    """A secret, what is to be said of it ("": all is well), and who refers to it where."""

    reference: SecretReference
    remark: str
    nodes: tuple[str, ...]
    places: tuple[Place, ...]


@dataclass(frozen=True)
class Initialised:
    """The caller's identity and recipients, and what was made of both."""

    identity: Path
    recipients: tuple[str, ...]
    made: bool
    added: tuple[str, ...]


def list_secrets(project: Project) -> tuple[Listed, ...]:
    """All secrets that the model has or refers to, sorted; no value is read."""
    found: dict[SecretReference, list[SecretUse]] = {SecretReference("age", name): [] for name in project.safe.names}
    for node in project.inventory.nodes.values():
        for use in uses_of(node):
            found.setdefault(use.reference, []).append(use)
    known = stores(project)
    return tuple(
        Listed(
            reference,
            _state(reference, known, uses),
            tuple(sorted({use.node for use in uses})),
            tuple(sorted({place for use in uses for place in use.places})),
        )
        for reference, uses in sorted(found.items())
    )


def _state(reference: SecretReference, known: Mapping[str, Store], uses: Sequence[SecretUse]) -> str:
    if problem := wrong(reference, known):
        return problem.brief
    return "" if uses else "nothing refers to it"


def init(project: Project) -> Initialised:
    """Make an identity where the caller has none, and write its recipients into the model."""
    identity = project.options.identity
    if identity.resolve().is_relative_to(project.root):
        raise SecretError(Problem(f"the identity {identity} would lie in the model", resolution="keep it elsewhere"))
    made = not identity.exists()
    if made:
        make_identity(identity)
    recipients = recipients_of(read_identities(identity, project.root, project.options.ask))
    if not recipients:
        raise SecretError(
            Problem(
                f"{identity} is an ssh key, which does not say who its recipient is",
                resolution=f"add the line of its .pub file to {FOLDER}/{RECIPIENTS}",
            )
        )
    return Initialised(identity, recipients, made, tuple(r for r in recipients if project.safe.add_recipient(r)))


def set_secret(project: Project, name: str, value: str) -> bool:
    """Encrypt a value under a name; True when the name is new."""
    if not value:
        raise UsageError(Problem("the value is empty; nothing was written"))
    new = name not in project.safe.names
    project.safe.write({name: value})
    return new


def get_secret(project: Project, name: str) -> str:
    """The value of a name in the model, or of a whole reference to any store."""
    found = references_in(name)
    reference = found[0] if found else SecretReference("age", name)
    known = stores(project)
    if problem := wrong(reference, known):
        raise SecretError(problem)
    return known[reference.store].read(reference.name)


def edit_secret(project: Project, name: str, edit: Edit) -> bool:
    """Let a person change a secret in a file that only memory holds; False when it stayed what it was."""
    project.safe.ready([name])
    before = project.safe.read(name) if name in project.safe.names else ""
    with tempfile.TemporaryDirectory(prefix="saltern-", dir=_memory()) as folder:
        file = Path(folder, "secret")
        write_atomically(file, before.encode())
        if not edit(file):
            raise SecretError(Problem("the editor failed; nothing was written"))
        try:
            after = without_last_newline(file.read_text("utf-8"))
        except UnicodeDecodeError:
            raise SecretError(Problem("what the editor wrote is no UTF-8 text; nothing was written")) from None
    if after == before:
        return False
    set_secret(project, name, after)
    return True


def rotate(project: Project, names: Sequence[str]) -> tuple[str, ...]:
    """Give secrets (none named: all) new values of the same shape. All or nothing; returns their names."""
    wanted = sorted(set(names)) or list(project.safe.names)
    return _rewritten(project, wanted, like)


def rekey(project: Project) -> tuple[str, ...]:
    """Encrypt all secrets again, for the recipients as they are now; returns their names."""
    return _rewritten(project, project.safe.names, lambda value: value)


def _rewritten(project: Project, names: Sequence[str], new: Callable[[str], str]) -> tuple[str, ...]:
    values: dict[str, str] = {}
    problems: dict[Problem, None] = {}
    for name in names:
        try:
            values[name] = new(project.safe.read(name))
        except SecretError as error:
            problems |= dict.fromkeys(error.problems)
    if problems:
        raise SecretError(problems)
    project.safe.write(values)
    return tuple(names)


def _memory() -> Path:
    for folder in MEMORY:
        if folder and os.access(folder, os.W_OK) and _is_memory(Path(folder)):
            return Path(folder)
    raise SecretError(
        Problem(
            "there is no folder in memory, and on a disk the secret would be plain text",
            resolution="give the value to `saltern secret set NAME` on its standard input",
        )
    )


def _is_memory(folder: Path) -> bool:
    """Whether a folder's file system is tmpfs, by the kernel's table of mounts."""
    mounts = (line.split() for line in Path("/proc/mounts").read_text("utf-8").splitlines())
    kinds = {Path(target): kind for _, target, kind, *_ in mounts}
    mount = next(parent for parent in (folder.resolve(), *folder.resolve().parents) if parent in kinds)
    return kinds[mount] in ("tmpfs", "ramfs")
