"""The account with which a saltern works on one cloud: what its rollouts do with kubectl, and no more. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from saltern.targets.kubernetes.manifest import Manifest
from saltern.targets.kubernetes.metadata import MANAGED_BY, MANAGER

RBAC = "rbac.authorization.k8s.io"
WRITE = ("get", "list", "create", "patch", "delete")
AWAITED = (*WRITE, "watch")
"""Of what is removed and seen to be gone."""


def approval_of(name: str) -> str:
    """The ConfigMap with the approval; one of its own, so that who approves can write nothing else."""
    return f"{name}-approval"


def account(name: str, namespace: str) -> tuple[Manifest, ...]:
    """A ServiceAccount and its Role in the cloud's namespace, and a Role for people who approve.

    ``name`` is also that of the ConfigMap with the status, and of the Lease.
    """
    approve = f"{name}-approve"
    subject = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    return (
        object_("v1", "ServiceAccount", name, namespace, {"automountServiceAccountToken": False}),
        object_(f"{RBAC}/v1", "Role", name, namespace, {"rules": rules(name, namespace)}),
        object_(
            f"{RBAC}/v1",
            "RoleBinding",
            name,
            namespace,
            {"roleRef": {"apiGroup": RBAC, "kind": "Role", "name": name}, "subjects": [subject]},
        ),
        object_(f"{RBAC}/v1", "Role", approve, namespace, {"rules": approver(name)}),
    )


def rules(name: str, namespace: str) -> list[dict[str, Any]]:
    """What plans and rollouts need in the namespace. Claims are never removed, and nothing of the cluster is read."""
    return [
        _rule("", ("services", "serviceaccounts", "secrets", "pods"), WRITE),
        _rule("apps", ("deployments", "statefulsets", "daemonsets"), AWAITED),
        _rule("batch", ("jobs",), AWAITED),
        _rule("networking.k8s.io", ("ingresses", "networkpolicies"), WRITE),
        _rule("policy", ("poddisruptionbudgets",), WRITE),
        _rule("", ("persistentvolumeclaims",), ("get", "list", "create", "patch")),
        _rule("", ("pods/log",), ("get",)),
        _rule("", ("events",), ("list",)),
        _rule("", ("pods/exec", "configmaps"), ("create",)),
        _named("configmaps", name, "get", "patch"),
        _named("configmaps", approval_of(name), "get"),
        _named("namespaces", namespace, "get"),
        _rule("coordination.k8s.io", ("leases",), ("get", "create", "update")),
    ]


def approver(name: str) -> list[dict[str, Any]]:
    """What people need who see the status and approve."""
    return [_named("configmaps", name, "get"), _named("configmaps", approval_of(name), "get", "patch")]


def _rule(group: str, resources: tuple[str, ...], verbs: tuple[str, ...]) -> dict[str, Any]:
    return {"apiGroups": [group], "resources": [*resources], "verbs": [*verbs]}


def _named(resource: str, name: str, *verbs: str) -> dict[str, Any]:
    return {**_rule("", (resource,), verbs), "resourceNames": [name]}


def object_(version: str, kind: str, name: str, namespace: str, body: Mapping[str, Any]) -> Manifest:
    """An object that is none of a cloud's."""
    metadata = {"name": name, "namespace": namespace, "labels": {MANAGED_BY: MANAGER}}
    return Manifest(kind, name, {"apiVersion": version, "kind": kind, "metadata": metadata, **body})
