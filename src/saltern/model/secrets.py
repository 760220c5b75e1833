"""Which values of a node are secrets, by the names of their keys. Pure.

It serves a net, not a vault: images, logs and outputs are searched for these values, and none may be found. So it takes
rather too much than too little, but leaves out words that stand in every file anyway and would raise false alarms.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from saltern.model.secret_references import is_reference

MIN_LENGTH = 6
"""Shorter values are found everywhere by chance."""
MIN_KEY_LENGTH = 16
"""From here on a value at ``*_key`` looks like key material and not like the name of a key."""

_SECRET_KEY = re.compile(
    r"(^|[_\-.])(pass|passwd|password|passphrase|pwd|secret|secrets|token|cookie|credential|credentials|psk|hmac)([_\-.]|$)"
    r"|(private|encryption|fernet|shared|signing|master|host|api|auth|access|secret)[_\-.]?key([_\-.]|$)"
    r"|password$|passwd$|secret$|token$",
    re.IGNORECASE,
)
_ANY_KEY = re.compile(r"[_\-.]key$|^key$", re.IGNORECASE)
_NOT_SECRET_KEY = re.compile(
    r"[_\-.](file|path|dir|name|url|uri|user|username|expiration|expiry|ttl|length|size|type|provider|driver|hash|enabled)$",
    re.IGNORECASE,
)
_COMMON = frozenset(
    (
        *("admin", "cookie", "default", "disabled", "enabled", "example", "fernet", "hashed", "keystone", "memcache"),
        *("mysql", "openssl", "password", "public", "random", "rabbit", "secret", "service", "sha256", "sha512"),
        *("string", "token", "uuid4", "vault"),
    )
)


def is_secret_key(key: str) -> bool:
    """Whether a key's name says that its value is a secret."""
    return bool(_SECRET_KEY.search(key)) and not _NOT_SECRET_KEY.search(key)


def secret_values(parameters: Mapping[str, Any]) -> frozenset[str]:
    """The secret texts in rendered parameters: strings of six characters or more at keys that look like secrets
    (and everything below such a key), long values of ``*_key``, and private keys anywhere.
    """
    return SecretFinder().values(parameters)


class SecretFinder:
    """:func:`secret_values` for many nodes, whose parameters share parts: each part is looked through once.

    It keeps what it has seen, and sees no change of it.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[int, str, bool], tuple[Any, frozenset[str]]] = {}
        """A part, the key that it is at and whether that is one of a secret → the part, and what is in it."""

    def values(self, parameters: Mapping[str, Any]) -> frozenset[str]:
        """The secret texts of a node."""
        return frozenset(filter(_is_telling, self._found(parameters, "", inside=False)))

    def _found(self, value: Any, key: str, *, inside: bool) -> Iterable[str]:
        if isinstance(value, str):
            return (value,) if inside or is_key_material(key, value) else ()
        if not isinstance(value, (dict, list, tuple, Mapping)):  # what is asked first is fast to ask
            return ()
        part = (id(value), key, inside)
        if part not in self._known:
            self._known[part] = (value, frozenset(self._walk(value, key, inside=inside)))
        return self._known[part][1]

    def _walk(self, value: Any, key: str, *, inside: bool) -> set[str]:
        found: set[str] = set()
        if isinstance(value, (list, tuple)):
            for item in value:
                found.update(self._found(item, key, inside=inside))
        else:
            for name, item in value.items():
                named = str(name)
                found.update(self._found(item, named, inside=_is_inside(named, inside=inside)))
        return found


@lru_cache(maxsize=65536)
def _is_inside(key: str, *, inside: bool) -> bool:
    return (inside and not _NOT_SECRET_KEY.search(f"_{key}")) or is_secret_key(key)


def is_key_material(key: str, value: str) -> bool:
    """Whether a value is a private key, or long and at a key such as ``*_key``."""
    if "PRIVATE KEY-----" in value:
        return True
    long_enough = len(value) >= MIN_KEY_LENGTH and not value.startswith(("/", "ssh-", "http://", "https://"))
    return long_enough and " " not in value.strip() and bool(_ANY_KEY.search(key)) and not _NOT_SECRET_KEY.search(key)


def _is_telling(value: str) -> bool:
    common = value.lower() in _COMMON or value.startswith("/") or is_reference(value)
    return len(value) >= MIN_LENGTH and not common


def is_secret_path(path: Iterable[str | int]) -> bool:
    """Whether what stands at a path is a secret: its last key says so, or one above it and none below denies it."""
    inside = False
    for key in map(str, path):
        inside = _is_inside(key, inside=inside)
    return inside
