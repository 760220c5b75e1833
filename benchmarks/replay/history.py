"""A model with its formulas in a git repository, and commits as edits of files with what they make necessary."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
FORMULAS = ("glance", "keystone", "mariadb", "memcached", "rabbitmq")

Edit = Callable[["Repository"], None]


@dataclass(frozen=True)
class Commit:
    """``images``: name → why it has to be built; ``config``: the workloads whose rendered files change. By hand."""

    title: str
    kind: str
    edit: Edit
    images: Mapping[str, str] = field(default_factory=dict)
    config: tuple[str, ...] = ()


@dataclass(frozen=True)
class Repository:
    """The working tree; every edit fails when what it changes is not there exactly once."""

    root: Path

    def start(self) -> None:
        """The example and the formulas that it uses, in a first commit."""
        shutil.copytree(ROOT / "examples" / "single", self.root)
        (self.root / "packages.lock").unlink(missing_ok=True)
        for name in FORMULAS:
            shutil.copytree(ROOT / "formulas" / name, self.root / "formulas" / name)
        own = {"formulas": [{"name": name, "path": f"formulas/{name}"} for name in FORMULAS]}
        self.append("saltern.yml", yaml.safe_dump(own))
        self.git("init", "-q", "-b", "main")

    def git(self, *words: str) -> str:
        """What git says."""
        name = ("-c", "user.name=Replay", "-c", "user.email=replay@localhost", "-c", "commit.gpgsign=false")
        argv = ("git", *name, "-C", str(self.root), *words)
        return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self, title: str) -> str:
        """Commit everything; the commit's name."""
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", title)
        return self.git("rev-parse", "--short", "HEAD")

    def read(self, path: str) -> str:
        return (self.root / path).read_text()

    def write(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def replace(self, path: str, old: str, new: str) -> None:
        text = self.read(path)
        if text.count(old) != 1:
            raise ValueError(f"{path} has {old!r} {text.count(old)} times")
        self.write(path, text.replace(old, new))

    def everywhere(self, old: str, new: str, *folders: str) -> None:
        """Replace in all YAML files of some folders; at least one must have it."""
        found = [p for folder in folders for p in (self.root / folder).rglob("*") if p.suffix in (".yml", ".sls")]
        changed = [path for path in found if old in path.read_text()]
        if not changed:
            raise ValueError(f"no file has {old!r}")
        for path in changed:
            path.write_text(path.read_text().replace(old, new))

    def append(self, path: str, text: str) -> None:
        self.write(path, self.read(path) + text)

    def prepend(self, path: str, text: str) -> None:
        self.write(path, text + self.read(path))

    def remove(self, path: str) -> None:
        (self.root / path).unlink()

    def move(self, old: str, new: str) -> None:
        (self.root / new).parent.mkdir(parents=True, exist_ok=True)
        (self.root / old).rename(self.root / new)


def replace(path: str, old: str, new: str) -> Edit:
    return lambda tree: tree.replace(path, old, new)


def append(path: str, text: str) -> Edit:
    return lambda tree: tree.append(path, text)


def prepend(path: str, text: str) -> Edit:
    return lambda tree: tree.prepend(path, text)


def write(path: str, text: str) -> Edit:
    return lambda tree: tree.write(path, text)


def remove(path: str) -> Edit:
    return lambda tree: tree.remove(path)


def move(old: str, new: str) -> Edit:
    return lambda tree: tree.move(old, new)


def everywhere(old: str, new: str, *folders: str) -> Edit:
    return lambda tree: tree.everywhere(old, new, *folders)


def revert(tree: Repository) -> None:
    """Undo the last commit, the package lock included, as ``git revert`` does."""
    tree.git("revert", "--no-commit", "HEAD")


def all_of(*edits: Edit) -> Edit:
    def edit(tree: Repository) -> None:
        for one in edits:
            one(tree)

    return edit


def upgraded(package: str, version: str) -> Edit:
    """A newer version of a package in all images of the package lock that have it."""

    def edit(tree: Repository) -> None:
        text = tree.read("packages.lock")
        head = "".join(f"{line}\n" for line in text.splitlines() if line.startswith("#"))
        lock = yaml.safe_load(text)
        having = [image for image in lock["images"].values() if package in image["packages"]]
        if not having:
            raise ValueError(f"no image has {package}")
        for image in having:
            image["packages"][package] = version
        tree.write("packages.lock", head + yaml.safe_dump(lock, sort_keys=False, width=1000))

    return edit


def unlocked(image: str) -> Edit:
    """The image's entry taken out of the package lock: its next build takes the versions of today."""

    def edit(tree: Repository) -> None:
        lock = yaml.safe_load(tree.read("packages.lock"))
        del lock["images"][image]
        tree.write("packages.lock", yaml.safe_dump(lock, sort_keys=False, width=1000))

    return edit


def reformatted(path: str, *, sort: bool = False) -> Edit:
    """A YAML file as another editor writes it: other order, quotes and indentation, no comments."""

    def edit(tree: Repository) -> None:
        data = yaml.safe_load(tree.read(path))
        tree.write(path, yaml.safe_dump(data, sort_keys=sort, indent=4, default_style='"' if not sort else None))

    return edit
