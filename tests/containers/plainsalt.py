"""Plain Debian machines with plain Salt: a formula's states without any of Saltern, for comparison with it.

A machine is a container of the base with Debian's own python3 and Salt from PyPI; its services are started by Salt
through the packages' init scripts, or on a machine with systemd through their units. Nothing of the worker takes part.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from saltern.base.events import silent
from saltern.base.process import LocalRunner
from saltern.base.store import Store
from saltern.formulas.metadata import Check
from saltern.images.base import DEFAULT_BASES, ensure_base
from saltern.images.engine import Engine
from saltern.images.engine.select import select_engine
from saltern.images.toolchain import fetch_site_packages, release_of
from saltern.project.context import Options, open_project
from saltern.project.inventorying import salt_modules

ROOT = Path(__file__).parents[2]
ORDER = ("mariadb", "memcached", "rabbitmq", "keystone", "glance")
"""As a person would do it: what others need comes first."""
REQUISITE = "One or more requisite failed"
"""What Salt says of a state that it did not try."""
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "saltern-tests"
"""Kept between runs: bootstrapped bases, Salt."""

CALL_TIMEOUT = 1800.0
"""Seconds that one command may take: a first highstate of a hypervisor, on a busy machine."""

CAPABILITIES = ("SYS_PTRACE",)
"""root of a machine sees the programs of all processes; the init scripts' ``status`` needs that."""

REAPER = ("perl", "-e", '$SIG{CHLD} = "IGNORE"; sleep 60 while 1')
"""An init that does nothing but to let daemons end."""

PREPARE = """
set -e
apt-get update -q >/dev/null
DEBIAN_FRONTEND=noninteractive apt-get install -y -q python3 >/dev/null
printf '#!/bin/sh\\necho N 2\\n' >/usr/sbin/runlevel
chmod 755 /usr/sbin/runlevel
mkdir -p /etc/salt /srv/pillar
"""
"""What a machine has and a container has not: Python, and a runlevel."""

SYSTEMD = """
set -e
apt-get update -q >/dev/null
DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends python3 systemd-sysv dbus >/dev/null
exec /lib/systemd/systemd
"""
"""The first process of a machine with systemd."""

HYPERVISOR = (
    *("--systemd", "always", "--cgroupns", "private", "--device", "/dev/net/tun"),
    *("--cap-add", ",".join((*CAPABILITIES, "DAC_READ_SEARCH", "NET_ADMIN", "NET_RAW", "SYS_ADMIN"))),
)
"""Of a machine with systemd that has guests: what the containers of a compute have together."""

BOOTED = "until systemctl is-system-running | grep -E 'running|degraded'; do sleep 1; done 2>&1"

NETWORK_SETTINGS = """
mkdir -p /run/proc
mount -t proc proc /run/proc
mount --bind /run/proc/sys/net /proc/sys/net
umount /run/proc
"""
"""A machine can write them; the engine gives a container a /proc/sys that cannot be written."""

SALTERN = """#!/bin/sh
# What the command said on the machine of the model: all that Saltern's module for Salt asks it for.
while [ "$1" != --salt ]; do shift; done
exec cat "/srv/saltern/$2.json"
"""

SALT_CALL = """
import sys
sys.path.append("/opt/site-packages")
sys.argv[0] = "salt-call"
from salt.scripts import salt_call
salt_call()
"""


@dataclass(frozen=True)
class PlainMachine:
    """A running machine of the name ``name``, which is also its host name and minion id."""

    engine: Engine
    container: str
    name: str

    def run(self, *argv: str, environment: Mapping[str, str] | None = None, stdin: str = "") -> str:
        """What a command prints; values of ``environment`` show in no process list."""
        environment = environment or {}
        options = [word for key in environment for word in ("--env", key)]
        return _call(self.engine, "exec", "-i", *options, self.container, *argv, environment=environment, stdin=stdin)

    def proof(self, check: Check) -> str:
        """What a formula's check says of the services that run here."""
        timeout = ("timeout", str(check.timeout))
        return self.run(*timeout, *check.command, environment=check.environment).strip().splitlines()[-1]

    def salt(self, function: str, *arguments: str) -> Any:
        """What ``salt-call --local`` answers."""
        python = ("python3", "-I", "-S", "-B", "-W", "ignore", "-c", SALT_CALL)
        answer = self.run(*python, "--local", "--out=json", "--log-level=quiet", function, *arguments)
        return json.loads(answer)["local"]

    def apply(self, *sls: str) -> dict[str, dict[str, Any]]:
        """``state.apply``: the result of each state by its tag; without names all that the top file names."""
        self.salt("saltutil.sync_all")
        results = self.salt("state.apply", ",".join(sls)) if sls else self.salt("state.highstate")
        assert isinstance(results, dict), results
        return results

    def write(self, path: str, text: str, mode: str = "600") -> None:
        """A file, with the folders above it."""
        script = 'umask 077; mkdir -p "$(dirname "$1")"; cat >"$1"; chmod "$2" "$1"'
        self.run("sh", "-c", script, "sh", path, mode, stdin=text)


