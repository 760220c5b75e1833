"""``python -m benchmarks.replay``: play the history, print what each commit rebuilt beside what it had to."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from .commits import COMMITS
from .rebuilds import Outcome, Replay, as_text, totals


def shown(names: Sequence[str]) -> str:
    return " ".join(names) or "-"


def line(outcome: Outcome) -> str:
    mark = " " if outcome.exact else "!"
    found = f"{shown(outcome.rebuilt):42.42} {shown(outcome.necessary):42.42} {outcome.images:3}"
    return f"{mark} {outcome.commit.title:58.58} {outcome.commit.kind:26.26} {found} {shown(outcome.config)}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--engine", default="", help="compile in containers of the real bases; default: on this machine"
    )
    parser.add_argument("--keep", type=Path, help="leave the repository in this new folder")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="saltern-replay-") as folder:
        begun = time.monotonic()
        outcomes = []
        for outcome in Replay(given.keep or Path(folder), given.engine).play(COMMITS):
            outcomes.append(outcome)
            if not given.json:
                print(line(outcome), flush=True)
        if given.json:
            print(as_text(outcomes))
        else:
            print(f"{totals(outcomes)} in {time.monotonic() - begun:.0f} s")
    return 0 if all(outcome.exact for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
