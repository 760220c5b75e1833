"""Updates of what images contain; and the security tracker's part in it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from saltern.base.errors import ImageError, UsageError
from saltern.ops.contents import Package, of_lock, read_sbom
from saltern.ops.outdated import find_updates, not_in_index
from saltern.ops.tracker import Fix, Tracker, read_tracker
from saltern.worker import sbom

from .lists import MAIN, SECURITY, UPDATES, contents_of, index_of, paragraph

INDEX = index_of(
    (MAIN, [paragraph("redis", "1.0-7"), paragraph("same", "3"), paragraph("tz", "1")]),
    (UPDATES, [paragraph("tz", "2")]),
    (SECURITY, [paragraph("redis", "1.0-10"), paragraph("redis-tools", "1.0-10+b1", "redis (1.0-10)")]),
)


def release(status: str, fixed: str = "", urgency: str = "low") -> dict[str, Any]:
    return {"releases": {"bookworm": {"status": status, "fixed_version": fixed, "urgency": urgency}}}


def test_updates_by_suite() -> None:
    found = find_updates(contents_of(redis="1.0-7", same="3", tz="1", own="tz"), INDEX)
    assert [(u.package, u.installed, u.newest, u.suite, u.security, u.in_base) for u in found] == [
        ("redis", "1.0-7", "1.0-10", "bookworm-security", True, False),
        ("tz", "1", "2", "bookworm-updates", False, True),
    ]


def test_the_image_that_an_update_is_for() -> None:
    one = replace(contents_of("web", tz="1"), stale=True)
    (found,) = find_updates(one, INDEX)
    assert (found.image, found.tag, found.stale) == ("web", "localhost/cloud/web:1", True)


def test_an_update_that_is_newer_than_the_security_suites_is_one_too() -> None:
    index = index_of((SECURITY, [paragraph("a", "2")]), (UPDATES, [paragraph("a", "3")]))
    (found,) = find_updates(contents_of(a="1"), index)
    assert (found.newest, found.suite, found.security) == ("3", "bookworm-updates", True)
    (found,) = find_updates(contents_of(a="2"), index)
    assert not found.security


def test_what_the_index_does_not_know() -> None:
    assert not_in_index(contents_of(same="3", other="1"), INDEX) == ("other",)
    assert find_updates(contents_of(other="1"), INDEX) == ()


def test_the_tracker_compares_versions_of_the_source() -> None:
    tracker = Tracker(
        {"redis": {"CVE-1": release("resolved", "1.0-8", "high"), "CVE-2": release("resolved", "1.0-11")}}
    )
    (found,) = find_updates(contents_of(redis_tools="1.0-7+b3 redis 1.0-7"), INDEX, tracker)
    assert found.fixes == (Fix("CVE-1", "high", "1.0-8"),)
    (found,) = find_updates(contents_of(redis_tools="1.0-8+b1 redis 1.0-8"), INDEX, tracker)
    assert found.fixes == ()


def test_a_fix_from_another_suite_is_a_security_update() -> None:
    tracker = Tracker({"tz": {"CVE-1": release("resolved", "2")}})
    (found,) = find_updates(contents_of(tz="1"), INDEX, tracker)
    assert (found.security, found.source, found.fixes) == (True, "tz", (Fix("CVE-1", "low", "2"),))


@pytest.mark.parametrize("said", [release("open"), release("resolved", "0"), release("undetermined", "2"), {}])
def test_no_fixes(said: dict[str, Any]) -> None:
    assert Tracker({"tz": {"CVE-1": said}}).fixes("bookworm", "tz", "1", "2") == ()
    assert Tracker({"tz": {"CVE-1": release("resolved", "2")}}).fixes("trixie", "tz", "1", "2") == ()


def test_reading_the_tracker(tmp_path: Path) -> None:
    path = tmp_path / "tracker.json"
    path.write_text(json.dumps({"tz": {"CVE-1": release("open"), "CVE-2": release("resolved", "2")}}))
    assert read_tracker(path).unfixed("bookworm", "tz") == ("CVE-1",)
    for text in ("[]", "{", '{"a": 1}', '{"a": {"b": 1}}', '{"a": {"b": {"releases": []}}}'):
        path.write_text(text)
        with pytest.raises(UsageError, match="tracker"):
            read_tracker(path)
    with pytest.raises(UsageError):
        read_tracker(tmp_path / "missing")


def test_an_sbom_of_the_worker() -> None:
    packages = [
        {"Package": "libc6", "Version": "2.36-9+b1", "Source": "glibc (2.36-9)"},
        {"Package": "redis", "Version": "5:7-1"},
    ]
    text = json.dumps(sbom.document(packages, sbom.EPOCH))
    assert read_sbom(text, "x") == {
        "libc6": Package("libc6", "2.36-9+b1", "glibc", "2.36-9"),
        "redis": Package("redis", "5:7-1", "redis", "5:7-1"),
    }
    with pytest.raises(ImageError):
        read_sbom("{}", "x")


def test_the_lock_stands_over_the_base() -> None:
    found = of_lock({"a": "1", "b": "1"}, {"b": "2", "c": "1"})
    assert {name: package.version for name, package in found.items()} == {"a": "1", "b": "2", "c": "1"}


def test_sources_from_the_index() -> None:
    one = contents_of(redis_tools="1.0-10+b1", redis="0.1", other="1").with_sources(INDEX).packages
    assert one["redis-tools"] == Package("redis-tools", "1.0-10+b1", "redis", "1.0-10")
    assert one["redis"] == Package("redis", "0.1", "redis", "")  # that version is gone
    assert one["other"].source == ""
