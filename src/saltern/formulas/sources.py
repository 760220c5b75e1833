"""Where formulas come from: bundled, a folder, or git pinned by commit in ``formulas.lock``.

A formula is a folder that Salt gets as a file root: ``<service>/init.sls`` and, for reclass, ``metadata/service``.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from saltern.base import yamlmarks
from saltern.base.errors import FormulaError, Place, Problem
from saltern.base.process import Runner
from saltern.base.store import digest, write_atomically
from saltern.model.settings import FormulaSetting

LOCK = "formulas.lock"
BUNDLED = "bundled"
"""The origin of the formulas that come with Saltern."""

HEADER = "# Made by `saltern formulas lock`: the commit of each formula that comes from git. Commit this file.\n"


@dataclass(frozen=True, slots=True)
class Formula:
    """A formula on this machine. ``compat`` is ``python2`` or empty; ``origin`` is for people."""

    name: str
    root: Path
    compat: str = ""
    origin: str = BUNDLED

    @property
    def classes(self) -> tuple[str, Path] | None:
        """The reclass classes that it brings: their prefix (``service.<name>``) and folder."""
        folder = self.root / "metadata" / "service"
        return (f"service.{self.name}", folder) if folder.is_dir() else None

    def fingerprint(self) -> str:
        """A hash over all its files: relative path, executable bit, content."""
        whole = hashlib.sha256()
        for path in sorted(_files(self.root)):
            mode = "x" if path.stat().st_mode & 0o100 else "-"
            whole.update(digest(str(path.relative_to(self.root)), mode, path.read_bytes()).encode())
        return whole.hexdigest()


def _files(root: Path) -> Iterable[Path]:
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(f for f in folders if f not in (".git", "__pycache__"))
        for name in names:
            path = Path(folder, name)
            if path.is_file() and not name.endswith(".pyc"):
                yield path


def bundled_root() -> Path:
    """The folder of the formulas that come with Saltern: in a wheel beside the code, in a checkout at its root."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "_bundled" / "formulas", package.parents[1] / "formulas"):
        if folder.is_dir():
            return folder
    raise FormulaError(Problem("the bundled formulas are missing", resolution="install saltern again"))


def resolve(root: Path, settings: Iterable[FormulaSetting], cache: Path) -> tuple[Formula, ...]:
    """The formulas of a model, its own first; of the bundled ones those whose service has none of the model's.

    Files of two formulas of one service must not mix: the ``meta/`` of one knows nothing of the other's ``map.jinja``.
    Raises FormulaError with all problems; fetches nothing.
    """
    problems: list[Problem] = []
    found: dict[str, Formula] = {}
    lock = read_lock(root)
    for setting in settings:
        try:
            found[setting.name] = _resolve_one(root, setting, lock, cache)
        except FormulaError as error:
            problems += error.problems
    if problems:
        raise FormulaError(problems)
    own = tuple(found.values())
    for folder in sorted(bundled_root().iterdir()):
        if folder.is_dir() and folder.name not in found and not any(_is_of(formula, folder.name) for formula in own):
            found[folder.name] = Formula(folder.name, folder)
    return tuple(found.values())


def _is_of(formula: Formula, service: str) -> bool:
    """Whether it is a formula of that service, whatever its own name; with ``meta/`` alone it only adds to another."""
    return (formula.root / service / "init.sls").is_file()


def _resolve_one(root: Path, setting: FormulaSetting, lock: Mapping[str, Any], cache: Path) -> Formula:
    if setting.path:
        folder = (root / setting.path).resolve()
        if not folder.is_dir():
            raise FormulaError(
                Problem(
                    f"formula {setting.name!r}: folder {folder} does not exist",
                    (Place(str(root / "saltern.yml")),),
                    resolution="correct its path in saltern.yml",
                )
            )
        return Formula(setting.name, folder, setting.compat, f"path {setting.path}")
    entry = lock.get(setting.name)
    if not entry or entry.get("git") != setting.git:
        raise FormulaError(
            Problem(
                f"formula {setting.name!r} is not locked to a commit of {setting.git}",
                (Place(str(root / LOCK)),),
                resolution="run `saltern formulas lock`",
            )
        )
    folder = checkout(cache, setting.git, entry["commit"])
    if not folder.is_dir():
        raise FormulaError(
            Problem(f"formula {setting.name!r} is not in the cache", resolution="run `saltern formulas fetch`")
        )
    compat = entry.get("compat", setting.compat)
    return Formula(setting.name, folder, compat, f"{setting.git} {entry['commit'][:12]}")


