"""Total loss and back: a cloud whose volumes are all gone is the same cloud again after a restore of its backup.

One cloud for the whole module; its tests stand in their order.
"""

from __future__ import annotations

import secrets
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pyrage
import pytest

from saltern.images.engine import Engine
from saltern.ops.backup.instance import LABEL_THROWAWAY

from .driver import Cloud, copy_of_example, free_port
from .test_cloud import client

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # openstacksdk's own
    # what differs between engines is in tests/containers/test_backup.py, with both of them
    pytest.mark.parametrize("engine", ["podman"], indirect=True),
]

ITEMS = {
    "mariadb/databases",
    "rabbitmq/definitions",
    "keystone/fernet-keys",
    "keystone/credential-keys",
    "glance/images",
}
IMAGE, USER = "kept-image", "kept-user"


@pytest.fixture(scope="module")
def lost(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A cloud of its own that is up, with an identity for its backups beside the model."""
    folder = tmp_path_factory.mktemp(f"backup-{engine.name}")
    ports = {"identity": free_port(), "image": free_port()}
    model = copy_of_example(folder / "model", ports)
    name = f"e2e-backup-{engine.name}"
    for file in ("mine.txt", "other.txt"):
        (folder / file).write_text(f"{pyrage.x25519.Identity.generate()}\n")
    mine = pyrage.x25519.Identity.from_str((folder / "mine.txt").read_text().strip()).to_public()
    (model / "saltern.yml").write_text(
        f"cloud: {name}\nengine: {engine.name}\nbackup: {{recipients: [{mine}], keep: 1, folder: {folder}/kept}}\n"
    )
    found = Cloud(name, model, folder / "state", engine, ports)
    found.clean()
    try:
        found.up()
        yield found
    finally:
        found.clean()


@pytest.fixture(scope="module")
def content() -> bytes:
    return secrets.token_bytes(1_500_000)


@pytest.fixture(scope="module")
def before(lost: Cloud, content: bytes) -> dict[str, str]:
    """What the cloud has: the id of an image and of a user, and a token that it issued."""
    connection = client(lost)
    image = connection.image.create_image(
        name=IMAGE, data=content, container_format="bare", disk_format="raw", wait=True, allow_duplicates=True
    )
    user = connection.identity.create_user(name=USER, password="of-the-test")
    return {"image": image.id, "user": user.id, "token": connection.authorize()}


def kept(cloud: Cloud) -> Path:
    return cloud.model.parent / "kept" / cloud.name


def only(cloud: Cloud) -> Path:
    (found,) = kept(cloud).iterdir()
    return found


def identity(cloud: Cloud, file: str) -> tuple[str, str]:
    return "--identity", str(cloud.model.parent / file)


def throwaway(cloud: Cloud) -> tuple[str, ...]:
    return cloud.engine.volumes(f"{LABEL_THROWAWAY}={cloud.name}")


def test_a_backup_is_proven_encrypted_and_changes_nothing(lost: Cloud, before: dict[str, str], content: bytes) -> None:
    running = lost.containers()
    made = lost.saltern("backup", "--json", "--reason", "of the test").json
    assert {f"{item['workload']}/{item['item']}" for item in made["items"]} == ITEMS
    order = [item["workload"] for item in made["items"]]
    assert order.index("mariadb") < order.index("glance")
    assert lost.containers() == running
    assert throwaway(lost) == ()
    folder = only(lost)
    assert Path(made["folder"]) == folder
    files = {path.name: path for path in folder.iterdir()}
    assert all(name.endswith(".age") for name in files if name != "manifest.json"), files
    assert {path.stat().st_mode & 0o077 for path in files.values()} == {0}
    assert content[:64] not in files["glance-images.age"].read_bytes()
    (line,) = lost.saltern("backup", "list", "--check", "--json").json
    assert (line["name"], line["reason"], line["problems"]) == (folder.name, "of the test", [])


def test_a_killed_backup_leaves_no_half_one_and_the_next_one_sweeps(lost: Cloud, before: dict[str, str]) -> None:
    old = only(lost)
    with lost.started("backup") as events:
        assert events.wait_for(lambda event: event["subject"] == "mariadb/databases" and event["state"] == "started")
        events.child.send_signal(signal.SIGKILL)
        events.child.wait(timeout=30)
    (line,) = lost.saltern("backup", "list", "--json").json
    assert line["name"] == old.name
    made = lost.saltern("backup", "keystone", "--json").json
    assert {path.name for path in kept(lost).iterdir()} == {old.name, made["name"]}
    assert throwaway(lost) == ()
    assert not list(lost.own_state.glob(".backup-*"))
    assert (
        lost.saltern("restore", made["name"], "mariadb", "--yes", code=15).stderr.count("has nothing of mariadb") == 1
    )


def test_what_cannot_be_restored_touches_nothing(lost: Cloud, before: dict[str, str]) -> None:
    running, old = lost.containers(), sorted(kept(lost).iterdir())[0]
    assert "nobody can be asked" in lost.saltern("restore", old.name, code=2).stderr
    wrong = lost.saltern("restore", old.name, "--yes", *identity(lost, "other.txt"), code=12)
    assert "not encrypted for your identity" in wrong.stderr
    file = old / "rabbitmq-definitions.age"
    good = file.read_bytes()
    file.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    damaged = lost.saltern("restore", old.name, "--yes", *identity(lost, "mine.txt"), code=15)
    file.write_bytes(good)
    assert "rabbitmq-definitions.age has another content" in damaged.stderr
    assert lost.containers() == running


def test_the_same_cloud_is_back_after_the_loss_of_every_volume(
    lost: Cloud, before: dict[str, str], content: bytes
) -> None:
    old = sorted(kept(lost).iterdir())[0]
    client(lost).identity.create_user(name="after-the-backup", password="of-the-test")
    lost.saltern("down", "--volumes")
    assert lost.left() == {"containers": [], "networks": [], "volumes": []}
    done = lost.saltern("restore", old.name, "--yes", "--json", *identity(lost, "mine.txt")).json
    assert set(done["items"]) == ITEMS
    assert lost.left()["containers"] == []
    lost.up()
    connection: Any = client(lost)
    assert connection.image.download_image(connection.image.find_image(before["image"])).content == content
    assert connection.identity.find_user(USER).id == before["user"]
    assert connection.identity.find_user("after-the-backup") is None
    url = f"http://127.0.0.1:{lost.ports['identity']}/v3/auth/tokens"
    headers = {"X-Auth-Token": before["token"], "X-Subject-Token": before["token"]}
    assert httpx.get(url, headers=headers, trust_env=False).status_code == 200
    lost.saltern("verify", "rabbitmq")
