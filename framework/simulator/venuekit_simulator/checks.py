"""The trading rules: what an order must be to be taken at all. Each broken one is an error whose code is an `EngineRefusal`.

An order is checked for its shape first (does its type want a price, a trigger; may it be post-only), then against what the
instrument's status permits, then against the rules of price, size and notional. Nothing is ever corrected.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Final, NoReturn

from venuekit_simulator.exact import EXACT, FINEST
from venuekit_simulator.triggers import TRIGGERED
from venuekit_spec import (
    EngineRefusal,
    Instant,
    Instrument,
    InstrumentKind,
    InstrumentStatus,
    NewOrder,
    OrderType,
    Refused,
    RuleViolated,
    Side,
    TimeInForce,
    Unit,
)

PRICED: Final = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_LIMIT})
"""The types that have a limit price."""

IMMEDIATE: Final = frozenset({TimeInForce.IOC, TimeInForce.FOK})
"""Those that never rest."""

_LARGEST_SIZE: Final = Decimal("1e30")

_PERMITTED: Final[dict[InstrumentStatus, Callable[[NewOrder], bool]]] = {
    InstrumentStatus.TRADING: lambda _: True,
    InstrumentStatus.CANCEL_ONLY: lambda _: False,
    InstrumentStatus.POST_ONLY: lambda order: order.post_only,
    InstrumentStatus.BUY_ONLY: lambda order: order.side is Side.BUY,
    InstrumentStatus.SELL_ONLY: lambda order: order.side is Side.SELL,
    InstrumentStatus.LIMIT_ONLY: lambda order: order.type in PRICED,
    InstrumentStatus.REDUCE_ONLY: lambda order: order.reduce_only,
    InstrumentStatus.AUCTION: lambda _: False,
    InstrumentStatus.HALTED: lambda _: False,
    InstrumentStatus.DELISTED: lambda _: False,
}
"""Which orders an instrument takes, by its status. An order may be cancelled in all of them."""


def broken(code: EngineRefusal, message: str) -> NoReturn:
    """Refuse for a rule."""
    raise RuleViolated(message, code=code)


def check_order(order: NewOrder, instrument: Instrument, reference: Decimal, now: Instant) -> None:
    """Whether an order may be taken; `reference` is the price that values an order without one (the last trade's).

    Raises `RuleViolated` for a rule of shape, price, size or notional, `Refused` for a status that does not permit it and
    for a deadline that has passed.
    """
    _check_shape(order, instrument, now)
    check_status(order, instrument)
    for price in (order.price, order.trigger_price):
        if price is not None and not _is_price(price, instrument):
            broken(EngineRefusal.PRICE, f"the price {price} is not one that {instrument.id} allows")
    _check_quantity(order, instrument)
    _check_notional(order, instrument, reference)


def check_status(order: NewOrder, instrument: Instrument) -> None:
    """Whether the instrument takes such an order right now. Raises `Refused`."""
    if not _PERMITTED[instrument.status](order):
        raise Refused(f"{instrument.id} is {instrument.status}", code=EngineRefusal.NOT_TRADING)


def _check_shape(order: NewOrder, instrument: Instrument, now: Instant) -> None:
    priced = order.type in PRICED
    if order.deadline is not None and now > order.deadline:
        raise Refused("the deadline of the order has passed", code=EngineRefusal.DEADLINE)
    if priced is not (order.price is not None):
        broken(EngineRefusal.PRICE, f"a {order.type} order has {'a' if priced else 'no'} limit price")
    if (order.type in TRIGGERED) is not (order.trigger_price is not None):
        wanted = "a" if order.type in TRIGGERED else "no"
        broken(EngineRefusal.PRICE, f"a {order.type} order has {wanted} trigger price")
    if order.unit is Unit.QUOTE and order.type is not OrderType.MARKET:
        broken(EngineRefusal.UNSUPPORTED, f"a {order.type} order is sized in base units")
    if order.post_only and (not priced or order.time_in_force in IMMEDIATE):
        broken(EngineRefusal.UNSUPPORTED, f"a {order.type} {order.time_in_force} order cannot be post-only")
    if order.time_in_force is TimeInForce.GTD and (order.expires is None or order.expires <= now):
        broken(EngineRefusal.UNSUPPORTED, "an order that is good until a date has one that is to come")
    if order.reduce_only and instrument.kind is InstrumentKind.SPOT:
        broken(EngineRefusal.REDUCE_ONLY, "there are no positions to reduce on a spot market")
    if order.reduce_only and order.unit is Unit.QUOTE:
        broken(EngineRefusal.UNSUPPORTED, "a reduce-only order is sized in base units")


def _is_price(price: Decimal, instrument: Instrument) -> bool:
    rule = instrument.price
    return rule.allows(price) and (bool(rule.tick) or not EXACT.remainder(price, FINEST))


def _check_quantity(order: NewOrder, instrument: Instrument) -> None:
    rule, quantity, market = instrument.size, order.quantity, order.type not in PRICED
    if not quantity.is_finite() or not 0 < quantity <= _LARGEST_SIZE:
        broken(EngineRefusal.QUANTITY, f"the quantity {quantity} is not a positive number")
    if order.unit is Unit.QUOTE:
        step, minimum, maximum = rule.quote_step, None, None
    elif market:
        step = rule.market_step or rule.step
        minimum, maximum = rule.market_minimum or rule.minimum, rule.market_maximum or rule.maximum
    else:
        step, minimum, maximum = rule.step, rule.minimum, rule.maximum
    if EXACT.remainder(quantity, step or FINEST):
        broken(EngineRefusal.QUANTITY, f"the quantity {quantity} is not a multiple of {step or FINEST}")
    if minimum is not None and quantity < minimum:
        broken(EngineRefusal.QUANTITY, f"the quantity {quantity} is below the smallest, {minimum}")
    if maximum is not None and quantity > maximum:
        broken(EngineRefusal.QUANTITY, f"the quantity {quantity} is above the largest, {maximum}")


def _check_notional(order: NewOrder, instrument: Instrument, reference: Decimal) -> None:
    if order.reduce_only:
        return
    price = order.price or order.trigger_price or reference
    notional = order.quantity if order.unit is Unit.QUOTE else EXACT.multiply(price, order.quantity)
    minimum, maximum = instrument.minimum_notional, instrument.maximum_notional
    if minimum is not None and notional < minimum:
        broken(EngineRefusal.NOTIONAL, f"the notional {notional} is below the smallest, {minimum}")
    if maximum is not None and notional > maximum:
        broken(EngineRefusal.NOTIONAL, f"the notional {notional} is above the largest, {maximum}")
