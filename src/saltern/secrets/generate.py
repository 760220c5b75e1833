"""New values: by length, or in the shape of an old one."""

from __future__ import annotations

import base64
import re
import secrets
import string
import uuid
from collections.abc import Sequence

from saltern.base.errors import Problem, SecretError

SHORTEST = 8
"""Characters of a value that is made; fewer can be guessed."""
LONGEST = 4096
ALPHABET = string.ascii_letters + string.digits
_CLASSES = (string.ascii_lowercase, string.ascii_uppercase, string.digits)
_STRUCTURED = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|\$\w+\$|[{\[].*[}\]]$|eyJ[\w-]+\.")
"""Addresses, hashes, JSON and JWTs."""
_HEX = re.compile(r"[0-9a-f]+|[0-9A-F]+")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_BASE64 = re.compile(r"(?P<digits>[A-Za-z0-9_-]+|[A-Za-z0-9+/]+)={1,2}")


def generate(length: int) -> str:
    """Letters and digits, a letter first, so that YAML, shells and URLs take it for text and need no quotes."""
    return _of(string.ascii_letters, 1) + _of(ALPHABET, length - 1)


def like(value: str) -> str:
    """A new value of the same shape: length and kinds of characters; UUIDs, hex and base64 stay what they are.

    Raises SecretError for what cannot be made by chance: text of several lines (a key pair), addresses, hashes, JSON,
    tokens of three parts (JWT), or too little to guess.
    """
    if not value.isascii() or any(character.isspace() for character in value):
        raise _no_shape("it has spaces or several lines, as keys and certificates have")
    if len(value) < SHORTEST:
        raise _no_shape(f"it is shorter than {SHORTEST} characters")
    if _STRUCTURED.match(value):
        raise _no_shape("it is an address, a hash or structured")
    if _UUID.fullmatch(value):
        new = str(uuid.UUID(bytes=secrets.token_bytes(16), version=4))
        return new if value == value.lower() else new.upper()
    match = _BASE64.fullmatch(value)
    if match and len(value) % 4 == 0:
        return _base64(match["digits"], len(value))
    if _HEX.fullmatch(value) and not value.isalpha() and not value.isdigit():
        return _of(string.digits + ("abcdef" if value == value.lower() else "ABCDEF"), len(value))
    kinds = [kind for kind in _CLASSES if set(kind) & set(value)]
    marks = "".join(sorted(set(value) - set(ALPHABET)))
    return _with_each([*kinds, marks] if marks else kinds, value)


def _base64(digits: str, length: int) -> str:
    """Of both alphabets' common digits, unless the old value shows which one it was."""
    marks = "-_" if set(digits) & set("-_") else "+/" if set(digits) & set("+/") else ""
    text = _of(ALPHABET + marks, len(digits)) + "=" * (length - len(digits))
    altchars = (marks or "+/").encode()
    return base64.b64encode(base64.b64decode(text, altchars), altchars).decode("ascii")


def _with_each(kinds: Sequence[str], value: str) -> str:
    """At least one character of each kind, and a letter first where there was one."""
    alphabet = "".join(kinds)
    while True:
        made = _of(alphabet, len(value))
        same_start = made[0].isalpha() or not value[0].isalpha()
        if same_start and all(set(kind) & set(made) for kind in kinds):
            return made


def _of(alphabet: str, length: int) -> str:
    return "".join(secrets.choice(alphabet) for _ in range(length))


def _no_shape(why: str) -> SecretError:
    return SecretError(
        Problem(
            f"a new value of the same shape cannot be made: {why}", resolution="set it with `saltern secret set NAME`"
        )
    )
