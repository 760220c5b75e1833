"""The key of an image: what its content depends on, and nothing else.

In: the base's digest, the frozen build chunks, the content (and executable bit) of the files they use, the package lock
of the image, the toolchain's key and the grains that the model sets, because all of these can change a byte of the
layer. Out: labels, source and revision (every commit of the model would rebuild every image), user, command, ports and
volumes (they come from what the packages ship, so they follow from the content), the node's name and its pillar (frozen
chunks need neither). An image is rebuilt exactly when its key changes.

Of a chunk counts what it does. How it is called and where it stands does not: ids, SLS and order numbers change when a
formula gets a state more somewhere above, or its author tidies up. So requisites are taken as the places of the chunks
that they mean.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from saltern.base.store import canonical, digest
from saltern.formulas.lowstate import REQUISITES

FORMAT = "2"
"""To be raised when the same inputs shall give another image."""
SHORT = 20
"""How much of a key stands in a tag: 80 bits."""


def image_key(
    *,
    base: str,
    chunks: Sequence[Mapping[str, Any]],
    files: Mapping[str, str],
    packages: Mapping[str, str],
    toolchain: str,
    grains: Mapping[str, Any],
) -> str:
    """SHA-256 in hex; ``files`` maps a salt path to its content's identity, ``packages`` a name to a version."""
    parts = (base, identities(chunks), dict(files), dict(packages), toolchain, _effective(grains, chunks, files))
    return digest(FORMAT, *(canonical(part) for part in parts))


def identity(chunk: Mapping[str, Any]) -> dict[str, Any]:
    """A chunk without the place of its declaration: an added comment line above it changes nothing."""
    return {key: value for key, value in chunk.items() if key not in ("__file__", "__line__")}


NAMES = frozenset(("__file__", "__line__", "__id__", "__sls__", "__env__", "order", "name_order"))
"""What of a chunk says only how it is called and where it stands."""

KINDS = (*REQUISITES, "onfail_all")


def identities(chunks: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What the chunks of a list do, in their order; equal for lists that do the same under other names."""
    found: list[dict[str, Any]] = []
    places: list[int] = []
    for chunk in chunks:
        act = {key: value for key, value in chunk.items() if key not in NAMES and key not in KINDS}
        act.setdefault("name", chunk["__id__"])
        known = found.index(act) if _is_repeatable(act, chunks) and act in found else len(found)
        places.append(known)
        if known == len(found):
            found.append(act)
    return [
        {**act, **dict(_waits(chunks[places.index(place)], place, chunks, places))} for place, act in enumerate(found)
    ]


def _is_repeatable(act: Mapping[str, Any], chunks: Sequence[Mapping[str, Any]]) -> bool:
    """Whether doing it again does nothing: a package that is installed, where none is removed."""
    if (act["state"], act["fun"]) != ("pkg", "installed"):
        return False
    return all(chunk["fun"] == "installed" for chunk in chunks if chunk["state"] == "pkg")


def _waits(
    chunk: Mapping[str, Any], place: int, chunks: Sequence[Mapping[str, Any]], places: Sequence[int]
) -> Iterator[tuple[str, list[int]]]:
    """Its requisites as places in the list, -1 for all that is outside; without those that its place fulfils."""
    for kind in KINDS:
        meant: set[int] = set()
        value = chunk.get(kind) or ()
        for item in value if isinstance(value, (list, tuple)) else [value]:
            own = {other for state, name in _targets(item) for other in _meant(chunks, places, state, name)}
            meant |= own or {-1}
        if kind == "require":  # order is all that it asks for
            meant = {other for other in meant if other > place}
        if meant:
            yield kind, sorted(meant)


def _targets(item: Any) -> Iterator[tuple[str, str]]:
    if isinstance(item, Mapping):
        for state, name in item.items():
            yield str(state).partition(".")[0], str(name)
    else:
        yield "id", str(item)


def _meant(chunks: Sequence[Mapping[str, Any]], places: Sequence[int], state: str, name: str) -> Iterator[int]:
    """By Salt's rule: an id or a name of that state module, wildcards allowed, or a whole SLS."""
    for place, chunk in zip(places, chunks, strict=True):
        own = (chunk.get("__sls__", ""),) if state == "sls" else (chunk["__id__"], chunk.get("name", ""))
        if state in ("sls", "id", chunk["state"]) and (name in own or fnmatch.filter(map(str, own), name)):
            yield place


GRAINS = frozenset(
    (
        *("kernel", "kernelrelease", "kernelversion", "os", "os_family", "osfamily", "osfullname", "osrelease"),
        *("osrelease_info", "osmajorrelease", "oscodename", "osfinger", "lsb_distrib_id", "lsb_distrib_release"),
        *("lsb_distrib_codename", "lsb_distrib_description", "cpuarch", "osarch", "cpu_model", "cpu_flags", "num_cpus"),
        *("num_gpus", "gpus", "mem_total", "swap_total", "init", "systemd", "shell", "path", "ps", "locale_info"),
        *("username", "groupname", "uid", "gid", "manufacturer", "productname", "biosversion", "virtual", "selinux"),
        *("disks", "ssds", "pythonversion", "pythonexecutable", "zmqversion", "id", "nodename", "host", "localhost"),
        *("domain", "fqdn", "fqdns", "server_id", "saltversion", "saltversioninfo", "saltpath", "master", "machine_id"),
        *("ipv4", "ipv6", "fqdn_ip4", "fqdn_ip6", "ip_interfaces", "ip4_interfaces", "ip6_interfaces"),
        *("hwaddr_interfaces", "dns", "uuid", "serialnumber", "virtual_subtype", "provider", "__compat__"),
    )
)
"""The grains that Salt's own modules may ask for."""


def _effective(
    grains: Mapping[str, Any], chunks: Sequence[Mapping[str, Any]], files: Mapping[str, str]
) -> dict[str, Any]:
    """Of the grains that the model sets, those that can matter to what applies the chunks.

    Templates are rendered already. Salt's modules ask for grains of Salt's own, a chunk for one that stands in it, and
    code that a formula brings may ask for any.
    """
    if any(path.startswith("_") for path in files):
        return dict(grains)
    text = canonical([dict(chunk) for chunk in chunks]) if grains else ""
    return {name: value for name, value in grains.items() if name in GRAINS or name in text}
