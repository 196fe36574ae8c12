"""The public book of one instrument: who rests where, and what is told of it, by order and by level.

Every change by order is told at once (`OrderEvent`, `last` rising by one). The levels that it touched are remembered, and told
once each when the command is done (`LevelChanged`, `id` rising by one).
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from venuekit_simulator.accounts import LiveOrder
from venuekit_simulator.exact import plain
from venuekit_simulator.matching import BookSide, reaches
from venuekit_spec import (
    BookImage,
    EngineEvent,
    Instant,
    LevelChanged,
    OrderAction,
    OrderEvent,
    RestingOrder,
    Side,
)


class Book:
    """Both sides of a book; `note` takes the events."""

    def __init__(self, instrument: str, note: Callable[[EngineEvent], None]) -> None:
        self.sides: dict[Side, BookSide] = {side: BookSide(side) for side in Side}
        self._instrument = instrument
        self._note = note
        self._touched: dict[tuple[Side, Decimal], None] = {}
        self._changed_at: Instant = 0
        self._level_id = 0
        self.event_id = 0
        """The number of the last event by order."""

    def crosses(self, side: Side, price: Decimal) -> bool:
        """Whether an order of that limit would trade at once."""
        best = self.sides[side.opposite].best()
        return best is not None and reaches(side, price, best)

    def image(self, depth: int | None) -> BookImage:
        """The book by level."""
        rows: dict[Side, tuple[tuple[Decimal, Decimal], ...]] = {}
        for side, levels in self.sides.items():
            found = levels.levels()
            count = len(levels) if depth is None else min(depth, len(levels))
            rows[side] = tuple(
                (level.price, level.size) for level, _ in zip(found, range(count), strict=False)
            )
        return BookImage(self._instrument, self._level_id, rows[Side.BUY], rows[Side.SELL], self._changed_at)

    def resting(self) -> list[RestingOrder]:
        """The book by order."""
        return [
            RestingOrder(order.order_id, side, plain(level.price), plain(order.remaining))
            for side, levels in self.sides.items()
            for level in levels.levels()
            for order in level.queue.values()
        ]

    def add(self, order: LiveOrder, now: Instant) -> None:
        """At the tail of its price."""
        self.sides[order.side].add(order)
        self.tell(OrderAction.OPEN, order, order.remaining, now)

    def remove(self, order: LiveOrder, now: Instant) -> None:
        """Out, without a trade."""
        self.sides[order.side].remove(order)
        self.tell(OrderAction.DONE, order, order.remaining, now)

    def take(self, order: LiveOrder, quantity: Decimal) -> None:
        """So much less of it rests, in its place; the caller changes the order, and tells."""
        side = self.sides[order.side]
        if quantity == order.remaining:
            side.remove(order)
        else:
            side.reduce(order, quantity)

    def tell(self, action: OrderAction, order: LiveOrder, size: Decimal, now: Instant) -> None:
        """Tell the book by order of a change, and remember the level."""
        price = order.price
        assert price is not None
        self._touched[order.side, price] = None
        self.event_id += 1
        self._note(
            OrderEvent(
                instrument=self._instrument,
                action=action,
                order_id=order.order_id,
                side=order.side,
                price=plain(price),
                size=plain(size),
                last=self.event_id,
                time=now,
            )
        )

    def settle_levels(self, now: Instant) -> None:
        """Note each level that changed since the last time, once, as it is now."""
        if not self._touched:
            return
        touched, self._touched = self._touched, {}
        self._changed_at = now
        for side, price in touched:
            self._level_id += 1
            size = self.sides[side].size(price)
            self._note(LevelChanged(self._instrument, self._level_id, side, price, size, now))
