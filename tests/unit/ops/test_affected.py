"""Questions after packages."""

from __future__ import annotations

import pytest

from saltern.base.errors import UsageError
from saltern.ops.affected import find_hits, parse_question, parse_questions

from .lists import contents_of

WEB = contents_of("web", openssl="3.0.17-1~deb12u2", libssl3="3.0.17-1~deb12u2 openssl 3.0.17-1~deb12u2", nginx="1.22")
DB = contents_of("db", openssl="3.0.22-1~deb12u2", libc6="2.36-9+b1 glibc 2.36-9")


def hits(*questions: str) -> list[tuple[str, str]]:
    found = find_hits((WEB, DB), parse_questions(questions))
    return [(hit.contents.image, hit.package.name) for hit in found]


@pytest.mark.parametrize(
    ("question", "images"),
    [
        ("openssl", ["web", "db"]),
        ("openssl<3.0.22", ["web"]),
        ("openssl < 3.0.17", []),
        ("openssl<=3.0.17-1~deb12u2", ["web"]),
        ("openssl=3.0.17-1~deb12u2", ["web"]),
        ("openssl==3.0.17", []),
        ("openssl>3.0.17-1~deb12u2", ["db"]),
        ("openssl>=3.0.17-1~deb12u2", ["web", "db"]),
        ("openssl<<3.0.18", ["web"]),
        ("open", []),
        ("OpenSSL", []),
    ],
)
def test_bounds(question: str, images: list[str]) -> None:
    assert hits(question) == [(image, "openssl") for image in images]


def test_masks_and_several_questions() -> None:
    assert hits("lib*") == [("web", "libssl3"), ("db", "libc6")]
    assert hits("nginx", "libc?") == [("web", "nginx"), ("db", "libc6")]
    assert hits("nginx", "n*") == [("web", "nginx")]  # once


def test_sources() -> None:
    assert hits("source:openssl") == [("web", "libssl3")]  # the others' source is unknown
    assert hits("source:glibc<=2.36-9") == [("db", "libc6")]  # the source's version, without +b1
    assert hits("libc6<=2.36-9") == []


@pytest.mark.parametrize("text", ["", "<3", "openssl<", "openssl<x", "a b", "a<1<2", "source:", "a<1_0"])
def test_no_questions(text: str) -> None:
    with pytest.raises(UsageError):
        parse_question(text)


def test_all_problems_at_once() -> None:
    with pytest.raises(UsageError) as error:
        parse_questions(["a<x", "b", "c<"])
    assert [problem.brief.split()[0] for problem in error.value.problems] == ["'a<x'", "'c<'"]
