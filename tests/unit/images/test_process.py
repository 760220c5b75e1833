"""Units and init scripts → processes; what is generated as a shell script is run."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from saltern.base.errors import ImageError
from saltern.formulas.metadata import Probe, ProcessHints
from saltern.images.process import ROOT_CAPABILITIES, Accounts, Process, RuntimeDirectory, parse_unit, read_process

ACCOUNTS = Accounts.parse(
    "root:x:0:0:root:/root:/bin/sh\nglance:x:64062:64061::/var/lib/glance:/bin/false\nbroken line\nodd:x:::\n",
    "root:x:0:\nglance:x:64061:\nssl-cert:x:105:glance\n",
)


def read(unit: str, *dropins: str, hints: ProcessHints | None = None, **facts: Any) -> Process:
    return read_process("web", {"unit": unit, "dropins": dropins, **facts}, hints, ACCOUNTS)


def service(*lines: str) -> str:
    return "\n".join(("[Unit]", "Description=x", "[Service]", *lines, "[Install]", "User=nobody")) + "\n"


def test_data_is_what_the_unit_may_write_to_and_its_users_home() -> None:
    assert read(service("ExecStart=/bin/web", "User=glance")).state == ("/var/lib/glance",)
    assert read(service("ExecStart=/bin/web", "User=glance", "StateDirectory=glance/work")).state == (
        "/var/lib/glance",
    )
    writable = (
        "StateDirectory=web more:link",
        "ReadWriteDirectories=-/var/log/web -/var/lib/web",
        "ReadWritePaths=/run",
    )
    assert read(service("ExecStart=/bin/web", *writable)).state == ("/var/lib/more", "/var/lib/web")
    assert read(service("ExecStart=/bin/web")).state == ()  # root's home is no place for data


@pytest.mark.parametrize(
    ("start", "user"),
    [
        *((start, "64062:64061") for start in ("/bin/web", "-/bin/web", "!!/bin/web")),
        *((start, "") for start in ("!/bin/web", "+/bin/web", "-!/bin/web", "@+/bin/web web")),
    ],
)
def test_a_command_with_full_privileges_starts_as_root_and_its_folders_are_the_users(start: str, user: str) -> None:
    found = read(service(f"ExecStart={start}", "User=glance", "RuntimeDirectory=web"))
    assert (found.command, found.user) == (("/bin/web",), user)
    assert found.runtime == (RuntimeDirectory("/run/web", owner=None if user else "64062:64061"),)
    assert found.capabilities == (() if user else ROOT_CAPABILITIES)
    assert found.state == ("/var/lib/glance",)


def test_an_instance_of_a_template_knows_its_name() -> None:
    unit = service("Type=forking", "PIDFile=/run/%p/%i.pid", "ExecStart=/bin/ctl %i %I %p %N start")
    script = read_process("pg@15-main", {"unit": unit}, None, ACCOUNTS).command[2]
    assert "/bin/ctl 15-main 15/main pg pg@15-main start" in script
    assert "/run/pg/15-main.pid" in script


def test_a_unit_that_ends_at_once_is_no_process() -> None:
    unit = service("Type=oneshot", "RemainAfterExit=on", "ExecStart=/bin/true")
    with pytest.raises(ImageError) as caught:
        read(unit, unit_path="/lib/systemd/system/web.service")
    (problem,) = caught.value.problems
    assert problem.brief == "service 'web' is no process: its unit is of Type=oneshot and ends after /bin/true"
    assert str(problem.places[0]) == "/lib/systemd/system/web.service"
    assert read(unit, hints=ProcessHints(command=("/bin/web",))).command == ("/bin/web",)


def test_a_daemon_that_starts_as_root_may_put_itself_into_a_chroot() -> None:
    """As the haproxy and the sshd of Debian do; both engines allow it by default."""
    assert "SYS_CHROOT" in read(service("ExecStart=/bin/web")).capabilities


def test_the_formula_decides_about_the_user_of_a_privileged_command() -> None:
    hints = ProcessHints(user="glance")
    assert read(service("ExecStart=!/bin/web", "User=root"), hints=hints).user == "64062:64061"


# ---- systemd.syntax


def test_only_the_service_section_counts() -> None:
    assert parse_unit("ExecStart=/early\n" + service("ExecStart=/bin/web")) == {"ExecStart": ["/bin/web"]}


def test_comments_blanks_and_spaces() -> None:
    assert parse_unit(service("# a", "; b", "", "  User = www ", "no assignment")) == {"User": ["www"]}


def test_continuation_lines() -> None:
    got = read(service("ExecStart=/bin/web \\", "    --a \\", "  --b", "User=glance"))
    assert got.command == ("/bin/web", "--a", "--b")
    assert got.user == "64062:64061"


def test_the_values_of_a_key_gather_and_an_empty_one_clears_them() -> None:
    assert parse_unit(service("Environment=A=1", "Environment=B=2"))["Environment"] == ["A=1", "B=2"]
    assert parse_unit(service("Environment=A=1", "Environment=", "Environment=B=2"))["Environment"] == ["B=2"]


def test_a_drop_in_changes_and_clears() -> None:
    unit = service("ExecStart=/bin/old", "User=glance", "Environment=A=1 B=1")
    got = read(unit, service("ExecStart=", "ExecStart=/bin/new", "User="), service("Environment=B=2"))
    assert got.command == ("/bin/new",)
    assert got.user == ""
    assert got.environment == {"A": "1", "B": "2"}


# ---- the command


@pytest.mark.parametrize(
    ("start", "command"),
    [
        ("/bin/web --a 'b c' \"d e\"", ("/bin/web", "--a", "b c", "d e")),
        ("-/bin/web", ("/bin/web",)),
        ("!!/bin/web", ("/bin/web",)),
        ("@/bin/web shown-name --a", ("/bin/web", "--a")),
        ("/bin/web --name %n --pre %p --run %t/%N %% %S %C %L %E", None),
    ],
)
def test_exec_start(start: str, command: tuple[str, ...] | None) -> None:
    wanted = command or (
        *("/bin/web", "--name", "web.service", "--pre", "web", "--run", "/run/web", "%"),
        *("/var/lib", "/var/cache", "/var/log", "/etc"),
    )
    assert read(service(f"ExecStart={start}")).command == wanted


def test_variables_are_filled_in_by_a_shell_that_becomes_the_process() -> None:
    got = read(service("Environment=OPTS='-a -b'", "ExecStart=/bin/echo $OPTS ${OPTS} $$x"))
    done = subprocess.run(got.command, env=dict(got.environment), capture_output=True, text=True, check=True)
    assert done.stdout == "-a -b -a -b $x\n"


def test_an_environment_file_is_read_when_the_process_starts(tmp_path: Path) -> None:
    file = tmp_path / "default file"
    unit = service(
        "Environment=A=unit", f"EnvironmentFile=-{file}", "EnvironmentFile=-/missing", "ExecStart=/usr/bin/env"
    )
    got = read(unit, environment_files={str(file): "whatever it was at build time"})
    assert "/missing" not in got.command[2]
    file.write_text("A=later\nB='two words'\n")
    done = subprocess.run(got.command, env=dict(got.environment), capture_output=True, text=True, check=True)
    assert {"A=later", "B=two words"} <= set(done.stdout.splitlines())


def test_an_environment_file_that_the_image_does_not_have_needs_no_shell() -> None:
    assert read(service("EnvironmentFile=-/etc/default/web", "ExecStart=/bin/web")).command == ("/bin/web",)


def test_the_formula_overrides_the_unit() -> None:
    hints = ProcessHints(
        command=("/bin/mine",),
        user="glance",
        environment={"B": "hint"},
        working_dir="/srv",
        stop_signal="SIGINT",
        stop_timeout=7,
        tmpfs=("/var/cache/web",),
        ports=(80,),
        probe=Probe("tcp", 80),
    )
    unit = service(
        *("ExecStart=/bin/web", "User=root", "Group=ssl-cert", "Environment=A=unit B=unit"),
        *("WorkingDirectory=/var/lib/web", "KillSignal=SIGQUIT"),
    )
    assert read(unit, hints=hints) == Process(
        name="web",
        command=("/bin/mine",),
        source="meta/container.yml",
        user="64062:64061",
        environment={"A": "unit", "B": "hint"},
        working_dir="/srv",
        state=("/var/lib/glance",),
        read_only=True,
        tmpfs=("/var/cache/web",),
        stop_signal="SIGINT",
        stop_timeout=7,
        ports=(80,),
        probe=Probe("tcp", 80),
    )


def test_the_unit_alone() -> None:
    unit = service(
        *("ExecStart=/bin/web", "User=glance", "Group=ssl-cert", "WorkingDirectory=-~", "KillSignal=SIGQUIT"),
        *("RuntimeDirectory=web web/sub:link", "RuntimeDirectoryMode=0750"),
    )
    got = read(unit, unit_path="/lib/systemd/system/web.service")
    assert got == Process(
        name="web",
        command=("/bin/web",),
        source="/lib/systemd/system/web.service",
        user="64062:105",
        working_dir="",
        runtime=(RuntimeDirectory("/run/web", "0750"), RuntimeDirectory("/run/web/sub", "0750")),
        state=("/var/lib/glance",),
        stop_signal="SIGQUIT",
        read_only=False,
    )


# ---- accounts and capabilities


@pytest.mark.parametrize(
    ("user", "group", "account"),
    [
        ("", "", ""),
        ("root", "", ""),
        ("glance", "", "64062:64061"),
        ("glance", "ssl-cert", "64062:105"),
        ("42", "", "42:42"),
        ("42", "7", "42:7"),
    ],
)
def test_accounts(user: str, group: str, account: str) -> None:
    assert ACCOUNTS.resolve(user, group) == account


@pytest.mark.parametrize("line", ["User=nobody", "User=glance\nGroup=nogroup"])
def test_an_account_that_the_image_does_not_have(line: str) -> None:
    with pytest.raises(ImageError) as caught:
        read(service("ExecStart=/bin/web", line))
    (problem,) = caught.value.problems
    assert problem.brief.startswith("service 'web' runs as 'no")
    assert problem.resolution == "add a user.present"


@pytest.mark.parametrize(
    ("lines", "given", "capabilities"),
    [
        ("User=glance", None, ()),
        ("", None, ROOT_CAPABILITIES),
        ("User=glance\nAmbientCapabilities=CAP_NET_BIND_SERVICE CAP_CHOWN", None, ("CHOWN", "NET_BIND_SERVICE")),
        ("User=glance\nAmbientCapabilities=CAP_CHOWN\nAmbientCapabilities=", None, ()),
        ("AmbientCapabilities=CAP_CHOWN", (), ()),
        ("", ("SETUID", "KILL"), ("KILL", "SETUID")),
    ],
)
def test_capabilities(lines: str, given: tuple[str, ...] | None, capabilities: tuple[str, ...]) -> None:
    hints = None if given is None else ProcessHints(capabilities=given)
    assert read(service("ExecStart=/bin/web", lines), hints=hints).capabilities == capabilities


# ---- daemons that fork


DAEMON = """#!{python} -IS
# forks into the background, writes its PID file a little after its parent has ended, tells which signal it got
import os, signal, sys, time
if os.fork():
    os._exit(0)
