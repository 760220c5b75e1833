"""Models to measure with: clouds in the manner of OpenStack-Salt models. The same arguments give the same bytes.

``cloud`` has a formula's ``service.*`` classes below ``system.*`` classes below one ``cluster.*`` tree, hundreds of
``_param`` values that nearly every value refers to, references in class names, racks that grow with the nodes, exports
of every node and queries in the few roles that need them. ``deep`` is the shape of a public model: few nodes, long
chains.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

SERVICES = (
    *("keystone", "glance", "nova", "neutron", "cinder", "heat", "horizon", "barbican", "designate", "octavia", "aodh"),
    *("gnocchi", "ceilometer", "panko", "manila", "ironic", "galera", "rabbitmq", "memcached", "haproxy", "keepalived"),
    *("apache", "nginx", "prometheus", "grafana", "elasticsearch", "kibana", "fluentd", "telegraf", "collectd", "ntp"),
    *("openssh", "rsyslog", "bind", "salt", "linux", "docker", "glusterfs", "ceph", "backupninja", "jenkins", "gerrit"),
)
EVERYWHERE = ("linux", "openssh", "ntp", "rsyslog", "telegraf", "fluentd", "collectd", "salt")
ROLES: dict[str, tuple[str, ...]] = {
    "ctl": (
        "keystone",
        "glance",
        "nova",
        "neutron",
        "cinder",
        "heat",
        "barbican",
        "memcached",
        "haproxy",
        "keepalived",
    ),
    "dbs": ("galera", "haproxy", "keepalived", "backupninja"),
    "msg": ("rabbitmq", "memcached"),
    "prx": ("nginx", "horizon", "haproxy", "keepalived", "apache"),
    "mdb": ("gnocchi", "ceilometer", "aodh", "panko", "apache", "memcached"),
    "mon": ("prometheus", "grafana", "docker", "keepalived", "glusterfs"),
    "log": ("elasticsearch", "kibana", "nginx"),
    "cid": ("jenkins", "gerrit", "docker", "glusterfs", "haproxy"),
    "osd": ("ceph",),
    "gtw": ("neutron", "haproxy", "designate", "bind"),
    "bmt": ("ironic", "neutron", "manila"),
    "kmn": ("octavia", "designate", "memcached"),
    "cmp": ("nova", "neutron", "ceilometer", "cinder", "apache"),
}
PER_RACK = 40
PARTS = ("server", "client", "database", "message_queue", "identity", "cache", "bind", "logging", "policy", "plugin")


def cloud(root: Path, nodes: int, *, query_everywhere: bool = False) -> None:
    """Write a cloud of so many nodes; ``query_everywhere`` gives each node a query over all of them."""
    _Cloud(root, query_everywhere).write(nodes)


def deep(root: Path, nodes: int = 12, chains: int = 20, depth: int = 12) -> None:
    """Write few nodes whose classes include one another in long chains, each overriding a bit of the one before."""
    for chain in range(chains):
        for level in range(depth):
            name = f"chain{chain:02}.level{level:02}"
            below = [f"chain{chain:02}.level{level + 1:02}"] if level + 1 < depth else []
            _write(root, f"classes/{name.replace('.', '/')}", _deep_class(chain, level, below))
    for number in range(nodes):
        tops = [f"chain{chain:02}.level00" for chain in range(chains) if (chain + number) % 4]
        name = f"node{number:02}.deep.local"
        _write(root, f"nodes/{name}", {"classes": tops, "parameters": {"_param": {"host": f"10.9.0.{number}"}}})


def _deep_class(chain: int, level: int, below: list[str]) -> dict[str, Any]:
    own = f"c{chain:02}_l{level:02}"
    under = f"c{chain:02}_l{level + 1:02}"
    values: dict[str, Any] = {f"{own}_{n}": f"value {n} of level {level}" for n in range(4)}
    values[f"{own}_base"] = f"${{_param:{under}_base}}/{level}" if below else "/srv"
    service = {
        "enabled": True,
        "host": "${_param:host}",
        "path": f"${{_param:{own}_base}}",
        "sizes": [level, f"${{_param:{own}_0}}"],
        f"level{level:02}": {f"option{n}": f"${{_param:{own}_{n}}}" for n in range(4)},
    }
    return {"classes": below, "parameters": {"_param": values, f"service{chain:02}": {"server": service}}}


class _Cloud:
    def __init__(self, root: Path, query_everywhere: bool) -> None:
        self._root = root
        self._query_everywhere = query_everywhere

    def write(self, nodes: int) -> None:
        for number, service in enumerate(SERVICES):
            self._class(f"service.{service}.server", {"parameters": {service: {"server": _formula(service)}}})
            for kind in ("single", "cluster"):
                self._class(f"system.{service}.server.{kind}", _system(service, number, kind))
        for number in range((nodes + PER_RACK - 1) // PER_RACK):
            self._class(f"cluster.big.rack.r{number:03}", _rack(number))
        self._cluster()
        for name, content in _nodes(nodes):
            _write(self._root, f"nodes/{name}", content)

    def _cluster(self) -> None:
        secrets = {f"{name}_password": f"p-{name}-{n:03}" for n, name in enumerate(SERVICES)}
        addresses = {f"{name}_service_host": f"10.0.{n}.254" for n, name in enumerate(SERVICES)}
        self._class("cluster.big.secrets", {"parameters": {"_param": secrets}})
        self._class("cluster.big.addresses", {"parameters": {"_param": addresses}})
        names = {"cluster_name": "big", "cluster_domain": "big.local", "network_backend": "ovs", "version": "queens"}
        self._class("cluster.big", {"classes": [".big.secrets", ".big.addresses"], "parameters": {"_param": names}})
        for backend in ("ovs", "dvr"):
            network = {"dns": ["10.0.0.2", "10.0.0.3"], "mtu": 9000, "backend": backend}
            self._class(f"cluster.big.networking.{backend}", {"parameters": {"linux": {"network": network}}})
        everywhere: dict[str, Any] = {
            "classes": [
                *(f"system.{name}.server.single" for name in EVERYWHERE),
                "cluster.big",
                "cluster.${_param:cluster_name}.networking.${_param:network_backend}",
            ],
            "parameters": _interfaces(),
            "exports": {
                "host": {"name": "${_param:hostname}", "address": "${_param:single_address}"},
                "rack": "${_param:rack}",
                "role": "${_param:role}",
            },
        }
        if self._query_everywhere:
            everywhere["parameters"]["peers"] = "$[ exports:host:address if exports:rack == self:_param:rack ]"
        self._class("cluster.big.node", everywhere)
        for role, services in ROLES.items():
            self._class(f"cluster.big.role.{role}", _role(role, services))

    def _class(self, name: str, content: dict[str, Any]) -> None:
        init = "/init" if name == "cluster.big" else ""
        _write(self._root, f"classes/{name.replace('.', '/')}{init}", content)


def _formula(service: str) -> dict[str, Any]:
    """What a formula's own class says: defaults, most of them references to ``_param``."""
    parts = {
        part: {
            "host": f"${{_param:{service}_service_host}}",
            "password": f"${{_param:{service}_password}}",
            "user": service,
            "url": f"http://${{_param:{service}_service_host}}:${{_param:{service}_port}}/{part}",
            "timeout": 30,
            "enabled": True,
            "members": [{"host": f"${{_param:{service}_node0{n}_address}}", "port": 5000 + n} for n in (1, 2, 3)],
        }
        for part in PARTS[:5]
    }
    return {"enabled": True, "version": "${_param:version}", **parts}


