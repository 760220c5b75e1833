"""Revisions: what their ids depend on, their JSON, and which of them a running container was made from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saltern.plan.revision import ID_LENGTH, FileRecord, Revision, running_records
from tests.unit.plan.revisions import record, revision, revisions


@given(revisions())
def test_json_brings_back_the_same(one: Revision) -> None:
    text = json.dumps(one.as_json(), sort_keys=True)
    back = Revision.of(json.loads(text))
    assert back == one
    assert back.id == one.id == json.loads(text)["id"]
    assert json.dumps(back.as_json(), sort_keys=True) == text


@given(revisions(), st.data())
def test_the_order_of_what_it_holds_is_no_part_of_it(one: Revision, data: st.DataObject) -> None:
    names = data.draw(st.permutations(list(one.workloads)))
    turned = {
        name: replace(one.workloads[name], files=dict(reversed([*one.workloads[name].files.items()]))) for name in names
    }
    assert replace(one, workloads=turned).id == one.id


BASE = record(
    base="debian-12",
    packages={"nginx": "1"},
    tree="t1",
    files={"/etc/web.conf": FileRecord("a", "0644", "0:0")},
    jobs={"web-before-1": ("cmd.run x",)},
)


@pytest.mark.parametrize(
    "other",
    [
        {"image": "localhost/lab/web:k2"},
        {"base": "debian-13"},
        {"packages": {"nginx": "2"}},
        {"tree": "t2"},
        {"files": {"/etc/web.conf": FileRecord("a", "0600", "0:0")}},
        {"files": {"/etc/web.conf": FileRecord("a", "0644", "33:0")}},
        {"files": {}},
        {"services": {"web": "h2"}},
        {"jobs": {"web-before-1": ("cmd.run y",)}},
        {"node": "other"},
        {"data_plane": True},
    ],
    ids=str,
)
def test_any_other_content_is_another_revision(other: dict[str, Any]) -> None:
    assert revision(replace(BASE, **other)).id != revision(BASE).id


def test_the_id_says_what_and_from_what_and_not_which_commit() -> None:
    one = revision(BASE, snapshot="s1", commit="c1")
    assert replace(one, commit="c2").id == one.id
    assert replace(one, snapshot="s2").id != one.id
    assert revision(BASE, record("db"), snapshot="s1").id != one.id
    assert len(one.id) == ID_LENGTH


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"workloads": {}, "formulas": {}, "commit": ""},
        {"workloads": {"a": {}}, "formulas": {}, "commit": "", "snapshot": ""},
        {**revision(BASE).as_json(), "workloads": {"web": {**revision(BASE).as_json()["workloads"]["web"], "new": 1}}},
        [],
    ],
    ids=["nothing", "no snapshot", "half a workload", "of a newer saltern", "a list"],
)
def test_what_is_no_revision(raw: Any) -> None:
    with pytest.raises((KeyError, TypeError)):
        Revision.of(raw)


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("localhost/lab/keystone-server:abc", "keystone-server"),
        ("registry.example.com:5000/lab/web:abc", "web"),
        ("web:1", "web"),
        ("web", "web"),
    ],
)
def test_the_name_of_an_image(image: str, name: str) -> None:
    assert record(image=image).image_name == name


# ---- what runs

OLD = revision(record(services={"web-1": "o1", "web-2": "o2"}), record("db"))
NEW = revision(record(services={"web-1": "n1", "web-2": "n2"}, image="new"), record("db", tree="t2"))


def test_what_runs_is_told_by_hashes_and_the_newest_revision_wins() -> None:
    found = running_records((NEW, OLD), {"web-1": "n1", "web-2": "o2", "db": "h1", "gone": "h9"})
    assert found == {
        "web-1": NEW.workloads["web"],
        "web-2": OLD.workloads["web"],
        "db": NEW.workloads["db"],
    }
    assert running_records((OLD, NEW), {"db": "h1"}) == {"db": OLD.workloads["db"]}


def test_a_hash_counts_only_for_its_service() -> None:
    assert running_records((NEW, OLD), {"web-1": "n2", "web": "o1"}) == {}


def test_no_more_revisions_are_read_than_needed() -> None:
    def read() -> Iterator[Revision]:
        yield NEW
        raise AssertionError("read too much")

    assert set(running_records(read(), {"web-2": "n2", "db": "h1"})) == {"web-2", "db"}
