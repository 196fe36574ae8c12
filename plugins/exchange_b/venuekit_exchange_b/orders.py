"""Orders between the contract's words and the venue's: terms out, reports and fills in. PROTOCOL.md, "Orders"."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Final, TypeVar

from venuekit_exchange_b import payloads
from venuekit_exchange_b.actions import ALL_OR_NOTHING, IMMEDIATE, NO_CLIENT, NO_HASH, STANDING, Cancel, Order
from venuekit_exchange_b.errors import end_of
from venuekit_exchange_b.instruments import MARKET
from venuekit_exchange_b.payloads import VENUE, News
from venuekit_exchange_b.quanta import AMOUNT_EXPONENT, amount, number, price_exponent, quanta, size_exponent
from venuekit_spec import (
    MILLISECOND,
    Balance,
    BlockHeight,
    Fee,
    Fill,
    Finality,
    FundingPayment,
    Instant,
    Instrument,
    InstrumentTable,
    Liquidity,
    LocalError,
    MalformedMessage,
    NewOrder,
    OrderRef,
    OrderReport,
    OrderStatus,
    OrderType,
    Position,
    Side,
    TimeInForce,
    Unit,
    Unsupported,
    UserMessage,
)

T = TypeVar("T")

FORCES: Final[Mapping[TimeInForce, str]] = MappingProxyType({
    TimeInForce.GTC: STANDING,
    TimeInForce.GTB: STANDING,
    TimeInForce.IOC: IMMEDIATE,
    TimeInForce.FOK: ALL_OR_NOTHING,
})  # fmt: skip
"""A standing order stands until its height, whatever the user called it."""

STATUSES: Final[Mapping[str, OrderStatus]] = MappingProxyType({each.value: each for each in OrderStatus})
FINALITIES: Final[Mapping[str, Finality]] = MappingProxyType({each.value: each for each in Finality})
"""The venue speaks in the words of the contract."""


def terms(order: NewOrder, instrument: Instrument) -> Order:
    """An order in the venue's terms.

    Raises `Unsupported` for what it has no word for, `RuleViolated` for a price or a quantity that is no multiple of a
    quantum, `LocalError` for an order without an expiry height.
    """
    force = FORCES.get(order.time_in_force)
    if order.type is not OrderType.LIMIT or order.price is None:
        raise Unsupported(f"Exchange B has no {order.type} orders, and every order a price")
    if force is None or order.unit is not Unit.BASE or order.deadline is not None or order.options:
        raise Unsupported(
            "Exchange B knows no other life than a height, no other unit than base, and no options"
        )
    if order.expires_at_height is None:
        raise LocalError("every order of Exchange B names the height at which it expires")
    return Order(
        market=int(instrument.native[MARKET]),
        client=order.client_order_id,
        buy=order.side is Side.BUY,
        price=quanta(order.price, price_exponent(instrument)),
        size=quanta(order.quantity, size_exponent(instrument)),
        force=force,
        post_only=order.post_only,
        reduce_only=order.reduce_only,
        expires=order.expires_at_height,
    )


def named(order: OrderRef, instrument: Instrument) -> Cancel:
    """How a cancel names an order: by its client id where it has one. Raises `LocalError` for an order without a name."""
    if not (order.client_order_id or order.order_id):
        raise LocalError("an order is named by its hash or its client id")
    return Cancel(
        market=int(instrument.native[MARKET]),
        order=NO_HASH if order.client_order_id else order.order_id,
        client=order.client_order_id or NO_CLIENT,
    )


def instrument_of(market: int, instruments: InstrumentTable) -> Instrument:
    """The instrument of a market. Raises `MalformedMessage` for one that is not listed."""
    id_ = instruments.ids_by_native(MARKET).get(str(market))
    if id_ is None:
        raise MalformedMessage(f"market {market} is not listed", venue=VENUE)
    return instruments[id_]


def report(told: payloads.OrderState, instruments: InstrumentTable, received: Instant) -> OrderReport:
    """What the venue told of an order. Raises `MalformedMessage`."""
    instrument = instrument_of(told.market, instruments)
    prices, sizes = price_exponent(instrument), size_exponent(instrument)
    spent, filled = number(told.spent, prices + sizes), number(told.filled, sizes)
    status = _known(told.status, STATUSES, "status")
    return OrderReport(
        instrument.id,
        order_id=told.order,
        client_order_id="" if told.client == NO_CLIENT else told.client,
        status=status,
        filled=filled,
        remaining=number(max(told.size - told.filled, 0), sizes),
        quantity=number(told.size, sizes),
        price=number(told.price, prices),
        average_price=spent / filled if filled else None,
        side=Side.BUY if told.buy else Side.SELL,
        type=OrderType.LIMIT,
        reason=told.reason,
        error=end_of(told.reason) if status is OrderStatus.REJECTED else None,
        finality=_known(told.finality, FINALITIES, "finality"),
        time=told.time * MILLISECOND,
        received=received,
    )


def fill(told: payloads.Execution, instruments: InstrumentTable, received: Instant) -> Fill:
    """One execution. Raises `MalformedMessage`."""
    instrument = instrument_of(told.market, instruments)
    return Fill(
        told.key,
        instrument.id,
        Side.BUY if told.buy else Side.SELL,
        number(told.price, price_exponent(instrument)),
        number(told.size, size_exponent(instrument)),
        order_id=told.order,
        client_order_id="" if told.client == NO_CLIENT else told.client,
        fees=(Fee(told.asset, amount(told.fee)),),
        liquidity=Liquidity.MAKER if told.maker else Liquidity.TAKER,
        finality=_known(told.finality, FINALITIES, "finality"),
        time=told.time * MILLISECOND,
        received=received,
    )


def balance(told: payloads.Holding) -> Balance:
    """What the account holds of an asset."""
    total, held = amount(told.total), amount(told.held)
    return Balance(told.asset, total=total, free=total - held, held=held)


def position(told: payloads.HeldPosition, instruments: InstrumentTable) -> Position:
    """A position. Raises `MalformedMessage`."""
    instrument = instrument_of(told.market, instruments)
    return Position(
        instrument.id,
        number(told.size, size_exponent(instrument)),
        entry_price=None if told.entry is None else Decimal(told.entry),
        leverage=None if told.leverage is None else number(told.leverage, -2),
    )


def funding(told: payloads.Funding, instruments: InstrumentTable) -> FundingPayment:
    """Funding paid or received. Raises `MalformedMessage`."""
    instrument = instrument_of(told.market, instruments)
    return FundingPayment(
        told.key,
        instrument.id,
        told.asset,
        amount(told.amount),
        rate=None if told.rate is None else number(int(told.rate), AMOUNT_EXPONENT),
        position=None if told.size is None else number(told.size, size_exponent(instrument)),
        time=told.time * MILLISECOND,
    )


def message(news: News, instruments: InstrumentTable, received: Instant) -> UserMessage:
    """What an account was told, as the contract has it. Raises `MalformedMessage`."""
    match news:
        case payloads.OrderState():
            return report(news, instruments, received)
        case payloads.Execution():
            return fill(news, instruments, received)
        case payloads.Holding():
            return balance(news)
        case payloads.HeldPosition():
            return position(news, instruments)
        case payloads.Funding():
            return funding(news, instruments)
        case payloads.Reached():
            return BlockHeight(news.height, news.time * MILLISECOND)


def _known(word: str, table: Mapping[str, T], what: str) -> T:
    found = table.get(word)
    if found is None:
        raise MalformedMessage(f"{word!r} is no {what}", venue=VENUE)
    return found
