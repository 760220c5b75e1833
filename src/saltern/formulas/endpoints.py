"""Public endpoints, from ``meta/verify.yml``: requests as a user makes them, to see how available a service is. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from saltern.base.errors import Problem

RENEW_SECONDS = 300
"""After so many seconds a session is made anew, where the formula does not say."""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request. ``headers`` and ``json`` may hold secrets; ``{name}`` in a header is what a request kept."""

    method: str
    path: str
    """Below the endpoint's base, or a whole URL."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    json: Any = field(default=None, repr=False)
    status: tuple[int, ...] = (200,)
    """The answers that are right."""
    keep: Mapping[str, str] = field(default_factory=dict)
    """Name → the header of the answer whose value it gets."""
    every: float = 0
    """Seconds: not made more often than that. 0: each time that it is its turn."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A service as its users reach it: ``session`` once, then ``requests`` in turn."""

    name: str
    base: str
    requests: tuple[Request, ...]
    session: tuple[Request, ...] = ()
    renew: float = RENEW_SECONDS

    def url(self, request: Request) -> str:
        """The whole URL of a request."""
        return request.path if "://" in request.path else self.base.rstrip("/") + request.path


def read_endpoint(raw: Mapping[str, Any]) -> Endpoint:
    """From content that its schema allows."""
    parts = {key: tuple(_request(one) for one in raw.get(key) or ()) for key in ("session", "requests")}
    return Endpoint(**{**raw, **parts})


def _request(raw: Mapping[str, Any]) -> Request:
    values = {**raw, "headers": {name: str(value) for name, value in sorted((raw.get("headers") or {}).items())}}
    values["keep"] = {name: kept["header"] for name, kept in sorted((raw.get("keep") or {}).items())}
    if "status" in raw:
        values["status"] = tuple(raw["status"])
    return Request(**values)


def without_secrets(endpoints: Iterable[Endpoint]) -> tuple[Endpoint, ...]:
    """The endpoints without what may hold secrets."""
    return tuple(
        replace(one, session=_without_secrets(one.session), requests=_without_secrets(one.requests))
        for one in endpoints
    )


def _without_secrets(requests: Iterable[Request]) -> tuple[Request, ...]:
    return tuple(replace(request, headers=dict.fromkeys(request.headers, ""), json=None) for request in requests)


def distinct(endpoints: Iterable[Endpoint]) -> tuple[Endpoint, ...]:
    """One of each name and address: all replicas of a service name the same public endpoint. Sorted."""
    found = {(one.name, one.base): one for one in endpoints}
    return tuple(found[key] for key in sorted(found))


def unknown_names(what: str, endpoints: Iterable[Endpoint]) -> Iterator[Problem]:
    """Headers that want a value which no request keeps; ``what`` is the file."""
    for endpoint in endpoints:
        requests = (*endpoint.session, *endpoint.requests)
        kept = {name for request in requests for name in request.keep}
        wanted = {name for request in requests for value in request.headers.values() for name in _names(value)}
        if missing := sorted(wanted - kept):
            yield Problem(
                f"{what}: endpoint {endpoint.name!r}: no request keeps {', '.join(f'{{{name}}}' for name in missing)}",
                details=f"kept: {', '.join(sorted(kept)) or 'nothing'}",
                resolution="give a request of its session `keep: {NAME: {header: HEADER OF THE ANSWER}}`",
            )


def _names(value: str) -> Iterator[str]:
    """What stands in braces, where that is a word."""
    for part in value.split("{")[1:]:
        name, brace, _ = part.partition("}")
        if brace and name.isidentifier():
            yield name


def filled(headers: Mapping[str, str], kept: Mapping[str, str]) -> dict[str, str]:
    """Headers with the kept values in the places of their names."""
    found = dict(headers)
    for name, value in kept.items():
        found = {key: text.replace(f"{{{name}}}", value) for key, text in found.items()}
    return found
