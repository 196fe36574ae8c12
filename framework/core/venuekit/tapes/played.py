"""The drivers of a replay: transports whose venue is a tape. `venuekit.tapes.player` hands them its records.

They keep the promises of `venuekit.drivers.http` and `venuekit.drivers.websocket`. What they cannot do is wait for real
time: a request without a recorded answer waits until the tape ends.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable
from typing import Final

import anyio
from anyio.lowlevel import checkpoint
from attrs import define, field, frozen

from venuekit.clock import VirtualClock
from venuekit.drivers.websocket import ABANDONED, CLOSED_HERE, OnFrame, OnLife
from venuekit.tapes.matching import Likeness, alike, answers
from venuekit.tapes.reader import Tape
from venuekit.tapes.records import PathRule, Record
from venuekit_spec import Dial, HttpRequest, HttpResponse, Instant, NetworkError

END_OF_TAPE: Final = "end of tape"


@frozen
class SentFrame:
    """A frame that a session sent during the replay."""

    connection: str
    instant: Instant
    frame: str | bytes = field(repr=False)


@define
class Activity:
    """Counts what the core asked of the transports. A change tells the player that tasks have work to do."""

    calls: int = 0


@define(eq=False)
class _Question:
    """A request on its way."""

    request: HttpRequest
    answered: anyio.Event = field(factory=anyio.Event)
    record: Record | None = None


class PlayedHttp:
    """An `HttpTransport` that answers from the tape."""

    def __init__(
        self, clock: VirtualClock, activity: Activity, ignored: Collection[str], paths: PathRule
    ) -> None:
        self.requests = 0
        """How many requests there were."""
        self._clock = clock
        self._activity = activity
        self._ignored = ignored
        self._paths: PathRule = paths
        self._waiting: list[_Question] = []
        self._kept: list[Record] = []
        self._ended = False

    @property
    def unanswered(self) -> int:
        """How many requests wait for an answer."""
        return len(self._waiting)

    @property
    def unused(self) -> int:
        """How many recorded responses nobody has asked for."""
        return len(self._kept)

    async def send(self, request: HttpRequest) -> HttpResponse:
        """The recorded response, as soon as the tape has come to it.

        Raises `NetworkError` as it was recorded, and where the tape ended without an answer.
        """
        self.requests += 1
        self._activity.calls += 1
        kept = self._best_kept(request)
        if kept is not None:
            self._kept.remove(kept)
            await checkpoint()
            return _response(kept, self._clock.now())
        if self._ended:
            await checkpoint()
            raise NetworkError(END_OF_TAPE, sent=False)
        question = _Question(request)
        self._waiting.append(question)
        try:
            await question.answered.wait()
        finally:
            if question in self._waiting:
                self._waiting.remove(question)
        if question.record is None:
            raise NetworkError(END_OF_TAPE)
        return _response(question.record, question.record.instant)

    async def aclose(self) -> None:
        """Nothing is open."""
        await checkpoint()

    def play(self, record: Record) -> None:
        """A response, or the failure of a request. Where nobody waits for it, it is kept for a later request.

        Of the responses to one GET only the latest is kept: it tells what a later request would have been told.
        """
        question = self._best_waiting(record)
        if question is not None:
            self._waiting.remove(question)
            question.record = record
            question.answered.set()
            self._activity.calls += 1
            return
        if _method(record) == "GET":
            self._kept = [kept for kept in self._kept if _method(kept) != "GET" or kept.url != record.url]
        self._kept.append(record)

    def end(self) -> None:
        """The tape has ended: nothing will be answered any more."""
        self._ended = True
        for question in self._waiting:
            question.answered.set()
        self._waiting.clear()

    def _best_waiting(self, record: Record) -> _Question | None:
        """The request that the record answers best; of equals the one that waits longest."""
        method = _method(record)
        waiting = [question for question in self._waiting if question.request.method == method]
        best = max(waiting, key=lambda question: self._likeness(record, question.request), default=None)
        return best if best is not None and self._likeness(record, best.request) else None

    def _best_kept(self, request: HttpRequest) -> Record | None:
        """The kept response that answers best: of equals the latest of a GET, else the oldest."""
        kept = [record for record in self._kept if _method(record) == request.method]
        if request.method == "GET":
            kept.reverse()
        best = max(kept, key=lambda record: self._likeness(record, request), default=None)
        return best if best is not None and self._likeness(best, request) else None

    def _likeness(self, record: Record, request: HttpRequest) -> Likeness:
        return answers(record.url, request.url, ignored=self._ignored, paths=self._paths)


def _method(record: Record) -> str:
    return record.method or "GET"


def _response(record: Record, received: Instant) -> HttpResponse:
    payload = record.payload or b""
    if record.direction == "fail":
        raise NetworkError(payload.decode("utf-8", "replace"), sent=record.sent)
    return HttpResponse(record.status or 200, payload, record.headers, received, record.url)


class PlayedSocket:
    """A `WebSocket` that receives what the tape says. What arrives before `run` waits for it."""

    def __init__(self, connection: str, player: PlayedSockets) -> None:
        self.connection = connection
        self.closed = False
        self._sockets = player
        self._on_frame: OnFrame | None = None
        self._on_life: OnLife | None = None
        self._early: deque[tuple[bytes | None, Instant]] = deque()
        self._reason = END_OF_TAPE
        self._error: BaseException | None = None
        self._over = anyio.Event()

    async def run(self, on_frame: OnFrame, on_life: OnLife) -> str:
        """Let the player call `on_frame` and `on_life` until the tape closes the connection; why.

        What a callback raises comes out of here, as from a live socket.
        """
        self._sockets.activity.calls += 1
        self._on_frame, self._on_life = on_frame, on_life
        try:
            while self._early and self._error is None:
                payload, instant = self._early.popleft()
                self.play(payload, instant)
            await self._over.wait()
        finally:
            self._on_frame = self._on_life = None
            self.closed = True
        if self._error is not None:
            raise self._error
        return self._reason

    def send(self, frame: str | bytes) -> None:
        """Keep the frame in the player's log. Raises `NetworkError` on a closed socket."""
        if self.closed:
            raise NetworkError("the socket is closed", sent=False)
        self._sockets.said(self.connection, frame)

    async def aclose(self) -> None:
        """Close; what the tape still has for this connection is skipped."""
        self.end(CLOSED_HERE)
        self._early.clear()
        await checkpoint()

    def play(self, payload: bytes | None, instant: Instant) -> None:
        """Hand over a frame, or with None a sign of life."""
        on_frame, on_life = self._on_frame, self._on_life
        if on_frame is None or on_life is None:
            self._early.append((payload, instant))
            return
        try:
            if payload is None:
                on_life(instant)
            else:
                on_frame(payload, instant)
        except Exception as error:  # noqa: BLE001 - it is `run` that raises it, as on a live socket
            self._error = error
            self.end("a callback failed")

    def end(self, reason: str) -> None:
        """The connection is closed, by whichever side was first."""
        if not self.closed:
            self.closed = True
            self._reason = reason
            self._over.set()
            self._sockets.activity.calls += 1


