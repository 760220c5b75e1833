from __future__ import annotations

from typing import Any

import pytest

from saltern.base.errors import FormulaError
from saltern.formulas.monitoring import Alert, Blackbox, Endpoint, Job, Monitored, Recording, read_monitored


def read(**server: Any) -> tuple[Monitored, ...]:
    return read_monitored("web1.example", {"web": {"prometheus": {"server": server}}, "db": {"container": {}}})


def test_all_that_a_formula_can_say() -> None:
    static = {
        "web": {
            "endpoint": [{"port": "80"}, {"address": "10.0.0.1", "port": 81}],
            "scheme": "https",
            "metrics_path": "/m",
            "honor_labels": True,
            "scrape_interval": "1m30s",
            "scrape_timeout": "500ms",
        },
        "page": {"endpoint": [{"port": 80}], "blackbox": {"module": "http_2xx", "path": "/", "hostname": "web"}},
        "old": {"enabled": False, "endpoint": [{"port": 1}]},
    }
    alert = {
        "Down": {
            "if": "up == 0\n  and\n  1 == 1\n",
            "for": "2m",
            "labels": {"severity": "critical", "level": 1, "page": True},
            "annotations": {"summary": "{{ $labels.node }}"},
        },
        "At once": {"if": "up == 0"},
        "Old": {"if": "up == 1", "enabled": False},
    }
    recording = {"web:up": {"query": "sum(up)", "labels": {"a": "b"}}}
    web = Job("web", "https", "/m", honor_labels=True, scrape_interval="1m30s", scrape_timeout="500ms")
    assert read(alert=alert, recording=recording, target={"static": static}) == (
        Monitored(
            "web",
            (
                Endpoint(Job("page", blackbox=Blackbox("http_2xx", "/", "web")), 80),
                Endpoint(web, 80),
                Endpoint(web, 81, "10.0.0.1"),
            ),
            (
                Alert("At once", "up == 0"),
                Alert(
                    "Down",
                    "up == 0 and 1 == 1",
                    "2m",
                    (("level", "1"), ("page", "true"), ("severity", "critical")),
                    (("summary", "{{ $labels.node }}"),),
                ),
            ),
            (Recording("web:up", "sum(up)", (("a", "b"),)),),
        ),
    )


@pytest.mark.parametrize("server", [{}, {"alert": None, "recording": None, "target": None}, {"target": {"static": None}}])
def test_a_formula_may_say_nothing(server: dict[str, Any]) -> None:
    assert read(**server) == (Monitored("web"),)


def test_most_formulas_have_nothing_of_the_kind() -> None:
    assert read_monitored("n", {"web": {"prometheus": None}, "db": {}}) == ()


@pytest.mark.parametrize(
    ("server", "where"),
    [
        ({"alerts": {}}, "server: Additional properties are not allowed ('alerts' was unexpected)"),
        ({"alert": {"A": {"expr": "up"}}}, "server:alert:A: "),
        ({"alert": {"A": {"if": ""}}}, "server:alert:A:if: "),
        ({"alert": {"A": {"if": "up", "for": "2 minutes"}}}, "server:alert:A:for: "),
        ({"alert": {"A": {"if": "up", "labels": {"a-b": "c"}}}}, "server:alert:A:labels: "),
        ({"recording": {"a-b": {"query": "up"}}}, "server:recording: "),
        ({"recording": {"a": {"if": "up"}}}, "server:recording:a: "),
        ({"target": {"kubernetes": {}}}, "server:target: "),
        ({"target": {"static": {"a": {}}}}, "server:target:static:a: 'endpoint' is a required property"),
        ({"target": {"static": {"a": {"endpoint": [{"port": 0}]}}}}, "server:target:static:a:endpoint:0:port: "),
        ({"target": {"static": {"a": {"endpoint": [], "blackbox": {}}}}}, "server:target:static:a:blackbox: "),
        (
            {"target": {"static": {"a": {"endpoint": [], "blackbox": {"module": "m"}, "metrics_path": "/m"}}}},
            "server:target:static:a: metrics_path and blackbox do not go together",
        ),
    ],
)
def test_what_has_no_meaning_is_refused(server: dict[str, Any], where: str) -> None:
    with pytest.raises(FormulaError) as caught:
        read(**server)
    briefs = [problem.brief for problem in caught.value.problems]
    assert any(brief.startswith(f"web/meta/prometheus.yml, rendered for web1.example: {where}") for brief in briefs), briefs


def test_all_problems_at_once() -> None:
    raw = {name: {"prometheus": {"server": {"alert": {"A": {}, "B": {"if": 1}}}}} for name in ("db", "web")}
    with pytest.raises(FormulaError) as caught:
        read_monitored("n", raw)
    assert len(caught.value.problems) == 4
