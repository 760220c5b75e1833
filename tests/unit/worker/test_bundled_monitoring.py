"""What the bundled formulas say to a Prometheus, rendered by Salt; and metrics, which are off until somebody asks."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from saltern.base.errors import UsageError
from saltern.formulas.metadata import read_metadata
from saltern.formulas.monitoring import KIND, read_monitored
from saltern.project.monitoring import watch

from .conftest import Formula
from .monitoring_cases import BLACKBOX, GOLDEN, METRICS, ROOT, opened, texts

SERVED = {
    "up",  # Prometheus' own, of each target
    "probe_success",  # of a blackbox exporter
    # of the plugin rabbitmq_prometheus, in Debian 12 (3.10) and 13 (4.0)
    "rabbitmq_alarms_free_disk_space_watermark",
    "rabbitmq_alarms_memory_used_watermark",
    "rabbitmq_process_resident_memory_bytes",
    "rabbitmq_resident_memory_limit_bytes",
    # of HAProxy's exporter, in Debian 12 (2.6) and 13 (3.0)
    "haproxy_backend_active_servers",
    "haproxy_backend_backup_servers",
    "haproxy_server_status",
}
PROBED = (
    *("cinder", "glance", "heat", "horizon", "keystone", "mariadb", "memcached", "neutron", "nova", "ovn"),
    "placement",
)
"""Formulas whose services have no metrics, in examples/ha."""
WORDS = {"by", "job", "max", "or"}
"""Of PromQL, and labels by which is grouped."""


@pytest.mark.parametrize("case", sorted(GOLDEN.iterdir()), ids=lambda case: case.name)
def test_golden(tmp_path: Path, case: Path) -> None:
    project = opened(tmp_path, case.name, metrics=True)
    watch(project, tmp_path / "out", BLACKBOX)
    assert texts(tmp_path / "out") == texts(case / "expected")
    assert watch(project, tmp_path / "out", BLACKBOX).removed == ()
    assert texts(tmp_path / "out") == texts(case / "expected")


@pytest.mark.parametrize("metrics", [False, True])
@pytest.mark.parametrize("example", ["compute", "ha", "kubernetes-ha"])
def test_no_metric_is_invented(tmp_path: Path, example: str, metrics: bool) -> None:
    made = watch(opened(tmp_path, example, metrics=metrics), tmp_path / "out", BLACKBOX).made
    assert made.jobs
    has = {name for name in METRICS if (ROOT / "examples" / example / "nodes" / f"{name}.yml").exists()}
    assert {*METRICS} & {*made.jobs} == (has if metrics else set())
    assert "example-" not in str(made.files), "a password of the examples"
    for file, text in made.files.items():
        for rule in yaml.safe_load(text)["groups"][0]["rules"] if file != "prometheus.yml" else ():
            assert {*re.findall(r'job="([^"]+)"', rule["expr"])} <= {*made.jobs}, rule
            bare = re.sub(r"\{[^}]*\}", "", rule["expr"])
            assert {*re.findall(r"[a-zA-Z_:]\w*", bare)} <= SERVED | WORDS, rule
            assert metrics or not re.search("rabbitmq_|haproxy_", bare), rule


def test_only_what_is_ours_is_removed(tmp_path: Path) -> None:
    project, out = opened(tmp_path, "ha", metrics=True), tmp_path / "out"
    watch(project, out, BLACKBOX)
    (out / "rules" / "mine.yml").write_text("groups: []\n")
    (out / "blackbox.yml").write_text("modules: {}\n")
    done = watch(project, out)
    assert done.removed == tuple(f"rules/{name}.yml" for name in PROBED)
    assert {*texts(out)} == {
        "blackbox.yml",
        "prometheus.yml",
        *(f"rules/{name}.yml" for name in ("haproxy", "mine", "rabbitmq")),
    }
    (out / "prometheus.yml").write_text("scrape_configs: []\n")
    with pytest.raises(UsageError, match=r"prometheus\.yml was not written by saltern"):
        watch(project, out)


# ---- metrics of their own


def node(formula: Formula, name: str, role: str, **values: Any) -> Formula:
    pillar = {name: {role: {"enabled": True, **values}}}
    root = ROOT / "formulas" / name
    return Formula(formula.worker, formula.root, pillar, {"host": name}, more_roots=(root,))


def file_of(one: Formula, path: str) -> str:
    """A template as the node gets it."""
    text = f"{{%- set text %}}{{% include '{path}' %}}{{% endset %}}"
    one.write({"shown/init.sls": text + "shown:\n  test.nop:\n  - text: {{ text | json }}\n"})
    (chunk,) = one.compile("shown").chunks
    return str(chunk.raw["text"])


def ports(one: Formula, name: str) -> list[int]:
    metadata = read_metadata("node", one.compile(name, kinds=("container",)).metadata)
    return [port for process in metadata.processes.values() for port in process.ports]


def plugins(one: Formula) -> str:
    (found,) = [c.raw["contents"] for c in one.compile("rabbitmq").chunks if c.raw["__id__"] == "rabbitmq_plugins"]
    return str(found)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, "[]."),
        ({"plugins": ["rabbitmq_management"]}, "[rabbitmq_management]."),
        ({"metrics": {"enabled": True}}, "[rabbitmq_prometheus]."),
        (
            {"metrics": {"enabled": True}, "plugins": ["rabbitmq_prometheus", "rabbitmq_shovel"]},
            "[rabbitmq_prometheus,rabbitmq_shovel].",
        ),
    ],
)
def test_rabbitmq_enables_a_plugin(formula: Formula, values: dict[str, Any], expected: str) -> None:
    assert plugins(node(formula, "rabbitmq", "server", **values)) == expected


@pytest.mark.parametrize(("release", "expected"), [("12", False), ("13", True)])
def test_a_cluster_is_asked_for_its_peers_where_it_knows_them(formula: Formula, release: str, expected: bool) -> None:
    """RabbitMQ 3.10, Debian 12's, has no such metric: pull request 9465 of rabbitmq-server."""
    values = {"cluster": {"members": ["a", "b", "c"]}, "metrics": {"enabled": True}}
    one = node(formula, "rabbitmq", "server", **values)
    one.grains["osmajorrelease"] = release
    (told,) = read_monitored("a", one.compile("rabbitmq", kinds=(KIND,)).metadata)
    metric = "rabbitmq_unreachable_cluster_peers_count"
    assert any(metric in alert.expression for alert in told.alerts) == expected


