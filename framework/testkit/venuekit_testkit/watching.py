"""Transports that note what passes: every request with its answer, every socket with its frames. They change nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from attrs import define, field

from venuekit.drivers.http import HttpTransport
from venuekit.drivers.websocket import OnFrame, OnLife, WebSocket, WebSocketTransport
from venuekit.exchange import Transports
from venuekit_spec import Dial, HttpRequest, HttpResponse, Instant, VenuekitError


class Now(Protocol):
    """What tells the time."""

    def now(self) -> Instant:
        """This instant."""
        ...


@define(eq=False)
class Exchanged:
    """One request: when it went, and what came back."""

    at: Instant
    request: HttpRequest
    answer: HttpResponse | VenuekitError | None = None


@define(eq=False)
class Conversation:
    """One socket: how it was dialled, what was sent, what arrived."""

    dial: Dial
    opened: Instant
    sent: list[str | bytes] = field(factory=list)
    listeners: list[Callable[[bytes, Instant], None]] = field(factory=list)
    """Are handed what a session is handed, from now on."""
    raw: list[tuple[Instant, bytes]] = field(factory=list)

    @property
    def frames(self) -> list[tuple[Instant, bytes]]:
        """What a session is given: frames as they arrived, unpacked where they are packed."""
        codec = self.dial.codec
        if codec is None:
            return self.raw
        return [(now, frame) for now, packed in self.raw for frame in codec.decode(packed)]


class Watched:
    """Transports over others."""

    def __init__(self, within: Transports, clock: Now) -> None:
        self._within = within
        self.clock = clock
        self.requests: list[Exchanged] = []
        self.sockets: list[Conversation] = []

    @property
    def http(self) -> HttpTransport:
        """For requests."""
        return _Http(self._within.http, self)

    @property
    def websockets(self) -> WebSocketTransport:
        """For sockets."""
        return _WebSockets(self._within.websockets, self)

    def started(self) -> None:
        """As the transports within."""
        self._within.started()

    @property
    def statuses(self) -> list[int]:
        """The statuses of all answers, in order."""
        return [each.answer.status for each in self.requests if isinstance(each.answer, HttpResponse)]


class _Http:
    def __init__(self, within: HttpTransport, watched: Watched) -> None:
        self._within = within
        self._watched = watched

    async def send(self, request: HttpRequest) -> HttpResponse:
        noted = Exchanged(self._watched.clock.now(), request)
        self._watched.requests.append(noted)
        try:
            response = await self._within.send(request)
        except VenuekitError as error:
            noted.answer = error
            raise
        noted.answer = response
        return response

    async def aclose(self) -> None:
        await self._within.aclose()


class _WebSockets:
    def __init__(self, within: WebSocketTransport, watched: Watched) -> None:
        self._within = within
        self._watched = watched

    async def open(self, dial: Dial) -> WebSocket:
        socket = await self._within.open(dial)
        noted = Conversation(dial, self._watched.clock.now())
        self._watched.sockets.append(noted)
        return _Socket(socket, noted)


class _Socket:
    def __init__(self, within: WebSocket, noted: Conversation) -> None:
        self._within = within
        self._noted = noted

    async def run(self, on_frame: OnFrame, on_life: OnLife) -> str:
        def note(frame: bytes, now: Instant) -> None:
            self._noted.raw.append((now, frame))
            if self._noted.listeners:
                codec = self._noted.dial.codec
                for unpacked in [frame] if codec is None else codec.decode(frame):
                    for listener in self._noted.listeners:
                        listener(unpacked, now)
            on_frame(frame, now)

        return await self._within.run(note, on_life)

    def send(self, frame: str | bytes) -> None:
        self._noted.sent.append(frame)
        self._within.send(frame)

    async def aclose(self) -> None:
        await self._within.aclose()
