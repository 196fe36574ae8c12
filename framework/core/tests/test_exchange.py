"""An exchange on a venue that a test plays: its books and connections, over hours of virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any, TypeVar

import anyio
import pytest
from attrs import evolve
from framework.core.tests.venues import IN_BAND, RANGES, SOCKET, START, ToyVenue, toy

from venuekit import (
    BookDrift,
    BookNotLive,
    BookState,
    Event,
    Exchange,
    FrameRefused,
    LinkChange,
    LinkState,
    SnapshotFailed,
    StateChange,
    Subscription,
    TopicRefused,
    open_exchange,
)
from venuekit.drivers.websocket import MockWebSocket
from venuekit_spec import (
    Ids,
    LocalError,
    NetworkError,
    Side,
    SnapshotSource,
    SyncRule,
    Trade,
    UnknownInstrument,
    seconds_between,
)

pytestmark = pytest.mark.anyio

E = TypeVar("E", bound=Event)
PAIRS = ["P1-USD", "P2-USD", "P3-USD"]


def told(events: Subscription[Event], kind: type[E]) -> list[E]:
    """The events of one kind that wait to be read."""
    return [event for event in events._queue if isinstance(event, kind)]


def links(events: Subscription[Event]) -> list[tuple[LinkState, str]]:
    """How connections have fared."""
    return [(event.state, event.reason) for event in told(events, LinkChange)]


def all_live(exchange: Exchange) -> bool:
    """Whether every book is."""
    return all(book.live for book in exchange.books.values())


@asynccontextmanager
async def served(venue: ToyVenue, *args: Any, **options: Any) -> AsyncIterator[Exchange]:
    """An exchange whose books are all LIVE."""
    async with venue.opened(*args, **options) as exchange:
        await venue.until(lambda: all_live(exchange))
        yield exchange


# --- opening and closing


async def test_opened_books_are_live_and_follow() -> None:
    """Books become LIVE by themselves and are what the venue's are, after every move."""
    venue = ToyVenue(PAIRS)
    async with served(venue) as exchange:
        assert list(exchange.books) == PAIRS
        for _ in range(5):
            for pair in PAIRS:
                venue.move(pair)
            await venue.settle()
            assert venue.wrong(exchange) == []
        assert exchange.books["P1-USD"].proof.sequence == 5
        assert repr(exchange) == "<Exchange toy local, 3 of 3 books live>"


async def test_wait_live_on_a_clock_that_jumps() -> None:
    """`wait_live` returns once every book is LIVE or refused."""
    venue = ToyVenue(PAIRS)
    venue.failing.add("P2-USD")
    async with venue.clock.autojump(), venue.opened() as exchange, anyio.create_task_group() as tasks:

        async def mend() -> None:
            await venue.clock.sleep(20)
            venue.push({"lost": "book:P3-USD", "reason": "delisted"})
            venue.failing.clear()

        tasks.start_soon(mend)
        await exchange.wait_live()
        assert seconds_between(START, venue.clock.now()) >= 20
        states = [book.state for book in exchange.books.values()]
        assert states == [BookState.LIVE, BookState.LIVE, BookState.CLOSED]


async def test_pair_that_is_given_twice() -> None:
    """A pair that is asked for twice is tracked once."""
    venue = ToyVenue(PAIRS)
    async with open_exchange(
        toy(), pairs=["P1-USD", "P1-USD"], clock=venue.clock, transports=venue.transports, seed=1
    ) as exchange:
        await venue.until(lambda: all_live(exchange))
        assert (len(exchange.books), venue.asked["P1-USD"]) == (1, 1)


async def test_unknown_pair() -> None:
    """A pair that the venue does not list is refused before a socket is opened, with what is near."""
    venue = ToyVenue(PAIRS)
    with pytest.raises(
        UnknownInstrument, match="no instrument 'P1-USDT' among 3 of this venue; did you mean P1-USD"
    ):
        async with open_exchange(toy(), pairs=["P1-USDT"], clock=venue.clock, transports=venue.transports):
            raise AssertionError("it must not open")
    assert venue.http.closed
    assert venue.websockets.sockets == []


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"channels": ["candles"]}, "'candles' is not a valid Channel; channels are book"),
        ({"channels": ["top"]}, "toy has no channel top; it has book, trades"),
        ({"pairs": "P1-USD"}, r"pairs is a list of pairs, not one text: \['P1-USD'\]"),
        ({"environment": "moon"}, "toy has no environment 'moon'; it has local"),
        ({"variant": "fast"}, "toy has no channel book:fast"),
    ],
)
async def test_what_there_is_not(options: dict[str, Any], told: str) -> None:
    """A channel, environment or variant that there is not is a mistake of the caller, told with what there is."""
    venue = ToyVenue(PAIRS)
    given: dict[str, Any] = {"pairs": ["P1-USD"], **options}
    with pytest.raises(LocalError, match=told):
        async with open_exchange(toy(), clock=venue.clock, transports=venue.transports, **given):
            raise AssertionError("it must not open")


