"""The orders of an account that are at hand, and how they are found. The others are in the store.

1. Every order that is not complete is at hand; a complete one while it is among the recent ones, or while somebody holds it.
2. A venue's id counts together with the instrument: on some venues (Binance) it is unique for that only. It is found alone as
   well, where the instrument is not said.
3. An order awaits an id while it has none, and while an amendment may give it another one: words may come under that id first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final
from weakref import WeakValueDictionary

from venuekit.orders.in_flight import InFlightOrder

RECENT: Final = 1_000
"""How many complete orders stay at hand."""


class OrdersAtHand:
    """Orders by our id and by the venue's. `orders` has all of them by our id, `incomplete` those that are not complete."""

    def __init__(self) -> None:
        self.orders: dict[str, InFlightOrder] = {}
        self.incomplete: dict[str, InFlightOrder] = {}
        self._awaiting: dict[str, InFlightOrder] = {}
        self._recent: deque[str] = deque()
        self._older: WeakValueDictionary[str, InFlightOrder] = WeakValueDictionary()
        self._by_id: dict[tuple[str, str], InFlightOrder] = {}

    @property
    def awaiting(self) -> frozenset[str]:
        """The instruments in which an order may have a venue id that is still to come."""
        return frozenset(order.instrument for order in self._awaiting.values())

    def awaits_id(self, order: InFlightOrder) -> bool:
        """Whether it awaited an id when it was last looked at."""
        return order.client_order_id in self._awaiting

    def get(self, client_order_id: str) -> InFlightOrder | None:
        """An order by our id."""
        return self.orders.get(client_order_id) or self._older.get(client_order_id)

    def find(self, order_id: str, instrument: str = "") -> InFlightOrder | None:
        """An order by an id of the venue's."""
        return self._by_id.get((order_id, instrument))

    def add(self, order: InFlightOrder) -> None:
        """An order that was just made, or came out of the store; a complete one is here as long as somebody holds it."""
        if order.complete:
            self._older[order.client_order_id] = order
        else:
            self.orders[order.client_order_id] = self.incomplete[order.client_order_id] = order
            self.look(order)

    def drop(self, order: InFlightOrder) -> None:
        """It was never made after all."""
        del self.orders[order.client_order_id], self.incomplete[order.client_order_id]
        self.look(order)

    def look(self, order: InFlightOrder) -> None:
        """It has changed: whether it awaits an id now."""
        awaits = bool(order.amending) or (not order.order_id and not order.done)
        if awaits and order.client_order_id in self.incomplete:
            self._awaiting[order.client_order_id] = order
        else:
            self._awaiting.pop(order.client_order_id, None)

    def index(self, order: InFlightOrder, before: Sequence[str] = ()) -> bool:
        """Find it by its ids from now on; whether any is new. `before`: its ids until now."""
        if order.client_order_id not in self.orders:
            return False  # an older one is found in the store
        self._forget(order, [order_id for order_id in before if order_id not in order.ids])
        new = [order_id for order_id in order.ids if order_id not in before]
        for order_id in new:
            for key in ((order_id, order.instrument), (order_id, "")):
                self._by_id.setdefault(key, order)
        return bool(new)

    def retire(self, order: InFlightOrder) -> bool:
        """It is complete, and stays at hand among the recent ones; whether that is news."""
        if self.incomplete.pop(order.client_order_id, None) is None:
            return False
        self._recent.append(order.client_order_id)
        if len(self._recent) > RECENT:
            oldest = self.orders.pop(self._recent.popleft())
            self._older[oldest.client_order_id] = oldest
            self._forget(oldest, oldest.ids)
        return True

    def _forget(self, order: InFlightOrder, ids: Iterable[str]) -> None:
        for order_id in ids:
            for key in ((order_id, order.instrument), (order_id, "")):
                if self._by_id.get(key) is order:
                    del self._by_id[key]
