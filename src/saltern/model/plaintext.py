"""Secrets that a file holds in plain text, as warnings. Pure; a value is never shown."""

from __future__ import annotations

import re
from collections.abc import Iterator

from saltern.base.errors import Problem
from saltern.model.entity import Entity
from saltern.model.interpolate import Path
from saltern.model.kinds import WarningKind
from saltern.model.leaves import leaves
from saltern.model.secret_references import references_in
from saltern.model.secrets import is_key_material, is_secret_path
from saltern.model.terms import Text

_NUMBER_KEY = re.compile(r"(pass|passwd|password|passphrase|pwd|psk)$", re.IGNORECASE)
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s:@]*:(?P<password>[^/\s@]+)@", re.IGNORECASE)
_NOT_PLAIN = re.compile(r"/|\$\w+\$|ssh-|-----BEGIN (PGP MESSAGE|AGE ENCRYPTED FILE|PUBLIC KEY|CERTIFICATE)|ENC\[")
"""How a value begins that is a path, a hash, public or encrypted."""
_REFERENCE = re.compile(r"[$?]\{")


def plain_secrets(entity: Entity) -> Iterator[Problem]:
    """What the file of a class or node says in plain text at keys that look like secrets."""
    for branch in (entity.parameters, entity.exports):
        for path, leaf in leaves(branch):
            text = leaf.template.text if isinstance(leaf, Text) else leaf.value
            why = _why(path, text, is_template=isinstance(leaf, Text))
            if why:
                where = ":".join(str(step) for step in path)
                yield Problem(
                    brief=f"a secret in plain text: {where}",
                    places=(leaf.mark.place,),
                    details=why,
                    resolution="Keep it encrypted (`saltern secret set`), and refer to it.",
                    kind=WarningKind.PLAIN_TEXT,
                )


def _why(path: Path, value: object, *, is_template: bool) -> str:
    if isinstance(value, str):
        address = _ADDRESS.search(value)
        if address is not None and not _REFERENCE.match(address["password"]):
            return "The address holds a password."
        if is_template or not value.strip() or references_in(value) or _NOT_PLAIN.match(value):
            return ""
        if is_key_material(_name(path), value):
            return "It looks like a key."
        return "The key says that it is a secret." if is_secret_path(path) else ""
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return "The key says that it is a secret." if is_number and _NUMBER_KEY.search(_name(path)) else ""


def _name(path: Path) -> str:
    """The last key; items of a list have the list's."""
    return next((step for step in reversed(path) if isinstance(step, str)), "")
