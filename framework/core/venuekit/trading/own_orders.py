"""The user's own orders in order-by-order books: marked there, for all accounts of an exchange together.

A book is told of the venue ids of every order of ours that is not over, whenever they change; so its levels tell what of them
is the user's, and where an order stands in its queue.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from venuekit.books.order_book import OrderByOrderBook
from venuekit.orders.in_flight import InFlightOrder


class OwnOrders:
    """Marks own orders in these books, by canonical id."""

    def __init__(self, books: Mapping[str, OrderByOrderBook]) -> None:
        self._books = books
        self._ids: dict[str, dict[tuple[str, str], frozenset[str]]] = {id_: {} for id_ in books}
        """By instrument: the venue ids of each order, by its account and client order id."""

    def changed(self, orders: Iterable[InFlightOrder]) -> None:
        """These orders may have other ids than before, or be over."""
        touched: set[str] = set()
        for order in orders:
            known = self._ids.get(order.instrument)
            if known is None:
                continue
            name = order.account, order.client_order_id
            ids = frozenset() if order.done else frozenset(order.ids)
            if ids == known.get(name, frozenset()):
                continue
            touched.add(order.instrument)
            if ids:
                known[name] = ids
            else:
                del known[name]
        for instrument in touched:
            self._books[instrument].mark_own(id_ for ids in self._ids[instrument].values() for id_ in ids)


__all__ = ["OwnOrders"]
