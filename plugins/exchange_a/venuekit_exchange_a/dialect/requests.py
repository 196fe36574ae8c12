"""What each endpoint does: parameters -> engine -> payload. The same for REST and for calls on a socket."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from venuekit_exchange_a import endpoints as ask
from venuekit_exchange_a import payloads
from venuekit_exchange_a.description import POOLS
from venuekit_exchange_a.dialect import writing
from venuekit_exchange_a.dialect.keys import Keys
from venuekit_exchange_a.dialect.limits import Limits
from venuekit_exchange_a.dialect.reading import Parameters
from venuekit_exchange_a.dialect.refusals import NO_SUCH_ORDER, PARAMETER, No, of_engine
from venuekit_exchange_a.dialect.tokens import Tokens
from venuekit_exchange_a.dialect.writing import plain
from venuekit_exchange_a.endpoints import Endpoint
from venuekit_exchange_a.market import BATCH, PAGE
from venuekit_spec import (
    MILLISECOND,
    Engine,
    Instant,
    OrderNotFound,
    OrderRef,
    VenueError,
    VenueOrder,
)

LEVELS: Final = 1_000
LONGEST_COUNTDOWN: Final = 86_400_000
COUNTDOWN: Final = "countdown"
"""The reason of orders that the dead man's switch cancelled."""

_Handler: TypeAlias = Callable[[Parameters, str, Instant], Any]


