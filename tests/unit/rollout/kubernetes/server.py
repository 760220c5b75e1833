"""An API server in memory behind a runner that answers as kubectl does."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

from saltern.base.process import Completed, Pipe

READY = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
"""The status of a pod that serves."""


@dataclass
class FakeServer:
    """Objects by kind and name, and the calls that were made. ``refuses``: verb → stderr."""

    objects: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    calls: list[tuple[str, ...]] = field(default_factory=list)
    refuses: dict[str, str] = field(default_factory=dict)
    version: int = 0
    looks: dict[tuple[str, str], list[dict[str, Any]]] = field(default_factory=dict)
    """Kind and name → the statuses that one look after the other finds, the last one for ever."""
    pod_status: Mapping[str, Any] = field(default_factory=lambda: READY)
    """What becomes of pods that are applied."""
    logs: dict[tuple[str, bool], str] = field(default_factory=dict)
    """Pod, and whether its previous container is meant → what it wrote."""
    inputs: list[str] = field(default_factory=list)
    """What commands in pods got as stdin."""
    ends: tuple[int, str, str] = (0, "", "")
    """How commands in pods end: code, stdout and stderr."""

    controls: bool = False
    """Its controllers work: what is applied serves, or is done, at once."""
    owners: dict[tuple[str, str], str] = field(default_factory=dict)
    """Kind and name → who owns a field that we would set otherwise."""
    written: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    """Kind and name → annotations that people gave it, which stay when it is applied."""
    old_client: bool = False
    """kubectl is of 1.20, or older."""

    def edit(self, kind: str, name: str, *path: str, value: Any, who: str = "kubectl-edit") -> None:
        """Somebody sets a field by hand."""
        thing = json.loads(json.dumps(self.objects[kind, name]))
        place = thing
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
        thing["metadata"]["managedFields"] = [{"manager": "saltern"}, {"manager": who, "time": "2"}]
        self.owners[kind, name] = who
        self.put(thing)
        if self.controls:
            self._control((kind, name))

    def annotate(self, kind: str, name: str, **annotations: str) -> None:
        """Somebody gives an object annotations; ``_`` in a name stands for ``/``, and ``__`` for a dot."""
        named = {key.replace("__", ".").replace("_", "/"): value for key, value in annotations.items()}
        self.written.setdefault((kind, name), {}).update(named)
        self.put(self.objects[kind, name])

    def put(self, thing: Mapping[str, Any]) -> None:
        self.version += 1
        if thing["kind"] == "Pod" and "status" not in thing:
            thing = {**thing, "status": self.pod_status}
        meta = {**thing["metadata"], "resourceVersion": str(self.version)}
        meta.setdefault("uid", f"uid-{meta['name']}")
        if given := self.written.get((thing["kind"].lower(), meta["name"])):
            meta["annotations"] = {**meta.get("annotations", {}), **given}
        self.objects[thing["kind"].lower(), meta["name"]] = {**thing, "metadata": meta}

    # the runner

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: str | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,
        silence: float | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> Completed:
        words = [word for word in argv[1:] if not word.startswith("--request-timeout")]
        while words and words[0] in ("--namespace", "--context"):
            words = words[2:]
        self.calls.append(tuple(words))
        verb = words[0]
        if verb in self.refuses:
            return Completed(tuple(argv), 1, "", self.refuses[verb])
        done: Completed = getattr(self, f"_{verb}")(tuple(argv), words, stdin)
        for line in (done.stdout + done.stderr).splitlines() if on_line else ():
            on_line(line)  # type: ignore[misc]
        return done

    def transfer(
        self,
        argv: Sequence[str],
        *,
        stdin: IO[bytes] | None = None,
        stdout: IO[bytes] | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Completed:
        self.calls.append(tuple(argv[3:]))
        code, out, err = self.ends
        if stdout is not None:
            stdout.write(out.encode())
        return Completed(tuple(argv), code, "", err)

    def open(self, argv: Sequence[str], *, env: Mapping[str, str] | None = None) -> Pipe:
        raise AssertionError("nothing is opened")

    def _get(self, argv: tuple[str, ...], words: list[str], stdin: str | None) -> Completed:
        if "--show-managed-fields" in words and self.old_client:
            return Completed(argv, 1, "", "Error: unknown flag: --show-managed-fields")
        kinds = [word.partition(".")[0] for word in words[1].split(",")]
        if "--ignore-not-found" in words:
            found = self.objects.get((kinds[0], words[2]))
            if found and (statuses := self.looks.get((kinds[0], words[2]))):
                found = {**found, "status": statuses.pop(0) if len(statuses) > 1 else statuses[0]}
            return Completed(argv, 0, json.dumps(found) if found else "", "")
        wanted = dict(
            part.split("=")
            for part in (words[words.index("--selector") + 1] if "--selector" in words else "").split(",")
            if part
        )
        items = [
            one
            for (kind, _), one in self.objects.items()
            if kind in kinds and wanted.items() <= one["metadata"].get("labels", {}).items()
        ]
        return Completed(argv, 0, json.dumps({"items": items}), "")

    def _version(self, argv: tuple[str, ...], words: list[str], stdin: str | None) -> Completed:
        return Completed(argv, 0, json.dumps({"serverVersion": {"major": "1", "minor": "36"}}), "")

    def _apply(self, argv: tuple[str, ...], words: list[str], stdin: str | None) -> Completed:
        for thing in json.loads(stdin or "")["items"]:
            key = thing["kind"].lower(), thing["metadata"]["name"]
            if key in self.owners and "--force-conflicts" not in words:
                why = f'Apply failed with 1 conflict: conflict with "{self.owners[key]}" using apps/v1: .spec'
                return Completed(argv, 1, "", why)
            self.owners.pop(key, None)
            self.put(thing)
            if self.controls:
                self._control(key)
        return Completed(argv, 0, "", "")

    def _control(self, key: tuple[str, str]) -> None:
        thing = self.objects[key]
        if key[0] == "job":
            thing["status"] = {"conditions": [{"type": "Complete", "status": "True"}]}
        if key[0] not in ("deployment", "statefulset"):
            return
        thing["metadata"]["generation"] = self.version
        count = thing["spec"]["replicas"]
        counts = dict.fromkeys(("updatedReplicas", "readyReplicas", "replicas"), count)
        thing["status"] = {"observedGeneration": self.version, **counts}
        labels, spec = thing["spec"]["selector"]["matchLabels"], thing["spec"]["template"]["spec"]
        for number in range(count):
            self.put({"kind": "Pod", "metadata": {"name": f"{key[1]}-{number}", "labels": labels}, "spec": spec})

    def _create(self, argv: tuple[str, ...], words: list[str], stdin: str | None) -> Completed:
        thing = json.loads(stdin or "")
        if (thing["kind"].lower(), thing["metadata"]["name"]) in self.objects:
            return Completed(argv, 1, "", "Error from server (AlreadyExists): it already exists")
        self.put(thing)
        return Completed(argv, 0, "", "")

    def _replace(self, argv: tuple[str, ...], words: list[str], stdin: str | None) -> Completed:
        thing = json.loads(stdin or "")
        current = self.objects[thing["kind"].lower(), thing["metadata"]["name"]]
        if current["metadata"]["resourceVersion"] != thing["metadata"]["resourceVersion"]:
            return Completed(argv, 1, "", "Error from server (Conflict): the object has been modified")
        self.put(thing)
        return Completed(argv, 0, "", "")

    def _delete(self, argv: tuple[str, ...], words: list[str], stdin: str | None) -> Completed:
        for name in (word for word in words[2:] if not word.startswith("--")):
            self.objects.pop((words[1], name), None)
        return Completed(argv, 0, "", "")

    def _exec(self, argv: tuple[str, ...], words: list[str], stdin: str | None) -> Completed:
        self.inputs.append(stdin or "")
        code, out, err = self.ends
        return Completed(argv, code, out, err)

    def _logs(self, argv: tuple[str, ...], words: list[str], stdin: str | None) -> Completed:
        text = self.logs.get((words[1], "--previous" in words))
        return (
            Completed(argv, 1, "", "previous terminated container not found")
            if text is None
            else Completed(argv, 0, text, "")
        )
