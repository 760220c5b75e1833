"""The storages: what an inventory of git repositories and folders gives, with real (bare) repositories."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from saltern.base.errors import ModelError
from saltern.base.process import LocalRunner
from saltern.model import Inventory, open_inventory
from saltern.model.git import Mirror, Repository
from saltern.model.location import read_location
from saltern.model.trees import open_storage

AUTHOR = {
    **{f"GIT_{who}_{what}": "t@example" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
}


def git(*words: str) -> None:
    subprocess.run(("git", *words), check=True, capture_output=True, env={**os.environ, **AUTHOR})


def repository(folder: Path, **branches: dict[str, str]) -> Path:
    """A bare repository with these files in these branches."""
    work = folder.with_name(f"{folder.name}.work")
    git("init", "--quiet", "--initial-branch", "none", str(work))
    for branch, files in branches.items():
        git("-C", str(work), "checkout", "--quiet", "--orphan", branch)
        for name, text in files.items():
            path = work / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode("latin-1" if name == "latin.yml" else "utf-8"))
        git("-C", str(work), "add", "--all")
        git("-C", str(work), "commit", "--quiet", "--message", branch)
        git("-C", str(work), "rm", "--quiet", "-r", "--force", ".")
    git("clone", "--quiet", "--mirror", str(work), str(folder))
    return folder


def opened(root: Path, config: str) -> Inventory:
    (root / "reclass-config.yml").write_text(config)
    location = read_location(root)
    storage = open_storage(location, LocalRunner(), root / "cache")
    return open_inventory(root, options=location.options, storage=storage)


NODES = {
    "nodes/web.cloud.yml": "environment: prod\nclasses: [app.web]\n",
    "nodes/racks/db.yml": "environment: test\nclasses: [app]\n",
    "nodes/.hidden/no.yml": "",
    "other/no.yml": "",
}
PROD = {
    "tree/app/init.yml": "parameters: {release: prod}\n",
    "tree/app/web.yml": "classes: [..app]\nparameters:\n  text: é\n",
}
TEST = {"tree/app/init.yml": "parameters:\r\n  release: test"}


@pytest.fixture
def repositories(tmp_path: Path) -> Path:
    repository(tmp_path / "nodes.git", master=NODES)
    repository(tmp_path / "classes.git", prod=PROD, test=TEST, other={"init.yml": ""})
    return tmp_path


GIT = """
storage_type: yaml_git
nodes_uri: {repo: nodes.git, root: nodes}
classes_uri: {repo: classes.git, root: tree}
"""


def test_git(repositories: Path) -> None:
    inventory = opened(repositories, GIT)
    assert list(inventory.nodes) == ["db", "web.cloud"]
    web, db = inventory.node("web.cloud"), inventory.node("db")
    assert web.classes == ("app", "app.web")
    assert (web.parameters["release"], web.parameters["text"]) == ("prod", "é")
    assert db.parameters["release"] == "test"
    assert web.uri == f"git_fs://{repositories}/nodes.git master nodes/web.cloud.yml"
    assert str(web.origin("text")[0].place) == f"{repositories}/classes.git@prod:tree/app/web.yml:3:9"


def test_env_overrides(repositories: Path) -> None:
    config = GIT.replace("root: tree}", "root: tree, env_overrides: [{test: {branch: prod}}]}")
    inventory = opened(repositories, config)
    assert [inventory.node(name).parameters["release"] for name in ("web.cloud", "db")] == ["prod", "prod"]


def test_an_environment_without_a_branch(repositories: Path) -> None:
    node = repository(repositories / "more.git", master={"n.yml": "environment: stage\nclasses: [app]\n"})
    inventory = opened(repositories, GIT.replace("nodes.git, root: nodes", node.name))
    with pytest.raises(ModelError) as caught:
        inventory.node("n")
    assert caught.value.problems[0].brief == f"{repositories}/classes.git has no branch 'stage'"


def test_mixed(repositories: Path) -> None:
    folder = repositories / "local" / "nodes"
    folder.mkdir(parents=True)
    (folder / "one.yml").write_text("environment: prod\nclasses: [app]\n")
    (folder / "two.yml").write_text("environment: dev\nclasses: [app]\n")
    (repositories / "local" / "classes").mkdir()
    (repositories / "local" / "classes" / "app.yml").write_text("parameters: {release: dev}\n")
    inventory = opened(
        repositories,
        """
        storage_type: mixed
        nodes_uri: {storage_type: yaml_fs, uri: local/nodes}
        classes_uri:
          storage_type: yaml_git
          repo: classes.git
          root: tree
          env_overrides: [{dev: {storage_type: yaml_fs, uri: local/classes}}]
        """,
    )
    assert inventory.node("one").parameters["release"] == "prod"
    assert inventory.node("two").parameters["release"] == "dev"
    assert inventory.node("two").origin("release")[0].file == "local/classes/app.yml"


def test_a_remote_repository_is_mirrored_and_followed(repositories: Path) -> None:
    """``file://`` stands for another machine here: the folder that it names is no folder of this one."""
    source = repositories / "nodes.git"

    def names() -> list[str]:
        mirror = Mirror(repositories / "mirror", repositories / "locks" / "lock")
        found = Repository(f"git+file://{source}", LocalRunner(), mirror).blobs("master", "nodes")
        return sorted(path for path, _ in found)

    assert names() == ["nodes/.hidden/no.yml", "nodes/racks/db.yml", "nodes/web.cloud.yml"]
    work = repositories / "nodes.git.work"
    git("-C", str(work), "reset", "--quiet", "--hard")
    git("-C", str(work), "rm", "--quiet", "nodes/racks/db.yml")
    git("-C", str(work), "commit", "--quiet", "--message", "without db")
    git("-C", str(work), "push", "--quiet", str(source), "master")
    assert names() == ["nodes/.hidden/no.yml", "nodes/web.cloud.yml"]


