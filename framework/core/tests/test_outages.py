"""Sockets that end, foreseen or not, under every kind of feed: what books say, at every message, over virtual time."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from random import Random
from typing import Any

import anyio
import msgspec
import pytest
from framework.core.tests.kinds import (
    EVERY_MESSAGE,
    KINDS,
    LATENCY,
    PAIRS,
    REST,
    Kind,
    KindVenue,
    SigningConnector,
    kind_of,
)
from framework.core.tests.order_feeds import event
from framework.core.tests.venues import SOCKET

from venuekit import (
    BookNotLive,
    BookState,
    Event,
    Exchange,
    FrameRefused,
    LinkChange,
    LinkState,
    OrderBook,
    StateChange,
    Subscription,
    connect,
    open_exchange,
)
from venuekit.pacing import PacerRegistry
from venuekit_spec import (
    SECOND,
    BookDelta,
    BookSnapshot,
    Channel,
    Credentials,
    HttpRequest,
    Ids,
    Instant,
    MalformedMessage,
    NetworkError,
    NonceRule,
    OrderAction,
    Seconds,
    Secret,
    Side,
    SocketRequest,
    SyncRule,
    Topic,
    Trade,
    after,
    seconds_between,
)

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


BY_REST = [name for name, kind in KINDS.items() if kind.rule.snapshot is REST and not kind.rule.global_ids]


@pytest.mark.parametrize("name", BY_REST)
async def test_old_socket_ends_while_the_next_waits_for_snapshots(name: str) -> None:
    """Books of a next socket whose snapshots could not be had yet are in GAP when it takes over, and then LIVE."""
    venue = KindVenue(KINDS[name])
    async with watched(venue) as exchange:
        events = exchange.events()
        venue.failing.update(PAIRS)
        venue.announce(planned=True)
        await venue.moving_until(lambda: len(venue.lines) == 2)
        await venue.run(2)
        assert all_live(exchange)
        venue.lines[0].socket.cut("too late")
        await venue.settle()
        assert {book.state for book in exchange.books.values()} == {GAP}
        venue.failing.clear()
        await venue.moving_until(lambda: all_live(exchange))
        for pair in PAIRS:
            path = [change.state for change in states(events) if change.instrument == pair]
            assert path == [GAP, LIVE]
        await settled(venue, exchange)
        assert len(venue.websockets.dials) == 2


# --- what a consumer makes of it


@pytest.mark.parametrize("end", ["foreseen", "unforeseen"])
@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind.channel is Channel.BOOK])
async def test_consumer_of_every_change(name: str, end: str) -> None:
    """Who takes the book as it is at each StateChange to LIVE, and every delta after it, has the book through all outages."""
    venue = KindVenue(KINDS[name])
    kept: dict[tuple[Side, Decimal], str] = {}
    anew: list[BookState] = []

    async def follow(book: OrderBook) -> None:
        whole = venue.kind.rule.snapshot is EVERY_MESSAGE
        async for message in book.every_change():
            if isinstance(message, StateChange) and message.state is LIVE:
                anew.append(message.before)
                kept.clear()
                kept.update({(side, Decimal(row[0])): row[1] for side in Side for row in book.rows(side)})
            elif isinstance(message, BookDelta) or (whole and isinstance(message, BookSnapshot)):
                if whole:
                    kept.clear()
                for side, rows in ((Side.BUY, message.bids), (Side.SELL, message.asks)):
                    kept.update({(side, Decimal(row[0])): row[1] for row in rows})

    async with anyio.create_task_group() as tasks, watched(venue) as exchange:
        book = exchange.books[PAIRS[0]]
        tasks.start_soon(follow, book)
        await venue.run(1)
        if end == "foreseen":
            venue.announce(planned=True)
        else:
            venue.lines[0].socket.cut("reset")
        await venue.moving_until(lambda: bool(anew))
        await settled(venue, exchange)
        assert anew == [LIVE if end == "foreseen" else BUFFERING]
        assert {place: Decimal(size) for place, size in kept.items() if Decimal(size)} == {
            (side, level.price): level.size
            for side, levels in ((Side.BUY, book.bids()), (Side.SELL, book.asks()))
            for level in levels
        }


async def test_trades_are_told_once_across_a_handover() -> None:
    """While two sockets tell the same trades, and the next its latest ones again, each is heard once, in order."""
    venue = KindVenue(KINDS["ranges"], ["P1-USD"])
    heard: list[str] = []

    async def trade(number: int) -> None:
        for line in venue.open_lines:
            told = range(number + 1) if len(venue.lines) == 2 and line is venue.lines[-1] else [number]
            said = [
                ("Trade", {"instrument": "P1-USD", "price": "1", "size": "1", "side": "buy", "key": f"{key}"})
                for key in told
            ]
            line.say("trades:P1-USD", venue.clock.now(), *said)
        await venue.run(0.25)

    async with venue.opened(kind_of(venue.kind), channels=["book", "trades"]) as exchange:
        await venue.moving_until(lambda: all_live(exchange))
        trades = exchange.trades("P1-USD")
        for number in range(5):
            await trade(number)
        venue.announce(planned=True)
        (link,) = exchange.link_counters().values()
        both = 0
        for number in range(5, 40):
            both += len(venue.open_lines) == 2
            await trade(number)
        assert link.handovers == 1
        assert both
        trades.close()
        heard.extend([trade.key for trade in [trade async for trade in trades] if isinstance(trade, Trade)])
        assert heard == [str(number) for number in range(40)]


# --- best prices merged into books

OVERLAID = Kind(SyncRule(EVERY_MESSAGE, overlay=True))


async def test_best_prices_are_merged_until_the_next_snapshot() -> None:
    """Newer best prices move the book's, what they cross is gone, older ones change nothing, a later book replaces all."""
    venue = KindVenue(OVERLAID, ["P1-USD"])
    async with venue.opened(kind_of(OVERLAID), channels=["book", "top"]) as exchange:
        book, tops = exchange.books["P1-USD"], exchange.tops("P1-USD")
        await venue.settle()
        line = venue.lines[0]
        begin = venue.clock.now()

        async def say(name: str, seconds: int, **body: Any) -> tuple[list[Any], list[Any]]:
            told = {"instrument": "P1-USD", "time": begin + seconds * SECOND} | body
            line.say("", venue.clock.now(), (name, told))
            line.arrive(venue.clock.now())
            await venue.settle()
            return book.rows(Side.BUY), book.rows(Side.SELL)

        bids, asks = [("9", "1"), ("8", "1")], [("11", "1"), ("12", "1")]
        assert await say("BookSnapshot", 2, bids=bids, asks=asks) == (
            [["9", "1"], ["8", "1"]],
            [["11", "1"], ["12", "1"]],
        )
        merged = ([["11", "3"], ["9", "1"], ["8", "1"]], [["12", "1"]])
        assert await say("TopOfBook", 3, bid=["11", "3"], ask=["12", "1"]) == merged
        assert await say("TopOfBook", 1, bid=["8", "1"], ask=["11", "1"]) == merged
        assert await say("BookSnapshot", 2, bids=bids, asks=asks) == merged, "older than the best prices"
        assert await say("BookSnapshot", 4, bids=bids[1:], asks=asks) == (
            [["8", "1"]],
            [["11", "1"], ["12", "1"]],
        )
        assert await say("TopOfBook", 5, bid=None, ask=["11", "1"]) == ([], [["11", "1"], ["12", "1"]])
        counters = exchange.counters()["P1-USD"]
        assert (counters.overlays, counters.stale) == (2, 2)
        assert len(tops._queue) == 3