os.setsid()
def stop(number, _frame):
    open("{log}", "a").write(signal.Signals(number).name + "\\n")
    os._exit(0)
signal.signal(signal.SIGTERM, stop)
signal.signal(signal.SIGQUIT, stop)
time.sleep(0.2)
open("{log}", "a").write("started " + sys.argv[1] + "\\n")
open("{pid}", "w").write(str(os.getpid()) + "\\n")
time.sleep(60)
"""


class Daemon:
    def __init__(self, folder: Path) -> None:
        self.pid_file, self.log, self.path = folder / "web.pid", folder / "log", folder / "daemon"
        self.path.write_text(DAEMON.format(python=sys.executable, log=self.log, pid=self.pid_file))
        self.path.chmod(0o755)

    def start(self) -> subprocess.Popen[bytes]:
        unit = service("Type=forking", f"PIDFile={self.pid_file}", f"ExecStart={self.path} now")
        return subprocess.Popen(read(unit).command, stdin=subprocess.DEVNULL, start_new_session=True)

    def said(self, word: str) -> bool:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            if self.log.exists() and word in self.log.read_text().split():
                return True
            time.sleep(0.02)
        return False

    def kill(self) -> None:
        if self.pid_file.exists():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(self.pid_file.read_text()), signal.SIGKILL)


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    found = Daemon(tmp_path)
    yield found
    found.kill()


@pytest.mark.parametrize("name", ["TERM", "QUIT"])
def test_a_forking_daemon_is_followed_and_gets_the_signals(daemon: Daemon, name: str) -> None:
    with daemon.start() as shell:
        try:
            assert daemon.said("started")
            time.sleep(0.3)
            assert shell.poll() is None, "the container would end though the daemon runs"
            shell.send_signal(getattr(signal, f"SIG{name}"))
            assert daemon.said(f"SIG{name}")
            shell.wait(10)
        finally:
            shell.kill()


def test_the_container_ends_when_the_daemon_ends(daemon: Daemon) -> None:
    with daemon.start() as shell:
        try:
            assert daemon.said("started")
            time.sleep(0.3)
            daemon.kill()
            shell.wait(10)
        finally:
            shell.kill()


def test_the_pid_file_of_an_earlier_run_is_not_taken_for_the_daemon(daemon: Daemon) -> None:
    daemon.path.write_text(f"#!/bin/sh\n[ ! -e {daemon.pid_file} ] || exit 7\necho started > {daemon.log}\nexit 3\n")
    daemon.pid_file.write_text("999999999")  # of a daemon that was killed
    with daemon.start() as shell:
        assert shell.wait(10) == 3


def test_a_daemon_that_does_not_start_ends_the_container_with_its_code() -> None:
    command = read(service("Type=forking", "PIDFile=/nonexistent", "ExecStart=/bin/sh -c 'exit 3'")).command
    assert subprocess.run(command, check=False, timeout=10).returncode == 3


def test_a_forking_daemon_gets_the_variables_of_its_environment_files() -> None:
    unit = service("Type=forking", "EnvironmentFile=-/etc/default/web", "ExecStart=/bin/web $OPTS $$HOME")
    script = read(unit, environment_files={"/etc/default/web": ""}).command[2]
    assert script.startswith(r"rm -f /run/web.pid; set -a; . /etc/default/web; set +a; /bin/web $OPTS \$HOME || exit; ")


def test_forking_without_a_pid_file_uses_the_usual_one() -> None:
    assert " /run/web.pid" in read(service("Type=forking", "ExecStart=/bin/web")).command[2]
    assert " /run/web/web.pid" in read(service("Type=forking", "PIDFile=%t/%p/%N.pid", "ExecStart=/x")).command[2]


def test_an_init_script_alone() -> None:
    got = read_process("web", {"unit": "", "init": "#!/bin/sh\n"}, None, ACCOUNTS)
    assert got.source == "/etc/init.d/web"
    assert got.command[2].startswith("rm -f /run/web.pid; /etc/init.d/web start || exit;")
    assert "/run/web.pid" in got.command[2]
    assert got.capabilities == ROOT_CAPABILITIES


def test_nothing_says_what_to_run() -> None:
    for facts in ({"unit": ""}, {"unit": service("Type=oneshot")}, {"unit": "", "init": ""}):
        with pytest.raises(ImageError) as caught:
            read_process("web", facts, None, ACCOUNTS)
        (problem,) = caught.value.problems
        assert "nothing says what service 'web' runs" in problem.brief
        assert "processes:web:command" in problem.resolution
