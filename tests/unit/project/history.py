"""A model in a git repository of the test's folder, and its commits."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

from saltern.project.context import Options, Project, open_project


@dataclass(frozen=True)
class History:
    """``commit`` writes files (None removes one) and commits them."""

    top: Path
    folder: str = ""

    @property
    def model(self) -> Path:
        return self.top / self.folder

    def git(self, *words: str) -> str:
        argv = ("git", "-c", "user.name=Ann", "-c", "user.email=ann@localhost", "-C", str(self.top), *words)
        return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()

    def start(self) -> History:
        self.model.mkdir(parents=True)
        self.git("init", "-q", "-b", "main")
        return self

    def write(self, files: dict[str, str | None]) -> History:
        for folder in ("nodes", "classes"):
            (self.model / folder).mkdir(exist_ok=True)
        for name, text in files.items():
            path = self.model / name
            if text is None:
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(text))
        return self

    def commit(self, summary: str, files: dict[str, str | None]) -> str:
        self.write(files)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", summary)
        return self.git("rev-parse", "HEAD")

    def project(self) -> Project:
        return open_project(self.model, Options(cache=self.top.parent / "cache", state=self.top.parent / "state"))
