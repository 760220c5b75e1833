"""A model's folder with a reader of its secrets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from saltern.secrets.identity import make_identity, read_identities
from saltern.secrets.safe import Safe


def never_asked(what: str) -> str:
    raise AssertionError(f"asked for: {what}")


@dataclass(frozen=True)
class Reader:
    """A person with an identity."""

    identity: Path
    recipient: str

    def safe(self, model: Path) -> Safe:
        return Safe(model, lambda: read_identities(self.identity, model, never_asked))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model"
    path.mkdir()
    return path


@pytest.fixture
def alice(tmp_path: Path) -> Reader:
    path = tmp_path / "alice" / "identity.txt"
    return Reader(path, make_identity(path))


@pytest.fixture
def bob(tmp_path: Path) -> Reader:
    path = tmp_path / "bob" / "identity.txt"
    return Reader(path, make_identity(path))