async def test_book_that_was_not_opened() -> None:
    """Asking for another book names those that are open; asking for trades says how to have them."""
    venue = ToyVenue(["P1-USD", "P2-USD"])
    async with venue.opened() as exchange:
        with pytest.raises(LocalError, match="'P9-USD' was not opened; open are P1-USD, P2-USD"):
            exchange.books["P9-USD"]
        assert "P9-USD" not in exchange.books
        with pytest.raises(LocalError, match="opened without trades"):
            exchange.trades("P1-USD")


async def test_errors_of_the_body_come_out_as_they_are() -> None:
    """What a user raises inside is what a user catches outside, and everything is closed."""
    venue = ToyVenue(PAIRS)
    with pytest.raises(BookNotLive):
        async with venue.opened() as exchange:
            _ = exchange.books["P1-USD"].best_bid
    assert venue.http.closed


async def test_closing_leaves_nothing() -> None:
    """After the ``async with`` no task runs, no socket is open, and every stream and book has ended."""
    venue = ToyVenue(PAIRS)
    held: list[Exchange] = []
    ended: list[Any] = []

    async def follow(stream: Any) -> None:
        async for _ in stream:
            pass
        ended.append(stream)

    async with anyio.create_task_group() as tasks:
        async with served(venue, toy(topics=1), channels=["book", "trades"]) as exchange:
            held.append(exchange)
            book = exchange.books["P1-USD"]
            for stream in (book.changes(), book.every_change(), exchange.trades("P1-USD"), exchange.events()):
                tasks.start_soon(follow, stream)
            venue.failing.update(PAIRS)
            venue.move("P2-USD", lose=True)
            venue.move("P2-USD")
            await venue.until(lambda: not exchange.books["P2-USD"].live)
        await venue.settle()
        assert len(ended) == 4
    assert len(venue.websockets.sockets) == 6
    assert all(socket.closed for socket in venue.websockets.sockets)
    assert venue.http.closed
    assert venue.clock.next_deadline() is None, "somebody still sleeps"
    for each in held[0].books.values():
        assert (each.state, each.reason) == (BookState.CLOSED, "the exchange was closed")
        with pytest.raises(BookNotLive):
            _ = each.best_bid
    assert [event async for event in held[0].events()] == []


async def test_closing_while_dialling() -> None:
    """An exchange may be left before its first socket is open."""
    venue = ToyVenue(PAIRS)
    venue.websockets.refusals.extend(NetworkError("no route", sent=False) for _ in range(3))
    async with venue.opened() as exchange:
        await venue.settle()
    assert venue.websockets.sockets == []
    assert venue.clock.next_deadline() is None
    assert {book.state for book in exchange.books.values()} == {BookState.CLOSED}


# --- one bad pair


async def test_one_failing_snapshot_delays_nobody() -> None:
    """Of 200 pairs on one socket, 199 are LIVE while the snapshot of one fails; it follows once it works."""
    pairs = [f"P{number}-USD" for number in range(200)]
    venue = ToyVenue(pairs)
    bad = "P77-USD"
    venue.failing.add(bad)
    async with venue.opened() as exchange:
        events = exchange.events()
        await venue.settle()
        assert venue.wrong(exchange) == [bad]
        assert venue.clock.now() == START
        assert len(venue.websockets.sockets) == 1
        await venue.clock.advance(30)
        book = exchange.books[bad]
        assert book.state is BookState.BUFFERING
        assert 3 <= venue.asked[bad] <= 30
        failures = told(events, SnapshotFailed)
        assert {str(event.topic) for event in failures} == {f"book:{bad}"}
        assert str(failures[0].error) == "toy: HTTP 502"
        for _ in range(3):
            venue.move(bad)
        venue.failing.clear()
        await venue.until(lambda: book.live, limit=120)
        assert venue.wrong(exchange) == []
        assert all(count == 1 for pair, count in venue.asked.items() if pair != bad)


