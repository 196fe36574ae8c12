"""The venue in the client's own process: the two transports that a client of this project speaks to.

They keep the promises of the real ones (what an error says of what was sent, order, one call of `run`), without a network,
on any event loop, and by the venue's clock alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from anyio.lowlevel import checkpoint
from attrs import define, evolve

from venuekit_simulator.faults import Unreachable
from venuekit_simulator.sockets import ServerSocket
from venuekit_simulator.timeline import Entry
from venuekit_spec import (
    DeadlinePassed,
    Dial,
    HttpRequest,
    HttpResponse,
    Instant,
    LocalError,
    NetworkError,
    Seconds,
    after,
    shown_url,
)

if TYPE_CHECKING:
    from venuekit_simulator.venue import LocalVenue

TIMEOUT: Final[Seconds] = 10.0
"""For requests that name none, and for handshakes."""

CLOSED_HERE: Final = "closed on this side"

_GONE: Final = {
    Unreachable.REFUSED: "connection refused",
    Unreachable.DNS: "the name was not found",
}

OnFrame = Callable[[bytes, Instant], None]
OnLife = Callable[[Instant], None]


@define(eq=False)
class _Pending:
    """What an answer is awaited by."""

    done: bool = False
    response: HttpResponse | ServerSocket | None = None
    unwanted: bool = False

    def answer(self, response: HttpResponse | ServerSocket | None) -> None:
        """It has come; None: the connection ended without."""
        self.done = True
        self.response = response
        if self.unwanted:
            self.abandon()

    def abandon(self) -> None:
        """Nobody waits for it any more; a socket that comes is closed again."""
        self.unwanted = True
        if isinstance(self.response, ServerSocket):
            self.response.left()


class HttpInProcess:
    """Requests to a local venue."""

    def __init__(self, venue: LocalVenue) -> None:
        self._venue = venue
        self._closed = False

    async def send(self, request: HttpRequest) -> HttpResponse:
        """The venue's response.

        Raises:
            NetworkError: no response came, with `sent` telling whether the venue may have seen the request.
            DeadlinePassed: none came within `HttpRequest.timeout` seconds.
            LocalError: the transport is closed.
        """
        if self._closed:
            raise LocalError("the HTTP transport is closed")
        venue, name = self._venue, request.label or repr(request)
        venue.timeline.catch_up()
        if (gone := _GONE.get(outage) if (outage := venue.outage) else None) is not None:
            await checkpoint()
            raise NetworkError(f"{name} found no connection: {gone}", sent=False)
        pending = _Pending()
        venue.request(request, pending.answer)
        timeout = TIMEOUT if request.timeout is None else request.timeout
        if not await venue.timeline.wait(lambda: pending.done, after(venue.clock.now(), timeout)):
            raise DeadlinePassed(f"{name} was not answered within {timeout:g} s")
        if not isinstance(pending.response, HttpResponse):
            raise NetworkError(f"{name} failed: the connection ended without a response")
        return evolve(pending.response, received=venue.clock.now(), url=request.url)

    async def aclose(self) -> None:
        """No more requests."""
        self._closed = True
        await checkpoint()


class WebSocketsInProcess:
    """Opens sockets to a local venue."""

    def __init__(self, venue: LocalVenue) -> None:
        self._venue = venue

    async def open(self, dial: Dial) -> SocketInProcess:
        """An open socket, its handshake done.

        Raises:
            NetworkError: no connection, or the venue refused; `code` is the HTTP status where it sent one.
        """
        venue, place = self._venue, shown_url(dial.url, path=not dial.secret_url)
        venue.timeline.catch_up()
        if (gone := _GONE.get(outage) if (outage := venue.outage) else None) is not None:
            await checkpoint()
            raise NetworkError(f"no connection to {place}: {gone}", sent=False)
        pending = _Pending()
        socket = SocketInProcess(venue, dial)
        offered = (("sec-websocket-protocol", ", ".join(dial.subprotocols)),) if dial.subprotocols else ()
        venue.connect(HttpRequest("GET", dial.url, headers=(*dial.headers, *offered)), socket, pending.answer)
        try:
            opened = await venue.timeline.wait(lambda: pending.done, after(venue.clock.now(), TIMEOUT))
        except BaseException:
            pending.abandon()
            raise
        if not opened:
            pending.abandon()
            raise NetworkError(f"{place} did not open within {TIMEOUT:g} s", sent=False)
        answer = pending.response
        if isinstance(answer, HttpResponse):
            wait = answer.headers.get("retry-after")
            advice = f", to be tried again after {wait}" if wait else ""
            raise NetworkError(
                f"{place} refused the WebSocket: HTTP {answer.status}{advice}",
                code=str(answer.status),
                sent=False,
            )
        if answer is None:
            raise NetworkError(f"{place} broke off the handshake", sent=False)
        socket.opened(answer)
        return socket


class SocketInProcess:
    """A client's socket to a local venue. Made by `WebSocketsInProcess.open`."""

    def __init__(self, venue: LocalVenue, dial: Dial) -> None:
        self._venue = venue
        self._dial = dial
        self._server: ServerSocket | None = None
        self._inbox: deque[bytes | None] = deque()  # None: a sign of life
        self._end: str | None = None
        self._silent = False
        self._has_run = False
        self._pong: Entry | None = None

    def __repr__(self) -> str:
        return f"<SocketInProcess {self._dial.shown_url}>"

    async def run(self, on_frame: OnFrame, on_life: OnLife) -> str:
        """Hand out what arrives until the socket is closed; why it was. Raises `LocalError` when run twice."""
        if self._has_run:
            raise LocalError("a socket is run once")
        self._has_run = True
        timeline, now = self._venue.timeline, self._venue.clock.now
        self._ping()
        try:
            while True:
                while self._inbox and self._end != CLOSED_HERE:
                    frame = self._inbox.popleft()
                    if frame is None:
                        on_life(now())
                    else:
                        on_frame(frame, now())
                if self._end is not None:
                    await checkpoint()
                    return self._end
                await timeline.wait(lambda: bool(self._inbox) or self._end is not None)
        finally:
            if self._pong is not None:
                self._pong.cancel()

    def send(self, frame: str | bytes) -> None:
        """Send a frame; on a socket that has ended or fallen silent it goes nowhere."""
        if self._end is None and not self._silent and self._server is not None:
            self._server.from_client(frame)

    async def aclose(self) -> None:
        """Close at once. May be called again."""
        self._finish(CLOSED_HERE)
        if self._server is not None:
            self._server.left()
        await checkpoint()

    def opened(self, server: ServerSocket) -> None:
        """The handshake is done."""
        self._server = server

    # as `Peer`

    def arrive(self, frame: str | bytes) -> None:
        """A frame arrives."""
        if self._end is None:
            self._inbox.append(frame.encode() if isinstance(frame, str) else frame)

    def pinged(self) -> None:
        """A ping of the venue's arrives: a sign of life."""
        if self._end is None:
            self._inbox.append(None)

    def hung_up(self, code: int, reason: str) -> None:
        """The venue closes."""
        self._finish(f"the venue closed the socket: {code} {reason}".rstrip())

    def cut(self) -> None:
        """The connection is lost."""
        self._finish("the venue ended the connection without a goodbye")

    def fall_silent(self) -> None:
        """Nothing comes any more."""
        self._silent = True

    def _finish(self, reason: str) -> None:
        self._end = self._end or reason
        self._venue.timeline.stir()

    def _ping(self) -> None:
        """Every so often the answer to a ping of ours comes, as a sign of life."""
        if self._dial.ping is not None:
            self._pong = self._venue.timeline.after(self._dial.ping, self._ponged)

    def _ponged(self) -> None:
        if self._end is None and not self._silent:
            self._inbox.append(None)
            self._ping()
