"""What formulas tell Prometheus, as values."""

from __future__ import annotations

from typing import Any

import pytest

from saltern.base.errors import FormulaError
from saltern.formulas.monitors import Job, Monitor, Place, Rule, read_monitors

ALERT = {"if": "up == 0\n  and true", "for": "2m", "labels": {"b": "2", "a": "1"}, "annotations": {"summary": "gone"}}


def test_a_monitor() -> None:
    static = {
        "web": {"endpoint": [{"port": "80", "path": "/ok"}], "probe": "http_2xx", "scrape_interval": "30s"},
        "db": {"endpoint": [{"address": "db.example", "port": 9104}], "scheme": "https", "metrics_path": "/m"},
    }
    server = {"target": {"static": static}, "alert": {"Gone": ALERT}, "recording": {"job:up": {"query": "sum(up)"}}}
    raw = {"web": {"prometheus": {"server": server}}, "old": {"prometheus": None}, "none": {}}
    assert read_monitors("n", raw) == (
        Monitor(
            "web",
            (
                Job("db", (Place(9104, "db.example"),), scheme="https", metrics_path="/m"),
                Job("web", (Place(80, path="/ok"),), probe="http_2xx", scrape_interval="30s"),
            ),
            (
                Rule("Gone", "up == 0 and true", "2m", (("a", "1"), ("b", "2")), (("summary", "gone"),)),
                Rule("job:up", "sum(up)", recorded=True),
            ),
        ),
    )


def test_nothing_is_told() -> None:
    assert read_monitors("n", {"a": {"prometheus": {"server": None}}}) == (Monitor("a", (), ()),)


@pytest.mark.parametrize(
    ("server", "said"),
    [
        ({"alert": {"Gone": {"if": "up == 0"}}}, "server:alert:Gone: 'annotations' is a required property"),
        ({"alert": {"Gone": {**ALERT, "for": "two minutes"}}}, "server:alert:Gone:for: 'two minutes' does not match"),
        ({"target": {"static": {"a": {"endpoint": []}}}}, "server:target:static:a:endpoint: "),
        ({"targets": {}}, "server: Additional properties are not allowed ('targets' was unexpected)"),
    ],
)
def test_what_is_wrong_is_told(server: dict[str, Any], said: str) -> None:
    with pytest.raises(FormulaError) as caught:
        read_monitors("n", {"web": {"prometheus": {"server": server}}, "b": {"prometheus": {"server": {"x": 1}}}})
    briefs = [problem.brief for problem in caught.value.problems]
    assert briefs[0].startswith("b/meta/prometheus.yml, rendered for n: server: ")
    assert f"web/meta/prometheus.yml, rendered for n: {said}" in briefs[1]
