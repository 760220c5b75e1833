"""A registry without an engine: which tags it has, and manifests and blobs as they are (OCI distribution API)."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from saltern.base.errors import Problem, RegistryError
from saltern.images.engine import Image
from saltern.images.engine.registry_name import is_loopback, registry_host

MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
TIMEOUT = 10.0
UPLOAD_TIMEOUT = 600.0
"""A registry may put hundreds of MB into place before it answers."""
PAGE = 500
MANIFEST_SIZE = 4 << 20
"""More than any manifest has; registries accept no larger ones."""
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[\w.-]+)(:\d{1,5})?")


@dataclass(frozen=True, slots=True)
class Reference:
    """``registry/repository:tag``, taken apart."""

    registry: str
    repository: str
    tag: str

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Take a reference with a registry apart; the tag defaults to ``latest``."""
        registry = registry_host(text)
        rest = text.removeprefix(f"{registry}/")
        repository, _, tag = rest.partition(":")
        return cls(registry, repository, tag or "latest")


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest as the registry has it; its bytes are what the digest is of."""

    media_type: str
    data: bytes

    @property
    def digest(self) -> str:
        """``sha256:…``."""
        return f"sha256:{hashlib.sha256(self.data).hexdigest()}"


class Registry:
    """A registry by its ``host[:port]``; plain HTTP on loopback names, HTTPS elsewhere.

    Every method raises RegistryError, and so does what is no address.
    """

    def __init__(self, host: str, transport: httpx.BaseTransport | None = None) -> None:
        if not _HOST.fullmatch(host):
            raise RegistryError(
                Problem(
                    f"{host!r} is no address of a registry",
                    resolution="give a host and a port without a scheme, e.g. registry.example:5000",
                )
            )
        self.host = host
        scheme = "http" if is_loopback(f"{host}/") else "https"
        self._url = f"{scheme}://{host}"
        self._transport = transport

    def answers(self) -> bool:
        """Whether it is there."""
        try:
            return self._ask("GET", "/v2/").status_code < httpx.codes.INTERNAL_SERVER_ERROR
        except RegistryError:
            return False

    def digest(self, reference: str) -> str:
        """The manifest digest (``sha256:…``) of a tag, or "" when the registry does not have it."""
        parsed = Reference.parse(reference)
        path = f"/v2/{parsed.repository}/manifests/{parsed.tag}"
        answer = self._ask("HEAD", path)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return ""
        if answer.status_code == httpx.codes.METHOD_NOT_ALLOWED:
            answer = self._ask("GET", path)
        self._refuse(answer)
        return answer.headers.get("Docker-Content-Digest", "") or "present"

    def manifest(self, repository: str, digest: str) -> Manifest:
        """The manifest of that digest (or tag)."""
        answer = self._done("GET", f"/v2/{repository}/manifests/{digest}")
        found = Manifest(answer.headers.get("Content-Type", "").partition(";")[0], answer.content)
        if digest.startswith("sha256:") and found.digest != digest:
            raise RegistryError(_other_content(self.host, repository, digest))
        return found

    def image(self, reference: str) -> Image | None:
        """The image behind a tag, as an engine would have it; its size is that of its layers as they are sent."""
        if not self.digest(reference):
            return None
        parsed = Reference.parse(reference)
        try:
            about = json.loads(self.manifest(parsed.repository, parsed.tag).data)
            while "manifests" in about:  # of several machines; what is asked for is the same in all
                about = json.loads(self.manifest(parsed.repository, about["manifests"][0]["digest"]).data)
            config = about["config"]
            content = json.loads(b"".join(self.blob(parsed.repository, config["digest"], config["size"])))
            labels = (content.get("config") or {}).get("Labels") or {}
            size = sum(layer["size"] for layer in about["layers"])
        except (ValueError, LookupError, AttributeError, TypeError) as error:
            raise RegistryError(_other_content(self.host, parsed.repository, parsed.tag)) from error
        return Image(config["digest"].removeprefix("sha256:"), size, labels, (reference,))

    def blob(self, repository: str, digest: str, size: int) -> Iterator[bytes]:
        """A blob as it comes. What is not of that digest and size is refused when the last byte was given."""
        hashed, count, path = hashlib.sha256(), 0, f"/v2/{repository}/blobs/{digest}"
        headers = {"Accept": "*/*", "Accept-Encoding": "identity"}
        try:
            with self._client() as client, client.stream("GET", path, headers=headers) as answer:
                self._refuse(answer)
                for chunk in answer.iter_raw():
                    hashed.update(chunk)
                    count += len(chunk)
                    if count > size:
                        break
                    yield chunk
        except httpx.HTTPError as error:
            raise RegistryError(self._unreachable("GET", path, error)) from error
        if count != size or f"sha256:{hashed.hexdigest()}" != digest:
            raise RegistryError(_other_content(self.host, repository, digest))

    def has_blob(self, repository: str, digest: str) -> bool:
        """Whether a repository has it; that others have it does not count."""
        answer = self._ask("HEAD", f"/v2/{repository}/blobs/{digest}")
        if answer.status_code == httpx.codes.NOT_FOUND:
            return False
        self._refuse(answer)
        return True

    def push_blob(self, repository: str, digest: str, size: int, chunks: Iterable[bytes], origin: str = "") -> bool:
        """Bring a blob to a repository; False where it came from ``origin``, another one that has it, and not from us.

        The registry compares what it got with the digest.
        """
        uploads = f"/v2/{repository}/blobs/uploads/"
        query = {"mount": digest, "from": origin} if origin else None
        answer = self._done("POST", uploads, params=query)
        if answer.status_code == httpx.codes.CREATED:
            return False
        place = httpx.URL(answer.headers.get("Location", uploads))
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
        timeout = httpx.Timeout(TIMEOUT, read=UPLOAD_TIMEOUT, write=UPLOAD_TIMEOUT)
        url = str(place.copy_merge_params({"digest": digest}))
        self._done("PUT", url, content=iter(chunks), headers=headers, timeout=timeout)
        return True

    def push_manifest(self, repository: str, reference: str, manifest: Manifest) -> None:
        """Bring a manifest, all of whose blobs are there, as a tag (or a digest)."""
        path = f"/v2/{repository}/manifests/{reference}"
        self._done("PUT", path, content=manifest.data, headers={"Content-Type": manifest.media_type})

    def repositories(self) -> tuple[str, ...]:
        """The names of all repositories."""
        return tuple(sorted(self._pages("/v2/_catalog", "repositories")))

    def tags(self, repository: str) -> tuple[str, ...]:
        """The tags of a repository; none when all are gone."""
        return tuple(sorted(self._pages(f"/v2/{repository}/tags/list", "tags")))

    def _pages(self, path: str, key: str) -> Iterator[str]:
        url: str | None = f"{path}?n={PAGE}"
        while url:
            answer = self._ask("GET", url)
            if answer.status_code == httpx.codes.NOT_FOUND:
                return
            self._refuse(answer)
            try:
                yield from answer.json().get(key) or ()
            except (ValueError, AttributeError) as error:
                raise RegistryError(_refusal(self.host, answer)) from error
            url = answer.links.get("next", {}).get("url")

    def _client(self) -> httpx.Client:
        return httpx.Client(
            base_url=self._url,
            headers={"Accept": ", ".join(MANIFESTS)},
            timeout=TIMEOUT,
            transport=self._transport,
            trust_env=self._url.startswith("https:"),  # no proxy stands between us and this machine
            follow_redirects=True,
        )

    def _done(self, method: str, path: str, **more: Any) -> httpx.Response:
        answer = self._ask(method, path, **more)
        self._refuse(answer)
        return answer

    def _ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        try:
            with self._client() as client:
                return client.request(method, path, **more)
        except httpx.HTTPError as error:
            raise RegistryError(self._unreachable(method, path, error)) from error

    def _refuse(self, answer: httpx.Response) -> None:
        if not answer.is_success:
            raise RegistryError(_refusal(self.host, answer))

    def _unreachable(self, method: str, path: str, error: Exception) -> Problem:
        return Problem(
            f"the registry {self.host} cannot be reached",
            details=f"{method} {httpx.URL(self._url).join(path)}: {error}",
            resolution="start it, correct `registry` in saltern.yml, or remove it to do without one",
        )


def _refusal(host: str, answer: httpx.Response) -> Problem:
    denied = answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN)
    return Problem(
        f"the registry {host} {'does not permit this' if denied else 'refused a request'}",
        details=f"{answer.request.method} {answer.request.url}: HTTP {answer.status_code}",
        resolution="log in with the engine (podman login, docker login)" if denied else "look into the registry's log",
    )


def _other_content(host: str, repository: str, digest: str) -> Problem:
    return Problem(
        f"the registry {host} gave something else than {digest} of {repository}",
        details="its storage is damaged, or the connection ended early",
        resolution="try again; if that does not help, remove the image there and push it again",
    )
