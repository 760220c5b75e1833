"""All images of a model: how long a build takes, and their size in a registry, layers that several have counted once.

``python -m benchmarks.whole [MODEL]``, examples/compute without an argument. Cold is what an empty engine gives: name
one with CONTAINERS_STORAGE_CONF, and an empty folder with XDG_CACHE_HOME.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.e2e.driver import LocalRegistry, free_port

from saltern.images.registry import Reference, Registry

ROOT = Path(__file__).resolve().parents[1]
SALTERN = str(Path(sys.executable).parent / "saltern")


def run(model: Path, *words: str) -> tuple[float, Any]:
    """Seconds that our command took, and its answer."""
    begun = time.monotonic()
    argv = (SALTERN, *words, "--json", "--model", str(model))
    environment = {**os.environ, "XDG_STATE_HOME": str(model.parent / "state")}
    done = subprocess.run(argv, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"saltern {' '.join(words)} ended with {done.returncode}")
    return time.monotonic() - begun, json.loads(done.stdout)


def layers(registry: Registry, reference: str) -> dict[str, int]:
    """Digest → bytes of the compressed layers of an image."""
    parsed = Reference.parse(reference)
    manifest = json.loads(registry.manifest(parsed.repository, parsed.tag).data)
    return {layer["digest"]: int(layer["size"]) for layer in manifest["layers"]}


def main() -> None:
    source = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "examples" / "compute"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        served = LocalRegistry(folder, f"127.0.0.1:{free_port()}")
        served.start()
        try:
            model = shutil.copytree(source, folder / "model")
            with (model / "saltern.yml").open("a") as file:
                file.write(f"registry: {served.address}\n")
            built, _ = run(model, "build")
            pushed, tags = run(model, "push")
            registry = Registry(served.address)
            images = {tag: layers(registry, tag) for tag in sorted(tags)}
        finally:
            served.stop()
    for tag, found in images.items():
        print(f"{tag.rpartition('/')[2].partition(':')[0]:44} {sum(found.values()) / 1e6:8.1f} MB")
    once = {digest: size for found in images.values() for digest, size in found.items()}
    print(f"{len(images)} images, each alone: {sum(sum(found.values()) for found in images.values()) / 1e6:.1f} MB")
    print(f"layers counted once: {sum(once.values()) / 1e6:.1f} MB")
    print(f"built in {built:.0f} s, pushed in {pushed:.0f} s")


if __name__ == "__main__":
    main()
