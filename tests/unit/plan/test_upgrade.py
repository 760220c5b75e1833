"""Which version may follow which."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saltern.formulas.upgrades import Allowed, Command, Downgrade, Otherwise, Release, Upgrade
from saltern.plan.upgrade import Verdict, judge, refusal, upstream, way_between

FRESH = Otherwise("fresh", "data", Command("empty", ("true",)), "blue-green")
BROKER = Upgrade(
    "broker",
    "broker",
    "broker-server",
    jumps=tuple(
        Allowed(old, new, "table", at_least="3.11.18" if old == "3.11" else "")
        for old, new in [
            *pairwise(["3.8", "3.9", "3.10", "3.11", "3.12", "3.13"]),
            *(("3.13", new) for new in ("4.0", "4.1", "4.2")),
            *pairwise(["4.0", "4.1", "4.2", "4.3"]),
            ("4.0", "4.2"),
        ]
    ),
    downgrade=Downgrade("never", "no way back"),
)
NAMES = ("y", "z", "2023.1", "2023.2", "2024.1", "2024.2", "2025.1")
RELEASES = tuple(Release(name, str(21 + i), name.endswith(".1")) for i, name in enumerate(NAMES))
SERVICE = Upgrade(
    "api",
    "api",
    "api",
    releases=RELEASES,
    jumps=(
        *(Allowed(a.version, b.version, "N+1") for a, b in pairwise(RELEASES)),
        *(Allowed(a.version, b.version, "SLURP") for a, b in pairwise(r for r in RELEASES if r.slurp)),
        Allowed("22", "27", "our test", tested=True),
    ),
    free="minor",
    downgrade=Downgrade("before-contract", "expanded"),
)


@pytest.mark.parametrize(
    ("version", "numbers"),
    [
        ("1:11.8.6-0+deb13u1", (11, 8, 6)),
        ("2:27.0.0-3+deb13u6", (27, 0, 0)),
        ("3.10.8-1.1+deb12u1", (3, 10, 8)),
        ("22.0.0~rc1-1", (22, 0, 0)),
        ("1.6.18+dfsg1-2~bpo11+1", (1, 6, 18)),
        ("4.0.5+really3.13.7-1", (3, 13, 7)),
        ("5", (5,)),
        ("7-2-1", (7,)),
        ("git20240101-1", ()),
        ("", ()),
    ],
)
def test_numbers_of_debian_versions(version: str, numbers: tuple[int, ...]) -> None:
    assert upstream(version) == numbers


@pytest.mark.parametrize(
    ("rules", "old", "new", "verdict"),
    [
        (BROKER, "3.10.8-1", "3.10.8-1", Verdict.NONE),
        (BROKER, "3.10.8-1", "3.10.8-2", Verdict.FREE),
        (BROKER, "3.10.8-1", "3.10.25-1", Verdict.FREE),
        (BROKER, "3.10.25-1", "3.10.8-1", Verdict.FREE),
        (BROKER, "3.1.8-1", "3.10.8-1", Verdict.FORBIDDEN),
        (BROKER, "3.10.8-1", "3.11.0-1", Verdict.DOCUMENTED),
        (BROKER, "3.11.17-1", "3.12.0-1", Verdict.FORBIDDEN),
        (BROKER, "3.11.18-1", "3.12.0-1", Verdict.DOCUMENTED),
        (BROKER, "3.10.8-1", "4.0.5-1", Verdict.FORBIDDEN),
        (BROKER, "4.0.5-1", "3.13.0-1", Verdict.DOWNGRADE),
        (BROKER, "4.0.5-1", "git-1", Verdict.FORBIDDEN),
        (BROKER, "git-1", "4.0.5-1", Verdict.FORBIDDEN),
        (SERVICE, "2:22.0.0-1", "2:22.1.0-1", Verdict.FREE),
        (SERVICE, "2:22.0.0-1", "2:23.0.0-1", Verdict.DOCUMENTED),
        (SERVICE, "2:23.0.0-1", "1:25.0.0-1", Verdict.DOCUMENTED),
        (SERVICE, "2:22.0.0-1", "2:27.0.0-1", Verdict.TESTED),
        (SERVICE, "2:23.0.0-1", "2:27.0.0-1", Verdict.FORBIDDEN),
        (SERVICE, "2:24.0.0-1", "2:26.0.0-1", Verdict.FORBIDDEN),
    ],
)
def test_verdicts(rules: Upgrade, old: str, new: str, verdict: Verdict) -> None:
    assert judge(rules, old, new).verdict is verdict


def test_a_forbidden_jump_says_the_rule_and_the_way() -> None:
    jump = judge(BROKER, "3.10.8-1.1+deb12u1", "4.0.5-8")
    assert jump.refused
    assert jump.way == "3.11 (3.11.18 or newer) → 3.12 → 3.13 → 4.0"
    problem = refusal(jump, "mq01")
    assert problem.brief == "broker cannot go from 3.10.8-1.1+deb12u1 to 4.0.5-8 in place"
    assert problem.details == "The rule: table."
    assert problem.resolution == "Go by 3.11 (3.11.18 or newer) → 3.12 → 3.13 → 4.0, one rollout for each."
    assert problem.node == "mq01"


def test_a_step_from_a_version_that_is_too_old_goes_by_a_newer_patch() -> None:
    assert judge(BROKER, "3.11.5-1", "3.12.1-1").way == "3.11.18 → 3.12"
    assert judge(BROKER, "3.11.5-1", "4.2.1-1").way == "3.11.18 → 3.12 → 3.13 → 4.2"


def test_no_way_is_said_too() -> None:
    jump = judge(BROKER, "2.7.0-1", "4.0.5-1")
    assert (jump.verdict, jump.way) == (Verdict.FORBIDDEN, "")
    assert "know no way there" in refusal(jump, "mq01").resolution


def test_what_only_tests_allow_says_the_documented_way() -> None:
    jump = judge(SERVICE, "2:22.0.0-2", "2:27.0.0-3")
    assert (jump.source, jump.way, jump.staged) == ("our test", "2023.1 → 2024.1 → 2025.1", True)
    assert not jump.refused


def test_a_fresh_instance_is_the_way_where_the_formula_says_so() -> None:
    rules = Upgrade("b", "b", "b", jumps=BROKER.jumps, downgrade=Downgrade("otherwise", "as well"), otherwise=FRESH)
    forth, back = judge(rules, "3.10.8-1", "4.0.5-1"), judge(rules, "4.0.5-1", "3.10.8-1")
    assert (forth.verdict, forth.source) == (Verdict.FRESH, "blue-green")
    assert forth.way.endswith("3.13 → 4.0")
    assert (back.verdict, back.source, back.way) == (Verdict.FRESH, "as well", "")
    assert not forth.refused
    assert not forth.staged
    assert judge(rules, "3.12.0-1", "3.13.0-1").verdict is Verdict.DOCUMENTED


@pytest.mark.parametrize(
    ("allowed", "verdict", "refused"),
    [
        ("never", Verdict.DOWNGRADE, True),
        ("before-contract", Verdict.DOWNGRADE, False),
        ("always", Verdict.FREE, False),
    ],
)
def test_back(allowed: str, verdict: Verdict, refused: bool) -> None:
    jump = judge(Upgrade("a", "a", "a", downgrade=Downgrade(allowed, "who")), "2.0-1", "1.0-1")
    assert (jump.verdict, jump.refused, jump.source) == (verdict, refused, "who")
    if refused:
        assert refusal(jump, "n").brief == "a cannot go back from 2.0-1 to 1.0-1 in place"
        assert "backup" in refusal(jump, "n").resolution


def test_any_newer_version() -> None:
    rules = Upgrade("db", "db", "db", jumps=(Allowed("*", "*", "any"),))
    assert judge(rules, "1:10.11.6-1", "1:11.8.6-1").verdict is Verdict.DOCUMENTED
    assert judge(rules, "1:11.8.6-1", "1:10.11.6-1").verdict is Verdict.DOWNGRADE


VERSIONS = st.builds(
    lambda epoch, parts, revision: f"{epoch}{'.'.join(map(str, parts))}{revision}",
    st.sampled_from(["", "1:", "2:"]),
    st.lists(st.integers(0, 30), min_size=1, max_size=4),
    st.sampled_from(["", "-1", "-2+deb13u1", "+dfsg-1", "~rc1-1"]),
)
SERIES = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=15)


@given(VERSIONS, VERSIONS)
def test_free_is_the_same_in_both_directions_and_other_verdicts_are_not(old: str, new: str) -> None:
    there, back = judge(SERVICE, old, new), judge(SERVICE, new, old)
    assert (there.verdict is Verdict.NONE) == (old == new)
    assert (there.verdict is Verdict.FREE) == (back.verdict is Verdict.FREE)
    if there.verdict not in (Verdict.FREE, Verdict.NONE):
        assert (there.verdict is Verdict.DOWNGRADE) != (back.verdict is Verdict.DOWNGRADE)


@given(VERSIONS, st.integers(0, 9), st.sampled_from(["-1", "-9+deb13u2"]))
def test_epoch_and_revision_change_no_verdict(old: str, patch: int, revision: str) -> None:
    plain = judge(BROKER, old, f"4.0.{patch}")
    assert judge(BROKER, old, f"3:4.0.{patch}{revision}").verdict in (plain.verdict, Verdict.FREE)


@given(SERIES, st.integers(0, 6), st.integers(0, 6))
def test_ways_are_the_shortest_and_only_by_allowed_steps(edges: list[tuple[int, int]], old: int, new: int) -> None:
    upward = sorted({(a, b) for a, b in edges if a < b})
    rules = Upgrade("x", "x", "x", jumps=tuple(Allowed(f"{a}", f"{b}", "s") for a, b in upward), free="minor")
    way = tuple(int(hop) for hop in way_between(rules, (old, 3), (new, 1)))
    reached, hops = {old}, 0
    while new not in reached and hops <= 7:  # breadth first over whole sets: another way to count
        reached, hops = reached | {b for a, b in upward if a in reached}, hops + 1
    if hops > 7 or old == new:
        assert way == () or old == new
        return
    assert len(way) == hops
    assert way[-1] == new
    assert all(step in upward for step in pairwise((old, *way)))
    assert (judge(rules, f"{old}.3", f"{new}.1").verdict is Verdict.DOCUMENTED) == (len(way) == 1)
