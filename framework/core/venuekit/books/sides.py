"""Sides: the bids and asks of one book, and what a message does to them.

This is all that differs between a feed of levels and a feed of orders; what is the same for both is `TrackerEntry`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Generic, Self, TypeVar

from venuekit.books.audit import Drift, differences
from venuekit.books.ladder import Ladder, exact, exact_price
from venuekit.books.orders import ActiveOrders, OrderCounters
from venuekit_spec import (
    ActiveOrderTracker,
    BookDelta,
    BookSnapshot,
    Checksum,
    OrderBookRow,
    OrderBookSnapshot,
    OrderEvent,
    OrderQueues,
    Row,
    Rows,
    Side,
    TopOfBook,
)

S = TypeVar("S", BookSnapshot, OrderBookSnapshot)
"""A snapshot, of levels or of orders."""

D = TypeVar("D", BookDelta, OrderEvent)
"""What changes it, of the same kind."""


class Sides(ABC, Generic[S, D]):
    """Bids and asks. Whatever `MALFORMED_ROW` names, or a `MalformedMessage`, comes out of `load` and `apply`."""

    __slots__ = ("asks", "bids")

    def __init__(self, bids: Ladder, asks: Ladder) -> None:
        self.bids = bids
        self.asks = asks

    @abstractmethod
    def load(self, snapshot: S) -> None:
        """Become what a snapshot says."""

    @abstractmethod
    def apply(self, delta: D, /) -> None:
        """Change what a delta says."""

    @abstractmethod
    def changed_by(self, delta: D, /) -> tuple[Rows, Rows]:
        """The bids and asks that a delta changed; asked directly after it was applied."""

    @abstractmethod
    def fresh(self) -> Self:
        """The same, and empty."""

    def adopt(self, other: Any) -> None:
        """Become what others are."""
        self.bids.adopt(other.bids)
        self.asks.adopt(other.asks)

    def know_to(self, other: Self) -> None:
        """Beyond what others know, nothing is known here either."""
        for mine, others in ((self.bids, other.bids), (self.asks, other.asks)):
            mine.align(others)
            mine.horizon = others.horizon

    def cut(self, depth: int) -> None:
        """Drop the levels beyond the best `depth` of each side."""
        self.bids.cut(depth)
        self.asks.cut(depth)

    def checked(self, checksum: Checksum) -> tuple[Rows, Rows]:
        """The rows that a checksum covers, best first."""
        return self.bids.best(checksum.levels), self.asks.best(checksum.levels)

    def drift(
        self, other: Self, changed: Sequence[tuple[Rows, Rows]] = (), deltas: Sequence[D] | None = None
    ) -> list[Drift]:
        """Where others differ, apart from what is known to have `changed`: these rows, by these deltas.

        Without deltas both are of one moment.
        """
        found = []
        for place, (mine, others) in enumerate(((self.bids, other.bids), (self.asks, other.asks))):
            mine.align(others)
            ignoring = frozenset(mine.key(exact(row[0])) for rows in changed for row in rows[place])
            found += differences(mine, others, ignoring)
        return found

    def _empty(self) -> tuple[Ladder, Ladder]:
        bids, asks = (
            Ladder(ladder.side, exact=ladder.key_type is Decimal, whole=ladder.whole)
            for ladder in (self.bids, self.asks)
        )
        return bids, asks


class LevelSides(Sides[BookSnapshot, BookDelta]):
    """Of a feed that tells levels: its rows are the book's."""

    __slots__ = ()

    def load(self, snapshot: BookSnapshot) -> None:
        """Become what a snapshot says."""
        self.bids.load(snapshot.bids, snapshot.depth)
        self.asks.load(snapshot.asks, snapshot.depth)

    def apply(self, delta: BookDelta, /) -> None:
        """Change what a delta says."""
        self.bids.apply(delta.bids)
        self.asks.apply(delta.asks)

    def overlay(self, top: TopOfBook) -> None:
        """Make these the best levels: what is better, or crosses them, is gone."""
        for ladder, row, crossing in ((self.bids, top.bid, top.ask), (self.asks, top.ask, top.bid)):
            best = None if row is None else ladder.key(exact(row[0]))
            while ladder.keys and (best is None or ladder.keys[-1] > best):
                ladder.apply([(ladder.rows[ladder.keys[-1]][0], "0")])
            limit = None if crossing is None else ladder.key(exact(crossing[0]))
            while limit is not None and ladder.keys and ladder.keys[-1] > limit:
                ladder.apply([(ladder.rows[ladder.keys[-1]][0], "0")])
            if row is not None:
                ladder.apply([row])

    def changed_by(self, delta: BookDelta, /) -> tuple[Rows, Rows]:
        """The rows of a delta."""
        return delta.bids, delta.asks

    def fresh(self) -> Self:
        """The same, and empty."""
        return type(self)(*self._empty())


