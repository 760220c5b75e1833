"""An API server in memory that refuses what an account's Role does not allow, as RBAC does."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

from saltern.base.process import Completed
from tests.unit.rollout.kubernetes.server import FakeServer

GROUPS = {
    **dict.fromkeys(("deployment", "statefulset", "daemonset"), "apps"),
    "job": "batch",
    **dict.fromkeys(("ingress", "networkpolicy"), "networking.k8s.io"),
    "poddisruptionbudget": "policy",
    "lease": "coordination.k8s.io",
}
"""Kind → its API group, where that is not the first one."""
PLURALS = {"ingress": "ingresses", "networkpolicy": "networkpolicies"}

Request = tuple[str, str, str, str]
"""Verb, API group, resource and name ("" for a list)."""


@dataclass
class GuardedServer(FakeServer):
    """``rules`` are a Role's; without any, all is allowed."""

    rules: Sequence[Mapping[str, Any]] = ()
    refused: list[Request] = field(default_factory=list)

    def run(self, argv: Sequence[str], *, stdin: str | None = None, **more: Any) -> Completed:
        for request in requests(argv, stdin):
            if self.rules and not any(_allows(rule, request) for rule in self.rules):
                self.refused.append(request)
                verb, group, resource, _ = request
                why = (
                    f'User "operate" cannot {verb} resource "{resource}" in API group "{group}" in the namespace "lab"'
                )
                return Completed(tuple(argv), 1, "", f"Error from server (Forbidden): {why}")
        return super().run(argv, stdin=stdin, **more)

    def transfer(self, argv: Sequence[str], *, stdout: IO[bytes] | None = None, **more: Any) -> Completed:
        raise AssertionError("a rollout moves no files")


def requests(argv: Sequence[str], stdin: str | None) -> Iterator[Request]:
    """What a call of kubectl asks of the API server, as ``kubectl -v=6`` shows it."""
    words = [word for word in argv[1:] if not word.startswith(("--request-timeout", "--field-manager"))]
    while words and words[0] in ("--namespace", "--context"):
        words = words[2:]
    match words[0]:
        case "get":
            kinds = [word.partition(".")[0] for word in words[1].split(",")]
            named = words[2] if "--ignore-not-found" in words else ""
            yield from (_request("get" if named else "list", kind, named) for kind in kinds)
        case "apply":
            for one in json.loads(stdin or "")["items"]:
                for verb in ("get", "patch", "create"):
                    yield _request(verb, one["kind"].lower(), one["metadata"]["name"] if verb != "create" else "")
        case "create" | "replace":
            thing = json.loads(stdin or "")
            kind, name = thing["kind"].lower(), thing["metadata"]["name"]
            yield {"create": _request("create", kind, ""), "replace": _request("update", kind, name)}[words[0]]
        case "delete":
            verbs = ["get", "delete", *(["list", "watch"] if "--wait=true" in words else [])]
            for name in (word for word in words[2:] if not word.startswith("--")):
                yield from (_request(verb, words[1], name) for verb in verbs)
        case "exec" | "logs":
            verb, below = {"exec": ("create", "exec"), "logs": ("get", "log")}[words[0]]
            yield from (("get", "", "pods", words[1]), (verb, "", f"pods/{below}", words[1]))


def _request(verb: str, kind: str, name: str) -> Request:
    return verb, GROUPS.get(kind, ""), PLURALS.get(kind, f"{kind}s"), name


def _allows(rule: Mapping[str, Any], request: Request) -> bool:
    verb, group, resource, name = request
    named = rule.get("resourceNames")
    is_named = not named or name in named
    return verb in rule["verbs"] and group in rule["apiGroups"] and resource in rule["resources"] and is_named