async def test_snapshot_is_asked_for_with_backoff() -> None:
    """A snapshot that fails for long is not asked for without pause, and not given up."""
    venue = ToyVenue(["P1-USD"])
    venue.failing.add("P1-USD")
    async with venue.opened() as exchange:
        await venue.settle()
        await venue.clock.advance(1200)
        assert 15 < venue.asked["P1-USD"] < 150
        venue.failing.clear()
        await venue.until(lambda: all_live(exchange), limit=61)


async def test_gap_is_repaired_per_pair() -> None:
    """A lost message costs its own pair a snapshot, and no other pair anything."""
    venue = ToyVenue(PAIRS)
    async with served(venue) as exchange:
        events = exchange.events()
        venue.move("P2-USD", lose=True)
        venue.move("P2-USD")
        venue.move("P1-USD")
        await venue.settle()
        await venue.until(lambda: all_live(exchange))
        assert venue.wrong(exchange) == []
        changes = [(event.instrument, event.state) for event in told(events, StateChange)]
        assert changes == [("P2-USD", BookState.GAP), ("P2-USD", BookState.LIVE)]
        assert dict(venue.asked) == {"P1-USD": 1, "P2-USD": 2, "P3-USD": 1}
        assert exchange.counters()["P2-USD"].repairs == 1
        assert links(events) == []


# --- frames that cannot be read

NUMBERED = '{"delta": "P1-USD", "first": 2, "last": 2, "bids": [[%s, %s]]}'
BAD_FRAMES: dict[str, tuple[str | bytes, bool]] = {
    "no json": ("{", False),
    "empty": ("", False),
    "not an object": ("[1, 2]", False),
    "invalid utf-8": (b'{"delta": "\xff\xfe"}', False),
    "ten megabytes": ("[" * 10_000_000, False),
    "ten megabytes of text": ('{"delta": "P1-USD", "bids": "' + "x" * 10_000_000 + '"}', True),
    "wrong type": ('{"delta": "P1-USD", "first": "two", "bids": []}', True),
    "rows that are none": ('{"delta": "P1-USD", "last": 2, "bids": [["1"]]}', True),
    "price NaN": (NUMBERED % ('"NaN"', '"1"'), True),
    "price infinite": (NUMBERED % ('"Infinity"', '"1"'), True),
    "price zero": (NUMBERED % ('"0"', '"1"'), True),
    "size negative": (NUMBERED % ('"1"', '"-1"'), True),
    "size no number": (NUMBERED % ('"1"', '"many"'), True),
    "number for text": (NUMBERED % (1, 2), True),
}
"""A frame, and whether it tells which pair it was for."""


@pytest.mark.parametrize("frame", BAD_FRAMES)
async def test_malformed_frame_costs_that_frame(frame: str) -> None:
    """A frame that cannot be read is one typed event with venue, topic and excerpt; other pairs do not notice."""
    sent, tells = BAD_FRAMES[frame]
    venue = ToyVenue(PAIRS)
    async with served(venue) as exchange:
        events = exchange.events()
        venue.push(sent)
        for pair in PAIRS:
            venue.move(pair)
        await venue.settle()
        (refused,) = told(events, FrameRefused)
        error = refused.error
        assert error.venue == "toy"
        assert (error.topic, error.instrument) == (("book:P1-USD", "P1-USD") if tells else ("", ""))
        assert len(error.excerpt) < 300
        assert error.excerpt.isprintable()
        assert exchange.link_counters()["toy.1"].malformed == 1
        others = {event.instrument for event in told(events, StateChange)}
        assert others == ({"P1-USD"} if tells else set())
        await venue.until(lambda: all_live(exchange))
        assert venue.wrong(exchange) == []
        assert links(events) == []


async def test_unreadable_frame_costs_books_that_could_not_show_the_loss() -> None:
    """Where no id would show what was in the frame, every book of the socket is built anew, once."""
    venue = ToyVenue(PAIRS, in_band=True)
    async with served(venue, toy(SyncRule(SnapshotSource.IN_BAND))) as exchange:
        venue.push("?")
        await venue.settle()
        assert venue.wrong(exchange) == []
        assert exchange.link_counters()["toy.1"].renewals == 3
        assert all(counters.repairs == 1 for counters in exchange.counters().values())


