"""What a local worker's results are remembered by."""

from __future__ import annotations

from pathlib import Path

import pytest

from saltern.images import toolchain


def test_another_worker_gives_another_local_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "node.py").write_text("one")
    monkeypatch.setattr(toolchain, "worker_folder", lambda: tmp_path)
    first = toolchain.local_key()
    assert toolchain.local_key() == first
    (tmp_path / "node.py").write_text("two")
    assert toolchain.local_key() != first
