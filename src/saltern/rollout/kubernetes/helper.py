"""Pods in which single commands run: they sleep, and a command in them has a code, a stdin and outputs of its own. Pure
but for the files that it reads.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from saltern.images.engine import Mount, RunSpec
from saltern.targets.kubernetes.containers import security
from saltern.targets.kubernetes.jobs import INSTALL, NOBODY
from saltern.targets.kubernetes.metadata import MANAGED_BY, MANAGER
from saltern.targets.kubernetes.operator import NETWORK, NO_NETWORK
from saltern.targets.kubernetes.parts import empty
from saltern.targets.kubernetes.storage import CONTENT
from saltern.targets.workload import JOB_CAPABILITIES

HELPER = "io.saltern.helper"
"""Label of helper pods; its value is the cloud."""
MAIN = "main"
"""The container of a helper pod."""
SECONDS = 3600
"""How long a helper pod lives at most, should nobody remove it."""
SLEEP = ["sleep", str(SECONDS)]


def helper(name: str, cloud: str, spec: RunSpec) -> tuple[dict[str, Any], dict[str, Any]]:
    """A pod that sleeps with what a helper container needs, and the Secret with its environment and files."""
    uid, _, gid = spec.user.partition(":")
    data: dict[str, str] = {}
    volumes: list[dict[str, Any]] = []
    mounts: list[dict[str, Any]] = []
    for number, mount in enumerate(spec.mounts):
        _mount(name, number, mount, data, volumes, mounts)
    for number, path in enumerate(spec.tmpfs):
        volumes.append({"name": f"memory-{number}", "emptyDir": {"medium": "Memory"}})
        mounts.append({"name": f"memory-{number}", "mountPath": path})
    data |= {f"env.{key}": _b64(value.encode()) for key, value in spec.environment.items()}
    environment = [
        {"name": key, "valueFrom": {"secretKeyRef": {"name": name, "key": f"env.{key}"}}}
        for key in sorted(spec.environment)
    ]
    security: dict[str, Any] = {"allowPrivilegeEscalation": False, "runAsUser": int(uid), "runAsGroup": int(gid or uid)}
    if spec.capabilities is not None:
        security["capabilities"] = {"drop": ["ALL"], "add": list(spec.capabilities)}
    main = {
        "name": MAIN,
        "image": spec.image,
        "command": SLEEP,
        "env": environment,
        "volumeMounts": mounts,
        "securityContext": security,
    }
    host = {"hostname": spec.hostname} if spec.hostname else {}
    pod = _pod(name, cloud, main, volumes, {"securityContext": {"seccompProfile": {"type": "RuntimeDefault"}}, **host})
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "labels": _labels(cloud)},
        "type": "Opaque",
        "data": dict(sorted(data.items())),
    }
    return pod, secret


def is_folder(mount: Mount) -> bool:
    """Whether a mount is a folder of this machine."""
    return not mount.image and "/" in mount.source


def remote(name: str, cloud: str, spec: RunSpec, image_of: Callable[[str], str]) -> list[dict[str, Any]]:
    """A pod for what a container engine would run, and a Secret where it has an environment.

    An image that is mounted is the toolchain's, which its installer copies into the pod. Folders of this machine are
    empty: who made the pod fills them. What is written in them stays in memory.
    """
    own = JOB_CAPABILITIES if spec.capabilities is None else spec.capabilities
    claims = tuple(mount for mount in spec.mounts if not mount.image and not is_folder(mount))
    pod, secret = helper(name, cloud, replace(spec, image=image_of(spec.image), mounts=claims, capabilities=own))
    installers = []
    for number, mount in enumerate(spec.mounts):
        if mount in claims:
            continue
        volume = f"copy-{number}"
        is_private = not (mount.image or mount.read_only)
        pod["spec"]["volumes"].append(empty(volume, memory=is_private))
        place = {"name": volume, "mountPath": mount.target, "readOnly": mount.image}
        pod["spec"]["containers"][0]["volumeMounts"].append(place)
        if mount.image:
            installers.append(
                {
                    "name": f"image-{number}",
                    "image": image_of(mount.source),
                    "command": list(INSTALL),
                    "securityContext": security(NOBODY, (), read_only=True),
                    "volumeMounts": [{"name": volume, "mountPath": "/media"}],
                }
            )
    pod["spec"] |= {"initContainers": installers, "enableServiceLinks": False}
    if spec.network == "none":
        pod["metadata"]["labels"][NETWORK] = NO_NETWORK
    return [pod, secret] if secret["data"] else [pod]


def _mount(
    name: str,
    number: int,
    mount: Mount,
    data: dict[str, str],
    volumes: list[dict[str, Any]],
    mounts: list[dict[str, Any]],
) -> None:
    volume = f"volume-{number}"
    mounts.append({"name": volume, "mountPath": mount.target, "readOnly": mount.read_only})
    if "/" not in mount.source:
        volumes.append({"name": volume, "persistentVolumeClaim": {"claimName": mount.source}})
        mounts[-1]["subPath"] = CONTENT
        return
    source = Path(mount.source)
    files = [source] if source.is_file() else sorted(path for path in source.rglob("*") if path.is_file())
    items = []
    for position, path in enumerate(files):
        key = f"file.{number}.{position}"
        data[key] = _b64(path.read_bytes())
        inside = path.name if source.is_file() else str(path.relative_to(source))
        items.append({"key": key, "path": inside, "mode": path.stat().st_mode & 0o777 | 0o444})
    volumes.append({"name": volume, "secret": {"secretName": name, "items": items}})
    if source.is_file():
        mounts[-1]["subPath"] = source.name


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def beside(name: str, cloud: str, pod: Mapping[str, Any], uid: int) -> dict[str, Any]:
    """A pod on the machine of another one, with its image, its files and its claims, in which another user works."""
    spec = pod["spec"]
    main = spec["containers"][0]
    claims_and_files = [v for v in spec["volumes"] if not v["name"].startswith("kube-api-access")]
    capabilities = {"drop": ["ALL"], "add": list(JOB_CAPABILITIES)} if uid == 0 else {"drop": ["ALL"]}
    container = {
        "name": MAIN,
        "image": main["image"],
        "command": SLEEP,
        "env": main.get("env", []),
        "workingDir": "/",
        "volumeMounts": main.get("volumeMounts", []),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "runAsUser": uid,
            "runAsGroup": main.get("securityContext", {}).get("runAsGroup", 0) if uid else 0,
            "capabilities": capabilities,
        },
    }
    own = {
        "nodeName": spec["nodeName"],
        "initContainers": [{**one, "resources": {}} for one in spec.get("initContainers", []) if _copies(one)],
        "securityContext": spec.get("securityContext", {}),
    }
    return _pod(name, cloud, container, claims_and_files, own)


def _labels(cloud: str) -> dict[str, str]:
    return {HELPER: cloud, MANAGED_BY: MANAGER}


def _pod(
    name: str, cloud: str, main: Mapping[str, Any], volumes: Sequence[Mapping[str, Any]], own: Mapping[str, Any]
) -> dict[str, Any]:
    """A pod that lives for a while at most and may do nothing in the cluster; ``own`` is what else its spec has."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": _labels(cloud)},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "activeDeadlineSeconds": SECONDS,
            "terminationGracePeriodSeconds": 0,
            "containers": [main],
            "volumes": volumes,
            **own,
        },
    }


def _copies(container: Mapping[str, Any]) -> bool:
    """Whether it fills folders in memory, which each pod has for itself, and touches no claim."""
    mounts = container.get("volumeMounts", [])
    return bool(mounts) and not any("/claims/" in one["mountPath"] for one in mounts)
