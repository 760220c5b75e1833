"""podman, as it is or, where it cannot start a container here, with settings of our own.

On limited machines (CI runners, cgroup v1 hybrids, no systemd) crun and the default ulimits are refused. One probe
tries it out, and its outcome is remembered; nothing outside the cache directory is written. Why: docs/decisions/010.
"""

from __future__ import annotations

import io
import json
import os
import resource
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from saltern.base.errors import EngineError, Problem
from saltern.base.process import Completed, Runner
from saltern.base.store import canonical, digest, write_atomically
from saltern.images.engine import Container, Image, Mount, leftovers
from saltern.images.engine.cli import STOP_SECONDS, CliEngine
from saltern.images.engine.registry_name import is_loopback

PROBE_TAG = "localhost/saltern/probe:1"
SYSTEMD = Path("/run/systemd/system")
MAX_FILES = 1048576
MAX_PROCESSES = 16384
"""More is refused on limited machines even below the hard limit; containers share this count only with their user."""


class PodmanEngine(CliEngine):
    """:class:`~saltern.images.engine.Engine` over podman (tested with 4.3)."""

    name = "podman"
    package = "podman"
    way_out = "host"

    def __init__(self, runner: Runner, argv: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        super().__init__(runner, argv, environment)
        self._bridges: dict[str, str] = {}
        """Network → its interface on this machine."""

    def untag(self, reference: str) -> None:
        """See :meth:`Engine.untag`: images are the cache. Without the name besides, an image would lose all names."""
        self._call("untag", reference, reference)

    def push(self, reference: str, *, on_line: Callable[[str], None] | None = None) -> str:
        """See :meth:`Engine.push`."""
        with tempfile.TemporaryDirectory(prefix="saltern-") as folder:
            file = Path(folder) / "digest"
            options = ("--digestfile", str(file), *self._registry_options(reference))
            done = self._run("push", *options, reference, on_line=on_line)
            if not done.ok:
                raise self._transfer_error(done, f"{reference} cannot be pushed")
            return file.read_text().strip()

    def images(self, label: str) -> tuple[Image, ...]:
        """See :meth:`Engine.images`. The list has all that is asked for; to inspect each again costs as much again."""
        words = ("images", "--no-trunc", "--filter", f"label={label}", "--format", "json")
        done = self._listed(*words, passing="image not known")
        found: dict[str, Image] = {}
        for raw in json.loads((done if done.ok else self._call(*words)).stdout or "[]"):
            image = Image(raw["Id"], int(raw["Size"]), dict(raw["Labels"] or {}), tuple(sorted(raw.get("Names") or ())))
            found[image.id] = image
        return tuple(found[name] for name in sorted(found))

    def _container(self, raw: Mapping[str, Any]) -> Container:
        """A container whose conmon was killed counts as running: nobody tells podman that it ended."""
        found, pid = super()._container(raw), int((raw.get("State") or {}).get("Pid") or 0)
        is_gone = found.state == "running" and pid > 0 and not leftovers.exists(pid)
        return replace(found, state="dead") if is_gone else found

    def remove_containers(self, names: Sequence[str]) -> None:
        """See :meth:`Engine.remove_containers`."""
        if names:
            self._remove(names, STOP_SECONDS)

    def _remove_now(self, names: Sequence[str]) -> None:
        self._remove(names, 0)

    def _remove(self, names: Sequence[str], seconds: int) -> None:
        words = ("rm", "--force", "--volumes", "--ignore", "--time", str(seconds), *names)
        done = self._run(*words)
        if not done.ok:  # a container whose network another one shares goes only after that one
            done = self._run(*words)
        if not done.ok:
            raise EngineError(self._explain(done))

    def _build_options(self, annotations: Mapping[str, str]) -> tuple[str, ...]:
        words = (word for key in sorted(annotations) for word in ("--annotation", f"{key}={annotations[key]}"))
        return (f"--network={self.way_out}", *words)

    def settle(self, network: str) -> None:
        """See :meth:`Engine.settle`.

        A bridge has the lowest hardware address of its ports, unless somebody sets one; netavark does since 1.8. When
        the container of that port ends, what the others send out is lost until they ask again. A rootless podman's
        bridges are in a network namespace of its own, and are left alone.
        """
        if os.geteuid() != 0:
            return
        if network not in self._bridges:
            done = self._run("network", "inspect", network)
            self._bridges[network] = json.loads(done.stdout)[0].get("network_interface", "") if done.ok else ""
        bridge = self._bridges[network]
        shown = self._runner.run(("ip", "-json", "link", "show", "dev", bridge)) if bridge else None
        if shown and shown.ok:
            self._runner.run(("ip", "link", "set", "dev", bridge, "address", json.loads(shown.stdout)[0]["address"]))

    def _registry_options(self, reference: str) -> tuple[str, ...]:
        return ("--tls-verify=false",) if is_loopback(reference) else ()

    def _image_mount(self, mount: Mount) -> str:
        return f"type=image,source={mount.source},target={mount.target}"

    def _sweep_builds(self) -> tuple[str, ...]:
        """Remove what a killed ``podman build`` left, except what a build that runs at this moment may have made."""
        leftovers.end_dead_owners_builds()
        done = self._listed("ps", "--all", "--external", "--format", "json")
        if not done.ok:  # the next sweep will see
            return ()
        listed = [one for one in json.loads(done.stdout or "[]") if leftovers.is_working_container(one)]
        made_from = sorted({str(one["ImageID"]) for one in listed} - {""})  # of ``FROM scratch`` there is none
        try:
            labels = {one.id: one.labels for one in self.present(made_from)}
        except EngineError:  # an image that goes at this moment; the next sweep will see
            return ()
        builds = tuple(leftovers.build_processes())
        orphans = leftovers.orphans()
        ours = [one for one in listed if leftovers.is_leftover(one, labels.get(one["ImageID"], {}), builds, orphans)]
        if not ours:
            return ()
        ids = [str(one["Id"]) for one in ours]
        leftovers.remove_bundles(self._runner, ids)
        self._remove_now(ids)
        return tuple(str(one["Names"][0]) for one in ours)


# ---- finding settings with which podman works here


def prepare(runner: Runner, cache: Path, command: str = "podman") -> PodmanEngine:
    """A podman that can start containers on this machine, or an EngineError that says why none can."""
    binary = shutil.which(command)
    if binary is None:
        raise EngineError(
            Problem(
                "podman is not installed",
                details=f"{command}: command not found",
                resolution="install it (Debian: apt-get install podman), or use docker: --engine docker",
            )
        )
    memory = cache / "engine" / f"podman-{_situation(binary)}.json"
    known = _read(memory)
    if known is None:
        known = _probe(runner, cache / "engine", command)
        write_atomically(memory, json.dumps(known, sort_keys=True).encode())
    return PodmanEngine(runner, (command,), known)


def _read(memory: Path) -> dict[str, str] | None:
    """What an earlier probe found; None when nothing is known or the file that it speaks of is gone."""
    try:
        known = json.loads(memory.read_bytes())
        conf = known.get("CONTAINERS_CONF", "")
        return dict(known) if not conf or Path(conf).is_file() else None
    except (OSError, ValueError):
        return None


def _situation(binary: str) -> str:
    """A key over everything that decides whether podman works here: a change of it means another probe."""
    stat = Path(binary).stat()
    facts = [binary, stat.st_mtime_ns, stat.st_size, os.getuid(), _limits(), SYSTEMD.is_dir()]
    facts += [os.environ.get("CONTAINERS_CONF", ""), shutil.which("runc") or "", shutil.which("crun") or ""]
    facts += [_text(Path("/proc/sys/kernel/random/boot_id")), _text(Path("/etc/containers/containers.conf"))]
    return digest(canonical(facts))[:16]


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _limits() -> list[str]:
    """``default_ulimits`` that this process is allowed to give."""
    found = []
    for name, number, most in (
        ("nofile", resource.RLIMIT_NOFILE, MAX_FILES),
        ("nproc", resource.RLIMIT_NPROC, MAX_PROCESSES),
    ):
        hard = resource.getrlimit(number)[1]
        value = most if hard == resource.RLIM_INFINITY else min(hard, most)
        found.append(f"{name}={value}:{value}")
    return found


def _settings(folder: Path) -> list[dict[str, str]]:
    """The environments to try, the plainest first; files are written on the way."""
    common = {} if SYSTEMD.is_dir() else {"DISABLE_HC_SYSTEMD": "true"}  # no timers, no errors about them
    ulimits = f"[containers]\ndefault_ulimits = {json.dumps(_limits())}\n"
    texts = [ulimits]
    if shutil.which("runc"):
        texts.append(f'{ulimits}[engine]\nruntime = "runc"\n')
    tried = [common]
    for text in texts:
        path = folder / f"containers-{digest(text)[:12]}.conf"
        note = "# Written by saltern: podman did not start a container here without it (see docs/decisions/010).\n"
        write_atomically(path, (note + text).encode(), mode=0o644)
        tried.append({**common, "CONTAINERS_CONF": str(path)})
    return tried


def _probe(runner: Runner, folder: Path, command: str) -> dict[str, str]:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    failures: list[Completed] = []
    with tempfile.TemporaryDirectory(prefix="saltern-") as scratch:
        tar = Path(scratch) / "probe.tar"
        tar.write_bytes(_probe_tree())
        for environment in _settings(folder):
            engine = PodmanEngine(runner, (command,), environment)
            if engine.image(PROBE_TAG) is None:
                engine.import_rootfs(tar, tag=PROBE_TAG, changes=())
            done = runner.run(
                (command, "run", "--rm", "--network", "none", "--volume", "/usr:/usr:ro", PROBE_TAG, "/usr/bin/true"),
                env=environment, timeout=60,
            )  # fmt: skip
            if done.ok:
                return environment
            failures.append(done)
    raise EngineError(
        Problem(
            "podman cannot start a container on this machine",
            details="\n".join(dict.fromkeys(done.tail(3) for done in failures)),
            resolution="try `podman run` by hand; with docker: --engine docker",
        )
    )


def _probe_tree() -> bytes:
    """An empty tree into which the machine's own /usr is mounted: something to run without fetching an image."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in ("usr", "proc", "sys", "dev", "etc", "run", "tmp"):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        for name in ("bin", "lib", "lib64", "sbin"):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, f"usr/{name}"
            tar.addfile(link)
    return buffer.getvalue()
