"""Data: a book that is LIVE is the venue's, trades come once, best prices are the best."""

from __future__ import annotations

from decimal import Decimal
from typing import Final, cast

from attrs import evolve

from venuekit import BookState, StateChange
from venuekit_simulator.engine import MatchingEngine
from venuekit_simulator.market_flow import RandomFlow
from venuekit_spec import (
    SECOND,
    BookDelta,
    BookSnapshot,
    Capability,
    Channel,
    EngineEvent,
    InstrumentTable,
    OrderBookSnapshot,
    OrderEvent,
    Seconds,
    Side,
    SnapshotSource,
    Topic,
    TopOfBook,
    Trade,
    TradeHappened,
    seconds_between,
)
from venuekit_testkit.agreement import History, book_differs
from venuekit_testkit.catalogue import BOOK, DIALECT, Group, Unclaimed, check, claims
from venuekit_testkit.hand import Hand
from venuekit_testkit.scene import Narrow, Scene, collected, scene
from venuekit_testkit.subject import Subject
from venuekit_testkit.talking import Talk

QUIET: Final[Seconds] = 6.0
"""After the crowd has left: until the last frame has arrived, of feeds that gather changes too."""

BESIDES: Final = {Capability.TRADES: Channel.TRADES, Capability.TOP_OF_BOOK: Channel.TOP}
"""What is streamed besides books, by what claims it."""

TIMED: Final = (BookSnapshot, BookDelta, OrderBookSnapshot, OrderEvent, Trade, TopOfBook)
"""Messages that say when."""

DEEP: Final = 1_200
"""Levels a side: more than is told of any book unless more is asked for."""


async def quiet(there: Scene) -> None:
    """Wait until a feed has said all that happened."""
    await there.clock.sleep(QUIET)


def same(there: Scene) -> None:
    """Raises `AssertionError` where a book is not LIVE, or not the venue's."""
    for pair in there.pairs:
        book = there.exchange.books[pair]
        assert book.live, f"the book of {pair} is {book.state}: {book.reason}"
        differs = book_differs(book, there.engine, pair)
        assert not differs, differs


@check(Group.DATA, BOOK, DIALECT)
async def book_comes_live(subject: Subject) -> None:
    """A book becomes LIVE by itself, within seconds.

    Opened on a market that moves; nothing is asked of the user.
    """
    async with scene(subject, trade=False) as there:
        there.crowd()
        await there.until(lambda: there.book.live, "the book is LIVE", 30.0)


@check(Group.DATA, BOOK, DIALECT)
async def books_equal_the_venues(subject: Subject) -> None:
    """Every book is the venue's, level by level, to the last digit.

    Up to ten markets at once, also those whose prices have more digits than a double holds, after ten seconds of
    trading.
    """
    async with scene(subject, trade=False, pairs=10) as there:
        crowd = there.crowd()
        await there.until(
            lambda: all(book.live for book in there.exchange.books.values()), "all books LIVE", 60.0
        )
        await there.clock.sleep(10.0)
        crowd.leave()
        await quiet(there)
        same(there)


@check(Group.DATA, BOOK, DIALECT)
async def live_is_never_wrong(subject: Subject) -> None:
    """At each moment at which a book is LIVE it is as the venue's was at some moment.

    The best levels are compared after every message with every state that the venue's book ever had.
    """
    async with scene(subject, trade=False, pairs=2) as there:
        wrong = watch(there)
        crowd = there.crowd()
        await there.clock.sleep(10.0)
        crowd.leave()
        await quiet(there)
        assert not wrong, wrong[0]
        same(there)


def watch(there: Scene) -> list[str]:
    """What is found wrong from now on with books that are LIVE."""
    history = History(there.engine, there.pairs)
    wrong: list[str] = []
    for pair in there.pairs:
        book = there.exchange.books[pair]

        def look(message: object, pair: str = pair) -> None:
            book = there.exchange.books[pair]
            if book.state is BookState.LIVE and not history.had(book, pair):
                wrong.append(f"{pair} was LIVE and wrong after {type(message).__name__}")

        book.listeners.append(look)
    return wrong


@check(Group.DATA, BOOK, DIALECT)
async def book_proof_grows(subject: Subject) -> None:
    """What a book rests on is counted: its proof names the kinds that its rule has.

    A parsed sequence number is a compared one.
    """
    async with scene(subject, trade=False) as there:
        there.crowd()
        await there.until(lambda: there.book.live, "the book is LIVE", 30.0)
        before = there.book.proof
        await there.clock.sleep(10.0)
        proof = there.book.proof
        rule = subject.book_rule
        assert rule is not None
        assert proof.kinds == rule.proofs, f"it rests on {proof.kinds}, by its rule on {rule.proofs}"
        if "sequence" in proof.kinds and not rule.per_connection:
            assert proof.sequence > before.sequence, "no message was compared with the one before"
        if "checksum" in proof.kinds:
            assert proof.checksums > before.checksums, "no checksum was compared"


