"""A model written from a mapping of file names to texts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

Write = Callable[..., Path]


@pytest.fixture
def model(tmp_path: Path) -> Write:
    """``model(**{"nodes/n": "…", "classes/a/init": "…"})`` writes files and returns the model's folder."""

    def write(**files: str) -> Path:
        for folder in ("nodes", "classes"):
            (tmp_path / folder).mkdir(exist_ok=True)
        for name, text in files.items():
            path = tmp_path / f"{name}.yml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(text))
        return tmp_path

    return write
