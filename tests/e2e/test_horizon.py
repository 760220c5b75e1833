"""The dashboard in a real browser: an administrator logs in, and sees the cloud. Pictures of it are kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from saltern.base.process import LocalRunner
from saltern.images.engine.select import select_engine

from ..cluster.clouds import full
from .browser import browser, fill_in, log_in
from .driver import CACHE, Cloud, free_port
from .whole import part, publish

pytestmark = full

PICTURES = CACHE / "artefacts"
"""Of the last run."""
SERVICES = ("keystone", "glance", "horizon")
"""The dashboard shows services that the catalog has, and here it has two."""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    folder = tmp_path_factory.mktemp("horizon")
    model = part(folder, SERVICES)
    ports = publish(model, lambda usual: free_port())
    (model / "saltern.yml").write_text("cloud: e2e-horizon\n")
    found = Cloud(
        "e2e-horizon", model, folder / "state", select_engine(LocalRunner(), CACHE / "saltern", "podman"), ports
    )
    found.clean()
    try:
        yield found
    finally:
        found.clean()


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
