"""Where a cluster's files and addresses are: frozen values that all its parts share."""

from __future__ import annotations

import ipaddress
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Addresses:
    """One /16 network of a cluster: machines, pods and Services each have a part of it."""

    second: int
    """The network is 10.SECOND.0.0/16."""

    @property
    def host(self) -> str:
        """The test machine, as the cluster sees it."""
        return f"10.{self.second}.0.1"

    @property
    def control(self) -> str:
        """API server, DNS and registry."""
        return f"10.{self.second}.0.10"

    def node(self, number: int) -> str:
        """The address of a node; NodePorts answer there."""
        return f"10.{self.second}.0.{10 + number}"

    def pods_of(self, number: int) -> str:
        """The network of a node's pods."""
        return f"10.{self.second}.{64 + number}.0/24"

    @property
    def pods(self) -> str:
        """The network of all pods."""
        return f"10.{self.second}.64.0/18"

    @property
    def services(self) -> str:
        """The network of the Services."""
        return f"10.{self.second}.128.0/20"

    @property
    def kubernetes(self) -> str:
        """The Service of the API server."""
        return f"10.{self.second}.128.1"

    @property
    def dns(self) -> str:
        """The Service of the cluster's DNS."""
        return f"10.{self.second}.128.10"


@dataclass(frozen=True)
class Site:
    """A cluster's name, folders and addresses."""

    name: str
    folder: Path
    """Configuration, certificates, logs, data."""
    binaries: Path
    addresses: Addresses
    registry_port: int

    @property
    def link(self) -> str:
        """The test machine's interface to the cluster."""
        return f"st-{self.name}"

    @property
    def cgroups(self) -> str:
        """What the names of the nodes' cgroups begin with."""
        return f"saltern-tests-{self.name}"

    @property
    def registry(self) -> str:
        """What image names begin with, for pushing from this machine and for pulling by the nodes."""
        return f"127.0.0.1:{self.registry_port}"

    def program(self, name: str) -> str:
        """One of the built binaries."""
        return str(self.binaries / "bin" / name)

    def write(self, path: str, content: str | dict[str, object]) -> Path:
        """Write a file of the cluster's folder; a dictionary as JSON, which is YAML too."""
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content if isinstance(content, str) else json.dumps(content, indent=1))
        return target


def free_addresses() -> Addresses:
    """The first network that no route of this machine touches."""
    shown = subprocess.run(("ip", "-json", "-4", "route", "show", "table", "all"), capture_output=True, check=True)
    names = [route["dst"] for route in json.loads(shown.stdout) if route["dst"] != "default"]
    taken = [ipaddress.ip_network(name, strict=False) for name in names]
    for second in range(97, 250):
        if not any(ipaddress.ip_network(f"10.{second}.0.0/16").overlaps(network) for network in taken):
            return Addresses(second)
    raise RuntimeError("this machine has routes into all networks that a test cluster could use")
