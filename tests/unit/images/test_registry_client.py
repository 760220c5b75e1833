from __future__ import annotations

import httpx
import pytest

from saltern.base.errors import RegistryError
from saltern.images.engine.registry_name import is_loopback, registry_host
from saltern.images.registry import MANIFESTS, Reference, Registry

DIGEST = "sha256:" + "a" * 64


def registry(status: int, host: str = "127.0.0.1:5001", **headers: str) -> tuple[Registry, list[httpx.Request]]:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(status, headers=headers)

    return Registry(host, httpx.MockTransport(answer)), seen


def test_a_tag_that_is_there_has_its_digest() -> None:
    client, seen = registry(200, **{"Docker-Content-Digest": DIGEST})
    assert client.digest("127.0.0.1:5001/cloud/keystone:abc") == DIGEST
    assert (seen[0].method, str(seen[0].url)) == ("HEAD", "http://127.0.0.1:5001/v2/cloud/keystone/manifests/abc")
    assert all(kind in seen[0].headers["Accept"] for kind in MANIFESTS)


def test_a_tag_that_is_not_there_has_none() -> None:
    assert registry(404)[0].digest("127.0.0.1:5001/cloud/keystone:abc") == ""


def test_https_is_the_rule_away_from_this_machine() -> None:
    client, seen = registry(404, "registry.example")
    client.digest("registry.example/cloud/keystone:abc")
    assert seen[0].url.scheme == "https"


@pytest.mark.parametrize(("status", "text"), [(401, "does not permit"), (403, "does not permit"), (500, "refused")])
def test_a_refusal_is_an_error(status: int, text: str) -> None:
    with pytest.raises(RegistryError, match=text):
        registry(status)[0].digest("127.0.0.1:5001/a/b:c")


def test_a_registry_that_is_not_there_is_an_error() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with pytest.raises(RegistryError, match="cannot be reached"):
        Registry("127.0.0.1:5001", httpx.MockTransport(answer)).digest("127.0.0.1:5001/a/b:c")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("localhost:5000/a/b:c", ("localhost:5000", "a/b", "c")),
        ("registry.example/a:1", ("registry.example", "a", "1")),
        ("[::1]:5000/a", ("[::1]:5000", "a", "latest")),
    ],
)
def test_references(text: str, expected: tuple[str, str, str]) -> None:
    found = Reference.parse(text)
    assert (found.registry, found.repository, found.tag) == expected


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("localhost:5000/a:1", True),
        ("127.0.0.1:5000/a:1", True),
        ("127.1.2.3/a", True),
        ("[::1]:5000/a", True),
        ("registry.example/a", False),
        ("10.0.0.1:5000/a", False),
        ("debian:12", False),
        ("library/debian", False),
    ],
)
def test_loopback(reference: str, expected: bool) -> None:
    assert is_loopback(reference) is expected


def test_a_reference_without_a_registry() -> None:
    assert registry_host("library/debian:12") == ""


@pytest.mark.parametrize("host", ["https:", "registry.example:port", "[::1", "user@host", ""])
def test_what_is_no_address_is_told(host: str) -> None:
    with pytest.raises(RegistryError, match="no address of a registry"):
        Registry(host)


@pytest.mark.parametrize("host", ["registry.example:5000", "localhost", "[::1]:5000", "my_registry"])
def test_addresses(host: str) -> None:
    assert Registry(host).host == host
