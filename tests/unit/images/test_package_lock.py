from __future__ import annotations

import json
from pathlib import Path

import pytest

from saltern.base.errors import ImageError, ModelError
from saltern.images.packages import (
    LOCK_FILE,
    LockedImage,
    PackageLock,
    beyond,
    packages_of_sbom,
    read_lock,
    write_lock,
)

LOCK = PackageLock({"b": LockedImage("debian-12", {"z": "1:2.0-1", "a": "010"}), "a": LockedImage("debian-13", {})})


def test_a_lock_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_lock(tmp_path, LOCK)
    assert read_lock(tmp_path) == LOCK
    text = (tmp_path / LOCK_FILE).read_text()
    assert text.startswith("# ")
    assert text.index("  a:\n") < text.index("  b:\n")
    assert text.index("a: '010'") < text.index("z: 1:2.0-1")
    assert (tmp_path / LOCK_FILE).stat().st_mode & 0o777 == 0o644


def test_an_equal_lock_is_not_written_again(tmp_path: Path) -> None:
    write_lock(tmp_path, LOCK)
    before = (tmp_path / LOCK_FILE).stat().st_ino
    write_lock(tmp_path, PackageLock(dict(reversed(LOCK.images.items()))))
    assert (tmp_path / LOCK_FILE).stat().st_ino == before


def test_no_file_is_an_empty_lock(tmp_path: Path) -> None:
    assert read_lock(tmp_path) == PackageLock()


def test_a_lock_of_another_base_does_not_count() -> None:
    assert LOCK.packages("b", "debian-12") == {"z": "1:2.0-1", "a": "010"}
    assert LOCK.packages("b", "debian-13") == {}
    assert LOCK.packages("c", "debian-12") == {}


@pytest.mark.parametrize("text", ["images: [", "images: [a]", "images: {a: {packages: {}}}", "- a", "images: {a: 1}"])
def test_a_damaged_lock_says_where(tmp_path: Path, text: str) -> None:
    (tmp_path / LOCK_FILE).write_text(text)
    with pytest.raises(ModelError) as raised:
        read_lock(tmp_path)
    assert raised.value.problems[0].places[0].file == str(tmp_path / LOCK_FILE)


def test_debian_packages_of_an_sbom() -> None:
    deb = {"externalRefs": [{"referenceType": "purl", "referenceLocator": "pkg:deb/debian/jq@1.6?arch=amd64"}]}
    text = json.dumps(
        {"packages": [{"name": "image", "versionInfo": "1"}, {"name": "jq", "versionInfo": "1.6", **deb}]}
    )
    assert packages_of_sbom(text, "x") == {"jq": "1.6"}


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"packages": [1]}'])
def test_a_damaged_sbom_is_an_error(text: str) -> None:
    with pytest.raises(ImageError):
        packages_of_sbom(text, "x")


def test_only_what_differs_from_the_base_is_locked() -> None:
    assert beyond({"dpkg": "1", "tzdata": "1"}, {"dpkg": "1", "tzdata": "2", "jq": "1"}) == {"tzdata": "2", "jq": "1"}


def test_a_newer_base_wins_over_the_lock() -> None:
    base = {"libc6": "2-2", "tz": "1"}
    assert beyond(base, {"libc6": "2-1", "tz": "2", "new": "1"}) == {"tz": "2", "new": "1"}
