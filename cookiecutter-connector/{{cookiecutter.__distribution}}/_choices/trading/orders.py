"""Orders, fills and balances: as the venue tells them, and as the contract does. Words are translated by tables alone."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from msgspec import Struct
from venuekit_spec import (
    MILLISECOND,
    Balance,
    Fee,
    Fill,
    Instant,
    InstrumentTable,
    Liquidity,
    MalformedMessage,
    NewOrder,
    OrderReport,
    OrderStatus,
    OrderType,
    Side,
    TimeInForce,
    Unit,
    Unsupported,
)

from {{ cookiecutter.__package }}.instruments import SYMBOL
from {{ cookiecutter.__package }}.payloads import VENUE, Milliseconds, Number, Size

TIMES_IN_FORCE: Final = {
{%- if cookiecutter.kind == "decentralised" %}
    TimeInForce.GTB: "gtb",
{%- endif %}
    TimeInForce.GTC: "gtc",
    TimeInForce.IOC: "ioc",
}

STATUSES: Final = {
    "pending": OrderStatus.PENDING,
    "open": OrderStatus.OPEN,
    "partially_filled": OrderStatus.PARTIALLY_FILLED,
    "canceling": OrderStatus.CANCELING,
    "filled": OrderStatus.FILLED,
    "canceled": OrderStatus.CANCELED,
    "rejected": OrderStatus.REJECTED,
    "expired": OrderStatus.EXPIRED,
}


class Placement(Struct, frozen=True{% if cookiecutter.kind == "decentralised" %}, omit_defaults=True{% endif %}):
    """``{"symbol":"BTCUSDT","client_id":"vk1","side":"buy","price":"60000","quantity":"0.5","force":"gtc","post_only":false}``{% if cookiecutter.kind == "decentralised" %}

    `height`: the block with which it ends.
    {% endif %}"""

    symbol: str
    client_id: str
    side: Side
    price: Size
    quantity: Size
    force: str
    post_only: bool
{%- if cookiecutter.kind == "decentralised" %}
    height: int | None = None
{%- endif %}


class Told(Struct, frozen=True):
    """``{"symbol":"BTCUSDT","id":"7","client_id":"vk1","status":"open","side":"buy","price":"60000","quantity":"0.5",``
    ``"filled":"0","time":1767225600123}``
    """

    symbol: str
    id: str
    client_id: str
    status: str
    side: Side
    price: Size
    quantity: Size
    filled: Size
    time: Milliseconds


class Orders(Struct, frozen=True):
    """``{"orders":[]}``"""

    orders: list[Told]


class Execution(Struct, frozen=True):
    """``{"key":"9m","symbol":"BTCUSDT","id":"7","client_id":"vk1","side":"buy","price":"60000","quantity":"0.1","fee":"6",``
    ``"asset":"USDT","maker":true,"time":1767225600123}``
    """

    key: str
    symbol: str
    id: str
    client_id: str
    side: Side
    price: Size
    quantity: Size
    fee: Number
    asset: str
    maker: bool
    time: Milliseconds


class Executions(Struct, frozen=True):
    """``{"fills":[]}``, oldest first."""

    fills: list[Execution]


class Holding(Struct, frozen=True):
    """``{"asset":"USDT","total":"1000","held":"300"}``"""

    asset: str
    total: Number
    held: Number


class Holdings(Struct, frozen=True):
    """``{"balances":[]}``"""

    balances: list[Holding]


class Fees(Struct, frozen=True):
    """``{"maker":"0.001","taker":"0.002"}``, fractions of the notional."""

    maker: Number
    taker: Number

{% if cookiecutter.kind == "decentralised" %}
class Height(Struct, frozen=True):
    """``{"height":1767225600}``"""

    height: int

{% endif %}
def placement(order: NewOrder, symbol: str) -> Placement:
    """What is sent for an order. Raises `Unsupported` for what the venue has no word for."""
    force = TIMES_IN_FORCE.get(order.time_in_force)
    if order.type is not OrderType.LIMIT or order.price is None or order.unit is not Unit.BASE or not force:
        raise Unsupported(f"there are no {order.type} orders that are {order.time_in_force}")
    if order.options or order.reduce_only or order.trigger_price or order.deadline is not None:
        raise Unsupported("orders have no options, no trigger and no deadline")
    return Placement(
        symbol,
        order.client_order_id,
        order.side,
        format(order.price, "f"),
        format(order.quantity, "f"),
        force,
        order.post_only,
{%- if cookiecutter.kind == "decentralised" %}
        order.expires_at_height,
{%- endif %}
    )


def report(told: Told, instruments: InstrumentTable, received: Instant) -> OrderReport:
    """What the venue said of an order. Raises `MalformedMessage` for a word or a symbol that is not known."""
    filled, quantity = Decimal(told.filled), Decimal(told.quantity)
    if told.status not in STATUSES:
        raise MalformedMessage(f"unknown status {told.status!r}", venue=VENUE, topic="order")
    return OrderReport(
        instrument=_instrument(told.symbol, instruments),
        order_id=told.id,
        client_order_id=told.client_id,
        status=STATUSES[told.status],
        filled=filled,
        remaining=quantity - filled,
        quantity=quantity,
        price=Decimal(told.price),
        side=told.side,
        type=OrderType.LIMIT,
        time=told.time * MILLISECOND,
        received=received,
    )


def fill(told: Execution, instruments: InstrumentTable, received: Instant) -> Fill:
    """One execution. Raises `MalformedMessage` for a symbol that is not known."""
    return Fill(
        key=told.key,
        instrument=_instrument(told.symbol, instruments),
        side=told.side,
        price=Decimal(told.price),
        quantity=Decimal(told.quantity),
        order_id=told.id,
        client_order_id=told.client_id,
        fees=(Fee(told.asset, Decimal(told.fee)),),
        liquidity=Liquidity.MAKER if told.maker else Liquidity.TAKER,
        time=told.time * MILLISECOND,
        received=received,
    )


def balance(told: Holding, at: Instant) -> Balance:
    """What the account holds of an asset."""
    total, held = Decimal(told.total), Decimal(told.held)
    return Balance(told.asset, total=total, free=total - held, held=held, time=at)


def _instrument(symbol: str, instruments: InstrumentTable) -> str:
    id_ = instruments.ids_by_native(SYMBOL).get(symbol)
    if id_ is None:
        raise MalformedMessage(f"unknown symbol {symbol!r}", venue=VENUE, topic="order")
    return id_