@contextmanager
def plain_machines(
    engine: Engine, cache: Path, base_name: str, formulas: Sequence[Path], pillars: Mapping[str, Mapping[str, Any]]
) -> Iterator[dict[str, PlainMachine]]:
    """A machine for each pillar, by name, on a network where they find one another; all is removed at the end."""
    runner = LocalRunner()
    base = ensure_base(engine, runner, Store(cache), DEFAULT_BASES[base_name], silent)
    site = fetch_site_packages(runner, cache, release_of(base))
    run = f"saltern-plain-{uuid4().hex[:8]}"
    mounts = [f"{site}:/opt/site-packages:ro", *(f"{formula}:/srv/formulas/{formula.name}:ro" for formula in formulas)]
    options = [word for mount in mounts for word in ("--volume", mount)]
    options += [word for capability in CAPABILITIES for word in ("--cap-add", capability)]
    with ExitStack() as stack:
        _call(engine, "network", "create", run)
        stack.callback(_call, engine, "network", "rm", run)
        machines = {}
        for name, pillar in pillars.items():
            container = f"{run}-{name}"
            place = ("--name", container, "--hostname", name, "--network", run, "--network-alias", name)
            stack.callback(_call, engine, "rm", "--force", "--volumes", container)
            _call(engine, "run", "--detach", *place, *options, base.tag, *REAPER)
            machines[name] = PlainMachine(engine, container, name)
            _prepare(machines[name], formulas, pillar)
        yield machines


@contextmanager
def hypervisor(
    engine: Engine, cache: Path, base_name: str, network: str, name: str, answers: Mapping[str, Any]
) -> Iterator[PlainMachine]:
    """A machine with systemd that may have guests, on a network that there is; removed at the end.

    Its minion has no master. Pillar and top data come from Saltern's module for Salt, which gets ``answers``
    (``pillar`` and ``top``) from a command ``saltern`` that only prints them.
    """
    runner = LocalRunner()
    base = ensure_base(engine, runner, Store(cache), DEFAULT_BASES[base_name], silent)
    site = fetch_site_packages(runner, cache, release_of(base))
    mounts = {site: "/opt/site-packages", salt_modules(): "/opt/saltern", ROOT / "formulas": "/srv/formulas"}
    options = [word for here, there in mounts.items() for word in ("--volume", f"{here}:{there}:ro")]
    container = f"saltern-plain-{uuid4().hex[:8]}-{name}"
    place = ("--name", container, "--hostname", name, "--network", network, "--network-alias", name)
    machine = PlainMachine(engine, container, name)
    try:
        _call(engine, "run", "--detach", *place, *HYPERVISOR, *options, base.tag, "sh", "-c", SYSTEMD)
        machine.run("timeout", "600", "sh", "-c", BOOTED)
        machine.run("sh", "-ec", NETWORK_SETTINGS)
        adapter = {"model": "/srv/model", "command": "/usr/local/bin/saltern"}
        formulas = sorted(path.name for path in (ROOT / "formulas").iterdir())
        minion = {
            "id": name,
            "file_client": "local",
            "file_roots": {"base": [f"/srv/formulas/{formula}" for formula in formulas]},
            "pillar_dirs": ["/opt/saltern"],
            "top_dirs": ["/opt/saltern"],
            "ext_pillar": [{"saltern": adapter}],
            "master_tops": {"saltern": adapter},
        }
        machine.write("/etc/salt/minion", json.dumps(minion))
        machine.write("/usr/local/bin/saltern", SALTERN, "755")
        for kind, answer in answers.items():
            machine.write(f"/srv/saltern/{kind}.json", json.dumps(answer))
        yield machine
    finally:
        _call(engine, "rm", "--force", "--time", "0", "--volumes", container)


def _prepare(machine: PlainMachine, formulas: Sequence[Path], pillar: Mapping[str, Any]) -> None:
    machine.run("sh", "-c", PREPARE)
    minion = {
        "id": machine.name,
        "file_client": "local",
        "file_roots": {"base": [f"/srv/formulas/{formula.name}" for formula in formulas]},
        "pillar_roots": {"base": ["/srv/pillar"]},
    }
    files = {
        "/etc/salt/minion": minion,
        "/srv/pillar/top.sls": {"base": {"*": ["node"]}},
        "/srv/pillar/node.sls": pillar,
    }
    for path, content in files.items():
        text = json.dumps(content) if path == "/etc/salt/minion" else "#!json\n" + json.dumps(content)
        machine.write(path, text)


def _call(engine: Engine, *arguments: str, environment: Mapping[str, str] | None = None, stdin: str = "") -> str:
    merged = {**os.environ, **engine.environment, **(environment or {})}
    argv = [*engine.argv, *arguments]
    done = subprocess.run(
        argv, env=merged, input=stdin, capture_output=True, text=True, check=False, timeout=CALL_TIMEOUT
    )
    if done.returncode:
        raise PlainError(f"{arguments[0]} … {arguments[-1][:200]}: rc {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout


class PlainError(AssertionError):
    """A command of a plain machine failed."""


@contextmanager
def applied_machines(
    model: Path, base: str, order: Sequence[str] = ORDER, units: Collection[str] = ()
) -> Iterator[dict[str, PlainMachine]]:
    """Nodes of a model on plain machines, after ``state.apply`` of their formulas.

    ``units`` are services of which packages have a unit and no init script: they fail here, with what requires them.
    """
    project = open_project(model, Options(cache=CACHE / "saltern"))
    members = {member.name: member for member in project.members}
    formulas = {name: members[name].node.applications for name in order}
    roots = [ROOT / "formulas" / name for name in sorted({one for found in formulas.values() for one in found})]
    engine = select_engine(LocalRunner(), CACHE / "saltern")
    with plain_machines(engine, CACHE, base, roots, {name: members[name].pillar for name in order}) as machines:
        for name in order:
            failed = failures(machines[name].apply(*formulas[name]), units)
            assert not failed, f"{name}: {failed}"
        yield machines


def failures(results: Mapping[str, Mapping[str, Any]], units: Collection[str] = ()) -> dict[str, str]:
    """What failed by its tag, but for ``units`` and what requires them."""
    failed = {tag: str(one["comment"]) for tag, one in results.items() if one["result"] is not True}
    first = {tag: text for tag, text in failed.items() if not text.startswith(REQUISITE)}
    if units and first:
        return {tag: text for tag, text in first.items() if results[tag]["name"] not in units}
    return failed
