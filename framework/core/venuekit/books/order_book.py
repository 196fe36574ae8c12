"""OrderByOrderBook: an order book that also knows the orders behind its levels.

Its levels are read as those of any `OrderBook`. Rows have four elements: price, size, number of orders, and what of the size
is the user's. Reading orders obeys the same promises: `BookNotLive` while nothing is proven, `LevelsUnknown` beyond what the
venue showed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import NamedTuple

from venuekit.books.book import BookView, OrderBook
from venuekit.books.orders import ActiveOrders
from venuekit.books.sides import OrderSides
from venuekit_spec import ActiveOrderTracker, Instrument, OrderQueues, RestingOrder, Side, Unsupported


class BookOrder(NamedTuple):
    """One resting order: price in quote units, size in base units, whether it is the user's."""

    order_id: str
    side: Side
    price: Decimal
    size: Decimal
    own: bool


class OrderByOrderView(BookView):
    """The reading side of an order-by-order book, without a question about its state."""

    __slots__ = ("_sides",)

    def __init__(self, instrument: Instrument, sides: OrderSides) -> None:
        super().__init__(instrument, sides.bids, sides.asks)
        self._sides = sides

    def order(self, order_id: str) -> BookOrder | None:
        """One order; None when it is not in the book."""
        found = self._queues.find(order_id)
        return self._shown(found) if found else None

    def orders(self, side: Side, price: Decimal | str) -> list[BookOrder]:
        """The orders resting at one price, in queue order."""
        return [self._shown(order) for order in self._queues.queue(side, price)]

    def order_count(self, side: Side, price: Decimal | str) -> int:
        """How many orders rest at one price."""
        ladder = self._side(side)
        row = ladder.rows.get(ladder.key(price))
        return int(row[2]) if row else 0

    def own_size(self, side: Side, price: Decimal | str) -> Decimal:
        """What of the size at one price is the user's."""
        ladder = self._side(side)
        row = ladder.rows.get(ladder.key(price))
        return Decimal(row[3]) if row else Decimal(0)

    @property
    def own_orders(self) -> list[BookOrder]:
        """The user's orders among those in the book (`OrderByOrderBook.mark_own`): bids, then asks, best first."""
        queues = self._queues
        found = [self._shown(order) for id_ in self._sides.own_ids if (order := queues.find(id_))]
        return sorted(found, key=lambda order: (order.side, order.price * _sign(order.side), order.order_id))

    def queue_ahead(self, order_id: str) -> Decimal | None:
        """The size (base units) that is before this order in the queue of its price.

        None where it cannot be known: the order is not in the book, or the feed has no queue order.
        """
        return self._sides.tracker.queue_ahead(order_id)

    def _shown(self, order: RestingOrder) -> BookOrder:
        own = order.order_id in self._sides.own_ids
        return BookOrder(order.order_id, order.side, Decimal(order.price), Decimal(order.size), own)

    @property
    def _queues(self) -> OrderQueues:
        queues = self._sides.queues
        if queues is None:
            raise Unsupported(f"the order tracker of {self.instrument.id} does not tell single orders")
        return queues


class OrderByOrderBook(OrderBook):
    """A live order-by-order book: it answers only for what is proven. Made by its tracker entry."""

    __slots__ = ("_orders", "sides")

    def __init__(
        self,
        instrument: Instrument,
        kinds: tuple[str, ...] = (),
        *,
        whole: bool = False,
        make: Callable[[], ActiveOrderTracker] = ActiveOrders,
    ) -> None:
        super().__init__(instrument, kinds, whole=whole)
        self.sides = OrderSides(self.bid_side, self.ask_side, make)
        """What the tracker changes; users read the methods."""
        self._view = self._orders = OrderByOrderView(instrument, self.sides)

    @property
    def unproven(self) -> OrderByOrderView:
        """The same without a promise: whatever the state, and beyond the known levels."""
        return self._orders

    def mark_own(self, order_ids: Iterable[str]) -> None:
        """These are the user's resting orders from now on, in the book already or not. In any state."""
        self.sides.own(order_ids)

    def order(self, order_id: str) -> BookOrder | None:
        """One order; None when it is not in the book."""
        self._require_live()
        return self._orders.order(order_id)

    def orders(self, side: Side, price: Decimal | str) -> list[BookOrder]:
        """The orders resting at one price, in queue order. Raises `LevelsUnknown` beyond what is known."""
        self._known(side, price)
        return self._orders.orders(side, price)

    def order_count(self, side: Side, price: Decimal | str) -> int:
        """How many orders rest at one price. Raises `LevelsUnknown` beyond what is known."""
        self._known(side, price)
        return self._orders.order_count(side, price)

    def own_size(self, side: Side, price: Decimal | str) -> Decimal:
        """What of the size at one price is the user's. Raises `LevelsUnknown` beyond what is known."""
        self._known(side, price)
        return self._orders.own_size(side, price)

    @property
    def own_orders(self) -> list[BookOrder]:
        """The user's orders among those in the book (`mark_own`): bids, then asks, best first."""
        self._require_live()
        return self._orders.own_orders

    def queue_ahead(self, order_id: str) -> Decimal | None:
        """The size (base units) that is before this order in the queue of its price.

        None where it cannot be known: the order is not in the book, or the feed has no queue order.
        """
        self._require_live()
        return self._orders.queue_ahead(order_id)

    def _known(self, side: Side, price: Decimal | str) -> None:
        ladder = self._side(side)
        self._reach(ladder, ladder.key(price))


def _sign(side: Side) -> int:
    return -1 if side is Side.BUY else 1
