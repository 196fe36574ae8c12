"""What is asked by REST: parameters -> chain and engine -> payload. PROTOCOL.md, "Actions", "Orders" and "Account"."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final, TypeAlias

from msgspec.structs import replace

from venuekit_exchange_b import payloads
from venuekit_exchange_b.actions import (
    NO_CLIENT,
    NO_HASH,
    Burn,
    Cancel,
    CancelOrders,
    Envelope,
    Inspect,
    Login,
    Order,
    Place,
    SetLeverage,
    envelope_decoder,
    order_hash,
)
from venuekit_exchange_b.description import BATCH, CHAINS, ORDER_LIFE
from venuekit_exchange_b.dialect import refusals, writing
from venuekit_exchange_b.dialect.chain import Chain
from venuekit_exchange_b.dialect.refusals import No, of_engine
from venuekit_exchange_b.dialect.signers import Signed, Signers
from venuekit_exchange_b.instruments import MARKET
from venuekit_exchange_b.market import PAGE
from venuekit_exchange_b.orders import FORCES
from venuekit_exchange_b.quanta import number, price_exponent, size_exponent, told_amount
from venuekit_spec import (
    MILLISECOND,
    UNREADABLE,
    Finality,
    Instant,
    Instrument,
    OrderStatus,
    Side,
    VenueError,
)

CHAIN: Final = CHAINS["local"]

_Query: TypeAlias = Mapping[str, str]
_Handler: TypeAlias = Callable[[_Query, Instant], Any]


class Requests:
    """Everything that can be asked, over one chain."""

    def __init__(self, chain: Chain, signers: Signers) -> None:
        self.chain = chain
        self.signers = signers
        self.gets: Mapping[str, _Handler] = {
            "chain": self._chain,
            "markets": self._markets,
            "book": self._book,
            "order": self._order,
            "orders": self._orders,
            "fills": self._fills,
            "balances": self._balances,
            "positions": self._positions,
            "funding": self._funding,
            "fees": self._fees,
        }

    # --- public

    def _chain(self, query: _Query, now: Instant) -> payloads.ChainState:
        return payloads.ChainState(CHAIN, now // MILLISECOND, self.chain.height)

    def _markets(self, query: _Query, now: Instant) -> dict[str, Any]:
        return {"markets": [writing.listed(each) for each in self.chain.engine.instruments.values()]}

    def _book(self, query: _Query, now: Instant) -> payloads.Book:
        instrument = self._instrument(query.get("market", ""))
        return payloads.Book(int(instrument.native[MARKET]), self.resting(instrument))

    def resting(self, instrument: Instrument) -> list[payloads.Resting]:
        """Every resting order of a market."""
        prices, sizes = price_exponent(instrument), size_exponent(instrument)
        return [
            payloads.Resting(
                self.chain.hash(each.order_id),
                each.side is Side.BUY,
                int(Decimal(each.price).scaleb(-prices)),
                int(Decimal(each.size).scaleb(-sizes)),
            )
            for each in self.chain.engine.resting(instrument.id)
        ]

    # --- an account

    def _order(self, query: _Query, now: Instant) -> payloads.OrderState:
        found = self.chain.find(self._account(query), query.get("order", ""), now)
        if found is None:
            raise No(refusals.UNKNOWN_ORDER, "no such order")
        return found

    def _orders(self, query: _Query, now: Instant) -> payloads.Orders:
        return payloads.Orders(list(self.chain.open_orders(self._account(query), now)))

    def _fills(self, query: _Query, now: Instant) -> payloads.Page:
        engine = self.chain.engine
        instrument = self._instrument(query.get("market", ""))
        found = list(engine.executions(self._account(query), instrument.id, _since(query)))
        keys = [execution.key for execution in found]
        if (last := query.get("after")) is not None:
            found = found[keys.index(last) + 1 :] if last in keys else []
        page = [
            writing.execution(each, self.chain.finality(each.key), engine.instruments)
            for each in found[:PAGE]
        ]
        return payloads.Page(page, more=len(found) > PAGE)

    def _balances(self, query: _Query, now: Instant) -> payloads.Holdings:
        held = self.chain.engine.balances(self._account(query))
        return payloads.Holdings([writing.balance(each) for each in held])

    def _positions(self, query: _Query, now: Instant) -> payloads.Positions:
        engine = self.chain.engine
        held = engine.positions(self._account(query))
        return payloads.Positions([writing.position(each, engine.instruments) for each in held])

    def _funding(self, query: _Query, now: Instant) -> payloads.Fundings:
        engine = self.chain.engine
        paid = engine.funding(self._account(query), _since(query))
        return payloads.Fundings([writing.funding(each, engine.instruments) for each in paid])

    def _fees(self, query: _Query, now: Instant) -> payloads.Fees:
        instrument = self._instrument(query.get("market", ""))
        rates = self.chain.engine.fee_rates(self._account(query), instrument.id)
        return payloads.Fees(told_amount(rates.maker), told_amount(rates.taker))

    # --- actions

    def act(self, body: bytes, now: Instant) -> Any:
        """Carry out a signed action, or take it into the pool. Raises `No`."""
        envelope = read_envelope(body)
        signed = self.signers.check(envelope)
        match envelope.action:
            case Place(orders):
                return self._place(orders, envelope, signed, now)
            case CancelOrders(cancels):
                self._spend(envelope, signed, now)
                _check_batch(cancels)
                return payloads.Results([self._item(self._cancel, each, signed, now) for each in cancels])
            case SetLeverage(market, hundredths):
                self._spend(envelope, signed, now)
                self._leverage(market, hundredths, signed, now)
            case Burn() | Inspect():
                self._spend(envelope, signed, now)
            case Login():
                raise No(refusals.UNKNOWN_REQUEST, "a login belongs on a socket")
        return payloads.Done(True, signed.signer, self.chain.height)

    def _spend(self, envelope: Envelope, signed: Signed, now: Instant) -> None:
        self.signers.spend(signed.signer, envelope.nonce, now)

    def _place(
        self, orders: list[Order], envelope: Envelope, signed: Signed, now: Instant
    ) -> payloads.Results:
        """The same bytes again are the same orders: they are answered as they stand, and spend nothing."""
        _check_batch(orders)
        known = [self.chain.find(signed.account, self._hash(each, signed), now) for each in orders]
        if all(state is not None for state in known):
            return payloads.Results([payloads.Item(order=state) for state in known])
        self._spend(envelope, signed, now)
        return payloads.Results([self._item(self._take, each, signed, now) for each in orders])

    def _item(
        self,
        act: Callable[[Any, Signed, Instant], payloads.OrderState],
        each: Any,
        signed: Signed,
        now: Instant,
    ) -> payloads.Item:
        try:
            return payloads.Item(order=act(each, signed, now))
        except No as no:
            return payloads.Item(error=no.failure)

    def _take(self, order: Order, signed: Signed, now: Instant) -> payloads.OrderState:
        instrument = self._instrument(str(order.market))
        _check_terms(order, instrument)
        height = self.chain.height
        if order.expires <= height:
            raise No(refusals.EXPIRED, f"the height is {height}, the order expires at {order.expires}")
        if order.expires > height + ORDER_LIFE.maximum:
            raise No(refusals.TOO_FAR, f"an order lives {ORDER_LIFE.maximum} blocks at most")
        if self.chain.find(signed.account, order.client, now) is not None:
            raise No(refusals.DUPLICATE, f"there was an order {order.client} before")
        return self.chain.take(signed.account, order, self._hash(order, signed), instrument.id, now)

    def _cancel(self, cancel: Cancel, signed: Signed, now: Instant) -> payloads.OrderState:
        name = cancel.client if cancel.order == NO_HASH else cancel.order
        found = self.chain.find(signed.account, name, now)
        if found is None or found.market != cancel.market:
            raise No(refusals.UNKNOWN_ORDER, "no such order")
        if OrderStatus(found.status).terminal:
            raise No(refusals.NOT_OPEN, f"the order is {found.status}")
        self.chain.take_cancel(signed.account, found.order)
        return replace(found, status=OrderStatus.CANCELING.value, finality=Finality.PROVISIONAL.value)

    def _leverage(self, market: int, hundredths: int, signed: Signed, now: Instant) -> None:
        instrument = self._instrument(str(market))
        try:
            self.chain.engine.set_leverage(signed.account, instrument.id, number(hundredths, -2), now)
        except VenueError as error:
            raise No(refusals.LEVERAGE, str(of_engine(error))) from error

    @staticmethod
    def _hash(order: Order, signed: Signed) -> str:
        return order_hash(order, CHAIN, signed.address)

    # --- parameters

    def _account(self, query: _Query) -> str:
        return self.signers.account(query.get("account", ""))

    def _instrument(self, market: str) -> Instrument:
        instruments = self.chain.engine.instruments
        id_ = instruments.ids_by_native(MARKET).get(market)
        if id_ is None:
            raise No(refusals.UNKNOWN_MARKET, f"there is no market {market!r}")
        return instruments[id_]


def read_envelope(body: str | bytes) -> Envelope:
    """A signed action. Raises `No`."""
    try:
        return envelope_decoder.decode(body)
    except UNREADABLE as error:
        raise No(refusals.MALFORMED, str(error)) from error


def _since(query: _Query) -> Instant:
    told = query.get("since", "0")
    if not (told.isascii() and told.isdecimal() and len(told) < 15):
        raise No(refusals.MALFORMED, "since is a time in milliseconds")
    return int(told) * MILLISECOND


def _check_batch(items: list[Any]) -> None:
    if not 0 < len(items) <= BATCH:
        raise No(refusals.MALFORMED, f"an action is about 1 to {BATCH} orders")


def _check_terms(order: Order, instrument: Instrument) -> None:
    """What can be said of an order without the book and the account. Raises `No`."""
    price, size = (
        number(order.price, price_exponent(instrument)),
        number(order.size, size_exponent(instrument)),
    )
    rule = instrument.size
    if order.force not in FORCES.values() or order.client == NO_CLIENT:
        raise No(refusals.MALFORMED, f"no force {order.force!r}, or no client id")
    if not instrument.price.allows(price):
        raise No("price", f"{price} is no price of market {order.market}")
    if size % rule.step or not (rule.minimum or 0) <= size <= (rule.maximum or size) or not size:
        raise No("size", f"{size} is no size of market {order.market}")
    smallest = instrument.minimum_notional
    if smallest is not None and not order.reduce_only and price * size < smallest:
        raise No("notional", f"{price * size} is less than {smallest}")
