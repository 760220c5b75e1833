"""What the bundled formulas tell Prometheus, as its own tool takes it: configuration, rules, and when they fire."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.prometheus import promtool

EXAMPLES = Path(__file__).parents[2] / "examples"
SALTERN = Path(sys.executable).parent / "saltern"
JOBS = {
    "cinder",
    "glance",
    "heat",
    "horizon",
    "keystone",
    "mariadb",
    "memcached",
    "neutron",
    "nova",
    "ovn",
    "placement",
}
"""Services that are probed in both examples."""


@pytest.fixture(scope="module", params=["compute", "ha"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prometheus' files about one of the examples."""
    made = tmp_path_factory.mktemp("prometheus") / "cloud"
    words = ("--target", "prometheus", str(made), "--model", str(EXAMPLES / request.param), "--worker", "local")
    subprocess.run((str(SALTERN), "render", *words), check=True, capture_output=True, timeout=300)
    return made


def tool(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run((str(promtool()), *words), capture_output=True, text=True, check=False, timeout=60)


def test_prometheus_takes_it(folder: Path) -> None:
    done = tool("check", "config", str(folder / "prometheus.yml"))
    assert done.returncode == 0, done.stdout + done.stderr
    scraped = yaml.safe_load((folder / "prometheus.yml").read_text())["scrape_configs"]
    assert {one["job_name"] for one in scraped} >= JOBS


def test_each_rule_is_about_a_job_that_there_is(folder: Path) -> None:
    jobs = {one["job_name"] for one in yaml.safe_load((folder / "prometheus.yml").read_text())["scrape_configs"]}
    for file in sorted((folder / "rules").iterdir()):
        for rule in yaml.safe_load(file.read_text())["groups"][0]["rules"]:
            assert any(f'job="{job}"' in rule["expr"] for job in jobs), f"{file.name}: {rule['expr']}"


def test_an_alarm_is_raised_when_a_replica_or_all_do_not_answer(folder: Path, tmp_path: Path) -> None:
    """Of Keystone: the second replica does not answer from minute 1 on, the first from minute 6 on."""

    def series(instance: str, up: int) -> dict[str, str]:
        name = f'probe_success{{job="keystone",instance="{instance}",cloud="x"}}'
        return {"series": name, "values": " ".join(["1"] * up + ["0"] * (12 - up))}

    def firing(minute: int, *instances: str) -> dict[str, Any]:
        rule = next(one for one in rules if one["alert"] == "KeystoneDown")
        own = {"job": "keystone", "cloud": "x", **rule["labels"]}
        text = rule["annotations"]["description"]
        alerts = [
            {
                "exp_labels": {**own, "instance": one},
                "exp_annotations": {**rule["annotations"], "description": text.replace("{{ $labels.instance }}", one)},
            }
            for one in instances
        ]
        return {"eval_time": f"{minute}m", "alertname": "KeystoneDown", "exp_alerts": alerts}

    def outage(minute: int, *, fires: bool) -> dict[str, Any]:
        rule = next(one for one in rules if one["alert"] == "KeystoneOutage")
        alert = {"exp_labels": {"cloud": "x", **rule["labels"]}, "exp_annotations": rule["annotations"]}
        return {"eval_time": f"{minute}m", "alertname": "KeystoneOutage", "exp_alerts": [alert] if fires else []}

    rules = yaml.safe_load((folder / "rules/keystone.yml").read_text())["groups"][0]["rules"]
    test = {
        "rule_files": [str(folder / "rules/keystone.yml")],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [series("first", 6), series("second", 1)],
                "alert_rule_test": [
                    firing(2),
                    firing(3, "second"),
                    firing(8, "first", "second"),
                    outage(5, fires=False),
                    outage(7, fires=True),
                ],
            }
        ],
    }
    (tmp_path / "test.yml").write_text(yaml.safe_dump(test))
    done = tool("test", "rules", str(tmp_path / "test.yml"))
    assert done.returncode == 0, done.stdout + done.stderr
