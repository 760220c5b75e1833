"""A model's folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.project.compiled import Nodes


@pytest.fixture
def nodes(tmp_path: Path) -> Nodes:
    return Nodes(tmp_path / "model")
