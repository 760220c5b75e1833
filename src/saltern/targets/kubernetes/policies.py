"""Who may talk to whom: one NetworkPolicy per workload, with the edges that the model's own configuration has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from saltern.base.store import canonical
from saltern.targets.kubernetes.manifest import Manifest
from saltern.targets.kubernetes.metadata import INSTANCE, PART_OF, Frame, instance, selector
from saltern.targets.kubernetes.services import ports_of
from saltern.targets.workload import Cloud, Workload

DNS = [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]


@dataclass(frozen=True, slots=True, order=True)
class Edge:
    """A workload may connect to another's port; 0: to all that are known, or to any."""

    source: str
    target: str
    port: int = 0


class Topology:
    """All edges of a cloud."""

    def __init__(self, cloud: Cloud) -> None:
        self.hosts = {host: workload for workload in cloud.workloads for host in _names(workload)}
        self.edges = tuple(sorted({edge for w in cloud.workloads for edge in _edges(w, self.hosts)}))
        self._into: dict[str, list[Edge]] = {}
        self._out: dict[str, list[Edge]] = {}
        for edge in self.edges:
            self._into.setdefault(edge.target, []).append(edge)
            self._out.setdefault(edge.source, []).append(edge)

    def into(self, workload: Workload) -> list[Edge]:
        """Who connects to it, sorted."""
        return self._into.get(workload.name, [])

    def out(self, workload: Workload) -> list[Edge]:
        """What it connects to, sorted."""
        return self._out.get(workload.name, [])


def _names(workload: Workload) -> Iterator[str]:
    yield from (workload.name, workload.node)
    yield from (workload.hostname(number) for number in range(1, workload.replicas + 1))


def _edges(workload: Workload, hosts: Mapping[str, Workload]) -> Iterator[Edge]:
    explained = set()
    for connection in workload.peers:
        if other := hosts.get(connection.host):
            yield Edge(workload.name, other.name, 0 if other is workload else connection.port)
            explained |= {other.name, *_behind(other, hosts)}
    for name in _behind(workload, hosts):
        yield Edge(workload.name, name)
        explained.add(name)
    yield from (Edge(workload.name, name) for name in workload.needs if name not in explained and name in hosts)
    if workload.replicas > 1 or any(job.when == "after" for job in workload.jobs):
        yield Edge(workload.name, workload.name)


def _behind(workload: Workload, hosts: Mapping[str, Workload]) -> set[str]:
    if workload.balancer is None:
        return set()
    listens = (host for behind in workload.balancer.listens.values() for host in behind)
    return {hosts[host].name for host in (*workload.balancer.members, *listens) if host in hosts}


def policy(frame: Frame, topology: Topology) -> Manifest:
    """The NetworkPolicy of a workload's pods, its jobs' too. Everything that is not named is forbidden."""
    cloud, workload, by_name = frame.cloud, frame.workload, topology.hosts
    ingress = [_rule("from", cloud, by_name[e.source], _ports(workload, e)) for e in topology.into(workload)]
    egress = [_rule("to", cloud, by_name[e.target], _ports(by_name[e.target], e)) for e in topology.out(workload)]
    published = sorted({p.port for p in workload.publish})
    if published:
        ingress.append({"ports": [{"port": port, "protocol": "TCP"} for port in published]})
    spec = {
        "podSelector": {"matchLabels": selector(cloud, workload, "")},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": ingress,
        "egress": [*egress, *_outside(workload, topology.hosts), {"ports": DNS}],
    }
    return frame.manifest("NetworkPolicy", instance(workload), {"spec": spec})


def _ports(target: Workload, edge: Edge) -> list[int]:
    """The ports of an edge; between the pods of one workload any, for clusters have ports that no formula names."""
    if edge.source == edge.target:
        return []
    return [edge.port] if edge.port else ports_of(target)


def _rule(side: str, cloud: Cloud, other: Workload, ports: list[int]) -> dict[str, Any]:
    peer = {"podSelector": {"matchLabels": {INSTANCE: instance(other), PART_OF: cloud.name}}}
    found: dict[str, Any] = {side: [peer]}
    return found | ({"ports": [{"port": port, "protocol": "TCP"} for port in ports]} if ports else {})


def _outside(workload: Workload, inside: Mapping[str, Workload]) -> Iterator[dict[str, Any]]:
    """Hosts that are no workload: an address by itself; a name, which no policy can know, by its port."""
    found: dict[str, dict[str, Any]] = {}
    for connection in sorted(workload.peers, key=lambda c: (c.host, c.port)):
        if connection.host in inside or connection.host == "localhost":
            continue
        address = _address(connection.host)
        if address is not None and address.is_loopback:
            continue
        rule: dict[str, Any] = {}
        if address is not None:
            rule["to"] = [{"ipBlock": {"cidr": f"{address}/{address.max_prefixlen}"}}]
        if connection.port:
            rule["ports"] = [{"port": connection.port, "protocol": "TCP"}]
        found.setdefault(canonical(rule), rule)
    yield from found.values()


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
