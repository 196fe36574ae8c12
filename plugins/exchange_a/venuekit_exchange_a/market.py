"""Trading, as flows: orders by REST or by calls on a socket, everything else by REST.

Whatever way an order travels, its parameters, its costs and the answer are the same. A flow that acts on orders gives one
outcome per order: an error that is thrown in at its ``yield`` becomes the outcome of the order that was asked about, and of no
other. What cannot be said in the venue's words is refused before anything is sent.

PROTOCOL.md, "Orders" and "Account".
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final, TypeVar
from urllib.parse import quote

import msgspec

from venuekit_exchange_a import endpoints as ask
from venuekit_exchange_a import orders as words
from venuekit_exchange_a.endpoints import Endpoint
from venuekit_exchange_a.errors import error_of, failed, raise_for_error
from venuekit_exchange_a.instruments import SYMBOL
from venuekit_exchange_a.payloads import (
    VENUE,
    Balances,
    Batch,
    BatchItem,
    Fees,
    Limits,
    Order,
    Orders,
    Page,
    Permitted,
)
from venuekit_spec import (
    MILLISECOND,
    Accepted,
    Balance,
    Environment,
    FeeRates,
    Fill,
    Flow,
    HttpRequest,
    Instant,
    InstrumentTable,
    LimitReport,
    LocalError,
    MalformedMessage,
    Market,
    NewOrder,
    OrderEntry,
    OrderRef,
    OrderReport,
    Permissions,
    Placed,
    Seconds,
    SocketRequest,
    VenueError,
    call,
    decode,
    http,
)

T = TypeVar("T")

BATCH: Final = 10
"""Cancels in one request."""

PAGE: Final = 500
"""Executions in one answer."""

REFUSED: Final = 400
"""The status that an error inside a successful batch stands for."""

_order = msgspec.json.Decoder(Order)
_orders = msgspec.json.Decoder(Orders)
_batch = msgspec.json.Decoder(Batch)
_page = msgspec.json.Decoder(Page)
_balances = msgspec.json.Decoder(Balances)
_fees = msgspec.json.Decoder(Fees)
_permitted = msgspec.json.Decoder(Permitted)
_limits = msgspec.json.Decoder(Limits)


class ExchangeAMarket(Market):
    """Trading for one account: spot, without a chain and without nonces. Raises `LocalError` if there is no "rest" URL."""

    def __init__(
        self,
        environment: Environment,
        instruments: InstrumentTable,
        order_entry: OrderEntry = OrderEntry.REST,
    ) -> None:
        self._rest = environment.url("rest")
        self._instruments = instruments
        self._on_socket = order_entry is OrderEntry.SOCKET
        self._calls = itertools.count(1)

    def client_order_id(self, number: int) -> str:
        """``vk`` and the number in hexadecimal."""
        return f"vk{number:x}"

    # --- acting on orders

    def place(self, orders: Sequence[NewOrder]) -> Flow[Sequence[Placed]]:
        """POST /v1/order, one after the other. Raises `Unsupported` before the first where one cannot be said."""
        asked = [words.new_order(order, self._instruments[order.instrument]) for order in orders]
        placed: list[Placed] = []
        for params in asked:
            placed += [(yield from self._act(ask.PLACE, params))]
        return placed

    def cancel(self, orders: Sequence[OrderRef]) -> Flow[Sequence[Placed]]:
        """DELETE /v1/order for one, DELETE /v1/orders for up to ten at once."""
        asked = [words.named(order, self._instruments[order.instrument]) for order in orders]
        if len(asked) == 1:
            return [(yield from self._act(ask.CANCEL, asked[0]))]
        placed: list[Placed] = []
        for start in range(0, len(asked), BATCH):
            placed += yield from self._cancel_batch(asked[start : start + BATCH])
        return placed

    def amend(self, order: OrderRef, *, price: Decimal | None, quantity: Decimal | None) -> Flow[Placed]:
        """PUT /v1/order; the order keeps its ids."""
        params = words.named(order, self._instruments[order.instrument])
        if price is not None:
            params["price"] = words.plain(price)
        if quantity is not None:
            params["quantity"] = words.plain(quantity)
        return (yield from self._act(ask.AMEND, params))

    def cancel_all(self, instruments: Collection[str] | None) -> Flow[Sequence[str]]:
        """DELETE /v1/orders/all; the venue's ids of the orders that are gone."""
        body, _ = yield from self._ask(ask.CANCEL_ALL, self._symbols(instruments))
        return [order.order_id for order in decode(_orders, body, ask.CANCEL_ALL.name, venue=VENUE).orders]

    def dead_man_switch(self, timeout: Seconds | None) -> Flow[None]:
        """POST /v1/countdown. Raises `LocalError` for a countdown of less than a millisecond: zero would disarm."""
        milliseconds = 0 if timeout is None else round(timeout * 1000)
        if timeout is not None and milliseconds <= 0:
            raise LocalError(f"a countdown of {timeout} s is too short")
        yield from self._ask(ask.COUNTDOWN, {"timeout": str(milliseconds)})

    # --- asking

    def status(self, order: OrderRef) -> Flow[OrderReport]:
        """GET /v1/order, open or not. Raises `OrderNotFound`."""
        params = words.named(order, self._instruments[order.instrument])
        body, received = yield from self._ask(ask.STATUS, params)
        told = decode(_order, body, ask.STATUS.name, venue=VENUE)
        return words.report(told, self._instruments, received)

    def open_orders(self, instruments: Collection[str] | None) -> Flow[Sequence[OrderReport]]:
        """GET /v1/orders, oldest first."""
        body, received = yield from self._ask(ask.OPEN_ORDERS, self._symbols(instruments))
        told = decode(_orders, body, ask.OPEN_ORDERS.name, venue=VENUE).orders
        return [words.report(order, self._instruments, received) for order in told]

    def fills(self, instruments: Collection[str], since: Instant) -> Flow[Sequence[Fill]]:
        """GET /v1/fills for each instrument, page after page; from the beginning of the millisecond of `since`."""
        fills: list[Fill] = []
        for instrument in instruments:
            params = {
                "symbol": self._instruments[instrument].native[SYMBOL],
                "since": str(max(0, since) // MILLISECOND),
                "limit": str(PAGE),
            }
            while True:
                body, received = yield from self._ask(ask.FILLS, params)
                page = decode(_page, body, ask.FILLS.name, venue=VENUE)
                fills += [words.fill(execution, self._instruments, received) for execution in page.fills]
                if not page.more:
                    break
                last = page.fills[-1].id if page.fills else ""
                if not last or last == params.get("after"):
                    reason = "a page that says there is more, and does not go on"
                    raise MalformedMessage(reason, venue=VENUE, topic=ask.FILLS.name)
                params["after"] = last
        return sorted(fills, key=lambda fill: fill.time)

    def balances(self) -> Flow[Sequence[Balance]]:
        """GET /v1/account/balances."""
        body, received = yield from self._ask(ask.BALANCES)
        told = decode(_balances, body, ask.BALANCES.name, venue=VENUE).balances
        return [words.balance(each, received) for each in told]

    def fee_rates(self, instrument: str) -> Flow[FeeRates]:
        """GET /v1/account/fees."""
        body, _ = yield from self._ask(ask.FEES, {"symbol": self._instruments[instrument].native[SYMBOL]})
        fees = decode(_fees, body, ask.FEES.name, venue=VENUE)
        return FeeRates(maker=Decimal(fees.maker), taker=Decimal(fees.taker))

    def permissions(self) -> Flow[Permissions]:
        """GET /v1/account/permissions."""
        body, _ = yield from self._ask(ask.PERMISSIONS)
        told = decode(_permitted, body, ask.PERMISSIONS.name, venue=VENUE)
        return Permissions(
            read=told.read, trade=told.trade, withdraw=told.withdraw, addresses=tuple(told.addresses)
        )

    def limits(self) -> Flow[LimitReport]:
        """GET /v1/account/limits."""
        body, _ = yield from self._ask(ask.LIMITS)
        limits = decode(_limits, body, ask.LIMITS.name, venue=VENUE).limits
        return LimitReport(
            used={limit.pool: float(limit.used) for limit in limits},
            capacities={limit.pool: float(limit.limit) for limit in limits},
        )

    # --- how

    def _act(self, endpoint: Endpoint, params: Mapping[str, str]) -> Flow[Placed]:
        """Act on one order; its outcome."""
        try:
            body, received = yield from self._ask(endpoint, params)
            return self._accepted(decode(_order, body, endpoint.name, venue=VENUE), received)
        except VenueError as error:
            return failed(error)

    def _cancel_batch(self, asked: Sequence[Mapping[str, str]]) -> Flow[Sequence[Placed]]:
        """Cancel up to `BATCH` orders; an outcome each. What fails as a whole fails for each of them."""
        params = {"orders": _json(asked)}
        try:
            body, received = yield from self._ask(ask.CANCEL_BATCH, params)
            results = decode(_batch, body, ask.CANCEL_BATCH.name, venue=VENUE).results
            if len(results) != len(asked):
                reason = f"{len(results)} results of {len(asked)} cancels"
                raise MalformedMessage(reason, venue=VENUE, topic=ask.CANCEL_BATCH.name, frame=body)
        except VenueError as error:
            return [failed(error)] * len(asked)
        return [self._item(item, received) for item in results]

    def _item(self, item: BatchItem, received: Instant) -> Placed:
        """The outcome of one cancel of a batch."""
        try:
            if item.order is not None:
                return self._accepted(item.order, received)
            error = error_of(REFUSED, item.error)
            if error is None:
                raise MalformedMessage("no result", venue=VENUE, topic=ask.CANCEL_BATCH.name)
            return failed(error)
        except VenueError as malformed:
            return failed(malformed)

    def _accepted(self, order: Order, received: Instant) -> Accepted:
        return Accepted(
            words.report(order, self._instruments, received),
            tuple(words.fill(execution, self._instruments, received) for execution in order.fills),
        )

    def _ask(
        self, endpoint: Endpoint, params: Mapping[str, str] | None = None
    ) -> Flow[tuple[bytes, Instant]]:
        """Ask; the body of the answer and when it came. Raises what `raise_for_error` does."""
        params = params or {}
        if self._on_socket and endpoint.on_socket:
            return (yield from self._call(endpoint, params))
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in params.items())
        request = HttpRequest(
            endpoint.method,
            f"{self._rest}{endpoint.path}{'?' if query else ''}{query}",
            costs=endpoint.costs,
            signed=True,
            label=endpoint.name,
        )
        response = yield from http(request)
        raise_for_error(response, endpoint.name)
        return response.body, response.received

    def _call(self, endpoint: Endpoint, params: Mapping[str, str]) -> Flow[tuple[bytes, Instant]]:
        """As `_ask`, on the socket that takes calls; the session raises its refusals."""
        request = SocketRequest(
            key=str(next(self._calls)),
            method=endpoint.name,
            params=params,
            costs=endpoint.call_costs,
            signed=True,
            acknowledged=True,
        )
        response = yield from call(request)
        return response.parts[0], response.received

    def _symbols(self, instruments: Iterable[str] | None) -> dict[str, str]:
        """The parameter that limits a request to some instruments."""
        if instruments is None:
            return {}
        return {"symbols": _json([self._instruments[id_].native[SYMBOL] for id_ in instruments])}


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
