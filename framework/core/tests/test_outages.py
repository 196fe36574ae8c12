"""Sockets that end, foreseen or not, under every kind of feed: what books say, at every message, over virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from framework.core.tests.kinds import KINDS, PAIRS, REST, Kind, KindVenue, kind_of

from venuekit import BookNotLive, BookState, Event, Exchange, LinkChange, LinkState, StateChange, Subscription
from venuekit_spec import NetworkError, Seconds, seconds_between

pytestmark = pytest.mark.anyio

LIVE, GAP, STALE, BUFFERING = BookState.LIVE, BookState.GAP, BookState.STALE, BookState.BUFFERING


def states(events: Subscription[Event]) -> list[StateChange]:
    """The changes of state that wait to be read."""
    return [event for event in events._queue if isinstance(event, StateChange)]


def ends(events: Subscription[Event]) -> list[str]:
    """Why sockets ended."""
    lost = [event for event in events._queue if isinstance(event, LinkChange)]
    return [event.reason for event in lost if event.state is LinkState.LOST]


def all_live(exchange: Exchange) -> bool:
    """Whether every book is."""
    return all(book.live for book in exchange.books.values())


@asynccontextmanager
async def watched(venue: KindVenue, **dial: Any) -> AsyncIterator[Exchange]:
    """An exchange whose books are LIVE, right, and compared with the truth from then on."""
    async with venue.opened(kind_of(venue.kind, **dial), channels=[venue.kind.channel]) as exchange:
        await venue.moving_until(lambda: all_live(exchange))
        venue.watch(exchange)
        await venue.run(1)
        yield exchange


async def settled(venue: KindVenue, exchange: Exchange) -> None:
    """In the end every book is the latest and right, one socket is open, and it has every topic."""
    await venue.run(2)
    assert venue.wrong(exchange) == []
    assert venue.faults == []
    (line,) = venue.open_lines
    assert line.topics == venue.topics


# --- ends that nobody foresaw

Trouble = Callable[[KindVenue], None]


def cut(venue: KindVenue) -> None:
    """The socket breaks."""
    venue.lines[-1].socket.cut("reset by peer")


def mute(venue: KindVenue) -> None:
    """The socket stays open and nothing arrives."""
    venue.lines[-1].muted |= venue.topics


def mute_one(venue: KindVenue) -> None:
    """Nothing arrives of one topic."""
    venue.lines[-1].muted.add(min(venue.topics))


def shut_down(venue: KindVenue) -> None:
    """The venue says that the socket is done for."""
    venue.announce(planned=False)


UNFORESEEN: dict[str, tuple[Trouble, dict[str, Any], dict[str, Any], Seconds, str]] = {
    "cut": (cut, {}, {}, 0.0, "reset by peer"),
    "silent connection": (mute, {"silence": 3.0}, {}, 4.0, "no sign of life for 3 s"),
    "silent topic": (mute_one, {}, {"silence": 3.0}, 4.0, "was silent"),
    "shut down": (shut_down, {}, {}, 0.0, "maintenance"),
}
"""What happens, how the socket was dialled, what the rule says, within how long it is noticed, and the reason told."""


@pytest.mark.parametrize("end", UNFORESEEN)
@pytest.mark.parametrize("name", KINDS)
async def test_unforeseen_end(name: str, end: str) -> None:
    """Books of a socket that ended are STALE at once, it is dialled until it opens, and they are LIVE and right again."""
    trouble, dial, rule, limit, reason = UNFORESEEN[end]
    venue = KindVenue(KINDS[name].with_rule(**rule))
    async with watched(venue, **dial) as exchange:
        events = exchange.events()
        venue.websockets.refusals.extend(NetworkError("refused", sent=False) for _ in range(2))
        began = venue.clock.now()
        trouble(venue)
        await venue.settle()
        await venue.moving_until(lambda: len(states(events)) >= len(PAIRS))
        first = states(events)[: len(PAIRS)]
        assert {(change.instrument, change.before, change.state) for change in first} == {
            (pair, LIVE, STALE) for pair in PAIRS
        }
        (ended,) = {change.at for change in first}
        assert seconds_between(began, ended) <= limit
        for book in exchange.books.values():
            with pytest.raises(BookNotLive):
                _ = book.best_bid
        await venue.moving_until(lambda: all_live(exchange))
        assert reason in ends(events)[0]
        assert ends(events)[1:] == ["refused"] * 2
        assert len(venue.websockets.dials) == 4
        for pair in PAIRS:
            path = [change.state for change in states(events) if change.instrument == pair]
            assert path == [STALE, BUFFERING, LIVE]
        await settled(venue, exchange)


# --- ends that are foreseen


async def announced(venue: KindVenue, _exchange: Exchange) -> None:
    """The venue says that the socket will end."""
    venue.announce(planned=True)


async def aged(venue: KindVenue, _exchange: Exchange) -> None:
    """The socket has nearly reached the age at which the venue ends it."""
    await venue.run(6)


async def refused(venue: KindVenue, _exchange: Exchange) -> None:
    """The next socket opens at the third try."""
    venue.websockets.refusals.extend(NetworkError("refused", sent=False) for _ in range(2))
    venue.announce(planned=True)


async def behind(venue: KindVenue, exchange: Exchange) -> None:
    """The next socket is a second behind the old one at first."""
    venue.lag = 1.0
    venue.announce(planned=True)
    await venue.moving_until(lambda: len(venue.lines) == 2)
    await venue.run(4)
    assert exchange.books[PAIRS[0]].live
    venue.lines[1].catch_up(venue.clock.now())


async def ahead(venue: KindVenue, _exchange: Exchange) -> None:
    """The next socket is a second ahead of the old one."""
    venue.lines[0].lag = 1.0
    await venue.run(2)
    venue.announce(planned=True)
    venue.lines[0].say("", venue.clock.now())


FORESEEN = {"announced": announced, "aged": aged, "refused": refused, "behind": behind, "ahead": ahead}


@pytest.mark.parametrize("end", FORESEEN)
@pytest.mark.parametrize("name", KINDS)
async def test_foreseen_end(name: str, end: str) -> None:
    """A socket whose end is known is followed by another; no book leaves LIVE, is wrong, or sees a gap that is none."""
    venue = KindVenue(KINDS[name])
    async with watched(venue, lifetime=7.0) as exchange:
        events = exchange.events()
        told = {pair: book.every_change() for pair, book in exchange.books.items()}
        await FORESEEN[end](venue, exchange)
        (link,) = exchange.link_counters().values()
        await venue.moving_until(lambda: link.handovers == 1)
        await venue.settle()
        assert venue.lines[0].socket.closed
        assert ends(events)[-1] == "another socket took over"
        await settled(venue, exchange)
        assert {(change.before, change.state) for change in states(events)} <= {(LIVE, LIVE)}
        for pair, counters in exchange.counters().items():
            assert (counters.gaps, counters.checksum_failures) == (0, 0)
            anew = [message for message in told[pair]._queue if isinstance(message, StateChange)]
            assert [message.state for message in anew] == [LIVE]


@pytest.mark.parametrize("name", KINDS)
async def test_old_socket_ends_before_the_next_is_open(name: str) -> None:
    """What was foreseen and came too early is an end like any other: STALE, then LIVE on one socket."""
    venue = KindVenue(KINDS[name])
    async with watched(venue) as exchange:
        events = exchange.events()
        venue.websockets.gate = gate = anyio.Event()
        venue.announce(planned=True)
        await venue.run(2)
        assert all_live(exchange)
        venue.lines[0].socket.cut("too late")
        await venue.settle()
        assert [change.state for change in states(events)] == [STALE, STALE]
        gate.set()
        await venue.moving_until(lambda: all_live(exchange))
        await settled(venue, exchange)


@pytest.mark.parametrize("name", KINDS)
async def test_old_socket_ends_before_the_next_is_subscribed(name: str) -> None:
    """A next socket that is open and confirmed nothing yet takes over, its books STALE until it has."""
    venue = KindVenue(KINDS[name])
    async with watched(venue) as exchange:
        events = exchange.events()
        venue.lag = 3.0
        venue.announce(planned=True)
        await venue.moving_until(lambda: len(venue.lines) == 2)
        await venue.run(1)
        assert all_live(exchange)
        venue.lines[0].socket.cut("too late")
        await venue.settle()
        assert [change.state for change in states(events)] == [STALE, STALE]
        await venue.moving_until(lambda: all_live(exchange))
        for pair in PAIRS:
            path = [change.state for change in states(events) if change.instrument == pair]
            assert path == [STALE, BUFFERING, LIVE]
        venue.lines[1].catch_up(venue.clock.now())
        await settled(venue, exchange)
        assert len(venue.websockets.dials) == 2


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind.rule.snapshot is REST])
async def test_old_socket_ends_while_the_next_waits_for_snapshots(name: str) -> None:
    """Books of a next socket whose snapshots could not be had yet are in GAP when it takes over, and then LIVE."""
    venue = KindVenue(KINDS[name])
    async with watched(venue) as exchange:
        events = exchange.events()
        for line in venue.lines:
            line.lag = 1.0  # so that a copy of these books does not meet the next socket's deltas
        await venue.run(2)
        venue.failing.update(PAIRS)
        venue.announce(planned=True)
        venue.lines[0].catch_up(venue.clock.now())
        venue.lines[0].lag = 1.0
        await venue.settle()
        await venue.moving_until(lambda: len(venue.lines) == 2)
        venue.lines[0].socket.cut("too late")
        await venue.settle()
        venue.failing.clear()
        await venue.moving_until(lambda: all_live(exchange))
        for pair in PAIRS:
            path = [change.state for change in states(events) if change.instrument == pair]
            assert path == [GAP, LIVE]
        await settled(venue, exchange)
