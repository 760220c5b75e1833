"""A cluster as a place where containers run: :class:`saltern.images.engine.Runtime` over kubectl.

A workload object is one container to the rest of Saltern, whatever its replicas: which of its pods is asked does not
matter. Helper containers are pods that sleep, so that a command in them has a code, a stdin and two outputs of its own.
"""

from __future__ import annotations

import base64
import contextlib
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO, Any

from saltern.base.errors import EngineError, Problem, SalternError
from saltern.base.process import Completed
from saltern.images.engine import Container, RunSpec
from saltern.rollout.kubernetes.helper import HELPER, MAIN, beside, helper
from saltern.rollout.kubernetes.kubectl import Kubectl
from saltern.rollout.kubernetes.objects import POD_KINDS, Patience, container_of, is_ready, limit, trouble, unfinished
from saltern.targets.compose import LABEL_CLOUD
from saltern.targets.kubernetes.metadata import MANAGED_BY, MANAGER, PART_OF

POD_SECONDS = 120.0
"""How long a helper pod may take to start."""
POLL = 0.5
SOURCE_ENVIRONMENT = '. /dev/stdin; exec "$@" </dev/null'


class ClusterRuntime:
    """See the module. ``claims`` are the volumes of the cloud as it was rendered: name → manifest."""

    name = "kubernetes"

    def __init__(self, kubectl: Kubectl, cloud: str, claims: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        self.kubectl = kubectl
        self._cloud = cloud
        self._claims = dict(claims or {})

    def with_claims(self, claims: Mapping[str, Mapping[str, Any]]) -> ClusterRuntime:
        """The same cluster for the volumes of a rendered cloud."""
        return ClusterRuntime(self.kubectl, self._cloud, claims)

    # ---- what is there

    def containers(self, label: str) -> tuple[Container, ...]:  # noqa: ARG002 - a namespace has one cloud
        """See :meth:`Runtime.containers`: the cloud's workload objects and Jobs."""
        return tuple(sorted((container_of(self._cloud, thing) for thing in self._things()), key=lambda one: one.name))

    def address(self, container: str) -> str:  # noqa: ARG002 - the protocol's
        """Pods have addresses that only the cluster reaches."""
        return ""

    def pods(self, container: str) -> list[dict[str, Any]]:
        """The pods of a workload object or Job, those that serve first."""
        thing = self._thing(container)
        if thing is None:
            return []
        if thing["kind"] == "Job":
            found = self.kubectl.get(("pod",), f"job-name={thing['metadata']['name']}")
        else:
            labels = thing["spec"]["selector"]["matchLabels"]
            found = self.kubectl.get(("pod",), ",".join(f"{key}={labels[key]}" for key in sorted(labels)))
        return sorted(found, key=lambda pod: (not is_ready(pod), pod["metadata"]["name"]))

    def unready(self, container: str) -> str:
        """Why a workload is not as its object says; "" when it is."""
        thing = self._thing(container)
        if thing is None:
            return "is not there"
        why = unfinished(thing)
        said = "; ".join(trouble([pod for pod in self.pods(container) if not is_ready(pod)])) if why else ""
        return f"{why}: {said}" if said else why

    def refusals(self, name: str) -> Mapping[str, str]:
        """Why pods of a workload object or Job were not made (a quota, an admission rule).

        An event's version → its words, the newest last; a version that was not there before tells of a new try.
        """
        events = self.kubectl.get(("event",), fields="reason=FailedCreate")
        return {
            one["metadata"]["resourceVersion"]: str(one["message"])
            for one in sorted(events, key=lambda event: event.get("lastTimestamp") or "")
            if _concerns(one["involvedObject"], name)
        }

    def logs(self, container: str, *, tail: int = 20) -> str:
        """See :meth:`Runtime.logs`; of a pod that was started again also what it said before."""
        pods = self.pods(container)
        if not pods:
            raise EngineError(Problem(f"there is no pod of {self._service(container)}"))
        pod = pods[-1] if not is_ready(pods[-1]) else pods[0]
        name, inside = pod["metadata"]["name"], pod["spec"]["containers"][0]["name"]
        text = self.kubectl.logs(name, inside, tail=tail)
        if len(text.splitlines()) < tail:
            text = self.kubectl.logs(name, inside, tail=tail, previous=True) + text
        return "\n".join(text.splitlines()[-tail:])

    def files(self, container: str) -> dict[str, bytes]:
        """Path → content of the files that the pods of a workload have from Secrets."""
        found: dict[str, bytes] = {}
        for pod in self.pods(container)[:1]:
            volumes = {v["name"]: v["secret"] for v in pod["spec"]["volumes"] if "secret" in v}
            names = {secret["secretName"] for secret in volumes.values()}
            contents = {name: (self.kubectl.find("secret", name) or {}).get("data", {}) for name in sorted(names)}
            for mount in pod["spec"]["containers"][0].get("volumeMounts", ()):
                secret = volumes.get(mount["name"], {})
                keys = {item["path"]: item["key"] for item in secret.get("items", ())}
                content = contents.get(secret.get("secretName", ""), {}).get(keys.get(mount.get("subPath", "")))
                if content is not None:
                    found[mount["mountPath"]] = base64.b64decode(content)
        return found

    # ---- commands inside

    def exec(
        self,
        container: str,
        argv: Sequence[str],
        *,
        user: str = "",
        environment: Mapping[str, str] | None = None,
        timeout: float | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> Completed:
        """See :meth:`Runtime.exec`; the environment goes through stdin."""
        with self._inside(container, user) as (pod, inside):
            if not environment:
                return self.kubectl.exec(pod, inside, argv, timeout=timeout, on_line=on_line)
            text = "".join(f"export {key}={_quoted(value)}\n" for key, value in sorted(environment.items()))
            words = ("/bin/sh", "-c", SOURCE_ENVIRONMENT, "sh", *argv)
            return self.kubectl.exec(pod, inside, words, stdin=text, timeout=timeout, on_line=on_line)

    def exec_bytes(
        self, container: str, argv: Sequence[str], stdout: IO[bytes], *, user: str = "", timeout: float | None = None
    ) -> Completed:
        """See :meth:`Runtime.exec_bytes`."""
        with self._inside(container, user) as (pod, inside):
            return self.kubectl.transfer(
                ("exec", pod, "--container", inside, "--", *argv), stdout=stdout, timeout=timeout
            )

    @contextlib.contextmanager
    def _inside(self, container: str, user: str) -> Iterator[tuple[str, str]]:
        """A pod and its container in which a user's commands run: the process's own, or one made beside it.

        A cluster runs commands in a container as its own user alone.
        """
        pods = [pod for pod in self.pods(container) if pod.get("status", {}).get("phase") == "Running"]
        if not pods:
            raise EngineError(Problem(f"no pod of {self._service(container)} runs"))
        pod = pods[0]
        name, main = pod["metadata"]["name"], pod["spec"]["containers"][0]
        uid = self._uid(name, main["name"], user) if user else None
        if uid is None or uid == main.get("securityContext", {}).get("runAsUser"):
            yield name, main["name"]
            return
        other = f"saltern-{secrets.token_hex(5)}"
        with self._started(other, [beside(other, self._cloud, pod, uid)]):
            yield other, MAIN

    def _uid(self, pod: str, container: str, user: str) -> int:
        first = user.partition(":")[0]
        if first.isdigit():
            return int(first)
        done = self.kubectl.exec(pod, container, ("id", "-u", first), timeout=30)
        if not done.ok:
            raise EngineError(Problem(f"{pod} has no user {first!r}", details=done.tail(3)))
        return int(done.stdout)

    # ---- helper pods

    def run(
        self,
        spec: RunSpec,
        *,
        stdin: str | None = None,
        timeout: float | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> Completed:
        """See :meth:`Runtime.run`."""
        with self._helper(spec) as pod:
            return self.kubectl.exec(pod, MAIN, spec.command, stdin=stdin, timeout=timeout, on_line=on_line)

    def run_bytes(
        self,
        spec: RunSpec,
        *,
        stdin: IO[bytes] | None = None,
        stdout: IO[bytes] | None = None,
        timeout: float | None = None,
    ) -> Completed:
        """See :meth:`Runtime.run_bytes`."""
        with self._helper(spec) as pod:
            interactive = ("--stdin",) if stdin is not None else ()
            words = ("exec", pod, "--container", MAIN, *interactive, "--", *spec.command)
            return self.kubectl.transfer(words, stdin=stdin, stdout=stdout, timeout=timeout)

    @contextlib.contextmanager
    def _helper(self, spec: RunSpec) -> Iterator[str]:
        name = f"saltern-{secrets.token_hex(5)}"
        pod, secret = helper(name, self._cloud, spec)
        with self._started(name, [secret, pod]):
            yield name

    @contextlib.contextmanager
    def _started(self, name: str, objects: Sequence[Mapping[str, Any]]) -> Iterator[None]:
        try:
            self.kubectl.apply(objects)
            self._await(name)
            yield
        finally:
            with contextlib.suppress(SalternError):  # it ends by itself, and the next run removes it
                self.kubectl.delete("pod", [name], wait=False)
                self.kubectl.delete("secret", [name], wait=False)

    def _await(self, name: str) -> None:
        deadline = time.monotonic() + POD_SECONDS
        patience = Patience()
        why = "it was not seen"
        while time.monotonic() < deadline:
            pod = self.kubectl.find("pod", name)
            if pod is not None:
                if is_ready(pod):
                    return
                why = "; ".join(trouble([pod])) or "it is being started"
                hopeless = patience.ends(time.monotonic(), limit([pod], refused=False, unbound=False))
                if hopeless or pod.get("status", {}).get("phase") == "Failed":
                    break
            time.sleep(POLL)
        raise EngineError(Problem(f"the helper pod {name} did not start: {why}"))

    def sweep(self) -> tuple[str, ...]:
        """Remove the helper pods of killed runs; the caller holds the cloud's lock."""
        for kind in ("pod", "secret"):
            left = [one["metadata"]["name"] for one in self.kubectl.get((kind,), f"{HELPER}={self._cloud}")]
            self.kubectl.delete(kind, left, wait=False)
        return ()

    # ---- what goes

    def remove_containers(self, names: Sequence[str]) -> None:
        """See :meth:`Runtime.remove_containers`: the workload objects or Jobs, with their pods."""
        gone = [thing for thing in self._things() if container_of(self._cloud, thing).name in names] if names else []
        for kind in sorted({thing["kind"] for thing in gone}):
            self.kubectl.delete(kind.lower(), [one["metadata"]["name"] for one in gone if one["kind"] == kind])

    def _thing(self, container: str) -> dict[str, Any] | None:
        return next((one for one in self._things() if container_of(self._cloud, one).name == container), None)

    def _things(self) -> list[dict[str, Any]]:
        return self.kubectl.get(POD_KINDS, self.selector)

    @property
    def selector(self) -> str:
        """The labels of all objects of the cloud."""
        return f"{PART_OF}={self._cloud},{MANAGED_BY}={MANAGER}"

    def networks(self, label: str) -> tuple[str, ...]:  # noqa: ARG002 - the protocol's
        """A cluster has one network, and it stays."""
        return ()

    def remove_networks(self, names: Sequence[str]) -> None:
        """See :meth:`networks`."""

    def volumes(self, label: str) -> tuple[str, ...]:
        """See :meth:`Runtime.volumes`: the cloud's claims; throw-away volumes are not made in a cluster."""
        if not label.startswith(LABEL_CLOUD):
            return ()
        found = self.kubectl.get(("persistentvolumeclaim",), f"{PART_OF}={self._cloud}")
        return tuple(one["metadata"]["name"] for one in found)

    def create_volume(self, name: str, labels: Mapping[str, str]) -> None:  # noqa: ARG002 - the claim has its own
        """See :meth:`Runtime.create_volume`: a claim of the rendered cloud."""
        if name not in self._claims:
            raise EngineError(Problem(f"the cloud has no claim {name!r}"))
        self.kubectl.apply([self._claims[name]])

    def remove_volumes(self, names: Sequence[str]) -> None:
        """See :meth:`Runtime.remove_volumes`."""
        self.kubectl.delete("persistentvolumeclaim", names)

    def _service(self, container: str) -> str:
        return container.removeprefix(f"{self._cloud}-")


def _concerns(thing: Mapping[str, Any], name: str) -> bool:
    """Whether an object is the named one, or the ReplicaSet of that Deployment."""
    if thing["kind"] == "ReplicaSet":
        return bool(thing["name"].rpartition("-")[0] == name)
    return bool(thing["name"] == name)


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "'\\''") + "'"