# --- what a session asks of its driver


class Lines:
    """A codec: a frame holds a message per line; ``#`` begins one that cannot be unpacked."""

    def decode(self, frame: bytes) -> list[bytes]:
        if frame.startswith(b"#"):
            raise MalformedMessage("not packed", venue="toy", frame=frame)
        return frame.splitlines()


@pytest.mark.parametrize("name", ["ranges", "one by one", "arrival"])
async def test_codec(name: str) -> None:
    """Frames of none, one and many messages; one that cannot be unpacked costs books that could not show the loss."""
    venue = KindVenue(KINDS[name])
    async with venue.opened(kind_of(venue.kind, codec=Lines())) as exchange:
        await venue.moving_until(lambda: all_live(exchange))
        venue.watch(exchange)
        line = venue.lines[0]
        moves: list[bytes] = []
        for _ in range(3):
            for pair in PAIRS:
                venue.markets[pair].move()
                moves.append(msgspec.json.encode([venue.markets[pair].delta(line.offset)]))
        for frame in (b"", b"\n".join(moves), b""):
            line.socket.push(frame)
        await venue.settle()
        assert venue.wrong(exchange) == []
        events = exchange.events()
        line.socket.push(b"#")
        await venue.settle()
        (refused,) = [event for event in events._queue if isinstance(event, FrameRefused)]
        assert refused.error.reason == "not packed"
        lost = {change.instrument for change in states(events) if change.state is GAP}
        assert lost == (set(PAIRS) if name == "arrival" else set())
        await venue.run(5)
        assert venue.wrong(exchange) == []
        assert venue.faults == []


class Signer:
    """Signs with nothing: it tells what it was asked to sign."""

    nonces = NonceRule.WINDOW

    def sign(self, request: HttpRequest, now: Instant, nonce: int) -> HttpRequest:
        return request

    def sign_call(self, request: SocketRequest, now: Instant, nonce: int) -> SocketRequest:
        return request

    def login(self, now: Instant, nonce: int, challenge: str = "") -> str | bytes | None:
        return msgspec.json.encode({"op": "login", "topics": [], "challenge": challenge, "now": now}).decode()

    def topic_fields(self, topic: Topic, now: Instant, nonce: int) -> Mapping[str, str]:
        return {"topic": str(topic), "nonce": str(nonce)}


@asynccontextmanager
async def signing(venue: KindVenue, *, credentials: Credentials | None) -> AsyncIterator[Exchange]:
    """An exchange on a venue whose connector signs."""
    connector = connect(SigningConnector(venue.kind, SOCKET, Signer()), "toy")
    async with open_exchange(
        connector,
        pairs=PAIRS,
        clock=venue.clock,
        transports=venue.transports,
        pacers=PacerRegistry(),
        credentials=credentials,
        seed=1,
    ) as exchange:
        await venue.moving_until(lambda: all_live(exchange))
        yield exchange


