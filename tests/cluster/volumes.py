"""Volumes for the cluster's claims, made on demand: folders of the node that the scheduler chose, as local volumes.

What several nodes may write to is a folder that all of them see: they are on one machine.

A claim is bound once a pod wants it. Folder and volume go with the claim.
``python -m tests.cluster.volumes ADDRESS PKI FOLDER``
"""

from __future__ import annotations

import shutil
import sys
import threading
from pathlib import Path

from .api import Api, ApiError, Object, Objects

CLASS = "saltern-tests"
PROVISIONER = "saltern.tests/local"
SELECTED = "volume.kubernetes.io/selected-node"
STORAGE_CLASS: Object = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "StorageClass",
    "metadata": {"name": CLASS, "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
    "provisioner": PROVISIONER,
    "volumeBindingMode": "WaitForFirstConsumer",
    "reclaimPolicy": "Delete",
}


def volume_for(claim: Object, folder: Path) -> Object:
    """The volume of a claim, on the node that was chosen for it."""
    metadata, spec = claim["metadata"], claim["spec"]
    name, node = f"pvc-{metadata['uid']}", metadata["annotations"][SELECTED]
    many = "ReadWriteMany" in spec["accessModes"]
    chosen = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}
    local = {"nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [chosen]}]}}}
    reference = {key: metadata[key] for key in ("namespace", "name", "uid", "resourceVersion")}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name, "annotations": {"pv.kubernetes.io/provisioned-by": PROVISIONER}},
        "spec": {
            "storageClassName": CLASS,
            "capacity": {"storage": spec["resources"]["requests"]["storage"]},
            "accessModes": spec["accessModes"],
            "persistentVolumeReclaimPolicy": "Delete",
            "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", **reference},
            "hostPath" if many else "local": {"path": str(folder / ("all" if many else node) / name)},
            **({} if many else local),
        },
    }


def _place(volume: Object) -> Path:
    spec = volume["spec"]
    return Path((spec.get("local") or spec["hostPath"])["path"])


class Provisioner:
    """Makes and removes the volumes."""

    def __init__(self, api: Api, folder: Path) -> None:
        self._api = api
        self._folder = folder

    def make(self, claims: Objects) -> None:
        """A volume for each claim that waits for one."""
        for claim in claims.values():
            if _waits(claim):
                volume = volume_for(claim, self._folder)
                path = _place(volume)
                path.mkdir(parents=True, exist_ok=True)
                path.chmod(0o777)
                self._try("POST", "/api/v1/persistentvolumes", volume)

    def remove(self, volumes: Objects) -> None:
        """The volumes whose claim is gone."""
        for volume in volumes.values():
            if volume["spec"].get("storageClassName") == CLASS and volume["status"].get("phase") == "Released":
                shutil.rmtree(_place(volume), ignore_errors=True)
                self._try("DELETE", f"/api/v1/persistentvolumes/{volume['metadata']['name']}")

    def _try(self, method: str, path: str, body: Object | None = None) -> None:
        """An older event may ask for what was done already."""
        try:
            self._api.call(method, path, body)
        except ApiError as error:
            if error.status not in (404, 409):
                raise


def _waits(claim: Object) -> bool:
    """True once the scheduler has chosen a node for a claim of ours that has no volume."""
    spec, pending = claim["spec"], claim["status"].get("phase") == "Pending"
    chosen = SELECTED in claim["metadata"].get("annotations", {})
    return pending and chosen and spec.get("storageClassName") == CLASS and not spec.get("volumeName")


def main(address: str, pki: str, folder: str) -> None:
    """Follow claims and volumes."""
    api = Api(address, Path(pki))
    provisioner = Provisioner(api, Path(folder))
    follow = (("/api/v1/persistentvolumes", provisioner.remove), ("/api/v1/persistentvolumeclaims", provisioner.make))
    threads = [threading.Thread(target=api.follow, args=each) for each in follow]
    for thread in threads:
        thread.start()


if __name__ == "__main__":
    main(*sys.argv[1:])
