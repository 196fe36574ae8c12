"""OrderBook: what a user reads.

Prices are in quote units, sizes in base units, both exact `Decimal` values made from the venue's text. Reading a book that
is not LIVE raises `BookNotLive`; reading beyond what a depth-limited snapshot showed raises `LevelsUnknown`. Whoever wants
the numbers all the same asks for ``book.unproven``, and knows what they have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import islice, takewhile
from typing import Any, NamedTuple

from attrs import frozen

from venuekit.books.changes import BookMessage, Changes, EveryChange
from venuekit.books.ladder import Ladder, exact, exact_price
from venuekit.books.states import BookState
from venuekit_spec import (
    Instant,
    Instrument,
    InstrumentStatus,
    LocalError,
    Row,
    Seconds,
    Side,
    seconds_between,
)


class BookNotLive(LocalError):
    """The book is not proven at this moment; `state` says why. Wait for it, or ask for ``book.unproven``."""

    retryable = True

    def __init__(self, instrument: str, state: BookState, reason: str) -> None:
        because = f": {reason}" if reason else ""
        super().__init__(f"the book of {instrument} is {state}{because}")
        self.instrument = instrument
        self.state = state


class LevelsUnknown(LocalError):
    """The answer lies beyond the levels that the venue's snapshot showed: unknown, which is not the same as empty."""

    retryable = True


class Level(NamedTuple):
    """One price of one side: price in quote units, size in base units."""

    price: Decimal
    size: Decimal


@frozen
class Proof:
    """What a book's word rests on, and how old that is.

    `sequence`: messages followed one another without a hole since the snapshot. `checksums` matched since then, the last
    of them at `checked`. `audited`: when a fresh snapshot last agreed. `kinds`: which proofs this feed has at all.
    """

    kinds: tuple[str, ...]
    snapshot: Instant = 0
    sequence: int = 0
    checksums: int = 0
    checked: Instant = 0
    audits: int = 0
    audited: Instant = 0

    def age(self, now: Instant) -> Seconds:
        """Seconds since anything but the order of arrival last spoke for the book."""
        return seconds_between(max(self.snapshot, self.checked, self.audited), now)

    def __str__(self) -> str:
        told = []
        if "replacement" in self.kinds:
            told.append("every message is the whole book")
        if "sequence" in self.kinds:
            told.append(f"sequence of {self.sequence:,}")
        if "checksum" in self.kinds:
            told.append(f"{self.checksums:,} checksums")
        if "audit" in self.kinds:
            told.append(f"{self.audits:,} audits")
        return ", ".join(told) or "none"


class Evidence:
    """What speaks for a book, as the tracker gathers it: the mutable side of `Proof`."""

    __slots__ = ("audited", "audits", "checked", "checksums", "kinds", "sequence", "snapshot")

    def __init__(self, kinds: tuple[str, ...]) -> None:
        self.kinds = kinds
        self.audits = 0
        self.audited: Instant = 0
        self.restart(0)

    def restart(self, snapshot: Instant) -> None:
        """A new snapshot: what came before speaks for nothing any more."""
        self.snapshot = snapshot
        self.sequence = 0
        self.checksums = 0
        self.checked: Instant = 0

    def proof(self) -> Proof:
        """As a value."""
        return Proof(**{name: getattr(self, name) for name in self.__slots__})


