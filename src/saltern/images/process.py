"""What a container runs, read from the unit or init script that the package ships. Pure.

Source: systemd.service(5), systemd.exec(5), systemd.syntax(7). Only what matters to one process in a container is read;
sandboxing options of the unit are the engine's job here, and ``ExecStartPre`` is Salt's (build or bootstrap).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from saltern.base.errors import ImageError, Place, Problem
from saltern.formulas.metadata import Probe, ProcessHints, Reload

ROOT_CAPABILITIES = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID", "SYS_CHROOT")
"""What a daemon that starts as root needs to open low ports and to drop its privileges, chroot included."""

STATE_ROOT = "/var/lib/"
WRITABLE_KEYS = ("ReadWritePaths", "ReadWriteDirectories")

STOP_TIMEOUT = 30
"""Seconds before SIGKILL, where neither the unit nor the formula says; systemd's own default is 90."""


@dataclass(frozen=True, slots=True)
class RuntimeDirectory:
    """A folder below /run that exists when the process starts."""

    path: str
    mode: str = "0755"
    owner: str | None = None
    """``uid:gid`` of whom it belongs to where that is not the process's user; empty: root."""


@dataclass(frozen=True)
class Process:
    """One process of a node, ready to be a container. ``source`` says where it was read from."""

    name: str
    command: tuple[str, ...]
    source: str
    user: str = ""
    """``uid:gid``; empty: root."""
    environment: Mapping[str, str] = field(default_factory=dict)
    working_dir: str = ""
    runtime: tuple[RuntimeDirectory, ...] = ()
    state: tuple[str, ...] = ()
    """Folders of its data, as far as the unit and the user's home tell."""
    capabilities: tuple[str, ...] = ()
    read_only: bool = False
    tmpfs: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    files: tuple[str, ...] | None = None
    """Paths at or below which it gets rendered files; None: it gets all."""
    stop_signal: str = ""
    stop_timeout: int = STOP_TIMEOUT
    ports: tuple[int, ...] = ()
    probe: Probe | None = None
    reload: Reload | None = None


@dataclass(frozen=True)
class Accounts:
    """Users and groups of an image, from its /etc/passwd and /etc/group."""

    users: Mapping[str, tuple[int, int]]
    groups: Mapping[str, int]
    homes: Mapping[int, str] = field(default_factory=dict)
    """By user id."""

    @classmethod
    def parse(cls, passwd: str, group: str) -> Accounts:
        """Accounts from the files' texts."""
        users = {f[0]: (int(f[2]), int(f[3])) for f in _fields(passwd, 4)}
        homes = {int(f[2]): f[5] for f in _fields(passwd, 6)}
        return cls(users, {f[0]: int(f[2]) for f in _fields(group, 3)}, homes)

    def resolve(self, user: str, group: str = "") -> str:
        """``uid:gid`` of names or numbers; raises KeyError."""
        if not user or user == "root":
            return ""
        by_number = {str(uid): (uid, gid) for uid, gid in self.users.values()}
        uid, gid = by_number.get(user, (int(user), int(user))) if user.isdigit() else self.users[user]
        if group:
            gid = int(group) if group.isdigit() else self.groups[group]
        return f"{uid}:{gid}"


def _fields(text: str, least: int) -> list[list[str]]:
    return [f for f in (line.split(":") for line in text.splitlines()) if len(f) >= least and f[2].isdigit()]


