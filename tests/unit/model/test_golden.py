"""Models on disk and what they render to; :mod:`tests.golden.models` says how a case is made."""

from __future__ import annotations

import pytest

from tests.golden.models import Case, model_cases


@pytest.mark.parametrize("case", model_cases(), ids=lambda case: case.root.name)
def test_golden(case: Case) -> None:
    assert case.rendered() == case.expected