class BookView:
    """The reading side of a book, without a question about its state."""

    __slots__ = ("ask_side", "bid_side", "instrument")

    def __init__(self, instrument: Instrument, bids: Ladder, asks: Ladder) -> None:
        self.instrument = instrument
        self.bid_side = bids
        self.ask_side = asks

    @property
    def best_bid(self) -> Level | None:
        """The highest bid, None when there is none."""
        return self._best(self.bid_side)

    @property
    def best_ask(self) -> Level | None:
        """The lowest ask, None when there is none."""
        return self._best(self.ask_side)

    @property
    def spread(self) -> Decimal | None:
        """Best ask less best bid (quote units); None when a side is empty."""
        bid, ask = self.best_bid, self.best_ask
        return ask.price - bid.price if bid and ask else None

    @property
    def mid(self) -> Decimal | None:
        """Halfway between best bid and best ask (quote units); None when a side is empty."""
        bid, ask = self.best_bid, self.best_ask
        return (bid.price + ask.price) / 2 if bid and ask else None

    def bids(self, depth: int | None = None) -> list[Level]:
        """The best `depth` bids that are known (all of them when None), best first."""
        return self._levels(self.bid_side, depth)

    def asks(self, depth: int | None = None) -> list[Level]:
        """The best `depth` asks that are known (all of them when None), best first."""
        return self._levels(self.ask_side, depth)

    def rows(self, side: Side, depth: int | None = None) -> list[Row]:
        """The best rows of one side (`Side.BUY` the bids) as the venue sent them."""
        rows = self._walk(self._side(side))
        return list(rows if depth is None else islice(rows, depth))

    def size_at(self, side: Side, price: Decimal | str) -> Decimal:
        """The size resting at one price; zero when none does."""
        ladder = self._side(side)
        key = ladder.key(price)
        self._reach(ladder, key)
        row = ladder.rows.get(key)
        return Decimal(row[1]) if row else Decimal(0)

    def volume(self, side: Side, to: Decimal | str | None = None) -> Decimal:
        """Base units resting on one side up to and including the price `to`; all that is known when None."""
        ladder = self._side(side)
        rows = self._walk(ladder)
        if to is not None:
            limit = ladder.key(to)
            self._reach(ladder, limit)
            rows = takewhile(lambda row: ladder.key(exact(row[0])) >= limit, rows)
        return sum((Decimal(row[1]) for row in rows), Decimal(0))

    def average_price(self, side: Side, amount: Decimal | str) -> Decimal:
        """What taking `amount` base units would cost on average (quote units); `Side.BUY` takes from the asks.

        Raises `LevelsUnknown` when the known levels do not hold so much, and `ValueError` for an amount that is not
        above zero.
        """
        wanted = remaining = Decimal(amount)
        if not wanted > 0:
            raise ValueError(f"an amount is above zero, not {amount}")
        cost = Decimal(0)
        for row in self._walk(self._side(side.opposite)):
            price, size = _level(row)
            taken = min(remaining, size)
            cost += taken * price
            remaining -= taken
            if not remaining:
                return cost / wanted
        raise LevelsUnknown(f"the known levels of {self.instrument.id} hold {remaining} less than {wanted}")

    def table(self, depth: int | None = None) -> list[dict[str, object]]:
        """The book as a list of dicts, best first, bids then asks: ``side``, ``level`` (from 0), ``price``, ``size``."""
        return [
            {"side": side, "level": place, "price": level.price, "size": level.size}
            for side, levels in (("bid", self.bids(depth)), ("ask", self.asks(depth)))
            for place, level in enumerate(levels)
        ]

    def _best(self, ladder: Ladder) -> Level | None:
        keys = ladder.keys
        return _level(ladder.rows[keys[-1]]) if keys else None

    def _levels(self, ladder: Ladder, depth: int | None) -> list[Level]:
        rows = self._walk(ladder)
        return [_level(row) for row in (rows if depth is None else islice(rows, depth))]

    def _walk(self, ladder: Ladder) -> Iterator[Row]:
        return iter(ladder)

    def _side(self, side: Side) -> Ladder:
        return self.bid_side if side is Side.BUY else self.ask_side

    def _reach(self, ladder: Ladder, key: Any) -> None:
        """Raise unless `key` lies within what is known."""