async def test_malformed_row_renews_a_subscription_once() -> None:
    """One bad row of a feed with in-band snapshots is one new subscription, of its topic alone."""
    venue = ToyVenue(PAIRS, in_band=True)
    async with served(venue, toy(IN_BAND)) as exchange:
        before = len(venue.told)
        venue.push(NUMBERED % ('"-1"', '"1"'))
        await venue.clock.advance(60)
        assert venue.wrong(exchange) == []
        assert venue.told[before:] == [
            {"op": verb, "topics": ["book:P1-USD"]} for verb in ("unsubscribe", "subscribe")
        ]


async def test_malformed_audit_breaks_nothing() -> None:
    """A snapshot that cannot be read when a book is audited is an event, and the book stays LIVE."""
    venue = ToyVenue(PAIRS)
    async with served(venue, toy(evolve(RANGES, audit=60.0))) as exchange:
        events = exchange.events()
        venue.spoil("P1-USD", size="-5")
        await venue.until(lambda: bool(told(events, SnapshotFailed)), limit=100)
        assert all_live(exchange)
        assert told(events, StateChange) == []
        venue.spoil("P1-USD")
        await venue.until(lambda: exchange.counters()["P1-USD"].audits == 1, limit=200)


# --- audits


async def test_audits_run_by_the_clock() -> None:
    """Every LIVE book is audited over and over while it moves; nothing drifts."""
    venue = ToyVenue(PAIRS)
    async with served(venue, toy(evolve(RANGES, audit=60.0))) as exchange:
        for _ in range(70):
            for pair in PAIRS:
                venue.move(pair)
            await venue.clock.advance(10)
        for counters in exchange.counters().values():
            assert 9 <= counters.audits <= 13
            assert (counters.drifts, counters.gaps) == (0, 0)
        assert venue.wrong(exchange) == []


async def test_drift_is_an_event_and_repaired() -> None:
    """A level that the stream never told of is found by the next audit, told, and set, while the book serves."""
    venue = ToyVenue(["P1-USD"])
    async with served(venue, toy(evolve(RANGES, audit=60.0))) as exchange:
        events = exchange.events()
        venue.spoil("P1-USD", size="7")
        await venue.until(lambda: bool(told(events, BookDrift)), limit=100)
        (drift,) = told(events, BookDrift)
        assert [(level.side, level.live, level.fresh) for level in drift.levels] == [("sell", 5, 7)]
        assert exchange.books["P1-USD"].size_at(Side.SELL, "101") == Decimal(7)
        assert told(events, StateChange) == []


async def test_failing_audits_keep_no_deltas() -> None:
    """While snapshots cannot be had nothing is collected for audits, and the books stay LIVE."""
    venue = ToyVenue(["P1-USD"])
    connector = toy(evolve(RANGES, audit=60.0))
    async with served(venue, connector) as exchange:
        venue.failing.add("P1-USD")
        for _ in range(30):
            venue.move("P1-USD")
            await venue.clock.advance(10)
        assert venue.wrong(exchange) == []
        (tracked,) = exchange._entries.values()
        assert tracked._audit is None


# --- sockets that end


async def test_cut_socket_is_dialled_again() -> None:
    """When the socket is cut its books are STALE, it is dialled and subscribed again, and they are LIVE and right."""
    venue = ToyVenue(PAIRS)
    async with served(venue) as exchange:
        events = exchange.events()
        venue.socket.cut("reset by peer")
        await venue.settle()
        if len(venue.websockets.sockets) == 1:
            states = {book.state for book in exchange.books.values()}
            assert states == {BookState.STALE}
            assert exchange.books["P1-USD"].reason == "reset by peer"
        for pair in PAIRS:
            venue.move(pair)
        await venue.until(lambda: all_live(exchange))
        assert venue.wrong(exchange) == []
        assert links(events) == [
            (LinkState.LOST, "reset by peer"),
            (LinkState.DIALLING, ""),
            (LinkState.OPEN, ""),
        ]
        assert venue.told[-1] == {"op": "subscribe", "topics": [f"book:{pair}" for pair in PAIRS]}
        assert [event.state for event in told(events, StateChange) if event.instrument == "P1-USD"] == [
            BookState.STALE,
            BookState.BUFFERING,
            BookState.LIVE,
        ]


