"""Parts of examples/compute and examples/ha as models of tests, at addresses and ports of their own."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Collection
from pathlib import Path

import yaml

from .driver import ROOT, substitute

COMMON = "classes/cluster/compute/init.yml"
STANDS_ON = ("haproxy", "mariadb", "memcached", "rabbitmq")
"""What every service of an example needs, as far as the example has it."""
BOOTS = ("keystone", "glance", "placement", "nova", "neutron", "ovn", "compute")
"""The services without which no guest boots."""


def part(folder: Path, services: Collection[str] = (), example: str = "compute") -> Path:
    """A copy of the example in which only these services are, and what they stand on; none named: all are."""
    model = shutil.copytree(ROOT / "examples" / example, folder / "model")
    if not services:
        return model
    for file in (model / "nodes").glob("*.yml"):
        if file.stem not in (*STANDS_ON, *services):
            file.unlink()
    classes = model / "classes/cluster" / example
    _keep(classes / "keystone.yml", "system.keystone.client.service.", services)
    _keep(classes / "mariadb.yml", "system.mariadb.server.database.", services)
    if example == "ha":
        _keep(classes / "haproxy.yml", "system.haproxy.proxy.listen.", services)
    if "cinder" not in services:  # its volumes are the computes' then
        substitute(classes / "compute.yml", "- system.nova.compute.share\n", "")
    return model


def _keep(file: Path, prefix: str, services: Collection[str]) -> None:
    """Of the classes of that kind only those of services that are there."""
    gone = [line for line in file.read_text().splitlines() if prefix in line and not line.endswith(tuple(services))]
    for line in gone:
        substitute(file, f"{line}\n", "")


def publish(model: Path, port: Callable[[int], int], address: str = "127.0.0.1") -> dict[str, int]:
    """Publish everything at ``address``, and at the port that takes the usual one's place; name of what → port."""
    named: dict[str, str] = {}
    files = [*model.glob("classes/cluster/*/init.yml")]
    for file in sorted([*model.glob("nodes/*.yml"), *model.glob("classes/system/**/*.yml")]):
        parameters = yaml.safe_load(file.read_text()).get("parameters", {})
        if published := parameters.get("saltern", {}).get("publish"):
            named |= {one["name"]: one["address"].rpartition(":")[2] for one in published}
            files.append(file)
    moved = {usual: port(int(usual)) for usual in named.values()}
    for file in files:
        text = re.sub(
            r"(127\.0\.0\.1|\{_param:public_address\}):([0-9]+)",
            lambda match: f"{match[1]}:{moved.get(match[2], match[2])}",
            file.read_text(),
        )
        file.write_text(text.replace("127.0.0.1", address))
    return {name: moved[usual] for name, usual in named.items()}
