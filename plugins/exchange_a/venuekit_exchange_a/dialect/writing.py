"""What the engine holds, as the venue writes it: the mirror of `venuekit_exchange_a.orders`."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from venuekit_exchange_a import payloads
from venuekit_exchange_a.instruments import SYMBOL
from venuekit_spec import (
    MILLISECOND,
    Balance,
    Execution,
    Instrument,
    InstrumentTable,
    Liquidity,
    VenueOrder,
)


def symbol(instrument: str, instruments: InstrumentTable) -> str:
    """The venue's name of an instrument."""
    return instruments[instrument].native[SYMBOL]


def plain(value: Decimal) -> str:
    """A number in plain notation."""
    return f"{value:f}"


def number(value: Decimal | None) -> str | None:
    """A number as text; absent where there is none."""
    return None if value is None else plain(value)


def order(
    held: VenueOrder, instruments: InstrumentTable, executions: Iterable[Execution] = ()
) -> payloads.Order:
    """An order, wholly."""
    return payloads.Order(
        symbol=symbol(held.intent.instrument, instruments),
        order_id=held.order_id,
        status=held.status.value,
        client_order_id=held.intent.client_order_id,
        side=held.intent.side.value,
        type=held.intent.type.value,
        price=number(held.price),
        quantity=number(held.quantity),
        filled=plain(held.filled),
        spent=plain(held.spent),
        reason=held.reason or None,
        time=held.updated // MILLISECOND,
        fills=[execution(each, instruments) for each in executions],
    )


def change(before: payloads.Order, now: payloads.Order) -> payloads.Order:
    """Of an order that was told before: its ids, its status, and what is different."""
    return payloads.Order(
        symbol=now.symbol,
        order_id=now.order_id,
        status=now.status,
        price=None if now.price == before.price else now.price,
        quantity=None if now.quantity == before.quantity else now.quantity,
        filled=None if now.filled == before.filled else now.filled,
        spent=None if now.spent == before.spent else now.spent,
        reason=now.reason,
        time=now.time,
    )


def execution(held: Execution, instruments: InstrumentTable) -> payloads.Execution:
    """One side of a trade."""
    fill = held.fill
    return payloads.Execution(
        id=held.key,
        symbol=symbol(fill.instrument, instruments),
        order_id=held.order.order_id,
        client_order_id=held.order.intent.client_order_id,
        side=fill.side.value,
        price=plain(fill.price),
        quantity=plain(fill.quantity),
        fees=[payloads.Fee(fee.asset, plain(fee.amount)) for fee in held.fees],
        maker=fill.liquidity is Liquidity.MAKER,
        time=fill.time // MILLISECOND,
    )


def balance(held: Balance) -> payloads.Balance:
    """What an account holds of an asset."""
    total, free, kept = (plain(part or Decimal(0)) for part in (held.total, held.free, held.held))
    return payloads.Balance(held.asset, total, free, kept)


def listed(instrument: Instrument) -> payloads.Listed:
    """One instrument."""
    price, size = instrument.price, instrument.size
    return payloads.Listed(
        symbol=instrument.native[SYMBOL],
        base=instrument.base,
        quote=instrument.quote,
        status=instrument.status.value,
        tick_size=plain(price.tick),
        step_size=plain(size.step),
        min_price=number(price.minimum),
        max_price=number(price.maximum),
        min_quantity=number(size.minimum),
        max_quantity=number(size.maximum),
        max_market_quantity=number(size.market_maximum),
        quote_step=number(size.quote_step),
        min_notional=number(instrument.minimum_notional),
        max_notional=number(instrument.maximum_notional),
        max_open_orders=instrument.maximum_open_orders,
    )
