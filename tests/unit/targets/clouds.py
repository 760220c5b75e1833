"""Clouds written as YAML, for golden folders and tables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from saltern.formulas.metadata import Check, Probe, Reload, Volume
from saltern.images.process import Process, RuntimeDirectory
from saltern.model.settings import Publish
from saltern.targets.workload import Cloud, ConfigMount, Job, Workload

GOLDEN = Path(__file__).parents[2] / "golden" / "compose"


def read_cloud(folder: Path) -> Cloud:
    return cloud(yaml.safe_load((folder / "cloud.yml").read_text()))


def cloud(raw: Mapping[str, Any]) -> Cloud:
    return Cloud(raw["name"], tuple(workload(w) for w in raw["workloads"]))


def workload(raw: Mapping[str, Any]) -> Workload:
    kinds = {"jobs": job, "volumes": _of(Volume), "config": _of(ConfigMount), "publish": _of(Publish), "checks": check}
    values = {key: tuple(make(item) for item in raw[key]) for key, make in kinds.items() if key in raw}
    if "needs" in raw:
        values["needs"] = tuple(raw["needs"])
    return Workload(**{"node": raw["name"], "image": "image", **raw, **values, "processes": _all(raw, process)})


def process(raw: Mapping[str, Any]) -> Process:
    values: dict[str, Any] = {
        key: tuple(raw[key]) for key in ("command", "capabilities", "tmpfs", "devices", "files", "ports") if key in raw
    }
    if "probe" in raw:
        values["probe"] = Probe(**{**raw["probe"], "command": tuple(raw["probe"].get("command", ()))})
    if "reload" in raw:
        values["reload"] = Reload(**{key: tuple(words) for key, words in raw["reload"].items()})
    if "runtime" in raw:
        values["runtime"] = tuple(RuntimeDirectory(**item) for item in raw["runtime"])
    return Process(**{"source": "unit", **raw, **values})


def job(raw: Mapping[str, Any]) -> Job:
    return Job(**{"request": "/request", "toolchain": "toolchain-t1", **raw, "chunks": tuple(raw.get("chunks", ()))})


def check(raw: Mapping[str, Any]) -> Check:
    return Check(**{**raw, "command": tuple(raw["command"])})


def _all(raw: Mapping[str, Any], make: Any) -> tuple[Any, ...]:
    return tuple(make(item) for item in raw.get("processes", ()))


def _of(kind: Any) -> Any:
    return lambda raw: kind(**raw)
