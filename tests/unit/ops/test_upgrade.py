"""Which packages move when some are upgraded, and which stay."""

from __future__ import annotations

import pytest

from saltern.base.errors import ImageError
from saltern.images.packages import LockedImage
from saltern.ops.affected import parse_question
from saltern.ops.apt import Moved
from saltern.ops.index import parse_paragraph
from saltern.ops.upgrade import Cause, Move, apply_moves, choose, complete, installed_status, stuck

from .lists import MAIN, SECURITY, UPDATES, contents_of, index_of, paragraph

INDEX = index_of(
    (MAIN, [paragraph("redis", "1-7"), paragraph("redis-tools", "1-7", "redis"), paragraph("libc6", "2-1")]),
    (UPDATES, [paragraph("tz", "2")]),
    (SECURITY, [paragraph("redis", "1-10"), paragraph("redis-tools", "1-10", "redis"), paragraph("libc6", "2-2")]),
)
REDIS = contents_of(
    redis="1-7 redis 1-7", redis_tools="1-7 redis 1-7", tz="1 tz 1", libc6="2-1 libc6 2-1", own="libc6 tz"
)


def chosen(*names: str, security: bool = False) -> dict[str, tuple[str, str]]:
    masks = [parse_question(name).mask for name in names]
    return {m.package: (m.new, str(m.cause)) for m in choose(REDIS, INDEX, masks, security=security).values()}


def test_what_is_asked_for_moves_with_its_siblings_and_nothing_else() -> None:
    assert chosen("redis") == {"redis": ("1-10", "asked"), "redis-tools": ("1-10", "source")}
    assert chosen("redis-t*") == {"redis": ("1-10", "source"), "redis-tools": ("1-10", "asked")}
    assert chosen("source:redis") == {"redis": ("1-10", "asked"), "redis-tools": ("1-10", "asked")}
    assert chosen("tz") == {"tz": ("2", "asked")}
    assert chosen("none") == {}


def test_security_moves_what_security_suites_have() -> None:
    found = chosen(security=True)
    assert found == {"redis": ("1-10", "security"), "redis-tools": ("1-10", "security"), "libc6": ("2-2", "security")}
    moves = choose(REDIS, INDEX, [], security=True)
    assert moves["libc6"].in_base
    assert moves["libc6"].reason == "bookworm-security has 2-2"
    assert not moves["redis"].in_base


def test_a_version_that_the_mirrors_replaced_moves_only_when_the_image_is_built_anyway() -> None:
    index = index_of(
        (MAIN, [paragraph("a", "2"), paragraph("b", "1")]),
        (SECURITY, [paragraph("gone", "5", "s"), paragraph("kin", "5", "s"), paragraph("kin", "4", "s")]),
    )
    one = contents_of(a="1 a 1", b="1 b 1", gone="4 s 4", kin="4 s 4", foreign="7")
    found = choose(one, index, [parse_question("a").mask], security=False)
    assert {m.package: m.cause for m in found.values()} == {"a": "asked", "gone": "gone", "kin": "source"}
    assert found["gone"].reason == "the mirrors do not have 4 any more"
    assert choose(one, index, [parse_question("b").mask], security=False) == {}


def test_gone_with_nothing_newer() -> None:
    index = index_of((MAIN, [paragraph("a", "1"), paragraph("b", "1")]))
    assert stuck(contents_of(a="1", b="2", base="3", own="base"), index) == ("b=2",)


def test_a_base_package_that_is_gone_stays() -> None:
    one = contents_of(libc6="2-0 libc6 2-0", tz="1 tz 1", own="libc6")
    assert list(choose(one, INDEX, [parse_question("tz").mask], security=False)) == ["tz"]


def test_the_status_has_what_is_installed() -> None:
    base = "Package: libc6\nStatus: install ok installed\nVersion: 2-1\n\nPackage: tz\nVersion: 1\nX: base's\n\n"
    one = contents_of(libc6="2-2", tz="1", redis="1-7", redis_tools="0", foreign="3", own="tz")
    text = installed_status(base, one, INDEX)
    found = {fields["Package"]: fields for fields in map(parse_paragraph, text.strip().split("\n\n"))}
    assert {name: fields["Version"] for name, fields in found.items()} == {
        "foreign": "3",
        "libc6": "2-2",
        "redis": "1-7",
        "tz": "1",
    }
    assert found["tz"]["X"] == "base's"
    assert {found[name]["Status"] for name in ("foreign", "libc6", "redis")} == {"install ok installed"}


def test_what_apt_needs_besides_is_told() -> None:
    moves = choose(REDIS, INDEX, [parse_question("redis").mask], security=False)
    apt = [Moved("redis", "1-7", "1-10"), Moved("redis-tools", "1-7", "1-10"), Moved("libc6", "2-1", "2-2")]
    found = complete(REDIS, INDEX, moves, [*apt, Moved("new", "", "1"), Moved("tz", "1", "")])
    assert [(m.package, m.old, m.new, m.cause) for m in found] == [
        ("libc6", "2-1", "2-2", Cause.DEPENDENCY),
        ("new", "", "1", Cause.DEPENDENCY),
        ("redis", "1-7", "1-10", Cause.ASKED),
        ("redis-tools", "1-7", "1-10", Cause.SOURCE),
        ("tz", "1", "", Cause.DEPENDENCY),
    ]
    assert (found[0].suite, found[0].security, found[0].in_base) == ("bookworm-security", True, True)
    assert "redis needs this version" in found[0].reason
    assert found[1].reason.endswith("needs it")


def test_apt_that_does_something_else_is_an_error() -> None:
    moves = choose(REDIS, INDEX, [parse_question("redis").mask], security=False)
    for new in ("1-8", ""):
        with pytest.raises(ImageError, match="redis-tools=1-10"):
            complete(REDIS, INDEX, moves, [Moved("redis", "1-7", "1-10"), Moved("redis-tools", "1-7", new)])


def test_the_lock_after_the_moves() -> None:
    def move(package: str, new: str) -> Move:
        return Move("web", package, "?", new, "", security=False, cause=Cause.ASKED, reason="")

    entry = LockedImage("debian-12", {"a": "1", "b": "1", "d": "2"})
    moves = [move("a", "2"), move("b", ""), move("c", "1"), move("base", "2"), move("d", "3")]
    after = apply_moves(entry, {"base": "1", "d": "3"}, moves)
    assert after == LockedImage("debian-12", {"a": "2", "c": "1", "base": "2"})  # d is as new in the base
