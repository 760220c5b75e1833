"""``meta/prometheus.yml`` as frozen values: what a Prometheus watches a node's services by. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from saltern.base.errors import FormulaError, Problem
from saltern.base.schema import check, load_schema

KIND = "prometheus"
"""Asked for only where a Prometheus is told of the cloud: nothing that runs depends on it."""

Texts = tuple[tuple[str, str], ...]
"""Names with texts, sorted."""


@dataclass(frozen=True, slots=True)
class Alert:
    """An alerting rule; ``wait`` is a duration as Prometheus writes them, "" where it fires at once."""

    name: str
    expression: str
    wait: str = ""
    labels: Texts = ()
    annotations: Texts = ()


@dataclass(frozen=True, slots=True)
class Recording:
    """A rule that makes the metric ``name``."""

    name: str
    expression: str
    labels: Texts = ()


@dataclass(frozen=True, slots=True)
class Blackbox:
    """How a blackbox exporter asks: with a ``path`` for a URL, else for HOST:PORT."""

    module: str
    path: str = ""
    hostname: str = ""


@dataclass(frozen=True, slots=True)
class Job:
    """How the endpoints of one name are asked; intervals are durations as Prometheus writes them, "" its own."""

    name: str
    scheme: str = "http"
    metrics_path: str = "/metrics"
    honor_labels: bool = False
    scrape_interval: str = ""
    scrape_timeout: str = ""
    blackbox: Blackbox | None = None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a node is asked for a job; ``address`` "": at the node itself."""

    job: Job
    port: int
    address: str = ""


@dataclass(frozen=True, slots=True)
class Monitored:
    """What a formula says on one node."""

    formula: str
    endpoints: tuple[Endpoint, ...] = ()
    alerts: tuple[Alert, ...] = ()
    recordings: tuple[Recording, ...] = ()


def read_monitored(node: str, raw: Mapping[str, Mapping[str, Any]]) -> tuple[Monitored, ...]:
    """What the formulas of a node say, from ``{formula: {kind: content}}``; raises FormulaError with all problems."""
    told = {formula: raw[formula][KIND] for formula in sorted(raw) if raw[formula].get(KIND)}
    if problems := [problem for formula, content in told.items() for problem in _problems(node, formula, content)]:
        raise FormulaError(problems)
    return tuple(_monitored(formula, content.get("server") or {}) for formula, content in told.items())


def _problems(node: str, formula: str, content: Mapping[str, Any]) -> Iterator[Problem]:
    what = f"{formula}/meta/{KIND}.yml, rendered for {node}"
    found = [*check(content, load_schema("saltern.formulas", KIND), what)]
    yield from found
    if found:
        return
    for name, job in _enabled((content.get("server") or {}).get("target") or {}, "static"):
        if "blackbox" in job and "metrics_path" in job:
            yield Problem(
                f"{what}: server:target:static:{name}: metrics_path and blackbox do not go together",
                resolution="say `blackbox: {path: …}` for what the exporter asks, or leave blackbox out",
            )


def _monitored(formula: str, server: Mapping[str, Any]) -> Monitored:
    endpoints = tuple(
        Endpoint(_job(name, job), int(one["port"]), one.get("address", ""))
        for name, job in _enabled(server.get("target") or {}, "static")
        for one in job["endpoint"]
    )
    alerts = tuple(
        Alert(name, _line(one["if"]), one.get("for", ""), _texts(one, "labels"), _texts(one, "annotations"))
        for name, one in _enabled(server, "alert")
    )
    recordings = tuple(
        Recording(name, _line(one["query"]), _texts(one, "labels")) for name, one in _enabled(server, "recording")
    )
    return Monitored(formula, endpoints, alerts, recordings)


def _enabled(raw: Mapping[str, Any], key: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    return ((name, one) for name, one in sorted((raw.get(key) or {}).items()) if one.get("enabled", True))


def _job(name: str, raw: Mapping[str, Any]) -> Job:
    values = {key: value for key, value in raw.items() if key not in ("enabled", "endpoint", "blackbox")}
    return Job(name, **values, blackbox=Blackbox(**raw["blackbox"]) if "blackbox" in raw else None)


def _line(text: str) -> str:
    """An expression in one line: white space means nothing outside of its strings, and those have no line ends."""
    return " ".join(line.strip() for line in text.splitlines() if line.strip())


def _texts(raw: Mapping[str, Any], key: str) -> Texts:
    """YAML's booleans in lower case, as everywhere."""
    found = sorted((raw.get(key) or {}).items())
    return tuple((name, str(value).lower() if isinstance(value, bool) else str(value)) for name, value in found)
