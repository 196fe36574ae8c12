"""The venue as an ASGI application: HTTP and WebSocket for any ASGI server.

Three things are beyond what ASGI can say: ending a connection without a goodbye, holding one in complete silence (a server
answers pings by itself), and a ping. A `Wire` does them where the server offers a way to the connection, as
`venuekit_simulator.server` does. Without one the nearest is done: a response that promises more bytes than it brings, close
code 1011, and no ping.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any, Final, Protocol, TypeAlias

import anyio
from attrs import define

from venuekit_simulator.sockets import ServerSocket
from venuekit_simulator.venue import LocalVenue
from venuekit_spec import HttpRequest, HttpResponse, Seconds, after

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
SendMessage: TypeAlias = Callable[[Message], Awaitable[None]]

INTERNAL_ERROR: Final = 1011
"""Close code where a cut is not possible."""

SILENCE: Final[Seconds] = 600.0
"""For how long a stalled connection is held."""


class Wire(Protocol):
    """The connections beneath an ASGI server."""

    def abort(self, scope: Scope) -> bool:
        """End the connection of this scope at once; whether that was possible."""
        ...

    def hold(self, scope: Scope) -> bool:
        """Read nothing more from the connection of this scope; whether that was possible."""
        ...

    def ping(self, scope: Scope) -> bool:
        """Send a ping on the WebSocket of this scope, after all that was sent; whether that was possible."""
        ...


class VenueApp:
    """An ASGI application over one venue."""

    def __init__(self, venue: LocalVenue, wire: Wire | None = None) -> None:
        self._venue = venue
        self._wire = wire
        self._closing = False

    def close(self) -> None:
        """The server is about to end: let go of connections that are held in silence."""
        self._closing = True
        self._venue.timeline.stir()

    async def __call__(self, scope: Scope, receive: Receive, send: SendMessage) -> None:
        """Serve one scope."""
        match scope["type"]:
            case "http":
                await self._http(scope, receive, send)
            case "websocket":
                await self._websocket(scope, receive, send)
            case "lifespan":
                await self._lifespan(receive, send)
            case other:
                raise ValueError(f"a local venue serves no scope of type {other!r}")

    async def _lifespan(self, receive: Receive, send: SendMessage) -> None:
        async with anyio.create_task_group() as group:
            await receive()
            group.start_soon(self._venue.run)
            await send({"type": "lifespan.startup.complete"})
            await receive()
            group.cancel_scope.cancel()
        await send({"type": "lifespan.shutdown.complete"})

    async def _http(self, scope: Scope, receive: Receive, send: SendMessage) -> None:
        body = bytearray()
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
        waiting = _Answer()
        self._venue.request(_request(scope, bytes(body)), waiting.come)
        async with anyio.create_task_group() as group:
            group.start_soon(_give_up, receive, group.cancel_scope)
            await self._venue.timeline.wait(lambda: waiting.there or self._closing)
            group.cancel_scope.cancel()
        if not waiting.there and not self._closing:  # the client has gone
            return
        if isinstance(waiting.answer, HttpResponse):
            await _respond(waiting.answer, send, "http.response")
        elif self._wire is not None and self._wire.abort(scope):
            await _disconnected(receive)
        else:
            headers = [(b"content-length", b"1")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})

    async def _websocket(self, scope: Scope, receive: Receive, send: SendMessage) -> None:
        await receive()
        end = _NetworkEnd(self._venue)
        waiting = _Answer()
        self._venue.connect(_request(scope, b""), end, waiting.come)
        await self._venue.timeline.wait(lambda: waiting.there or self._closing)
        match waiting.answer:
            case ServerSocket() as socket:
                offered = scope.get("subprotocols") or [None]
                await send({"type": "websocket.accept", "subprotocol": offered[0]})
                await self._converse(socket, end, scope, receive, send)
            case HttpResponse() as refusal if "websocket.http.response" in scope.get("extensions", {}):
                await _respond(refusal, send, "websocket.http.response")
            case None if self._wire is not None and self._wire.abort(scope):
                await _disconnected(receive)
            case _:
                await send({"type": "websocket.close"})

    async def _converse(
        self, socket: ServerSocket, end: _NetworkEnd, scope: Scope, receive: Receive, send: SendMessage
    ) -> None:
        """Carry frames both ways until one side is done."""
        async with anyio.create_task_group() as group:
            group.start_soon(_carry_up, socket, receive, group.cancel_scope)
            with suppress(
                OSError
            ):  # nobody is there to send to any more: the other direction hears of it, and ends both
                await self._carry_down(end, scope, send)
                group.cancel_scope.cancel()

    async def _carry_down(self, end: _NetworkEnd, scope: Scope, send: SendMessage) -> None:
        """Carry frames to the client until the venue is done. Raises `OSError` where the client is gone."""
        while True:
            await self._venue.timeline.wait(end.stirred)
            while end.outbox:
                frame = end.outbox.popleft()
                if frame is not None:
                    key = "text" if isinstance(frame, str) else "bytes"
                    await send({"type": "websocket.send", key: frame})
                elif self._wire is not None:
                    self._wire.ping(scope)
            if end.silent or end.lost or end.goodbye is not None:
                break
        if end.goodbye is not None:
            code, reason = end.goodbye
            await send({"type": "websocket.close", "code": code, "reason": reason})
        elif end.lost:
            if self._wire is None or not self._wire.abort(scope):
                await send({"type": "websocket.close", "code": INTERNAL_ERROR, "reason": ""})
        else:
            if self._wire is not None:
                self._wire.hold(scope)
            timeline = self._venue.timeline
            await timeline.wait(lambda: self._closing, after(timeline.now, SILENCE))
            if self._wire is not None:
                self._wire.abort(scope)


@define(eq=False)
class _Answer:
    """What a request waits for."""

    there: bool = False
    answer: HttpResponse | ServerSocket | None = None

    def come(self, answer: HttpResponse | ServerSocket | None) -> None:
        """It is there; None: the connection is to end without."""
        self.there = True
        self.answer = answer


class _NetworkEnd:
    """The client's end of a socket, as a `Peer`: what is to be sent, and how it ends."""

    def __init__(self, venue: LocalVenue) -> None:
        self.outbox: deque[str | bytes | None] = deque()  # None: a ping
        self.goodbye: tuple[int, str] | None = None
        self.lost = False
        self.silent = False
        self._venue = venue

    def stirred(self) -> bool:
        """Whether there is something to do."""
        return bool(self.outbox) or self.lost or self.silent or self.goodbye is not None

    def arrive(self, frame: str | bytes) -> None:
        """A frame is to be sent."""
        self.outbox.append(frame)

    def pinged(self) -> None:
        """A ping is to be sent."""
        self.outbox.append(None)

    def hung_up(self, code: int, reason: str) -> None:
        """The venue closes the socket."""
        self.goodbye = (code, reason)

    def cut(self) -> None:
        """The connection is to break, after what has arrived."""
        self.lost = True

    def fall_silent(self) -> None:
        """Nothing goes out any more."""
        self.outbox.clear()
        self.silent = True


