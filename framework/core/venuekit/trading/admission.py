"""Admission: whether an order may be placed, judged before anything of it is stored.

Orders are judged together with what is open and with what is on its way into the store at the same moment, so that two calls at
once do not pass a limit that either of them alone keeps.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Context
from typing import Final

from attrs import evolve

from venuekit.books.book import OrderBook
from venuekit.orders.facts import OrderFacts
from venuekit.orders.in_flight import InFlightOrder
from venuekit.trading.desk import Desk
from venuekit.trading.limits import PreTradeLimits, Standing, check_limits
from venuekit.trading.requests import OrderRequest
from venuekit.trading.rules import check, check_open_orders
from venuekit_spec import Description, NewOrder

_EXACT: Final = Context(prec=100)


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
        now, open_ = venue.venue_time(), self._desk.tracker.adding_up
        resting: dict[str, int] = {}
        for request in requests:
            instrument = venue.instruments[request.pair]
            check(request, instrument, self._description, now)
            count = resting.get(instrument.id, open_.number(instrument.id))
            check_open_orders(count, instrument)
            resting[instrument.id] = count + 1
        drafts = [request.intent("") for request in requests]
        self.limit(limits, drafts)
        return drafts

    def limit(
        self, limits: PreTradeLimits, orders: Iterable[NewOrder], *, without: InFlightOrder | None = None
    ) -> None:
        """Raise `LimitBroken` where these orders break a limit beside those that are open, `without` one of them."""
        check_limits(limits, orders, self._standing(without), self._desk.venue.instruments, self._books)

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

    def _standing(self, without: InFlightOrder | None) -> Standing:
        """What is open, and what is entering."""
        tracker = self._desk.tracker
        open_, worth = tracker.adding_up, dict(tracker.adding_up.worth)
        others = [_remaining(order) for order in open_.unpriced if order is not without]
        count = len(open_)
        if without is not None and without in open_:
            count -= 1
            counted = open_.worth_of(without)
            if counted is not None:
                worth[without.instrument] = _EXACT.subtract(worth[without.instrument], counted)
        entering = [intent for id_, intent in self._entering.items() if id_ not in tracker.orders]
        return Standing(count + len(entering), worth, (*others, *entering))


def _remaining(order: OrderFacts) -> NewOrder:
    """An order as it stands, of what may still be filled."""
    remaining = order.quantity if order.remaining is None else order.remaining
    return evolve(order.intent, quantity=remaining, price=order.price)
