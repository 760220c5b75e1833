"""docs/reference is what tools/reference makes of the code, and nothing that a user can set is without a word."""

from __future__ import annotations

from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


def _load() -> ModuleType:
    loader = SourceFileLoader("tools_reference", str(ROOT / "tools" / "reference"))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


reference = _load()
PAGES: dict[str, str] = reference.generate()


@pytest.mark.parametrize("name", sorted(PAGES))
def test_page_is_what_the_code_says(name: str) -> None:
    path = ROOT / "docs" / "reference" / name
    assert path.read_text("utf-8") == PAGES[name], "run .venv/bin/python tools/reference, and commit what it writes"


def test_everything_is_described() -> None:
    assert reference.undescribed() == []


def test_every_command_has_examples_that_name_it() -> None:
    for name, command in reference.commands():
        examples = reference._examples(command)
        assert any(name in line for line in examples), name


def test_check_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference, "FOLDER", tmp_path)
    assert reference.main(["--check"]) == 1
    assert list(tmp_path.iterdir()) == []