@check(Group.DATA, BOOK, DIALECT)
async def undisturbed_book_never_falters(subject: Subject) -> None:
    """Where nothing goes wrong a book that is LIVE stays LIVE.

    A rule that is too strict, or a silence limit that is too short, repairs what is not broken, and costs everybody time.
    """
    async with scene(subject, trade=False) as there:
        there.crowd()
        await there.until(lambda: there.book.live, "the book is LIVE", 30.0)
        seen = len(there.events)
        await there.clock.sleep(30.0)
        lost = [event for event in there.events[seen:] if isinstance(event, StateChange)]
        assert not lost, f"it went {lost[0].state}: {lost[0].reason}"


@check(Group.DATA, BOOK, DIALECT)
async def quiet_market_stays_live(subject: Subject) -> None:
    """A market in which nothing happens is not taken for a dead feed.

    For ten minutes nobody trades; signs of life keep the book LIVE, and its socket is not dialled again. A silence limit that
    is shorter than what a healthy venue is silent for, or pings that are never sent, cost a book now and then.
    """
    async with scene(subject, trade=False) as there:
        crowd = there.crowd()
        await there.until(lambda: there.book.live, "the book is LIVE", 30.0)
        crowd.leave()
        await quiet(there)
        dialled, seen = len(there.watched.sockets), len(there.events)
        await there.clock.sleep(600.0)
        lost = [
            event
            for event in there.events[seen:]
            if isinstance(event, StateChange) and event.state is not BookState.LIVE
        ]
        assert not lost, f"it went {lost[0].state} in a quiet market: {lost[0].reason}"
        again = len(there.watched.sockets) - dialled
        assert not again, f"{again} sockets were dialled in a quiet market"
        same(there)


@check(Group.DATA, BOOK, DIALECT)
async def times_are_plausible(subject: Subject) -> None:
    """Instants are nanoseconds: what the venue says of time is within a minute of now.

    Milliseconds taken for nanoseconds would be in 1970. Of books, trades and best prices, as the session itself tells them.
    """
    rule, claimed = subject.book_topic, subject.description.capabilities
    assert rule is not None
    topics = [Topic(rule.channel, "", rule.variant)]
    topics += [Topic(channel) for claim, channel in BESIDES.items() if claim in claimed]
    source = subject.connector.hooks.data_source(environment=subject.environment)
    for topic in topics:
        async with scene(subject, trade=False, channels=[topic.channel.value]) as there:
            there.crowd()
            await there.clock.sleep(8.0)
            table = InstrumentTable(there.exchange.instruments.values())
            for conversation in there.watched.sockets:
                talk = Talk(source, conversation, table, frozenset({evolve(topic, instrument=there.pair)}))
                for now, frame in conversation.frames:
                    talk.feed(frame, now)
                told = [each for each in talk.told if isinstance(each, TIMED) and each.time]
                odd = [each for each in told if abs(seconds_between(each.time, each.received)) > 60.0]
                assert not odd, f"a {type(odd[0]).__name__} of {odd[0].received} is told as of {odd[0].time}"


@check(Group.DATA, Capability.SERVER_TIME, DIALECT)
async def server_time_is_read(subject: Subject) -> None:
    """The venue's clock is read to within a second, and its offset from ours is known.

    The venue's clock is set ahead by five seconds first.
    """
    async with scene(subject, trade=False) as there:
        there.venue.skew(5.0, 3600.0)
        await there.exchange.measure_clock()
        offset = there.exchange.clock_offset
        assert offset is not None, "the venue's clock was not read"
        assert abs(offset.offset - 5 * SECOND) < 1.5 * SECOND, f"an offset of {offset.offset / SECOND} s"


@check(Group.DATA, Capability.TRADES, DIALECT)
async def trades_come_once(subject: Subject) -> None:
    """Every public trade comes, once, in order, with its price, size and the taker's side.

    Compared with what the venue's engine traded in twenty seconds.
    """
    async with scene(subject, trade=False, channels=[Channel.TRADES.value]) as there:
        await there.clock.sleep(5.0)
        happened: list[TradeHappened] = []

        def note(event: EngineEvent) -> None:
            if isinstance(event, TradeHappened) and event.instrument == there.pair:
                happened.append(event)

        there.engine.listen(note)
        async with collected(there.exchange.trades(there.pair)) as seen:
            crowd = there.crowd()
            await there.clock.sleep(20.0)
            crowd.leave()
            await quiet(there)
            trades = [each for each in seen if isinstance(each, Trade)]
        told = [(Decimal(trade.price), Decimal(trade.size), trade.side) for trade in trades]
        wanted = [(trade.price, trade.size, trade.side) for trade in happened]
        assert wanted, "nobody traded"
        assert len({trade.key for trade in trades}) == len(trades), "a trade came twice"
        assert [(price, size) for price, size, _ in told] == [(price, size) for price, size, _ in wanted], (
            f"{len(told)} trades were told of {len(wanted)}"
        )
        assert told == wanted, "a side is not the taker's"