async def _carry_up(socket: ServerSocket, receive: Receive, scope: anyio.CancelScope) -> None:
    """Frames of the client to the venue, until the client is gone."""
    while (message := await receive())["type"] == "websocket.receive":
        text: str | None = message.get("text")
        socket.from_client(text if text is not None else message["bytes"])
    socket.left()
    scope.cancel()


async def _disconnected(receive: Receive) -> None:
    """Return once the client is gone."""
    while not (await receive())["type"].endswith(".disconnect"):
        pass


async def _give_up(receive: Receive, scope: anyio.CancelScope) -> None:
    await _disconnected(receive)
    scope.cancel()


async def _respond(response: HttpResponse, send: SendMessage, event: str) -> None:
    headers = [
        (name.encode("latin-1"), value.encode("latin-1"))
        for name, value in response.headers.items()
        if name != "content-length"
    ]
    headers.append((b"content-length", str(len(response.body)).encode()))
    await send({"type": f"{event}.start", "status": response.status, "headers": headers})
    await send({"type": f"{event}.body", "body": response.body})


def _request(scope: Scope, body: bytes) -> HttpRequest:
    """The request as the client sent it: path and query byte by byte."""
    path = scope.get("raw_path") or scope["path"].encode()
    query = scope.get("query_string", b"")
    target = path + b"?" + query if query else path
    return HttpRequest(
        scope.get("method", "GET"),
        target.decode("latin-1"),
        headers=tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]),
        body=body,
    )
