"""``meta/prometheus.yml`` as frozen values: what Prometheus watches of a service on a node, and its alarms. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from saltern.base.errors import FormulaError, Problem
from saltern.base.schema import check, load_schema

KIND = "prometheus"
"""Asked for only where Prometheus' files are written: nothing that runs depends on it."""

Texts = tuple[tuple[str, str], ...]
"""Name → text, sorted."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a service answers; without ``address`` at each replica of its node."""

    port: int
    address: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True)
class Job:
    """What is scraped. ``probe`` is a module of the blackbox exporter, which asks the places; "": they have metrics."""

    name: str
    places: tuple[Place, ...]
    probe: str = ""
    scheme: str = "http"
    metrics_path: str = "/metrics"
    scrape_interval: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """An alert, or a series that is recorded; ``expression`` is PromQL, ``after`` a time of Prometheus, e.g. 2m."""

    name: str
    expression: str
    after: str = ""
    labels: Texts = ()
    annotations: Texts = ()
    recorded: bool = False


@dataclass(frozen=True, slots=True)
class Monitor:
    """What a formula tells of a node."""

    formula: str
    jobs: tuple[Job, ...]
    rules: tuple[Rule, ...]


def read_monitors(node: str, raw: Mapping[str, Mapping[str, Any]]) -> tuple[Monitor, ...]:
    """What the formulas of a node tell, from ``{formula: {kind: content}}``; raises FormulaError with all problems."""
    told = {formula: raw[formula][KIND] for formula in sorted(raw) if raw[formula].get(KIND)}
    if problems := [*_problems(node, told)]:
        raise FormulaError(problems)
    return tuple(_monitor(formula, one.get("server") or {}) for formula, one in told.items())


def _problems(node: str, told: Mapping[str, Any]) -> Iterator[Problem]:
    for formula, content in told.items():
        what = f"{formula}/meta/{KIND}.yml, rendered for {node}"
        yield from check(content, load_schema("saltern.formulas", KIND), what)


def _monitor(formula: str, raw: Mapping[str, Any]) -> Monitor:
    jobs = ((raw.get("target") or {}).get("static") or {}).items()
    alerts, recordings = ((raw.get(key) or {}).items() for key in ("alert", "recording"))
    rules = [
        Rule(name, _line(one["if"]), one.get("for", ""), _texts(one, "labels"), _texts(one, "annotations"))
        for name, one in sorted(alerts)
    ]
    rules += [Rule(name, _line(one["query"]), labels=_texts(one, "labels"), recorded=True) for name, one in sorted(recordings)]
    return Monitor(formula, tuple(_job(name, one) for name, one in sorted(jobs)), tuple(rules))


def _job(name: str, raw: Mapping[str, Any]) -> Job:
    places = tuple(Place(**{**one, "port": int(one["port"])}) for one in raw["endpoint"])
    return Job(name, places, **{key: value for key, value in raw.items() if key != "endpoint"})


def _texts(raw: Mapping[str, Any], key: str) -> Texts:
    return tuple(sorted((raw.get(key) or {}).items()))


def _line(text: str) -> str:
    return " ".join(text.split())
