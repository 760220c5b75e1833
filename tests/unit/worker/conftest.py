"""One warm local worker with real Salt for all tests of this folder (``tools/fetch-toolchain`` fetches it)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from saltern.base.process import Completed, LocalRunner
from saltern.formulas.lowstate import Chunk, LowState
from saltern.formulas.worker import ApplyResult, Context, Frozen, Worker
from saltern.images.toolchain import local_command, local_site_packages

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "saltern"


class Tidy:
    """A pipe that closes its streams, because here an unclosed one is an error."""

    def __init__(self, pipe: Any) -> None:
        self.send, self.receive, self._pipe = pipe.send, pipe.receive, pipe

    def close(self) -> Completed:
        completed: Completed = self._pipe.close()
        for stream in (self._pipe._process.stdout, self._pipe._process.stderr):
            stream.close()
        return completed


@pytest.fixture(scope="session")
def worker() -> Iterator[Worker]:
    runner = LocalRunner()
    argv, env = local_command(local_site_packages(runner, CACHE))
    with Worker(lambda: Tidy(runner.open(argv, env=env))) as worker:
        yield worker


@dataclass
class Formula:
    """A formula root in a temporary folder, and a node that applies SLS of it."""

    worker: Worker
    root: Path
    pillar: dict[str, Any] = field(default_factory=dict)
    grains: dict[str, Any] = field(default_factory=dict)
    compat: bool = False
    more_roots: tuple[Path, ...] = ()
    secrets: tuple[str, ...] = ()

    def write(self, files: Mapping[str, str]) -> Formula:
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return self

    @property
    def context(self) -> Context:
        roots = (str(self.root), *map(str, self.more_roots))
        compat = roots if self.compat else ()
        return Context("web01.example.com", self.pillar, self.grains, roots, compat, self.secrets)

    def compile(self, *sls: str, kinds: tuple[str, ...] = ()) -> LowState:
        return self.worker.compile(self.context, sls or ("web",), kinds)

    def sls(self, text: str) -> LowState:
        return self.write({"web/init.sls": text}).compile()

    def file(self, folder: Path, path: str) -> str:
        """A file of the formula as Salt renders it; an SLS of ``folder`` shows it."""
        one = replace(self, root=folder, more_roots=(self.root, *self.more_roots))
        text = f"{{%- set text %}}{{% include '{path}' %}}{{% endset %}}"
        one.write({"shown/init.sls": text + "shown:\n  test.nop:\n  - text: {{ text | json }}\n"})
        (chunk,) = one.compile("shown").chunks
        return str(chunk.raw["text"])

    def freeze(self, chunks: tuple[Chunk, ...]) -> Frozen:
        return self.worker.freeze(self.context, chunks)

    def apply(self, text: str, **more: Any) -> ApplyResult:
        frozen = self.freeze(self.sls(text).chunks)
        return self.worker.apply(self.context, frozen.chunks, **more)


@pytest.fixture
def formula(worker: Worker, tmp_path: Path) -> Formula:
    return Formula(worker, tmp_path / "formula").write({"web/init.sls": "{}\n"})