def read_process(name: str, facts: Mapping[str, Any], hints: ProcessHints | None, accounts: Accounts) -> Process:
    """The process of a service.

    ``facts`` is the worker's ``inspect`` answer for it (``unit``, ``dropins``, ``init``, ``environment_files``),
    ``hints`` the formula's. Raises :class:`ImageError` when nothing says what to run.
    """
    given = hints or ProcessHints(read_only=False)
    unit = parse_unit(facts["unit"], *facts.get("dropins", ())) if facts.get("unit") else {}
    command, source = _command(name, unit, facts, given)
    user = given.user if given.user is not None else _last(unit, "User")
    group = "" if given.user is not None else _last(unit, "Group")
    try:
        account = accounts.resolve(user, group)
    except KeyError as error:
        raise ImageError(
            Problem(f"service {name!r} runs as {error}, which its image does not have", resolution="add a user.present")
        ) from None
    elevated = given.user is None and not given.command and _is_elevated(_last(unit, "ExecStart"))
    return Process(
        name=name,
        command=command,
        source=source,
        user="" if elevated else account,
        environment=dict(sorted({**_environment(unit), **given.environment}.items())),
        working_dir=given.working_dir or _last(unit, "WorkingDirectory").lstrip("-").replace("~", ""),
        runtime=_runtime(unit, account if elevated else None),
        state=_state(unit, accounts.homes.get(int(account.partition(":")[0])) if account else None),
        capabilities=_capabilities(unit, given, "" if elevated else account),
        read_only=given.read_only,
        tmpfs=given.tmpfs,
        devices=given.devices,
        files=given.files,
        stop_signal=given.stop_signal or _last(unit, "KillSignal"),
        stop_timeout=given.stop_timeout or STOP_TIMEOUT,
        ports=given.ports,
        probe=given.probe,
        reload=given.reload,
    )


def parse_unit(*texts: str) -> dict[str, list[str]]:
    """The ``[Service]`` section of a unit and its drop-ins: key → values; an empty value clears the key."""
    found: dict[str, list[str]] = {}
    for text in texts:
        section = ""
        for line in re.sub(r"\\\n\s*", " ", text).splitlines():
            line = line.strip()  # noqa: PLW2901 - the stripped line is the line
            if not line or line[0] in "#;":
                continue
            if line.startswith("["):
                section = line.strip("[]")
            elif section == "Service" and "=" in line:
                key, value = (part.strip() for part in line.split("=", 1))
                if value:
                    found.setdefault(key, []).append(value)
                else:
                    found[key] = []
    return found


def _last(unit: Mapping[str, list[str]], key: str) -> str:
    values = unit.get(key)
    return values[-1] if values else ""


def _command(
    name: str, unit: Mapping[str, list[str]], facts: Mapping[str, Any], hints: ProcessHints
) -> tuple[tuple[str, ...], str]:
    if hints.command:
        return hints.command, "meta/container.yml"
    start = _last(unit, "ExecStart")
    if start and _last(unit, "Type") == "oneshot":
        raise ImageError(
            Problem(
                f"service {name!r} is no process: its unit is of Type=oneshot and ends after {start}",
                (Place(str(facts.get("unit_path", f"{name}.service"))),),
                details="Such a unit stands for others, or sets something up once.",
                resolution=f"name the unit that runs ({name}@INSTANCE) in the state, or give processes:{name}:command "
                "in meta/container.yml, or the state the phase host there",
            )
        )
    if start:
        return _from_unit(name, start, unit, facts), str(facts.get("unit_path", f"{name}.service"))
    if facts.get("init"):
        return _follow(f"/etc/init.d/{name} start", f"/run/{name}.pid"), f"/etc/init.d/{name}"
    raise ImageError(
        Problem(
            f"nothing says what service {name!r} runs: its image has neither a unit nor an init script of that name",
            resolution=f"correct the service's name, or give processes:{name}:command in meta/container.yml",
        )
    )


def _prefixes(start: str) -> str:
    """The special characters before an executable."""
    return start[: len(start) - len(start.lstrip("-@:+!|"))]


def _is_elevated(start: str) -> bool:
    """``+`` and ``!`` start a command as root whatever ``User=`` says; ``!!`` did so on kernels of the past only."""
    return "+" in _prefixes(start) or _prefixes(start).count("!") == 1


