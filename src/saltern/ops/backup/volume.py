"""The files of a volume as a tar archive with numeric owners, and back."""

from __future__ import annotations

import os
import tarfile
import threading
from pathlib import Path

from saltern.base.errors import BackupError, Problem
from saltern.images.engine import Mount, RunSpec, Runtime
from saltern.ops.backup.digests import Entry, tar_entries

PLACE = "/media/volume"
"""Where the volume is in the helper container; no image has a folder there that an engine would copy into it."""
PACK = (
    "tar",
    "--create",
    "--format=gnu",
    "--numeric-owner",
    "--sort=name",
    "--warning=no-file-ignored",
    f"-C{PLACE}",
    ".",
)
EMPTY = f"find {PLACE} -mindepth 1 -delete"
UNPACK = f"{EMPTY} && exec tar --extract --numeric-owner --same-owner --same-permissions -C {PLACE}"
CHANGED = 1
"""tar's code when files changed or went while it read them."""
READ = ("DAC_READ_SEARCH", "DAC_OVERRIDE")
WRITE = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "MKNOD")


def pack(runtime: Runtime, image: str, volume: str, target: Path, timeout: float) -> tuple[Entry, ...]:
    """Write a volume's files into ``target`` and return what they are, as the archive has it. Raises BackupError."""
    with target.open("wb") as file:
        done = runtime.run_bytes(_spec(image, volume, PACK, READ), stdout=file, timeout=timeout)
    if done.returncode not in (0, CHANGED):
        raise BackupError(Problem(f"the files of the volume {volume} cannot be read", details=done.tail(5)))
    try:
        with target.open("rb") as file:
            return tar_entries(file)
    except tarfile.TarError as error:
        raise BackupError(Problem(f"the archive of the volume {volume} is damaged: {error}")) from None


def entries(runtime: Runtime, image: str, volume: str, timeout: float) -> tuple[Entry, ...]:
    """What the files of a volume are now. Raises BackupError."""
    source, sink = os.pipe()
    found: list[tuple[Entry, ...]] = []
    problems: list[str] = []

    def read() -> None:
        with os.fdopen(source, "rb") as stream:
            try:
                found.append(tar_entries(stream))
            except tarfile.TarError as error:
                problems.append(str(error))
            while stream.read(1 << 20):  # else tar would wait for ever for somebody who reads
                pass

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        with os.fdopen(sink, "wb") as stream:
            done = runtime.run_bytes(_spec(image, volume, PACK, READ), stdout=stream, timeout=timeout)
    finally:
        reader.join()
    if done.returncode not in (0, CHANGED) or not found:
        why = "\n".join([*problems, done.tail(5)])
        raise BackupError(Problem(f"the files of the volume {volume} cannot be read", details=why))
    return found[0]


def unpack(runtime: Runtime, image: str, volume: str, source: Path, timeout: float) -> None:
    """Make a volume hold the files of an archive and nothing else. Raises BackupError."""
    with source.open("rb") as file:
        done = runtime.run_bytes(_spec(image, volume, ("sh", "-c", UNPACK), WRITE), stdin=file, timeout=timeout)
    if not done.ok:
        raise BackupError(Problem(f"the volume {volume} cannot be filled", details=done.tail(5)))


def _spec(image: str, volume: str, command: tuple[str, ...], capabilities: tuple[str, ...]) -> RunSpec:
    mount = Mount(volume, PLACE, read_only=command == PACK)
    return RunSpec(image, command, mounts=(mount,), capabilities=capabilities)
