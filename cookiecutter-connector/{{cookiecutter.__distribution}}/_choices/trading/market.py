"""Trading, as flows. Each order has an outcome of its own, whatever befalls the others."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from decimal import Decimal
from typing import TypeVar
from urllib.parse import urlencode

from msgspec.json import Decoder, encode
from venuekit_spec import (
    MILLISECOND,
    Accepted,
    Balance,
{%- if cookiecutter.kind == "decentralised" %}
    BlockHeight,
{%- endif %}
    Cost,
    Environment,
    FeeRates,
    Fill,
    Flow,
    HttpRequest,
    Instant,
    InstrumentTable,
    Market,
    NewOrder,
    OrderRef,
    OrderReport,
    Outcome,
    Permissions,
    Placed,
    Rejected,
    Unknown,
    VenueError,
    decode,
    http,
)

from {{ cookiecutter.__package }} import orders as words
from {{ cookiecutter.__package }}.errors import raise_for_error
from {{ cookiecutter.__package }}.instruments import SYMBOL
from {{ cookiecutter.__package }}.payloads import REQUESTS, VENUE

T = TypeVar("T")

_told = Decoder(words.Told)
_orders = Decoder(words.Orders)
_fills = Decoder(words.Executions)
_holdings = Decoder(words.Holdings)
_fees = Decoder(words.Fees)
{%- if cookiecutter.kind == "decentralised" %}
_height = Decoder(words.Height)
{%- endif %}


class VenueMarket(Market):
    """Trading for one account. What is left out here the venue does not have: it becomes a flow like these once it does.

    Raises `LocalError` if the environment lacks a "rest" URL.
    """

    def __init__(self, environment: Environment, instruments: InstrumentTable) -> None:
        self._rest = environment.url("rest")
        self._instruments = instruments

    def client_order_id(self, number: int) -> str:
        """``vk`` and the number in hexadecimal."""
        return f"vk{number:x}"

    def place(self, orders: Sequence[NewOrder]) -> Flow[Sequence[Placed]]:
        """POST /orders, one after the other. Raises `Unsupported` before the first where one cannot be said."""
        bodies = [encode(words.placement(order, self._symbol(order.instrument))) for order in orders]
        placed: list[Placed] = []
        for body in bodies:
            placed += [(yield from self._act("POST", "orders", {}, body))]
        return placed

    def cancel(self, orders: Sequence[OrderRef]) -> Flow[Sequence[Placed]]:
        """DELETE /orders, one after the other."""
        placed: list[Placed] = []
        for order in orders:
            placed += [(yield from self._act("DELETE", "orders", self._named(order)))]
        return placed

    def status(self, order: OrderRef) -> Flow[OrderReport]:
        """GET /order, open or not. Raises `OrderNotFound`."""
        told, received = yield from self._ask(_told, "GET", "order", self._named(order))
        return words.report(told, self._instruments, received)

    def open_orders(self, instruments: Collection[str] | None) -> Flow[Sequence[OrderReport]]:
        """GET /orders, oldest first."""
        told, received = yield from self._ask(_orders, "GET", "orders")
        reports = [words.report(each, self._instruments, received) for each in told.orders]
        return [each for each in reports if instruments is None or each.instrument in instruments]

    def fills(self, instruments: Collection[str], since: Instant) -> Flow[Sequence[Fill]]:
        """GET /fills of all instruments, oldest first, from the beginning of the millisecond of `since`."""
        query = {"since": str(max(0, since) // MILLISECOND)}
        told, received = yield from self._ask(_fills, "GET", "fills", query)
        fills = [words.fill(each, self._instruments, received) for each in told.fills]
        return [fill for fill in fills if fill.instrument in instruments]

    def balances(self) -> Flow[Sequence[Balance]]:
        """GET /balances."""
        told, received = yield from self._ask(_holdings, "GET", "balances")
        return [words.balance(each, received) for each in told.balances]

    def fee_rates(self, instrument: str) -> Flow[FeeRates]:
        """GET /fees."""
        told, _ = yield from self._ask(_fees, "GET", "fees", {"symbol": self._symbol(instrument)})
        return FeeRates(maker=Decimal(told.maker), taker=Decimal(told.taker))

    def permissions(self) -> Flow[Permissions]:
        """What the key may do is not told; that balances are told proves that it may read."""
        yield from self.balances()
        return Permissions(read=True)
{%- if cookiecutter.kind == "decentralised" %}

    def height(self) -> Flow[BlockHeight]:
        """GET /height."""
        told, received = yield from self._ask(_height, "GET", "height")
        return BlockHeight(told.height, received)
{%- endif %}

    # How

    def _symbol(self, instrument: str) -> str:
        return self._instruments[instrument].native[SYMBOL]

    def _named(self, order: OrderRef) -> dict[str, str]:
        """The parameters that name an order: by the venue's id where it is known, else by ours."""
        named = {"id": order.order_id} if order.order_id else {"client_id": order.client_order_id}
        return {"symbol": self._symbol(order.instrument), **named}

    def _act(self, method: str, path: str, query: dict[str, str], body: bytes = b"") -> Flow[Placed]:
        """Act on one order; its outcome: rejected on definitive evidence, unknown otherwise."""
        try:
            told, received = yield from self._ask(_told, method, path, query, body)
            return Accepted(words.report(told, self._instruments, received))
        except VenueError as error:
            return Rejected(error) if error.outcome is Outcome.REJECTED else Unknown(error)

    def _ask(
        self,
        decoder: Decoder[T],
        method: str,
        path: str,
        query: dict[str, str] | None = None,
        body: bytes = b"",
    ) -> Flow[tuple[T, Instant]]:
        """The answer, and when it came. Raises what `raise_for_error` does, and `MalformedMessage`."""
        request = HttpRequest(
            method,
            f"{self._rest}/{path}{'?' if query else ''}{urlencode(query or {})}",
            headers=(("content-type", "application/json"),) if body else (),
            body=body,
            costs=(Cost(REQUESTS),),
            signed=True,
            label=f"{method} {path}",
        )
        response = yield from http(request)
        raise_for_error(response, request.label)
        return decode(decoder, response.body, request.label, venue=VENUE), response.received
