"""The end of the cloud's life, after the other files ``test_cloud*``."""

from __future__ import annotations

from .client import eventually
from .clouds import ClusterCloud


def test_down_leaves_the_data_and_volumes_take_it(kube: ClusterCloud) -> None:
    kube.saltern("down")
    eventually(lambda: not kube.pods(), 180)
    claims = kube.kubectl("get", "pvc", "-o", "name").split()
    assert claims
    kube.saltern("down", "--volumes")
    assert kube.kubectl("get", "pvc", "-o", "name").split() == []
