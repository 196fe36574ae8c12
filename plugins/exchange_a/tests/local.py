"""What the tests of Exchange A say often."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from venuekit_spec import NewOrder, OrderEntry, Side
from venuekit_testkit import Hand, Subject


def local_venue(way: OrderEntry = OrderEntry.REST, account: str = "") -> Hand:
    """A venue that was asked nothing yet, and an account's client of it."""
    return Hand(Subject.of("exchange_a"), account=account, way=way, silent=True)


def limit(
    client_order_id: str, side: Side, price: str, quantity: str, instrument: str = "BTC-USDT", **more: Any
) -> NewOrder:
    """A limit order."""
    return NewOrder(instrument, side, Decimal(quantity), client_order_id, price=Decimal(price), **more)
