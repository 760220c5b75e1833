"""Files for a Prometheus: how nodes come together in them, and what is left out without a blackbox exporter."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import yaml

from saltern.base.errors import FormulaError
from saltern.formulas.monitoring import Alert, Blackbox, Endpoint, Job, Monitored, Recording
from saltern.ops.monitoring import HEADER, Monitoring, Watched, monitoring

METRICS = Job("web", scheme="https", metrics_path="/m", honor_labels=True, scrape_interval="30s", scrape_timeout="5s")
PAGE = Job("page", blackbox=Blackbox("http_2xx", "/", "web"))
PORT = Job("port", blackbox=Blackbox("tcp_connect"))
DOWN = Alert("Down", 'up{job="web"} == 0', "2m", (("severity", "warning"),), (("summary", "{{ $labels.node }}"),))
SILENT = Alert("Silent", "probe_success == 0")
SUM = Recording("web:up", "sum(up)", (("a", "b"),))


def web(name: str = "web", *hosts: str, job: Job = METRICS, alert: Alert = DOWN) -> Watched:
    endpoints = (Endpoint(job, 443), Endpoint(PAGE, 80), Endpoint(PORT, 25, "mail.example"))
    return Watched(name, hosts or (name,), (Monitored("web", endpoints, (alert, SILENT), (SUM,)),))


def data(made: Monitoring, file: str) -> Any:
    assert made.files[file].startswith(HEADER)
    return yaml.safe_load(made.files[file])


def test_one_node() -> None:
    made = monitoring("lab", [web()], "bb:9115")
    through = [
        {"source_labels": ["__address__"], "target_label": "__param_target"},
        {"source_labels": ["__param_target"], "target_label": "instance"},
        {"target_label": "__address__", "replacement": "bb:9115"},
    ]
    labels = {"node": "web"}
    assert data(made, "prometheus.yml") == {
        "global": {"external_labels": {"cloud": "lab"}},
        "rule_files": ["rules/web.yml"],
        "scrape_configs": [
            {
                "job_name": "page",
                "metrics_path": "/probe",
                "params": {"module": ["http_2xx"], "hostname": ["web"]},
                "static_configs": [{"targets": ["http://web:80/"], "labels": labels}],
                "relabel_configs": through,
            },
            {
                "job_name": "port",
                "metrics_path": "/probe",
                "params": {"module": ["tcp_connect"]},
                "static_configs": [{"targets": ["mail.example:25"], "labels": labels}],
                "relabel_configs": through,
            },
            {
                "job_name": "web",
                "scheme": "https",
                "metrics_path": "/m",
                "honor_labels": True,
                "scrape_interval": "30s",
                "scrape_timeout": "5s",
                "static_configs": [{"targets": ["web:443"], "labels": labels}],
            },
        ],
    }
    assert data(made, "rules/web.yml") == {
        "groups": [
            {
                "name": "web",
                "rules": [
                    {"record": "web:up", "expr": "sum(up)", "labels": {"a": "b"}},
                    {
                        "alert": "Down",
                        "expr": 'up{job="web"} == 0',
                        "for": "2m",
                        "labels": {"severity": "warning"},
                        "annotations": {"summary": "{{ $labels.node }}"},
                    },
                    {"alert": "Silent", "expr": "probe_success == 0"},
                ],
            }
        ]
    }
    assert (made.jobs, made.targets, made.rules) == (("page", "port", "web"), 3, 3)
    assert (made.jobs_left_out, made.rules_left_out) == ((), ())


def test_without_an_exporter_nothing_is_asked_through_it_and_no_rule_waits_for_it() -> None:
    made = monitoring("lab", [web()])
    assert (made.jobs, made.targets, made.rules) == (("web",), 1, 2)
    assert made.jobs_left_out == ("page", "port")
    assert made.rules_left_out == ("Silent",)
    assert not [text for text in made.files.values() if "probe" in text]


def test_nodes_share_jobs_and_rules() -> None:
    made = monitoring("lab", [web("web2", "web2-1", "web2-2", "fd00::1"), web("web1")])
    (job,) = data(made, "prometheus.yml")["scrape_configs"]
    assert job["static_configs"] == [
        {"targets": ["web1:443"], "labels": {"node": "web1"}},
        {"targets": ["[fd00::1]:443", "web2-1:443", "web2-2:443"], "labels": {"node": "web2"}},
    ]
    assert made.rules == 2


def test_the_order_of_nodes_does_not_matter() -> None:
    nodes = [web("a"), web("b"), web("c")]
    assert monitoring("lab", nodes, "bb:1").files == monitoring("lab", nodes[::-1], "bb:1").files


def test_one_name_means_one_thing() -> None:
    other = web("b", job=replace(METRICS, scheme="http"), alert=replace(DOWN, wait="1m"))
    with pytest.raises(FormulaError) as caught:
        monitoring("lab", [web("a"), other, replace(other, name="c")])
    assert [problem.brief for problem in caught.value.problems] == [
        "web/meta/prometheus.yml: the job 'web' of b is another than that of a",
        "web/meta/prometheus.yml: the rule 'Down' of b is another than that of a",
    ]


def test_nothing_to_watch() -> None:
    made = monitoring("lab", [Watched("a", ("a",), ()), Watched("b", ("b",), (Monitored("b"),))])
    assert [*made.files] == ["prometheus.yml"]
    assert data(made, "prometheus.yml") == {"global": {"external_labels": {"cloud": "lab"}}, "scrape_configs": []}