def _from_unit(name: str, start: str, unit: Mapping[str, list[str]], facts: Mapping[str, Any]) -> tuple[str, ...]:
    prefixes = _prefixes(start)
    line = start[len(prefixes) :]
    if "@" in prefixes:  # the second word is only the name that `ps` shows
        line = re.sub(r"^(\S+)\s+\S+", r"\1", line)
    line = _specifiers(line, name)
    files = [_specifiers(f.lstrip("-"), name) for f in unit.get("EnvironmentFile", ())]
    files = [f for f in files if f in (facts.get("environment_files") or {})]
    # systemd reads these files when the service starts; so does this shell, which then becomes the service
    source = f"set -a; {''.join(f'. {shlex.quote(f)}; ' for f in files)}set +a; "
    literal = line.replace("$$", r"\$")  # systemd's way to write a dollar sign
    if _last(unit, "Type") == "forking":
        pid_file = _specifiers(_last(unit, "PIDFile"), name) or f"/run/{name}.pid"
        return _follow(literal, pid_file, source if files else "")
    if not files and "$" not in line:
        return tuple(shlex.split(line))
    return ("/bin/sh", "-c", f"{source}exec {literal}")


def _follow(line: str, pid_file: str, prepare: str = "") -> tuple[str, ...]:
    """Run a command that forks into the background, and stay as long as the process of its PID file does.

    A PID file that an earlier run left is removed, as systemd does: its number is soon another process's.
    """
    script = (
        f"rm -f {pid_file}; {prepare}{line} || exit; "
        f"n=0; until [ -s {pid_file} ]; do n=$((n+1)); [ $n -gt 100 ] && exit 1; sleep 0.1; done; "
        f'pid=$(cat {pid_file}); trap "kill -TERM $pid" TERM; trap "kill -QUIT $pid" QUIT; '
        "tail --pid=$pid -f /dev/null & wait $!; tail --pid=$pid -f /dev/null"
    )
    return ("/bin/sh", "-c", script)


def _specifiers(text: str, name: str) -> str:
    prefix, _, instance = name.partition("@")
    values = {"n": f"{name}.service", "N": name, "p": prefix, "i": instance, "I": instance.replace("-", "/")}
    values |= {"t": "/run", "S": "/var/lib", "C": "/var/cache", "L": "/var/log", "E": "/etc", "%": "%"}
    return re.sub(r"%([nNpiItSCLE%])", lambda m: values[m[1]], text)


def _environment(unit: Mapping[str, list[str]]) -> dict[str, str]:
    pairs = (item.split("=", 1) for value in unit.get("Environment", ()) for item in shlex.split(value))
    return {pair[0]: pair[1] for pair in pairs if len(pair) == 2}


def _runtime(unit: Mapping[str, list[str]], owner: str | None) -> tuple[RuntimeDirectory, ...]:
    mode = _last(unit, "RuntimeDirectoryMode") or "0755"
    names = sorted({name.split(":")[0] for value in unit.get("RuntimeDirectory", ()) for name in value.split()})
    return tuple(RuntimeDirectory(f"/run/{name}", mode, owner) for name in names)


def _state(unit: Mapping[str, list[str]], home: str | None) -> tuple[str, ...]:
    """``StateDirectory``, what the unit may write to below /var/lib, and there the home of the service's user."""
    named = [f"{STATE_ROOT}{name.split(':')[0]}" for value in unit.get("StateDirectory", ()) for name in value.split()]
    writable = [path.lstrip("-+") for key in WRITABLE_KEYS for value in unit.get(key, ()) for path in value.split()]
    found = {path.rstrip("/") for path in (*named, *writable, home or "") if path.startswith(STATE_ROOT)}
    return tuple(sorted(path for path in found if not any(path.startswith(f"{other}/") for other in found)))


def _capabilities(unit: Mapping[str, list[str]], hints: ProcessHints, account: str) -> tuple[str, ...]:
    if hints.capabilities is not None:
        return tuple(sorted(hints.capabilities))
    if ambient := unit.get("AmbientCapabilities"):
        return tuple(sorted({c.removeprefix("CAP_") for value in ambient for c in value.split()}))
    return () if account else ROOT_CAPABILITIES
