"""What every store can do."""

from __future__ import annotations

from typing import Protocol

from saltern.base.errors import Problem


class Store(Protocol):
    """Has secrets by name."""

    def wrong(self, name: str) -> Problem | None:
        """What is wrong with a name, as far as can be told without reading anything secret."""

    def read(self, name: str) -> str:
        """The value. Raises SecretError; its problem names the store and the secret, but never a value."""


def without_last_newline(text: str) -> str:
    """A file's value: the newline that ends an only line belongs to the file, those of a longer text (a key) to it."""
    line, newline, rest = text.partition("\n")
    return line.removesuffix("\r") if newline and not rest else text
