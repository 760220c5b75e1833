"""The big changes of the cloud in its cluster: OpenStack's release goes up and back, data is lost and restored."""

from __future__ import annotations

import os

import pytest

from ..e2e.driver import substitute
from .client import eventually
from .clouds import ClusterCloud, assert_available, client, common, load

pytestmark = pytest.mark.filterwarnings("ignore")  # openstacksdk's own


def test_the_openstack_release_goes_up_and_back_without_a_failed_request(kube: ClusterCloud) -> None:
    kept = {path: path.read_text() for path in (common(kube.model), kube.model / "packages.lock")}
    substitute(common(kube.model), "openstack_version: zed", "openstack_version: '2025.1'")
    with load(kube) as users:
        kube.saltern("apply", "--yes")
    assert_available(kube, users)
    assert release(kube).startswith("2:27")
    for path, text in kept.items():
        path.write_text(text)
    with load(kube) as users:
        kube.saltern("rollback", "--yes")
    assert_available(kube, users)
    assert release(kube).startswith("2:22")
    assert kube.saltern("plan", "--json").json["steps"] == []


def release(cloud: ClusterCloud) -> str:
    return cloud.kubectl("exec", "keystone-0", "--", "dpkg-query", "-W", "-f", "${Version}", "keystone")


def test_lost_data_comes_back_from_a_backup(kube: ClusterCloud) -> None:
    connection = client(kube)
    user = connection.identity.create_user(name="kept-in-a-backup", password="of-the-test")
    content = os.urandom(300_000)
    image = connection.image.create_image(
        name="kept-too", data=content, container_format="bare", disk_format="raw", wait=True
    )
    kube.saltern("backup")
    kube.saltern("down", "--volumes")
    kube.saltern("apply", "--yes")
    assert client(kube).identity.find_user("kept-in-a-backup") is None
    kube.saltern("restore", "--yes")
    kube.saltern("up")
    connection = client(kube)
    assert connection.identity.find_user("kept-in-a-backup").id == user.id
    assert connection.image.download_image(image.id).content == content
    assert kube.saltern("plan", "--json").json["steps"] == []
    eventually(kube.is_well)