def test_rabbitmq_listens_where_it_is_told(formula: Formula) -> None:
    bind = {"address": "10.0.0.1", "port": 5672}
    off = node(formula, "rabbitmq", "server", bind=bind)
    assert "prometheus" not in file_of(off, "rabbitmq/files/rabbitmq.conf")
    assert ports(off, "rabbitmq") == [5672]
    on = node(formula, "rabbitmq", "server", bind=bind, metrics={"enabled": True})
    lines = file_of(on, "rabbitmq/files/rabbitmq.conf").splitlines()
    assert lines[-2:] == ["prometheus.tcp.ip = 10.0.0.1", "prometheus.tcp.port = 15692"]
    assert ports(on, "rabbitmq") == [5672, 15692]
    other = {"enabled": True, "address": "0.0.0.0", "port": 1}
    lines = file_of(node(formula, "rabbitmq", "server", metrics=other), "rabbitmq/files/rabbitmq.conf").splitlines()
    assert lines[-2:] == ["prometheus.tcp.ip = 0.0.0.0", "prometheus.tcp.port = 1"]


def test_haproxy_has_a_frontend_for_metrics_alone(formula: Formula) -> None:
    listen = {"api": {"binds": [{"port": 80}], "servers": []}}
    off = node(formula, "haproxy", "proxy", listen=listen)
    without = file_of(off, "haproxy/files/haproxy.cfg")
    assert ports(off, "haproxy") == [80]
    on = node(formula, "haproxy", "proxy", listen=listen, metrics={"enabled": True})
    own = (
        "frontend prometheus-exporter\n\tmode http\n\tbind 0.0.0.0:8405\n\tno log\n"
        "\thttp-request use-service prometheus-exporter if { path /metrics }\n\thttp-request return status 404\n"
    )
    assert file_of(on, "haproxy/files/haproxy.cfg") == without.replace("\nlisten api", f"\n{own}\nlisten api")
    assert ports(on, "haproxy") == [80, 8405]
