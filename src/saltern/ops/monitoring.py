"""Prometheus' files about a cloud: what it scrapes, and its rules. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import yaml

from saltern.base.errors import FormulaError, Problem
from saltern.formulas.monitors import Job, Monitor, Place, Rule

HEADER = "# Made by saltern; edit the model instead.\n"
CONFIGURATION = "prometheus.yml"
RULES = "rules"


@dataclass(frozen=True)
class Watched:
    """A node: ``hosts`` are its replicas, as they are reached by name from inside of the cloud's network."""

    name: str
    hosts: tuple[str, ...]
    monitors: tuple[Monitor, ...]


def files(cloud: str, nodes: Iterable[Watched], blackbox: str) -> dict[str, str]:
    """Path → text of all files; the same nodes give the same text. ``blackbox``: HOST:PORT of that exporter.

    Raises FormulaError where two nodes tell the same job or rule in different ways.
    """
    ordered = sorted(nodes, key=lambda node: node.name)
    problems: list[Problem] = []
    same = _Same(problems)
    jobs: dict[str, Job] = {}
    targets: dict[str, list[dict[str, Any]]] = {}
    for node in ordered:
        for monitor in node.monitors:
            for job in monitor.jobs:
                same.add("job", job.name, replace(job, places=()), node, monitor)
                jobs.setdefault(job.name, job)
                targets.setdefault(job.name, []).append(_target(cloud, node, job))
            for rule in monitor.rules:
                same.add("recording" if rule.recorded else "alert", rule.name, rule, node, monitor)
    if problems:
        raise FormulaError(problems)
    configuration = {
        "rule_files": [f"{RULES}/*.yml"],
        "scrape_configs": [_scraped(jobs[name], targets[name], blackbox) for name in sorted(jobs)],
    }
    return {CONFIGURATION: _text(configuration)} | {
        f"{RULES}/{formula}.yml": _text({"groups": [{"name": formula, "rules": [*map(_rule, own)]}]})
        for formula, own in _by_formula(ordered).items()
    }


class _Same:
    """Notes where something of one name is told in two ways."""

    def __init__(self, problems: list[Problem]) -> None:
        self._known: dict[tuple[str, str], tuple[object, str]] = {}
        self._problems = problems

    def add(self, kind: str, name: str, content: object, node: Watched, monitor: Monitor) -> None:
        where = f"{monitor.formula}/meta/prometheus.yml, rendered for {node.name}"
        known, first = self._known.setdefault((kind, name), (content, where))
        if known != content:
            self._problems.append(
                Problem(
                    f"{kind} {name} is told in two ways",
                    details=f"{where}, and {first}",
                    resolution="let it be the same on all nodes, or give it another name",
                    node=node.name,
                )
            )


def _target(cloud: str, node: Watched, job: Job) -> dict[str, Any]:
    addresses = [text for place in job.places for text in _addresses(node, job, place)]
    return {"targets": addresses, "labels": {"cloud": cloud, "node": node.name}}


def _addresses(node: Watched, job: Job, place: Place) -> Iterator[str]:
    for host in (place.address,) if place.address else node.hosts:
        address = f"{host}:{place.port}"
        yield f"{job.scheme}://{address}{place.path}" if job.probe and place.path else address


def _scraped(job: Job, targets: Sequence[Mapping[str, Any]], blackbox: str) -> dict[str, Any]:
    found: dict[str, Any] = {"job_name": job.name}
    if job.scrape_interval:
        found["scrape_interval"] = job.scrape_interval
    if not job.probe:
        return found | {"scheme": job.scheme, "metrics_path": job.metrics_path, "static_configs": [*targets]}
    return found | {
        "metrics_path": "/probe",
        "params": {"module": [job.probe]},
        "static_configs": [*targets],
        # the exporter is asked about the target, which stays the name of the instance
        "relabel_configs": [
            {"source_labels": ["__address__"], "target_label": "__param_target"},
            {"source_labels": ["__param_target"], "target_label": "instance"},
            {"target_label": "__address__", "replacement": blackbox},
        ],
    }


def _by_formula(nodes: Iterable[Watched]) -> dict[str, list[Rule]]:
    found: dict[str, dict[tuple[bool, str], Rule]] = {}
    for node in nodes:
        for monitor in node.monitors:
            own = {(rule.recorded, rule.name): rule for rule in monitor.rules}
            if own:
                found.setdefault(monitor.formula, {}).update(own)
    return {formula: [own[key] for key in sorted(own)] for formula, own in sorted(found.items())}


def _rule(rule: Rule) -> dict[str, Any]:
    found: dict[str, Any] = {"record" if rule.recorded else "alert": rule.name, "expr": rule.expression}
    optional = {"for": rule.after, "labels": dict(rule.labels), "annotations": dict(rule.annotations)}
    return found | {key: value for key, value in optional.items() if value}


def _text(content: Mapping[str, Any]) -> str:
    return HEADER + yaml.safe_dump(content, sort_keys=False, default_flow_style=False, allow_unicode=True, width=120)