async def test_redial_waits_longer_and_longer() -> None:
    """A venue that refuses every dial for an hour is dialled with growing pauses, and found when it is back."""
    venue = ToyVenue(["P1-USD"])
    async with served(venue) as exchange:
        venue.websockets.refusals.extend(NetworkError("refused", sent=False) for _ in range(2000))
        venue.socket.cut()
        await venue.clock.advance(3600)
        dials = len(venue.websockets.dials)
        assert 30 < dials < 400
        assert exchange.books["P1-USD"].state is BookState.STALE
        assert exchange.books["P1-USD"].reason == "refused"
        venue.websockets.refusals.clear()
        await venue.until(lambda: all_live(exchange), limit=61)
        assert exchange.link_counters()["toy.1"].dials == dials + 1


async def test_socket_that_falls_right_after_each_login_is_not_dialled_without_pause() -> None:
    """An open socket alone is no success: one that ends at once is redialled with backoff too."""
    venue = ToyVenue(["P1-USD"])
    async with venue.opened():
        for _ in range(600):
            if venue.websockets.sockets:
                venue.socket.cut()
            await venue.clock.advance(1)
        assert len(venue.websockets.dials) < 60


async def test_other_sockets_do_not_notice() -> None:
    """A cut socket costs the books that it fed, and no others."""
    venue = ToyVenue(PAIRS)
    async with served(venue, toy(topics=1)) as exchange:
        events = exchange.events()
        venue.serving("book:P2-USD").cut()
        await venue.settle()
        await venue.until(lambda: all_live(exchange))
        assert {event.instrument for event in told(events, StateChange)} == {"P2-USD"}
        assert {event.link for event in told(events, LinkChange)} == {"toy.2"}


async def test_snapshot_asked_for_on_the_old_socket_is_not_used() -> None:
    """A snapshot that comes after its socket was replaced says nothing of what the new one missed."""
    venue = ToyVenue(["P1-USD"])
    late = anyio.Event()
    async with venue.opened(toy(SyncRule(SnapshotSource.REST, Ids.RISING))) as exchange:
        venue.hold(late)
        await venue.settle()
        assert venue.asked["P1-USD"] == 1
        venue.socket.cut()
        await venue.until(lambda: len(venue.websockets.sockets) == 2)
        venue.move("P1-USD", lose=True)
        late.set()
        await venue.until(lambda: all_live(exchange))
        assert venue.wrong(exchange) == []
        assert venue.asked["P1-USD"] == 2


# --- silence and lifetime


async def test_silent_topic_is_stale_and_redialled() -> None:
    """A topic without a sign of life for its limit is STALE, and its socket is replaced."""
    venue = ToyVenue(["P1-USD"])
    async with served(venue, toy(evolve(RANGES, silence=30.0))) as exchange:
        events = exchange.events()
        await venue.clock.advance(29)
        assert all_live(exchange)
        await venue.until(lambda: bool(links(events)), limit=5)
        assert (LinkState.LOST, "book:P1-USD was silent") in links(events)
        first = told(events, StateChange)[0]
        assert (first.state, first.reason) == (BookState.STALE, "silent for 30 s")
        await venue.until(lambda: all_live(exchange))
        assert len(venue.websockets.sockets) == 2
        assert venue.websockets.sockets[0].closed


@pytest.mark.parametrize("sign", ["ping", "frame", "none"])
async def test_silent_connection_is_redialled(sign: str) -> None:
    """A connection without any sign of life is replaced; pings and frames of any topic are such signs."""
    venue = ToyVenue(["P1-USD"])
    async with served(venue, toy(dial=evolve(SOCKET, silence=10.0))) as exchange:
        for _ in range(30):
            if sign == "ping":
                venue.socket.beat()
            elif sign == "frame":
                venue.push({"trade": "P1-USD"})
            await venue.clock.advance(1)
        dials = len(venue.websockets.dials)
        assert dials == 1 if sign != "none" else dials >= 3
        await venue.until(lambda: all_live(exchange))


FEEDS = {
    "rest": RANGES,
    "global ids": evolve(RANGES, global_ids=True),
    "in band": IN_BAND,
    "every message": SyncRule(SnapshotSource.IN_BAND),
}


