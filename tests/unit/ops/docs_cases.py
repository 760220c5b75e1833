"""Cases of ``tests/golden/docs``: ``input/cloud.yml`` and ``expected``, the pages.

``python -m tests.unit.ops.docs_cases NAME…`` writes what Saltern makes of a case; read it before you believe it.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from saltern.formulas.documents import KIND, read_documents
from saltern.formulas.metadata import read_metadata
from saltern.model.settings import NodeSettings, Publish
from saltern.ops.pages import Described, pages

GOLDEN = Path(__file__).parents[2] / "golden" / "docs"
CASES = sorted(GOLDEN.iterdir())


def texts(case: Path) -> dict[str, str]:
    raw = yaml.safe_load((case / "input" / "cloud.yml").read_text())
    return pages(raw["cloud"], [described(node) for node in raw["nodes"]])


def described(raw: Mapping[str, Any]) -> Described:
    """A node, with its formulas' metadata as Salt renders it."""
    settings = dict(raw.get("settings", {}))
    settings["publish"] = tuple(Publish(**one) for one in settings.get("publish", ()))
    known = {
        formula: {kind: content for kind, content in kinds.items() if kind != KIND}
        for formula, kinds in raw["metadata"].items()
    }
    return Described(
        name=raw["name"],
        node=raw["node"],
        settings=NodeSettings(**settings),
        applications=tuple(raw["applications"]),
        metadata=read_metadata(raw["node"], known),
        documents=read_documents(raw["node"], raw["metadata"]),
    )


def write(case: Path) -> None:
    shutil.rmtree(case / "expected", ignore_errors=True)
    (case / "expected").mkdir()
    for path, text in texts(case).items():
        (case / "expected" / path).write_text(text)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        write(GOLDEN / name)
