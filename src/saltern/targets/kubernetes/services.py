"""Names and addresses: a Service per workload, per addressed replica, and what users reach from outside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from saltern.model.settings import Publish
from saltern.targets.kubernetes.containers import port_name
from saltern.targets.kubernetes.controllers import is_addressed, kind_of
from saltern.targets.kubernetes.manifest import Manifest
from saltern.targets.kubernetes.metadata import POD_NAME, Frame, instance, selector
from saltern.targets.workload import Workload

NODE_PORTS = range(30000, 32768)
"""Ports of machines that a cluster gives away by default."""


def ports_of(workload: Workload) -> list[int]:
    """The ports that a workload is known to listen on."""
    found = {port for process in workload.processes for port in process.ports}
    found |= {process.probe.port for process in workload.processes if process.probe is not None and process.probe.port}
    return sorted(found | {published.port for published in workload.publish})


def services(frame: Frame) -> list[Manifest]:
    """All Services and Ingresses of a workload."""
    workload = frame.workload
    found = [_named(frame)]
    if kind_of(frame.cloud, workload) == "StatefulSet":
        found.append(_headless(frame, f"{instance(workload)}-pods", {}, unready=True))
    if is_addressed(frame.cloud, workload):
        found += [
            _headless(frame, workload.hostname(n), {POD_NAME: f"{instance(workload)}-{n - 1}"}, unready=False)
            for n in range(1, workload.replicas + 1)
        ]
    return [*found, *_published(frame)]


def _named(frame: Frame) -> Manifest:
    """The workload's name as an address; without known ports a name for its pods."""
    workload = frame.workload
    ports = ports_of(workload)
    if not ports:
        return _headless(frame, workload.name, {}, unready=False)
    spec = {"type": "ClusterIP", "selector": selector(frame.cloud, workload), "ports": _ports(ports)}
    return frame.manifest("Service", workload.name, {"spec": spec})


def _headless(frame: Frame, name: str, more: dict[str, str], *, unready: bool) -> Manifest:
    """A name for pods themselves. ``unready``: members of a cluster have to find each other before they are ready."""
    spec: dict[str, Any] = {"clusterIP": "None", "selector": {**selector(frame.cloud, frame.workload), **more}}
    if unready:
        spec["publishNotReadyAddresses"] = True
    ports = ports_of(frame.workload)
    if ports:
        spec["ports"] = _ports(ports)
    return frame.manifest("Service", name, {"spec": spec})


def _ports(ports: Sequence[int]) -> list[dict[str, Any]]:
    return [{"name": port_name(port), "port": port, "protocol": "TCP", "targetPort": port} for port in ports]


def _published(frame: Frame) -> list[Manifest]:
    """What users reach: an Ingress where the model gives a host, else a port of the machines."""
    workload = frame.workload
    found = []
    if opened := [p for p in workload.publish if not p.host]:
        ports = [{**port, **_node_port(p)} for p, port in zip(opened, _ports([p.port for p in opened]), strict=True)]
        spec = {"type": "NodePort", "selector": selector(frame.cloud, workload), "ports": ports}
        found.append(frame.manifest("Service", f"{workload.name}-public", {"spec": spec}))
    if hosted := [p for p in workload.publish if p.host]:
        found.append(_ingress(frame, hosted))
    return found


def _node_port(published: Publish) -> dict[str, int]:
    """The port of the published address, where machines may have it; else the cluster chooses one."""
    port = int(published.address.rpartition(":")[2])
    return {"nodePort": port} if port in NODE_PORTS else {}


def _ingress(frame: Frame, hosted: Sequence[Publish]) -> Manifest:
    name = frame.workload.name
    rules = []
    for published in hosted:
        backend = {"service": {"name": name, "port": {"number": published.port}}}
        path = {"path": "/", "pathType": "Prefix", "backend": backend}
        rules.append({"host": published.host, "http": {"paths": [path]}})
    ingress_class = frame.site.settings.ingress_class
    spec = {**({"ingressClassName": ingress_class} if ingress_class else {}), "rules": rules}
    return frame.manifest("Ingress", name, {"spec": spec})
