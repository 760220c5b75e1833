"""Files of a backup as they are kept: encrypted with age where there are recipients, and always with a SHA-256.

An encrypted file is read back at once and compared: a key that lives only in memory is a recipient too.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from saltern.base.errors import BackupError, Problem, SecretError

SUFFIX = ".age"
_BLOCK = 1 << 20


def parse_recipients(texts: Sequence[str]) -> tuple[Any, ...]:
    """Recipients from their texts (age1… and ssh keys). Raises SecretError with all that are none."""
    if not texts:
        return ()
    import pyrage  # noqa: PLC0415 - only those who use it load the library

    found, problems = [], []
    for text in texts:
        try:
            found.append((pyrage.ssh if text.startswith("ssh-") else pyrage.x25519).Recipient.from_str(text.strip()))
        except pyrage.RecipientError as error:
            problems.append(Problem(f"saltern.yml: backup: recipients: {text[:24]!r} is no recipient: {error}"))
    if problems:
        raise SecretError(problems)
    return tuple(found)


def store(source: Path, target: Path, recipients: Sequence[Any]) -> Path:
    """Keep a plain file as ``target``, or encrypted as ``target.age``; return that path. It is on the disk then."""
    with disk_errors(target.parent):
        if not recipients:
            with source.open("rb") as plain, _private(target) as out:
                shutil.copyfileobj(plain, out, _BLOCK)
            return target
        import pyrage  # noqa: PLC0415

        target = target.with_name(target.name + SUFFIX)
        own = pyrage.x25519.Identity.generate()
        with source.open("rb") as plain, _private(target) as out, _Loud(out) as sink:
            pyrage.encrypt_io(plain, sink, [*recipients, own.to_public()])
        _read_back(source, target, own)
        return target


def load(source: Path, target: Path, identities: Callable[[], Sequence[Any]]) -> None:
    """Write the plain content of a kept file into ``target``. Raises SecretError, BackupError."""
    with disk_errors(target.parent):
        if source.suffix != SUFFIX:
            shutil.copyfile(source, target)
            return
        known = list(identities())
        with source.open("rb") as encrypted, _private(target) as out, _Loud(out) as sink:
            if why := _decrypted(encrypted, sink, known):
                raise SecretError(_closed(source, why))


def sha256(path: Path) -> str:
    """The SHA-256, in hex, of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """OS errors as BackupErrors; a full disk says so."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error)
        raise BackupError(
            Problem(
                f"the disk is full: the backup does not fit into {folder}"
                if full
                else f"{error.filename or folder}: {error.strerror or error}",
                resolution="free some space, lower `backup: keep`, or give another `backup: folder` in saltern.yml"
                if full
                else "",
            )
        ) from None


@contextmanager
def _private(path: Path) -> Iterator[IO[bytes]]:
    """A new file that only its owner reads, on the disk when it is closed."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


class _Loud:
    """A file whose errors reach us as they are: the library makes its own of them, without the reason."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._error: OSError | None = None

    def __enter__(self) -> IO[bytes]:
        return cast("IO[bytes]", self)

    def __exit__(self, *_raised: object) -> None:
        if self._error is not None:
            raise self._error

    def write(self, data: bytes) -> int:
        try:
            return self._file.write(data)
        except OSError as error:
            self._error = error
            raise

    def flush(self) -> None:
        self._file.flush()


def _decrypted(encrypted: IO[bytes], sink: IO[bytes], identities: Sequence[Any]) -> str:
    """Why a stream cannot be decrypted, "" when it was."""
    import pyrage  # noqa: PLC0415

    try:
        pyrage.decrypt_io(encrypted, sink, identities)
    except pyrage.DecryptError as error:
        return str(error)
    except OSError as error:
        if error.errno is not None:
            raise
        return str(error)  # the library's own, for a part that is not what was written
    return ""


def _read_back(source: Path, target: Path, identity: Any) -> None:
    seen = _Hash()
    with target.open("rb") as encrypted:
        why = _decrypted(encrypted, cast("IO[bytes]", seen), [identity])
    if why or seen.hash.hexdigest() != sha256(source):
        raise BackupError(Problem(f"{target} is not what was written", details=why, resolution="check the disk"))


class _Hash:
    def __init__(self) -> None:
        self.hash = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.hash.update(data)
        return len(data)

    def flush(self) -> None:
        """There is nothing to flush."""


def _closed(path: Path, why: str) -> Problem:
    if "No matching keys" in why:
        return Problem(
            f"{path} is not encrypted for your identity",
            resolution="give the identity of one of the manifest's recipients with --identity",
        )
    return Problem(f"{path} cannot be decrypted: {why}", resolution="it is damaged: take another backup")
