"""Debian's security tracker as a file (security-tracker.debian.org/tracker/data/json): which version fixes what. Pure.

Its shape: ``{source: {CVE: {"releases": {codename: {"status": …, "fixed_version": …, "urgency": …}}}}}``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from saltern.base.errors import Place, Problem, UsageError
from saltern.images.versions import compare


@dataclass(frozen=True, slots=True, order=True)
class Fix:
    """A vulnerability that a version of a source package fixes."""

    cve: str
    urgency: str
    fixed: str


@dataclass(frozen=True, slots=True)
class Tracker:
    """What the tracker says, as it came."""

    sources: Mapping[str, Any]

    def fixes(self, release: str, source: str, installed: str, newest: str) -> tuple[Fix, ...]:
        """What is fixed above ``installed`` up to ``newest`` (versions of the source package) in a release."""
        found = []
        for cve, entry in self.sources.get(source, {}).items():
            said = entry.get("releases", {}).get(release, {})
            fixed = str(said.get("fixed_version", ""))
            if said.get("status") != "resolved" or fixed in ("", "0"):  # "0": the release never had it
                continue
            if compare(installed, fixed) < 0 and compare(fixed, newest) <= 0:
                found.append(Fix(str(cve), str(said.get("urgency", "")), fixed))
        return tuple(sorted(found))

    def unfixed(self, release: str, source: str) -> tuple[str, ...]:
        """The CVEs of a source package that have no fix in the release yet."""
        entries = self.sources.get(source, {})
        return tuple(
            sorted(
                str(cve)
                for cve, entry in entries.items()
                if entry.get("releases", {}).get(release, {}).get("status") == "open"
            )
        )


def read_tracker(path: Path) -> Tracker:
    """Read the file; raises UsageError when it is not what the tracker publishes."""
    try:
        raw = json.loads(path.read_bytes())
        sound = isinstance(raw, dict) and all(
            isinstance(entries, dict)
            and all(isinstance(e, dict) and isinstance(e.get("releases", {}), dict) for e in entries.values())
            for entries in raw.values()
        )
    except (OSError, ValueError) as error:
        raise UsageError(_damaged(path, str(error))) from error
    if not sound:
        raise UsageError(_damaged(path, "it is no object of source packages, each an object of CVEs with `releases`"))
    return Tracker(raw)


def _damaged(path: Path, details: str) -> Problem:
    return Problem(
        "the security tracker's data cannot be read",
        (Place(str(path)),),
        details=details,
        resolution="give the JSON that security-tracker.debian.org offers under /tracker/data/json",
    )
