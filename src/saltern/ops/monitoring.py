"""What an operator's own Prometheus takes of a cloud: ``prometheus.yml`` and a file of rules per formula. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from saltern.base.errors import FormulaError, Problem
from saltern.base.yamltext import block_text
from saltern.formulas.monitoring import Alert, Endpoint, Job, Monitored, Recording

HEADER = "# Made by saltern; edit the model instead.\n"
MAIN = "prometheus.yml"
RULES = "rules"

PROBED = re.compile(r"\bprobe_[a-z]")
"""In an expression: a metric of the blackbox exporter, whose own all begin like that."""


@dataclass(frozen=True, slots=True)
class Watched:
    """A node with what its formulas say; ``hosts`` are the names at which it, or each of its replicas, answers."""

    name: str
    hosts: tuple[str, ...]
    monitored: tuple[Monitored, ...]


@dataclass(frozen=True)
class Monitoring:
    """Path → text of all files, what is in them, and what is not because no blackbox exporter was given."""

    files: dict[str, str]
    jobs: tuple[str, ...]
    targets: int
    rules: int
    jobs_left_out: tuple[str, ...] = ()
    rules_left_out: tuple[str, ...] = ()


def monitoring(cloud: str, nodes: Iterable[Watched], blackbox: str = "") -> Monitoring:
    """The files for these nodes; ``blackbox`` is HOST:PORT of an exporter, "" where there is none.

    The same nodes give the same text. Raises FormulaError where nodes say different things under one name.
    """
    ordered = sorted(nodes, key=lambda node: node.name)
    jobs, rules = _merged(ordered)
    asked = {name: job for name, job in jobs.items() if blackbox or job.blackbox is None}
    kept = {key: rule for key, rule in rules.items() if blackbox or not PROBED.search(rule.expression)}
    configs = [_config(job, ordered, blackbox) for job in asked.values()]
    formulas = sorted({formula for formula, _, _ in kept})
    main: dict[str, Any] = {"global": {"external_labels": {"cloud": cloud}}}
    if formulas:
        main["rule_files"] = [f"{RULES}/{formula}.yml" for formula in formulas]
    files = {MAIN: HEADER + block_text({**main, "scrape_configs": configs})}
    files |= {f"{RULES}/{formula}.yml": HEADER + block_text(_groups(formula, kept)) for formula in formulas}
    return Monitoring(
        files,
        tuple(asked),
        sum(len(static["targets"]) for config in configs for static in config["static_configs"]),
        len(kept),
        tuple(name for name in jobs if name not in asked),
        tuple(key[2] for key in rules if key not in kept),
    )


Rule = Alert | Recording
Key = tuple[str, int, str]
"""Formula, 0 for recording rules and 1 for alerts, name: the order in which rules are written."""


def _merged(nodes: Sequence[Watched]) -> tuple[dict[str, Job], dict[Key, Rule]]:
    """Jobs and rules of all nodes by their names, sorted."""
    jobs: dict[str, tuple[Job, str]] = {}
    rules: dict[Key, tuple[Rule, str]] = {}
    problems: dict[str, Problem] = {}
    for node in nodes:
        for one in node.monitored:
            for endpoint in one.endpoints:
                job, first = jobs.setdefault(endpoint.job.name, (endpoint.job, node.name))
                if job != endpoint.job:
                    problems.setdefault(f"job {job.name}", _differs("job", job.name, one.formula, first, node.name))
            said: tuple[Rule, ...] = (*one.recordings, *one.alerts)
            for rule in said:
                known, first = rules.setdefault(_key(one.formula, rule), (rule, node.name))
                if known != rule:
                    problems.setdefault(f"rule {rule.name}", _differs("rule", rule.name, one.formula, first, node.name))
    if problems:
        raise FormulaError([*problems.values()])
    return (
        {name: jobs[name][0] for name in sorted(jobs)},
        {key: rules[key][0] for key in sorted(rules)},
    )


def _key(formula: str, rule: Rule) -> Key:
    return formula, int(isinstance(rule, Alert)), rule.name


def _differs(what: str, name: str, formula: str, first: str, second: str) -> Problem:
    return Problem(
        f"{formula}/meta/prometheus.yml: the {what} {name!r} of {second} is another than that of {first}",
        details="Prometheus has one of each name for all nodes",
        resolution="give it another name where it differs, as with the node's name in it",
        node=second,
    )


# ---- prometheus.yml


def _config(job: Job, nodes: Sequence[Watched], blackbox: str) -> dict[str, Any]:
    """One of ``scrape_configs``."""
    config: dict[str, Any] = {"job_name": job.name, **_asking(job)}
    config |= {key: value for key in ("scrape_interval", "scrape_timeout") if (value := getattr(job, key))}
    config["static_configs"] = [
        {"targets": targets, "labels": {"node": node.name}} for node in nodes if (targets := _targets(job, node))
    ]
    if job.blackbox is not None:
        config["relabel_configs"] = _through(blackbox)
    return config


def _asking(job: Job) -> dict[str, Any]:
    """How a job is asked; what is Prometheus' default is left out."""
    if job.blackbox is not None:
        params = {"module": [job.blackbox.module]}
        if job.blackbox.hostname:
            params["hostname"] = [job.blackbox.hostname]
        return {"metrics_path": "/probe", "params": params}
    found = {"scheme": job.scheme, "metrics_path": job.metrics_path, "honor_labels": job.honor_labels}
    default = Job("")
    return {key: value for key, value in found.items() if value != getattr(default, key)}


def _targets(job: Job, node: Watched) -> list[str]:
    found = {
        _target(job, host, endpoint.port)
        for one in node.monitored
        for endpoint in one.endpoints
        if endpoint.job == job
        for host in _hosts(endpoint, node)
    }
    return sorted(found)


def _hosts(endpoint: Endpoint, node: Watched) -> tuple[str, ...]:
    return (endpoint.address,) if endpoint.address else node.hosts


def _target(job: Job, host: str, port: int) -> str:
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    path = job.blackbox.path if job.blackbox is not None else ""
    return f"{job.scheme}://{address}{path}" if path else address


def _through(blackbox: str) -> list[dict[str, Any]]:
    """The address becomes the exporter's parameter and the instance's name; the exporter is asked instead."""
    return [
        {"source_labels": ["__address__"], "target_label": "__param_target"},
        {"source_labels": ["__param_target"], "target_label": "instance"},
        {"target_label": "__address__", "replacement": blackbox},
    ]


# ---- rules


def _groups(formula: str, rules: dict[Key, Rule]) -> dict[str, Any]:
    """The file of one formula: recording rules first, because alerts may use what they make."""
    return {"groups": [{"name": formula, "rules": [_rule(rule) for key, rule in rules.items() if key[0] == formula]}]}


def _rule(rule: Rule) -> dict[str, Any]:
    return {key: value for key, value in _parts(rule) if value}


def _parts(rule: Rule) -> Iterator[tuple[str, Any]]:
    yield ("alert" if isinstance(rule, Alert) else "record"), rule.name
    yield "expr", rule.expression
    if isinstance(rule, Alert):
        yield "for", rule.wait
    yield "labels", dict(rule.labels)
    if isinstance(rule, Alert):
        yield "annotations", dict(rule.annotations)
