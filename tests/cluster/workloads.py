"""Manifests of small workloads for the tests, all of one image with busybox."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .binaries import folder
from .image import Image

Manifest = dict[str, Any]
PAGE = "served by the test image\n"


def busybox() -> Image:
    """An image with the usual commands and one page for its web server.

    The program is that of the build; with a cluster of the user's, this machine's (Debian's busybox-static).
    """
    built = folder() / "bin" / "busybox"
    program = (built if built.exists() else Path("/bin/busybox")).read_bytes()
    names = ("sh", "cat", "echo", "httpd", "nslookup", "sleep", "wget")
    links = {f"bin/{name}": "busybox" for name in names}
    return Image({"bin/busybox": program, "www/index.html": PAGE.encode()}, ("/bin/sh",), links)


def pod_template(name: str, image: str, *command: str, **container: Any) -> Manifest:
    """A pod of one container that is nobody special."""
    security = {"runAsNonRoot": True, "runAsUser": 10001, "allowPrivilegeEscalation": False}
    one = {"name": name, "image": image, "command": list(command), "securityContext": security, **container}
    spec = {"containers": [one], "terminationGracePeriodSeconds": 1, "automountServiceAccountToken": False}
    return {"metadata": {"labels": {"app": name}}, "spec": spec}


def web_server(name: str, image: str, replicas: int = 2) -> Manifest:
    """A Deployment of web servers, spread over the nodes."""
    ready = {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1}
    template = pod_template(name, image, "httpd", "-f", "-p", "8080", "-h", "/www", readinessProbe=ready)
    spread = {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule"}
    template["spec"]["topologySpreadConstraints"] = [{**spread, "labelSelector": {"matchLabels": {"app": name}}}]
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def keeper(name: str, image: str, script: str, replicas: int = 1) -> Manifest:
    """A StatefulSet that runs a script, with a volume of its own at /data."""
    mounts = [{"name": "data", "mountPath": "/data"}]
    template = pod_template(name, image, "sh", "-c", script, volumeMounts=mounts)
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "10Mi"}}}
    spec = {
        "serviceName": name,
        "replicas": replicas,
        "selector": {"matchLabels": {"app": name}},
        "template": template,
        "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": claim}],
    }
    return {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": name}, "spec": spec}


def job(name: str, image: str, script: str) -> Manifest:
    """A Job that runs a script once."""
    template = pod_template(name, image, "sh", "-c", script)
    template["spec"]["restartPolicy"] = "Never"
    spec = {"backoffLimit": 0, "template": template}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec}


def service(name: str, port: int = 80, target: int = 8080, **spec: Any) -> Manifest:
    """A Service in front of the pods of that name; ``clusterIP="None"`` makes it headless."""
    ports = [{"name": "http", "port": port, "targetPort": target}]
    full = {"selector": {"app": name}, "ports": ports, **spec}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": full}