def ask(venue: KindVenue, name: str, **body: Any) -> None:
    """The venue makes the session ask its driver for something."""
    line, now = venue.lines[-1], venue.clock.now()
    line.say("", now, (name, body))
    line.arrive(now)


async def test_signed_topics_and_logins() -> None:
    """A login frame answers the venue's challenge, and a topic's signature reaches the session."""
    venue = KindVenue(KINDS["ranges"])
    async with signing(venue, credentials=Credentials({"key": Secret("k")})) as exchange:
        now = venue.clock.now()
        ask(venue, "Login", challenge="say please")
        ask(venue, "Sign", tag="book:P1-USD", topic="book:P1-USD")
        await venue.settle()
        assert venue.told[-2:] == [
            {"op": "login", "topics": [], "challenge": "say please", "now": now},
            {
                "op": "fields",
                "topics": [],
                "book:P1-USD": {"topic": "book:P1-USD", "nonce": str(now // 1_000)},
            },
        ]
        assert all_live(exchange)


async def test_login_without_credentials() -> None:
    """A venue that asks for a login where there are no credentials loses its socket, and is told why."""
    venue = KindVenue(KINDS["ranges"])
    async with signing(venue, credentials=None) as exchange:
        events = exchange.events()
        ask(venue, "Login")
        await venue.settle()
        assert ends(events) == ["the venue asks for a login, and there are no credentials"]
        assert [change.state for change in states(events)] == [STALE, STALE]
        await venue.moving_until(lambda: all_live(exchange))


async def test_topic_that_wants_a_signature_without_credentials() -> None:
    """The session hears that nobody can sign, and refuses that topic alone."""
    venue = KindVenue(KINDS["ranges"])
    async with signing(venue, credentials=None) as exchange:
        ask(venue, "Sign", tag="book:P1-USD", topic="book:P1-USD")
        await venue.settle()
        assert exchange.books["P1-USD"].state is BookState.CLOSED
        assert exchange.books["P1-USD"].reason == "toy: book:P1-USD needs credentials"
        assert exchange.books["P2-USD"].live


async def test_limits_told_on_a_socket_pause_requests() -> None:
    """A pause that the venue orders on a socket holds for requests: the repair waits for its end."""
    venue = KindVenue(KINDS["ranges"], ["P1-USD"])
    async with watched(venue) as exchange:
        asked = venue.asked["P1-USD"]
        ask(venue, "LimitReport", penalty=20.0)
        venue.step("P1-USD", lost=True)
        await venue.run(19)
        assert exchange.books["P1-USD"].state is GAP
        assert venue.asked["P1-USD"] == asked
        await venue.moving_until(lambda: all_live(exchange), limit=5)
        assert venue.asked["P1-USD"] == asked + 1
        await settled(venue, exchange)


# --- losses that a feed cannot show


def unseen(kind: Kind, audit: Seconds) -> Kind:
    """A kind of feed with another period of audits."""
    return kind.with_rule(audit=audit, audit_window=2.0)


@pytest.mark.parametrize(("anyio_backend", "audit"), [("asyncio", 30.0), ("trio", 60.0)])
@pytest.mark.parametrize("name", ["arrival", "rising", "stamps"])
async def test_loss_without_proof_is_found_by_the_next_audit(name: str, audit: Seconds) -> None:
    """What no id shows stays unnoticed until the next audit has been concluded, and no longer, whenever it is lost."""
    kinds = {**KINDS, "rising": Kind(SyncRule(REST, Ids.RISING))}
    kind = unseen(kinds[name], audit)
    rule = kind.rule
    assert rule.audit is not None
    bound = rule.audit + rule.audit_window + 2 * LATENCY
    longest: list[Seconds] = []
    for seed in range(3):
        venue = KindVenue(kind, ["P1-USD"], seed=seed)
        venue.pace = 1.0
        async with watched(venue) as exchange:
            counters = exchange.counters()["P1-USD"]
            random = Random(seed)
            for number in range(3):
                await venue.run(random.uniform(0, audit))
                assert venue.fault("P1-USD", exchange.books["P1-USD"]) == ""
                gaps, lost = counters.gaps, venue.clock.now()
                price = str(Decimal(50) + number)
                order = event(OrderAction.OPEN, f"unseen {number}", side=Side.BUY, price=price, size="7")
                venue.step("P1-USD", order, lost=True)
                while counters.gaps == gaps and venue.clock.now() < after(lost, 2 * bound):
                    await venue.run(venue.pace)
                longest.append(seconds_between(lost, venue.clock.now()))
                await venue.moving_until(lambda: all_live(exchange))
            assert counters.drifts == counters.gaps == 3
    sys.stdout.write(
        f"{name:8} audit {audit:3.0f} s, unnoticed {max(longest):5.1f} s, at most {bound:5.1f} s\n"
    )
    assert max(longest) <= bound
