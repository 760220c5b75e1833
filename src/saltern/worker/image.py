"""A build inside a container: services stay stopped, and what only the build needed is gone at its end."""

from __future__ import annotations

import contextlib
import glob
import json
import os
import shutil
import socket
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from . import collect, sbom

POLICY = "/usr/sbin/policy-rc.d"
HOSTNAME = "/proc/sys/kernel/hostname"
HOSTS = "/etc/hosts"
LEFTOVERS = (
    "/var/lib/apt/lists/*",
    "/var/cache/apt/archives/*.deb",
    "/var/cache/apt/archives/partial/*",
    "/var/cache/apt/*.bin",
    "/var/cache/debconf/*-old",
    "/var/lib/dpkg/*-old",
    "/var/cache/ldconfig/aux-cache",
    "/etc/*-",
    "/root/.cache",
)
"""Removed after a build, unless a chunk made them. ``/etc/*-`` are backups that adduser leaves (passwd-, shadow-)."""
IDENTITIES = (
    "/etc/ssh/ssh_host_*",
    "/etc/ssl/private/ssl-cert-snakeoil.key",
    "/etc/ssl/certs/ssl-cert-snakeoil.pem",
    "/var/lib/dbus/machine-id",
    "/var/lib/systemd/random-seed",
    "/var/lib/rabbitmq/.erlang.cookie",  # what Erlang nodes trust each other by; the package makes a random one
)
"""What must be unique per machine, so never in an image."""


@contextlib.contextmanager
def building(chunks: Sequence[Mapping[str, Any]]) -> Iterator[None]:
    """Around the chunks of a build; on the way out the SBOM is written and the image cleaned."""
    declared = {str(chunk.get("name", "")) for chunk in chunks if chunk.get("state") == "file"}
    logs = collect.snapshot("/var/log")
    with _no_services(), _addressed():
        yield
    created = sbom.date_of_lists()
    _clean(declared)
    _clean_logs(logs, declared)
    write_sbom(created)


def write_sbom(created: str) -> None:
    """Write the SBOM of this file system."""
    path = Path(sbom.PATH)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(sbom.document(sbom.installed(), created), indent=1, sort_keys=True) + "\n")


@contextlib.contextmanager
def _no_services() -> Iterator[None]:
    """Debian's maintainer scripts ask this file before they start anything; 101 forbids it."""
    kept = Path(POLICY).read_bytes() if os.path.exists(POLICY) else None
    Path(POLICY).write_text("#!/bin/sh\nexit 101\n")
    os.chmod(POLICY, 0o755)
    try:
        yield
    finally:
        if kept is None:
            os.unlink(POLICY)
        else:
            Path(POLICY).write_bytes(kept)


@contextlib.contextmanager
def _addressed() -> Iterator[None]:
    """Maintainer scripts ask for this machine's address (cinder's do); buildah names none in the host's network."""
    name = Path(HOSTNAME).read_text().strip()  # what Python tells is the node's in here
    try:
        socket.gethostbyname(name)
    except OSError:
        kept = Path(HOSTS).read_bytes() if os.path.exists(HOSTS) else b""
        Path(HOSTS).write_bytes(kept + f"\n127.0.1.1 {name}\n".encode())
        try:
            yield
        finally:
            Path(HOSTS).write_bytes(kept)
    else:
        yield


def _clean(declared: set[str]) -> None:
    for pattern in (*LEFTOVERS, *IDENTITIES):
        for path in glob.glob(pattern):
            if path not in declared and path != "/var/lib/apt/lists/partial":
                _remove(path)
    for link in glob.glob("/etc/ssl/certs/*"):
        if os.path.islink(link) and os.readlink(link).endswith("ssl-cert-snakeoil.pem") and not os.path.exists(link):
            os.unlink(link)
    if os.path.exists("/etc/machine-id") and "/etc/machine-id" not in declared:
        Path("/etc/machine-id").write_bytes(b"")


def _clean_logs(before: Mapping[str, Any], declared: set[str]) -> None:
    """Remove the logs that the build made, and empty the ones that it wrote to."""
    for path, signature in collect.snapshot("/var/log").items():
        if before.get(path) == signature or not os.path.isfile(path) or os.path.islink(path) or path in declared:
            continue
        if path in before:
            Path(path).write_bytes(b"")
        else:
            os.unlink(path)


def _remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        os.unlink(path)
