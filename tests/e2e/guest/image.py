"""The guest's kernel and initial file system, made once from Debian 12's packages.

They lie in the user's cache in a folder named by a key: the hash of what decides how they come out.
``python -m tests.e2e.guest.image`` makes them by hand and prints the folder.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...cluster.debian import PrivateApt

HERE = Path(__file__).resolve().parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "saltern-tests" / "guest"
INPUTS = ("image.py", "init", "lease")
METAPACKAGE = "linux-image-cloud-amd64"
MODULES = ("virtio_pci", "virtio_blk", "virtio_net")
"""What the init loads, after what they need."""
COMMAND_LINE = "console=ttyS0 loglevel=4 panic=-1"
"""Of the kernel; the console is what Nova keeps."""
MEMORY = 128
"""MB that it does with."""


@dataclass(frozen=True)
class Guest:
    """Files that boot together, and need no disk."""

    kernel: Path
    initramfs: Path


@functools.cache
def key() -> str:
    """Names the files by all that decides about them, but for the day's packages."""
    digest = hashlib.sha256()
    for name in INPUTS:
        digest.update((HERE / name).read_bytes())
    return digest.hexdigest()[:16]


def guest() -> Guest:
    """The guest, made if it is not there yet."""
    folder = CACHE / key()
    found = Guest(folder / "vmlinuz", folder / "initramfs.gz")
    if not found.initramfs.exists():
        work = CACHE / f"work-{os.getpid()}"
        work.mkdir(parents=True)
        try:
            _make(work, folder)
        finally:
            shutil.rmtree(work)
    return found


def _make(work: Path, folder: Path) -> None:
    def run(argv: Sequence[str], cwd: Path | None = None) -> None:
        with (work / "log").open("a") as log:
            subprocess.run(argv, cwd=cwd, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=True)

    root = work / "root"
    apt = PrivateApt(work, run)
    apt.update()
    apt.unpack([METAPACKAGE, "busybox-static"], root)
    apt.unpack([_kernel_package(work / "debs")], root)
    [kernel] = (root / "boot").glob("vmlinuz-*")
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(kernel, folder / "vmlinuz")
    fresh = work / "initramfs.gz"
    fresh.write_bytes(gzip.compress(_initramfs(root), 9, mtime=0))
    fresh.replace(folder / "initramfs.gz")


def _kernel_package(debs: Path) -> str:
    """The package that the metapackage needs."""
    [archive] = debs.glob(f"{METAPACKAGE}_*.deb")
    argv = ["dpkg-deb", "--field", str(archive), "Depends"]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()[0]


def _initramfs(root: Path) -> bytes:
    archive = Archive()
    for folder in ("bin", "dev", "etc", "modules"):
        archive.add(folder, stat.S_IFDIR | 0o755)
    archive.add("dev/console", stat.S_IFCHR | 0o600, device=(5, 1))
    archive.add("bin/busybox", stat.S_IFREG | 0o755, (root / "bin/busybox").read_bytes())
    # glibc's own part of it; any other is no part of a static program, which then ends with a segmentation fault
    archive.add("etc/nsswitch.conf", stat.S_IFREG | 0o644, b"hosts: files\nservices: files\n")
    for name in ("init", "lease"):
        archive.add(name, stat.S_IFREG | 0o755, (HERE / name).read_bytes())
    modules = _modules(root / "lib/modules")
    for module in modules:
        archive.add(f"modules/{module.name}", stat.S_IFREG | 0o644, module.read_bytes())
    order = "".join(f"{module.name}\n" for module in modules)
    archive.add("modules/order", stat.S_IFREG | 0o644, order.encode())
    return archive.content()


def _modules(folder: Path) -> list[Path]:
    """The modules and all that they need, in an order in which they can be loaded."""
    known = {path.stem.replace("-", "_"): path for path in folder.rglob("*.ko")}
    found: list[Path] = []

    def need(name: str) -> None:
        path = known[name.replace("-", "_")]
        if path not in found:
            match = re.search(rb"\0depends=([^\0]*)\0", path.read_bytes())
            for other in match[1].decode().split(",") if match and match[1] else ():
                need(other)
            found.append(path)

    for name in MODULES:
        need(name)
    return found


class Archive:
    """A cpio archive in the format "newc", whose bytes depend on nothing but what is added."""

    def __init__(self) -> None:
        self._entries: list[bytes] = []

    def add(self, name: str, mode: int, content: bytes = b"", device: tuple[int, int] = (0, 0)) -> None:
        """A file of root's."""
        encoded = name.encode() + b"\0"
        number = len(self._entries) + 1
        fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(encoded), 0)
        header = b"070701" + b"".join(b"%08X" % value for value in fields)
        self._entries.append(_padded(header + encoded) + _padded(content))

    def content(self) -> bytes:
        """All of it, with its end."""
        end = Archive()
        end.add("TRAILER!!!", 0)
        return b"".join([*self._entries, *end._entries])


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)


if __name__ == "__main__":
    sys.stdout.write(f"{guest().kernel.parent}\n")
