"""Prometheus' own tool takes what ``saltern monitoring`` writes, and its rules fire when they should."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.prometheus import promtool

GOLDEN = Path(__file__).parents[1] / "golden" / "monitoring"
CASES = sorted(GOLDEN.iterdir())


def checked(folder: Path, *words: str) -> str:
    """What it says; an error of it is one of the test."""
    argv = (str(promtool()), *words)
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_its_configuration(case: Path) -> None:
    """With the files that it names."""
    said = checked(case / "expected", "check", "config", "prometheus.yml")
    rules = sorted(path.name for path in (case / "expected" / "rules").iterdir())
    assert [name for name in rules if f"Checking rules/{name}" not in said] == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_its_rules(case: Path) -> None:
    rules = [str(path) for path in sorted((case / "expected" / "rules").iterdir())]
    assert rules
    assert "duplicate" not in checked(case, "check", "rules", *rules)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_fires(case: Path) -> None:
    assert "SUCCESS" in checked(case, "test", "rules", "rules-test.yml")
