"""What the engine holds, as the venue writes it: the mirror of `venuekit_exchange_b.orders`.

The engine keeps the hash of an order among its options. An order that came another way (the random order flow, a test that
uses the engine itself) has one that is made of its number.
"""

from __future__ import annotations

import hashlib
import re
from decimal import Decimal
from typing import Final

from attrs import frozen

from venuekit_exchange_b import payloads
from venuekit_exchange_b.actions import NO_CLIENT, Order
from venuekit_exchange_b.instruments import KINDS, MARKET, MAXIMUM_LEVERAGE
from venuekit_exchange_b.orders import FORCES
from venuekit_exchange_b.quanta import (
    AMOUNT_EXPONENT,
    number,
    price_exponent,
    quanta,
    size_exponent,
    told_amount,
)
from venuekit_spec import (
    MILLISECOND,
    Balance,
    Execution,
    Finality,
    FundingPayment,
    Instant,
    Instrument,
    InstrumentTable,
    Liquidity,
    NewOrder,
    OrderStatus,
    Position,
    Side,
    TimeInForce,
    VenueOrder,
)

HASH: Final = "hash"
"""Among `NewOrder.options`."""

HEIGHT_REACHED: Final = "expired"
"""The reason of orders whose height has come."""

_CLIENT: Final = re.compile("0x[0-9a-f]{32}")
_FORCES: Final = {FORCES[force]: force for force in (TimeInForce.GTB, TimeInForce.IOC, TimeInForce.FOK)}
_KINDS: Final = {kind: word for word, kind in KINDS.items()}


@frozen
class Taken:
    """An order in the pool: whose it is, its terms, its hash, and as the engine will have it."""

    account: str
    terms: Order
    hash: str
    intent: NewOrder


def intent(order: Order, hash_: str, instrument: Instrument) -> NewOrder:
    """An order as the engine has it. Raises `KeyError` for a force that is not known."""
    return NewOrder(
        instrument.id,
        Side.BUY if order.buy else Side.SELL,
        number(order.size, size_exponent(instrument)),
        order.client,
        price=number(order.price, price_exponent(instrument)),
        time_in_force=_FORCES[order.force],
        post_only=order.post_only,
        reduce_only=order.reduce_only,
        expires_at_height=order.expires,
        options={HASH: hash_},
    )


def hash_of(order: VenueOrder) -> str:
    """The hash of an order."""
    told = order.intent.options.get(HASH)
    return told if isinstance(told, str) else made_hash(order.order_id)


def made_hash(order_id: str) -> str:
    """The hash of an order that came without one."""
    return f"0x{hashlib.sha256(order_id.encode()).hexdigest()}"


def market(instrument: str, instruments: InstrumentTable) -> int:
    """The venue's name of an instrument."""
    return int(instruments[instrument].native[MARKET])


def client_of(order: NewOrder) -> str:
    """The client id of an order, zero where it has none of the venue's form."""
    return order.client_order_id if _CLIENT.fullmatch(order.client_order_id) else NO_CLIENT


def order(
    held: VenueOrder, finality: Finality, instruments: InstrumentTable, now: Instant = 0
) -> payloads.OrderState:
    """An order that the engine has; `now` is when that is told, where it is more than the engine knows."""
    instrument = instruments[held.intent.instrument]
    prices, sizes = price_exponent(instrument), size_exponent(instrument)
    over = held.status is OrderStatus.CANCELED and held.reason == HEIGHT_REACHED
    return payloads.OrderState(
        order=hash_of(held),
        client=client_of(held.intent),
        market=market(instrument.id, instruments),
        status=(OrderStatus.EXPIRED if over else held.status).value,
        buy=held.intent.side is Side.BUY,
        price=0 if held.price is None else quanta(held.price, prices),
        size=0 if held.quantity is None else quanta(held.quantity, sizes),
        filled=quanta(held.filled, sizes),
        spent=quanta(held.spent, prices + sizes),
        expires=held.intent.expires_at_height or 0,
        finality=finality.value,
        time=max(held.updated, now) // MILLISECOND,
        reason=held.reason,
    )


def pooled(
    taken: Taken, status: OrderStatus, finality: Finality, now: Instant, reason: str = ""
) -> payloads.OrderState:
    """An order that the engine does not have: in the pool, or refused by its block."""
    terms = taken.terms
    return payloads.OrderState(
        order=taken.hash,
        client=terms.client,
        market=terms.market,
        status=status.value,
        buy=terms.buy,
        price=terms.price,
        size=terms.size,
        filled=0,
        spent=0,
        expires=terms.expires,
        finality=finality.value,
        time=now // MILLISECOND,
        reason=reason,
    )


def execution(
    held: Execution, finality: Finality, instruments: InstrumentTable, now: Instant = 0
) -> payloads.Execution:
    """One side of a trade; `now` as for `order`."""
    told = held.fill
    instrument = instruments[told.instrument]
    (fee,) = held.fees
    return payloads.Execution(
        key=held.key,
        order=hash_of(held.order),
        client=client_of(held.order.intent),
        market=market(instrument.id, instruments),
        buy=told.side is Side.BUY,
        price=quanta(told.price, price_exponent(instrument)),
        size=quanta(told.quantity, size_exponent(instrument)),
        fee=told_amount(fee.amount),
        asset=fee.asset,
        maker=told.liquidity is Liquidity.MAKER,
        finality=finality.value,
        time=max(told.time, now) // MILLISECOND,
    )


def balance(held: Balance) -> payloads.Holding:
    """What an account holds of an asset."""
    assert held.total is not None
    assert held.held is not None
    return payloads.Holding(held.asset, told_amount(held.total), told_amount(held.held))


def position(held: Position, instruments: InstrumentTable) -> payloads.HeldPosition:
    """A position."""
    return payloads.HeldPosition(
        market=market(held.instrument, instruments),
        size=quanta(held.quantity, size_exponent(instruments[held.instrument])),
        entry=None if held.entry_price is None else format(held.entry_price, "f"),
        leverage=None if held.leverage is None else quanta(held.leverage, -2),
    )


def funding(paid: FundingPayment, instruments: InstrumentTable) -> payloads.Funding:
    """Funding paid or received."""
    sizes = size_exponent(instruments[paid.instrument])
    return payloads.Funding(
        key=paid.key,
        market=market(paid.instrument, instruments),
        asset=paid.asset,
        amount=told_amount(paid.amount),
        time=paid.time // MILLISECOND,
        rate=None if paid.rate is None else str(quanta(paid.rate, AMOUNT_EXPONENT)),
        size=None if paid.position is None else quanta(paid.position, sizes),
    )


def listed(instrument: Instrument) -> payloads.Listed:
    """One market."""
    prices, sizes = price_exponent(instrument), size_exponent(instrument)
    price, size, leverage = instrument.price, instrument.size, instrument.facts.get(MAXIMUM_LEVERAGE)

    def told(value: Decimal | None, exponent: int) -> int | None:
        return None if value is None else quanta(value, exponent)

    return payloads.Listed(
        market=market(instrument.id, InstrumentTable([instrument])),
        kind=_KINDS[instrument.kind],
        base=instrument.base,
        quote=instrument.quote,
        status=instrument.status.value,
        price_exponent=prices,
        size_exponent=sizes,
        tick=quanta(price.tick, prices),
        lot=quanta(size.step, sizes),
        min_size=told(size.minimum, sizes),
        max_size=told(size.maximum, sizes),
        max_price=told(price.maximum, prices),
        min_notional=told(instrument.minimum_notional, prices + sizes),
        max_orders=instrument.maximum_open_orders,
        max_leverage=None if leverage is None else int(leverage),
    )
