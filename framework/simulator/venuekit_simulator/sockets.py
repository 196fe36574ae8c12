"""Sockets: the venue's side of a client's WebSocket, whatever carries it.

    OPEN -> CLOSING   the venue hangs up: what was sent before still arrives, then the close frame, or an end without one
    OPEN -> SILENT    stalled: it stays open, nothing arrives in either direction any more
    OPEN -> GONE      cut, or left by the client: what was on its way is lost

Frames keep their order: each arrives no earlier than the one before it, however long that took.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from functools import partial
from typing import Final, Protocol

from venuekit_simulator.faults import FaultKind
from venuekit_simulator.injection import Injector, mangled
from venuekit_simulator.timeline import Entry, Timeline
from venuekit_spec import Hangup, Instant, Ping, Seconds, Send, ServerOutputs, ServerSession, after


class Peer(Protocol):
    """The client's end, as what carries the socket shows it. Nothing here may raise or wait."""

    def arrive(self, frame: str | bytes) -> None:
        """A frame arrives."""
        ...

    def pinged(self) -> None:
        """A ping arrives, no frame of the venue's protocol."""
        ...

    def hung_up(self, code: int, reason: str) -> None:
        """The venue closes the socket as the protocol has it."""
        ...

    def cut(self) -> None:
        """The connection is lost, without a goodbye."""
        ...

    def fall_silent(self) -> None:
        """Nothing comes any more, not even answers to pings."""
        ...


class SocketState(StrEnum):
    """Where a socket is; the table at the head of this module."""

    OPEN = "open"
    CLOSING = "closing"
    SILENT = "silent"
    GONE = "gone"


class Venue(Protocol):
    """What a socket needs of its venue."""

    @property
    def timeline(self) -> Timeline:
        """Where its frames travel."""
        ...

    @property
    def injector(self) -> Injector:
        """What befalls them."""
        ...

    @property
    def venue_now(self) -> Instant:
        """The venue's own time."""
        ...

    def machine_time(self, instant: Instant) -> Instant:
        """The timeline's instant for one of the venue's time."""
        ...

    def socket_request(self, socket: ServerSocket, frame: str | bytes) -> None:
        """A frame of the client has arrived."""
        ...

    def did(self, call: Callable[[], None]) -> None:
        """Call, and let everybody hear what came of it."""
        ...

    def forget(self, socket: ServerSocket) -> None:
        """Tell it no more events."""
        ...


MINIMUM_WAIT: Final = 1
"""Nanoseconds: what asks to be woken is not woken within the same instant again."""


class ServerSocket:
    """One socket. `latency` throws how long a frame takes, in seconds."""

    def __init__(
        self, venue: Venue, session: ServerSession, peer: Peer, latency: Callable[[], Seconds]
    ) -> None:
        self.state = SocketState.OPEN
        self.session = session
        self.last_arrival: Instant = 0
        """When the last frame to the client arrives."""
        self._venue = venue
        self._peer = peer
        self._latency = latency
        self._last_departure: Instant = 0
        self._held: str | bytes | None = None
        self._wake: Entry | None = None

    def __repr__(self) -> str:
        return f"<ServerSocket {self.state}>"

    # the client's doings

    def from_client(self, frame: str | bytes) -> None:
        """The client sends a frame: it arrives in a while."""
        self._upward(partial(self._request, frame))

    def left(self) -> None:
        """The client closes, or is gone."""
        self._upward(self._left)

    # the venue's doings

    def emit(self, outputs: ServerOutputs) -> None:
        """Do what the session says."""
        for output in outputs:
            if isinstance(output, Send):
                self.send(output.frame)
            elif isinstance(output, Hangup):
                self._hang_up(output)
            elif isinstance(output, Ping):
                self._ping()
            else:
                self._sleep(output.at)

    def send(self, frame: str | bytes) -> None:
        """Send a frame, unless something befalls it."""
        if self.state is not SocketState.OPEN:
            return
        now = self._venue.timeline.now
        strike = self._venue.injector.on_frame(frame, now)
        if strike is None:
            self._transmit(frame)
            self.release()
            return
        fault = strike.fault
        match fault.kind:
            case FaultKind.DROP:
                pass
            case FaultKind.DOUBLE:
                self._transmit(frame)
                self._transmit(frame)
                self.release()
            case FaultKind.SWAP if self._held is None:
                self._held = frame
                self._venue.timeline.after(fault.seconds, self.release)
            case FaultKind.DELAY:
                self.last_arrival = max(self.last_arrival, after(now, fault.seconds))
                self._transmit(frame)
                self.release()
            case FaultKind.CUT:
                self.cut()
            case FaultKind.STALL:
                self.stall()
            case _:
                self._transmit(mangled(frame, fault.kind, strike.dice))
                self.release()

    def release(self) -> None:
        """Send the frame that was held back to come after another one."""
        held, self._held = self._held, None
        if held is not None and self.state is SocketState.OPEN:
            self._transmit(held)

    def cut(self) -> None:
        """Break it off without a goodbye."""
        if self.state is SocketState.GONE:
            return
        self._end(SocketState.GONE)
        self._peer.cut()
        self._venue.timeline.stir()

    def stall(self) -> None:
        """Leave it open in silence."""
        if self.state is SocketState.OPEN:
            self._end(SocketState.SILENT)
            self._peer.fall_silent()
            self._venue.timeline.stir()

    # within

    def _request(self, frame: str | bytes) -> None:
        if self.state is SocketState.OPEN:
            self._venue.socket_request(self, frame)

    def _left(self) -> None:
        if self.state is not SocketState.GONE:
            self._end(SocketState.GONE)

    def _hang_up(self, hangup: Hangup) -> None:
        if self.state is SocketState.OPEN:
            self.release()
            end = partial(self._peer.hung_up, hangup.code, hangup.reason) if hangup.code else self._peer.cut
            self._downward(end)
            self._end(SocketState.CLOSING)

    def _ping(self) -> None:
        if self.state is SocketState.OPEN:
            self._downward(self._peer.pinged)

    def _transmit(self, frame: str | bytes) -> None:
        self._downward(partial(self._peer.arrive, frame))

    def _downward(self, call: Callable[[], None]) -> None:
        timeline = self._venue.timeline
        self.last_arrival = max(self.last_arrival, after(timeline.now, self._latency()))
        timeline.at(self.last_arrival, partial(self._arrive, call))

    def _arrive(self, call: Callable[[], None]) -> None:
        if self.state in {SocketState.OPEN, SocketState.CLOSING}:
            call()

    def _upward(self, call: Callable[[], None]) -> None:
        timeline = self._venue.timeline
        self._last_departure = max(self._last_departure, after(timeline.now, self._latency()))
        timeline.at(self._last_departure, call)

    def _sleep(self, at: Instant | None) -> None:
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None
        if at is not None and self.state is SocketState.OPEN:
            timeline = self._venue.timeline
            self._wake = timeline.at(
                max(self._venue.machine_time(at), timeline.now + MINIMUM_WAIT), self._tick
            )

    def _tick(self) -> None:
        self._wake = None
        if self.state is SocketState.OPEN:
            self._venue.did(lambda: self.emit(self.session.tick(self._venue.venue_now)))

    def _end(self, state: SocketState) -> None:
        if self.state is SocketState.OPEN:
            self._venue.forget(self)
            self.session.closed()
            if self._wake is not None:
                self._wake.cancel()
        self.state = state
