"""Plain Salt on plain machines and the container path make the same files: content, owner, group, mode."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from ..containers.plainsalt import ORDER, PlainMachine
from .driver import Cloud

ENGINES = ("podman", "docker") if os.environ.get("SALTERN_TESTS_FULL") else ("podman",)
"""The plain machines take minutes, and each worker of the tests would make its own."""

DESCRIBE = """
for path in "$@"; do
  if [ -L "$path" ]; then readlink "$path"; fi
  stat -c '%n|%F|%U|%G|%a' "$path" 2>&1 | sed 's/regular empty file/regular file/'
  if [ -f "$path" ]; then sha256sum <"$path"; fi
done
"""


@pytest.mark.parametrize("engine", ENGINES, indirect=True)
@pytest.mark.parametrize("node", ORDER)
def test_same_files(cloud: Cloud, plain: dict[str, PlainMachine], node: str) -> None:
    paths = declared(cloud, node)
    assert paths
    assert seen_in_container(cloud, node, paths) == plain[node].run("sh", "-c", DESCRIBE, "sh", *paths).splitlines()


def declared(cloud: Cloud, node: str) -> list[str]:
    """The files and folders that the node's states declare, in images and in configuration."""
    chunks = cloud.saltern("show", node, "--json").json["chunks"]
    assert {chunk["phase"] for chunk in chunks if chunk["function"] == "file.managed"} == {"config"}
    return sorted(
        {
            chunk["name"]
            for chunk in chunks
            if chunk["function"].startswith("file.") and chunk["phase"] in ("build", "config")
        }
    )


def seen_in_container(cloud: Cloud, node: str, paths: list[str]) -> list[str]:
    """What a new container of the node's image has, with the mounts that the Compose file gives to its process."""
    file = cloud.saltern("render", "--json").json["file"]
    with Path(file).open() as stream:
        service = yaml.safe_load(stream)["services"][node]
    binds = [mount for mount in service["volumes"] if mount["type"] == "bind"]
    assert binds
    options = [word for mount in binds for word in ("--volume", f"{mount['source']}:{mount['target']}:ro")]
    place = ("--rm", "--network", "none", "--user", "0:0", *options, service["image"])
    return cloud.call("run", *place, "/bin/sh", "-c", DESCRIBE, "sh", *paths).splitlines()
