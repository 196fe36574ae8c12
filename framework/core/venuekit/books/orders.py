"""Active orders: order-by-order messages become the rows of aggregated levels, in one place for all venues.

Every event has one defined effect, whether the order is known or not. `s` is the size of the event, `r` what rests:

========  ======================  =======================  ==========================================================
action    detail                  unknown order            known order
========  ======================  =======================  ==========================================================
OPEN      s > 0                   rests, at the tail of    is *replaced*: leaves its place, rests at the tail of
                                  its price                the price told
OPEN      s = r, same price       (as above)               none: it was told again, as when events that a snapshot
          and side                                         has already are replayed on top of it
OPEN      s = 0                   none, *empty*            is gone, *replaced*
CHANGE    s < r, same price       none, *unknown*          has s, keeps its place
CHANGE    s = r, same price       none, *unknown*          none
CHANGE    s > r, same price       none, *unknown*          has s, goes to the tail; with `keeps_place` it keeps its own
CHANGE    another price           none, *unknown*          leaves, rests at the tail of the new price with s
CHANGE    s = 0                   none, *unknown*          is gone
CHANGE    no price or no size     none, *unknown*          what is not told stays
MATCH     s < r                   none, *unknown*          has r - s, keeps its place
MATCH     s = r                   none, *unknown*          is gone
MATCH     s > r                   none, *unknown*          is gone, *overmatched*
MATCH     s = 0                   none, *unknown*          none
DONE      price and size may be   none, *unknown*          is gone, from where we know it to be: neither price nor
          absent, or differ                                size of the event are looked at
NOTHING                           none                     none
========  ======================  =======================  ==========================================================

The words in italics are the `OrderCounters` that count the case. A price is the same price when it is the same number; the
text is that of the order which made the level. Side, price and size are wanted of an OPEN only, a size of a MATCH; the side
of other events is not looked at, the order's own holds.

An order that left (done, or out of the window: `forget`) may come back, as an OPEN of an unknown order. A snapshot is all its
orders opened in turn; one of size zero rests nowhere.

Sizes are summed exactly. The sum of a level is kept, so an event costs the same however many orders rest at its price.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow
from math import inf
from typing import Any, Final, TypeAlias

from attrs import define
from msgspec import Struct

from venuekit.books.ladder import MALFORMED_ROW, SAFE_LENGTH, survives_float
from venuekit_spec import (
    MalformedMessage,
    OrderAction,
    OrderBookRow,
    OrderBookSnapshot,
    OrderEvent,
    RestingOrder,
    Side,
)

_CONTEXT: Final = Context(prec=100, traps=[InvalidOperation, Overflow, Inexact])
"""Sums are exact or refused; what is refused has more digits than any size."""

_add: Final = _CONTEXT.add
_subtract: Final = _CONTEXT.subtract

_ZERO: Final = Decimal(0)
_SMALLEST_SIZE: Final = Decimal("1e-40")
_LARGEST_SIZE: Final = Decimal("1e30")

_NO_ROWS: Final[tuple[OrderBookRow, ...]] = ()


@define
class OrderCounters:
    """How often an event of orders met what it should not, or need not.

    `unknown`: for an order that is not in the book. `replaced`: an open of one that is, otherwise than it is. `overmatched`: a
    match of more than rested. `empty`: an open of size zero.
    """

    unknown: int = 0
    replaced: int = 0
    overmatched: int = 0
    empty: int = 0


class PriceLevel(Struct, gc=False):
    """One price: its orders with their sizes as text, in queue order; their exact sum; how many are the user's."""

    side: Side
    key: Any
    price: str
    queue: dict[str, str]
    total: Decimal
    own: int = 0


