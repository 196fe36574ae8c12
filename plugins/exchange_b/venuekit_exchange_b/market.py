"""Trading, as flows. What changes something is a signed action; what only asks names the account, whose state is public.

Placing and cancelling are asynchronous: the answer says that an order, or a cancel, is in the pool; the next block carries it
out, or refuses it. Up to `BATCH` of them share an action, each with a result of its own. The hash of an order is computed here
as well, and one that the venue calls otherwise is not believed.

PROTOCOL.md, "Actions", "Orders" and "Account".
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Final, TypeVar
from urllib.parse import urlencode

import msgspec
from msgspec.json import Decoder

from venuekit_exchange_b import orders as words
from venuekit_exchange_b.actions import (
    NO_HASH,
    Action,
    Burn,
    CancelOrders,
    Inspect,
    Place,
    SetLeverage,
    order_hash,
)
from venuekit_exchange_b.auth import account_of
from venuekit_exchange_b.description import BATCH, ONE, chain_of
from venuekit_exchange_b.errors import error_of, failed, raise_for_error
from venuekit_exchange_b.instruments import MARKET
from venuekit_exchange_b.payloads import (
    VENUE,
    ChainState,
    Done,
    Fees,
    Fundings,
    Holdings,
    Item,
    Orders,
    OrderState,
    Page,
    Positions,
    Results,
)
from venuekit_exchange_b.quanta import amount, quanta
from venuekit_spec import (
    MILLISECOND,
    Accepted,
    Balance,
    BlockHeight,
    Credentials,
    Environment,
    FeeRates,
    Fill,
    Flow,
    FundingPayment,
    HttpRequest,
    Instant,
    InstrumentTable,
    MalformedMessage,
    Market,
    NewOrder,
    OrderRef,
    OrderReport,
    Permissions,
    Placed,
    Position,
    VenueError,
    decode,
    http,
)

T = TypeVar("T")

PAGE: Final = 500
"""Executions in one answer."""

PREFIX: Final = "0x76656e75"
"""How our client ids begin."""

_chain = msgspec.json.Decoder(ChainState)
_results = msgspec.json.Decoder(Results)
_done = msgspec.json.Decoder(Done)
_order = msgspec.json.Decoder(OrderState)
_orders = msgspec.json.Decoder(Orders)
_page = msgspec.json.Decoder(Page)
_holdings = msgspec.json.Decoder(Holdings)
_positions = msgspec.json.Decoder(Positions)
_fundings = msgspec.json.Decoder(Fundings)
_fees = msgspec.json.Decoder(Fees)


class ExchangeBMarket(Market):
    """Trading for one account. An order is its terms and each cancel names its order, so nothing is amended or swept away.

    Raises `LocalError` if a "rest" URL, a chain or the account's address is missing.
    """

    def __init__(
        self, environment: Environment, instruments: InstrumentTable, credentials: Credentials
    ) -> None:
        self._rest = environment.url("rest")
        self._chain = chain_of(environment)
        self._account = account_of(credentials)
        self._instruments = instruments

    def client_order_id(self, number: int) -> str:
        """128 bits in hexadecimal: four bytes that are always the same, then the number."""
        return f"{PREFIX}{number:024x}"

    # --- acting on orders

    def place(self, orders: Sequence[NewOrder]) -> Flow[Sequence[Placed]]:
        """POST /v1/actions, place. Raises `LocalError` or `RuleViolated` before anything is sent where one cannot be said."""
        asked = [words.terms(order, self._instruments[order.instrument]) for order in orders]
        hashes = [order_hash(order, self._chain, self._account) for order in asked]
        placed: list[Placed] = []
        for start in range(0, len(asked), BATCH):
            part = slice(start, start + BATCH)
            placed += yield from self._act(Place(asked[part]), hashes[part])
        return placed

    def cancel(self, orders: Sequence[OrderRef]) -> Flow[Sequence[Placed]]:
        """POST /v1/actions, cancel. Accepted: the cancel is in the pool, and may still lose the race."""
        asked = [words.named(order, self._instruments[order.instrument]) for order in orders]
        placed: list[Placed] = []
        for start in range(0, len(asked), BATCH):
            part = asked[start : start + BATCH]
            placed += yield from self._act(CancelOrders(part), [cancel.order for cancel in part])
        return placed

    def set_leverage(self, instrument: str, leverage: Decimal) -> Flow[None]:
        """POST /v1/actions, leverage. Raises `RuleViolated` for one that is too high, or no multiple of a hundredth."""
        market = int(self._instruments[instrument].native[MARKET])
        yield from self._do(SetLeverage(market, quanta(leverage, -2)), "leverage")

    def burn_nonce(self, nonce: int) -> Flow[None]:
        """POST /v1/actions, burn. Raises `NonceRefused` where it is spent, or too old to be spent."""
        yield from self._do(Burn(), "burn", nonce)

    def permissions(self) -> Flow[Permissions]:
        """POST /v1/actions, inspect: a signer may trade and never withdraw."""
        yield from self._do(Inspect(), "inspect")
        return Permissions(read=True, trade=True, withdraw=False)

    # --- asking

    def height(self) -> Flow[BlockHeight]:
        """GET /v1/chain."""
        told, _ = yield from self._get("chain", _chain)
        return BlockHeight(told.height, told.time * MILLISECOND)

    def status(self, order: OrderRef) -> Flow[OrderReport]:
        """GET /v1/order, in the pool, open or not. Raises `OrderNotFound`."""
        cancel = words.named(order, self._instruments[order.instrument])
        id_ = cancel.client if cancel.order == NO_HASH else cancel.order
        told, received = yield from self._get("order", _order, {"account": self._account, "order": id_})
        return words.report(told, self._instruments, received)

    def open_orders(self, instruments: Collection[str] | None) -> Flow[Sequence[OrderReport]]:
        """GET /v1/orders, those in the pool too."""
        markets = None if instruments is None else {self._market(each) for each in instruments}
        told, received = yield from self._get("orders", _orders, {"account": self._account})
        return [
            words.report(order, self._instruments, received)
            for order in told.orders
            if markets is None or str(order.market) in markets
        ]

    def fills(self, instruments: Collection[str], since: Instant) -> Flow[Sequence[Fill]]:
        """GET /v1/fills for each instrument, page after page; from the beginning of the millisecond of `since`."""
        fills: list[Fill] = []
        for instrument in instruments:
            query = {
                "account": self._account,
                "market": self._market(instrument),
                "since": str(max(0, since) // MILLISECOND),
            }
            while True:
                page, received = yield from self._get("fills", _page, query)
                fills += [words.fill(execution, self._instruments, received) for execution in page.fills]
                if not page.more:
                    break
                last = page.fills[-1].key if page.fills else ""
                if not last or last == query.get("after"):
                    reason = "a page that says there is more, and does not go on"
                    raise MalformedMessage(reason, venue=VENUE, topic="fills")
                query["after"] = last
        return sorted(fills, key=lambda fill: fill.time)

    def balances(self) -> Flow[Sequence[Balance]]:
        """GET /v1/balances."""
        told, _ = yield from self._get("balances", _holdings, {"account": self._account})
        return [words.balance(each) for each in told.balances]

    def positions(self) -> Flow[Sequence[Position]]:
        """GET /v1/positions."""
        told, _ = yield from self._get("positions", _positions, {"account": self._account})
        return [words.position(each, self._instruments) for each in told.positions]

    def funding(self, since: Instant) -> Flow[Sequence[FundingPayment]]:
        """GET /v1/funding; from the beginning of the millisecond of `since`."""
        query = {"account": self._account, "since": str(max(0, since) // MILLISECOND)}
        told, _ = yield from self._get("funding", _fundings, query)
        return [words.funding(each, self._instruments) for each in told.funding]

    def fee_rates(self, instrument: str) -> Flow[FeeRates]:
        """GET /v1/fees."""
        query = {"account": self._account, "market": self._market(instrument)}
        told, _ = yield from self._get("fees", _fees, query)
        return FeeRates(maker=amount(told.maker), taker=amount(told.taker))

    # --- how

    def _act(self, action: Action, hashes: Sequence[str]) -> Flow[Sequence[Placed]]:
        """One action over several orders; an outcome each. What fails as a whole fails for each of them."""
        try:
            told, received = yield from self._send(action, type(action).__name__, _results)
            if len(told.results) != len(hashes):
                reason = f"{len(told.results)} results of {len(hashes)} orders"
                raise MalformedMessage(reason, venue=VENUE, topic="actions")
        except VenueError as error:
            return [failed(error)] * len(hashes)
        return [
            self._outcome(item, hash_, received) for item, hash_ in zip(told.results, hashes, strict=True)
        ]

    def _outcome(self, item: Item, hash_: str, received: Instant) -> Placed:
        try:
            if item.error is not None:
                return failed(error_of(item.error))
            if item.order is None or hash_ not in {item.order.order, NO_HASH}:
                raise MalformedMessage("no result, or one of another order", venue=VENUE, topic="actions")
            return Accepted(words.report(item.order, self._instruments, received))
        except VenueError as error:
            return failed(error)

    def _do(self, action: Action, label: str, nonce: int | None = None) -> Flow[None]:
        told, _ = yield from self._send(action, label, _done, nonce)
        if not told.done:
            raise MalformedMessage("an action that is not done, and no error", venue=VENUE, topic=label)

    def _send(
        self, action: Action, label: str, decoder: Decoder[T], nonce: int | None = None
    ) -> Flow[tuple[T, Instant]]:
        request = HttpRequest(
            "POST",
            f"{self._rest}/v1/actions",
            headers=(("content-type", "application/json"),),
            body=msgspec.json.encode(action),
            costs=ONE,
            signed=True,
            nonce=nonce,
            label=label,
        )
        return (yield from self._answer(request, decoder))

    def _get(
        self, what: str, decoder: Decoder[T], query: Mapping[str, str] | None = None
    ) -> Flow[tuple[T, Instant]]:
        url = f"{self._rest}/v1/{what}{f'?{urlencode(query)}' if query else ''}"
        return (yield from self._answer(HttpRequest("GET", url, costs=ONE, label=what), decoder))

    @staticmethod
    def _answer(request: HttpRequest, decoder: Decoder[T]) -> Flow[tuple[T, Instant]]:
        response = yield from http(request)
        raise_for_error(response, request.label)
        return decode(decoder, response.body, request.label, venue=VENUE), response.received

    def _market(self, instrument: str) -> str:
        return self._instruments[instrument].native[MARKET]
