"""What is built, and what the engine has already, maybe under another name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from saltern.base.errors import UnbuiltError
from saltern.base.events import silent
from saltern.images.build import Action, Site, Step, build_images, plan_builds
from saltern.images.engine import LABEL_KEY, Engine, Image
from saltern.images.packages import LockedImage, PackageLock, write_lock
from saltern.images.recipe import ProcessFacts, Recipe

from .test_recipe import RECIPE

OWN = {"keystone": "1", "bash": "5"}
MORE = {**OWN, "jq": "1"}
UNLOCKED = replace(RECIPE, packages={})


class Has:
    def refuse_unbuilt(self, missing: Sequence[str]) -> None:
        raise UnbuiltError.of(missing)

    def __init__(self, *tags: str) -> None:
        self.tags = tags
        self.listed = False

    def images(self, _label: str) -> tuple[Image, ...]:
        self.listed = True
        return self.present(self.tags)

    def present(self, references: Sequence[str]) -> tuple[Image, ...]:
        return tuple(Image(f"id of {tag}", 0, {LABEL_KEY: "k"}, (tag,)) for tag in references if tag in self.tags)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site("cloud", tmp_path, tmp_path / "contexts")


def plan(site: Site, name: str, *tags: str, **entries: dict[str, str]) -> Step:
    locked = {key.replace("__", "--"): LockedImage("debian-12", packages) for key, packages in entries.items()}
    write_lock(site.model, PackageLock(locked))
    (step,) = plan_builds(cast("Engine", Has(*tags)), [replace(UNLOCKED, name=name)], site)
    return step


def tag(site: Site, name: str, packages: dict[str, str]) -> str:
    return site.tag(replace(RECIPE, name=name, packages=packages))


def test_what_is_there_is_kept(site: Site) -> None:
    assert plan(site, "web", tag(site, "web", OWN), web=OWN).action is Action.KEEP


def test_where_nothing_can_be_built_all_that_is_missing_is_told(site: Site) -> None:
    engine = cast("Engine", Has())
    write_lock(site.model, PackageLock({"web": LockedImage("debian-12", OWN)}))
    recipes = [replace(UNLOCKED, name=name) for name in ("web", "db", "api")]
    with pytest.raises(UnbuiltError) as caught:
        build_images(engine, recipes, site, facts=_never, emit=silent)
    assert caught.value.images == tuple(step.tag for step in plan_builds(engine, recipes, site))
    assert len(caught.value.images) == 3


def _never(_recipe: Recipe, _tag: str) -> ProcessFacts:
    raise AssertionError("built")


def test_images_that_nobody_asks_for_are_not_listed(site: Site) -> None:
    write_lock(site.model, PackageLock({"web": LockedImage("debian-12", OWN)}))
    engine = Has(tag(site, "web", OWN), tag(replace(site, cloud="theirs"), "web", OWN))
    (step,) = plan_builds(cast("Engine", engine), [replace(UNLOCKED, name="web")], site)
    assert (step.action, step.id, engine.listed) == (Action.KEEP, f"id of {tag(site, 'web', OWN)}", False)
    plan_builds(cast("Engine", engine), [replace(UNLOCKED, name="new")], site)
    assert engine.listed


def test_what_is_not_there_is_built_with_its_packages(site: Site) -> None:
    step = plan(site, "web", tag(site, "web", MORE), web=OWN)
    assert (step.action, step.recipe.packages) == (Action.BUILD, OWN)


def test_an_image_that_has_a_new_name(site: Site) -> None:
    step = plan(site, "new", tag(site, "web", OWN), web=OWN)
    assert (step.action, step.origin, step.tag) == (Action.TAG, tag(site, "web", OWN), tag(site, "new", OWN))
    assert step.recipe.packages == OWN


def test_two_that_have_become_different(site: Site) -> None:
    assert plan(site, "web--a", tag(site, "web", OWN), web=OWN).action is Action.TAG
    changed = plan(site, "web--a", tag(site, "web", MORE), web=OWN)
    assert (changed.action, changed.recipe.packages) == (Action.BUILD, OWN)  # what it had keeps its versions


def test_two_that_have_become_the_same(site: Site) -> None:
    step = plan(site, "web", tag(site, "web--b", MORE), web=OWN, web__b=MORE)
    assert (step.action, step.recipe.packages) == (Action.TAG, MORE)


def test_no_version_changes_without_being_asked(site: Site) -> None:
    other = {**MORE, "bash": "6"}
    assert plan(site, "web", tag(site, "web--b", other), web=OWN, web__b=other).action is Action.BUILD


def test_an_image_of_another_cloud_is_another(site: Site) -> None:
    theirs = tag(replace(site, cloud="theirs"), "web", OWN)
    assert plan(site, "web", theirs, web=OWN).action is Action.BUILD


def test_an_image_from_before_the_registry_was_named(site: Site) -> None:
    step = plan(replace(site, registry="registry.example:5000/team"), "web", tag(site, "web", OWN), web=OWN)
    assert (step.action, step.tag.split("/")[:2]) == (Action.TAG, ["registry.example:5000", "team"])


def test_a_lock_of_another_base_is_none(site: Site) -> None:
    write_lock(site.model, PackageLock({"other": LockedImage("debian-13", OWN)}))
    recipe: Recipe = replace(UNLOCKED, name="web")
    (step,) = plan_builds(cast("Engine", Has(tag(site, "other", OWN))), [recipe], site)
    assert (step.action, step.recipe.packages) == (Action.BUILD, {})
