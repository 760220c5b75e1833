"""Golden low states, found on disk: ``tests/golden/phases/<case>/{low.yml,expected.yml}``."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from saltern.base.errors import PhaseError
from saltern.formulas.lowstate import LowState
from saltern.phases import Hints, Phase, split

GOLDEN = Path(__file__).parents[2] / "golden" / "phases"


def load(case: Path) -> tuple[LowState, Hints]:
    given = yaml.safe_load((case / "low.yml").read_text())
    chunks = [{"__id__": c.get("name"), "__sls__": "s", "__file__": "s/init.sls", **c} for c in given["chunks"]]
    hints = Hints(given.get("overrides", {}), tuple(given.get("volumes", ())), frozenset(given.get("secrets", ())))
    return LowState.of("node", chunks, {}), hints


@pytest.mark.parametrize("case", sorted(GOLDEN.iterdir()), ids=lambda path: path.name)
def test_golden(case: Path) -> None:
    low, hints = load(case)
    expected = yaml.safe_load((case / "expected.yml").read_text())
    if "problems" in expected:
        with pytest.raises(PhaseError) as caught:
            split(low, hints)
        assert [problem.brief for problem in caught.value.problems] == expected["problems"]
        return
    got = []
    for found in split(low, hints).assignments:
        when = f"{found.phase}{' after' if found.after else ''}"
        got.append(f"{when}: {found.chunk.function} {found.chunk.id}: {found.reason}")
    assert got == expected["phases"]


def test_every_chunk_has_one_phase() -> None:
    for case in GOLDEN.iterdir():
        low, hints = load(case)
        try:
            found = split(low, hints)
        except PhaseError:
            continue
        assert [a.chunk for a in found.assignments] == list(low.chunks)
        assert sorted(c.index for phase in Phase for c in found.of(phase)) == list(range(len(low.chunks)))