class Requests:
    """The endpoints over one engine. `countdowns` are the dead man's switches: when each account's goes off."""

    def __init__(self, engine: Engine, limits: Limits, keys: Keys, tokens: Tokens) -> None:
        self.engine = engine
        self.countdowns: dict[str, Instant] = {}
        self._limits = limits
        self._keys = keys
        self._tokens = tokens
        self._handlers: Mapping[str, _Handler] = {
            ask.TIME.name: self._time,
            ask.INSTRUMENTS.name: self._instruments,
            ask.DEPTH.name: self._depth,
            ask.PLACE.name: self._place,
            ask.AMEND.name: self._amend,
            ask.CANCEL.name: self._cancel,
            ask.STATUS.name: self._status,
            ask.CANCEL_BATCH.name: self._cancel_batch,
            ask.OPEN_ORDERS.name: self._open_orders,
            ask.CANCEL_ALL.name: self._cancel_all,
            ask.FILLS.name: self._fills,
            ask.COUNTDOWN.name: self._countdown,
            ask.BALANCES.name: self._balances,
            ask.FEES.name: self._fees,
            ask.PERMISSIONS.name: self._permissions,
            ask.LIMITS.name: self._told_limits,
            ask.NEW_TOKEN.name: self._new_token,
            ask.RENEW_TOKEN.name: self._renew_token,
        }

    def handle(self, endpoint: Endpoint, told: Mapping[str, str], account: str, now: Instant) -> Any:
        """The payload of the answer. Raises `No`."""
        params = Parameters(told, self.engine.instruments)
        try:
            return self._handlers[endpoint.name](params, account, now)
        except VenueError as error:
            raise of_engine(error) from error

    def go_off(self, now: Instant) -> Instant | None:
        """Cancel the orders of those who were not heard of in time; when the next one is due."""
        for account, due in list(self.countdowns.items()):
            if due <= now:
                del self.countdowns[account]
                for order in self.engine.open_orders(account):
                    self.engine.cancel(account, _ref(order), now, reason=COUNTDOWN)
        return min(self.countdowns.values(), default=None)

    # --- public

    def _time(self, params: Parameters, account: str, now: Instant) -> payloads.ServerTime:
        return payloads.ServerTime(now // MILLISECOND)

    def _instruments(self, params: Parameters, account: str, now: Instant) -> dict[str, Any]:
        limits = [payloads.Limit(pool.name, int(pool.capacity), int(pool.period)) for pool in POOLS]
        listed = [writing.listed(instrument) for instrument in self.engine.instruments.values()]
        return {"limits": limits, "instruments": listed}

    def _depth(self, params: Parameters, account: str, now: Instant) -> payloads.Depth:
        depth = params.whole("limit", LEVELS, LEVELS)
        if depth == 0:
            raise No(PARAMETER, f"limit is 1 to {LEVELS}")
        image = self.engine.book(params.instrument(), depth)
        bids, asks = (
            [(plain(price), plain(size)) for price, size in side] for side in (image.bids, image.asks)
        )
        return payloads.Depth(params.text("symbol"), image.id, now // MILLISECOND, bids, asks)

    # --- orders

    def _place(self, params: Parameters, account: str, now: Instant) -> payloads.Order:
        order = self.engine.place(account, params.order(), now, self_trade=params.self_trade())
        return self._whole(order)

    def _amend(self, params: Parameters, account: str, now: Instant) -> payloads.Order:
        price, quantity = params.number("price"), params.number("quantity")
        if price is None and quantity is None:
            raise No(PARAMETER, "an amendment has a price, a quantity, or both")
        order = self.engine.amend(account, params.named(), now, price=price, quantity=quantity)
        return self._whole(order)

    def _cancel(self, params: Parameters, account: str, now: Instant) -> payloads.Order:
        return self._whole(self.engine.cancel(account, params.named(), now))

    def _cancel_batch(self, params: Parameters, account: str, now: Instant) -> payloads.Batch:
        results = []
        for named in params.batch(BATCH):
            told = {
                "symbol": named.symbol,
                "orderId": named.order_id or "",
                "clientOrderId": named.client_order_id or "",
            }
            try:
                order = self.handle(ask.CANCEL, told, account, now)
                results.append(payloads.BatchItem(order=order))
            except No as no:
                results.append(payloads.BatchItem(error=no.body))
        return payloads.Batch(results)

    def _cancel_all(self, params: Parameters, account: str, now: Instant) -> payloads.Orders:
        found = self.engine.open_orders(account, params.instruments())
        gone = [self.engine.cancel(account, _ref(order), now) for order in found]
        return payloads.Orders([writing.order(order, self.engine.instruments) for order in gone])

    def _status(self, params: Parameters, account: str, now: Instant) -> payloads.Order:
        try:
            return self._whole(self.engine.order(account, params.named()))
        except OrderNotFound as error:
            raise No(NO_SUCH_ORDER, "no such order") from error

    def _open_orders(self, params: Parameters, account: str, now: Instant) -> payloads.Orders:
        found = self.engine.open_orders(account, params.instruments())
        return payloads.Orders([writing.order(order, self.engine.instruments) for order in found])

    def _fills(self, params: Parameters, account: str, now: Instant) -> payloads.Page:
        since = params.whole("since", 0, 10**14) * MILLISECOND
        limit = params.whole("limit", PAGE, PAGE) or PAGE
        found = list(self.engine.executions(account, params.instrument(), since))
        last = params.optional("after")
        if last:
            keys = [execution.key for execution in found]
            found = found[keys.index(last) + 1 :] if last in keys else []
        page = [writing.execution(execution, self.engine.instruments) for execution in found[:limit]]
        return payloads.Page(page, more=len(found) > limit)

    def _countdown(self, params: Parameters, account: str, now: Instant) -> dict[str, int]:
        timeout = params.whole("timeout", 0, LONGEST_COUNTDOWN)
        self.countdowns.pop(account, None)
        if timeout:
            self.countdowns[account] = now + timeout * MILLISECOND
        return {"timeout": timeout}

    # --- account

    def _balances(self, params: Parameters, account: str, now: Instant) -> payloads.Balances:
        return payloads.Balances([writing.balance(balance) for balance in self.engine.balances(account)])

    def _fees(self, params: Parameters, account: str, now: Instant) -> payloads.Fees:
        rates = self.engine.fee_rates(account, params.instrument())
        return payloads.Fees(plain(rates.maker), plain(rates.taker))

    def _permissions(self, params: Parameters, account: str, now: Instant) -> payloads.Permitted:
        return payloads.Permitted(read=True, trade=self._keys.may_trade(account), withdraw=False)

    def _told_limits(self, params: Parameters, account: str, now: Instant) -> payloads.Limits:
        limits = []
        for pool in POOLS:
            used = self._limits.used(pool.name, account, now)
            limits.append(payloads.Limit(pool.name, int(pool.capacity), int(pool.period), used))
        return payloads.Limits(limits)

    def _new_token(self, params: Parameters, account: str, now: Instant) -> payloads.Token:
        return self._tokens.new(account, self._keys.secret(account), now)

    def _renew_token(self, params: Parameters, account: str, now: Instant) -> payloads.Token:
        return self._tokens.renew(params.text("token"), account, now)

    def _whole(self, order: VenueOrder) -> payloads.Order:
        """An order with its executions."""
        executions = (
            execution
            for execution in self.engine.executions(order.account, order.intent.instrument, order.created)
            if execution.order.number == order.number
        )
        return writing.order(order, self.engine.instruments, executions if order.filled else ())


def _ref(order: VenueOrder) -> OrderRef:
    return OrderRef(order.intent.instrument, order_id=order.order_id)