def checkout(cache: Path, git: str, commit: str) -> Path:
    """Where the tree of a commit is in the cache, whether or not it was fetched."""
    return cache / "formulas" / digest(git)[:16] / commit


def read_lock(root: Path) -> dict[str, dict[str, str]]:
    """The lock's entries by formula: ``git``, ``ref``, ``commit``, ``compat``; empty when there is none."""
    path = root / LOCK
    if not path.exists():
        return {}
    try:
        document = yamlmarks.read(path)
    except yamlmarks.WrongYamlError as error:
        raise FormulaError(error.problem) from error
    entries = (document.data or {}).get("formulas") or {}
    return dict(entries)


def lock(root: Path, settings: Iterable[FormulaSetting], runner: Runner) -> dict[str, dict[str, str]]:
    """Ask each repository for the commit of its ref, write ``formulas.lock``, return its entries."""
    entries: dict[str, dict[str, str]] = {}
    problems: list[Problem] = []
    for setting in settings:
        if not setting.git:
            continue
        try:
            commit = _ask(setting, runner)
        except FormulaError as error:
            problems += error.problems
            continue
        entry = {"git": setting.git, "ref": setting.ref, "commit": commit, "compat": setting.compat}
        entries[setting.name] = {key: value for key, value in entry.items() if value}
    if problems:
        raise FormulaError(problems)
    text = HEADER + yaml.safe_dump({"formulas": entries}, sort_keys=True)
    write_atomically(root / LOCK, text.encode(), mode=0o644)
    return entries


def _ask(setting: FormulaSetting, runner: Runner) -> str:
    refs = [setting.ref, f"{setting.ref}^{{}}"] if setting.ref else ["HEAD"]  # ^{}: the commit of an annotated tag
    done = runner.run(("git", "ls-remote", "--", setting.git, *refs), env=_GIT, timeout=120)
    if not done.ok:
        raise FormulaError(
            Problem(
                f"formula {setting.name!r}: {setting.git} cannot be read",
                details=done.tail(5),
                resolution="check the address, the network, and your access to it",
            )
        )
    found = {name: commit for commit, _, name in (line.partition("\t") for line in done.stdout.splitlines())}
    for name in (f"refs/tags/{setting.ref}^{{}}", f"refs/tags/{setting.ref}", f"refs/heads/{setting.ref}", "HEAD"):
        if name in found:
            return found[name]
    if len(setting.ref) == 40 and all(c in "0123456789abcdef" for c in setting.ref):
        return setting.ref
    raise FormulaError(
        Problem(
            f"formula {setting.name!r}: {setting.git} has no branch or tag {setting.ref!r}",
            resolution="correct its ref in saltern.yml",
        )
    )


_GIT = {"GIT_TERMINAL_PROMPT": "0"}
"""No question on the terminal: a repository that asks for a password is a repository that cannot be read."""


def fetch(root: Path, settings: Iterable[FormulaSetting], cache: Path, runner: Runner) -> tuple[str, ...]:
    """Bring the locked commits into the cache; return the names of the formulas that were not there yet."""
    entries = read_lock(root)
    wanted = {s.name: entries[s.name] for s in settings if s.git and s.name in entries}
    new = {n: e for n, e in wanted.items() if not checkout(cache, e["git"], e["commit"]).is_dir()}
    for name, entry in new.items():
        _fetch_one(name, entry, checkout(cache, entry["git"], entry["commit"]), runner)
    return tuple(new)


def _fetch_one(name: str, entry: Mapping[str, str], target: Path, runner: Runner) -> None:
    """Check a commit out beside its place and rename it there, so that half a tree is never used."""
    part = target.with_name(f".{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    git = ("git", "-C", str(part))
    shallow = ("fetch", "--quiet", "--depth=1", "--", entry["git"], entry["commit"])
    by_ref = ("fetch", "--quiet", "--", entry["git"], entry.get("ref") or "HEAD")
    runner.run((*git, "init", "--quiet"))
    done = runner.run((*git, *shallow), env=_GIT, timeout=600)
    if not done.ok:  # some servers give no commit by its name
        done = runner.run((*git, *by_ref), env=_GIT, timeout=600)
    if done.ok:
        done = runner.run((*git, "-c", "advice.detachedHead=false", "checkout", "--quiet", entry["commit"]))
    if not done.ok:
        shutil.rmtree(part, ignore_errors=True)
        raise FormulaError(
            Problem(
                f"formula {name!r}: commit {entry['commit'][:12]} of {entry['git']} cannot be fetched",
                details=done.tail(5),
                resolution="check the network and your access, or run `saltern formulas lock` again",
            )
        )
    shutil.rmtree(part / ".git")
    part.rename(target)