@pytest.mark.parametrize("feed", FEEDS)
async def test_lifetime_is_handed_over(feed: str) -> None:
    """Before the venue ends a socket by age another one has taken over, and no book was ever out of LIVE, or wrong."""
    rule = FEEDS[feed]
    venue = ToyVenue(PAIRS, in_band=rule.snapshot is SnapshotSource.IN_BAND)
    async with served(venue, toy(rule, dial=evolve(SOCKET, lifetime=600.0))) as exchange:
        events = exchange.events()
        await venue.clock.advance(550)
        assert links(events) == []
        while not exchange.link_counters()["toy.1"].handovers:
            for pair in PAIRS:
                venue.move(pair)
            await venue.settle()
            assert venue.wrong(exchange) == []
            await venue.clock.advance(0.2)
        await venue.settle()
        assert seconds_between(START, venue.clock.now()) < 600
        assert {event.state for event in told(events, StateChange)} == {BookState.LIVE}
        assert links(events) == [
            (LinkState.DIALLING, ""),
            (LinkState.OPEN, ""),
            (LinkState.LOST, "another socket took over"),
        ]
        assert [socket.closed for socket in venue.websockets.sockets] == [True, False]
        for pair in PAIRS:
            venue.move(pair)
        await venue.settle()
        assert venue.wrong(exchange) == []
        assert {counters.gaps for counters in exchange.counters().values()} == {0}


async def test_venue_asks_for_a_redial() -> None:
    """A shutdown notice that is planned hands over; one that is not ends the socket at once."""
    venue = ToyVenue(["P1-USD"])
    async with served(venue) as exchange:
        events = exchange.events()
        venue.push({"redial": "maintenance", "planned": True})
        await venue.until(lambda: exchange.link_counters()["toy.1"].handovers == 1)
        assert {event.state for event in told(events, StateChange)} == {BookState.LIVE}
        venue.push({"redial": "going down"})
        await venue.settle()
        assert (LinkState.LOST, "going down") in links(events)
        await venue.until(lambda: all_live(exchange))


async def test_planned_redials_without_end_are_not_dialled_without_pause() -> None:
    """A venue that announces the end of each socket right away is dialled with growing pauses."""
    venue = ToyVenue(["P1-USD"])
    script = venue.websockets.on_open
    assert script is not None

    def announce(socket: MockWebSocket) -> None:
        script(socket)
        venue.push({"redial": "maintenance", "planned": True}, socket)

    venue.websockets.on_open = announce
    async with venue.opened():
        await venue.settle()
        await venue.clock.advance(600)
        assert 5 < len(venue.websockets.dials) < 60


async def test_socket_that_ends_before_its_successor_is_open() -> None:
    """When the old socket ends while the next is being dialled, all begins anew, and that dial leaves no socket behind."""
    venue = ToyVenue(PAIRS)
    async with served(venue) as exchange:
        venue.websockets.gate = gate = anyio.Event()
        venue.push({"redial": "maintenance", "planned": True})
        await venue.clock.advance(2)
        venue.socket.cut("too late")
        await venue.settle()
        assert {book.state for book in exchange.books.values()} == {BookState.STALE}
        await venue.clock.advance(2)
        gate.set()
        await venue.until(lambda: all_live(exchange))
        assert venue.wrong(exchange) == []
        await venue.settle()
        assert [socket.closed for socket in venue.websockets.sockets].count(False) == 1


async def test_successor_that_cannot_be_opened_is_tried_again() -> None:
    """A refused dial costs no book its word while the old socket lives."""
    venue = ToyVenue(PAIRS)
    async with served(venue) as exchange:
        events = exchange.events()
        venue.websockets.refusals.extend(NetworkError("refused", sent=False) for _ in range(3))
        venue.push({"redial": "maintenance", "planned": True})
        await venue.until(lambda: exchange.link_counters()["toy.1"].handovers == 1)
        assert {event.state for event in told(events, StateChange)} == {BookState.LIVE}
        assert len(venue.websockets.dials) == 5


async def test_topic_that_the_next_socket_is_refused() -> None:
    """A subscription refused for good on the next socket closes its book when that takes over; the others go on."""
    venue = ToyVenue(PAIRS)
    async with served(venue) as exchange:
        venue.silent.add("book:P2-USD")
        venue.push({"redial": "maintenance", "planned": True})
        await venue.until(lambda: len(venue.websockets.sockets) == 2)
        venue.push({"lost": "book:P2-USD", "reason": "delisted"})
        await venue.until(lambda: exchange.link_counters()["toy.1"].handovers == 1)
        await venue.clock.advance(60)
        assert venue.wrong(exchange) == ["P2-USD"]
        assert exchange.books["P2-USD"].state is BookState.CLOSED
        assert exchange.books["P2-USD"].reason == "delisted"


