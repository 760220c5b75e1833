"""Secrets of users in Barbican: who may store and read them, and that they are still there after a release."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from saltern.base.process import LocalRunner
from saltern.images.engine.select import select_engine

from ..cluster.clouds import full
from .driver import CACHE, Cloud, eventually, free_port, substitute
from .whole import COMMON, part, publish

pytestmark = [full, pytest.mark.filterwarnings("ignore")]  # openstacksdk's own

OWN = "classes/cluster/compute/barbican.yml"
TEXT = "correct horse battery staple"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    folder = tmp_path_factory.mktemp("barbican")
    model = part(folder, ("keystone", "barbican"))
    ports = publish(model, lambda usual: free_port())
    (model / "saltern.yml").write_text("cloud: e2e-barbican\n")
    engine = select_engine(LocalRunner(), CACHE / "saltern", "podman")
    found = Cloud("e2e-barbican", model, folder / "state", engine, ports)
    with found.brought_up():
        yield found


def connected(cloud: Cloud, name: str, password: str, project: str) -> Any:
    """openstacksdk from this machine."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import openstack  # noqa: PLC0415 - it warns when it is imported

        return openstack.connect(
            auth_url=f"http://127.0.0.1:{cloud.ports['identity']}/v3",
            username=name,
            password=password,
            project_name=project,
            user_domain_id="default",
            project_domain_id="default",
            region_name="RegionOne",
            # Keystone closes a connection after each answer, and does not say so
            connect_retries=5,
        )


def admin(cloud: Cloud, project: str = "admin") -> Any:
    return connected(cloud, "admin", "example-keystone-admin", project)


def user(cloud: Cloud, role: str) -> Any:
    """The key manager as a user who has one role in the project "secrets"."""
    identity, name = admin(cloud).identity, f"{role}-only"
    project = identity.find_project("secrets") or identity.create_project(name="secrets", domain_id="default")
    made = identity.find_user(name) or identity.create_user(name=name, password="password", domain_id="default")
    identity.assign_project_role_to_user(project, made, identity.find_role(role))
    return connected(cloud, name, "password", "secrets").key_manager


def stored(manager: Any) -> int:
    """With what it answers who wants to store a secret."""
    secret = {"name": "of-a-test", "payload": TEXT, "payload_content_type": "text/plain"}
    return int(manager.post("/secrets", json=secret).status_code)


def may_store(cloud: Cloud) -> set[str]:
    answers = {role: stored(user(cloud, role)) for role in ("creator", "observer", "audit", "member", "reader")}
    assert set(answers.values()) == {201, 403}
    return {role for role, answer in answers.items() if answer == 201}


def read(manager: Any) -> list[str]:
    """All secrets that a user sees."""
    paths = [f"/secrets/{secret.secret_ref.rpartition('/')[2]}/payload" for secret in manager.secrets()]
    return [manager.get(path, headers={"Accept": "text/plain"}).text for path in paths]


def test_a_secret_is_stored_and_read_under_the_public_address(cloud: Cloud) -> None:
    assert "stored, read, deleted; a key made and deleted" in cloud.saltern("verify", "barbican").stdout
    manager = admin(cloud).key_manager
    secret = manager.create_secret(name="a", payload=TEXT, payload_content_type="text/plain")
    assert secret.secret_ref.startswith(f"http://127.0.0.1:{cloud.ports['key-manager']}/v1/secrets/")
    assert manager.get_secret(secret.secret_ref.rpartition("/")[2]).payload == TEXT


def test_who_may_store_a_secret(cloud: Cloud) -> None:
    assert may_store(cloud) == {"creator"}
    assert read(user(cloud, "observer")) == [TEXT]
    assert stored(connected(cloud, "barbican", "example-keystone-barbican", "service").key_manager) == 201


def test_secrets_of_a_deleted_project_go_with_it(cloud: Cloud) -> None:
    identity = admin(cloud).identity
    project = identity.create_project(name="gone", domain_id="default")
    identity.assign_project_role_to_user(project, identity.find_user("admin"), identity.find_role("admin"))
    assert stored(admin(cloud, "gone").key_manager) == 201
    query = (
        "SELECT COUNT(*) FROM secrets JOIN projects ON projects.id = secrets.project_id"
        f" WHERE NOT secrets.deleted AND projects.external_id = '{project.id}'"
    )

    def count() -> int:
        return int(cloud.call("exec", "e2e-barbican-mariadb", "mariadb", "-BN", "barbican", "-e", query))

    assert count() == 1
    identity.delete_project(project)
    assert eventually(lambda: count() == 0)


def test_users_may_be_asked_by_the_new_policies(cloud: Cloud) -> None:
    with (cloud.model / OWN).open("a") as file:
        file.write("parameters: {barbican: {server: {policy: {new_defaults: true}}}}\n")
    cloud.saltern("apply", "--yes")
    assert may_store(cloud) == {"member"}
    substitute(cloud.model / OWN, "new_defaults: true", "new_defaults: false")
    cloud.saltern("apply", "--yes")
    assert may_store(cloud) == {"creator"}


def test_secrets_are_there_after_a_release(cloud: Cloud) -> None:
    before = (read(admin(cloud).key_manager), read(user(cloud, "observer")))
    substitute(cloud.model / COMMON, "openstack_version: zed", "openstack_version: '2025.1'")
    cloud.saltern("build")  # for itself: each command has its time
    assert "stored, read, deleted; a key made and deleted" in cloud.saltern("apply", "--yes").stdout
    assert (read(admin(cloud).key_manager), read(user(cloud, "observer"))) == before
    assert may_store(cloud) == {"creator"}


def test_another_key_takes_the_place_of_the_one_before(cloud: Cloud) -> None:
    before = read(user(cloud, "observer"))
    passwords = cloud.model / "classes/cluster/compute/passwords.yml"
    old, new = "ZXhhbXBsZS1iYXJiaWNhbi1rZXktb2YtMzItYnl0ZXM=", "YW5vdGhlci1rZXktb2YtYS10ZXN0LW9mLTMyLWJ5dGU="
    substitute(passwords, old, new)
    substitute(cloud.model / OWN, "{policy:", f"{{crypto: {{old_encryption_key: [{old}]}}, policy:")
    assert new not in cloud.saltern("plan").stdout
    cloud.saltern("apply", "--yes")
    cloud.call("exec", "e2e-barbican-barbican-barbican-api", "barbican-manage", "simple_crypto", "rewrap_pkek")
    substitute(cloud.model / OWN, f"crypto: {{old_encryption_key: [{old}]}}, ", "")
    cloud.saltern("apply", "--yes")
    assert read(user(cloud, "observer")) == before
