"""What a tracked book offers a paper account, and how its orders are told."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from venuekit_simulator.accounts import LiveOrder
from venuekit_simulator.exact import EXACT, ZERO
from venuekit_simulator.matching import reaches
from venuekit_spec import OrderReport, PaperBook, Side


class Offers:
    """What one tracked book offers, less what was taken of it. A level that shows another size is offered whole again."""

    def __init__(self, book: PaperBook) -> None:
        self._book = book
        self._taken: dict[Side, dict[Decimal, tuple[Decimal, Decimal]]] = {side: {} for side in Side}
        """By price: (size that the level showed, what was taken of it)."""

    @property
    def live(self) -> bool:
        """Whether the book is proven."""
        return self._book.live

    def of(self, side: Side) -> Iterator[tuple[Decimal, Decimal, Decimal]]:
        """(price, size still there, size shown) of bids or asks, best first; without levels that are wholly taken."""
        for price, size in self._book.levels(side):
            shown, taken = self._taken[side].get(price, (size, ZERO))
            left = EXACT.subtract(size, taken) if shown == size else size
            if left > 0:
                yield price, left, size

    def best(self, side: Side) -> Decimal | None:
        """The best price that the book shows, taken or not."""
        return next((price for price, _ in self._book.levels(side)), None)

    def take(self, side: Side, price: Decimal, shown: Decimal, quantity: Decimal) -> None:
        """So much of a level that shows this size is taken."""
        before, taken = self._taken[side].get(price, (shown, ZERO))
        self._taken[side][price] = (shown, EXACT.add(taken, quantity) if before == shown else quantity)

    def refresh(self) -> None:
        """Forget what was taken of levels that are gone or show another size."""
        for side, taken in self._taken.items():
            if taken:
                farthest = min(taken) if side is Side.BUY else max(taken)
                same = {}
                for price, size in self._book.levels(side):
                    if not reaches(side.opposite, farthest, price):
                        break
                    if price in taken and taken[price][0] == size:
                        same[price] = taken[price]
                self._taken[side] = same


def priority(order: LiveOrder) -> tuple[Decimal, int]:
    """The order in which an account's own orders are looked at: the best price first, then the oldest."""
    price = order.price or ZERO
    return (price.copy_negate() if order.side is Side.BUY else price, order.number)


def report_of(order: LiveOrder) -> OrderReport:
    """All that there is to say of an order."""
    sized_in_base = order.quantity is not None
    return OrderReport(
        order.intent.instrument,
        order_id=order.order_id,
        client_order_id=order.intent.client_order_id,
        status=order.status,
        filled=order.filled,
        remaining=order.remaining if sized_in_base else None,
        quantity=order.quantity,
        price=order.price,
        average_price=order.spent / order.filled if order.filled else None,
        side=order.side,
        type=order.intent.type,
        reason=order.reason,
        time=order.updated,
        received=order.updated,
    )