def _system(service: str, number: int, kind: str) -> dict[str, Any]:
    """What the shared library of classes says: ``_param`` defaults, and more for clusters."""
    params: dict[str, Any] = {
        f"{service}_port": 5000 + number,
        f"{service}_password": "changeme",
        f"{service}_service_host": "127.0.0.1",
        f"{service}_workers": 4,
        "version": "pike",
        **{f"{service}_node0{n}_address": f"10.0.{number}.1{n}" for n in (1, 2, 3)},
    }
    server: dict[str, Any] = {
        "bind": {"address": "${_param:single_address}", "port": f"${{_param:{service}_port}}"},
        "workers": f"${{_param:{service}_workers}}",
        "logging": {"level": "info", "handlers": ["file", "syslog"], "host": "${_param:hostname}"},
        "policy": {f"rule_{n}": f"role:admin or project:{n}" for n in range(12)},
    }
    classes = [f"service.{service}.server"]
    if kind == "cluster":
        classes = [f"system.{service}.server.single", "system.haproxy.server.single"]
        listen = {"type": service, "servers": [f"${{_param:{service}_node0{n}_address}}" for n in (1, 2, 3)]}
        members = [f"${{_param:{service}_node0{n}_address}}" for n in (1, 2)]
        frontend = {f"{service}_api": {"bind": f"${{_param:{service}_service_host}}", **listen}}
        return {
            "classes": classes,
            "parameters": {
                "_param": {f"{service}_cluster_name": f"{service}-${{_param:cluster_name}}", f"{service}_workers": 16},
                "haproxy": {"server": {"listen": frontend}},
                service: {"server": {"cache": {"members": members}}},
            },
        }
    return {
        "classes": classes,
        "parameters": {"_param": params, service: {"server": server}},
        "applications": [service],
    }


