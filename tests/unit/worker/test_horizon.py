"""The dashboard's settings as Salt renders them: they are Python, whatever the pillar has in its values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from saltern.formulas.metadata import read_metadata

from .conftest import Formula

ROOT = Path(__file__).parents[3] / "formulas" / "horizon"
SECRET = 'it\'s a "secret" \\ \U0001f511 {{ x }} %s'
SERVER: dict[str, Any] = {
    "enabled": True,
    "secret_key": SECRET,
    "bind": {"port": 80, "public_url": "http://cloud.example:8080"},
    "identity": {"host": "keystone", "user": "horizon", "password": SECRET, "tenant": "service"},
    "cache": {"members": [{"host": "cache-1"}, {"host": "cache-2", "port": 11212}]},
}


def node(formula: Formula, **values: Any) -> Formula:
    pillar = {"horizon": {"server": {**SERVER, **values}}}
    return Formula(formula.worker, formula.root, pillar, {"host": "horizon"}, more_roots=(ROOT,))


def settings(formula: Formula, file: str, **values: Any) -> dict[str, Any]:
    """What a settings file defines."""
    text = f"{{%- set text %}}{{% include 'horizon/files/{file}' %}}{{% endset %}}"
    one = node(formula, **values)
    one.write({"shown/init.sls": text + "shown:\n  test.nop:\n  - text: {{ text | json }}\n"})
    (chunk,) = one.compile("shown").chunks
    found: dict[str, Any] = {"__file__": "/etc/openstack-dashboard/local_settings.py"}
    exec(compile(chunk.raw["text"], file, "exec"), found)
    return found


def test_values_stay_what_they_are(formula: Formula) -> None:
    more = {
        "AVAILABLE_REGIONS": [["http://a/v3", "A"]],
        "IMAGES_LIST_FILTER_TENANTS": None,
        "SHOW_KEYSTONE_V2_RC": False,
    }
    found = settings(formula, "local_settings.py", settings=more)
    assert found["SECRET_KEY"] == SECRET
    assert found["ALLOWED_HOSTS"] == ["cloud.example", "horizon", "127.0.0.1"]
    assert found["OPENSTACK_KEYSTONE_URL"] == "http://keystone:5000/v3"
    assert {name: found[name] for name in more} == more
    assert "SECURE_PROXY_SSL_HEADER" not in found


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("https://cloud.example", ["cloud.example", "shop", "horizon", "127.0.0.1"]),
        ("https://10.0.0.1:8443/", ["10.0.0.1", "shop", "horizon", "127.0.0.1"]),
    ],
)
def test_cookies_are_for_tls_where_users_have_it(formula: Formula, url: str, hosts: list[str]) -> None:
    found = settings(formula, "local_settings.py", bind={"port": 80, "public_url": url}, allow_hosts=["shop"])
    assert found["ALLOWED_HOSTS"] == hosts
    assert found["SESSION_COOKIE_SECURE"] is found["CSRF_COOKIE_SECURE"] is True


def test_sessions_are_in_all_caches(formula: Formula) -> None:
    caches = settings(formula, "cache.py")["CACHES"]
    assert caches["default"]["LOCATION"] == ["cache-1:11211", "cache-2:11212"]


def test_parts_of_pages_are_not_shared_between_releases(formula: Formula) -> None:
    assert "LOCATION" not in settings(formula, "cache.py")["CACHES"]["template_fragments"]


@pytest.mark.parametrize(("port", "capabilities"), [(80, ("NET_BIND_SERVICE",)), (8080, ())])
def test_it_needs_no_root(formula: Formula, port: int, capabilities: tuple[str, ...]) -> None:
    low = node(formula, bind={"port": port}).compile("horizon", kinds=("container", "verify"))
    found = read_metadata("node", low.metadata)
    apache = found.processes["apache2"]
    assert (apache.user, apache.capabilities, apache.ports) == ("www-data", capabilities, (port,))
    assert not found.endpoints
    (check,) = found.checks
    assert SECRET not in " ".join(check.command)
