"""The Pod Security Standards as a checker of pod specs: what the standard's own tables forbid, field by field.

Source: the page "Pod Security Standards" of the Kubernetes documentation, the controls of the policies Baseline and
Restricted for Linux. It shares nothing with the code that makes pods.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

BASELINE_CAPABILITIES = {
    *("AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP"),
    *("SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"),
}
SYSCTLS = {
    *("kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start"),
    *("net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range", "net.ipv4.ip_local_reserved_ports"),
}
VOLUMES = {
    *("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"),
}
PROBES = ("startupProbe", "readinessProbe", "livenessProbe")

Json = Mapping[str, Any]


def baseline(pod: Json) -> list[str]:
    """What the policy Baseline forbids of a pod spec."""
    found = [name for name in ("hostNetwork", "hostPID", "hostIPC") if pod.get(name)]
    context = pod.get("securityContext", {})
    found += [f"sysctl {s['name']}" for s in context.get("sysctls", ()) if s["name"] not in SYSCTLS]
    found += [f"volume {v['name']}: hostPath" for v in pod.get("volumes", ()) if "hostPath" in v]
    found += [f"pod: {what}" for what in _options(context)]
    for one in _containers(pod):
        found += [f"{one['name']}: {what}" for what in _baseline(one)]
    return found


def _baseline(container: Json) -> Iterator[str]:
    context = container.get("securityContext", {})
    if context.get("privileged"):
        yield "privileged"
    if beyond := {*context.get("capabilities", {}).get("add", ())} - BASELINE_CAPABILITIES:
        yield f"capabilities {sorted(beyond)}"
    if any(port.get("hostPort") for port in container.get("ports", ())):
        yield "hostPort"
    if context.get("procMount", "Default") != "Default":
        yield "procMount"
    hooks = [container.get(name, {}) for name in PROBES] + [*container.get("lifecycle", {}).values()]
    if any(hook.get(kind, {}).get("host") for hook in hooks for kind in ("httpGet", "tcpSocket")):
        yield "host of a probe"
    yield from _options(context)


def _options(context: Json) -> Iterator[str]:
    if context.get("windowsOptions", {}).get("hostProcess"):
        yield "hostProcess"
    if context.get("seccompProfile", {}).get("type") == "Unconfined":
        yield "seccomp Unconfined"
    if context.get("appArmorProfile", {}).get("type") == "Unconfined":
        yield "AppArmor Unconfined"
    if {"user", "role"} & {*context.get("seLinuxOptions", {})}:
        yield "seLinuxOptions"


def restricted(pod: Json) -> list[str]:
    """What the policy Restricted forbids of a pod spec, beginning with all that Baseline forbids."""
    found = baseline(pod)
    found += [f"volume {v['name']}" for v in pod.get("volumes", ()) if not VOLUMES & {*v}]
    whole = pod.get("securityContext", {})
    if whole.get("runAsUser") == 0:
        found.append("pod: runAsUser 0")
    for one in _containers(pod):
        found += [f"{one['name']}: {what}" for what in _restricted(one.get("securityContext", {}), whole)]
    return found


def _restricted(own: Json, whole: Json) -> Iterator[str]:
    if own.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation"
    if not own.get("runAsNonRoot", whole.get("runAsNonRoot")):
        yield "runAsNonRoot"
    if own.get("runAsUser") == 0:
        yield "runAsUser 0"
    if own.get("seccompProfile", whole.get("seccompProfile", {})).get("type") not in ("RuntimeDefault", "Localhost"):
        yield "seccompProfile"
    capabilities = own.get("capabilities", {})
    if "ALL" not in capabilities.get("drop", ()):
        yield "capabilities are not dropped"
    if {*capabilities.get("add", ())} - {"NET_BIND_SERVICE"}:
        yield "capabilities are added"


def _containers(pod: Json) -> list[Json]:
    return [c for kind in ("initContainers", "containers", "ephemeralContainers") for c in pod.get(kind, ())]
