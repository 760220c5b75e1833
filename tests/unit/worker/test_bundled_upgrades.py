"""The upgrade rules of the bundled formulas, rendered by Salt: what Debian 12, 13 and versions beside them mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from saltern.formulas.metadata import read_metadata
from saltern.formulas.upgrades import Upgrade, read_upgrades
from saltern.plan.upgrade import Verdict, judge

from .conftest import Formula

BUNDLED = Path(__file__).parents[3] / "formulas"
DATABASE = {"host": "mariadb", "name": "x", "user": "x", "password": "x"}
PILLARS: dict[str, Any] = {
    "mariadb": {"server": {"enabled": True}},
    "rabbitmq": {"server": {"enabled": True}},
    "memcached": {"server": {"enabled": True}},
    "libvirt": {"server": {"enabled": True}},
    "keystone": {"server": {"enabled": True, "database": DATABASE}},
    "glance": {"server": {"enabled": True, "database": DATABASE, "identity": {**DATABASE, "tenant": "service"}}},
    "placement": {"server": {"enabled": True, "database": DATABASE, "identity": {**DATABASE, "tenant": "service"}}},
    "nova": {"controller": {"enabled": True, "database": DATABASE, "identity": {**DATABASE, "tenant": "service"}}},
    "neutron": {
        "server": {
            "enabled": True,
            "database": DATABASE,
            "identity": {**DATABASE, "tenant": "service"},
            "backend": {"host": "ovn"},
        }
    },
    "ovn": {"central": {"enabled": True}},
    "openvswitch": {"switch": {"enabled": True}},
    "cinder": {"controller": {"enabled": True, "database": DATABASE, "identity": {**DATABASE, "tenant": "service"}}},
    "heat": {"server": {"enabled": True, "database": DATABASE, "identity": {**DATABASE, "tenant": "service"}}},
    "barbican": {
        "server": {
            "enabled": True,
            "crypto": {"encryption_key": "x"},
            "database": DATABASE,
            "identity": {**DATABASE, "tenant": "service"},
        }
    },
    "horizon": {"server": {"enabled": True, "identity": DATABASE, "cache": {"members": [{"host": "memcached"}]}}},
}


def rules(formula: Formula, name: str) -> Upgrade:
    bundled = Formula(formula.worker, BUNDLED / name, {name: PILLARS[name]})
    low = bundled.compile(name, kinds=("container", "upgrade"))
    (found,) = read_upgrades("node", read_metadata("node", low.metadata).raw)
    return found


@pytest.mark.parametrize(
    ("name", "old", "new", "verdict", "way"),
    [
        ("mariadb", "1:10.11.19-0+deb12u1", "1:11.8.6-0+deb13u1", Verdict.DOCUMENTED, ""),
        ("mariadb", "1:11.8.6-0+deb13u1", "1:10.11.19-0+deb12u1", Verdict.DOWNGRADE, ""),
        ("mariadb", "1:11.8.6-0+deb13u1", "1:11.8.7-0+deb13u1", Verdict.FREE, ""),
        (
            *("rabbitmq", "3.10.8-1.1+deb12u1", "4.0.5-8", Verdict.FRESH),
            "3.11 (3.11.18 or newer) → 3.12 → 3.13 → 4.0",
        ),
        ("rabbitmq", "4.0.5-8", "3.10.8-1.1+deb12u1", Verdict.FRESH, ""),
        ("rabbitmq", "3.12.1-1", "3.13.7-1", Verdict.DOCUMENTED, ""),
        ("memcached", "1.6.18-1+deb12u1", "1.6.38-1", Verdict.FREE, ""),
        ("memcached", "1.6.38-1", "2.0.0-1", Verdict.DOCUMENTED, ""),
        ("libvirt", "9.0.0-4+deb12u2", "11.3.0-3+deb13u2", Verdict.DOCUMENTED, ""),
        ("libvirt", "11.3.0-3+deb13u2", "9.0.0-4+deb12u2", Verdict.DOWNGRADE, ""),
        ("keystone", "2:22.0.2-0+deb12u1", "2:27.0.0-3+deb13u6", Verdict.TESTED, "2023.1 → 2024.1 → 2025.1"),
        ("keystone", "2:27.0.0-3+deb13u6", "2:22.0.2-0+deb12u1", Verdict.DOWNGRADE, "before-contract"),
        ("keystone", "2:22.0.2-1", "2:23.0.0-1", Verdict.DOCUMENTED, ""),
        ("keystone", "2:23.0.0-1", "2:27.0.0-1", Verdict.FORBIDDEN, "2024.1 → 2025.1"),
        ("keystone", "2:24.0.0-1", "2:27.0.0-1", Verdict.FORBIDDEN, "2024.1 → 2025.1"),
        ("glance", "2:25.1.0-2+deb12u1", "2:30.0.0-3+deb13u2", Verdict.TESTED, "2023.1 → 2024.1 → 2025.1"),
        ("glance", "2:28.0.0-1", "2:30.0.0-1", Verdict.DOCUMENTED, ""),
        ("placement", "8.0.0-2", "13.0.0-1", Verdict.TESTED, "2023.1 → 2024.1 → 2025.1"),
        ("placement", "8.0.0-2", "9.0.0-1", Verdict.DOCUMENTED, ""),
        ("nova", "2:26.2.2-1~deb12u5", "2:31.0.0-6+deb13u3", Verdict.TESTED, "2023.1 → 2024.1 → 2025.1"),
        ("nova", "2:31.0.0-6+deb13u3", "2:26.2.2-1~deb12u5", Verdict.DOWNGRADE, ""),
        ("nova", "2:29.0.0-1", "2:31.0.0-1", Verdict.DOCUMENTED, ""),
        ("neutron", "2:21.0.0-7+deb12u1", "2:26.0.3-0+deb13u3", Verdict.TESTED, "2023.1 → 2024.1 → 2025.1"),
        ("neutron", "2:26.0.3-0+deb13u3", "2:21.0.0-7+deb12u1", Verdict.DOWNGRADE, "before-contract"),
        ("ovn", "23.03.1-1~deb12u2", "25.03.0-1", Verdict.DOCUMENTED, ""),
        ("ovn", "25.03.0-1", "25.03.1-1", Verdict.FREE, ""),
        ("ovn", "25.03.0-1", "23.03.1-1~deb12u2", Verdict.DOWNGRADE, ""),
        ("openvswitch", "3.1.0-2+deb12u1", "3.5.0-1+b1", Verdict.FREE, ""),
        ("cinder", "2:21.3.1-1~deb12u1", "2:26.0.0-2", Verdict.TESTED, "2023.1 → 2024.1 → 2025.1"),
        ("cinder", "2:21.3.1-1", "2:22.0.0-1", Verdict.DOCUMENTED, ""),
        ("cinder", "2:26.0.0-2", "2:21.3.1-1~deb12u1", Verdict.DOWNGRADE, ""),
        ("heat", "1:19.0.0-3", "1:24.0.0-2", Verdict.TESTED, "2023.1 → 2024.1 → 2025.1"),
        ("heat", "1:22.0.0-1", "1:24.0.0-2", Verdict.DOCUMENTED, ""),
        ("barbican", "1:15.0.1-2", "1:20.0.0-3", Verdict.TESTED, "2023.1 → 2024.1 → 2025.1"),
        ("barbican", "1:18.0.0-1", "1:20.0.0-3", Verdict.DOCUMENTED, ""),
        ("barbican", "1:20.0.0-3", "1:15.0.1-2", Verdict.DOWNGRADE, ""),
        ("horizon", "3:23.0.0-5+deb12u2", "3:25.3.0-3+deb13u1", Verdict.TESTED, "2023.1 → 2024.1 → 2025.1"),
        ("horizon", "3:24.0.0-1", "3:25.3.0-1", Verdict.DOCUMENTED, ""),
        ("horizon", "3:25.3.0-3+deb13u1", "3:25.3.1-1", Verdict.FREE, ""),
    ],
)
def test_debian_12_to_13(formula: Formula, name: str, old: str, new: str, verdict: Verdict, way: str) -> None:
    jump = judge(rules(formula, name), old, new)
    assert (jump.verdict, jump.way) == (verdict, way)
    assert jump.source or verdict is Verdict.FREE


@pytest.mark.parametrize("name", PILLARS)
def test_what_contracts_is_only_in_the_contract_stage(formula: Formula, name: str) -> None:
    found = rules(formula, name)
    before = [word for stage in ("check", "expand", "migrate") for one in found.stage(stage) for word in one.command]
    contract = [one.command[-1].strip("-") for one in found.stage("contract")]
    # a schema that is never contracted is synced as a whole
    assert not [word for word in before if "contract" in word or (contract and word in ("sync", "db_sync "))]
    assert contract == (["contract"] if name in ("keystone", "glance", "neutron") else [])


@pytest.mark.parametrize("name", ["keystone", "glance", "neutron"])
def test_states_of_the_schema_say_no_contract(formula: Formula, name: str) -> None:
    low = Formula(formula.worker, BUNDLED / name, {name: PILLARS[name]}).compile(name)
    (state,) = (chunk.raw for chunk in low.chunks if chunk.id == f"{name}_syncdb")
    assert "contract" not in state["name"]
    assert "contract" not in str(state["unless"])
    script = state["env"][0]["SCHEMA"]
    compile(script, "schema.py", "exec")
    assert [line for line in script.splitlines() if "contract" in line and "todo" in line and "#" not in line] == []


def test_placement_goes_before_nova_and_that_before_its_computes(formula: Formula) -> None:
    compute = {**PILLARS["nova"]["controller"], "database": {}}
    bundled = Formula(formula.worker, BUNDLED / "nova", {"nova": {**PILLARS["nova"], "compute": compute}})
    low = bundled.compile("nova", kinds=("container", "upgrade"))
    both = read_upgrades("node", read_metadata("node", low.metadata).raw)
    orders = [one.order for one in (rules(formula, "glance"), rules(formula, "placement"), *both)]
    assert orders == sorted(set(orders))
    assert [one.package for one in both] == ["nova-api", "nova-compute"]
    started = [chunk.raw["name"] for chunk in low.chunks if chunk.raw["fun"] == "running"]
    assert started[0] == "nova-conductor"
    assert started[-2:] == ["nova-api", "nova-compute"]
