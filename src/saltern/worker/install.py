"""Copies the toolchain that this worker runs from, e.g. into a volume; safe while others run from the copy."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

PARTS = ("bin", "lib", "site-packages", "worker")


def install(target: str) -> int:
    """Copy everything beside this package's folder below ``target``; return how many files there are."""
    source = Path(__file__).resolve().parent.parent
    count = 0
    for part in PARTS:
        for folder, folders, files in os.walk(source / part):
            made = Path(target, os.path.relpath(folder, source))
            made.mkdir(parents=True, exist_ok=True)
            count += sum(_copy(Path(folder, name), made / name) for name in (*files, *_links(folder, folders)))
    return count


def _links(folder: str, folders: list[str]) -> list[str]:
    return [name for name in folders if Path(folder, name).is_symlink()]


def _copy(source: Path, target: Path) -> int:
    """Copy beside the target and rename: a reader sees the old file or the new one, whole."""
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.copy2(source, beside, follow_symlinks=False)
    beside.replace(target)
    return 1
