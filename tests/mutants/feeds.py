"""Mutants of the public side: books, trades, best prices, single orders, and the frames that tell of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import count
from random import SystemRandom
from typing import Any, Final

from attrs import evolve
from tests.mutants.judging import Mutant
from tests.mutants.wrapping import Bend, Twist, bent, but, methods, mutant, on, results, sessions

from venuekit_spec import (
    NOTHING,
    SECOND,
    BookDelta,
    BookSnapshot,
    Channel,
    Continuity,
    Instant,
    MalformedMessage,
    OrderAction,
    OrderEvent,
    Send,
    Topic,
    TopicLost,
    TopOfBook,
    Trade,
    VenueError,
)

BOOKS: Final = (BookDelta, BookSnapshot)


def _levels(change: Callable[[str, Any, Any], tuple[Any, Any] | None], *, deltas_only: bool = False) -> Bend:
    """Every level changed: instrument, price and size -> price and size, or nothing."""

    def rows(message: Any, side: Any) -> list[Any]:
        found = (change(message.instrument, row[0], row[1]) for row in side)
        return [row for row in found if row is not None]

    kinds = BookDelta if deltas_only else BOOKS
    return on(kinds, lambda each: but(each, bids=rows(each, each.bids), asks=rows(each, each.asks)))


def _closes_gaps() -> Bend:
    last: dict[str, int] = {}

    def change(delta: BookDelta) -> BookDelta:
        before, first = last.get(delta.instrument), delta.first or 0
        last[delta.instrument] = delta.last or 0
        return but(delta, first=before + 1) if before is not None and first > before + 1 else delta

    return on(BookDelta, change)


def _forgets_the_late() -> Bend:
    """Takes levels that come more than a second late for worthless."""

    def change(delta: BookDelta) -> BookDelta:
        late = delta.received - delta.time > SECOND
        return but(delta, bids=[], asks=[]) if late else delta

    return on(BookDelta, change)


def _adds_up() -> Bend:
    """Takes a frame that comes twice for a second one: its ids go on, and its sizes are added."""
    last: dict[str, int] = {}

    def change(delta: BookDelta) -> BookDelta:
        id_ = delta.last or 0
        again = last.get(delta.instrument) == id_
        last[delta.instrument] = id_
        if not again:
            return delta
        bids, asks = (
            [(row[0], f"{Decimal(row[1]) * 2:f}") for row in side] for side in (delta.bids, delta.asks)
        )
        return but(delta, first=id_ + 1, last=id_ + 1, bids=bids, asks=asks)

    return on(BookDelta, change)


def _glosses_over() -> Twist:
    """Drops what it cannot read, and closes the gap that it leaves."""

    def session(honest: Any, *arguments: Any) -> Any:
        made, close = honest(*arguments), _closes_gaps()

        def feed(feed: Any, frame: bytes, now: Instant) -> Any:
            return [close(each) for each in _swallows(feed, frame, now)]

        return sessions(feed=feed)(_Made(made)).session()

    return methods(session=session)


def _restarts_ids() -> Bend:
    started: dict[str, int] = {}

    def change(delta: BookDelta) -> BookDelta:
        first, last = delta.first or 0, delta.last or 0
        base = started.setdefault(delta.instrument, first)
        return but(delta, first=first - base, last=last - base)

    return on(BookDelta, change)


def _feeding(feed: Callable[..., Any]) -> Twist:
    return sessions(feed=feed)


def _swallows(feed: Any, frame: bytes, now: Instant) -> Any:
    try:
        return feed(frame, now)
    except MalformedMessage:
        return NOTHING


def _lets_key_errors_out(feed: Any, frame: bytes, now: Instant) -> Any:
    try:
        return feed(frame, now)
    except MalformedMessage as error:
        raise KeyError("b") from error


def _doubles_trades(feed: Any, frame: bytes, now: Instant) -> Any:
    told = list(feed(frame, now))
    return [*told, *(but(each, key=each.key + "x") for each in told if isinstance(each, Trade))]


def _breaks_for_good() -> Twist:
    """A session that has met one frame that it cannot read reads nothing more."""

    def session(honest: Any, *arguments: Any) -> Any:
        broken: list[bool] = []

        def feed(feed: Any, frame: bytes, now: Instant) -> Any:
            if broken:
                return NOTHING
            try:
                return feed(frame, now)
            except MalformedMessage:
                broken.append(True)
                raise

        return sessions(feed=feed)(_Made(honest(*arguments))).session()

    return methods(session=session)


class _Made:
    """A speaker of one session."""

    def __init__(self, made: Any) -> None:
        self._made = made

    def session(self) -> Any:
        """That one."""
        return self._made


def _merges() -> Twist:
    kept: dict[str, tuple[dict[Any, Any], dict[Any, Any]]] = {}

    def snapshot(told: BookSnapshot, *_asked: Any) -> BookSnapshot:
        sides = kept.setdefault(told.instrument, ({}, {}))
        for side, rows in zip(sides, (told.bids, told.asks), strict=True):
            side.update({row[0]: row for row in rows})
        bids, asks = (list(side.values()) for side in sides)
        return but(told, bids=bids, asks=asks)

    return results(snapshot=snapshot)


def _keeps_the_first() -> Twist:
    """Answers every question for a snapshot with the first answer."""
    first: dict[str, Any] = {}
    return results(snapshot=lambda told, *_asked: first.setdefault(told.instrument, told))


def _subscribes_once() -> Twist:
    made: list[Any] = []

    def session(honest: Any, *arguments: Any) -> Any:
        made.append(honest(*arguments))
        silent = sessions(want=lambda *_given: NOTHING)
        return made[-1] if len(made) == 1 else silent(_Made(made[-1])).session()

    return methods(session=session)


def _remembers_between_sessions() -> Twist:
    """Numbers trades and deltas by a count that all sessions share."""
    seen: list[Any] = []

    def change(delta: BookDelta) -> BookDelta:
        seen.append(delta)
        return but(delta, time=delta.time + len(seen))

    return bent(on(BookDelta, change))


def _elsewhere(want: Any, topics: frozenset[Topic], now: Instant) -> Any:
    return want(frozenset(evolve(topic, instrument="ETH-USDT") for topic in topics), now)


def _mixes_up(output: Any) -> Any:
    pairs = {"BTC-USDT": "ETH-USDT", "ETH-USDT": "BTC-USDT"}
    name = getattr(output, "instrument", "")
    return but(output, instrument=pairs[name]) if name in pairs else output


def _without_trades(want: Any, topics: frozenset[Topic], now: Instant) -> Any:
    channels = {topic.channel for topic in topics}
    if {Channel.BOOK, Channel.TRADES} <= channels:
        topics = frozenset(topic for topic in topics if topic.channel is not Channel.TRADES)
    return want(topics, now)


def _loses_all(want: Any, topics: frozenset[Topic], now: Instant) -> Any:
    told = list(want(topics, now))
    if any(isinstance(each, TopicLost) for each in told):
        told = [*told, *(TopicLost(topic, "refused with another") for topic in topics)]
    return told


def _picky() -> Twist:
    heard = count()

    def feed(feed: Any, frame: bytes, now: Instant) -> Any:
        if next(heard) % 10 == 9:
            raise MalformedMessage("a tenth frame", venue="exchange_a", frame=frame)
        return feed(frame, now)

    return sessions(feed=feed)


def _by_chance() -> Twist:
    dice = SystemRandom()
    return sessions(feed=lambda feed, frame, now: NOTHING if dice.random() < 0.2 else feed(frame, now))


def _never_leaves(want: Any, topics: frozenset[Topic], now: Instant) -> Any:
    return want(topics, now) if topics else NOTHING


def _one_frame_each(want: Any, topics: frozenset[Topic], now: Instant) -> Any:
    told = list(want(topics, now))
    sends = [each for each in told if isinstance(each, Send)]
    return [*told, *(sends[0] for _ in range(5 * len(topics)))]


def _dialled(**changes: Any) -> Twist:
    return results(dial=lambda dial, _topics: evolve(dial, **changes))


def _gives_up_on_snapshots() -> Twist:
    """Answers for ever with the error that the first question met."""
    met: list[VenueError] = []

    def snapshot(honest: Any, *arguments: Any) -> Any:
        if met:
            raise met[0]
        try:
            return (yield from honest(*arguments))
        except VenueError as error:
            met.append(error)
            raise

    return methods(snapshot=snapshot)


def _every(number: int, change: Callable[[Any], Any], kind: type[Any]) -> Bend:
    """Every so-manieth of a kind, changed."""
    seen: list[Any] = []

    def each(output: Any) -> Any:
        seen.append(output)
        return change(output) if len(seen) % number == 0 else output

    return on(kind, each)


def _of_another_day(event: OrderEvent) -> OrderEvent:
    return (
        but(event, size=event.size)
        if event.action is not OrderAction.MATCH
        else but(event, action=OrderAction.NOTHING)
    )


def _trips(event: OrderEvent) -> OrderEvent:
    if event.action is OrderAction.MATCH:
        raise AttributeError("taker_order_id")
    return event


def _uncounted(feed: Any, frame: bytes, now: Instant) -> Any:
    told = list(feed(frame, now))
    if any(isinstance(each, Trade) for each in told):
        told = [each for each in told if not isinstance(each, Continuity)]
    return told


def _one_depth(want: Any, topics: frozenset[Topic], now: Instant) -> Any:
    """Asks for every book at the usual depth."""
    return want(frozenset(evolve(topic, variant="") for topic in topics), now)


def _mortal() -> Twist:
    def session(honest: Any, *arguments: Any) -> Any:
        made, alive = honest(*arguments), [True]

        def closed(_closed: Any, _reason: str) -> None:
            alive.pop()

        return sessions(closed=closed)(_Made(made)).session()

    return methods(session=session)


BENT: Final[dict[str, tuple[str, str, str, Callable[[], Bend]]]] = {
    "wrong-market": ("takes one market's frames for another's", "books-equal-the-venues", "exchange_a", lambda: _mixes_up),
    "drops-removals": (
        "leaves out levels of size zero", "live-is-never-wrong", "exchange_a",
        lambda: _levels(lambda _id, price, size: (price, size) if Decimal(size) else None, deltas_only=True),
    ),
    "closes-gaps": ("closes every gap of ids itself", "book-gap-noticed", "exchange_a", _closes_gaps),
    "forgets-the-late": (
        "leaves out levels that come late", "delayed-frames-change-nothing", "exchange_a", _forgets_the_late,
    ),
    "adds-up": ("counts a frame twice that comes twice", "doubled-frames-change-nothing", "exchange_a", _adds_up),
    "counts-for-itself": (
        "counts ids from where its socket began", "live-is-never-wrong", "exchange_a", _restarts_ids,
    ),
    "reads-no-checksum": (
        "leaves out the checksum", "book-proof-grows", "kraken",
        lambda: on(BOOKS, lambda each: but(each, checksum=None)),
    ),
    "trips-over-matches": (
        "raises an error of its own at a trade of single orders", "queues-equal-the-venues", "coinbase_exchange",
        lambda: on(OrderEvent, _trips),
    ),
    "wrong-checksum": (
        "reads the checksum wrong now and then", "undisturbed-book-never-falters", "kraken",
        lambda: _every(20, lambda each: but(each, checksum=(each.checksum or 0) ^ 1), BookDelta),
    ),
    "milliseconds": (
        "takes milliseconds for nanoseconds", "times-are-plausible", "exchange_a",
        lambda: on(BookDelta, lambda each: but(each, time=each.time // 10**6)),
    ),
    "sides-swapped": (
        "tells the maker's side of a trade", "trades-come-once", "exchange_a",
        lambda: on(Trade, lambda each: but(each, side=each.side.opposite)),
    ),
    "quote-sized-trades": (
        "tells sizes of trades in quote units", "trades-come-once", "exchange_a",
        lambda: on(Trade, lambda each: but(each, size=f"{Decimal(each.size) * Decimal(each.price):f}")),
    ),
    "top-inside-out": (
        "takes the best ask for the best bid", "top-of-book-is-the-best", "exchange_a",
        lambda: on(TopOfBook, lambda each: but(each, bid=each.ask, ask=each.bid)),
    ),
    "top-in-lots": (
        "tells ten times the size of best prices", "top-of-book-is-the-best", "exchange_a",
        lambda: on(TopOfBook, lambda each: but(each, bid=(each.bid[0], f"{Decimal(each.bid[1]) * 10:f}"))),
    ),
    "float-sizes": (
        "makes doubles of sizes on the way", "rows-are-exact", "exchange_a",
        lambda: _levels(lambda _id, price, size: (price, float(size))),
    ),
    "float-prices": (
        "makes doubles of prices that have more digits", "rows-are-exact", "exchange_a",
        lambda: _levels(lambda _id, price, size: (float(price), size)),
    ),
    "negative-sizes": (
        "tells sizes of asks as negative", "rows-are-exact", "bitfinex",
        lambda: _levels(lambda _id, price, size: (price, size if size.startswith("-") else f"-{size}")),
    ),
    "matches-nothing": (
        "overlooks what was traded of single orders", "queues-equal-the-venues", "coinbase_exchange",
        lambda: on(OrderEvent, _of_another_day),
    ),
    "never-done": (
        "overlooks orders that end", "queue-ahead-is-known", "exchange_b",
        lambda: on(OrderEvent, lambda each: but(each, action=OrderAction.NOTHING) if each.action is OrderAction.DONE else each),
    ),
    "anonymous-orders": (
        "makes up ids of orders in a book", "own-orders-are-found", "exchange_b",
        lambda: on(OrderEvent, lambda each: but(each, order_id=f"x{each.order_id}") if each.order_id else each),
    ),
}  # fmt: skip
"""Mutant -> what is wrong, the check, the venue, and what becomes of what its public sessions say."""

TWISTED: Final[dict[str, tuple[str, str, Callable[[], Twist]]]] = {
    "listens-elsewhere": ("subscribes to another market", "book-comes-live", lambda: sessions(want=_elsewhere)),
    "impatient": ("takes a second of silence for the end", "quiet-market-stays-live", lambda: _dialled(silence=1.0)),
    "no-pings": ("sends no pings and waits for pongs", "quiet-market-stays-live", lambda: _dialled(ping=None)),
    "microseconds": (
        "takes microseconds of the venue's clock for milliseconds", "server-time-is-read",
        lambda: results(server_time=lambda now: now // 1_000),
    ),
    "doubles-trades": ("tells each trade twice", "trades-come-once", lambda: _feeding(_doubles_trades)),
    "one-channel": (
        "forgets trades where there is a book", "streams-share-a-socket", lambda: sessions(want=_without_trades),
    ),
    "merges-snapshots": ("merges a snapshot into the last one", "reconnect-replaces", _merges),
    "trusts-snapshots": (
        "takes a snapshot for a newer one", "stale-snapshots-are-refused",
        lambda: results(snapshot=lambda told, *_asked: but(told, last=told.last + 60)),
    ),
    "picky": ("refuses frames of the venue", "real-frames-are-read", _picky),
    "rolls-dice": ("leaves out frames by chance", "the-same-seed-tells-the-same", _by_chance),
    "keeps-its-snapshot": (
        "gives the first snapshot again and again", "failed-snapshots-are-tried-again", _gives_up_on_snapshots,
    ),
    "stuck-snapshot": ("never asks for a fresh snapshot", "cut-sockets-are-redialled", _keeps_the_first),
    "subscribes-once": ("subscribes on its first socket only", "planned-handovers-lose-nothing", _subscribes_once),
    "shares-state": ("remembers from one session to the next", "sessions-are-repeatable", _remembers_between_sessions),
    "swallows-malformed": (
        "drops what it cannot read without a word", "refused-frames-name-their-place", lambda: _feeding(_swallows),
    ),
    "raises-key-errors": ("lets a KeyError out", "mutated-frames-are-malformed", lambda: _feeding(_lets_key_errors_out)),
    "breaks-for-good": (
        "reads nothing more after a frame that it cannot read", "malformed-frames-cost-themselves", _breaks_for_good,
    ),
    "takes-all-down": (
        "loses every topic with a bad one", "unknown-topics-are-lost-alone", lambda: sessions(want=_loses_all),
    ),
    "glosses-over": (
        "drops what it cannot read, and closes the gap", "truncated-frames-are-lost-frames", _glosses_over,
    ),
    "whole-book": (
        "takes a limited snapshot for the whole book", "limited-books-say-so",
        lambda: results(snapshot=lambda told, *_asked: but(told, depth=None)),
    ),
    "never-leaves": ("never unsubscribes", "topics-can-be-left", lambda: sessions(want=_never_leaves)),
    "chatty": ("asks for topics in a frame each", "frames-a-second-are-kept", lambda: sessions(want=_one_frame_each)),
    "dead-twice": (
        "cannot be told twice that its socket is gone", "closed-sessions-are-quiet", _mortal,
    ),
}  # fmt: skip
"""Mutant of exchange_a -> what is wrong, the check, and the twist of its data source."""


MUTANTS: Final[Sequence[Mutant]] = (
    *(
        Mutant(id_, wrong, check, lambda venue=venue, make=make: mutant(venue, data_source=bent(make())))  # type: ignore[misc]
        for id_, (wrong, check, venue, make) in BENT.items()
    ),
    *(
        Mutant(id_, wrong, check, lambda make=make: mutant(data_source=make()))  # type: ignore[misc]
        for id_, (wrong, check, make) in TWISTED.items()
    ),
    Mutant(
        "one-depth",
        "serves one depth only",
        "every-variant-is-served",
        lambda: mutant("kraken", data_source=sessions(want=_one_depth)),
    ),
    Mutant(
        "trades-uncounted",
        "leaves trades out of the sequence of a socket",
        "streams-share-a-socket",
        lambda: mutant("bitfinex", data_source=sessions(feed=_uncounted)),
    ),
)
