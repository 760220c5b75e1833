"""One reference for all tests of a run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .reference import Reference


@pytest.fixture(scope="session")
def reference() -> Iterator[Reference]:
    with Reference() as running:
        yield running
