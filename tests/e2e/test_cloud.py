"""The whole path: a model becomes a running OpenStack that a real client uses, and stays right whatever happens."""

from __future__ import annotations

import secrets
import socket
import warnings
from typing import Any

import httpx
import pytest

from .driver import Cloud, substitute

WORKLOADS = {"mariadb", "rabbitmq", "memcached", "keystone", "glance"}
PASSWORD = "example-keystone-admin"
PROVEN = "proof-image"


def client(cloud: Cloud, address: str = "") -> Any:
    """openstacksdk as the admin, from this machine; ``address`` is where Keystone answers."""
    address = address or f"127.0.0.1:{cloud.ports['identity']}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import openstack  # noqa: PLC0415 - it warns when it is imported

        return openstack.connect(
            auth_url=f"http://{address}/v3",
            username="admin",
            password=PASSWORD,
            project_name="admin",
            user_domain_name="Default",
            project_domain_name="Default",
            region_name="RegionOne",
            app_name="saltern-tests",
            app_version="1",
        )


pytestmark = pytest.mark.filterwarnings("ignore")  # openstacksdk's own


@pytest.fixture(scope="module")
def uploaded(cloud: Cloud) -> bytes:
    """The content of an image that a real client uploaded to the cloud; the cloud is up."""
    cloud.up()
    content = secrets.token_bytes(2_000_000)
    connection = client(cloud)
    for image in connection.image.images(name=PROVEN):
        connection.image.delete_image(image)
    connection.image.create_image(
        name=PROVEN, data=content, container_format="bare", disk_format="raw", wait=True, allow_duplicates=True
    )
    return content


def test_up_says_what_runs_and_proves_it(cloud: Cloud) -> None:
    done = cloud.saltern("up")
    for name in WORKLOADS:
        assert any(line.split()[:2] == [name, "ready"] for line in done.stdout.splitlines()), done
    for port in cloud.ports.values():
        assert f"127.0.0.1:{port}" in done.stdout
    proofs = [line for line in done.stdout.splitlines() if line.startswith("✓")]
    assert any("token" in line for line in proofs), done
    assert any("glance" in line and "byte" in line for line in proofs), done
    assert "The cloud is up" in done.stdout
    assert "example-" not in done.stdout + done.stderr  # every password of the model
    assert cloud.jobs() == []


def test_a_real_client_gets_a_token_and_its_image_back(cloud: Cloud, uploaded: bytes) -> None:
    connection = client(cloud)
    assert connection.authorize()
    image = connection.image.find_image(PROVEN)
    assert image.status == "active"
    assert connection.image.download_image(image).content == uploaded


def test_second_up_touches_nothing_and_says_so(cloud: Cloud) -> None:
    cloud.up()
    before = cloud.containers()
    assert {name.removeprefix(f"{cloud.name}-") for name in before} == WORKLOADS
    done = cloud.saltern("up")
    assert "Nothing to do" in done.stdout
    assert cloud.containers() == before
    again = cloud.saltern("up", "--json").json
    assert (again["steps"], again["proofs"]) == ([], [])
    assert cloud.containers() == before


def test_status_is_for_programs_too(cloud: Cloud) -> None:
    cloud.up()
    lines = {line["service"]: line for line in cloud.saltern("status", "--json").json["processes"]}
    assert set(lines) == WORKLOADS
    assert all(line["ready"] and line["state"] == "running" for line in lines.values())
    assert lines["keystone"]["addresses"] == [f"identity 127.0.0.1:{cloud.ports['identity']}"]


def test_a_changed_value_restarts_its_workload_alone(cloud: Cloud) -> None:
    cloud.up()
    before = cloud.processes()
    node = cloud.model / "nodes/glance.yml"
    original = node.read_text()
    node.write_text(f"{original}  glance:\n    server:\n      debug: true\n")
    try:
        done = cloud.saltern("up", "--json", "--no-verify", "--progress", "plain")
        after = cloud.processes()
    finally:
        node.write_text(original)
    assert [(step["act"], step["service"]) for step in done.json["steps"]] == [("start", "glance")]
    assert {name for name in WORKLOADS if after[name] != before[name]} == {"glance"}
    assert {name: found[1] for name, found in after.items()} == {name: found[1] for name, found in before.items()}
    assert "neither the engine nor" not in done.stderr  # nothing was built
    cloud.up()


