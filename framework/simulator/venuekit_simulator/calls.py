"""Calls: a request of either transport, as faults see it.

Requests by HTTP, by socket and for a socket differ in how they are refused and in what a lost reply looks like; `Call` is what
is the same.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from random import Random
from typing import Protocol

from attrs import evolve

from venuekit_simulator.faults import FaultKind, Transport
from venuekit_simulator.injection import mangled
from venuekit_simulator.sockets import ServerSocket
from venuekit_simulator.timeline import Timeline
from venuekit_spec import (
    CallKind,
    Dialect,
    Hangup,
    HttpRequest,
    HttpResponse,
    Instant,
    RefusalKind,
    RefusingSession,
    Seconds,
    Send,
    ServerOutputs,
    ServerSession,
    after,
)

TRY_AGAIN_LATER = 1013
"""Close code of a socket whose venue cannot word a refusal (RFC 6455 registry of close codes)."""


class Call(Protocol):
    """One request that has arrived. After `handle` one of the endings: `reply`, `lose`, `refuse`."""

    @property
    def transport(self) -> Transport:
        """By which way it came."""
        ...

    @property
    def message(self) -> HttpRequest | str | bytes:
        """What came."""
        ...

    def handle(self, dialect: Dialect, now: Instant) -> None:
        """Let the venue do it; the reply is kept."""
        ...

    def reply(self, *, later: Seconds = 0.0, not_before: Instant = 0) -> None:
        """Send the reply: `later` than usual, or so that it arrives at an instant or after it."""
        ...

    def kind(self, dialect: Dialect) -> CallKind:
        """What it is about."""
        ...

    def mangle(self, kind: FaultKind, dice: Random) -> None:
        """Truncate or corrupt the reply."""
        ...

    def lose(self, *, cut: bool) -> None:
        """No reply; what carries the request breaks, for an HTTP request in any case."""
        ...

    def stall(self) -> None:
        """No reply, in silence."""
        ...

    def refuse(
        self, dialect: Dialect, kind: RefusalKind, wait: Seconds, now: Instant, status: int = 0
    ) -> None:
        """Refuse it, in the venue's words, or with a page of a proxy where there is a `status`."""
        ...


class HttpExchange:
    """An HTTP request on its way. `answer` gets the response, or None: the connection ended without one."""

    transport = Transport.HTTP

    def __init__(
        self,
        message: HttpRequest,
        answer: Callable[[HttpResponse | None], None],
        timeline: Timeline,
        latency: Callable[[], Seconds],
        ended: Callable[[HttpExchange], None],
    ) -> None:
        self.message = message
        self._answer: Callable[[HttpResponse | None], None] | None = answer
        self._timeline = timeline
        self._latency = latency
        self._ended = ended
        self._response: HttpResponse | None = None

    def kind(self, dialect: Dialect) -> CallKind:
        """As `Call`."""
        return dialect.kind(self.message)

    def handle(self, dialect: Dialect, now: Instant) -> None:
        """As `Call`."""
        self._response = dialect.http(self.message, now)

    def reply(self, *, later: Seconds = 0.0, not_before: Instant = 0) -> None:
        """As `Call`."""
        arrival = max(after(self._timeline.now, self._latency() + later), not_before)
        self._timeline.at(arrival, partial(self._finish, self._response))

    def mangle(self, kind: FaultKind, dice: Random) -> None:
        """As `Call`."""
        if self._response is not None:
            body = mangled(self._response.body, kind, dice)
            assert isinstance(body, bytes)
            self._response = evolve(self._response, body=body)

    def lose(self, *, cut: bool = True) -> None:
        """As `Call`: the connection ends."""
        self._finish(None)

    def stall(self) -> None:
        """As `Call`."""
        self._answer = None
        self._ended(self)

    def refuse(
        self, dialect: Dialect, kind: RefusalKind, wait: Seconds, now: Instant, status: int = 0
    ) -> None:
        """As `Call`."""
        self._response = page(status) if status else dialect.refusal(kind, wait, now)
        self.reply()

    def _finish(self, response: HttpResponse | None) -> None:
        answer, self._answer = self._answer, None
        if answer is not None:
            self._ended(self)
            answer(response)
            self._timeline.stir()