# --- topics


async def test_lost_topic_is_isolated() -> None:
    """A subscription that the venue refuses for good closes its book, tells why, and touches no other."""
    venue = ToyVenue(PAIRS)
    async with served(venue) as exchange:
        events = exchange.events()
        venue.push({"lost": "book:P2-USD", "reason": "delisted"})
        await venue.settle()
        (refused,) = told(events, TopicRefused)
        assert (str(refused.topic), refused.reason, refused.final) == ("book:P2-USD", "delisted", True)
        assert exchange.books["P2-USD"].state is BookState.CLOSED
        with pytest.raises(BookNotLive, match="closed: delisted"):
            await exchange.books["P2-USD"].wait_live()
        assert venue.wrong(exchange) == ["P2-USD"]
        venue.socket.cut()
        await venue.settle()
        await venue.until(lambda: venue.wrong(exchange) == ["P2-USD"])
        assert venue.told[-1] == {"op": "subscribe", "topics": ["book:P1-USD", "book:P3-USD"]}


@pytest.mark.parametrize("connector", ["rest", "in band"])
@pytest.mark.parametrize("when", ["live", "at first"])
async def test_topic_lost_for_now_is_asked_for_again(connector: str, when: str) -> None:
    """A subscription that ended, not for good, makes its book STALE until it is subscribed to again, with backoff."""
    in_band = connector == "in band"
    venue = ToyVenue(PAIRS, in_band=in_band)
    if when == "at first":
        venue.silent.add("book:P2-USD")
    async with venue.opened(toy(IN_BAND if in_band else RANGES)) as exchange:
        events = exchange.events()
        await venue.settle()
        if when == "at first":
            assert venue.wrong(exchange) == ["P2-USD"]
        venue.silent.add("book:P2-USD")
        for _ in range(3):
            asked = len(venue.told)
            venue.push({"lost": "book:P2-USD", "reason": "overload", "final": False})
            venue.move("P2-USD", lose=True)
            await venue.until(lambda asked=asked: len(venue.told) > asked)  # type: ignore[misc]
            assert exchange.books["P2-USD"].state in {BookState.STALE, BookState.EMPTY}
            assert venue.wrong(exchange) == ["P2-USD"]
        venue.silent.clear()
        venue.push({"lost": "book:P2-USD", "reason": "overload", "final": False})
        await venue.until(lambda: all_live(exchange), limit=20)
        assert venue.wrong(exchange) == []
        assert {event.instrument for event in told(events, StateChange)} <= {"P2-USD", *PAIRS}
        assert len(venue.websockets.sockets) == 1


async def test_in_band_gap_renews_the_subscription() -> None:
    """A gap in a feed with in-band snapshots is repaired by subscribing to that topic anew."""
    venue = ToyVenue(PAIRS, in_band=True)
    async with served(venue, toy(IN_BAND)) as exchange:
        venue.move("P3-USD", lose=True)
        venue.move("P3-USD")
        await venue.settle()
        await venue.until(lambda: all_live(exchange))
        assert venue.wrong(exchange) == []
        assert [said["topics"] for said in venue.told[-2:]] == [["book:P3-USD"]] * 2
        assert exchange.link_counters()["toy.1"].renewals == 1


async def test_renewal_without_an_answer_is_repeated() -> None:
    """Where the snapshot of a renewed subscription does not come, it is subscribed to again, not without pause."""
    venue = ToyVenue(["P1-USD"], in_band=True)
    async with served(venue, toy(IN_BAND)) as exchange:
        venue.silent.add("book:P1-USD")
        venue.push({"delta": "P1-USD", "last": 50})
        await venue.clock.advance(60)
        assert exchange.books["P1-USD"].state is BookState.GAP
        assert 4 <= exchange.link_counters()["toy.1"].renewals <= 8
        venue.silent.clear()
        await venue.until(lambda: all_live(exchange), limit=20)


# --- a sequence of the connection

COUNTED = SyncRule(SnapshotSource.IN_BAND, per_connection=True)