def test_a_repository_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        opened(tmp_path, GIT)
    assert caught.value.problems[0].brief == "the repository nodes.git cannot be read"


def test_what_is_not_utf_8_is_said(tmp_path: Path) -> None:
    repository(tmp_path / "nodes.git", master={"nodes/n.yml": "classes: [latin]"})
    repository(tmp_path / "classes.git", base={"latin.yml": "parameters: {x: café}"})
    (problem,) = opened(tmp_path, GIT.replace(", root: tree", "")).node("n").problems
    assert problem.brief == "the file cannot be read: it is not UTF-8"
    assert str(problem.places[0]) == f"{tmp_path}/classes.git@base:latin.yml"


def test_links_are_no_files(tmp_path: Path) -> None:
    work = tmp_path / "linked.git.work"
    work.mkdir()
    (work / "link.yml").symlink_to("n.yml")
    repository(tmp_path / "linked.git", master={"n.yml": ""})
    mirror = Mirror(tmp_path / "mirror", tmp_path / "lock")
    found = Repository(str(tmp_path / "linked.git"), LocalRunner(), mirror).blobs("master", "")
    assert [path for path, _ in found] == ["n.yml"]


@pytest.mark.parametrize(
    ("address", "remote"),
    [
        ("git+ssh://salt@host:path/x.git", "salt@host:path/x.git"),
        ("ssh://salt@host:2222/x.git", "ssh://salt@host:2222/x.git"),
        ("ssh://salt@host/x.git", "ssh://salt@host/x.git"),
        ("https://host/x.git", "https://host/x.git"),
        ("salt@host:x.git", "salt@host:x.git"),
    ],
)
def test_addresses(address: str, remote: str, tmp_path: Path) -> None:
    assert Repository(address, LocalRunner(), Mirror(tmp_path, tmp_path)).remote == remote
