"""Writes a recipe as the directory that a builder takes: Containerfile, and the input that is mounted at /media."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path, PurePosixPath

from saltern.base.errors import ImageError, Problem
from saltern.images.recipe import APT_CONF, INPUT, ProcessFacts, Recipe


def write_context(recipe: Recipe, folder: Path, facts: ProcessFacts | None = None) -> Path:
    """Write everything new beside ``folder`` and put it in its place; returns ``folder``."""
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        _write_input(recipe, new / INPUT)
        write_containerfile(recipe, new, facts)
        shutil.rmtree(folder, ignore_errors=True)
        new.rename(folder)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise
    return folder


def write_containerfile(recipe: Recipe, folder: Path, facts: ProcessFacts | None, key: str = "") -> None:
    """Write only the Containerfile; see :meth:`Recipe.containerfile`."""
    (folder / "Containerfile").write_text(recipe.containerfile(facts, key), encoding="utf-8")


def _write_input(recipe: Recipe, folder: Path) -> None:
    (folder / "formulas").mkdir(parents=True)
    (folder / "request.json").write_text(recipe.request(), encoding="utf-8")
    (folder / "apt.conf").write_text(APT_CONF, encoding="utf-8")
    (folder / "preferences").write_text(recipe.preferences(), encoding="utf-8")
    for path, file in sorted(recipe.files.items()):
        inside = PurePosixPath(path)
        if inside.is_absolute() or ".." in inside.parts:
            raise ImageError(Problem(f"image {recipe.name!r} uses a file outside of its formulas: {path}"))
        target = folder / "formulas" / inside
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file.source, target)
        target.chmod(0o755 if file.executable else 0o644)
        os.utime(target, (0, 0))  # builders hash what they mount; the copy's time must not matter
