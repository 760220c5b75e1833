"""Deterministic grains: the base's release and the node's name; nothing of the machine that the worker runs on.

Memory, processors, addresses, serial numbers and the like are fixed values: a formula that branches on them must get
the same answer on every machine, else the same revision would give different images.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
NAMES = {"debian": "Debian", "ubuntu": "Ubuntu"}


def release(root: Path = Path("/")) -> dict[str, str]:
    """The fields of ``/etc/os-release``."""
    fields = {}
    for path in (root / "etc/os-release", root / "usr/lib/os-release"):
        if path.is_file():
            for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
                key, separator, value = line.partition("=")
                if separator:
                    fields[key.strip()] = value.strip().strip('"')
            break
    return fields


def base(root: Path = Path("/")) -> dict[str, Any]:
    """The grains of the base: operating system, architecture, versions."""
    fields = release(root)
    name = NAMES.get(fields.get("ID", "debian"), fields.get("ID", "debian").capitalize())
    version = fields.get("VERSION_ID", "12")
    full = _point_release(root) or version
    cpu = platform.machine()
    major = int(version.split(".")[0]) if version.split(".")[0].isdigit() else version
    return {
        "kernel": "Linux",
        "kernelrelease": "6.1.0",
        "kernelversion": "#1 SMP",
        "os": name,
        "os_family": "Debian",
        "osfamily": "Debian",
        "osfullname": fields.get("NAME", "Debian GNU/Linux"),
        "osrelease": full if name == "Debian" else version,
        "osrelease_info": [int(part) if part.isdigit() else part for part in full.split(".")],
        "osmajorrelease": major,
        "oscodename": fields.get("VERSION_CODENAME", ""),
        "osfinger": f"{name}-{version}",
        "lsb_distrib_id": name,
        "lsb_distrib_release": full,
        "lsb_distrib_codename": fields.get("VERSION_CODENAME", ""),
        "lsb_distrib_description": fields.get("PRETTY_NAME", ""),
        "cpuarch": cpu,
        "osarch": ARCHITECTURES.get(cpu, cpu),
        "cpu_model": "generic",
        "cpu_flags": [],
        "num_cpus": 2,
        "num_gpus": 0,
        "gpus": [],
        "mem_total": 2048,
        "swap_total": 0,
        "init": "systemd",
        "systemd": {"version": "0", "features": ""},
        "shell": "/bin/sh",
        "path": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "ps": "ps -efHww",
        "locale_info": {
            "defaultlanguage": "C",
            "defaultencoding": "UTF-8",
            "detectedencoding": "utf-8",
            "timezone": "UTC",
        },
        "username": "root",
        "groupname": "root",
        "uid": 0,
        "gid": 0,
        "manufacturer": "",
        "productname": "",
        "biosversion": "",
        "virtual": "container",
        "selinux": {"enabled": False, "enforced": "Disabled"},
        "disks": [],
        "ssds": [],
        "pythonversion": [*sys.version_info[:3], "final", 0],
        "pythonexecutable": "/usr/bin/python3",
        "zmqversion": "",
    }


def _point_release(root: Path) -> str:
    path = root / "etc/debian_version"
    text = path.read_text(encoding="utf-8").strip() if path.is_file() else ""
    return text if text.replace(".", "").isdigit() else ""


def of(node: str, given: Mapping[str, Any], salt_version: str) -> dict[str, Any]:
    """All grains of a node: the base's, those that follow from its name, and on top the ones that were given."""
    host, _, domain = node.partition(".")
    grains = {
        **base(),
        "id": node,
        "nodename": node,
        "host": host,
        "domain": domain,
        "fqdn": node,
        "fqdns": [node],
        "localhost": host,
        "master": "",
        "server_id": 0,
        "saltversion": salt_version,
        "saltversioninfo": [int(part) for part in salt_version.split(".") if part.isdigit()],
        "ipv4": ["127.0.0.1"],
        "ipv6": [],
        "fqdn_ip4": ["127.0.0.1"],
        "fqdn_ip6": [],
        "ip_interfaces": {"lo": ["127.0.0.1"]},
        "ip4_interfaces": {"lo": ["127.0.0.1"]},
        "ip6_interfaces": {"lo": []},
        "hwaddr_interfaces": {},
        "dns": {"nameservers": [], "search": [], "domain": domain},
        "roles": [],
    }
    grains.update(given)
    return grains
