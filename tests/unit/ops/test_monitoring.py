"""Prometheus' files about a cloud."""

from __future__ import annotations

from dataclasses import replace

import pytest
import yaml

from saltern.base.errors import FormulaError
from saltern.formulas.monitors import Job, Monitor, Place, Rule
from saltern.ops.monitoring import Watched, files

ALERT = Rule("Gone", 'up{job="web"} == 0', "2m", (("severity", "critical"),), (("summary", "gone"),))
WEB = Watched(
    "web",
    ("web-1", "web-2"),
    (
        Monitor(
            "web",
            (
                Job("web", (Place(9100), Place(9200, "elsewhere"))),
                Job("site", (Place(80, path="/ok"), Place(443)), probe="http_2xx", scrape_interval="30s"),
            ),
            (ALERT, Rule("web:up", "sum(up)", recorded=True)),
        ),
    ),
)
CONFIGURATION = """\
# Made by saltern; edit the model instead.
rule_files:
- rules/*.yml
scrape_configs:
- job_name: site
  scrape_interval: 30s
  metrics_path: /probe
  params:
    module:
    - http_2xx
  static_configs:
  - targets:
    - http://web-1:80/ok
    - http://web-2:80/ok
    - web-1:443
    - web-2:443
    labels:
      cloud: lab
      node: web
  relabel_configs:
  - source_labels:
    - __address__
    target_label: __param_target
  - source_labels:
    - __param_target
    target_label: instance
  - target_label: __address__
    replacement: blackbox:9115
- job_name: web
  scheme: http
  metrics_path: /metrics
  static_configs:
  - targets:
    - web-1:9100
    - web-2:9100
    - elsewhere:9200
    labels:
      cloud: lab
      node: web
"""
RULES = """\
# Made by saltern; edit the model instead.
groups:
- name: web
  rules:
  - alert: Gone
    expr: up{job="web"} == 0
    for: 2m
    labels:
      severity: critical
    annotations:
      summary: gone
  - record: web:up
    expr: sum(up)
"""


def test_the_files_of_a_node() -> None:
    assert files("lab", [WEB], "blackbox:9115") == {"prometheus.yml": CONFIGURATION, "rules/web.yml": RULES}


def test_nodes_of_one_formula_are_targets_of_one_job_and_share_rules() -> None:
    other = replace(WEB, name="ape", hosts=("ape",))
    there, back = files("lab", [WEB, other], "b:1"), files("lab", [other, WEB], "b:1")
    assert there == back
    assert there["rules/web.yml"] == RULES
    site, _ = yaml.safe_load(there["prometheus.yml"])["scrape_configs"]
    assert [one["labels"]["node"] for one in site["static_configs"]] == ["ape", "web"]


def test_a_cloud_without_services_is_watched_in_vain() -> None:
    (text,) = files("lab", [Watched("a", ("a",), ())], "b:1").values()
    assert yaml.safe_load(text) == {"rule_files": ["rules/*.yml"], "scrape_configs": []}


def test_what_is_told_in_two_ways_is_refused() -> None:
    (monitor,) = WEB.monitors
    jobs = (replace(monitor.jobs[0], metrics_path="/other"), monitor.jobs[1])
    other = Watched("zoo", ("zoo",), (replace(monitor, jobs=jobs, rules=(replace(ALERT, after="9m"),)),))
    with pytest.raises(FormulaError) as caught:
        files("lab", [other, WEB], "b:1")
    assert [problem.brief for problem in caught.value.problems] == [
        "job web is told in two ways",
        "alert Gone is told in two ways",
    ]
    assert "rendered for zoo" in caught.value.problems[0].details
