"""Identities: who can read what is encrypted, and the file where a person keeps theirs."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from saltern.base.errors import Problem, SecretError

VARIABLE = "SALTERN_IDENTITY"
SSH_BEGIN = b"-----BEGIN"
AGE_BEGIN = (b"-----BEGIN AGE ENCRYPTED FILE-----", b"age-encryption.org/v1")

Ask = Callable[[str], str]
"""Asks a person for a passphrase; the argument says what for."""


def refuse_to_ask(what: str) -> str:
    """Where nobody can be asked. Raises SecretError."""
    raise SecretError(Problem(f"{what} is needed, and nobody can be asked", resolution="run it on a terminal"))


def default_identity(variables: Mapping[str, str]) -> Path:
    """Where an identity is kept when nothing else is said."""
    if named := variables.get(VARIABLE):
        return Path(named)
    base = variables.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "saltern" / "identity.txt"


def once(read: Callable[[], tuple[Any, ...]]) -> Callable[[], tuple[Any, ...]]:
    """Reads at most once, also when that fails: a wrong passphrase is not asked for again for every secret."""

    @cache
    def outcome() -> tuple[Any, ...] | SecretError:
        try:
            return read()
        except SecretError as error:
            return error

    def again() -> tuple[Any, ...]:
        found = outcome()
        if isinstance(found, SecretError):
            raise found
        return found

    return again


def make_identity(path: Path) -> str:
    """A new X25519 identity in ``path``, which must not exist, readable by its owner alone; returns its recipient."""
    import pyrage  # noqa: PLC0415 - only those who use it load the library

    identity = pyrage.x25519.Identity.generate()
    recipient = str(identity.to_public())
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise SecretError(Problem(f"{path} cannot be made: {error.strerror}")) from None
    with os.fdopen(handle, "w") as file:
        file.write(f"# public key: {recipient}\n{identity}\n")
    return recipient


def read_identities(path: Path, model: Path, ask: Ask) -> tuple[Any, ...]:
    """The identities of a file: age's own, an ssh key, or age's protected by a passphrase. Raises SecretError."""
    if path.resolve().is_relative_to(model.resolve()):
        raise SecretError(
            Problem(
                f"the identity {path} lies in the model, next to what it opens",
                resolution="move it out, rekey for a new one and change all secrets, which are no longer secret",
            )
        )
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise SecretError(_no_identity(path)) from None
    except OSError as error:
        raise SecretError(Problem(f"the identity {path} cannot be read: {error.strerror}")) from None
    if data.startswith(AGE_BEGIN):
        data = _opened(path, data, ask)
    return _parsed(path, data)


def recipients_of(identities: tuple[Any, ...]) -> tuple[str, ...]:
    """The recipients of age's own identities; ssh keys have theirs in a .pub file."""
    return tuple(str(identity.to_public()) for identity in identities if hasattr(identity, "to_public"))


def _parsed(path: Path, data: bytes) -> tuple[Any, ...]:
    import pyrage  # noqa: PLC0415

    try:
        if data.startswith(SSH_BEGIN):
            return (pyrage.ssh.Identity.from_buffer(data),)
        lines = (line.strip() for line in data.decode("utf-8", "replace").splitlines())
        found = tuple(pyrage.x25519.Identity.from_str(line) for line in lines if line and line[0] != "#")
    except pyrage.IdentityError as error:
        raise SecretError(
            Problem(
                f"{path} is no identity: {error}",
                resolution="it holds AGE-SECRET-KEY-… lines, or one ssh key (ed25519 or rsa) without a passphrase",
            )
        ) from None
    if not found:
        raise SecretError(Problem(f"{path} holds no identity", resolution="make one with `saltern secret init`"))
    return found


def _opened(path: Path, data: bytes, ask: Ask) -> bytes:
    import pyrage  # noqa: PLC0415

    try:
        opened: bytes = pyrage.passphrase.decrypt(data, ask(f"Passphrase of {path}"))
    except pyrage.DecryptError:
        raise SecretError(Problem(f"that is not the passphrase of {path}")) from None
    return opened


def _no_identity(path: Path) -> Problem:
    return Problem(
        f"no identity to open secrets with: {path} does not exist",
        resolution=f"name yours with --identity or {VARIABLE}; `saltern secret init` makes a new one",
    )
