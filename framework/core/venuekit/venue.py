"""What all connections of one exchange share: the connector's public side, and the means to act."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from random import Random
from typing import Any, TypeAlias

from attrs import frozen

from venuekit.broadcast import Broadcast
from venuekit.clock import Clock
from venuekit.clock_offset import ClockOffset
from venuekit.drivers.flows import FlowRunner
from venuekit.drivers.websocket import WebSocketTransport
from venuekit.events import Event
from venuekit_spec import MICROSECOND, Auth, DataSource, Description, Instant, InstrumentTable

Task: TypeAlias = Callable[[], Coroutine[Any, Any, None]]
"""What is spawned: a function without arguments that makes a coroutine."""


@frozen
class Venue:
    """One venue in one environment, as the core sees it while an exchange is open.

    `spawn` starts a task that lives at most as long as the exchange; `random` is the dice of jitter.
    """

    description: Description
    source: DataSource
    instruments: InstrumentTable
    clock: Clock
    flows: FlowRunner
    websockets: WebSocketTransport
    spawn: Callable[[Task], None]
    events: Broadcast[Event]
    random: Random
    offset: ClockOffset
    auth: Auth | None = None

    def venue_time(self) -> Instant:
        """This instant by the venue's clock, as far as it is known."""
        now = self.clock.now()
        estimate = self.offset.estimate(now)
        return now if estimate is None else now + estimate.offset

    def nonce(self, now: Instant) -> int:
        """A nonce for what is signed at `now`: microseconds since the epoch."""
        return now // MICROSECOND

    @property
    def id(self) -> str:
        """The venue id."""
        return self.description.venue
