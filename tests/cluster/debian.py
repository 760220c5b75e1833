"""Debian 12's packages and sources, fetched through a private apt configuration and unpacked beside the system's own.

The mirror is the machine's own where its sources name bookworm, else Debian's default. The standard library is enough.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

RELEASE = "bookworm"
DEFAULT_MIRROR = "http://deb.debian.org/debian"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
LOCK_WAIT = "-oDPkg::Lock::Timeout=900"

Run = Callable[..., None]
"""Runs a command with its output in a log: ``run(argv, cwd=None)``; raises CalledProcessError."""


def install_missing(run: Run, commands: dict[str, str]) -> None:
    """Install the Debian packages of the commands (name or absolute path → package) that this machine does not have."""
    missing = sorted({package for command, package in commands.items() if not _has(command)})
    if missing:
        run(["apt-get", "update", "-q"])
        run(["apt-get", "install", "-q", "-y", "--no-install-recommends", LOCK_WAIT, *missing])


def _has(command: str) -> bool:
    return Path(command).exists() if command.startswith("/") else _found(command) is not None


def _found(command: str) -> str | None:
    return shutil.which(command) or shutil.which(command, path="/usr/sbin:/sbin")


class PrivateApt:
    """apt with its own lists and sources below ``folder``; nothing of the system's apt is changed."""

    def __init__(self, folder: Path, run: Run) -> None:
        self._run = run
        self._folder = folder
        self._options = (
            "-oDir::Etc::SourceList=/dev/null",
            f"-oDir::Etc::SourceParts={folder}/sources",
            f"-oDir::State::Lists={folder}/lists",
            f"-oDir::Cache={folder}/cache",
            "-oAPT::Sandbox::User=root",  # the folder may be closed to others
        )

    def update(self) -> None:
        """Read the package lists of the first mirror that answers."""
        for folder in ("sources", "lists/partial", "cache/archives/partial"):
            (self._folder / folder).mkdir(parents=True, exist_ok=True)
        mirrors = _machine_mirrors()
        for mirror in [mirror for mirror in mirrors if mirror != DEFAULT_MIRROR]:
            if self._updated_from(mirror):
                return
        if not self._updated_from(DEFAULT_MIRROR):
            raise SystemExit(f"no mirror of Debian's {RELEASE} answers: {', '.join([*mirrors, DEFAULT_MIRROR])}")

    def unpack(self, packages: Sequence[str], target: Path) -> None:
        """Download binary packages and unpack them below ``target``; no script of theirs runs."""
        downloads = self._folder / "debs"
        downloads.mkdir(exist_ok=True)
        self._run(["apt-get", *self._options, "download", *packages], cwd=downloads)
        for archive in sorted(downloads.glob("*.deb")):
            self._run(["dpkg", "-x", str(archive), str(target)])

    def source(self, package: str, version: str, target: Path) -> None:
        """Download a source package and unpack it, Debian's patches applied, as ``target``."""
        downloads = self._folder / "source"
        downloads.mkdir(exist_ok=True)
        fetch = ["apt-get", *self._options, "source", "--download-only"]
        try:
            self._run([*fetch, f"{package}={version}"], cwd=downloads)
        except subprocess.CalledProcessError:  # a point release brought another one; the log tells which
            self._run([*fetch, package], cwd=downloads)
        shutil.rmtree(target, ignore_errors=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        (description,) = downloads.glob("*.dsc")
        self._run(["dpkg-source", "--no-check", "-x", str(description), str(target)])  # apt has checked the hashes

    def _updated_from(self, mirror: str) -> bool:
        fields = (
            "Types: deb deb-src",
            f"URIs: {mirror}",
            f"Suites: {RELEASE}",
            "Components: main",
            f"Signed-By: {KEYRING}",
        )
        (self._folder / "sources" / "debian.sources").write_text("\n".join(fields) + "\n")
        try:
            self._run(["apt-get", *self._options, "update", "-q", "--error-on=any"])
        except subprocess.CalledProcessError:
            return False
        return True


def _machine_mirrors() -> list[str]:
    """Where this machine's apt gets bookworm's main from, whichever format its sources have."""
    listing = ("apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages")
    done = subprocess.run(listing, capture_output=True, text=True, check=False)
    targets = [line.split() for line in done.stdout.splitlines()]
    return list(dict.fromkeys(target[0].rstrip("/") for target in targets if target[1:] == [RELEASE, "main"]))
