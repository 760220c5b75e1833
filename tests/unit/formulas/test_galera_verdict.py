"""Who begins a Galera cluster: the verdict of ``formulas/mariadb/mariadb/files/member.sh`` on what members say."""

from __future__ import annotations

import itertools
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "formulas/mariadb/mariadb/files/member.sh"
U, V = "6f1c0c1e-0000-11ee-8000-000000000001", "6f1c0c1e-0000-11ee-8000-000000000002"


def verdict(*answers: str) -> str:
    """The verdict on the answers of the members a, b, c."""
    lines = "".join(f"{member} {answer}".rstrip() + "\n" for member, answer in zip("abc", answers, strict=True))
    argv = ("bash", str(SCRIPT), "verdict")
    environment = {"PATH": "/usr/bin:/bin", "MEMBER_CONFIG": "/nonexistent"}
    done = subprocess.run(argv, input=lines, env=environment, capture_output=True, text=True, timeout=10, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        # the first deployment: the first member, and only when all are there
        (("new", "new", "new"), "begin a"),
        (("new", "new", ""), "wait for c"),
        # who serves with a majority is joined, whatever else there is
        ((f"position {U} 900 1", "primary", "primary"), "join b c"),
        (("new", "", "primary"), "join c"),
        # somebody is about to begin, or runs without a majority
        (("starting", f"position {U} 9 1", f"position {U} 8 0"), "wait for a majority at a"),
        # a total crash: the last transaction, and only with all answers
        ((f"position {U} 7 0", f"position {U} 9 0", f"position {U} 8 0"), "begin b"),
        ((f"position {U} 9 0", f"position {U} 10 0", f"position {U} 8 0"), "begin b"),
        ((f"position {U} 7 0", "", f"position {U} 8 0"), "wait for b"),
        # the same one: the first
        ((f"position {U} 7 0", f"position {U} 7 0", f"position {U} 7 0"), "begin a"),
        # who left last in order knows that nobody has more
        ((f"position {U} 7 0", "", f"position {U} 7 1"), "begin c"),
        (("", "", f"position {U} 7 1"), "begin c"),
        ((f"position {U} 8 0", "", f"position {U} 7 1"), "wait for an operator: c may begin, but a"),
        # a claim that was lost never wins over one that was not
        (("new", f"position {U} 0 0", f"position {U} 3 0"), "begin c"),
        (("new", "incomplete", f"position {U} 3 0"), "begin c"),
        (("incomplete", "new", "new"), "begin b"),
        (("incomplete", "incomplete", "incomplete"), "wait for an operator: no member"),
        # two clusters
        ((f"position {U} 7 0", f"position {V} 9 0", "new"), "wait for an operator: the members"),
    ],
)
def test_verdict(answers: tuple[str, ...], expected: str) -> None:
    found = verdict(*answers)
    assert found == expected or (expected.startswith("wait") and found.startswith(expected))


def test_of_any_answers_at_most_one_member_begins_and_never_one_with_less() -> None:
    """One verdict for all is one member at most; it is never one while another has, or may have, more."""
    said = ("new", "incomplete", "", f"position {U} 5 0", f"position {U} 5 1", f"position {U} 6 0", "starting")
    for answers in itertools.product(said, repeat=3):
        found = verdict(*answers)
        if not found.startswith("begin "):
            continue
        own = answers["abc".index(found.split()[1])].split()
        others = [other.split() for other in answers]
        assert "starting" not in answers
        assert all(own[0] == "position" and int(own[2]) >= int(o[2]) for o in others if o[:1] == ["position"])
        assert "" not in answers or own[3:] == ["1"]
