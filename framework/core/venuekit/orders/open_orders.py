"""`OpenOrders`: what the orders that are not over add up to, kept as they change. Pure.

A placement is judged beside everything that is open; so that this costs the same with ten orders and with ten thousand, each
change of an order changes sums, and nobody goes through all of them. An order without a price is worth what the book says at
that moment: those are kept one by one, they do not stay open for long.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from decimal import Context, Decimal
from types import MappingProxyType
from typing import Final

from venuekit.orders.facts import NOTHING, OrderFacts
from venuekit_spec import Unit

_EXACT: Final = Context(prec=100)


class OpenOrders:
    """Orders that are not over: how many, and what may still be filled of them is worth, by instrument."""

    def __init__(self) -> None:
        self._worth_of: dict[OrderFacts, Decimal | None] = {}
        self._numbers: dict[str, int] = {}
        self._worth: dict[str, Decimal] = {}
        self._unpriced: dict[OrderFacts, None] = {}

    def __len__(self) -> int:
        return len(self._worth_of)

    def __contains__(self, order: OrderFacts) -> bool:
        return order in self._worth_of

    def look(self, order: OrderFacts) -> None:
        """An order is new, or has changed."""
        self.forget(order)
        if order.done:
            return
        instrument, worth = order.instrument, _worth(order)
        self._worth_of[order] = worth
        self._numbers[instrument] = self._numbers.get(instrument, 0) + 1
        if worth is None:
            self._unpriced[order] = None
        else:
            self._worth[instrument] = _EXACT.add(self._worth.get(instrument, NOTHING), worth)

    def forget(self, order: OrderFacts) -> None:
        """An order is over, or never came to be."""
        if order not in self._worth_of:
            return
        instrument, worth = order.instrument, self._worth_of.pop(order)
        self._numbers[instrument] -= 1
        if worth is None:
            del self._unpriced[order]
        else:
            self._worth[instrument] = _EXACT.subtract(self._worth[instrument], worth)
        if not self._numbers[instrument]:
            del self._numbers[instrument]
            self._worth.pop(instrument, None)

    def number(self, instrument: str) -> int:
        """How many of an instrument are open."""
        return self._numbers.get(instrument, 0)

    @property
    def worth(self) -> Mapping[str, Decimal]:
        """What those that name a price are worth, by instrument, quote units."""
        return MappingProxyType(self._worth)

    def worth_of(self, order: OrderFacts) -> Decimal | None:
        """What one of them counts among `worth`; None where it names no price, or is not open."""
        return self._worth_of.get(order)

    @property
    def unpriced(self) -> Collection[OrderFacts]:
        """Those that name no price."""
        return self._unpriced.keys()


def _worth(order: OrderFacts) -> Decimal | None:
    if order.intent.unit is Unit.QUOTE:
        return order.quantity
    price = order.price or order.intent.trigger_price
    remaining = order.quantity if order.remaining is None else order.remaining
    return None if price is None else _EXACT.multiply(price, remaining)


__all__ = ["OpenOrders"]
