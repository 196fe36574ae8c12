"""Parameters of a request, read as the venue reads them. Whatever they hold, the worst is a refusal."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import TypeVar

import msgspec

from venuekit_exchange_a.description import CLIENT_ORDER_IDS
from venuekit_exchange_a.dialect.refusals import PARAMETER, SYMBOL, No
from venuekit_exchange_a.instruments import SYMBOL as NATIVE
from venuekit_exchange_a.payloads import Named
from venuekit_spec import (
    UNREADABLE,
    InstrumentTable,
    NewOrder,
    OrderRef,
    OrderType,
    SelfTradePrevention,
    Side,
    TimeInForce,
    Unit,
)

T = TypeVar("T")

_number = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?")
_client_order_id = re.compile(CLIENT_ORDER_IDS.pattern)
_types = {
    "limit": OrderType.LIMIT,
    "market": OrderType.MARKET,
    "stop": OrderType.STOP,
    "stop_limit": OrderType.STOP_LIMIT,
}
_times_in_force = {"gtc": TimeInForce.GTC, "ioc": TimeInForce.IOC, "fok": TimeInForce.FOK}
_sides = {side.value: side for side in Side}
_self_trade = {rule.value: rule for rule in SelfTradePrevention}
_flags = {"true": True, "false": False}
_symbols = msgspec.json.Decoder(list[str])
_named = msgspec.json.Decoder(list[Named])


class Parameters:
    """The parameters of one request. Every method raises `No` for a value that the venue does not understand."""

    def __init__(self, told: Mapping[str, str], instruments: InstrumentTable) -> None:
        self._told = told
        self._ids = instruments.ids_by_native(NATIVE)

    def text(self, name: str) -> str:
        """A parameter that must be there."""
        if not self._told.get(name):
            raise No(PARAMETER, f"{name} is missing")
        return self._told[name]

    def whole(self, name: str, default: int, largest: int) -> int:
        """A whole number from zero on."""
        told = self._told.get(name, str(default))
        if not (told.isascii() and told.isdecimal() and len(told) < 16 and int(told) <= largest):
            raise No(PARAMETER, f"{name} is a whole number of at most {largest}")
        return int(told)

    def optional(self, name: str) -> str:
        """A parameter that may be absent."""
        return self._told.get(name, "")

    def instrument(self) -> str:
        """The instrument of ``symbol``."""
        return self._instrument(self.text("symbol"))

    def instruments(self) -> list[str] | None:
        """The instruments of ``symbols``; None for all."""
        if "symbols" not in self._told:
            return None
        try:
            return [self._instrument(symbol) for symbol in _symbols.decode(self._told["symbols"])]
        except UNREADABLE:
            raise No(PARAMETER, "symbols is a JSON list of symbols") from None

    def named(self) -> OrderRef:
        """The order that is named; its id counts where both are given."""
        order_id, client_order_id = self.optional("orderId"), self.optional("clientOrderId")
        if not (order_id or client_order_id):
            raise No(PARAMETER, "orderId or clientOrderId is missing")
        return OrderRef(
            self.instrument(), client_order_id="" if order_id else client_order_id, order_id=order_id
        )

    def batch(self, largest: int) -> list[Named]:
        """The orders that are named by ``orders``."""
        try:
            found = _named.decode(self.text("orders"))
        except UNREADABLE:
            raise No(PARAMETER, "orders is a JSON list of named orders") from None
        if not 0 < len(found) <= largest:
            raise No(PARAMETER, f"orders names 1 to {largest} orders")
        return found

    def number(self, name: str) -> Decimal | None:
        """A decimal number in plain notation; None where it is absent."""
        told = self._told.get(name)
        if told is None:
            return None
        if not _number.fullmatch(told):
            raise No(PARAMETER, f"{name} is a decimal number")
        return Decimal(told)

    def order(self) -> NewOrder:
        """A new order."""
        base, quote = self.number("quantity"), self.number("quoteQuantity")
        quantity = quote if base is None else base
        if quantity is None or (base is not None and quote is not None):
            raise No(PARAMETER, "an order has either a quantity or a quoteQuantity")
        client_order_id = self.text("clientOrderId")
        if not _client_order_id.fullmatch(client_order_id):
            raise No(PARAMETER, "clientOrderId is 1 to 36 letters, digits, - or _")
        return NewOrder(
            instrument=self.instrument(),
            side=self._word(_sides, "side"),
            quantity=quantity,
            client_order_id=client_order_id,
            type=self._word(_types, "type"),
            price=self.number("price"),
            unit=Unit.QUOTE if base is None else Unit.BASE,
            trigger_price=self.number("triggerPrice"),
            time_in_force=self._word(_times_in_force, "timeInForce", "gtc"),
            post_only=self._word(_flags, "postOnly", "false"),
        )

    def self_trade(self) -> SelfTradePrevention:
        """What happens instead of a trade with oneself."""
        return self._word(_self_trade, "selfTrade", SelfTradePrevention.CANCEL_TAKER.value)

    def _word(self, known: Mapping[str, T], name: str, default: str = "") -> T:
        told = self._told.get(name, default)
        if told not in known:
            raise No(PARAMETER, f"{name} is one of {', '.join(known)}")
        return known[told]

    def _instrument(self, symbol: str) -> str:
        if symbol not in self._ids:
            raise No(SYMBOL, "no such symbol")
        return self._ids[symbol]
