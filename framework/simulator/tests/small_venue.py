"""A small venue for tests: two spot markets and a perpetual, three users."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from venuekit_simulator.engine import MatchingEngine
from venuekit_spec import (
    Credentials,
    EngineEvent,
    FeeRates,
    Instrument,
    InstrumentKind,
    Listing,
    NewOrder,
    OrderRef,
    PriceRule,
    Side,
    SizeRule,
    VenueAccount,
    VenueOrder,
)

BTC = "BTC-USDT"
ETH = "ETH-USDT"
PERP = "BTC-USDT-PERP"
BUY, SELL = Side.BUY, Side.SELL
USERS = ("ann", "bob", "cid")
FUNDS = {"BTC": Decimal(100), "ETH": Decimal(100), "USDT": Decimal(100_000)}
FEES = FeeRates(maker=Decimal("0.001"), taker=Decimal("0.002"))


def instrument(id_: str, **changes: Any) -> Instrument:
    """An instrument with a tick of 0.5 and a size step of 0.01, or with other rules."""
    base, quote, *perpetual = id_.split("-")
    rules: dict[str, Any] = {
        "kind": InstrumentKind.PERPETUAL if perpetual else InstrumentKind.SPOT,
        "base": base,
        "quote": quote,
        "native": {"rest": id_},
        "price": PriceRule(Decimal("0.5")),
        "size": SizeRule(Decimal("0.01")),
    }
    return Instrument(id_, **rules | changes)


def venue(*instruments: Instrument, fees: FeeRates = FEES) -> MatchingEngine:
    """An engine over these instruments, all at 100, or over the usual three."""
    listed = instruments or (instrument(BTC), instrument(ETH), instrument(PERP))
    users = [VenueAccount(name, Credentials(), FUNDS) for name in USERS]
    return MatchingEngine([Listing(each, Decimal(100), fees) for each in listed], users)


def order(side: Side, quantity: object, price: object = None, **terms: Any) -> NewOrder:
    """An order on BTC-USDT unless said otherwise; a limit order unless it says its type."""
    return NewOrder(
        terms.pop("instrument", BTC),
        side,
        Decimal(str(quantity)),
        terms.pop("client_order_id", ""),
        price=None if price is None else Decimal(str(price)),
        **terms,
    )


def ref(placed: VenueOrder) -> OrderRef:
    """The order's name, as the venue knows it."""
    return OrderRef(placed.intent.instrument, order_id=placed.order_id)


def heard(engine: MatchingEngine) -> list[EngineEvent]:
    """Everything that the engine tells from now on."""
    events: list[EngineEvent] = []
    engine.listen(events.append)
    return events


def money(engine: MatchingEngine, account: str) -> dict[str, tuple[Decimal, Decimal]]:
    """(total, held) by asset."""
    return {
        each.asset: (each.total or Decimal(0), each.held or Decimal(0)) for each in engine.balances(account)
    }
