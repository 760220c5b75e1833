"""Prometheus' own programs for tests: Debian's package, unpacked into the cache. Nothing is installed or started."""

from __future__ import annotations

import fcntl
import os
import subprocess
import tempfile
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "saltern-tests" / "prometheus"


def promtool() -> Path:
    """The program that checks configurations and rules; fetched when it is asked for the first time."""
    program = CACHE / "usr/bin/promtool"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            with tempfile.TemporaryDirectory(dir=CACHE) as folder:
                subprocess.run(("apt-get", "download", "-q", "prometheus"), cwd=folder, check=True, timeout=300)
                (package,) = Path(folder).glob("prometheus_*.deb")
                subprocess.run(("dpkg-deb", "--extract", str(package), str(CACHE)), check=True, timeout=300)
    return program