class OrderBook(BookView):
    """A live order book: a `BookView` that answers only for what is proven.

    The tracker owns and moves it. `revision` rises with every message applied, `last` is the venue's update id.
    """

    __slots__ = (
        "_view",
        "evidence",
        "last",
        "listeners",
        "reason",
        "received",
        "revision",
        "state",
        "status",
        "time",
    )

    def __init__(self, instrument: Instrument, kinds: tuple[str, ...] = (), *, whole: bool = False) -> None:
        exact = not instrument.float_keys
        bids, asks = (Ladder(side, exact=exact, whole=whole) for side in Side)
        super().__init__(instrument, bids, asks)
        self._view = BookView(instrument, self.bid_side, self.ask_side)
        self.state = BookState.EMPTY
        self.reason = ""
        """Why the book is not LIVE, in words."""
        self.status: InstrumentStatus = instrument.status
        self.revision = 0
        self.last: int | None = None
        self.time: Instant = 0
        """The venue's instant of the last message applied, 0 where it tells none."""
        self.received: Instant = 0
        self.listeners: list[Callable[[BookMessage], None]] = []
        """Called with each message after it took effect; must return at once."""
        self.evidence = Evidence(kinds)
        """What the tracker counts; users read `proof`."""

    def __repr__(self) -> str:
        return f"<OrderBook {self.instrument.id} {self.state}, {len(self.bid_side)} bids, {len(self.ask_side)} asks>"

    @property
    def live(self) -> bool:
        """Whether the book is proven and may be read."""
        return self.state is BookState.LIVE

    @property
    def proof(self) -> Proof:
        """What the book rests on. Raises nothing: of a book that is not LIVE it tells what it last rested on."""
        return self.evidence.proof()

    @property
    def unproven(self) -> BookView:
        """The same numbers without a promise: whatever the state, and beyond the known levels."""
        return self._view

    @property
    def crossed(self) -> bool:
        """Whether the best bid is strictly above the best ask. Equal is locked, and legal."""
        bids, asks = self.bid_side, self.ask_side
        if not (bids.keys and asks.keys):
            return False
        bid, ask = bids.keys[-1], asks.keys[-1]
        if bids.key_type is asks.key_type is float:
            return bool(bid > -ask)
        return exact_price(bid) > exact_price(ask)

    def adopt_rules(self, instrument: Instrument) -> None:
        """The instrument as it is from now on. For the tracker."""
        self.instrument = self._view.instrument = instrument

    async def wait_live(self) -> None:
        """Return once the book is LIVE. Raises `BookNotLive` when it is CLOSED and never will be."""
        if self.live:
            return
        async with self.changes() as changes:
            async for _ in changes:
                if self.live:
                    return
                if self.state is BookState.CLOSED:
                    break
        raise BookNotLive(self.instrument.id, self.state, self.reason)

    def changes(self) -> Changes:
        """The book itself, each time it has changed since it was last looked at: conflated, never behind, never full.

        ``async for book in book.changes(): ...`` ends when the book is CLOSED.
        """
        return Changes(self)

    def every_change(self, buffer: int = 10_000) -> EveryChange:
        """Every message that took effect, in order; a consumer more than `buffer` behind finds an `Overflow`.

        The book is ahead of what is read here: a message tells what changed, not what the book is now.
        """
        return EveryChange(self, buffer)

    @property
    def bids_known_to(self) -> Decimal | None:
        """The lowest bid price that is known; None when the whole side is."""
        return self._edge(self.bid_side)

    @property
    def asks_known_to(self) -> Decimal | None:
        """The highest ask price that is known; None when the whole side is."""
        return self._edge(self.ask_side)

    def _best(self, ladder: Ladder) -> Level | None:
        if self.state is not BookState.LIVE:
            raise BookNotLive(self.instrument.id, self.state, self.reason)
        keys, horizon = ladder.keys, ladder.horizon
        if not keys:
            if horizon is not None:
                raise self._unknown(ladder)
            return None
        key = keys[-1]
        if horizon is not None and key < horizon:
            raise self._unknown(ladder)
        return _level(ladder.rows[key])

    def _walk(self, ladder: Ladder) -> Iterator[Row]:
        self._require_live()
        horizon = ladder.horizon
        if horizon is None:
            return iter(ladder)
        return (ladder.rows[key] for key in takewhile(lambda key: key >= horizon, ladder.descending()))

    def _side(self, side: Side) -> Ladder:
        self._require_live()
        return super()._side(side)

    def _reach(self, ladder: Ladder, key: Any) -> None:
        if ladder.horizon is not None and key < ladder.horizon:
            raise self._unknown(ladder)

    def _edge(self, ladder: Ladder) -> Decimal | None:
        return None if ladder.horizon is None else exact_price(ladder.horizon)

    def _require_live(self) -> None:
        if self.state is not BookState.LIVE:
            raise BookNotLive(self.instrument.id, self.state, self.reason)

    def _unknown(self, ladder: Ladder) -> LevelsUnknown:
        side = "bids" if ladder.side is Side.BUY else "asks"
        return LevelsUnknown(f"the {side} of {self.instrument.id} are known to {self._edge(ladder)} only")


def _level(row: Row) -> Level:
    price = row[0]
    return Level(Decimal(price if type(price) is str else repr(price)), Decimal(row[1]))
