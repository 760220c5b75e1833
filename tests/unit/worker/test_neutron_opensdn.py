"""OpenSDN as what makes Neutron's networks, on a node that has both formulas. Nothing of it was run."""

from __future__ import annotations

from configparser import RawConfigParser
from pathlib import Path
from typing import Any

import pytest

from saltern.base.process import LocalRunner
from saltern.formulas.metadata import read_metadata
from saltern.formulas.schemas import load_schemas
from saltern.formulas.sources import Formula as Source
from saltern.formulas.upgrades import read_upgrades
from saltern.formulas.worker import Worker
from saltern.images.toolchain import local_site_packages
from saltern.phases import Phase
from saltern.project.checking import check
from saltern.project.compiling import Compiled, compile_members
from saltern.project.context import Options, Project, open_project
from saltern.project.rendering import needs_of
from tests.trees import write_tree

from .conftest import CACHE, Formula

FORMULAS = Path(__file__).parents[3] / "formulas"
PLUGIN = "/etc/neutron/plugins/opencontrail/ContrailPlugin.ini"
CORE = "neutron_plugin_contrail.plugins.opencontrail.contrail_plugin.NeutronPluginContrailCoreV2"
PASSWORDS = ("keystone_neutron", "keystone_opensdn", "mysql_neutron", "rabbitmq_openstack")
COMMON = {
    **{f"{name}_password": "example" for name in PASSWORDS},
    **{f"{name}_host": name for name in ("cache", "database", "keystone", "message_queue", "neutron")},
    "openstack_version": "zed",
    "openstack_region": "RegionOne",
    "keystone_public_url": "http://keystone:5000/v3",
}
MODEL = {
    "saltern.yml": "cloud: sdn\ncheck: {allow: [{kind: plain-secret, files: classes/all.yml, reason: a test}]}\n",
    "classes/all.yml": f"parameters:\n  _param: {COMMON}\n  saltern: {{base: debian-12}}\n",
    "nodes/neutron.yml": "classes: [all, service.neutron.server.single, service.opensdn.plugin.single]\n",
    "nodes/opensdn-config.yml": "classes: [all, service.opensdn.config.single]\n",
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("opensdn")
    local_site_packages(LocalRunner(), CACHE)
    (folder / "cache").mkdir()
    (folder / "cache" / "toolchain").symlink_to(CACHE / "toolchain")
    write_tree(folder / "model", MODEL)
    return open_project(folder / "model", Options(worker="local", cache=folder / "cache", state=folder / "state"))


@pytest.fixture(scope="module")
def compiled(project: Project) -> dict[str, Compiled]:
    return {one.member.name: one for one in compile_members(project)}


def neutron(project: Project, worker: Worker, release: int = 12, **backend: Any) -> Formula:
    """The node with both formulas, on a release of Debian; ``backend`` is more of neutron:server:backend."""
    pillar: dict[str, Any] = dict(project.member("neutron").pillar)
    server = pillar["neutron"]["server"]
    pillar["neutron"] = {"server": {**server, "backend": {**server["backend"], **backend}}}
    grains = {"os_family": "Debian", "os": "Debian", "osmajorrelease": release, "host": "neutron"}
    return Formula(worker, FORMULAS / "neutron", pillar, grains, more_roots=(FORMULAS / "opensdn",))


def test_the_model_has_no_problem(project: Project) -> None:
    assert check(project).warnings == ()


def test_neutron_is_told_of_the_plugin(project: Project, worker: Worker, tmp_path: Path) -> None:
    parser = RawConfigParser(strict=True)
    parser.read_string(neutron(project, worker).file(tmp_path, "neutron/files/neutron.conf"))
    assert parser.get("DEFAULT", "core_plugin") == CORE
    assert parser.get("DEFAULT", "service_plugins") == ""
    assert parser.get("DEFAULT", "api_extensions_path").endswith("/neutron_plugin_contrail/extensions")
    assert parser.get("quotas", "quota_driver").endswith(".QuotaDriver")


@pytest.mark.parametrize("engine", ["ovn", "linuxbridge"])
def test_others_have_ml2(project: Project, worker: Worker, tmp_path: Path, engine: str) -> None:
    formula = neutron(project, worker)
    backend = {"engine": engine, "host": "ovn"}
    formula.pillar["neutron"]["server"]["backend"] = backend
    parser = RawConfigParser(strict=True)
    parser.read_string(formula.file(tmp_path, "neutron/files/neutron.conf"))
    assert parser.get("DEFAULT", "core_plugin") == "ml2"
    assert not parser.has_option("DEFAULT", "api_extensions_path")
    assert not parser.has_option("quotas", "quota_driver")
    assert "ml2_conf.ini" in formula.file(tmp_path, "neutron/files/default")


@pytest.mark.parametrize(
    ("release", "file", "line"),
    [
        (12, "default", f'DAEMON_ARGS="--config-file=/etc/neutron/neutron.conf --config-file={PLUGIN}"'),
        (13, "neutron-api-uwsgi.ini", f"env = OS_NEUTRON_CONFIG_FILES=/etc/neutron/neutron.conf;{PLUGIN}"),
    ],
)
def test_the_server_reads_the_plugins_file(
    project: Project, worker: Worker, tmp_path: Path, release: int, file: str, line: str
) -> None:
    assert line in neutron(project, worker, release).file(tmp_path, f"neutron/files/{file}").splitlines()


@pytest.mark.parametrize("release", [12, 13])
def test_the_plugin_comes_between_neutrons_packages_and_its_schema(
    project: Project, worker: Worker, release: int
) -> None:
    low = neutron(project, worker, release).compile("neutron", "opensdn", kinds=("container", "upgrade"))
    ids = [chunk.id for chunk in low.chunks]
    order = ("neutron_packages", "opensdn_plugin_config", "neutron_syncdb", "neutron_service")
    assert sorted(order, key=ids.index) == list(order)
    assert "neutron_ml2" not in ids
    states = {chunk.id: chunk.raw for chunk in low.chunks}
    assert {"file": "opensdn_plugin_config"} in states["neutron_service"]["watch"]
    assert states["neutron_syncdb"]["env"][-1] == {"PLUGIN": PLUGIN}
    assert "ovn" not in str([raw["name"] for raw in states.values() if raw["state"] == "pkg"])
    assert set(read_metadata("neutron", low.metadata).processes) == {"neutron-api"}


def test_the_plugins_file_is_no_part_of_the_image(compiled: dict[str, Compiled]) -> None:
    split = compiled["neutron"].split
    assert "opensdn_plugin_packages" in {chunk.id for chunk in split.of(Phase.BUILD)}
    assert "opensdn_plugin_config" in {chunk.id for chunk in split.of(Phase.CONFIG)}
    assert [chunk.id for chunk in split.of(Phase.BOOTSTRAP)] == ["neutron_syncdb"]


def test_opensdns_api_comes_first(compiled: dict[str, Compiled]) -> None:
    assert needs_of(compiled.values())["neutron"] == ("opensdn-config",)
    connects = {(one.host, one.port) for one in compiled["neutron"].metadata.connects}
    assert ("opensdn-config", 8082) in connects
    assert not [host for host, _ in connects if host == "ovn"]


def test_neutron_is_upgraded_after_opensdns_api(compiled: dict[str, Compiled]) -> None:
    order = {rules.name: rules.order for one in compiled.values() for rules in read_upgrades("node", one.metadata.raw)}
    assert order["opensdn-config"] < order["neutron"]
    (rules,) = read_upgrades("neutron", compiled["neutron"].metadata.raw)
    assert all(PLUGIN in stage.command for name in ("expand", "contract") for stage in rules.stage(name))


@pytest.mark.parametrize("missing", ["core_plugin", "config_file", "host"])
def test_a_backend_that_says_too_little_is_refused(project: Project, missing: str) -> None:
    schemas, _ = load_schemas([Source("neutron", FORMULAS / "neutron")])
    (schema,) = (one for one in schemas if one.path == ("neutron", "server"))
    server = project.member("neutron").pillar["neutron"]["server"]
    assert list(schema.validator.iter_errors(server)) == []
    backend = {key: value for key, value in server["backend"].items() if key != missing}
    (error,) = schema.validator.iter_errors({**server, "backend": backend})
    assert missing in error.message
