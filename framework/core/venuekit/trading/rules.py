"""Trading rules: what the venue would refuse is refused here, before anything is stored or sent.

1. Checked, never corrected. An error names the rule and both numbers.
2. Only what is certain is refused: numbers against the instrument's rules, the shape of the order, what the connector claims.
   Whether a market trades right now is the venue's to say, since an instrument's status is as old as our list of them.
3. Who wants a number fitted says so: `quantise_price`, `quantise_quantity`.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import ROUND_DOWN, Context, Decimal
from typing import Final

from venuekit.trading.requests import Number, OrderRequest, exact
from venuekit_spec import (
    Capability,
    Description,
    Instant,
    Instrument,
    LocalError,
    OrderLife,
    OrderType,
    TimeInForce,
    Unit,
)

_EXACT: Final = Context(prec=100)

PRICED: Final = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_LIMIT})
"""Types that carry a limit price."""
TRIGGERED: Final = frozenset(OrderType) - {OrderType.LIMIT, OrderType.MARKET}
"""Types that wait for a trigger price."""

AT_ONCE: Final = frozenset({TimeInForce.IOC, TimeInForce.FOK})
"""What never rests; where orders end by height, it may carry one nevertheless."""


class RuleBroken(LocalError):
    """An order that the venue would refuse; nothing was stored or sent. `rule` is its name, `pair` the instrument."""

    def __init__(self, message: str, *, rule: str, pair: str) -> None:
        super().__init__(message)
        self.rule = rule
        self.pair = pair


def check(request: OrderRequest, instrument: Instrument, description: Description, now: Instant) -> None:
    """Raise `RuleBroken` for the first rule that `request` breaks; `now` is the venue's time."""
    for rule, problem in _problems(request, instrument, description, now):
        raise RuleBroken(problem, rule=rule, pair=instrument.id)


def check_open_orders(open_orders: int, instrument: Instrument) -> None:
    """Raise `RuleBroken` where one more order would be more than the venue lets rest in this instrument."""
    most = instrument.maximum_open_orders
    if most is not None and open_orders >= most:
        raise RuleBroken(
            f"{open_orders} orders are open, the most {most} of {instrument.id}",
            rule="open orders",
            pair=instrument.id,
        )


def check_height(request: OrderRequest, height: int, life: OrderLife) -> None:
    """Raise `RuleBroken` where an order is to end at a height that is past or too far, on a chain of that height."""
    expiry, latest = request.expires_at_height, height + life.maximum
    if expiry is None or height < expiry <= latest:
        return
    problem = (
        f"expires_at_height {expiry} is not above {height}, the height of the chain"
        if expiry <= height
        else f"expires_at_height {expiry} is above {latest}, the height of the chain ({height}) and {life.maximum} blocks"
    )
    raise RuleBroken(problem, rule="expiry height", pair=request.pair)


def check_amendment(price: Decimal | None, quantity: Decimal | None, instrument: Instrument) -> None:
    """Raise `RuleBroken` where a new price (quote units) or quantity (base units) breaks a rule."""
    problems = [*_price_problems(price, instrument, "price")] if price is not None else []
    if quantity is not None:
        problems += _size_problems(quantity, instrument, market=False)
    for rule, problem in problems:
        raise RuleBroken(problem, rule=rule, pair=instrument.id)


def quantise_price(instrument: Instrument, price: Number, rounding: str) -> Decimal:
    """The valid price next to `price` (quote units), in the direction of `rounding` (``decimal.ROUND_DOWN`` and its kin).

    Raises `RuleBroken` where that is no valid price (below the smallest, above the largest).
    """
    number, rule = exact(price, "the price"), instrument.price
    step = rule.tick
    if rule.significant_figures is not None and number:
        coarse = Decimal(1).scaleb(number.adjusted() - rule.significant_figures + 1)
        if rule.integers_always:
            coarse = min(coarse, Decimal(1))
        step = max(step, coarse)
    fitted = _multiple(number, step, rounding)
    for name, problem in _price_problems(fitted, instrument, "price"):
        raise RuleBroken(problem, rule=name, pair=instrument.id)
    return fitted


def quantise_quantity(
    instrument: Instrument,
    quantity: Number,
    rounding: str = ROUND_DOWN,
    *,
    market: bool = False,
    unit: Unit = Unit.BASE,
) -> Decimal:
    """The multiple of the step next to `quantity`; down, so that no more is asked for, unless `rounding` says otherwise.

    `market`: by the rules of market orders, where those differ. Raises `RuleBroken` where that is no valid quantity.
    """
    number = exact(quantity, "the quantity")
    size = instrument.size
    if unit is Unit.QUOTE:
        return _multiple(number, size.quote_step or Decimal(0), rounding)
    step = size.step if not market or size.market_step is None else size.market_step
    fitted = _multiple(number, step, rounding)
    for name, problem in _size_problems(fitted, instrument, market=market):
        raise RuleBroken(problem, rule=name, pair=instrument.id)
    return fitted


_Problem = tuple[str, str]
"""The rule, and what is wrong."""


def _problems(
    request: OrderRequest, instrument: Instrument, description: Description, now: Instant
) -> Iterator[_Problem]:
    yield from _shape_problems(request, description, now)
    yield from _claim_problems(request, description)
    if request.price is not None:
        yield from _price_problems(request.price, instrument, "price")
    if request.trigger_price is not None:
        yield from _price_problems(request.trigger_price, instrument, "trigger price")
    market = request.type not in PRICED
    if request.unit is Unit.BASE:
        yield from _size_problems(request.quantity, instrument, market=market)
    else:
        yield from _step_problems(request.quantity, instrument.size.quote_step, "quote step", instrument.id)
    yield from _notional_problems(request, instrument)


