"""Compressed sizes of the images, base included: ours, and the same packages with recommends on the same base."""

from __future__ import annotations

import gzip
import subprocess
import tempfile
from pathlib import Path

from measure import call, project

from saltern.images.engine import Engine
from saltern.project.building import build_compiled, recipes_of
from saltern.project.compiling import compile_members
from saltern.project.workers import Bases


def compressed(engine: Engine, tag: str) -> float:
    """Megabytes (10^6) of the image's layers under gzip -6, as a registry stores them."""

    total = 0
    with tempfile.TemporaryDirectory() as folder:
        tar = Path(folder) / "image.tar"
        call(engine, "save", "--format", "docker-archive", "-o", str(tar), tag)
        subprocess.run(["tar", "-C", folder, "-xf", str(tar)], check=True)
        for layer in Path(folder).glob("*.tar"):
            if layer != tar and not layer.is_symlink():
                total += len(gzip.compress(layer.read_bytes(), 6)) if layer.stat().st_size else 0
    return total / 1e6


def main() -> None:
    opened = project()
    engine = opened.engine
    print(f"{'image':12} {'ours':>10} {'with recommends':>16} {'ratio':>7}")
    with opened.locked(), Bases(opened) as bases:
        compiled = compile_members(opened, bases=bases)
        recipes = recipes_of(opened, compiled)
        for imaged in build_compiled(opened, bases, compiled):
            recipe = recipes[imaged.compiled.member.name]
            packages = " ".join(str(chunk["name"]) for chunk in recipe.chunks if chunk["state"] == "pkg")
            with tempfile.TemporaryDirectory() as folder:
                (Path(folder) / "Containerfile").write_text(
                    f"FROM {recipe.base_tag}\nRUN printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d"
                    " && chmod +x /usr/sbin/policy-rc.d && apt-get update && DEBIAN_FRONTEND=noninteractive"
                    f" apt-get install -y --install-recommends {packages}\n"
                )
                call(engine, "build", "-q", "-t", "localhost/saltern/benchmark:1", folder)
            ours, theirs = compressed(engine, imaged.image.tag), compressed(engine, "localhost/saltern/benchmark:1")
            engine.remove_images(["localhost/saltern/benchmark:1"])
            print(f"{recipe.name:12} {ours:7.1f} MB {theirs:13.1f} MB {ours / theirs:7.2f}", flush=True)


main()