class OrderSides(Sides[OrderBookSnapshot, OrderEvent]):
    """Of a feed that tells orders: an `ActiveOrderTracker` makes rows of its messages, ``(price, size, orders, own size)``.

    `make` makes the tracker, and another one for each audit.
    """

    __slots__ = ("changed", "make", "own_ids", "queues", "tracker")

    def __init__(self, bids: Ladder, asks: Ladder, make: Callable[[], ActiveOrderTracker]) -> None:
        super().__init__(bids, asks)
        self.make = make
        self._track(make())
        self.changed: Sequence[OrderBookRow] = ()
        """The rows that the last event came to."""
        self.own_ids: frozenset[str] = frozenset()

    @property
    def counters(self) -> OrderCounters:
        """What the standard tracker counted; a venue's own tracker counts nothing here."""
        return self.tracker.counters if isinstance(self.tracker, ActiveOrders) else OrderCounters()

    def load(self, snapshot: OrderBookSnapshot) -> None:
        """Become what a snapshot says."""
        bids, asks = self.tracker.restart(snapshot)
        for ladder, rows in ((self.bids, bids), (self.asks, asks)):
            # the best last, as a ladder sorts
            ladder.load([_row(row) for row in reversed(rows)], snapshot.depth)

    def apply(self, event: OrderEvent, /) -> None:
        """Change what an event says."""
        self.changed = self.tracker.apply(event)
        if self.changed:
            self._set(self.changed)

    def changed_by(self, _event: OrderEvent, /) -> tuple[Rows, Rows]:
        """The rows that the last event came to."""
        bids: list[Row] = []
        asks: list[Row] = []
        for row in self.changed:
            (bids if row.side is Side.BUY else asks).append(_row(row))
        return bids, asks

    def fresh(self) -> Self:
        """The same, and empty; the user's orders are marked."""
        sides = type(self)(*self._empty(), self.make)
        sides.own(self.own_ids)
        return sides

    def adopt(self, other: Any) -> None:
        """Become what others are; what was counted stays, and whose orders are the user's."""
        super().adopt(other)
        if isinstance(self.tracker, ActiveOrders) and isinstance(other.tracker, ActiveOrders):
            other.tracker.counters = self.tracker.counters
        self._track(other.tracker)
        self.own(self.own_ids)

    def own(self, order_ids: Iterable[str]) -> None:
        """These are the user's orders from now on."""
        self.own_ids = frozenset(order_ids)
        self._set(self.tracker.own(self.own_ids))

    def cut(self, depth: int) -> None:
        """Drop the levels beyond the best `depth` of each side, and forget their orders."""
        queues = self.queues
        assert queues is not None
        for ladder in (self.bids, self.asks):
            for key in ladder.keys[: max(len(ladder.keys) - depth, 0)]:
                queues.forget(ladder.side, str(ladder.rows[key][0]))
        super().cut(depth)

    def checked(self, checksum: Checksum) -> tuple[Rows, Rows]:
        """The rows that a checksum covers: of levels, or ``(price, size, order id)`` of each order, in queue order."""
        levels = super().checked(checksum)
        if not checksum.orders:
            return levels
        bids, asks = (self._orders(side, rows) for side, rows in zip(Side, levels, strict=True))
        return bids, asks

    def drift(
        self,
        other: Any,
        changed: Sequence[tuple[Rows, Rows]] = (),
        deltas: Sequence[OrderEvent] | None = None,
    ) -> list[Drift]:
        """Where others differ, apart from what is known to have `changed`.

        Around a window order by order, where that can be: a level near the market changes all the time, and its orders do not.
        The sizes told are then those of the orders that should be the same.
        """
        if deltas is None or self.queues is None or other.queues is None:
            return super().drift(other, changed, deltas)
        moved = {event.order_id for event in deltas}
        found = []
        for mine, others in ((self.bids, other.bids), (self.asks, other.asks)):
            mine.align(others)
            edges = [ladder.horizon for ladder in (mine, others) if ladder.horizon is not None]
            live, fresh = self.resting(mine, moved), other.resting(others, moved)
            for key in {**live, **fresh}:
                if key < max(edges, default=key) or live.get(key) == fresh.get(key):
                    continue
                here, there = _sizes(live.get(key, {})), _sizes(fresh.get(key, {}))
                if here != there:
                    sizes = (sum(orders.values(), Decimal(0)) for orders in (here, there))
                    found.append(Drift(mine.side.value, exact_price(key), *sizes))
        return found

    def resting(self, ladder: Ladder, without: Container[str]) -> dict[Any, dict[str, str]]:
        """By key: the orders and their sizes as text, apart from some orders."""
        queues = self.queues
        assert queues is not None
        resting: dict[Any, dict[str, str]] = {}
        for key, row in ladder.rows.items():
            orders = {
                order.order_id: order.size
                for order in queues.queue(ladder.side, str(row[0]))
                if order.order_id not in without
            }
            if orders:
                resting[key] = orders
        return resting

    def _track(self, tracker: ActiveOrderTracker) -> None:
        self.tracker = tracker
        self.queues: OrderQueues | None = tracker if isinstance(tracker, OrderQueues) else None
        """The tracker, if it tells its queues."""

    def _orders(self, side: Side, levels: Rows) -> Rows:
        queues = self.queues
        assert queues is not None
        return [
            (order.price, order.size, order.order_id)
            for row in levels
            for order in queues.queue(side, str(row[0]))
        ]

    def _set(self, rows: Sequence[OrderBookRow]) -> None:
        for row in rows:
            (self.bids if row.side is Side.BUY else self.asks).apply((_row(row),))


def _row(row: OrderBookRow) -> Row:
    return row.price, row.size, row.orders, row.own_size


def _sizes(orders: Mapping[str, str]) -> dict[str, Decimal]:
    return {order_id: Decimal(size) for order_id, size in orders.items()}