@check(Group.DATA, Capability.TOP_OF_BOOK, DIALECT)
async def top_of_book_is_the_best(subject: Subject) -> None:
    """The best prices that the venue tells apart are the best of its book.

    Prices are compared when the market has come to rest, sizes with every state that the venue's book ever had.
    """
    async with scene(subject, trade=False, channels=[Channel.TOP.value]) as there:
        crowd = there.crowd()
        history = History(there.engine, there.pairs, 1)
        async with collected(there.exchange.tops(there.pair)) as seen:
            await there.clock.sleep(10.0)
            crowd.leave()
            await quiet(there)
            tops = [each for each in seen if isinstance(each, TopOfBook)]
        assert tops, "no best prices were told"
        last, image = tops[-1], there.engine.book(there.pair, 1)
        assert last.bid is not None, "no best bid was told"
        assert last.ask is not None, "no best ask was told"
        assert Decimal(str(last.bid[0])) == image.bids[0][0], f"the best bid is {last.bid[0]}"
        assert Decimal(str(last.ask[0])) == image.asks[0][0], f"the best ask is {last.ask[0]}"
        never = [top for top in tops if not history.had_best(there.pair, top.bid, top.ask)]
        assert not never, f"{never[0].bid} and {never[0].ask} never were the best of the venue's book"


@check(Group.DATA, BOOK, claims(Capability.TRADES), DIALECT)
async def streams_share_a_socket(subject: Subject) -> None:
    """A book and the trades of its market, opened together, are both whole.

    Whatever they share, neither takes the other's frames.
    """
    rule = subject.book_topic
    assert rule is not None
    if rule.variant:
        raise Unclaimed("its books have variants, and trades have none")
    async with scene(subject, trade=False, channels=[rule.channel.value, Channel.TRADES.value]) as there:
        crowd = there.crowd()
        await there.until(lambda: there.book.live, "the book is LIVE", 30.0)
        before = len(there.events)
        async with collected(there.exchange.trades(there.pair)) as seen:
            await there.clock.sleep(10.0)
            crowd.leave()
            await quiet(there)
            assert seen, "no trade came"
        lost = [event for event in there.events[before:] if isinstance(event, StateChange)]
        assert not lost, f"the book went {lost[0].state} beside trades: {lost[0].reason}"
        same(there)


@check(Group.DATA, BOOK, DIALECT)
async def every_variant_is_served(subject: Subject) -> None:
    """Each variant of a book that is declared can be had, and is the venue's.

    Other depths, other speeds, single orders in place of levels. Skipped where there is one only.
    """
    rules = [rule for rule in subject.description.topics if rule.sync is not None]
    rules = [rule for rule in rules if subject.credentials is not None or not rule.authenticated]
    if len(rules) < 2:
        raise Unclaimed("its books have no variants")
    for rule in rules:
        async with scene(subject, trade=False, channels=[rule.channel.value], variant=rule.variant) as there:
            books = there.exchange.order_books if rule.channel is Channel.ORDERS else there.exchange.books
            book, named = books[there.pair], f"{rule.channel} {rule.variant}".strip()
            crowd = there.crowd()
            await there.until(lambda book=book: book.live, f"{named} is LIVE", 30.0)  # type: ignore[misc]
            before = len(there.events)
            await there.clock.sleep(8.0)
            crowd.leave()
            await quiet(there)
            lost = [event for event in there.events[before:] if isinstance(event, StateChange)]
            assert not lost, f"{named} went {lost[0].state}: {lost[0].reason}"
            differs = book_differs(book, there.engine, there.pair)
            assert not differs, f"{named}: {differs}"


@check(Group.DATA, BOOK, DIALECT)
def limited_books_say_so(subject: Subject) -> None:
    """A book of which only so many levels are told says how many: what lies beyond is unknown, not empty.

    The venue has more levels than its feed tells. A book that is taken for whole shows a market that ends there.
    """
    hand, rule = Hand(subject), subject.book_topic
    assert rule is not None
    assert rule.sync is not None
    seen = cast("MatchingEngine", Narrow(hand.engine, [hand.pair]))
    RandomFlow(seen, 1, depth=DEEP).fill_books(hand.now)
    topic = Topic(rule.channel, hand.pair, rule.variant)
    if rule.sync.snapshot is SnapshotSource.REST:
        book = hand.run(hand.source.snapshot(topic, hand.instruments[hand.pair]))
    else:
        told = hand.open(topic)
        hand.advance(3.0)
        books = [each for each in told.told if isinstance(each, BookSnapshot | OrderBookSnapshot)]
        assert books, "no book was told"
        book = books[0]
    image = hand.engine.book(hand.pair)
    limit = book.depth or rule.sync.depth
    for name, rows, theirs in zip(("bids", "asks"), sides_of(book), (image.bids, image.asks), strict=True):
        if rows < len(theirs):
            assert limit is not None, f"{rows} of {len(theirs)} {name} are told, as if there were no more"
            assert limit <= rows, (
                f"{rows} of {len(theirs)} {name} are told, and are said to be the best {limit}"
            )


def sides_of(book: BookSnapshot | OrderBookSnapshot) -> tuple[int, int]:
    """How many levels a book has on both sides."""
    if isinstance(book, BookSnapshot):
        return len(book.bids), len(book.asks)
    bids, asks = ({order.price for order in book.orders if order.side is side} for side in Side)
    return len(bids), len(asks)
