"""Orders that wait for a price: stops and take-profits, triggered by the price of the last trade.

==================  =======================  ========================
type                buy is triggered at      sell is triggered at
==================  =======================  ========================
stop, stop limit    the trigger or above     the trigger or below
take profit (limit) the trigger or below     the trigger or above
==================  =======================  ========================

One that is past its trigger when it is placed is triggered at once. Of several that one trade reaches, those whose trigger
is nearest to where the price came from go first, then the older.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from sortedcontainers import SortedKeyList

from venuekit_simulator.accounts import LiveOrder
from venuekit_spec import NewOrder, OrderType, Side

_RISING: Final[dict[OrderType, Side]] = {
    OrderType.STOP: Side.BUY,
    OrderType.STOP_LIMIT: Side.BUY,
    OrderType.TAKE_PROFIT: Side.SELL,
    OrderType.TAKE_PROFIT_LIMIT: Side.SELL,
}
"""The side that is triggered by a price that rises."""

TRIGGERED: Final = frozenset(_RISING)
"""The types that wait for a trigger."""


def rising(order: NewOrder) -> bool:
    """Whether the order waits for the price to rise to its trigger."""
    return _RISING[order.type] is order.side


def reached(order: NewOrder, price: Decimal) -> bool:
    """Whether this price triggers the order."""
    assert order.trigger_price is not None
    return price >= order.trigger_price if rising(order) else price <= order.trigger_price


def _nearest_above(order: LiveOrder) -> tuple[Decimal, int]:
    assert order.intent.trigger_price is not None
    return order.intent.trigger_price, order.number


def _nearest_below(order: LiveOrder) -> tuple[Decimal, int]:
    assert order.intent.trigger_price is not None
    return order.intent.trigger_price.copy_negate(), order.number


class Triggers:
    """The waiting orders of one instrument."""

    def __init__(self) -> None:
        self._rising: SortedKeyList[LiveOrder, tuple[Decimal, int]] = SortedKeyList(key=_nearest_above)
        self._falling: SortedKeyList[LiveOrder, tuple[Decimal, int]] = SortedKeyList(key=_nearest_below)

    def add(self, order: LiveOrder) -> None:
        """It waits from now on."""
        self._list(order).add(order)

    def remove(self, order: LiveOrder) -> None:
        """It waits no more."""
        self._list(order).remove(order)

    def take(self, price: Decimal) -> LiveOrder | None:
        """The next order that this price triggers, taken out; None for none."""
        for waiting in (self._rising, self._falling):
            if waiting and reached(waiting[0].intent, price):
                return waiting.pop(0)
        return None

    def _list(self, order: LiveOrder) -> SortedKeyList[LiveOrder, tuple[Decimal, int]]:
        return self._rising if rising(order.intent) else self._falling
