"""Revisions in few words, and a strategy that makes any."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from saltern.plan.revision import FileRecord, Revision, WorkloadRecord

TEXT = st.text(max_size=8)
NAMES = st.text("abcdefgh-0123456789", min_size=1, max_size=6)


def record(name: str = "web", **more: Any) -> WorkloadRecord:
    """A workload of one service that is called like it, with the hash ``h1``."""
    known: dict[str, Any] = {
        "node": f"{name}.example.com",
        "image": f"localhost/lab/{name}:k1",
        "services": {name: "h1"},
    }
    return WorkloadRecord(name, **{**known, **more})


def revision(*records: WorkloadRecord, **more: Any) -> Revision:
    return Revision({one.name: one for one in records}, **more)


FILES = st.builds(FileRecord, sha256=TEXT, mode=st.sampled_from(["0644", "0600"]), owner=st.just("0:0"))


@st.composite
def revisions(draw: st.DrawFn) -> Revision:
    workloads = {
        name: WorkloadRecord(
            name=name,
            node=draw(TEXT),
            image=draw(TEXT),
            base=draw(TEXT),
            packages=draw(st.dictionaries(NAMES, TEXT, max_size=3)),
            tree=draw(TEXT),
            files=draw(st.dictionaries(TEXT, FILES, max_size=3)),
            services=draw(st.dictionaries(NAMES, TEXT, max_size=3)),
            jobs=draw(st.dictionaries(NAMES, st.lists(TEXT, max_size=3).map(tuple), max_size=2)),
            data_plane=draw(st.booleans()),
        )
        for name in draw(st.lists(NAMES, max_size=3, unique=True))
    }
    formulas = draw(st.dictionaries(NAMES, TEXT, max_size=2))
    return Revision(workloads, formulas, draw(TEXT), draw(TEXT))
