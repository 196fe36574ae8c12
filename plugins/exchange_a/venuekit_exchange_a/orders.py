"""Orders between the contract's words and the venue's: parameters out, reports and fills in.

A report is a patch: what the venue left out is None, never zero. PROTOCOL.md, "Orders".
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Final, TypeVar

from venuekit_exchange_a import payloads
from venuekit_exchange_a.instruments import SYMBOL
from venuekit_exchange_a.payloads import VENUE
from venuekit_spec import (
    MILLISECOND,
    Balance,
    Fee,
    Fill,
    Instant,
    Instrument,
    InstrumentTable,
    Liquidity,
    MalformedMessage,
    NewOrder,
    OrderRef,
    OrderReport,
    OrderStatus,
    OrderType,
    Side,
    TimeInForce,
    Unit,
    Unsupported,
)

T = TypeVar("T")

TYPES: Final[Mapping[OrderType, str]] = MappingProxyType({
    OrderType.LIMIT: "limit",
    OrderType.MARKET: "market",
    OrderType.STOP: "stop",
    OrderType.STOP_LIMIT: "stop_limit",
})  # fmt: skip

TIMES_IN_FORCE: Final[Mapping[TimeInForce, str]] = MappingProxyType({
    TimeInForce.GTC: "gtc",
    TimeInForce.IOC: "ioc",
    TimeInForce.FOK: "fok",
})  # fmt: skip

STATUSES: Final[Mapping[str, OrderStatus]] = MappingProxyType({
    "pending": OrderStatus.PENDING,  # a stop whose trigger has not been reached
    "open": OrderStatus.OPEN,
    "partially_filled": OrderStatus.PARTIALLY_FILLED,
    "canceling": OrderStatus.CANCELING,
    "filled": OrderStatus.FILLED,
    "canceled": OrderStatus.CANCELED,
    "rejected": OrderStatus.REJECTED,
    "expired": OrderStatus.EXPIRED,
})  # fmt: skip

SELF_TRADE: Final = "selfTrade"
"""The only option of an order that is the venue's own: what happens instead of a trade with oneself."""

_TYPES_BACK: Final = {word: type_ for type_, word in TYPES.items()}


# --- out


def plain(number: Decimal) -> str:
    """A number as the venue takes it: never an exponent."""
    return format(number, "f")


def new_order(order: NewOrder, instrument: Instrument) -> dict[str, str]:
    """The parameters of a placement. Raises `Unsupported` for what Exchange A has no word for."""
    if order.type not in TYPES or order.time_in_force not in TIMES_IN_FORCE:
        raise Unsupported(f"Exchange A has no {order.type} orders that are {order.time_in_force}")
    if order.reduce_only or order.deadline is not None:
        raise Unsupported("orders of Exchange A can be neither reduce-only nor bound to a deadline")
    unknown = order.options.keys() - {SELF_TRADE}
    if unknown:
        raise Unsupported(f"Exchange A knows no order option {', '.join(sorted(unknown))}")
    params = {
        "symbol": instrument.native[SYMBOL],
        "side": order.side.value,
        "type": TYPES[order.type],
        "timeInForce": TIMES_IN_FORCE[order.time_in_force],
        "quantity" if order.unit is Unit.BASE else "quoteQuantity": plain(order.quantity),
        "clientOrderId": order.client_order_id,
    }
    if order.price is not None:
        params["price"] = plain(order.price)
    if order.trigger_price is not None:
        params["triggerPrice"] = plain(order.trigger_price)
    if order.post_only:
        params["postOnly"] = "true"
    if SELF_TRADE in order.options:
        params[SELF_TRADE] = str(order.options[SELF_TRADE])
    return params


def named(order: OrderRef, instrument: Instrument) -> dict[str, str]:
    """The parameters that name an order: by the venue's id where it is known, as that is never used again, else by ours."""
    params = {"symbol": instrument.native[SYMBOL]}
    if order.order_id:
        return params | {"orderId": order.order_id}
    return params | {"clientOrderId": order.client_order_id}


# --- in


def report(order: payloads.Order, instruments: InstrumentTable, received: Instant) -> OrderReport:
    """What the venue said of an order. Raises `MalformedMessage` for a word or a symbol that is not known."""
    filled, quantity = _number(order.filled), _number(order.quantity)
    spent = _number(order.spent)
    return OrderReport(
        instrument=_instrument(order.symbol, instruments),
        order_id=order.order_id,
        client_order_id=order.client_order_id or "",
        status=_word(STATUSES, order.status),
        filled=filled,
        remaining=None if quantity is None or filled is None else quantity - filled,
        quantity=quantity,
        price=_number(order.price),
        average_price=spent / filled if spent and filled else None,
        side=None if order.side is None else _side(order.side),
        type=None if order.type is None else _word(_TYPES_BACK, order.type),
        reason=order.reason or "",
        time=order.time * MILLISECOND,
        received=received,
    )


def fill(execution: payloads.Execution, instruments: InstrumentTable, received: Instant) -> Fill:
    """One execution. Raises `MalformedMessage` for a side or a symbol that is not known."""
    return Fill(
        key=execution.id,
        instrument=_instrument(execution.symbol, instruments),
        side=_side(execution.side),
        price=Decimal(execution.price),
        quantity=Decimal(execution.quantity),
        order_id=execution.order_id,
        client_order_id=execution.client_order_id,
        fees=tuple(Fee(fee.asset, Decimal(fee.amount)) for fee in execution.fees),
        liquidity=Liquidity.MAKER if execution.maker else Liquidity.TAKER,
        time=execution.time * MILLISECOND,
        received=received,
    )


def balance(told: payloads.Balance, at: Instant) -> Balance:
    """What the account holds of an asset."""
    return Balance(
        told.asset, total=Decimal(told.total), free=Decimal(told.free), held=Decimal(told.held), time=at
    )


def _number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _instrument(symbol: str, instruments: InstrumentTable) -> str:
    return _word(instruments.ids_by_native(SYMBOL), symbol)


def _side(word: str) -> Side:
    return _word({side.value: side for side in Side}, word)


def _word(known: Mapping[str, T], word: str) -> T:
    try:
        return known[word]
    except KeyError:
        raise MalformedMessage(f"unknown word {word!r}", venue=VENUE, topic="order") from None
