"""What all connections of one exchange share: the connector's public side, and the means to act."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

from attrs import frozen

from venuekit.broadcast import Broadcast
from venuekit.clock import Clock
from venuekit.drivers.flows import FlowRunner
from venuekit.drivers.websocket import WebSocketTransport
from venuekit.events import Event
from venuekit_spec import DataSource, Description, InstrumentTable


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
    spawn: Callable[[Callable[..., Awaitable[Any]]], None]
    events: Broadcast[Event]
    random: Random

    @property
    def id(self) -> str:
        """The venue id."""
        return self.description.venue
