"""What all connections of one exchange share: the connector's public side, and the means to act.

An account of the exchange has a venue of its own, which differs in what belongs to its key: signer, flows (with the key's
pacing and lock), nonces (``attrs.evolve``).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine
from random import Random
from typing import Any, Protocol, TypeAlias, TypeVar
from weakref import WeakSet

from attrs import field, frozen

from venuekit.books.tracker import AnyEntry
from venuekit.broadcast import Broadcast
from venuekit.clock import Clock
from venuekit.clock_offset import ClockOffset
from venuekit.drivers.flows import Call, FlowRunner, Sending
from venuekit.drivers.websocket import WebSocketTransport
from venuekit.events import Event, InstrumentChanged
from venuekit_spec import (
    MICROSECOND,
    MILLISECOND,
    Auth,
    DataSource,
    Description,
    Dial,
    Flow,
    Instant,
    InstrumentChange,
    InstrumentTable,
    Session,
    StatusChange,
    Topic,
)

T = TypeVar("T")

Task: TypeAlias = Callable[[], Coroutine[Any, Any, None]]
"""What is spawned: a function without arguments that makes a coroutine."""


class Speaker(Protocol):
    """Who knows where a socket is opened and how it is spoken on: a `DataSource`, a `UserStream`."""

    def dial(self, topics: Collection[Topic], /) -> Flow[Dial]:
        """How to open a socket for these topics."""
        ...

    def session(self, dial: Dial, instruments: InstrumentTable, /) -> Session:
        """A fresh session for a socket opened so."""
        ...


def microseconds(now: Instant) -> int:
    """A nonce for what is signed at `now`: microseconds since the epoch."""
    return now // MICROSECOND


@frozen
class Venue:
    """One venue in one environment, as the core sees it while an exchange is open.

    `spawn` starts a task that lives at most as long as the exchange; `random` is the dice of jitter. `nonces` gives a nonce for
    what is signed at an instant of the venue's time. `tracked` are the entries of all its books, shadows among them.
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
    nonces: Callable[[Instant], int] = microseconds
    tracked: WeakSet[AnyEntry] = field(factory=WeakSet, repr=False)

    @property
    def id(self) -> str:
        """The venue id."""
        return self.description.venue

    async def run(self, flow: Flow[T], *, call: Call | None = None, sending: Sending | None = None) -> T:
        """The result of a flow, signed by `auth` where it is to be. Arguments and errors as `FlowRunner.run`."""
        auth = self.auth
        return await self.flows.run(
            flow,
            sign=None if auth is None else auth.sign,
            sign_call=None if auth is None else auth.sign_call,
            call=call,
            sending=sending,
        )

    async def ask(self, make: Callable[[], Flow[T]], *, call: Call | None = None) -> T:
        """The result of a flow that changes nothing at the venue; once more where our clock was wrong (`FlowRunner.ask`)."""
        auth = self.auth
        return await self.flows.ask(
            make,
            sign=None if auth is None else auth.sign,
            sign_call=None if auth is None else auth.sign_call,
            call=call,
        )

    def venue_time(self) -> Instant:
        """This instant by the venue's clock, as far as it is known."""
        return self.offset.venue_time(self.clock.now())

    async def measure_clock(self) -> None:
        """Ask the venue for its time, once. Raises what the flow raises."""
        sent = self.clock.now()
        told = await self.flows.run(self.source.server_time())
        self.offset.sample(sent, self.clock.now(), told, MILLISECOND)

    async def clock_skewed(self) -> None:
        """The venue found our timestamps wrong: what was measured counts no more, measure again."""
        self.offset.invalidate()
        await self.measure_clock()

    def instrument_changed(self, change: InstrumentChange) -> None:
        """The venue changed the rules of an instrument, or lists a new one. Raises `LocalError` for a name that another has."""
        instrument, now = change.instrument, change.received or self.clock.now()
        before = self.instruments.get(instrument.id)
        if before == instrument:
            return
        self.instruments.replace(instrument)
        for entry in list(self.tracked):
            if entry.topic.instrument == instrument.id:
                entry.rules(instrument, now)
                if before is not None and before.status is not instrument.status:
                    entry.status(
                        StatusChange(instrument=instrument.id, status=instrument.status, received=now)
                    )
        self.events.publish(InstrumentChanged(before=before, instrument=instrument, at=now))
