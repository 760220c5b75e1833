"""Recipes: which nodes share an image; processes; which revision an image is of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from saltern.base.errors import ImageError
from saltern.base.process import Completed, LocalRunner
from saltern.formulas.worker import UnitFiles
from saltern.images.process import Accounts
from saltern.project.building import read_processes, recipes_of, service_names
from saltern.project.revision import describe_revision
from tests.unit.project.compiled import Nodes, chunk

PKG = chunk("pkg.installed", "nginx")


def names(nodes: Nodes) -> dict[str, str]:
    project = nodes.project()
    return {node: recipe.name for node, recipe in recipes_of(project, nodes.compiled(project)).items()}


def test_nodes_that_build_the_same_share_an_image(nodes: Nodes) -> None:
    nodes.write(a="", b="")
    config = chunk("file.managed", "/etc/b")
    nodes.chunks = {"a": [PKG], "b": [PKG, config]}
    assert names(nodes) == {"a": "web", "b": "web"}
    project = nodes.project()
    first, second = recipes_of(project, nodes.compiled(project)).values()
    assert first.key == second.key


def test_nodes_that_build_other_things_have_images_of_their_own(nodes: Nodes) -> None:
    nodes.write(a="", b="", c="applications: [db]\n")
    nodes.chunks = {"a": [PKG], "b": [chunk("pkg.installed", "apache2")], "c": [PKG]}
    assert names(nodes) == {"a": "web--a", "b": "web--b", "c": "db"}


def test_grains_make_another_image(nodes: Nodes) -> None:
    nodes.write(a="", b="applications: [web]\nparameters: {saltern: {grains: {num_cpus: 8}}}\n")
    assert names(nodes) == {"a": "web--a", "b": "web--b"}


# ---- processes


def test_services_in_the_order_of_their_formulas(nodes: Nodes) -> None:
    nodes.write(a="")
    twice = chunk("service.running", "again", name="api.service")
    nodes.chunks = {"a": [chunk("service.running", "api"), chunk("service.running", "bg"), twice]}
    (one,) = nodes.compiled(nodes.project())
    assert service_names(one) == ("api", "bg")


def test_all_services_that_nothing_says_how_to_run(nodes: Nodes) -> None:
    nodes.write(a__example__com="")
    nodes.chunks = {"a": [chunk("service.running", name) for name in ("api", "bg", "off", "good")]}
    nodes.metadata = {"a": {"processes": {"off": {"enabled": False}}}}
    (one,) = nodes.compiled(nodes.project())
    units = {"good": UnitFiles(unit="[Service]\nExecStart=/bin/good\n")}
    accounts = Accounts({}, {})
    with pytest.raises(ImageError) as caught:
        read_processes(one, units, accounts)
    assert [(p.node, "'api'" in p.brief, "'bg'" in p.brief) for p in caught.value.problems] == [
        ("a.example.com", True, False),
        ("a.example.com", False, True),
    ]
    every = dict.fromkeys(("api", "bg", "good"), units["good"])
    assert [p.name for p in read_processes(one, every, accounts)] == ["api", "bg", "good"]


# ---- revision


RUNNER = LocalRunner(
    env={
        **dict.fromkeys(("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"), "/dev/null"),
        **dict.fromkeys(("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"), "a"),
        **dict.fromkeys(("GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"), "a@x"),
    }
)


def git(nodes: Nodes, *words: str) -> str:
    done = RUNNER.run(("git", "-C", str(nodes.root), *words))
    assert done.ok, done.stderr
    return done.stdout.strip()


def test_a_model_in_no_repository_has_no_revision(nodes: Nodes) -> None:
    nodes.write(a="")
    (nodes.root / "saltern.yml").write_text("source: https://x\n")
    assert describe_revision(nodes.project(RUNNER)) == ("https://x", "")


def test_a_revision(nodes: Nodes) -> None:
    nodes.write(a="")
    git(nodes, "init", "--quiet")
    git(nodes, "add", ".")
    git(nodes, "commit", "--quiet", "-m", "x")
    commit = git(nodes, "rev-parse", "HEAD")
    assert describe_revision(nodes.project(RUNNER)) == ("", commit)
    git(nodes, "remote", "add", "origin", "https://user:pass@word@example.org/model")
    assert describe_revision(nodes.project(RUNNER)) == ("https://example.org/model", commit)
    git(nodes, "remote", "set-url", "origin", "git@example.org:model")
    assert describe_revision(nodes.project(RUNNER))[0] == "git@example.org:model"
    nodes.write(b="")
    assert describe_revision(nodes.project(RUNNER))[1] == f"{commit}-dirty"


class Slow(LocalRunner):
    """Its git does not answer what differs within the time that it is given."""

    def run(self, argv: Sequence[str], **more: Any) -> Completed:
        if "status" in argv:
            assert more["timeout"]
            return Completed(tuple(argv), 124, "", "took too long")
        return super().run(argv, **more)


def test_what_is_not_known_to_be_clean_is_dirty(nodes: Nodes) -> None:
    nodes.write(a="")
    git(nodes, "init", "--quiet")
    git(nodes, "add", ".")
    git(nodes, "commit", "--quiet", "-m", "x")
    assert describe_revision(nodes.project(Slow()))[1].endswith("-dirty")


def test_only_the_models_own_folder_makes_it_dirty(nodes: Nodes) -> None:
    nodes.write(a="")
    parent = nodes.root.parent
    assert RUNNER.run(("git", "init", "--quiet", str(parent))).ok
    git(nodes, "add", ".")
    git(nodes, "commit", "--quiet", "-m", "x")
    (parent / "else").write_text("x")
    assert not describe_revision(nodes.project(RUNNER))[1].endswith("-dirty")
