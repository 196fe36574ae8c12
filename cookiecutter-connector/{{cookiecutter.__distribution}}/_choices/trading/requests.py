"""What an account asks of the venue: who asks, then the engine, then the answer. Also what its stream tells."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from msgspec import Struct
from msgspec.json import Decoder
from venuekit_spec import (
    MILLISECOND,
{%- if cookiecutter.kind == "decentralised" %}
    SECOND,
{%- endif %}
    UNREADABLE,
    Balance,
    CallKind,
    Engine,
    EngineRefusal,
    Execution,
    HttpRequest,
    Instant,
    InstrumentTable,
    Liquidity,
    NewOrder,
    OrderRef,
    VenueError,
    VenueOrder,
)

from {{ cookiecutter.__package }} import orders as words
from {{ cookiecutter.__package }}.dialect.keys import Keys
from {{ cookiecutter.__package }}.dialect.refusals import No
from {{ cookiecutter.__package }}.dialect.writing import plain
from {{ cookiecutter.__package }}.instruments import SYMBOL

KINDS: Final = {
    ("POST", "/orders"): CallKind.PLACE,
    ("DELETE", "/orders"): CallKind.CANCEL,
    ("GET", "/order"): CallKind.QUERY,
    ("GET", "/orders"): CallKind.QUERY,
    ("GET", "/fills"): CallKind.QUERY,
    ("GET", "/balances"): CallKind.QUERY,
}

_forces = {word: force for force, word in words.TIMES_IN_FORCE.items()}
_placement = Decoder(words.Placement)
_client_id = re.compile(r"vk[0-9a-f]{1,14}")


class Requests:
    """Everything signed, over one engine. `epoch` counts how often every login became worthless."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.keys = Keys()
        self.epoch = 0

    def answer(self, request: HttpRequest, now: Instant) -> Struct:
        """The payload of the answer. Raises `No`."""
        url = urlsplit(request.url)
        query = dict(parse_qsl(url.query))
        account = self.keys.account(request, now)
        instruments = self.engine.instruments
        try:
            match request.method, url.path:
                case "POST", "/orders":
                    return told(self.engine.place(account, self._order(request.body), now), instruments)
                case "DELETE", "/orders":
                    return told(self.engine.cancel(account, self._named(query), now), instruments)
                case "GET", "/order":
                    return told(self.engine.order(account, self._named(query)), instruments)
                case "GET", "/orders":
                    found = self.engine.open_orders(account)
                    return words.Orders([told(each, instruments) for each in found])
                case "GET", "/fills":
                    since = int(query.get("since", "0")) * MILLISECOND
                    traded = self.engine.executions(account, None, since)
                    return words.Executions([executed(each, instruments) for each in traded])
                case "GET", "/balances":
                    return words.Holdings([held(each) for each in self.engine.balances(account)])
                case "GET", "/fees":
                    fees = self.engine.fee_rates(account, self._id(query.get("symbol", "")))
                    return words.Fees(plain(fees.maker), plain(fees.taker))
{%- if cookiecutter.kind == "decentralised" %}
                case "GET", "/height":
                    return words.Height(now // SECOND)
{%- endif %}
                case _:
                    raise No("unknown", "there is no such request", 404)
        except VenueError as error:
            raise No(_code(error), error.args[0]) from error
{%- if cookiecutter.kind == "decentralised" %}

    def expire(self, now: Instant) -> None:
        """End the orders whose height has come. One second is one block."""
        for name in self.keys.names:
            for order in self.engine.open_orders(name):
                height = order.intent.expires_at_height
                if height is not None and height <= now // SECOND:
                    ref = OrderRef(order.intent.instrument, order_id=order.order_id)
                    self.engine.cancel(name, ref, now, reason="expired")
{%- endif %}

    def _order(self, body: bytes) -> NewOrder:
        try:
            asked = _placement.decode(body)
        except UNREADABLE as error:
            raise No("malformed", "not a placement") from error
        if asked.force not in _forces or not _client_id.fullmatch(asked.client_id):
            raise No("malformed", "no such time in force, or no client id")
        return NewOrder(
            self._id(asked.symbol),
            asked.side,
            Decimal(asked.quantity),
            asked.client_id,
            price=Decimal(asked.price),
            time_in_force=_forces[asked.force],
            post_only=asked.post_only,
{%- if cookiecutter.kind == "decentralised" %}
            expires_at_height=asked.height,
{%- endif %}
        )

    def _named(self, query: dict[str, str]) -> OrderRef:
        symbol, client_id = query.get("symbol", ""), query.get("client_id", "")
        return OrderRef(self._id(symbol), client_order_id=client_id, order_id=query.get("id", ""))

    def _id(self, symbol: str) -> str:
        id_ = self.engine.instruments.ids_by_native(SYMBOL).get(symbol)
        if id_ is None:
            raise No("symbol", "there is no such symbol")
        return id_


def _code(error: VenueError) -> str:
    """The engine's refusals, in the venue's words: here they are the same."""
    return error.code if error.code in {refusal.value for refusal in EngineRefusal} else "refused"


def told(order: VenueOrder, instruments: InstrumentTable) -> words.Told:
    """An order."""
    intent = order.intent
    return words.Told(
        instruments[intent.instrument].native[SYMBOL],
        order.order_id,
        intent.client_order_id,
        order.status.value,
        intent.side,
        plain(order.price or Decimal(0)),
        plain(order.quantity or Decimal(0)),
        plain(order.filled),
        order.updated // MILLISECOND,
    )


def executed(execution: Execution, instruments: InstrumentTable) -> words.Execution:
    """One side of a trade."""
    fill, intent = execution.fill, execution.order.intent
    (fee,) = execution.fees
    return words.Execution(
        execution.key,
        instruments[intent.instrument].native[SYMBOL],
        execution.order.order_id,
        intent.client_order_id,
        fill.side,
        plain(fill.price),
        plain(fill.quantity),
        plain(fee.amount),
        fee.asset,
        fill.liquidity is Liquidity.MAKER,
        fill.time // MILLISECOND,
    )


def held(balance: Balance) -> words.Holding:
    """What an account holds of an asset."""
    return words.Holding(balance.asset, plain(balance.total or Decimal(0)), plain(balance.held or Decimal(0)))
