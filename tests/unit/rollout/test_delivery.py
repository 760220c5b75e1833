"""Configuration that changes below a running process, on a real disk."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import pytest

from saltern.base.errors import RolloutError
from saltern.formulas.metadata import Reload
from saltern.plan.steps import Taken
from saltern.rollout import delivery
from saltern.targets.live import Kept, Live, LiveMount


def live(root: Path, content: str, **files: str) -> Live:
    """One folder that changes, with these files, and one file that does not."""
    source = root / "rendered" / content
    (source / "conf" / "deep").mkdir(parents=True)
    for name, text in files.items():
        (source / "conf" / name).write_text(text)
    (source / "conf" / "deep" / "file").write_text(content)
    (source / "conf" / "link").symlink_to("deep/file")
    (source / "fixed").write_text("fixed")
    (source / "fixed").chmod(0o750)
    folder = root / "live/lb"
    mounts = (
        LiveMount(str(source / "conf"), str(folder / "now/etc-lb"), "/etc/lb", changes=True),
        LiveMount(str(source / "fixed"), str(folder / "digest/fixed"), "/etc/fixed", changes=False),
    )
    return Live("lb", str(folder), mounts, content, Reload(("/etc/lb",), ("reload",)))


def seen(root: Path) -> dict[str, str]:
    """Path → text of the files, as a process sees them."""
    top = root / "live/lb/now/etc-lb"
    return {str(p.relative_to(top)): p.read_text() for p in _files(top)}


def _files(folder: Path) -> list[Path]:
    inside = [path for path in folder.iterdir() if not path.name.startswith("..")]
    return [file for path in inside for file in (_files(path) if path.is_dir() else [path])]


FIRST = {"a": "1", "b": "1", "deep/file": "c1", "link": "c1"}


def test_files_of_its_own_are_copies_that_go_when_nothing_mounts_them(tmp_path: Path) -> None:
    (tmp_path / "nova").mkdir()
    (tmp_path / "nova/nova.conf").write_text("debug = false")
    folder = tmp_path / "live/nova"
    mount = LiveMount(str(tmp_path / "nova"), str(folder / "digest/nova"), "/etc/nova", changes=False)
    kept = Kept("nova", str(folder), (mount,), "")
    delivery.offer(kept)
    (tmp_path / "nova/nova.conf").write_text("debug = true")
    delivery.offer(kept)
    assert (folder / "digest/nova/nova.conf").read_text() == "debug = false"
    delivery.forget(tmp_path / "live", [kept])
    assert [*folder.iterdir()] == [folder / "digest"]
    delivery.forget(tmp_path / "live", [replace(kept, mounts=(replace(mount, place=str(folder / "other/nova")),))])
    assert [*folder.iterdir()] == []


def test_all_of_a_content_is_exchanged(tmp_path: Path) -> None:
    first, second = live(tmp_path, "c1", a="1", b="1"), live(tmp_path, "c2", a="2", c="2")
    delivery.switch(first)
    place = (tmp_path / "live/lb/now/etc-lb").stat().st_ino
    assert seen(tmp_path) == FIRST
    delivery.switch(second)
    assert seen(tmp_path) == {"a": "2", "c": "2", "deep/file": "c2", "link": "c2"}
    assert delivery.has(second, "c1")
    delivery.switch(second, "c1")
    assert seen(tmp_path) == FIRST
    assert (tmp_path / "live/lb/now/etc-lb").stat().st_ino == place, "a mount shows the folder, not its path"


def test_an_offer_changes_nothing_that_is_seen(tmp_path: Path) -> None:
    first, second = live(tmp_path, "c1", a="1", b="1"), live(tmp_path, "c2", a="2")
    delivery.offer(first)
    delivery.offer(second)
    assert seen(tmp_path) == FIRST
    fixed = tmp_path / "live/lb/digest/fixed"
    assert (fixed.read_text(), stat.S_IMODE(fixed.stat().st_mode)) == ("fixed", 0o750)


def test_modes_are_those_of_what_was_rendered(tmp_path: Path) -> None:
    one = live(tmp_path, "c1", a="1")
    source = tmp_path / "rendered/c1/conf"
    (source / "a").chmod(0o640)
    (source / "deep").chmod(0o2750)
    source.chmod(0o711)
    delivery.switch(one)
    place = tmp_path / "live/lb/now/etc-lb"
    modes = [stat.S_IMODE((place / name).stat().st_mode) for name in ("", "a", "deep")]
    assert modes == [0o711, 0o640, 0o2750]


@pytest.mark.parametrize("left", ["half a copy", "a link"])
def test_what_a_kill_left_is_no_hindrance(tmp_path: Path, left: str) -> None:
    one, two = live(tmp_path, "c1", a="1", b="1"), live(tmp_path, "c2", a="2")
    delivery.switch(one)
    place = tmp_path / "live/lb/now/etc-lb"
    if left == "a link":
        (place / delivery.NEW).symlink_to("..nothing")
    else:
        (place / "...c2.new").mkdir()
        (place / "...c2.new/rest").write_text("half")
    delivery.switch(two)
    assert seen(tmp_path) == {"a": "2", "deep/file": "c2", "link": "c2"}
    delivery.forget(tmp_path / "live", [two])
    assert sorted(path.name for path in place.iterdir()) == ["..c2", "..data", "a", "deep", "link"]


def test_what_it_runs_with(tmp_path: Path) -> None:
    first, second = live(tmp_path, "c1"), live(tmp_path, "c2")
    assert delivery.taken(first.folder) is None
    delivery.begin(first)
    assert delivery.taken(first.folder) == Taken("", "c1")
    delivery.took(first)
    delivery.begin(first)
    assert delivery.taken(first.folder) == Taken("c1"), "it has it already"
    delivery.begin(second)
    assert delivery.taken(first.folder) == Taken("c1", "c2")
    delivery.took(second)
    assert delivery.taken(first.folder) == Taken("c2")


def test_a_damaged_note_says_nothing(tmp_path: Path) -> None:
    one = live(tmp_path, "c1")
    delivery.took(one)
    (Path(one.folder) / delivery.TAKEN).write_text('{"content": ')
    assert delivery.taken(one.folder) is None


def test_what_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    one = live(tmp_path, "c1")
    (tmp_path / "live").write_text("a file is in the way")
    with pytest.raises(RolloutError) as caught:
        delivery.switch(one)
    assert "the configuration in" in caught.value.problems[0].brief
