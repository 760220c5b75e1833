"""The dashboard in a real browser: an administrator logs in, and sees the cloud. Pictures of it are kept."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from saltern.base.process import LocalRunner
from saltern.images.engine.select import select_engine

from ..cluster.clouds import full
from .browser import browser, fill_in, log_in
from .driver import CACHE, ROOT, Cloud, free_port, substitute

pytestmark = full

PICTURES = CACHE / "artefacts"
"""Of the last run."""
NODES = ("mariadb", "memcached", "rabbitmq", "keystone", "glance", "horizon")
"""Of examples/compute: the dashboard shows services that the catalog has, and here it has two."""
SERVICES = ("keystone", "glance", "horizon")


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    folder = tmp_path_factory.mktemp("horizon")
    ports = {"identity": free_port(), "image": free_port(), "dashboard": free_port()}
    model = shutil.copytree(ROOT / "examples" / "compute", folder / "model")
    for file in (model / "nodes").glob("*.yml"):
        if file.stem not in NODES:
            file.unlink()
    common = model / "classes/cluster/compute/init.yml"
    usual = (("identity", 5000, "keystone"), ("image", 9292, "glance"), ("dashboard", 8080, "horizon"))
    for name, port, node in usual:
        substitute(common, f"${{_param:public_address}}:{port}", f"${{_param:public_address}}:{ports[name]}")
        substitute(model / f"nodes/{node}.yml", f"127.0.0.1:{port}", f"127.0.0.1:{ports[name]}")
    _keep(model / "classes/cluster/compute/keystone.yml", "system.keystone.client.service.")
    _keep(model / "classes/cluster/compute/mariadb.yml", "system.mariadb.server.database.")
    (model / "saltern.yml").write_text("cloud: e2e-horizon\n")
    found = Cloud(
        "e2e-horizon", model, folder / "state", select_engine(LocalRunner(), CACHE / "saltern", "podman"), ports
    )
    found.clean()
    try:
        yield found
    finally:
        found.clean()


def _keep(file: Path, prefix: str) -> None:
    """Of the classes of that kind only those of services that this cloud has."""
    gone = [line for line in file.read_text().splitlines() if prefix in line and not line.endswith(SERVICES)]
    for line in gone:
        substitute(file, f"{line}\n", "")


def test_an_administrator_logs_in_and_sees_images(cloud: Cloud, tmp_path: Path) -> None:
    shown = cloud.saltern("up").stdout
    assert "horizon logged in through the form" in shown
    url = f"http://127.0.0.1:{cloud.ports['dashboard']}"
    with browser(cloud.engine, CACHE, tmp_path / "chromium.log") as page:
        page.visit(f"{url}/auth/login/")
        page.screenshot(PICTURES / "horizon-login.png")
        log_in(page, url, "admin", "example-keystone-admin")
        assert "admin" in page.text()
        page.visit(f"{url}/project/images/")
        page.wait("document.body.innerText.includes('Create Image')")
        page.screenshot(PICTURES / "horizon-images.png")
        page.visit(f"{url}/identity/")
        page.wait("document.body.innerText.includes('service')")
        assert "service users" in page.text()
        page.screenshot(PICTURES / "horizon-projects.png")


def test_a_wrong_password_is_refused(cloud: Cloud, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{cloud.ports['dashboard']}"
    with browser(cloud.engine, CACHE, tmp_path / "chromium.log") as page:
        fill_in(page, url, "admin", "wrong")
        page.wait("document.body.innerText.includes('Invalid credentials')")