async def test_hole_in_the_connection_costs_every_book_of_it() -> None:
    """A frame missing from a connection's sequence takes all its books out of LIVE, closed ones aside; all are repaired."""
    venue = ToyVenue(PAIRS, in_band=True)
    async with served(venue, toy(COUNTED)) as exchange:
        venue.push({"lost": "book:P3-USD", "reason": "delisted"})
        for number in (1, 2, 3):
            venue.push({"n": number})
        await venue.settle()
        assert exchange.link_counters()["toy.1"].holes == 0
        events = exchange.events()
        venue.push({"n": 5})
        await venue.settle()
        await venue.until(lambda: venue.wrong(exchange) == ["P3-USD"])
        gaps = [event for event in told(events, StateChange) if event.state is BookState.GAP]
        assert [(event.instrument, event.reason) for event in gaps] == [
            (pair, "after frame 3 came 5") for pair in ("P1-USD", "P2-USD")
        ]
        assert exchange.link_counters()["toy.1"].holes == 1


async def test_unreadable_frame_with_a_closed_book_beside() -> None:
    """A closed book is not asked for repair when the others are."""
    venue = ToyVenue(PAIRS, in_band=True)
    async with served(venue, toy(SyncRule(SnapshotSource.IN_BAND))) as exchange:
        venue.push({"lost": "book:P3-USD", "reason": "delisted"})
        venue.push("?")
        await venue.settle()
        await venue.until(lambda: venue.wrong(exchange) == ["P3-USD"])
        assert exchange.books["P3-USD"].state is BookState.CLOSED


async def test_repeated_frame_of_a_sequence_is_no_news() -> None:
    """A frame whose number has been seen is dropped whole."""
    venue = ToyVenue(["P1-USD"], in_band=True)
    async with served(venue, toy(COUNTED)) as exchange:
        frame = {"n": 1, "delta": "P1-USD", "bids": [("100", "7")]}
        for said in (frame, frame | {"n": 2, "bids": [("100", "8")]}, frame):
            venue.push(said)
        await venue.settle()
        assert exchange.books["P1-USD"].size_at(Side.BUY, "100") == 8


# --- the rest


async def test_trades_reach_their_subscribers() -> None:
    """Trades of a pair come in order to whoever asked for them, each to its own pair."""
    venue = ToyVenue(PAIRS)
    async with served(venue, channels=["book", "trades"]) as exchange:
        trades = exchange.trades("P1-USD")
        for number in range(3):
            venue.push({"trade": "P1-USD", "price": "1", "size": "2", "key": str(number)})
            venue.push({"trade": "P2-USD", "price": "1", "size": "2", "key": "other"})
        await venue.settle()
        heard = [await anext(trades) for _ in range(3)]
        assert [trade.key for trade in heard if isinstance(trade, Trade)] == ["0", "1", "2"]


async def test_latest_wake_counts() -> None:
    """A session is woken at the instant it named last, once."""
    venue = ToyVenue(["P1-USD"])
    async with served(venue):
        for seconds in (5, 9, 7):
            venue.push({"wake": seconds})
        await venue.clock.advance(6.9)
        assert "tick" not in venue.socket.sent
        await venue.clock.advance(20)
        assert venue.socket.sent.count("tick") == 1


async def test_a_day_of_trouble() -> None:
    """Through a day of lost messages, bad frames, cut sockets and failing snapshots no LIVE book is ever wrong."""
    venue = ToyVenue(PAIRS)
    async with served(venue, toy(evolve(RANGES, audit=600.0))) as exchange:
        trouble: list[Callable[[], object]] = [
            lambda: venue.move("P1-USD", lose=True),
            lambda: venue.push("?"),
            lambda: venue.socket.cut("reset"),
            lambda: venue.failing.update(PAIRS),
            lambda: venue.push({"lost": "book:P2-USD", "reason": "overload", "final": False}),
            venue.failing.clear,
            lambda: venue.push(NUMBERED % ('"1"', '"NaN"')),
            lambda: venue.push({"redial": "maintenance", "planned": True}),
        ]
        for hour in range(24):
            trouble[hour % len(trouble)]()
            await venue.settle()
            for pair in PAIRS:
                venue.move(pair)
            await venue.settle()
            for pair, book in exchange.books.items():
                assert not book.live or book.size_at(Side.BUY, "100") == venue.true_size(pair)
            await venue.clock.advance(120)
        venue.failing.clear()
        await venue.until(lambda: venue.wrong(exchange) == [], limit=120)
