"""``tests/golden/monitoring``: what ``saltern monitoring`` writes for an example whose metrics are on.

``python -m tests.unit.worker.monitoring_cases`` writes it again; read it before you believe it.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from saltern.base.process import LocalRunner
from saltern.images.toolchain import local_site_packages
from saltern.project.context import Options, Project, open_project
from saltern.project.monitoring import watch

from .conftest import CACHE

ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "tests" / "golden" / "monitoring"
BLACKBOX = "blackbox:9115"
METRICS = {"haproxy": "proxy", "rabbitmq": "server"}
"""Node, which is also the formula → the role whose metrics are turned on."""


def opened(folder: Path, example: str, *, metrics: bool) -> Project:
    """An example in a folder of its own."""
    model = shutil.copytree(ROOT / "examples" / example, folder / "model")
    wanted = METRICS if metrics else {}
    for node, role in wanted.items():
        path = model / "nodes" / f"{node}.yml"
        if path.exists():
            raw = yaml.safe_load(path.read_text())
            raw["parameters"][node] = {role: {"metrics": {"enabled": True}}}
            path.write_text(yaml.safe_dump(raw))
    local_site_packages(LocalRunner(), CACHE)
    (folder / "cache").mkdir()
    (folder / "cache" / "toolchain").symlink_to(CACHE / "toolchain")
    targets = ("compose", "kubernetes")
    options = Options(worker="local", targets=targets, cache=folder / "cache", state=folder / "state")
    return open_project(model, options)


def texts(folder: Path) -> dict[str, str]:
    """Path → text of all files."""
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


if __name__ == "__main__":
    for case in sorted(GOLDEN.iterdir()):
        with TemporaryDirectory() as place:
            watch(opened(Path(place), case.name, metrics=True), case / "expected", BLACKBOX)
