"""What of chunks is identity: what they do and in which order, not how they are called."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saltern.base.store import canonical
from saltern.images.key import GRAINS, identities, image_key


def chunk(function: str, id_: str, **more: Any) -> dict[str, Any]:
    state, fun = function.split(".")
    return {"state": state, "fun": fun, "__id__": id_, "name": id_, "__sls__": "web", "order": 1, **more}


PIN = chunk("file.managed", "pin", name="/etc/apt/preferences.d/web", contents="x")
PKG = chunk("pkg.installed", "web_packages", name="web", require=[{"file": "pin"}])
DIR = chunk("file.directory", "web_data", name="/srv", require=[{"pkg": "web_packages"}])
WEB = [PIN, PKG, DIR]


def same(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> bool:
    return canonical(identities(one)) == canonical(identities(other))


@pytest.mark.parametrize(
    "other",
    [
        [PIN, {**PKG, "__id__": "other"}, {**DIR, "require": [{"pkg": "other"}]}],
        [PIN, {**PKG, "order": 10004.0001}, {**DIR, "order": 10009}],
        [{**PIN, "__sls__": "web.apt"}, {**PKG, "require": [{"sls": "web.apt"}]}, DIR],
        [PIN, {**PKG, "require": [{"file": "/etc/apt/*"}]}, DIR],
        [PIN, {**PKG, "require": [{"file": "pin"}, {"file": "a configuration of later"}]}, DIR],
        [PIN, {**PKG, "require": "pin"}, {**DIR, "require": []}],
        [PIN, PKG, chunk("pkg.installed", "client_packages", name="web"), DIR],
        [
            {key: value for key, value in one.items() if key != "name"} if one["__id__"] == one["name"] else one
            for one in WEB
        ],
    ],
)
def test_the_same_under_other_names(other: list[dict[str, Any]]) -> None:
    assert same(WEB, other)


@pytest.mark.parametrize(
    "other",
    [
        [PIN, PKG],
        [PKG, PIN, DIR],
        [PIN, {**PKG, "install_recommends": True}, DIR],
        [{**PIN, "contents": "y"}, PKG, DIR],
        [{**PIN, "require": [{"pkg": "web"}]}, {**PKG, "require": []}, DIR],
        [PIN, {**PKG, "onchanges": [{"file": "pin"}]}, DIR],
        [PIN, {**PKG, "onchanges": [{"file": "elsewhere"}]}, DIR],
        [PIN, PKG, {**DIR, "watch": [{"pkg": "web"}]}],
        [PIN, PKG, chunk("pkg.installed", "more", name="web", install_recommends=True), DIR],
    ],
)
def test_what_does_something_else(other: list[dict[str, Any]]) -> None:
    assert not same(WEB, other)


def test_a_package_that_comes_again_after_it_was_removed() -> None:
    removed = chunk("pkg.removed", "no_web", name="web")
    assert not same([PKG, removed], [PKG, removed, PKG])


def test_a_command_that_is_run_again() -> None:
    command = chunk("cmd.run", "setup")
    assert not same([command], [command, {**command, "__id__": "again"}])


def test_the_id_counts_where_it_is_the_name() -> None:
    one = {key: value for key, value in chunk("cmd.run", "setup").items() if key != "name"}
    assert not same([one], [{**one, "__id__": "other"}])


ids = st.sampled_from("abc")
chunks = st.lists(
    st.builds(
        lambda id_, name, kind, wanted: chunk("cmd.run", id_, name=name, **{kind: [{"cmd": wanted}]}),
        ids,
        ids,
        st.sampled_from(["require", "watch", "onfail_all"]),
        ids,
    ),
    max_size=5,
)


@given(chunks)
def test_renaming_all_ids_to_new_ones_changes_nothing(given_: list[dict[str, Any]]) -> None:
    # ids that are nobody's name, so that a requisite on one means the same chunks before and after
    old = [{**one, "__id__": one["__id__"].upper(), **_wanting(one, str.upper)} for one in given_]
    new = [{**one, "__id__": f"new {one['__id__']}", **_wanting(one, lambda w: f"new {w.upper()}")} for one in old]
    assert same(old, new)


def _wanting(one: dict[str, Any], renamed: Any) -> dict[str, Any]:
    return {kind: [{"cmd": renamed(one[kind][0]["cmd"])}] for kind in ("require", "watch", "onfail_all") if kind in one}


def key(grains: dict[str, Any], files: dict[str, str] | None = None, chunks: tuple[Any, ...] = (PKG,)) -> str:
    return image_key(base="b", chunks=chunks, files=files or {}, packages={}, toolchain="t", grains=grains)


def test_grains_that_matter() -> None:
    asking = {**PKG, "unless": [{"fun": "grains.equals", "args": ["rack", "r12"]}]}
    assert key({"rack": "r12"}) == key({})
    assert key({"os": "Ubuntu"}) != key({})
    assert key({"rack": "r12"}, {"_states/own.py": "f"}) != key({}, {"_states/own.py": "f"})
    assert key({"rack": "r12"}, chunks=(asking,)) != key({}, chunks=(asking,))


def test_all_grains_of_the_worker_are_salts_own() -> None:
    path = Path(__file__).parents[3] / "src" / "saltern" / "worker" / "grains.py"
    spec = importlib.util.spec_from_file_location("worker_grains", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert set(module.of("a.example", {}, "3008.1")) - {"roles"} <= GRAINS  # roles are the formulas' own invention
