"""One saltern at a time works on a cloud in a cluster, from whichever machine: a Lease, renewed while it is held.

As in client-go's leader election, clocks are not compared: a lease counts as abandoned when its record has not changed
for its duration, seen from here. A holder that is a dead process of this machine is not waited for.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from saltern.base.errors import LockedError, Problem, SalternError
from saltern.rollout.kubernetes.kubectl import Kubectl

SECONDS = 30
"""After so long without a sign of life another one takes over."""
RENEW = 8.0
POLL = 2.0


@dataclass
class Lease:
    """The lease of a cloud; :meth:`held` is the way to hold it."""

    kubectl: Kubectl
    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    me: str = field(default_factory=lambda: f"{socket.gethostname()}:{os.getpid()}")
    lost: threading.Event = field(default_factory=threading.Event)
    """Set when somebody else was seen to have it."""

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold it for the time of a block. Raises LockedError when another one works."""
        self._take()
        stop = threading.Event()
        renewer = threading.Thread(target=self._renew, args=(stop,), name="saltern-lease", daemon=True)
        renewer.start()
        try:
            yield
        finally:
            stop.set()
            renewer.join()
            with contextlib.suppress(SalternError):  # else it runs out by itself
                self._write_if_mine("")

    def refuse_lost(self) -> None:
        """Raises LockedError where this process does not hold the lease any more: another one may be at work."""
        holder = _holder(self.kubectl.find("lease", self.name))
        if holder != self.me:
            raise LockedError(
                Problem(
                    f"the lease of this cloud was lost: {holder or 'nobody'} has it",
                    details=f"no sign of life came through for {SECONDS} s; what was begun goes no further",
                    resolution="see `saltern status`; `saltern apply` goes on from there",
                )
            )

    def _take(self) -> None:
        """Take it when nobody has it, or who has it shows no sign of life for its duration."""
        seen: Any = None
        since = time.monotonic()
        while True:
            current = self.kubectl.find("lease", self.name)
            holder = _holder(current)
            if holder and holder != self.me and not _is_dead(holder):
                record = current and current["spec"]
                if record != seen:
                    if seen is not None:
                        raise self._refusal(holder)
                    seen, since = record, time.monotonic()
                if time.monotonic() - since <= SECONDS:
                    time.sleep(POLL)
                    continue
            if self._write(self.me, current):
                return

    def _refusal(self, holder: str) -> LockedError:
        return LockedError(
            Problem(
                f"another saltern ({holder}) works on this cloud",
                details=f"it renews the lease {self.name} in the namespace {self.kubectl.namespace}",
                resolution="wait until it has ended",
            )
        )

    def _renew(self, stop: threading.Event) -> None:
        while not stop.wait(RENEW):
            with contextlib.suppress(SalternError):  # the API server may come back before another one waits
                if not self._write_if_mine(self.me):
                    self.lost.set()
                    return

    def _write_if_mine(self, holder: str) -> bool:
        current = self.kubectl.find("lease", self.name)
        return _holder(current) == self.me and self._write(holder, current)

    def _write(self, holder: str, current: Mapping[str, Any] | None) -> bool:
        """Make ``holder`` the holder; False when the lease is no more what was read."""
        spec = {"holderIdentity": holder, "leaseDurationSeconds": SECONDS, "renewTime": _stamp()}
        if current is not None:
            return self.kubectl.replace({**current, "spec": spec})
        meta = {"name": self.name, "labels": dict(self.labels)}
        return self.kubectl.create(
            {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": meta, "spec": spec}
        )


def _holder(lease: Mapping[str, Any] | None) -> str:
    return str(((lease or {}).get("spec") or {}).get("holderIdentity") or "")


def _is_dead(holder: str) -> bool:
    """Whether a holder is a process of this machine that has ended."""
    host, _, pid = holder.rpartition(":")
    if host != socket.gethostname() or not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _stamp() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
