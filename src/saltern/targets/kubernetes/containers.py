"""Containers of pods: what each runs, as whom, with how much, and how it is asked whether it is well."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import ceil
from typing import Any

from saltern.formulas.metadata import Probe
from saltern.images.process import Process
from saltern.targets.kubernetes.metadata import Frame, dns
from saltern.targets.kubernetes.parts import Account, Part
from saltern.targets.workload import JOB_CAPABILITIES, Workload

DRAIN = 10
"""Seconds between the end of new connections and the stop signal: until then all proxies and names know it."""
PERIOD = 5
UNREADY_AFTER = 3
DEAD_AFTER = 6
SLOW = 10
"""Seconds that an answer may take: a slow server is better than none."""

PREPARE = "prepare"
RESTRICTED = frozenset({"NET_BIND_SERVICE"})
BASELINE = RESTRICTED | {
    *("AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL"),
    *("MKNOD", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"),
}
"""Capabilities that the Pod Security Standards allow at their levels."""


def service_container(frame: Frame, process: Process, part: Part) -> dict[str, Any]:
    """The container of a process."""
    container: dict[str, Any] = {
        "name": dns(process.name),
        "image": frame.site.image(frame.workload.image),
        "imagePullPolicy": "IfNotPresent",
        "command": [literal(word) for word in process.command],
        "workingDir": process.working_dir,
        "env": [{"name": name, "value": literal(value)} for name, value in sorted(process.environment.items())],
        "ports": [{"name": port_name(p), "containerPort": p, "protocol": "TCP"} for p in process.ports],
        "resources": resources(frame.workload),
        **probes(process.probe),
        "lifecycle": {"preStop": {"exec": {"command": ["sleep", str(DRAIN)]}}},
        "securityContext": security(Account.of(process.user), process.capabilities, read_only=process.read_only),
        "volumeMounts": list(part.mounts),
    }
    return {key: value for key, value in container.items() if value not in ("", [], {})}


def prepare_container(
    frame: Frame, who: Account, part: Part, number: int = 1, capabilities: Sequence[str] = ()
) -> dict[str, Any]:
    """What makes folders and files before the processes of a user start: in their image, as that user."""
    container = {
        "name": PREPARE if number == 1 else f"{PREPARE}-{number}",
        "image": frame.site.image(frame.workload.image),
        "imagePullPolicy": "IfNotPresent",
        "command": ["/bin/sh", "-euc", literal("\n".join(("umask 022", *part.script)) + "\n")],
        "workingDir": "/",
        "resources": resources(frame.workload),
        "securityContext": security(who, sorted({*capabilities} & {*JOB_CAPABILITIES}), read_only=True),
        "volumeMounts": list(part.tools),
    }
    return {key: value for key, value in container.items() if value not in ("", [], {})}


def literal(text: str) -> str:
    """Kubernetes replaces ``$(NAME)`` in commands and values, and reads ``$$`` as one dollar sign."""
    return text.replace("$", "$$")


def port_name(port: int) -> str:
    """The name of a port."""
    return f"tcp-{port}"


def resources(workload: Workload) -> dict[str, Any]:
    """What the model says of memory, as request and limit: a pod that gets its memory is not killed for another's."""
    if not workload.memory:
        return {}
    amount = workload.memory[:-1] + {"b": "", "k": "Ki", "m": "Mi", "g": "Gi"}[workload.memory[-1]]
    return {"requests": {"memory": amount}, "limits": {"memory": amount}}


def security(who: Account, capabilities: Iterable[str], *, read_only: bool) -> dict[str, Any]:
    """The securityContext of a container."""
    added = sorted(capabilities)
    return {
        "runAsUser": who.uid,
        "runAsGroup": who.gid,
        "runAsNonRoot": who.uid != 0,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": read_only,
        "capabilities": {"drop": ["ALL"], **({"add": added} if added else {})},
    }


def probes(probe: Probe | None) -> dict[str, Any]:
    """The startup, readiness and liveness probes of a process.

    Whether it lives is asked more mildly than whether it is ready: a process that answers slowly, or not well because
    what it needs is away, is not helped by a restart. So an HTTP service lives while it takes connections.
    """
    if probe is None:
        return {}
    ready = _question(probe)
    alive = {"tcpSocket": {"port": probe.port}} if probe.kind == "http" else ready
    asked = {"periodSeconds": PERIOD, "timeoutSeconds": SLOW}
    return {
        "startupProbe": {**ready, **asked, "failureThreshold": max(ceil(probe.timeout / PERIOD), 1)},
        "readinessProbe": {**ready, **asked, "failureThreshold": UNREADY_AFTER},
        "livenessProbe": {**alive, "periodSeconds": 2 * PERIOD, "timeoutSeconds": SLOW, "failureThreshold": DEAD_AFTER},
    }


def _question(probe: Probe) -> Mapping[str, Any]:
    if probe.kind == "exec":
        return {"exec": {"command": [literal(word) for word in probe.command]}}
    if probe.kind == "tcp":
        return {"tcpSocket": {"port": probe.port}}
    return {"httpGet": {"path": probe.path, "port": probe.port, "scheme": "HTTP"}}
