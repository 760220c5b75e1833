"""Build the keystone image through Saltern and by a hand-written Containerfile with the same packages, in turn."""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from measure import call, project, seconds, table

from saltern.base.events import silent
from saltern.images.build import ReadFacts, Site, build_images
from saltern.images.engine import Engine
from saltern.images.recipe import Recipe
from saltern.project.building import facts_of, recipes_of
from saltern.project.compiling import compile_members
from saltern.project.workers import Bases

RUNS = int(sys.argv[1]) if len(sys.argv) > 1 else 3


def main() -> None:
    opened = project()
    with Bases(opened) as bases:
        (compiled,) = compile_members(opened, [opened.member("keystone")], bases)
        _measure(
            opened.engine, recipes_of(opened, [compiled])["keystone"], lambda _, tag: facts_of(bases, compiled, tag)
        )


def _measure(engine: Engine, recipe: Recipe, facts: ReadFacts) -> None:
    names = " ".join(str(chunk["name"]) for chunk in recipe.chunks if chunk["state"] == "pkg")
    by_hand = (
        f"FROM {recipe.base.tag}\n"
        "RUN printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d && chmod +x /usr/sbin/policy-rc.d"
        " && apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "
        f"{names} && rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*.deb /usr/sbin/policy-rc.d\n"
    )
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(RUNS):
        # another grain is another key: no layer of an earlier run answers
        fresh = replace(recipe, grains={**recipe.grains, "benchmark": time.time_ns()})
        with tempfile.TemporaryDirectory() as folder:
            site = Site("benchmark", Path(folder), Path(folder) / "contexts")
            started = time.monotonic()
            build_images(engine, [fresh], site, facts=facts, emit=silent)
            ours.append(time.monotonic() - started)
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "Containerfile").write_text(by_hand)
            words = ("build", "-q", "--no-cache", "-t", "localhost/benchmark/by-hand:1", folder)
            theirs.append(seconds(lambda words=words: call(engine, *words)))  # type: ignore[misc]
    engine.remove_images(
        [tag for image in engine.images("io.saltern.key") for tag in image.tags if "/benchmark/" in tag]
    )
    engine.remove_images(["localhost/benchmark/by-hand:1"])
    table(
        [
            ("keystone through Saltern", ours, "s"),
            ("keystone by hand", theirs, "s"),
            ("ratio of each pair", [a / b for a, b in zip(ours, theirs, strict=True)], " "),
        ]
    )


main()
