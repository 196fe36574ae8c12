"""What an account tells of its orders. Frozen, in order, each after it took effect.

Every event has the `account` and the instant `at` which it was noticed (this side's time).
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TypeAlias

from msgspec import Struct

from venuekit.orders.states import OrderState
from venuekit_spec import Fill, Instant, LocalError, OrderReport, VenuekitError


class OrderUpdate(Struct, frozen=True, kw_only=True):
    """Something of an order changed; its state from now on. `filled` and `remaining` in base units.

    `remaining` is None for an order sized in quote units of which the venue has not said it.
    """

    account: str
    client_order_id: str
    order_id: str
    instrument: str
    state: OrderState
    filled: Decimal
    remaining: Decimal | None
    reason: str
    at: Instant


class OrderFilled(Struct, frozen=True, kw_only=True):
    """A fill, told once; a later report that completes its fees changes the order silently."""

    account: str
    client_order_id: str
    fill: Fill
    at: Instant


class FillUndone(Struct, frozen=True, kw_only=True):
    """The venue took a fill back (its block was reversed); the order no longer counts it."""

    account: str
    client_order_id: str
    fill: Fill
    at: Instant


class OrderCompleted(Struct, frozen=True, kw_only=True):
    """An order is over and its fills add up to what the venue says was filled. Once per order."""

    account: str
    client_order_id: str
    state: OrderState
    filled: Decimal
    average_price: Decimal | None
    fees: Mapping[str, Decimal]
    at: Instant


class OrderUnknownOutcome(Struct, frozen=True, kw_only=True):
    """Nobody knows whether the venue has the order; it is being settled. `error` None: the process ended before the answer."""

    account: str
    client_order_id: str
    error: VenuekitError | None
    at: Instant


class Overfill(Struct, frozen=True, kw_only=True):
    """More was filled than was ordered. It is counted as filled, and told once per order."""

    account: str
    client_order_id: str
    quantity: Decimal
    filled: Decimal
    at: Instant


class StrayOrder(Struct, frozen=True, kw_only=True):
    """An open order of this account that the store does not have. Told once each."""

    account: str
    report: OrderReport
    at: Instant


class StrayFill(Struct, frozen=True, kw_only=True):
    """A fill of this account of an order that the store does not have. Told once each."""

    account: str
    fill: Fill
    at: Instant


class StoreFailing(Struct, frozen=True, kw_only=True):
    """The store could not write what it was given, or read what a report is of. That is kept and tried again.

    Nothing new is placed until writing succeeds.
    """

    account: str
    error: LocalError
    at: Instant


OrderEventOfAccount: TypeAlias = (
    OrderUpdate
    | OrderFilled
    | FillUndone
    | OrderCompleted
    | OrderUnknownOutcome
    | Overfill
    | StrayOrder
    | StrayFill
    | StoreFailing
)
"""Everything that an `OrderTracker` publishes."""
