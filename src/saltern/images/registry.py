"""What is asked of a registry without an engine: whether it has a tag (OCI distribution API)."""

from __future__ import annotations

from dataclasses import dataclass

import httpx

from saltern.base.errors import Problem, RegistryError
from saltern.images.engine.registry_name import is_loopback, registry_host

MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
TIMEOUT = 10.0


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


class Registry:
    """A registry by its ``host[:port]``; plain HTTP on loopback names, HTTPS elsewhere."""

    def __init__(self, host: str, transport: httpx.BaseTransport | None = None) -> None:
        self.host = host
        scheme = "http" if is_loopback(f"{host}/") else "https"
        self._url = f"{scheme}://{host}"
        self._transport = transport

    def digest(self, reference: str) -> str:
        """The manifest digest (``sha256:…``) of a tag, or "" when the registry does not have it."""
        parsed = Reference.parse(reference)
        path = f"/v2/{parsed.repository}/manifests/{parsed.tag}"
        answer = self._ask("HEAD", path)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return ""
        if answer.status_code == httpx.codes.METHOD_NOT_ALLOWED:
            answer = self._ask("GET", path)
        if not answer.is_success:
            raise RegistryError(_refusal(self.host, answer))
        return answer.headers.get("Docker-Content-Digest", "") or "present"

    def _client(self) -> httpx.Client:
        return httpx.Client(
            base_url=self._url,
            headers={"Accept": ", ".join(MANIFESTS)},
            timeout=TIMEOUT,
            transport=self._transport,
            trust_env=self._url.startswith("https:"),  # no proxy stands between us and this machine
            follow_redirects=True,
        )

    def _ask(self, method: str, path: str) -> httpx.Response:
        try:
            with self._client() as client:
                return client.request(method, path)
        except httpx.HTTPError as error:
            raise RegistryError(
                Problem(
                    f"the registry {self.host} cannot be reached",
                    details=f"{method} {self._url}{path}: {error}",
                    resolution="start it, correct `registry` in saltern.yml, or remove it to do without one",
                )
            ) from error


def _refusal(host: str, answer: httpx.Response) -> Problem:
    denied = answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN)
    return Problem(
        f"the registry {host} {'does not permit this' if denied else 'refused a request'}",
        details=f"{answer.request.method} {answer.request.url}: HTTP {answer.status_code}",
        resolution="log in with the engine (podman login, docker login)" if denied else "look into the registry's log",
    )