class ActiveOrders:
    """The standard `ActiveOrderTracker`: every resting order of one book, by id and by price.

    `exact`: prices have too many digits for a double to tell them apart (see `venuekit.books.ladder`, which keys them the
    same way).
    """

    def __init__(self, *, exact: bool = False) -> None:
        self.counters = OrderCounters()
        self._key_type: type[float | Decimal] = Decimal if exact else float
        self._levels: dict[Any, PriceLevel] = {}
        """By the price as a number, negative for asks: the best of a side is the largest, and no two sides meet."""
        self._places: dict[str, PriceLevel] = {}
        """The level of each order."""
        self._own: frozenset[str] = frozenset()

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, order_id: str) -> bool:
        return order_id in self._places

    # The protocol

    def restart(self, snapshot: OrderBookSnapshot) -> tuple[Sequence[OrderBookRow], Sequence[OrderBookRow]]:
        """Start anew from a snapshot; the bids and the asks it comes to, best first. Raises `MalformedMessage`."""
        self._levels.clear()
        self._places.clear()
        try:
            self._fill(snapshot.orders)
        except MALFORMED_ROW as error:
            raise _malformed(error, snapshot.instrument, snapshot.orders[:3]) from error
        levels, row = self._levels, self._row
        bids: list[OrderBookRow] = []
        asks: list[OrderBookRow] = []
        for key in sorted(levels, reverse=True):
            (bids if key > 0 else asks).append(row(levels[key]))
        return bids, asks

    def apply(self, event: OrderEvent) -> Sequence[OrderBookRow]:
        """The rows that the event changes; empty for one without effect. Raises `MalformedMessage` on bad numbers."""
        try:
            return _EFFECTS[event.action](self, event)
        except MALFORMED_ROW as error:
            raise _malformed(error, event.instrument, event) from error

    def own(self, order_ids: Iterable[str]) -> Sequence[OrderBookRow]:
        """These are the user's resting orders from now on, known already or not; the rows that change by it."""
        own, before = frozenset(order_ids), self._own
        self._own = own
        touched: dict[Any, PriceLevel] = {}
        for order_id in own ^ before:
            level = self._places.get(order_id)
            if level is not None:
                level.own += 1 if order_id in own else -1
                touched[level.key] = level
        return [self._row(level) for level in touched.values()]

    def queue_ahead(self, order_id: str) -> Decimal | None:
        """The size (base units) before this order in the queue of its price; None for an order that is not in the book."""
        level = self._places.get(order_id)
        if level is None:
            return None
        ahead = _ZERO
        for other, size in level.queue.items():
            if other == order_id:
                break
            ahead = _add(ahead, Decimal(size))
        return ahead

    # Beyond it: what a limited window, a checksum over orders and a reader need

    def queue(self, side: Side, price: str | Decimal) -> list[RestingOrder]:
        """The orders at one price, in queue order; none where there is no level. Price and sizes as the venue wrote them."""
        level = self._levels.get(self._key(side, str(price)))
        if level is None:
            return []
        return [RestingOrder(order_id, side, level.price, size) for order_id, size in level.queue.items()]

    def find(self, order_id: str) -> RestingOrder | None:
        """One order; None when it is not in the book."""
        level = self._places.get(order_id)
        return RestingOrder(order_id, level.side, level.price, level.queue[order_id]) if level else None

    def forget(self, side: Side, price: str) -> None:
        """A level left the window of the feed: its orders are unknown from now on, and may come back."""
        level = self._levels.pop(self._key(side, price), None)
        if level is not None:
            for order_id in level.queue:
                del self._places[order_id]

    # Effects: the rows of the table above

    def _open(self, event: OrderEvent) -> Sequence[OrderBookRow]:
        order_id, side, size = event.order_id, event.side, _size(event.size)
        if not order_id or side is None:
            raise ValueError("an open without order id or side")
        before = self._places.get(order_id)
        if before is None:
            if not size:
                self.counters.empty += 1
                return _NO_ROWS
            level = self._level(side, event.price)
            self._rest(level, order_id, event.size, size)
            return (self._row(level),)
        if size and self._key(side, event.price) == before.key and size == Decimal(before.queue[order_id]):
            return _NO_ROWS
        self.counters.replaced += 1
        if not size:
            return (self._leave(before, order_id),)
        return self._move(before, order_id, side, event.price, event.size, size)

    def _change(self, event: OrderEvent) -> Sequence[OrderBookRow]:
        order_id = event.order_id
        level = self._places.get(order_id)
        if level is None:
            self.counters.unknown += 1
            return _NO_ROWS
        queue = level.queue
        text = event.size or queue[order_id]
        size = _size(text)
        if not size:
            return (self._leave(level, order_id),)
        if event.price and self._key(level.side, event.price) != level.key:
            return self._move(level, order_id, level.side, event.price, text, size)
        before = Decimal(queue[order_id])
        if size == before:
            return _NO_ROWS
        if size > before and not event.keeps_place:
            del queue[order_id]
        queue[order_id] = text
        level.total = _add(_subtract(level.total, before), size)
        return (self._row(level),)

    def _match(self, event: OrderEvent) -> Sequence[OrderBookRow]:
        order_id, matched = event.order_id, _size(event.size)
        level = self._places.get(order_id)
        if level is None:
            self.counters.unknown += 1
            return _NO_ROWS
        if not matched:
            return _NO_ROWS
        rest = _subtract(Decimal(level.queue[order_id]), matched)
        if rest > _ZERO:
            level.queue[order_id] = _text(rest)
            level.total = _subtract(level.total, matched)
            return (self._row(level),)
        self.counters.overmatched += rest < _ZERO
        return (self._leave(level, order_id),)

    def _done(self, event: OrderEvent) -> Sequence[OrderBookRow]:
        level = self._places.get(event.order_id)
        if level is None:
            self.counters.unknown += 1
            return _NO_ROWS
        return (self._leave(level, event.order_id),)

    def _nothing(self, _event: OrderEvent) -> Sequence[OrderBookRow]:
        return _NO_ROWS

    # Inside

    def _fill(self, orders: Sequence[RestingOrder]) -> None:
        """Open every order of a snapshot. Most stand next to others of their price, which spares looking it up."""
        places, own = self._places, self._own
        side: Side | None = None
        price = ""
        level: Any = None
        for order in orders:
            order_id, text = order.order_id, order.size
            size = Decimal(text)
            if not _SMALLEST_SIZE <= size < _LARGEST_SIZE:
                _size(text)  # refuses what is no size: this one is zero
                self.counters.empty += 1
                continue
            if order_id in places:
                self.counters.replaced += 1
                self._leave(places[order_id], order_id)
                side = None  # its level may be gone
            if order.price != price or order.side is not side:
                side, price = order.side, order.price
                level = self._level(side, price)
            level.queue[order_id] = text
            level.total = _add(level.total, size)
            places[order_id] = level
            if order_id in own:
                level.own += 1

    def _level(self, side: Side, price: str) -> PriceLevel:
        """The level of a price, made where there is none."""
        key = self._key(side, price)
        level = self._levels.get(key)
        if level is None:
            level = self._levels[key] = PriceLevel(side, key, price, {}, _ZERO)
        return level

    def _rest(self, level: PriceLevel, order_id: str, text: str, size: Decimal) -> None:
        """Put an order at the tail of a level."""
        level.queue[order_id] = text
        level.total = _add(level.total, size) if level.total else size
        self._places[order_id] = level
        if order_id in self._own:
            level.own += 1

    def _leave(self, level: PriceLevel, order_id: str) -> OrderBookRow:
        """Take an order out of its level; the row that the level comes to."""
        text = level.queue.pop(order_id)
        del self._places[order_id]
        if not level.queue:
            del self._levels[level.key]
            return OrderBookRow(level.side, level.price, "0")
        if order_id in self._own:
            level.own -= 1
        level.total = _subtract(level.total, Decimal(text))
        return self._row(level)

    def _move(
        self, before: PriceLevel, order_id: str, side: Side, price: str, text: str, size: Decimal
    ) -> Sequence[OrderBookRow]:
        """Take an order out of its level and put it at the tail of one, the same or another."""
        key = self._key(side, price)
        left = self._leave(before, order_id)
        level = self._level(side, price)
        self._rest(level, order_id, text, size)
        return (self._row(level),) if key == before.key else (left, self._row(level))

    def _row(self, level: PriceLevel) -> OrderBookRow:
        own = self._own_size(level) if level.own else "0"
        return OrderBookRow(level.side, level.price, _text(level.total), len(level.queue), own)

    def _own_size(self, level: PriceLevel) -> str:
        total = _ZERO
        for order_id in self._own:
            if order_id in level.queue:
                total = _add(total, Decimal(level.queue[order_id]))
        return _text(total)

    def _key(self, side: Side, price: str) -> Any:
        value = self._key_type(price)
        if not 0 < value < inf:
            raise ValueError(f"price {price!r}")
        if self._key_type is float and len(price) > SAFE_LENGTH and not survives_float(price):
            self._become_exact()
            value = Decimal(price)
        if side is Side.BUY:
            return value
        return value.copy_negate() if isinstance(value, Decimal) else -value

    def _become_exact(self) -> None:
        """The first price that a double cannot hold: all are told apart by decimals from now on."""
        self._key_type = Decimal
        levels, self._levels = self._levels.values(), {}
        for level in levels:
            level.key = self._key(level.side, level.price)
            self._levels[level.key] = level


_Effect: TypeAlias = Callable[[ActiveOrders, OrderEvent], Sequence[OrderBookRow]]

_EFFECTS: Final[dict[OrderAction, _Effect]] = {
    OrderAction.OPEN: ActiveOrders._open,  # noqa: SLF001  # the table of this module
    OrderAction.CHANGE: ActiveOrders._change,  # noqa: SLF001
    OrderAction.MATCH: ActiveOrders._match,  # noqa: SLF001
    OrderAction.DONE: ActiveOrders._done,  # noqa: SLF001
    OrderAction.NOTHING: ActiveOrders._nothing,  # noqa: SLF001
}


def _size(text: str) -> Decimal:
    """A size, zero or above. Raises `ValueError` or `ArithmeticError` for what is none."""
    size = Decimal(text)
    if _SMALLEST_SIZE <= size < _LARGEST_SIZE or not size:
        return size
    raise ValueError(f"size {text!r}")


def _text(size: Decimal) -> str:
    """A size as plain decimal text."""
    text = str(size)
    return f"{size:f}" if "E" in text else text


def _malformed(error: Exception, instrument: str, told: object) -> MalformedMessage:
    return MalformedMessage(f"no order: {error}", instrument=instrument, frame=repr(told))
