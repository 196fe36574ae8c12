"""Rules of instruments that change while we run: the table, the books and whoever listens learn of it."""

from __future__ import annotations

from decimal import Decimal
from random import Random

import pytest
from attrs import evolve
from framework.core.tests.private_venue import PrivateVenue
from framework.core.tests.venues import IN_BAND, START, ToySource, delta, entry, instrument, live

from venuekit.books.states import BookState
from venuekit.broadcast import Broadcast
from venuekit.clock import VirtualClock
from venuekit.clock_offset import ClockOffset
from venuekit.drivers.flows import FlowRunner
from venuekit.drivers.http import MockHttpTransport
from venuekit.drivers.websocket import MockWebSocketTransport
from venuekit.events import FrameRefused, InstrumentChanged
from venuekit.pacing import Pacer
from venuekit.venue import Task, Venue
from venuekit_spec import (
    Checksum,
    Description,
    Dial,
    Environment,
    HttpResponse,
    Instrument,
    InstrumentChange,
    InstrumentStatus,
    InstrumentTable,
    LocalError,
    PriceRule,
    Rows,
)

pytestmark = pytest.mark.anyio


def venue_of(*instruments: Instrument) -> Venue:
    """A venue that nobody talks to, with these instruments."""
    clock = VirtualClock(START)
    http = MockHttpTransport(lambda _: HttpResponse(200, b""), clock=clock)

    def spawn(_task: Task) -> None:
        raise AssertionError("nothing is to be started here")

    return Venue(
        Description("toy", "Toy", (Environment("local", {}),), frozenset(), frozenset(), (), ()),
        ToySource(Dial("toy://socket")),
        InstrumentTable(instruments),
        clock,
        FlowRunner(http, clock, Pacer(), random=Random(1).random),
        MockWebSocketTransport(clock),
        spawn,
        Broadcast(),
        Random(1),
        ClockOffset(),
    )


async def test_a_change_reaches_the_table_and_is_told() -> None:
    """The table says what holds now, and the event says what held before; the same again is no news."""
    before, other = instrument(), instrument("P2-USD")
    venue = venue_of(before, other)
    changed = evolve(before, native={"name": "P1/USD"}, price=PriceRule(Decimal("0.1")))
    async with venue.events.subscribe() as events:
        for _ in range(2):
            venue.instrument_changed(InstrumentChange(instrument=changed))
    assert [event async for event in events] == [
        InstrumentChanged(before=before, instrument=changed, at=START)
    ]
    assert venue.instruments["P1-USD"] is changed
    assert dict(venue.instruments.ids_by_native("name")) == {"P1/USD": "P1-USD", "P2-USD": "P2-USD"}


async def test_a_new_listing_is_listed() -> None:
    """What the venue lists while we run can be found from then on."""
    venue = venue_of(instrument())
    async with venue.events.subscribe() as events:
        venue.instrument_changed(InstrumentChange(instrument=instrument("P9-USD"), received=START + 5))
    assert [event async for event in events] == [
        InstrumentChanged(before=None, instrument=instrument("P9-USD"), at=START + 5)
    ]
    assert list(venue.instruments) == ["P1-USD", "P9-USD"]


async def test_a_name_that_another_instrument_has_changes_nothing() -> None:
    """Two instruments of one name: refused, and the table is as before."""
    venue = venue_of(instrument(), instrument("P2-USD"))
    with pytest.raises(LocalError, match="P1-USD"):
        venue.instrument_changed(
            InstrumentChange(instrument=evolve(instrument("P2-USD"), native={"name": "P1-USD"}))
        )
    assert dict(venue.instruments.ids_by_native("name")) == {"P1-USD": "P1-USD", "P2-USD": "P2-USD"}


def decimals(_bids: Rows, _asks: Rows, traded: Instrument) -> int:
    """A checksum that is the precision it was computed with."""
    return traded.price_decimals or 0


async def test_books_compute_checksums_at_the_new_precision() -> None:
    """A book of the instrument, and no other, learns what its checksums are computed with, and its status."""
    rule = evolve(IN_BAND, checksum=Checksum(decimals, levels=10))
    two = evolve(instrument(), price_decimals=2)
    venue = venue_of(two, instrument("P2-USD"))
    ours, other = live(rule, traded=two), entry(traded=instrument("P2-USD"))
    venue.tracked.update((ours, other))
    four = evolve(two, price_decimals=4, status=InstrumentStatus.AUCTION)
    venue.instrument_changed(InstrumentChange(instrument=four))
    book = ours.book
    assert (book.instrument, book.unproven.instrument) == (four, four)
    assert (book.status, other.book.status) == (InstrumentStatus.AUCTION, InstrumentStatus.TRADING)
    assert other.book.instrument == instrument("P2-USD")
    ours.delta(delta(11, checksum=4))
    assert book.live
    ours.delta(delta(12, checksum=2))
    assert book.state is BookState.GAP


async def test_a_change_comes_by_a_socket() -> None:
    """A session tells it; one that makes no sense costs that message, and is told as a frame that was refused."""
    toy = PrivateVenue()
    async with toy.opened() as stream:
        async with toy.venue.events.subscribe() as events:
            await toy.say({"tick": "0.5"}, {"tick": "0.1", "listed": "P2-USD", "named": "P1-USD"})
        told = [type(event) async for event in events]
        assert told == [InstrumentChanged, FrameRefused]
        assert toy.venue.instruments["P1-USD"].price.tick == Decimal("0.5")
        assert list(toy.venue.instruments) == ["P1-USD"]
        assert stream.live


async def test_a_book_that_cannot_hold_the_new_prices_is_closed() -> None:
    """Prices too long for a double as key: the book says so, and is not served wrongly."""
    venue = venue_of(instrument())
    tracked = live()
    venue.tracked.add(tracked)
    venue.instrument_changed(InstrumentChange(instrument=instrument(tick="0.00000000000001")))
    assert tracked.book.state is BookState.CLOSED
    assert "open it anew" in tracked.book.reason


async def test_a_clock_found_wrong_is_measured_before_it_is_believed_again() -> None:
    """Until the measurement is there the last offset is the best guess."""
    venue = venue_of(instrument())
    venue.offset.sample(START, START, START + 7_000_000_000, 0)
    assert venue.venue_time() == START + 7_000_000_000
    venue.offset.invalidate()
    assert venue.venue_time() == START + 7_000_000_000
