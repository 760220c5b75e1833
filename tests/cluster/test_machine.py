"""When a process of the cluster counts as ended."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from .machine import alive, wait_until

HALF_ENDED = """
import ctypes, sys, threading
def hold():
    sys.stdin.read()
threading.Thread(target=hold).start()
ctypes.CDLL(None).pthread_exit(None)
"""
"""The first thread ends by itself; the other goes on, with the files and sockets of both, until stdin ends."""


def test_a_process_lives_until_its_last_thread_has_ended() -> None:
    with subprocess.Popen([sys.executable, "-c", HALF_ENDED], stdin=subprocess.PIPE) as process:
        wait_until(lambda: _state(process.pid) == "Z", 10, "the end of the first thread")
        assert alive(process.pid)
        assert process.stdin
        process.stdin.close()
        wait_until(lambda: not alive(process.pid), 10, "the end of the process")
        assert _state(process.pid) == "Z"  # nobody has waited for it
    assert not alive(process.pid)


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
