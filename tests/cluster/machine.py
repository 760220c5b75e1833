"""A machine of the cluster: a process tree with its own process, network and mount namespaces.

Ending its first process is pulling the plug: the kernel ends all others, containers too, and takes mounts, interfaces
and routes with them. Nothing of the test machine is changed, so nothing needs to be restored.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

FIRST_PROCESS = ("env", "--ignore-signal=CHLD", "sleep", "infinity")
"""Ignored ends of children: the kernel reaps orphans."""


class Machine:
    """One machine; ``folder`` keeps its logs and the id of its first process.

    ``private`` are folders or files of this machine (value) that are seen inside at another place (key).
    """

    def __init__(self, folder: Path, private: Mapping[str, Path]) -> None:
        self._folder = folder
        self._private = private
        self._holder: subprocess.Popen[bytes] | None = None
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        self.pid = 0

    def boot(self) -> None:
        """Start it, with nothing but a loopback."""
        self._folder.mkdir(parents=True, exist_ok=True)
        unshare = ("unshare", "--pid", "--fork", "--mount-proc", "--mount", "--net", *FIRST_PROCESS)
        self._holder = _popen(unshare, self._folder / "holder.log")
        wait_until(lambda: _first_process(self._holder), 10, "the namespaces of a machine")
        self.pid = _first_process(self._holder)
        record(self._folder / "pid", self.pid)
        for place, source in self._private.items():
            self.run(("mount", "--bind", str(source), place))
        self.run(("ip", "link", "set", "lo", "up"))

    def run(self, argv: Sequence[str], stdin: str = "") -> str:
        """Run a command inside and return its stdout."""
        inside = ("nsenter", f"--target={self.pid}", "--mount", "--net", "--pid", "--", *argv)
        done = subprocess.run(inside, input=stdin, capture_output=True, text=True, check=False, timeout=60)
        if done.returncode:
            raise RuntimeError(f"{' '.join(argv)}: {done.stderr or done.stdout}")
        return done.stdout

    def ip(self, *commands: str) -> None:
        """Run commands of ip(8) on its network; processes have the ids that the test machine sees."""
        ip(*commands, prefix=("nsenter", f"--target={self.pid}", "--net", "--"))

    def start(self, name: str, argv: Sequence[str]) -> None:
        """Start a daemon inside, its output in a log of its name."""
        inside = ("nsenter", f"--target={self.pid}", "--mount", "--net", "--pid", "--")
        bound = ("setpriv", "--pdeathsig", "KILL")  # ends with the nsenter that waits for it
        self._daemons[name] = _popen((*inside, *bound, *argv), self._folder / f"{name}.log")

    def stop(self, name: str) -> None:
        """End a daemon as a crash does."""
        daemon = self._daemons.pop(name)
        inner = [int(pid) for pid in _children(daemon.pid)]
        daemon.kill()
        daemon.wait()
        wait_until(lambda: not any(alive(pid) for pid in inner), 10, f"the end of {name}")

    def running(self, name: str) -> bool:
        """True while the daemon has not ended."""
        return name in self._daemons and self._daemons[name].poll() is None

    def log(self, name: str, lines: int = 15) -> str:
        """The last lines that a daemon said."""
        with contextlib.suppress(OSError):
            return "\n".join((self._folder / f"{name}.log").read_text(errors="replace").splitlines()[-lines:])
        return ""

    def power_off(self) -> None:
        """End everything in it at once."""
        end_recorded(self._folder / "pid")
        for process in (*self._daemons.values(), *([self._holder] if self._holder else [])):
            process.kill()
            process.wait()
        self._daemons.clear()
        self._holder, self.pid = None, 0


def ip(*commands: str, prefix: Sequence[str] = ()) -> None:
    """Run commands of ip(8), on the test machine's network unless a prefix leads elsewhere."""
    argv = (*prefix, "ip", "-batch", "-")
    done = subprocess.run(argv, input="\n".join(commands), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"ip {'; '.join(commands)}: {done.stderr}")


def start_recorded(argv: Sequence[str], log: Path, pid: Path) -> subprocess.Popen[bytes]:
    """Start a daemon on the test machine itself; :func:`end_recorded` ends it, also from another run."""
    daemon = _popen(argv, log)
    record(pid, daemon.pid)
    return daemon


def _popen(argv: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        return subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, cwd=Path.cwd()
        )


def _first_process(holder: subprocess.Popen[bytes] | None) -> int:
    """The first process inside, once it is the one that waits for ever; else 0."""
    for pid in _children(holder.pid) if holder else []:
        with contextlib.suppress(OSError):
            if Path(f"/proc/{pid}/comm").read_text().strip() == "sleep":
                return int(pid)
    return 0


def _children(parent: int) -> list[str]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if stat.read_text().rpartition(")")[2].split()[1] == str(parent):
                found.append(stat.parent.name)
    return found


def alive(pid: int) -> bool:
    """True unless the process ended; one that nobody has waited for yet has ended.

    The first thread of a killed process can be a zombie while others still hold its sockets: so long it is alive.
    """
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return False
    threads = int(fields[16])  # proc(5): field 20; the state is field 3
    return state not in "ZX" or threads > 1


def record(path: Path, pid: int) -> None:
    """Remember a process so that a later run can end it, and never another with the same id."""
    path.write_text(f"{pid} {_identity(pid)}")


def end_recorded(path: Path, wait: float = 30) -> None:
    """End the process that was remembered there, if it is still that one, and wait until it has ended."""
    if not path.exists():
        return
    pid, _, identity = path.read_text().partition(" ")
    if pid and _identity(int(pid)) == identity:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
        wait_until(lambda: not alive(int(pid)), wait, f"the end of process {pid}")
    path.unlink()


def _identity(pid: int) -> str:
    try:
        begin = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""
    return f"{begin} {Path('/proc/sys/kernel/random/boot_id').read_text().strip()}"


def wait_until(condition: Callable[[], object], seconds: float, what: str) -> None:
    """Ask ``condition`` until it gives something true."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not after {seconds:.0f} s")
        time.sleep(0.05)
