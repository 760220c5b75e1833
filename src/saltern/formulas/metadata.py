"""What a formula says around its service: ``meta/*.yml`` of the kinds below, checked; as frozen values. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from saltern.base.errors import FormulaError, Problem
from saltern.base.schema import check, load_schema
from saltern.base.store import canonical, digest
from saltern.formulas.endpoints import Endpoint, read_endpoint, unknown_names

KINDS = ("backup", "container", "host", "upgrade", "verify")
"""The kinds of ``meta/*.yml`` that this version reads."""

READY_TIMEOUT = 90
"""Seconds until a process must be ready, where the formula does not say."""

CHECK_TIMEOUT = 60


@dataclass(frozen=True, slots=True)
class Probe:
    """How to see that a process is ready: ``kind`` is ``tcp``, ``http`` or ``exec``; ``timeout`` in seconds."""

    kind: str
    port: int = 0
    path: str = "/"
    command: tuple[str, ...] = ()
    timeout: int = READY_TIMEOUT


@dataclass(frozen=True, slots=True)
class Reload:
    """How a running process takes over changed configuration: what is in ``folders`` may change below it."""

    folders: tuple[str, ...]
    command: tuple[str, ...]
    """Ends with 0 when it took over; runs in its container, as its user."""
    check: tuple[str, ...] = ()
    """Ends with 0 when the configuration is good; runs in a container of its own."""


@dataclass(frozen=True, slots=True)
class ProcessHints:
    """What a formula says of one service; None where the package's unit decides."""

    command: tuple[str, ...] | None = None
    user: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    working_dir: str | None = None
    capabilities: tuple[str, ...] | None = None
    read_only: bool = True
    tmpfs: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    files: tuple[str, ...] | None = None
    """Paths at or below which it gets rendered files; None: it gets all."""
    stop_signal: str | None = None
    stop_timeout: int | None = None
    ports: tuple[int, ...] = ()
    probe: Probe | None = None
    enabled: bool = True
    reload: Reload | None = None


@dataclass(frozen=True, slots=True)
class Volume:
    """A path that is no part of the container.

    ``kind`` is ``data``, ``runtime`` (memory, shared with jobs) or ``borrowed`` (the data of the node ``of``).
    """

    name: str
    path: str
    kind: str = "data"
    shared: bool = False
    """Whether replicas may have it in common."""
    each: bool = False
    """Whether each replica has one for itself, because they are members of a cluster that keeps them alike."""
    of: str = ""
    """Host name of the node whose data volume of that name is borrowed."""


@dataclass(frozen=True, slots=True)
class Connection:
    """A host (and port, 0: any) that a node talks to."""

    host: str
    port: int = 0


@dataclass(frozen=True, slots=True)
class Balancer:
    """What a balancer knows of its servers, and the commands that it takes, for one of their names at a time.

    They run in its container, as its user; :meth:`argv` fills in the name.
    """

    members: Mapping[str, tuple[str, ...]]
    """Host of a server → the names under which the balancer knows it."""
    drain: tuple[str, ...]
    """Send no new connection there."""
    idle: tuple[str, ...]
    """Ends with 0 when it has no connection any more."""
    enable: tuple[str, ...]
    """Take part again."""
    ready: tuple[str, ...]
    """Ends with 0 when it takes part and the balancer itself sees it up; not while it is drained."""
    listens: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    """Port of the balancer → the hosts behind it."""

    @staticmethod
    def argv(command: tuple[str, ...], member: str) -> tuple[str, ...]:
        """One of the commands, for the server that the balancer knows as ``member``."""
        return tuple(word.replace("{member}", member) for word in command)


@dataclass(frozen=True, slots=True)
class Check:
    """A proof that a live service works: ``command`` returns 0; its last line of stdout is shown."""

    name: str
    command: tuple[str, ...]
    process: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    timeout: int = CHECK_TIMEOUT


@dataclass(frozen=True)
class Metadata:
    """The metadata of all formulas of a node, put together."""

    processes: Mapping[str, ProcessHints] = field(default_factory=dict)
    volumes: tuple[Volume, ...] = ()
    members: tuple[str, ...] = ()
    """Host names of the members of a cluster, in the order of the node's replicas."""
    connects: tuple[Connection, ...] = ()
    reaches: tuple[Connection, ...] = ()
    """What it talks to without waiting for it; nothing that is in ``connects``."""
    phases: Mapping[str, str] = field(default_factory=dict)
    checks: tuple[Check, ...] = ()
    balancer: Balancer | None = None
    endpoints: tuple[Endpoint, ...] = ()
    data_plane: bool = False
    """Whether guests' traffic goes through the node."""
    raw: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, compare=False, repr=False)
    """``{formula: {kind: content}}`` as rendered and checked; modules beside this one read other kinds from it."""


def hosts_named(connections: Iterable[Connection], balancer: Balancer | None) -> set[str]:
    """The hosts that a node's configuration names: those it talks to, and servers that it balances."""
    hosts = {connection.host for connection in connections}
    if balancer is not None:
        hosts |= {*balancer.members, *(host for behind in balancer.listens.values() for host in behind)}
    return hosts


@cache
def schemas_key() -> str:
    """Hash of what metadata is checked against."""
    return digest(canonical({kind: load_schema("saltern.formulas", kind) for kind in KINDS}))


def read_metadata(node: str, raw: Mapping[str, Mapping[str, Any]], *, checked: bool = False) -> Metadata:
    """Metadata of a node from ``{formula: {kind: content}}``; raises :class:`FormulaError` with all problems.

    ``checked``: an earlier call found no problem in the same, and :func:`schemas_key` is what it was.
    """
    problems = [] if checked else [*_problems(node, raw)]
    if problems:
        raise FormulaError(problems)
    processes: dict[str, ProcessHints] = {}
    volumes: dict[str, Volume] = {}
    members: tuple[str, ...] = ()
    connects: dict[Connection, None] = {}
    reaches: dict[Connection, None] = {}
    phases: dict[str, str] = {}
    checks: list[Check] = []
    balancer: Balancer | None = None
    data_plane = False
    for formula in sorted(raw):
        container = raw[formula].get("container") or {}
        for name, hints in (container.get("processes") or {}).items():
            processes[name] = _process(hints or {})
        volumes |= {v["path"]: Volume(**v) for v in container.get("volumes") or ()}
        members = tuple(container.get("members") or members)
        connects |= {Connection(**c): None for c in container.get("connects") or ()}
        reaches |= {Connection(**c): None for c in container.get("reaches") or ()}
        phases |= container.get("phases") or {}
        data_plane = data_plane or container.get("data_plane", False)
        if "balancer" in container:
            balancer = _balancer(container["balancer"])
        checks += [_check(c) for c in (raw[formula].get("verify") or {}).get("checks") or ()]
    return Metadata(
        processes=processes,
        volumes=tuple(volumes.values()),
        members=members,
        connects=tuple(connects),
        reaches=tuple(one for one in reaches if one not in connects),
        phases=phases,
        checks=tuple(checks),
        balancer=balancer,
        endpoints=_endpoints(node, raw),
        data_plane=data_plane,
        raw=raw,
    )


def _problems(node: str, raw: Mapping[str, Mapping[str, Any]]) -> Iterator[Problem]:
    for formula in sorted(raw):
        for kind in KINDS:
            content = raw[formula].get(kind)
            if content is not None:
                what = f"{formula}/meta/{kind}.yml, rendered for {node}"
                yield from check(content, load_schema("saltern.formulas", kind), what)


def _endpoints(node: str, raw: Mapping[str, Mapping[str, Any]]) -> tuple[Endpoint, ...]:
    found: list[Endpoint] = []
    problems: list[Problem] = []
    for formula in sorted(raw):
        own = [read_endpoint(e) for e in (raw[formula].get("verify") or {}).get("endpoints") or ()]
        problems += unknown_names(f"{formula}/meta/verify.yml, rendered for {node}", own)
        found += own
    if problems:
        raise FormulaError(problems)
    return tuple(found)


def _process(raw: Mapping[str, Any]) -> ProcessHints:
    values = dict(raw)
    for key in ("command", "capabilities", "tmpfs", "devices", "files", "ports"):
        if key in values:
            values[key] = tuple(values[key])
    values["environment"] = _strings(values.get("environment") or {})
    if "probe" in values:
        values["probe"] = _probe(values["probe"])
    if "reload" in values:
        values["reload"] = Reload(**{key: tuple(words) for key, words in values["reload"].items()})
    return ProcessHints(**values)


def _probe(raw: Mapping[str, Any]) -> Probe | None:
    timeout = raw.get("timeout", READY_TIMEOUT)
    for kind in ("tcp", "http", "exec"):
        if kind in raw:
            values = {**raw[kind], "timeout": timeout}
            if "command" in values:
                values["command"] = tuple(values["command"])
            return Probe(kind, **values)
    return None


def _balancer(raw: Mapping[str, Any]) -> Balancer:
    hosts = {host: tuple(names) for host, names in sorted(raw["members"].items())}
    behind = {int(port): tuple(names) for port, names in (raw.get("listens") or {}).items()}
    commands = {name: tuple(raw[name]) for name in ("drain", "idle", "enable", "ready")}
    return Balancer(hosts, listens=dict(sorted(behind.items())), **commands)


def _check(raw: Mapping[str, Any]) -> Check:
    values = {**raw, "command": tuple(raw["command"]), "environment": _strings(raw.get("environment") or {})}
    return Check(**values)


def _strings(raw: Mapping[str, Any]) -> dict[str, str]:
    """Environment values as a process gets them; YAML's booleans in lower case."""
    return {k: str(v).lower() if isinstance(v, bool) else str(v) for k, v in sorted(raw.items())}
