"""Small OCI images made without an engine: an archive for ``ctr images import``, or pushed to a registry over HTTP."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import tarfile
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class Image:
    """One layer of executable files (path → content) and links (path → where it points to)."""

    files: Mapping[str, bytes]
    entrypoint: tuple[str, ...]
    links: Mapping[str, str] = field(default_factory=dict)

    def layer(self) -> bytes:
        """The layer as a tar archive; the same files give the same bytes."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for path, content in sorted(self.files.items()):
                _add(archive, path, content, mode=0o755)
            for path, target in sorted(self.links.items()):
                link = tarfile.TarInfo(path)
                link.type, link.linkname = tarfile.SYMTYPE, target
                archive.addfile(link)
        return buffer.getvalue()

    def config(self, layer: bytes) -> bytes:
        """The image's configuration."""
        run = {"Entrypoint": list(self.entrypoint), "Env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"], "WorkingDir": "/"}
        layers = {"type": "layers", "diff_ids": [_digest(layer)]}
        return json.dumps(
            {"architecture": ARCHITECTURES[platform.machine()], "os": "linux", "config": run, "rootfs": layers}
        ).encode()

    def save(self, path: Path, name: str) -> None:
        """Write it as an archive in docker's format."""
        layer = self.layer()
        config = self.config(layer)
        parts = {"config.json": config, "layer.tar": layer}
        manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
        with tarfile.open(path, "w") as archive:
            for part, content in {**parts, "manifest.json": json.dumps(manifest).encode()}.items():
                _add(archive, part, content)

    def push(self, registry: str, name: str, tag: str = "latest") -> str:
        """Bring it to a registry (``host:port``, plain HTTP); returns the reference by digest."""
        layer = self.layer()
        config = self.config(layer)
        base = f"http://{registry}/v2/{name}"
        for blob in (layer, config):
            with urllib.request.urlopen(_request("POST", f"{base}/blobs/uploads/")) as answer:
                place = answer.headers["Location"]
            place += f"{'&' if '?' in place else '?'}digest={_digest(blob)}"
            urllib.request.urlopen(_request("PUT", place, blob, "application/octet-stream")).close()
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": {"mediaType": CONFIG, "size": len(config), "digest": _digest(config)},
                "layers": [{"mediaType": LAYER, "size": len(layer), "digest": _digest(layer)}],
            }
        ).encode()
        urllib.request.urlopen(_request("PUT", f"{base}/manifests/{tag}", manifest, MANIFEST)).close()
        return f"{registry}/{name}@{_digest(manifest)}"


def _add(archive: tarfile.TarFile, path: str, content: bytes, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(path)
    entry.size, entry.mode = len(content), mode
    archive.addfile(entry, io.BytesIO(content))


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _request(method: str, url: str, body: bytes = b"", kind: str = "") -> urllib.request.Request:
    return urllib.request.Request(url, data=body, method=method, headers={"Content-Type": kind} if kind else {})