class Handshake(HttpExchange):
    """The request that opens a socket. `accept` gets the session and how much later the socket is to open.

    A session that is refused after all, or lost, is closed before it was opened.
    """

    def __init__(
        self,
        message: HttpRequest,
        answer: Callable[[HttpResponse | None], None],
        timeline: Timeline,
        latency: Callable[[], Seconds],
        ended: Callable[[HttpExchange], None],
        accept: Callable[[ServerSession, Seconds], None],
    ) -> None:
        super().__init__(message, answer, timeline, latency, ended)
        self._accept = accept
        self._session: ServerSession | None = None

    def kind(self, dialect: Dialect) -> CallKind:
        """As `Call`."""
        return CallKind.CONNECT

    def handle(self, dialect: Dialect, now: Instant) -> None:
        """As `Call`."""
        answer = dialect.connect(self.message, now)
        if isinstance(answer, HttpResponse):
            self._response = answer
        else:
            self._session = answer

    def reply(self, *, later: Seconds = 0.0, not_before: Instant = 0) -> None:
        """As `Call`; a socket that opens is nobody's reply any more."""
        session, self._session = self._session, None
        if session is None or self._response is not None:
            self._close(session)
            super().reply(later=later, not_before=not_before)
        else:
            self.stall()
            self._accept(session, later)

    def lose(self, *, cut: bool = True) -> None:
        """As `Call`."""
        session, self._session = self._session, None
        self._close(session)
        super().lose(cut=cut)

    @staticmethod
    def _close(session: ServerSession | None) -> None:
        if session is not None:
            session.closed()


class SocketCall:
    """A frame of a client. What the session says to it at once is its reply."""

    transport = Transport.SOCKET

    def __init__(self, socket: ServerSocket, frame: str | bytes, timeline: Timeline) -> None:
        self.message = frame
        self._socket = socket
        self._timeline = timeline
        self._outputs: ServerOutputs = ()

    def kind(self, dialect: Dialect) -> CallKind:
        """As `Call`."""
        return dialect.kind(self.message)

    def handle(self, dialect: Dialect, now: Instant) -> None:
        """As `Call`."""
        self._outputs = self._socket.session.feed(self.message, now)

    def reply(self, *, later: Seconds = 0.0, not_before: Instant = 0) -> None:
        """As `Call`; the socket keeps the order."""
        if later:
            self._timeline.at(
                max(after(self._timeline.now, later), not_before), partial(self._socket.emit, self._outputs)
            )
        else:
            self._socket.emit(self._outputs)

    def mangle(self, kind: FaultKind, dice: Random) -> None:
        """As `Call`: every frame of the reply."""
        self._outputs = [
            Send(mangled(output.frame, kind, dice)) if isinstance(output, Send) else output
            for output in self._outputs
        ]

    def lose(self, *, cut: bool) -> None:
        """As `Call`."""
        self._socket.emit([output for output in self._outputs if not isinstance(output, Send)])
        if cut:
            self._socket.cut()

    def stall(self) -> None:
        """As `Call`: the socket falls silent."""
        self._socket.stall()

    def refuse(
        self, dialect: Dialect, kind: RefusalKind, wait: Seconds, now: Instant, status: int = 0
    ) -> None:
        """As `Call`. A session that cannot word it closes."""
        self.lose(cut=False)
        session = self._socket.session
        if isinstance(session, RefusingSession):
            self._socket.emit(session.refuse(self.message, kind, wait, now))
        else:
            self._socket.emit((Hangup(TRY_AGAIN_LATER, kind.value),))


def page(status: int) -> HttpResponse:
    """What a proxy in front of a venue says: not in the venue's format."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Error"
    body = f"<html><head><title>{status} {phrase}</title></head><body>{phrase}</body></html>"
    return HttpResponse(status, body.encode(), {"content-type": "text/html"})
