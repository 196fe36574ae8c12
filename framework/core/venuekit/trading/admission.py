"""Admission: whether an order may be placed, judged before anything of it is stored.

Orders are judged together with what is open and with what is on its way into the store at the same moment, so that two calls at
once do not pass a limit that either of them alone keeps.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from attrs import evolve

from venuekit.books.book import OrderBook
from venuekit.orders.in_flight import InFlightOrder
from venuekit.trading.desk import Desk
from venuekit.trading.limits import PreTradeLimits, check_limits
from venuekit.trading.requests import OrderRequest
from venuekit.trading.rules import check, check_open_orders
from venuekit_spec import Description, NewOrder


class Admission:
    """The gate of one account: the venue's rules and our limits."""

    def __init__(self, desk: Desk, description: Description, books: Mapping[str, OrderBook]) -> None:
        self._desk = desk
        self._description = description
        self._books = books
        self._entering: dict[str, NewOrder] = {}

    def admit(self, requests: Sequence[OrderRequest], limits: PreTradeLimits) -> list[NewOrder]:
        """The intents of these orders, without an id yet. Raises for the first that may not be placed."""
        venue = self._desk.venue
        now, open_ = venue.venue_time(), self._desk.tracker.open_orders
        resting: dict[str, int] = {}
        for order in open_:
            resting[order.instrument] = resting.get(order.instrument, 0) + 1
        for request in requests:
            instrument = venue.instruments[request.pair]
            check(request, instrument, self._description, now)
            check_open_orders(resting.get(instrument.id, 0), instrument)
            resting[instrument.id] = resting.get(instrument.id, 0) + 1
        drafts = [request.intent("") for request in requests]
        self.limit(limits, drafts, open_)
        return drafts

    def limit(
        self, limits: PreTradeLimits, orders: Iterable[NewOrder], beside: Iterable[InFlightOrder]
    ) -> None:
        """Raise `LimitBroken` where these orders break a limit beside those that are open."""
        check_limits(limits, orders, self._counted(beside), self._desk.venue.instruments, self._books)

    @contextmanager
    def entering(self, intents: Iterable[NewOrder]) -> Iterator[None]:
        """These are admitted, and on their way into the store."""
        entering = {intent.client_order_id: intent for intent in intents}
        self._entering |= entering
        try:
            yield
        finally:
            for id_ in entering:
                self._entering.pop(id_, None)

    def _counted(self, open_: Iterable[InFlightOrder]) -> list[NewOrder]:
        """Open orders as limits count them: what of each may still be filled; and what is entering."""
        counted = [
            evolve(
                order.intent,
                quantity=order.quantity if order.remaining is None else order.remaining,
                price=order.price,
            )
            for order in open_
        ]
        known = self._desk.tracker.orders
        return counted + [intent for id_, intent in self._entering.items() if id_ not in known]
