"""What an image reference says about its registry."""

from __future__ import annotations

import ipaddress


def registry_host(reference: str) -> str:
    """``host[:port]`` of a reference, or "" when it names none (then the engine's default applies)."""
    first, slash, _ = reference.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else ""


def is_loopback(reference: str) -> bool:
    """Whether the registry is on this machine (127.0.0.0/8, ::1, localhost): plain HTTP is the rule there."""
    host = registry_host(reference)
    host = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
