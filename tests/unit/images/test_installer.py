"""The image that brings the toolchain where no image can be mounted."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from saltern.images.engine import Engine
from saltern.images.toolchain import LABEL, Toolchain, ensure_installer

TOOLCHAIN = Toolchain("localhost/saltern/toolchain-debian-12:abc", "abcdef", "b", "localhost/saltern/base-debian-12:1")


class Builds:
    """What of an engine it takes."""

    def __init__(self) -> None:
        self.made: dict[str, str] = {}

    def image(self, tag: str) -> str | None:
        return self.made.get(tag)

    def build(self, folder: Path, *, tag: str) -> str:
        assert tag not in self.made, "built twice"
        self.made[tag] = (folder / "Containerfile").read_text()
        return tag


def test_it_is_the_base_with_the_toolchain_and_made_once() -> None:
    engine = Builds()
    for _ in range(2):
        ensure_installer(cast("Engine", cast("Any", engine)), TOOLCHAIN, "registry/lab/installer:1")
    assert engine.made["registry/lab/installer:1"].splitlines() == [
        f"FROM {TOOLCHAIN.base}",
        f"COPY --from={TOOLCHAIN.tag} / /mnt/",
        f"LABEL {LABEL}=abcdef",
    ]
