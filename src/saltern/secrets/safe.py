"""``?{age:NAME}``: secrets that lie encrypted in the model, one armored age file each, below ``secrets/``.

``secrets/recipients.txt`` says for whom. Both are what the ``age`` command reads and writes too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from saltern.base.errors import Place, Problem, SecretError
from saltern.base.store import write_atomically
from saltern.secrets.store import without_last_newline

FOLDER = "secrets"
RECIPIENTS = "recipients.txt"
SUFFIX = ".age"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]*(/[A-Za-z0-9_][A-Za-z0-9_.@-]*)*")


@dataclass(frozen=True)
class Safe:
    """The encrypted secrets of the model in ``model``; ``identities`` are read when a value is."""

    model: Path
    identities: Callable[[], tuple[Any, ...]]

    @property
    def names(self) -> tuple[str, ...]:
        """All secrets, sorted."""
        folder = self.model / FOLDER
        found = (path.relative_to(folder).as_posix() for path in folder.rglob(f"*{SUFFIX}") if path.is_file())
        return tuple(sorted(name.removesuffix(SUFFIX) for name in found))

    @property
    def recipients_file(self) -> Path:
        """Where the recipients are."""
        return self.model / FOLDER / RECIPIENTS

    def file(self, name: str) -> Path:
        """Where a secret is, whether or not it exists."""
        return self.model / FOLDER / f"{name}{SUFFIX}"

    def wrong(self, name: str) -> Problem | None:
        """See :class:`~.store.Store`."""
        if not _NAME.fullmatch(name):
            return _no_name(name)
        if not self.file(name).is_file():
            return Problem(
                f"there is no secret {name!r}: {FOLDER}/{name}{SUFFIX} does not exist",
                resolution=f"make it with `saltern secret set {name}`",
            )
        return None

    def read(self, name: str) -> str:
        """See :class:`~.store.Store`."""
        import pyrage  # noqa: PLC0415 - only those who use it load the library

        if problem := self.wrong(name):
            raise SecretError(problem)
        identities = self.identities()
        place = Place(f"{FOLDER}/{name}{SUFFIX}")
        try:
            value: bytes = pyrage.decrypt(self.file(name).read_bytes(), list(identities))
            return without_last_newline(value.decode("utf-8"))
        except pyrage.DecryptError as error:
            raise SecretError(_closed(name, place, str(error))) from None
        except UnicodeDecodeError:
            raise SecretError(Problem(f"the secret {name!r} is no UTF-8 text", (place,))) from None
        except OSError as error:
            raise SecretError(Problem(f"the secret {name!r} cannot be read: {error.strerror}", (place,))) from None

    def ready(self, names: Iterable[str]) -> list[Any]:
        """For whom secrets of these names would be encrypted. Raises SecretError where they cannot be."""
        if problems := [_no_name(name) for name in names if not _NAME.fullmatch(name)]:
            raise SecretError(problems)
        return self._recipients()

    def write(self, values: Mapping[str, str]) -> None:
        """Encrypt values by name for the recipients; nothing is written before all are done. Raises SecretError."""
        import pyrage  # noqa: PLC0415

        recipients = self.ready(values)
        encrypted = {
            name: pyrage.encrypt(value.encode("utf-8"), recipients, armored=True) for name, value in values.items()
        }
        for name, data in encrypted.items():
            _write(self.file(name), data)

    def add_recipient(self, recipient: str) -> bool:
        """Write a recipient into the file; False when it is there."""
        file = self.recipients_file
        text = file.read_text("utf-8") if file.exists() else "# Who can read the secrets of this model; see docs.\n"
        if recipient in map(str.strip, text.splitlines()):
            return False
        _write(file, f"{text.rstrip()}\n{recipient}\n".encode())
        return True

    def _recipients(self) -> list[Any]:
        shown = f"{FOLDER}/{RECIPIENTS}"
        try:
            lines = self.recipients_file.read_text("utf-8").splitlines()
        except OSError:
            raise SecretError(
                Problem(
                    f"for whom to encrypt is not said: there is no {shown}",
                    resolution="`saltern secret init` writes your own recipient into it",
                )
            ) from None
        found: list[Any] = []
        problems: list[Problem] = []
        for number, line in enumerate(lines, 1):
            text = line.strip()
            if not text or text.startswith("#"):
                continue
            try:
                found.append(_recipient(text))
            except ValueError as error:
                problems.append(
                    Problem(
                        f"wrong recipient: {error}",
                        (Place(shown, number),),
                        resolution="a line is an age1… key or an ssh key (ssh-ed25519 …, ssh-rsa …)",
                    )
                )
        if not found and not problems:
            problems.append(Problem("nobody is a recipient", (Place(shown),), resolution="add one line per reader"))
        if problems:
            raise SecretError(problems)
        return found


def _write(file: Path, data: bytes) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, data, 0o644)
    except OSError as error:
        raise SecretError(Problem(f"{file} cannot be written: {error.strerror}")) from None


def _recipient(text: str) -> Any:
    import pyrage  # noqa: PLC0415

    try:
        return (pyrage.ssh if text.startswith("ssh-") else pyrage.x25519).Recipient.from_str(text)
    except pyrage.RecipientError as error:
        raise ValueError(str(error)) from None


def _no_name(name: str) -> Problem:
    return Problem(
        f"{name!r} is no name of a secret",
        resolution="use letters, digits and _ . @ -, with / between parts: keystone/admin_password",
    )


def _closed(name: str, place: Place, why: str) -> Problem:
    if "No matching keys" in why:
        return Problem(
            f"the secret {name!r} is not encrypted for your identity",
            (place,),
            resolution=f"ask a reader to add your recipient to {FOLDER}/{RECIPIENTS} and to run `saltern secret rekey`",
        )
    return Problem(f"the secret {name!r} cannot be decrypted: {why}", (place,), resolution="take it from git again")