def test_a_service_that_is_not_ready_shows_its_last_words(cloud: Cloud) -> None:
    cloud.up()
    before = cloud.processes()
    node = cloud.model / "nodes/memcached.yml"
    original = node.read_text()
    node.write_text(f"{original}  _param:\n    memcached_bind_address: 203.0.113.7\n")
    try:
        done = cloud.saltern("up", code=10)
    finally:
        node.write_text(original)
    assert "memcached did not become ready" in done.stderr
    assert "failed to listen on one of" in done.stderr
    status = cloud.saltern("status", "--json", code=10).json
    assert status["rollout"]["outcome"] == "failed"
    assert [line["service"] for line in status["processes"] if not line["ready"]] == ["memcached"]
    cloud.up()
    after = cloud.processes()
    assert {name for name in WORKLOADS if after[name] != before[name]} == {"memcached"}


def test_down_and_up_keep_the_data_and_two_ups_exclude_each_other(cloud: Cloud, uploaded: bytes) -> None:
    done = cloud.saltern("down")
    assert "Removed 5 containers, 1 networks, 0 volumes" in done.stdout
    left = cloud.left()
    assert (left["containers"], left["networks"]) == ([], [])
    assert left["volumes"]
    assert "The cloud is down" in cloud.saltern("status").stdout
    with cloud.started("up", "--no-verify") as first:
        assert first.wait_for(lambda event: event["stage"] == "start")
        second = cloud.saltern("up", code=11)
        assert f"process {first.child.pid}" in second.stderr
        assert first.wait() == 0, "".join(first.lines)
    connection = client(cloud)
    assert connection.image.download_image(connection.image.find_image(PROVEN)).content == uploaded


def test_a_taken_port_is_found_before_anything_starts(cloud: Cloud) -> None:
    cloud.saltern("down")
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of before may still end
        other.bind(("127.0.0.1", cloud.ports["image"]))
        other.listen()
        done = cloud.saltern("up", code=10)
    assert f"127.0.0.1:{cloud.ports['image']}" in done.stderr
    assert "taken" in done.stderr
    assert cloud.left()["containers"] == []


def test_pushed_images_are_pulled_and_not_built(cloud: Cloud) -> None:
    built = cloud.saltern("build", "--json").json
    tags = {image["tag"] for image in built}
    pushed = cloud.saltern("push", "--json").json
    assert set(pushed) == tags
    for tag, digest in pushed.items():
        registry, _, rest = tag.partition("/")
        repository, _, key = rest.partition(":")
        url = f"http://{registry}/v2/{repository}/manifests/{key}"
        accept = {
            "Accept": "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
        }
        assert httpx.head(url, headers=accept, trust_env=False).headers["Docker-Content-Digest"] == digest
    assert cloud.saltern("push", "--json").json == pushed
    cloud.saltern("down")
    cloud.forget_images()
    again = {image["tag"]: image for image in cloud.saltern("build", "--json").json}
    assert set(again) == tags
    assert {image["action"] for image in again.values()} == {"pull"}
    assert {image["key"] for image in again.values()} == {image["key"] for image in built}


def test_a_removed_model_value_cannot_half_apply(cloud: Cloud) -> None:
    """A wrong model changes nothing of what runs."""
    cloud.up()
    before = cloud.containers()
    common = cloud.model / "classes/cluster/single/init.yml"
    original = common.read_text()
    substitute(common, "database_host: mariadb", "databasehost: mariadb")
    try:
        done = cloud.saltern("up", code=3)
    finally:
        common.write_text(original)
    assert "database_host" in done.stderr
    assert cloud.containers() == before


def test_down_with_volumes_leaves_nothing(cloud: Cloud) -> None:
    cloud.up()
    done = cloud.saltern("down", "--volumes", "--json").json
    assert len(done["containers"]) == len(WORKLOADS)
    assert cloud.left() == {"containers": [], "networks": [], "volumes": []}
    assert cloud.saltern("down", "--volumes", "--json").json == {"containers": [], "networks": [], "volumes": []}
