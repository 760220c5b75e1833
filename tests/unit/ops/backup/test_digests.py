from __future__ import annotations

import io
import json
import tarfile

import pytest

from saltern.ops.backup.digests import difference, json_lines, lines_of, tar_entries


def test_digest_lines_are_sorted_and_other_lines_are_not_among_them() -> None:
    assert lines_of("digest: b 2\na warning\ndigest: a 1\n") == ("a 1", "b 2")


def test_json_is_equal_in_any_order_of_lists_and_keys_and_without_empty_values() -> None:
    one = {"users": [{"name": "a", "tags": []}, {"name": "b", "limits": {"x": [1, 2]}}], "version": "1"}
    two = {"version": "2", "users": [{"limits": {"x": [2, 1]}, "name": "b"}, {"tags": "", "name": "a"}]}
    assert json_lines(json.dumps(one), ["version"]) == json_lines(json.dumps(two), ["version"])
    assert json_lines(json.dumps(one), []) != json_lines(json.dumps(two), [])


@pytest.mark.parametrize(
    "other",
    [
        {"users": [{"name": "a", "tags": ["x"]}]},
        {"users": [{"name": "a"}, {"name": "a"}]},
        {"users": []},
        {"users": [{"name": "a", "priority": 0}]},
    ],
)
def test_json_differs_by_a_value_an_item_and_how_often_it_is_there(other: object) -> None:
    assert json_lines('{"users": [{"name": "a"}]}', []) != json_lines(json.dumps(other), [])


def test_json_that_is_no_object_is_refused() -> None:
    with pytest.raises(ValueError, match="no JSON object"):
        json_lines("[]", [])
    with pytest.raises(ValueError, match="Expecting"):
        json_lines(b"", [])


def _tar(**change: object) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        folder = tarfile.TarInfo("./keys")
        folder.type, folder.mode, folder.uid = tarfile.DIRTYPE, 0o700, 42
        tar.addfile(folder)
        entry = tarfile.TarInfo("./keys/0")
        data = b"secret"
        entry.mode, entry.uid, entry.gid, entry.mtime = 0o600, 42, 43, 5
        for key, value in change.items():
            if key == "data":
                data = bytes(value)  # type: ignore[call-overload]
            else:
                setattr(entry, key, value)
        entry.size = len(data)
        tar.addfile(entry, io.BytesIO(data))
        link = tarfile.TarInfo("./keys/now")
        link.type, link.linkname = tarfile.SYMTYPE, "0"
        tar.addfile(link)
    return buffer.getvalue()


def test_an_entry_says_type_mode_owner_and_content() -> None:
    entries = [str(entry) for entry in tar_entries(io.BytesIO(_tar()))]
    assert entries[0] == "keys: folder 0700 42:0"
    assert entries[1].startswith(
        "keys/0: file 0600 42:43 6 2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"
    )
    assert entries[2] == "keys/now: link 0644 0:0 to 0"


@pytest.mark.parametrize("change", [{"data": b"other!"}, {"mode": 0o644}, {"uid": 0}, {"gid": 0}])
def test_any_change_of_a_file_shows(change: dict[str, object]) -> None:
    assert tar_entries(io.BytesIO(_tar())) != tar_entries(io.BytesIO(_tar(**change)))


def test_a_modification_time_does_not_show() -> None:
    assert tar_entries(io.BytesIO(_tar())) == tar_entries(io.BytesIO(_tar(mtime=99)))


def test_a_cut_archive_is_an_error() -> None:
    with pytest.raises(tarfile.TarError):
        tar_entries(io.BytesIO(_tar()[:1100]))


def test_a_difference_shows_the_first_lines_only() -> None:
    assert difference(["a", "b"], ["a", "c"]) == "-b\n+c"
    assert difference([str(n) for n in range(30)], []).endswith("… and 20 more lines")
