"""What a connector says to the core: values, one way, frame after frame.

These are the hot path. They are frozen `msgspec` structures without garbage-collector tracking: they hold the level lists
just as the decoder made them and are never part of a cycle.

A *row* is one price level: ``(price, size, ...)``. The size is decimal text as it came from the wire, in plain notation (no
exponent, no sign), absolute; zero removes the level. The price is decimal text too, or, where `Instrument.float_keys` holds,
the double of that text, which a typed decoder makes for nothing and which gives the text back exactly. So both stay exact at
any length, and nothing is made per level until a user reads it. What follows the second element is the venue's (number of
orders, an id of the row) and is used only where the `SyncRule` says so.

`time` is the venue's instant or 0 where the venue tells none; `received` is the instant at which the driver had the frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, TypeAlias

from msgspec import Struct

from venuekit_spec.instruments import Instrument, InstrumentStatus
from venuekit_spec.times import Instant

Row: TypeAlias = tuple[str | float, str, *tuple[Any, ...]]
"""One price level, ``(price, size, ...)``: decimal text as it came from the wire, the price perhaps as a double."""

Rows: TypeAlias = Sequence[Row]


class Side(StrEnum):
    """Which side of the market: a bid or an ask of a book, the taker of a trade, an order."""

    BUY = "buy"
    SELL = "sell"

    @property
    def opposite(self) -> Side:
        """The other side."""
        return Side.SELL if self is Side.BUY else Side.BUY


class BookSnapshot(Struct, frozen=True, gc=False, kw_only=True):
    """The book at one moment. It replaces, never merges.

    `last` is the update id it stands at, None where the venue gives none. `depth` is the number of levels a side it was
    limited to: a side with that many rows may have more, and those are unknown; None means the whole book.
    """

    instrument: str
    bids: Rows
    asks: Rows
    last: int | None = None
    depth: int | None = None
    checksum: int | None = None
    time: Instant = 0
    received: Instant = 0


class BookDelta(Struct, frozen=True, gc=False, kw_only=True):
    """Changed levels, in the order in which they are to be applied.

    `first` to `last` are the update ids the message covers (equal, or `first` None, where it covers one), `previous` the
    id of the message before it where the venue links them.
    """

    instrument: str
    bids: Rows
    asks: Rows
    first: int | None = None
    last: int | None = None
    previous: int | None = None
    checksum: int | None = None
    time: Instant = 0
    received: Instant = 0


class BookChecksum(Struct, frozen=True, gc=False, kw_only=True):
    """A checksum that travels in a frame of its own (Bitfinex): it stands for the book after everything before it."""

    instrument: str
    checksum: int
    received: Instant = 0


class TopOfBook(Struct, frozen=True, gc=False, kw_only=True):
    """Best bid and ask from a channel of their own; None for an empty side. `last` as in `BookDelta`."""

    instrument: str
    bid: Row | None
    ask: Row | None
    last: int | None = None
    time: Instant = 0
    received: Instant = 0


class Trade(Struct, frozen=True, gc=False, kw_only=True):
    """One public trade. `side` is the taker's. `key` is unique per instrument; `sequence` rises by one where it does."""

    instrument: str
    price: str
    size: str
    side: Side
    key: str
    sequence: int | None = None
    time: Instant = 0
    received: Instant = 0


class RestingOrder(Struct, frozen=True, gc=False):
    """One order of an order-by-order book; its place in the list is its place in the queue of its price."""

    order_id: str
    side: Side
    price: str
    size: str


class OrderBookSnapshot(Struct, frozen=True, gc=False, kw_only=True):
    """An order-by-order book at one moment: every resting order, per price in queue order. Replaces.

    `last` and `depth` (in price levels a side) as in `BookSnapshot`.
    """

    instrument: str
    orders: Sequence[RestingOrder]
    last: int | None = None
    depth: int | None = None
    checksum: int | None = None
    time: Instant = 0
    received: Instant = 0


class OrderAction(StrEnum):
    """What an order event does to the book. The effects are a table in the core's active-order tracker.

    ========  =========================================================================================
    OPEN      the order rests with `size`, at the tail of its price; known otherwise: it is replaced
    CHANGE    the order now has `size`, and `price` where given; a new price loses the place in the queue, and so does
              a larger size unless `keeps_place`
    MATCH     `size` of the order was executed; at zero it is gone
    DONE      the order is gone (filled, cancelled, or out of the window); price and size may be absent
    NOTHING   only the sequence moves (received, noop)
    ========  =========================================================================================
    """

    OPEN = "open"
    CHANGE = "change"
    MATCH = "match"
    DONE = "done"
    NOTHING = "nothing"


class OrderEvent(Struct, frozen=True, gc=False, kw_only=True):
    """One event of an order-by-order feed. Empty text where the venue does not say (a cancel that carries only an id).

    `checksum` is that of the book after the event; of a frame of several, that of its last event counts.
    """

    instrument: str
    action: OrderAction
    more: bool = False
    """Further events of the same frame follow; a frame is one step: it is cut to depth and published after the last."""
    order_id: str = ""
    side: Side | None = None
    price: str = ""
    size: str = ""
    keeps_place: bool = False
    """Of a CHANGE: a larger size at the same price keeps its place in the queue (Kraken)."""
    first: int | None = None
    last: int | None = None
    previous: int | None = None
    checksum: int | None = None
    time: Instant = 0
    received: Instant = 0


class OrderBookRow(Struct, frozen=True, gc=False):
    """What order events come to: the aggregate of one price. `size` zero: the level is gone.

    `orders` counts the resting orders, `own_size` is what of `size` is the user's.
    """

    side: Side
    price: str
    size: str
    orders: int = 0
    own_size: str = "0"


class Continuity(Struct, frozen=True, gc=False, kw_only=True):
    """The number of a frame in a sequence that spans a whole connection (or a channel of it).

    Emitted for *every* frame of the sequence, also for those that carry no book. A hole takes every book of `scope` out
    of LIVE. A scope is a channel (``book``) or a topic (``str(Topic)``) of the connection; an empty one, or any other text, is
    the whole connection.
    """

    n: int
    scope: str = ""


class StatusChange(Struct, frozen=True, gc=False, kw_only=True):
    """The venue changed what it lets one do with an instrument. An auction or a halt may cross a book legitimately."""

    instrument: str
    status: InstrumentStatus
    time: Instant = 0
    received: Instant = 0


class InstrumentChange(Struct, frozen=True, kw_only=True):
    """The venue changed the rules of an instrument while we run (Kraken, Bybit, dYdX); precisions matter to checksums."""

    instrument: Instrument
    received: Instant = 0


OrderBookMessage: TypeAlias = (
    BookSnapshot
    | BookDelta
    | BookChecksum
    | TopOfBook
    | Trade
    | OrderBookSnapshot
    | OrderEvent
    | Continuity
    | StatusChange
    | InstrumentChange
)
"""Everything that the public side of a session emits."""
