"""What killed builds leave behind, and which processes are builds of ours.

A killed ``podman build`` leaves its working container, a mounted overlay, a bundle ``/var/tmp/buildah<n>`` and the
running RUN step itself, as an orphan. Nothing of that carries a label, so builds are started with the owner in their
environment, and a working container is known by the image that it comes from, and by that one's labels.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from saltern.base.process import Runner
from saltern.images.engine.owner import PROC, is_alive, start_time, stat_fields

OWNER_VARIABLE = "SALTERN_OWNER"
"""In the environment of every build command that we start: the value of the owner label."""
OUR_IMAGES = "localhost/saltern/"
"""Prefix of all images that a build of ours starts from; so half-made builds of others are never taken for ours."""
OUR_LABELS = "io.saltern."
"""Prefix of labels of our base images, which all that is built from them inherits."""
_BUILDERS = ("podman", "buildah", "docker")
_RUNTIME = "buildah-oci-runtime"
_GRACE = 5.0
_CLOCKS = 2.0
"""Seconds by which the start of a process and the creation of a container may be told wrongly."""


@dataclass(frozen=True, slots=True)
class BuildProcess:
    """A running build command: anybody's (``owner`` is "") or of a saltern."""

    pid: int
    owner: str
    started: float
    """Seconds since the epoch."""


def build_processes(proc: Path = PROC) -> Iterator[BuildProcess]:
    """All build commands that run on this machine, as far as this user may see them."""
    for folder in proc.glob("[0-9]*"):
        words = _zero_separated(folder / "cmdline")
        if Path(words[0]).name in _BUILDERS and {"build", "bud"} & set(words[1:4]):
            entries = dict(entry.partition("=")[::2] for entry in _zero_separated(folder / "environ"))
            pid = int(folder.name)
            yield BuildProcess(pid, entries.get(OWNER_VARIABLE, ""), _started(pid, proc))


def _zero_separated(file: Path) -> list[str]:
    """The strings of a file in /proc; one empty string when it cannot be read (its process ended, or is not ours)."""
    try:
        return os.fsdecode(file.read_bytes()).split("\0")
    except OSError:
        return [""]


def _started(pid: int, proc: Path) -> float:
    """When a process started; now, when it is gone."""
    ticks = start_time(pid, proc)
    boot = [line.split()[1] for line in (proc / "stat").read_text().splitlines() if line.startswith("btime ")]
    return int(boot[0]) + int(ticks) / os.sysconf("SC_CLK_TCK") if ticks and boot else time.time()


def end_builds(processes: Iterable[BuildProcess]) -> None:
    """End build commands and wait until they are gone: SIGTERM, then SIGKILL."""
    pids = [process.pid for process in processes]
    _signal(pids, signal.SIGTERM)
    deadline = time.monotonic() + _GRACE
    while any(exists(pid) for pid in pids):
        if time.monotonic() > deadline:
            _signal(pids, signal.SIGKILL)
            return
        time.sleep(0.05)


def end_dead_owners_builds() -> None:
    """End the builds whose saltern was killed."""
    end_builds([one for one in build_processes() if one.owner and not is_alive(one.owner)])


def exists(pid: int) -> bool:
    """Whether a process of that id runs."""
    try:
        return stat_fields(pid)[0] not in "ZX"
    except OSError:
        return False


def _signal(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except OSError:
            continue


def is_working_container(raw: Mapping[str, Any]) -> bool:
    """Whether an entry of ``podman ps --external`` is a container in which a build does a step, anybody's."""
    return raw.get("State") in ("storage", "unknown") and raw.get("Command") in (None, ["buildah"])


def is_leftover(
    raw: Mapping[str, Any], labels: Mapping[str, str], builds: Iterable[BuildProcess], orphans: Iterable[str] = ()
) -> bool:
    """Whether a working container is ours and of no live build; ``labels`` are those of the image it comes from.

    Its step is an orphan (see :func:`orphans`), or it is older than every build that runs: none of them made it. Only
    the first step of a build comes from an image with a name of ours; what the later ones come from has our labels.
    """
    is_ours = str(raw.get("Image", "")).startswith(OUR_IMAGES) or any(key.startswith(OUR_LABELS) for key in labels)
    return is_ours and (
        any(str(raw.get("Id", "")).startswith(orphan) for orphan in orphans)
        or all(float(raw.get("Created") or 0) < build.started - _CLOCKS for build in builds)
    )


def orphans(folder: Path | None = None, proc: Path = PROC) -> tuple[str, ...]:
    """The host names (beginnings of working containers' ids) of RUN steps that run without their build command.

    A step is a child of ``buildah-oci-runtime``, which is a child of the build and may outlive it for a moment.
    """
    found = []
    for bundle, hostname in _bundles(folder):
        try:
            runtime = stat_fields((bundle / "pid").read_text().strip(), proc)[1]
            if _command(runtime, proc) == _RUNTIME:
                runtime = stat_fields(runtime, proc)[1]
            build = _command(runtime, proc)
        except OSError:  # the step has not begun, or has just ended: its build lives
            continue
        if build not in _BUILDERS:
            found.append(hostname)
    return tuple(found)


def _command(pid: str, proc: Path) -> str:
    return Path(os.fsdecode((proc / pid / "cmdline").read_bytes().split(b"\0")[0])).name


def remove_bundles(runner: Runner, ids: Sequence[str], folder: Path | None = None) -> None:
    """End the orphaned RUN steps of working containers and remove their bundles."""
    for bundle, hostname in _bundles(folder):
        if any(one.startswith(hostname) for one in ids):
            for runtime in ("runc", "crun"):  # an unknown id is no error for either
                if shutil.which(runtime):
                    runner.run([runtime, "delete", "--force", f"buildah-{bundle.name}"], timeout=30)
            if not any(Path(line.split()[4]).is_relative_to(bundle) for line in _mounts()):
                shutil.rmtree(bundle, ignore_errors=True)


def _bundles(folder: Path | None) -> Iterator[tuple[Path, str]]:
    """buildah's bundles with their host names."""
    for bundle in (folder or _bundle_folder()).glob("buildah*"):
        try:
            hostname = str(json.loads((bundle / "config.json").read_bytes()).get("hostname", ""))
        except (OSError, ValueError):
            continue
        if hostname:
            yield bundle, hostname


def _bundle_folder() -> Path:
    return Path(os.environ.get("TMPDIR") or "/var/tmp")  # buildah's own rule  # noqa: S108


def _mounts() -> list[str]:
    try:
        return (PROC / "self" / "mountinfo").read_text().splitlines()
    except OSError:
        return []
