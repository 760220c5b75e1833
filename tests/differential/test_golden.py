"""The golden models in the reference: what is expected is what it gives, and what is ours is not."""

from __future__ import annotations

import pytest

from tests.golden.models import Case, model_cases

from .expect import in_json
from .reference import Reference


@pytest.mark.parametrize("case", model_cases(), ids=lambda case: case.root.name)
def test_golden(case: Case, reference: Reference) -> None:
    theirs = {name: in_json(outcome) for name, outcome in reference.nodes(case.root, case.options).items()}
    expected = {name: None if "problems" in node else node for name, node in case.expected.items()}
    assert (theirs != expected) if case.is_ours else (theirs == expected)
