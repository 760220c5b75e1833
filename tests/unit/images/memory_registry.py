"""A registry in memory behind httpx, and small images to put into it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from saltern.images.bundle.layout import digest_of
from saltern.images.registry import Manifest, Registry

OCI = "application/vnd.oci.image."
DOCKER = "application/vnd.docker."
TYPES = {
    "oci": (f"{OCI}manifest.v1+json", f"{OCI}config.v1+json", f"{OCI}layer.v1.tar+gzip"),
    "docker": (
        f"{DOCKER}distribution.manifest.v2+json",
        f"{DOCKER}container.image.v1+json",
        f"{DOCKER}image.rootfs.diff.tar.gzip",
    ),
}
INDEX = f"{OCI}index.v1+json"


@dataclass
class MemoryRegistry:
    """What it holds, and what it was asked. ``page`` names or tags are given at a time."""

    host: str = "127.0.0.1:5001"
    blobs: dict[tuple[str, str], bytes] = field(default_factory=dict)
    """(repository, digest) → content."""
    manifests: dict[tuple[str, str], Manifest] = field(default_factory=dict)
    """(repository, tag or digest) → manifest."""
    asked: list[str] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    """Digests of the blobs that were uploaded."""
    page: int = 2

    @property
    def client(self) -> Registry:
        return Registry(self.host, httpx.MockTransport(self._answer))

    def add_image(self, name: str, layers: Sequence[bytes], kind: str = "oci", config: bytes = b"{}") -> Manifest:
        """Put an image into it; ``name`` is repository:tag."""
        repository, _, tag = name.partition(":")
        manifest_type, config_type, layer_type = TYPES[kind]
        parts = [self._add(repository, config, config_type), *(self._add(repository, x, layer_type) for x in layers)]
        about = {"schemaVersion": 2, "mediaType": manifest_type, "config": parts[0], "layers": parts[1:]}
        return self.add_manifest(repository, tag, Manifest(manifest_type, json.dumps(about).encode()))

    def add_index(self, name: str, manifests: Sequence[Manifest]) -> Manifest:
        """Put an index of images that its repository has into it."""
        repository, _, tag = name.partition(":")
        entries = [{"mediaType": m.media_type, "digest": m.digest, "size": len(m.data)} for m in manifests]
        about = {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}
        return self.add_manifest(repository, tag, Manifest(INDEX, json.dumps(about).encode()))

    def add_manifest(self, repository: str, tag: str, manifest: Manifest) -> Manifest:
        self.manifests[repository, tag] = self.manifests[repository, manifest.digest] = manifest
        return manifest

    def _add(self, repository: str, content: bytes, media_type: str) -> dict[str, Any]:
        self.blobs[repository, digest_of(content)] = content
        return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}

    def _answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        self.asked.append(f"{request.method} {path}")
        if path == "/v2/_catalog":
            return self._page(request, "repositories", {repository for repository, _ in self.manifests})
        for pattern, answer in (
            (r"/v2/(?P<name>.+)/tags/list", self._tags),
            (r"/v2/(?P<name>.+)/manifests/(?P<reference>[^/]+)", self._manifest),
            (r"/v2/(?P<name>.+)/blobs/uploads/(?P<reference>.*)", self._upload),
            (r"/v2/(?P<name>.+)/blobs/(?P<reference>[^/]+)", self._blob),
        ):
            if found := re.fullmatch(pattern, path):
                return answer(request, **found.groupdict())
        return httpx.Response(200, json={})

    def _tags(self, request: httpx.Request, name: str) -> httpx.Response:
        return self._page(request, "tags", {tag for repo, tag in self.manifests if repo == name and ":" not in tag})

    def _page(self, request: httpx.Request, key: str, names: set[str]) -> httpx.Response:
        left = [name for name in sorted(names) if name > request.url.params.get("last", "")]
        given = left[: self.page]
        more = f'<{request.url.path}?last={given[-1]}&n={self.page}>; rel="next"' if len(left) > self.page else ""
        return httpx.Response(200, json={key: given or None}, headers={"Link": more} if more else {})

    def _manifest(self, request: httpx.Request, name: str, reference: str) -> httpx.Response:
        if request.method == "PUT":
            manifest = Manifest(request.headers["Content-Type"], request.content)
            document = json.loads(manifest.data)
            blobs = [part for part in (document.get("config"), *document.get("layers", ())) if part]
            whole = all((name, part["digest"]) in self.blobs for part in blobs)
            whole &= all((name, part["digest"]) in self.manifests for part in document.get("manifests", ()))
            if not whole:
                return httpx.Response(400)
            self.add_manifest(name, reference, manifest)
            return httpx.Response(201)
        found = self.manifests.get((name, reference))
        if found is None:
            return httpx.Response(404)
        headers = {"Docker-Content-Digest": found.digest, "Content-Type": found.media_type}
        return httpx.Response(200, headers=headers, content=found.data if request.method == "GET" else b"")

    def _upload(self, request: httpx.Request, name: str, reference: str) -> httpx.Response:
        query = request.url.params
        if request.method == "POST":
            content = self.blobs.get((query.get("from", ""), query.get("mount", "")))
            if content is None:
                place = f"http://{self.host}/v2/{name}/blobs/uploads/1?_state=x%3D"
                return httpx.Response(202, headers={"Location": place})
            self.blobs[name, query["mount"]] = content
            return httpx.Response(201)
        content = request.read()
        good = digest_of(content) == query["digest"] and int(request.headers["Content-Length"]) == len(content)
        if not good or query["_state"] != "x=":
            return httpx.Response(400)
        self.sent.append(query["digest"])
        self.blobs[name, query["digest"]] = content
        return httpx.Response(201)

    def _blob(self, request: httpx.Request, name: str, reference: str) -> httpx.Response:
        content = self.blobs.get((name, reference))
        if content is None:
            return httpx.Response(404)
        half = len(content) // 2
        parts = (content[:half], content[half:]) if request.method == "GET" else ()
        return httpx.Response(200, content=iter(parts))
