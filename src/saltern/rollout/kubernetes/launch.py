"""Workload objects and Jobs of a cluster: applied on the server, and what becomes of them awaited.

The cluster's own controllers replace pods one by one; a revision that does not become ready never takes the last pod
that serves, and is told with what its pods say.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from saltern.base.errors import SalternError
from saltern.base.process import Completed
from saltern.plan.steps import Step
from saltern.rollout.kubernetes.claims import make_way, refusals
from saltern.rollout.kubernetes.objects import Patience, is_broken, is_ready, limit, restarts, trouble, unfinished
from saltern.rollout.kubernetes.runtime import ClusterRuntime
from saltern.rollout.launch import JOB_LINES, JOB_TIMEOUT, JobEnd
from saltern.targets.workload import Cloud, Instance

POLL = 1.0
"""Seconds between two looks at an object."""
PULL_SECONDS = 120
"""What images may take to arrive, besides the readiness timeout of a process."""
RESTARTS = 3


@dataclass(frozen=True)
class ClusterLauncher:
    """See the module. ``objects`` are the manifests by service, in the order in which they are applied."""

    cloud: Cloud
    runtime: ClusterRuntime
    objects: Mapping[str, Sequence[Mapping[str, Any]]]
    force: bool = False
    """Fields that somebody else owns are taken; else they are an error."""
    before: dict[str, frozenset[str]] = field(default_factory=dict)
    """Container → the uids of the pods that were there when it was created: what becomes of them says nothing of it."""
    refused: dict[str, frozenset[str]] = field(default_factory=dict)
    """Container → the refusals of pods that were known then."""

    def create(self, step: Step) -> Completed:
        """See :meth:`Launcher.create`: the cluster replaces its pods as the object's strategy says."""
        self.before[step.container] = frozenset(pod["metadata"]["uid"] for pod in self.runtime.pods(step.container))
        self.refused[step.container] = frozenset(self.runtime.refusals(self._main(step.service)[1]))
        make_way(self.runtime.kubectl, self.objects[step.service])
        self.runtime.kubectl.apply(self.objects[step.service], force=self.force)
        return Completed(("kubectl", "apply"), 0, "", "")

    def unready(self, step: Step, one: Instance) -> str:
        """See :meth:`Launcher.unready`."""
        probe = one.process.probe
        replicas = int(self.objects[step.service][-1]["spec"].get("replicas", 1))
        deadline = time.monotonic() + PULL_SECONDS + (probe.timeout if probe else 30) * replicas
        kind, name = self._main(step.service)
        patience = Patience()
        why = "it was not seen"
        while time.monotonic() < deadline:
            thing = self.runtime.kubectl.find(kind, name)
            why = unfinished(thing) if thing else "it is not there"
            if not why:
                return ""
            waiting = [pod for pod in self.runtime.pods(step.container) if not is_ready(pod)]
            self._make_room(thing, waiting)
            old = self.before.get(step.container, frozenset())
            pods = [pod for pod in waiting if pod["metadata"]["uid"] not in old]
            if restarts(pods) >= RESTARTS:
                return f"its process ends again and again; {_told(why, pods)}"
            refused, most = self._hindered(step, pods)
            if patience.ends(time.monotonic(), most):
                return _told(why, pods, refused)
            time.sleep(POLL)
        pods = self.runtime.pods(step.container)
        return f"not ready in time: {_told(why, pods, (*self._refused(step), *refusals(self.runtime.kubectl, pods)))}"

    def _hindered(self, step: Step, pods: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, ...], float | None]:
        """What the cluster refuses to pods that are awaited, and the seconds that it may last; None: it is well."""
        refused = () if pods else self._refused(step)
        unbound = refusals(self.runtime.kubectl, pods)
        return (*refused, *unbound), limit(pods, refused=bool(refused), unbound=bool(unbound))

    def _refused(self, step: Step) -> tuple[str, ...]:
        """Why the cluster made no pod when it tried last; of tries since this one was created."""
        found = self.runtime.refusals(self._main(step.service)[1])
        known = self.refused.get(step.container, frozenset())
        return tuple(message for version, message in found.items() if version not in known)[-1:]

    def _main(self, service: str) -> tuple[str, str]:
        main = self.objects[service][-1]
        return str(main["kind"]).lower(), str(main["metadata"]["name"])

    def _make_room(self, thing: Mapping[str, Any] | None, unready: Sequence[Mapping[str, Any]]) -> None:
        """A StatefulSet waits for ever for a broken pod of an older revision: that one makes room."""
        if thing is None or thing["kind"] != "StatefulSet":
            return
        wanted = thing.get("status", {}).get("updateRevision", "")
        broken = [
            pod["metadata"]["name"]
            for pod in unready
            if wanted
            and is_broken(pod)  # one that only answers slowly serves again
            and not pod["metadata"].get("deletionTimestamp")
            and pod["metadata"].get("labels", {}).get("controller-revision-hash") != wanted
        ]
        self.runtime.kubectl.delete("pod", broken, wait=False)

    # ---- jobs

    def job(self, step: Step) -> JobEnd:
        """See :meth:`Launcher.job`."""
        kubectl, objects = self.runtime.kubectl, self.objects[step.service]
        name = str(objects[-1]["metadata"]["name"])
        kubectl.delete("job", [name])  # one that failed before; a Job is never changed
        self.refused[step.container] = frozenset(self.runtime.refusals(name))
        make_way(kubectl, objects)
        kubectl.apply(objects, force=self.force)
        deadline = time.monotonic() + JOB_TIMEOUT
        patience = Patience()
        while time.monotonic() < deadline:
            thing = kubectl.find("job", name) or {}
            conditions = thing.get("status", {}).get("conditions") or ()
            ended = {one["type"] for one in conditions if one["status"] == "True"}
            if "Complete" in ended:
                kubectl.delete("job", [name], wait=False)
                return JobEnd()
            if "Failed" in ended:
                return JobEnd("failed", self._log(step.container))
            pods = self.runtime.pods(step.container)
            refused, most = self._hindered(step, pods)
            if patience.ends(time.monotonic(), most):
                return JobEnd("cannot start", "\n".join((*trouble(pods), *refused)))
            time.sleep(POLL)
        return JobEnd(f"did not end within {JOB_TIMEOUT} s", self._log(step.container))

    def _log(self, container: str) -> str:
        try:
            return self.runtime.logs(container, tail=JOB_LINES)
        except SalternError:
            return ""


def _told(why: str, pods: Sequence[Mapping[str, Any]], refused: Sequence[str] = ()) -> str:
    said = "; ".join((*trouble(pods), *refused))
    return f"{why}: {said}" if said else why
