"""A user of an endpoint: makes its session, then its requests in turn, and says how each went.

Half of the requests open a connection of their own, as most clients of a cloud do; the others go over one that is kept,
which is how a replica shows that goes away without telling its clients.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import cycle
from types import TracebackType

import httpx

from saltern.formulas.endpoints import Endpoint, Request, filled
from saltern.rollout.figures import Sample

TIMEOUT = httpx.Timeout(10.0, connect=2.0)
"""Seconds until a request without an answer has failed."""
UNAUTHORIZED = 401
REFUSED_SECONDS = 1.0
"""A session that was refused (a wrong password, say) is tried again no sooner: each try costs the service much."""
AGENT = "saltern-probe"

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class _Outcome:
    """``failed`` is "" or why; ``status`` 0 when there was no answer."""

    failed: str = ""
    status: int = 0
    kept: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Session:
    """What the users of one endpoint share: what was kept of answers, and when what was made. Its lock guards it."""

    kept: dict[str, str] | None = None
    """None while there is no session."""
    made: bool = False
    """Whether there ever was one."""
    since: float = 0.0
    not_before: float = 0.0
    last: dict[int, float] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


class User:
    """Of one thread. Reasons of failures hold no secret: neither headers nor bodies, nor libraries' words on these."""

    def __init__(self, endpoint: Endpoint, session: Session, clock: Clock = time.monotonic) -> None:
        self._endpoint = endpoint
        self._session = session
        self._clock = clock
        agent = {"User-Agent": AGENT}
        context = ssl.create_default_context()
        no_keeping = httpx.Limits(max_keepalive_connections=0)
        self._clients = [
            httpx.Client(trust_env=False, timeout=TIMEOUT, verify=context, headers=agent, limits=no_keeping),
            httpx.Client(trust_env=False, timeout=TIMEOUT, verify=context, headers=agent),
        ]
        self._connections = cycle(self._clients)
        self._position = 0

    def __enter__(self) -> User:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for client in self._clients:
            client.close()

    def ask(self) -> Sample | None:
        """Make the next request, after the session where there is none; None when none is due yet."""
        session = self._session
        with session.lock:
            begun = self._clock()
            if failed := self._begin(begun):
                return Sample(begun, self._clock(), failed)
            kept = None if session.kept is None else dict(session.kept)
            request = None if kept is None else self._next(begun)
        if kept is None or request is None:
            return None
        begun = self._clock()
        outcome = self._send(request, kept)
        ended = self._clock()
        with session.lock:
            if session.kept is not None and outcome.kept:
                session.kept |= outcome.kept
            elif outcome.status == UNAUTHORIZED and session.kept == kept:  # nobody has made it anew meanwhile
                session.kept = None
        return Sample(begun, ended, outcome.failed)

    def _begin(self, now: float) -> str:
        """Make the session when there is none or an old one; "" or why it failed.

        Where no new one can be had an old one is used on, and that is no failure of this endpoint. Nor is a first login
        that is refused: a rollout may be about to set the password, and until then this is no user of the service.
        """
        session = self._session
        if (session.kept is not None and now - session.since < self._endpoint.renew) or now < session.not_before:
            return ""
        kept: dict[str, str] = {}
        for request in self._endpoint.session:
            outcome = self._send(request, kept)
            if outcome.failed:
                session.not_before = now + REFUSED_SECONDS if outcome.status else 0.0
                stranger = outcome.status == UNAUTHORIZED and not session.made
                return "" if session.kept is not None or stranger else outcome.failed
            kept |= outcome.kept
        session.kept, session.since, session.made = {**(session.kept or {}), **kept}, now, True
        return ""

    def _next(self, now: float) -> Request | None:
        """The next request in turn that is due."""
        requests, last = self._endpoint.requests, self._session.last
        for _ in requests:
            index = self._position
            self._position = (index + 1) % len(requests)
            request = requests[index]
            if not request.every or index not in last or now - last[index] >= request.every:
                last[index] = now
                return request
        return None

    def _send(self, request: Request, kept: Mapping[str, str]) -> _Outcome:
        words = f"{request.method} {request.path.partition('?')[0]}"
        try:
            answer = next(self._connections).request(
                request.method,
                self._endpoint.url(request),
                headers=filled(request.headers, kept),
                json=request.json,
            )
        except httpx.TimeoutException as error:
            return _Outcome(f"{words}: no answer in time ({type(error).__name__})")
        except (httpx.NetworkError, httpx.RemoteProtocolError) as error:
            return _Outcome(f"{words}: {_words(error)}")
        except Exception as error:  # whatever it is, this request failed and the rollout goes on
            return _Outcome(f"{words}: {type(error).__name__}")
        status = answer.status_code
        if status not in request.status:
            return _Outcome(f"{words}: status {status}", status)
        if missing := [header for header in request.keep.values() if header not in answer.headers]:
            return _Outcome(f"{words}: the answer has no header {missing[0]}", status)
        return _Outcome("", status, {name: answer.headers[header] for name, header in request.keep.items()})


def _words(error: httpx.TransportError) -> str:
    """What the error says, unless that might quote what the service sent."""
    text = str(error)
    quotes = isinstance(error, httpx.RemoteProtocolError) and not text.startswith(
        ("Server disconnected", "peer closed")
    )
    return "the answer is not HTTP" if quotes else text or type(error).__name__