@define(eq=False)
class _Pending:
    """A dial that waits for its connection."""

    url: str
    settled: anyio.Event = field(factory=anyio.Event)
    socket: PlayedSocket | None = None
    failure: NetworkError | None = None


class PlayedSockets:
    """A `WebSocketTransport` that opens the connections of the tape.

    A dial gets the connection whose address is most like its own, of equals the first one (`venuekit.tapes.matching`). It
    waits for a connection that the tape has not opened yet, and joins one that is open and has no listener. `only` are the
    connections that may be dialled at all, all where it is empty.
    """

    def __init__(
        self,
        tape: Tape,
        clock: VirtualClock,
        activity: Activity,
        only: Collection[str],
        said: Callable[[SentFrame], None],
    ) -> None:
        self.activity = activity
        self.skipped = 0
        """How many frames belonged to connections that nobody had opened."""
        self._tape = tape
        self._clock = clock
        self._only = frozenset(only)
        self._said = said
        self._sockets: dict[str, PlayedSocket] = {}
        self._unclaimed: dict[str, str] = {}
        self._pending: list[_Pending] = []
        self._all_opens: list[tuple[str, str]] | None = None
        self._opened = 0
        self._ended = False

    @property
    def pending(self) -> int:
        """How many dials wait for a connection."""
        return len(self._pending)

    async def open(self, dial: Dial) -> PlayedSocket:
        """The connection of the tape that this dial is for.

        Raises `NetworkError` as it was recorded, and where the tape ended without opening one.
        """
        self.activity.calls += 1
        if self._ended:
            await checkpoint()
            raise NetworkError(END_OF_TAPE, sent=False)
        connection = self._best_unclaimed(dial.url)
        if connection is not None:
            await checkpoint()
            return self._claim(connection)
        pending = _Pending(dial.url)
        self._pending.append(pending)
        try:
            await pending.settled.wait()
        finally:
            if pending in self._pending:
                self._pending.remove(pending)
        if pending.failure is not None:
            raise pending.failure
        if pending.socket is None:
            raise NetworkError(END_OF_TAPE, sent=False)
        return pending.socket

    def said(self, connection: str, frame: str | bytes) -> None:
        """A session sent a frame."""
        self.activity.calls += 1
        self._said(SentFrame(connection, self._clock.now(), frame))

    def claimed(self, connection: str) -> bool:
        """Whether a session listens, or has listened, to this connection."""
        return connection in self._sockets

    def frame(self, record: Record) -> None:
        """A frame or a sign of life arrived."""
        socket = self._sockets.get(record.connection)
        if socket is None:
            if record.connection not in self._unclaimed and self._may_be_dialled(record.connection):
                self._offer(record)
                self.frame(record)
                return
            self.skipped += 1
        elif socket.closed:
            self.skipped += 1
        else:
            socket.play(record.payload if record.direction == "in" else None, record.instant)

    def opened(self, record: Record) -> None:
        """A connection was opened."""
        self._opened += 1
        self._sockets.pop(record.connection, None)
        if self._may_be_dialled(record.connection):
            self._offer(record)

    def failed(self, record: Record) -> None:
        """A dial failed. Where nobody dials, nothing happens."""
        pending = self._best_pending(record.url)
        if pending is not None:
            failure = NetworkError((record.payload or b"").decode("utf-8", "replace"), sent=record.sent)
            failure.code = str(record.status or "")
            pending.failure = failure
            self._settle(pending)

    def closed(self, record: Record) -> None:
        """A connection was closed, for the reason that is the payload; one that was abandoned is not the venue's doing."""
        self._unclaimed.pop(record.connection, None)
        socket = self._sockets.get(record.connection)
        reason = (record.payload or b"").decode("utf-8", "replace")
        if socket is not None and reason != ABANDONED:
            socket.end(reason)

    def end(self) -> None:
        """The tape has ended: every connection is closed, every dial fails."""
        self._ended = True
        for socket in self._sockets.values():
            socket.end(END_OF_TAPE)
        for pending in tuple(self._pending):
            self._settle(pending)

    def _may_be_dialled(self, connection: str) -> bool:
        return not self._only or connection in self._only

    def _offer(self, record: Record) -> None:
        """Give a connection to the dial that fits, or keep it for one that comes."""
        self._unclaimed[record.connection] = record.url
        pending = self._best_pending(record.url)
        if pending is not None:
            pending.socket = self._claim(record.connection)
            self._settle(pending)

    def _settle(self, pending: _Pending) -> None:
        self._pending.remove(pending)
        pending.settled.set()
        self.activity.calls += 1

    def _claim(self, connection: str) -> PlayedSocket:
        del self._unclaimed[connection]
        socket = PlayedSocket(connection, self)
        self._sockets[connection] = socket
        return socket

    def _best_pending(self, url: str) -> _Pending | None:
        """The dial most like a connection; of equals the one that waits longest. None where each has a better one."""
        for pending in sorted(self._pending, key=lambda pending: alike(url, pending.url), reverse=True):
            if self._fits(url, pending.url):
                return pending
        return None

    def _best_unclaimed(self, url: str) -> str | None:
        """The open connection that a dial is for; of equals the first. None where a better one is to come."""
        connection = max(self._unclaimed, key=lambda name: alike(self._unclaimed[name], url), default=None)
        return connection if connection is not None and self._fits(self._unclaimed[connection], url) else None

    def _fits(self, connection: str, dial: str) -> bool:
        """Whether no other connection of the tape, free now or still to be opened, is more like the dial than this."""
        likeness = alike(connection, dial)
        if likeness is Likeness.BOTH:
            return True
        return all(alike(other, dial) <= likeness for other in (*self._unclaimed.values(), *self._coming()))

    def _coming(self) -> Iterable[str]:
        if self._all_opens is None:
            self._all_opens = self._tape.opens()
        return [url for name, url in self._all_opens[self._opened :] if self._may_be_dialled(name)]