def _shape_problems(request: OrderRequest, description: Description, now: Instant) -> Iterator[_Problem]:
    """Parts of an order that do not go together."""
    kind, force = request.type, request.time_in_force
    if request.quantity <= 0:
        yield "quantity", f"quantity {request.quantity} is not above zero"
    for what, given, belongs in (
        ("price", request.price is not None, kind in PRICED),
        ("trigger price", request.trigger_price is not None, kind in TRIGGERED),
    ):
        if given is not belongs:
            yield what, f"a {kind} order {'needs a' if belongs else 'takes no'} {what}"
    for what, given, belongs in (
        ("expires", request.expires is not None, force is TimeInForce.GTD),
        ("expires_at_height", request.expires_at_height is not None, force is TimeInForce.GTB),
    ):
        lives = what == "expires_at_height" and description.order_life is not None and force in AT_ONCE
        if given is not belongs and not lives:
            yield what, f"time in force {force} {'needs' if belongs else 'takes no'} {what}"
    if request.post_only and (kind not in PRICED or force in AT_ONCE):
        yield "post only", f"a {kind} {force} order cannot be post-only"
    for what, instant in (("expires", request.expires), ("deadline", request.deadline)):
        if instant is not None and instant <= now:
            yield what, f"{what} {instant} is not after {now}, the venue's time"


def _claim_problems(request: OrderRequest, description: Description) -> Iterator[_Problem]:
    """What the connector does not claim to do."""
    venue = description.venue
    if description.order_types and request.type not in description.order_types:
        known = ", ".join(sorted(description.order_types))
        yield "order type", f"{venue} takes no {request.type} orders, only {known}"
    forces = description.times_in_force
    if forces and request.type in PRICED and request.time_in_force not in forces:
        known = ", ".join(sorted(forces))
        yield "time in force", f"{venue} takes no {request.time_in_force} orders, only {known}"
    if request.unit is Unit.QUOTE and Capability.QUOTE_SIZED not in description.capabilities:
        yield "unit", f"{venue} takes no quantities in quote units"


def _price_problems(price: Decimal, instrument: Instrument, what: str) -> Iterator[_Problem]:
    rule = instrument.price
    if price <= 0:
        yield what, f"{what} {price} is not above zero"
        return
    if rule.tick and _EXACT.remainder(price, rule.tick):
        yield "tick", f"{what} {price} is no multiple of the tick {rule.tick} of {instrument.id}"
    if rule.minimum is not None and price < rule.minimum:
        yield "minimum price", f"{what} {price} is below the smallest price {rule.minimum} of {instrument.id}"
    if rule.maximum is not None and price > rule.maximum:
        yield "maximum price", f"{what} {price} is above the largest price {rule.maximum} of {instrument.id}"
    figures = rule.significant_figures
    if figures is not None and not (rule.integers_always and price == price.to_integral_value()):
        digits = len(_EXACT.normalize(price).as_tuple().digits)
        if digits > figures:
            yield (
                "significant figures",
                f"{what} {price} has {digits} significant figures, the most of {instrument.id} are {figures}",
            )
    elif not rule.allows(price):
        yield what, f"{what} {price} is no valid price of {instrument.id}"


def _size_problems(quantity: Decimal, instrument: Instrument, *, market: bool) -> Iterator[_Problem]:
    size = instrument.size
    step, least, most = size.step, size.minimum, size.maximum
    if market:
        step = step if size.market_step is None else size.market_step
        least = least if size.market_minimum is None else size.market_minimum
        most = most if size.market_maximum is None else size.market_maximum
    yield from _step_problems(quantity, step, "step", instrument.id)
    if quantity <= 0:
        yield "quantity", f"quantity {quantity} is not above zero"
    elif least is not None and quantity < least:
        yield "minimum size", f"quantity {quantity} is below the smallest size {least} of {instrument.id}"
    elif most is not None and quantity > most:
        yield "maximum size", f"quantity {quantity} is above the largest size {most} of {instrument.id}"


def _step_problems(quantity: Decimal, step: Decimal | None, what: str, id_: str) -> Iterator[_Problem]:
    if step and _EXACT.remainder(quantity, step):
        yield what, f"quantity {quantity} is no multiple of the {what} {step} of {id_}"


def _notional_problems(request: OrderRequest, instrument: Instrument) -> Iterator[_Problem]:
    """Only where the notional is certain: of an order with a price, or one sized in quote units."""
    if request.unit is Unit.QUOTE:
        notional = request.quantity
    elif request.price is not None:
        notional = _EXACT.multiply(request.price, request.quantity)
    else:
        return
    least, most = instrument.minimum_notional, instrument.maximum_notional
    if least is not None and notional < least:
        yield (
            "minimum notional",
            f"notional {notional} is below the smallest notional {least} of {instrument.id}",
        )
    if most is not None and notional > most:
        yield (
            "maximum notional",
            f"notional {notional} is above the largest notional {most} of {instrument.id}",
        )


def _multiple(number: Decimal, step: Decimal, rounding: str) -> Decimal:
    """The multiple of `step` next to `number`, with the decimals of `step`; `number` itself where there is no step."""
    if not step:
        return number
    steps = _EXACT.divide(number, step).to_integral_value(rounding=rounding)
    return _EXACT.multiply(steps, step)
