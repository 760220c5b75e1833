"""The endpoints of ``meta/verify.yml``: what is read, what is refused, and what of them may be shown."""

from __future__ import annotations

from typing import Any

import pytest

from saltern.base.errors import FormulaError
from saltern.formulas.endpoints import Endpoint, Request, distinct, filled, without_secrets
from saltern.formulas.metadata import read_metadata

GET = {"method": "GET", "path": "/"}


def read(*endpoints: dict[str, Any]) -> tuple[Endpoint, ...]:
    return read_metadata("web01", {"web": {"verify": {"endpoints": list(endpoints)}}}).endpoints


def test_everything_said() -> None:
    login = {
        "method": "POST",
        "path": "https://login/tokens",
        "json": {"password": "x"},
        "headers": {"B": 1, "A": "{other}"},
        "status": [201, 202],
        "keep": {"token": {"header": "X-Subject-Token"}, "other": {"header": "Y"}},
        "every": 5,
    }
    (got,) = read({"name": "web", "base": "http://web/v3/", "session": [login], "renew": 60, "requests": [GET]})
    assert got == Endpoint(
        "web",
        "http://web/v3/",
        requests=(Request("GET", "/"),),
        session=(
            Request(
                "POST",
                "https://login/tokens",
                {"A": "{other}", "B": "1"},
                {"password": "x"},
                (201, 202),
                {"other": "Y", "token": "X-Subject-Token"},
                5,
            ),
        ),
        renew=60,
    )
    assert [got.url(request) for request in (*got.session, *got.requests)] == ["https://login/tokens", "http://web/v3/"]


def test_what_is_left_out() -> None:
    (got,) = read({"name": "web", "base": "http://web", "requests": [GET]})
    assert got == Endpoint("web", "http://web", (Request("GET", "/", {}, None, (200,), {}, 0),), (), 300)


@pytest.mark.parametrize(
    ("endpoint", "brief"),
    [
        ({"name": "a", "base": "http://a"}, "'requests' is a required property"),
        ({"name": "a", "base": "http://a", "requests": []}, "requests: [] "),
        ({"name": "a", "base": "ftp://a", "requests": [GET]}, "base: 'ftp://a' does not match"),
        ({"name": "a", "base": "http://me:secret@a", "requests": [GET]}, "base: 'http://me:secret@a' does not match"),
        ({"name": "a", "base": "http://a", "requests": [{**GET, "path": "x"}]}, "path: 'x' does not match"),
        ({"name": "a", "base": "http://a", "requests": [{**GET, "method": "get"}]}, "method: 'get' is not one of"),
        ({"name": "a", "base": "http://a", "requests": [{**GET, "status": [20]}]}, "20 is less than"),
        ({"name": "a", "base": "http://a", "requests": [{**GET, "keep": {"a b": {"header": "X"}}}]}, "'a b' does not"),
        (
            {"name": "a", "base": "http://a", "requests": [{**GET, "headers": {"X": "Bearer {token}", "Y": "{7}"}}]},
            "web/meta/verify.yml, rendered for web01: endpoint 'a': no request keeps {token}",
        ),
    ],
)
def test_refused(endpoint: dict[str, Any], brief: str) -> None:
    with pytest.raises(FormulaError) as caught:
        read(endpoint)
    (problem,) = caught.value.problems
    assert brief in problem.brief


def test_headers_get_what_was_kept() -> None:
    headers = {"X": "Bearer {token}", "Y": "{other}", "Z": "{token}{token}"}
    assert filled(headers, {"token": "t"}) == {"X": "Bearer t", "Y": "{other}", "Z": "tt"}
    assert headers["X"] == "Bearer {token}"


def test_replicas_have_one_endpoint() -> None:
    b, a = (Endpoint(name, "http://x", (Request("GET", "/"),)) for name in "ba")
    other = Endpoint("a", "http://w", (Request("GET", "/"),))
    assert distinct([b, a, b, other]) == (other, a, b)


def test_two_that_differ_in_secrets_only_are_the_same_without_them() -> None:
    def one(secret: str, path: str = "/") -> Endpoint:
        request = Request("GET", path, {"X": secret}, {"password": secret})
        return Endpoint("a", "http://x", (request,), (request,))

    assert without_secrets([one("s1")]) == without_secrets([one("s2")])
    assert without_secrets([one("s1")]) != without_secrets([one("s1", "/s1")])
    assert "s1" not in repr(without_secrets([one("s1")]))