def _rack(number: int) -> dict[str, Any]:
    gateway = {"gateway": f"10.{number // 200}.{number % 200}.1", "vlan": 100 + number}
    return {"parameters": {"_param": {"rack": f"r{number:03}"}, "linux": {"network": gateway}}}


def _interfaces() -> dict[str, Any]:
    bridge = {"type": "bridge", "address": "${_param:single_address}", "netmask": "255.255.255.0", "mtu": 9000}
    interface = {"br-mgmt": bridge, "ens2": {"type": "eth", "address": "${_param:deploy_address}", "proto": "static"}}
    host = {"${_param:hostname}": {"address": "${_param:single_address}", "names": ["${_param:hostname}.big.local"]}}
    return {"linux": {"network": {"interface": interface, "host": {"self": host["${_param:hostname}"]}}}}


def _role(role: str, services: tuple[str, ...]) -> dict[str, Any]:
    kind = "single" if role in ("cmp", "osd") else "cluster"
    parameters: dict[str, Any] = {"_param": {"role": role}}
    if role == "mon":
        parameters["prometheus"] = {"server": {"targets": "$[ exports:host:address ]"}}
    if role in ("prx", "log"):
        parameters["nginx"] = {"server": {"upstreams": "$[ exports:host if exports:role == ctl ]"}}
    return {
        "classes": [*(f"system.{name}.server.{kind}" for name in services), "cluster.big.node"],
        "parameters": parameters,
    }


def _nodes(count: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Three nodes of each role, one more for every 100 nodes, and computes for the rest."""
    few = 3 + count // 100
    names = [(role, n) for role in list(ROLES)[:-1] for n in range(1, few + 1)]
    names += [("cmp", n) for n in range(1, count - len(names) + 1)]
    for index, (role, n) in enumerate(names[:count]):
        hostname = f"{role}{n:04}"
        address = f"{index // 250}.{index % 250 + 2}"
        yield (
            f"{hostname}.big.local",
            {
                "classes": [f"cluster.big.rack.r{index // PER_RACK:03}", f"cluster.big.role.{role}"],
                "parameters": {
                    "_param": {
                        "hostname": hostname,
                        "single_address": f"10.1.{address}",
                        "deploy_address": f"10.2.{address}",
                    },
                    "linux": {"system": {"name": hostname, "domain": "big.local"}},
                },
            },
        )


def _write(root: Path, name: str, content: dict[str, Any]) -> None:
    path = root / f"{name}.yml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.dump(content, Dumper=yaml.CSafeDumper, sort_keys=False))
