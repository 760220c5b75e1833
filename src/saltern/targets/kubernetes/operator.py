"""A saltern that follows a branch in the cluster itself: its Deployment, for the account of :mod:`.access`. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from saltern.targets.kubernetes.access import object_
from saltern.targets.kubernetes.containers import literal, security
from saltern.targets.kubernetes.manifest import Manifest
from saltern.targets.kubernetes.metadata import HOSTNAME, NAME
from saltern.targets.kubernetes.parts import Account, empty, mount

NETWORK = "io.saltern.network"
"""Label of helper pods."""
NO_NETWORK = "none"
"""Its value for those that talk to nobody: formulas are code of others."""
USER = Account(10001, 10001)
"""Of the image of packaging/Containerfile."""
HOME = "/home/saltern"
ACCESS = "/etc/saltern"
TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105 - where it is
SECONDS = 120
"""How long a step that is being carried out may take to come to its end."""
ENVIRONMENT: Mapping[str, str] = {
    "HOME": HOME,
    "KUBECONFIG": f"{ACCESS}/kube/config",
    "SALTERN_IDENTITY": f"{ACCESS}/identity/identity.txt",
    "GIT_SSH_COMMAND": (
        f"ssh -o BatchMode=yes -o StrictHostKeyChecking=yes -o UserKnownHostsFile={ACCESS}/git/known_hosts"
        f" -o IdentitiesOnly=yes -o IdentityFile={ACCESS}/git/ssh-privatekey"
    ),
    "GIT_CONFIG_COUNT": "2",
    "GIT_CONFIG_KEY_0": "credential.helper",
    "GIT_CONFIG_VALUE_0": f"store --file={ACCESS}/git/credentials",
    "GIT_CONFIG_KEY_1": "gc.autoDetach",  # nobody waits for what it would leave behind
    "GIT_CONFIG_VALUE_1": "false",
}


def operator(name: str, namespace: str, context: str, image: str, words: Sequence[str]) -> tuple[Manifest, ...]:
    """Two pods that run ``saltern WORDS``, one of which works; and what keeps their helpers off the network.

    ``name`` is that of the account, ``context`` what the model calls the cluster. What opens the model's secrets, and
    what opens its repository, are in the Secrets ``<name>-identity`` and ``<name>-git``, which may be missing.
    """
    labels = {NAME: name}
    spec = {
        "replicas": 2,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": _pod(name, image, words, labels)},
    }
    policy = {"podSelector": {"matchLabels": {NETWORK: NO_NETWORK}}, "policyTypes": ["Ingress", "Egress"]}
    return (
        object_("v1", "ConfigMap", f"{name}-kubeconfig", namespace, {"data": {"config": _kubeconfig(context)}}),
        object_("apps/v1", "Deployment", name, namespace, {"spec": spec}),
        object_("networking.k8s.io/v1", "NetworkPolicy", f"{name}-helpers", namespace, {"spec": policy}),
    )


def _pod(name: str, image: str, words: Sequence[str], labels: Mapping[str, str]) -> dict[str, Any]:
    apart = {"topologyKey": HOSTNAME, "labelSelector": {"matchLabels": labels}}
    affinity = {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "podAffinityTerm": apart}]}
    container = {
        "name": "saltern",
        "image": image,
        "command": ["saltern", *map(literal, words)],
        "env": [{"name": key, "value": value} for key, value in ENVIRONMENT.items()],
        "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}},
        "securityContext": security(USER, (), read_only=True),
        "volumeMounts": [
            mount("home", HOME),
            mount("tmp", "/tmp"),  # noqa: S108 - of the pod
            mount("kube", f"{ACCESS}/kube", read_only=True),
            mount("identity", f"{ACCESS}/identity", read_only=True),
            mount("git", f"{ACCESS}/git", read_only=True),
        ],
    }
    return {
        "serviceAccountName": name,
        "automountServiceAccountToken": True,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": SECONDS,
        "securityContext": {"fsGroup": USER.gid, "seccompProfile": {"type": "RuntimeDefault"}},
        "affinity": {"podAntiAffinity": affinity},
        "containers": [container],
        "volumes": [
            empty("home", memory=False),
            empty("tmp", memory=False),
            {"name": "kube", "configMap": {"name": f"{name}-kubeconfig"}},
            _given("identity", f"{name}-identity"),
            _given("git", f"{name}-git"),
        ],
    }


def _kubeconfig(context: str) -> str:
    """The account of the pod. kubectl finds that by itself only where it is given no option, as a timeout."""
    name = context or "saltern"
    cluster = {"server": "https://kubernetes.default.svc", "certificate-authority": f"{TOKEN}/ca.crt"}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": {"tokenFile": f"{TOKEN}/token"}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }
    return json.dumps(config, indent=1) + "\n"


def _given(volume: str, secret: str) -> dict[str, Any]:
    return {"name": volume, "secret": {"secretName": secret, "optional": True, "defaultMode": 0o440}}
