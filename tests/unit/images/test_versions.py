"""The order of Debian versions, against dpkg's own where it is there."""

from __future__ import annotations

import itertools
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saltern.images.versions import compare, is_version, version_key

ORDERED = (
    "1.0~~",
    "1.0~rc1-1",
    "1.0",
    "1.0-1",
    "1.0-1+b1",
    "1.0-1+deb12u2",
    "1.0-1+deb12u10",
    "1.0a",
    "1.0+x",
    "1.10",
    "1:0.1",
)

parts = st.text("0123456789abzAZ.+~", max_size=6)
versions = st.builds(
    lambda epoch, head, tail, revision: f"{epoch}{head}{tail}{revision}",
    st.sampled_from(["", "0:", "1:", "12:"]),
    st.sampled_from("0123456789"),
    parts,
    st.one_of(st.just(""), st.text("0123456789ab.+~", min_size=1, max_size=5).map("-{}".format)),
)


def test_a_list_in_order() -> None:
    mixed = (*ORDERED[5:], *ORDERED[:5])
    assert sorted(mixed, key=version_key) == list(ORDERED)
    for one, other in itertools.combinations(ORDERED, 2):
        assert compare(one, other) < 0 < compare(other, one)


@pytest.mark.parametrize(("one", "other"), [("1.0", "0:1.0"), ("1.00", "1.0"), ("1.0-0", "1.0"), ("a", "a")])
def test_equal(one: str, other: str) -> None:
    assert compare(one, other) == 0


@given(versions, versions, versions)
def test_it_is_an_order(a: str, b: str, c: str) -> None:
    assert compare(a, a) == 0
    assert (compare(a, b) > 0) == (compare(b, a) < 0)
    low, middle, high = sorted((a, b, c), key=version_key)
    assert compare(low, middle) <= 0
    assert compare(low, high) <= 0


@pytest.mark.skipif(shutil.which("dpkg") is None, reason="dpkg is not here")
@settings(max_examples=150, deadline=None)
@given(versions, versions)
def test_dpkg_says_the_same(one: str, other: str) -> None:
    said = {
        operator: subprocess.run(["dpkg", "--compare-versions", one, operator, other], check=False).returncode == 0
        for operator in ("lt", "eq", "gt")
    }
    found = compare(one, other)
    assert said == {"lt": found < 0, "eq": found == 0, "gt": found > 0}


@pytest.mark.parametrize("text", ["1", "1.0-1", "2:1.0~rc1+dfsg-3+deb12u1", "20250419+deb13u1"])
def test_versions(text: str) -> None:
    assert is_version(text)


@pytest.mark.parametrize("text", ["", "a1", "1 0", "1:", "x:1", "1_0", "1.0-", ">=1"])
def test_no_versions(text: str) -> None:
    assert not is_version(text)
