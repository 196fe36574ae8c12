"""Dealing in one instrument: what the local venue's floor and the paper desk's have in common.

Both take orders from accounts with limited means, hold for them, fill them, settle and end them; they differ in what an order
meets. That is left to them: `plan`, `crosses`, `reached`, `enter`, and how a change of an order is told.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from decimal import Decimal

from venuekit_simulator.accounts import LiveOrder, Records
from venuekit_simulator.checks import broken
from venuekit_simulator.exact import EXACT, ZERO, total
from venuekit_simulator.ledger import Ledger
from venuekit_simulator.matching import Plan
from venuekit_simulator.perpetual import PerpetualSettlement
from venuekit_simulator.settlement import Settled, Settlement, SpotSettlement
from venuekit_spec import (
    DuplicateClientOrderId,
    EngineRefusal,
    Execution,
    FeeRates,
    Fill,
    Instant,
    Instrument,
    InstrumentKind,
    InsufficientFunds,
    Liquidity,
    NewOrder,
    OrderStatus,
    Refused,
    Side,
    Unit,
)


def settlement_of(instrument: Instrument, ledger: Ledger) -> Settlement:
    """The strategy that settles an instrument."""
    kind = SpotSettlement if instrument.kind is InstrumentKind.SPOT else PerpetualSettlement
    return kind(instrument, ledger)


class Dealing(ABC):
    """Orders of one instrument, against the means of the accounts that give them."""

    def __init__(
        self, instrument: Instrument, fees: FeeRates, ledger: Ledger, records: Mapping[str, Records]
    ) -> None:
        self.instrument = instrument
        self.fees = fees
        self.settlement = settlement_of(instrument, ledger)
        self._ledger = ledger
        self._records = records

    @abstractmethod
    def plan(self, order: LiveOrder) -> Plan:
        """What an order would meet if it entered now."""

    @abstractmethod
    def crosses(self, side: Side, price: Decimal) -> bool:
        """Whether an order of that limit would trade at once."""

    @abstractmethod
    def reached(self, order: NewOrder) -> bool:
        """Whether an order that has a trigger is triggered now."""

    @abstractmethod
    def enter(self, order: LiveOrder, now: Instant) -> None:
        """Match what is reached; the rest rests, or ends."""

    @abstractmethod
    def leave(self, order: LiveOrder, now: Instant) -> None:
        """Out of the book, or out of the waiting ones; nothing for one that is in neither."""

    @abstractmethod
    def told(self, order: LiveOrder, execution: Execution | None = None) -> None:
        """Tell that an order has changed."""

    # May it be taken

    def waits(self, order: NewOrder) -> bool:
        """Whether an order has a trigger that is not reached."""
        return order.trigger_price is not None and not self.reached(order)

    def check_account(self, account: str, order: NewOrder) -> None:
        """What the account's other open orders have against a new one."""
        records = self._records[account]
        if order.client_order_id and records.uses(order.client_order_id):
            raise DuplicateClientOrderId(
                f"an open order has the client id {order.client_order_id}", code=EngineRefusal.DUPLICATE
            )
        most = self.instrument.maximum_open_orders
        if most is not None and not records.house and records.counts[order.instrument] >= most:
            broken(EngineRefusal.OPEN_ORDERS, f"there are {most} open orders, and no more are allowed")

    def check_entry(self, order: LiveOrder) -> None:
        """What book, position and funds have against a new order."""
        intent = order.intent
        if intent.reduce_only:
            self._check_reducing(order, order.remaining)
        waits = self.waits(intent)
        if waits or order.price is not None:
            if not waits and order.price is not None:
                self._check_post_only(order, order.price)
            self._check_funds(order, self.required(order, order.price, order.remaining))
            return
        found = self.plan(order)
        if not found.base and not found.stopped:
            raise Refused("nothing is there to trade with", code=EngineRefusal.NO_LIQUIDITY)
        quote = intent.unit is Unit.QUOTE
        required = self.settlement.required(
            order.account,
            order.side,
            found.base if quote else order.remaining,
            intent.quantity if quote else found.quote,
            reduce_only=intent.reduce_only,
        )
        self._check_funds(order, required)

    def check_amended(self, order: LiveOrder, price: Decimal | None, quantity: Decimal) -> None:
        """What speaks against other terms of an open order."""
        if quantity <= order.filled:
            broken(EngineRefusal.QUANTITY, f"{order.filled} of the order are filled, {quantity} is not more")
        remaining = EXACT.subtract(quantity, order.filled)
        if order.intent.reduce_only:
            self._check_reducing(order, remaining)
        if price is not None and not order.waiting:
            self._check_post_only(order, price)
        self._check_funds(order, self.required(order, price, remaining))

    def required(self, order: LiveOrder, price: Decimal | None, remaining: Decimal) -> Decimal:
        """What an order over `remaining` base units must hold; one without a price is valued at its trigger."""
        value = price or order.intent.trigger_price
        quote = ZERO if value is None else EXACT.multiply(value, remaining)
        return self.settlement.required(
            order.account, order.side, remaining, quote, reduce_only=order.intent.reduce_only
        )

    def reducing(self, account: str, side: Side) -> list[LiveOrder]:
        """The open reduce-only orders of an account on one side, oldest first."""
        return [
            order
            for order in self._records[account].reducing.values()
            if order.side is side and order.intent.instrument == self.instrument.id
        ]

    # What happens to one that is

    def admit(self, order: LiveOrder, now: Instant) -> None:
        """An order that was open outside of the book enters, or ends where it cannot any more."""
        refusal = self._unfit(order)
        if refusal is None:
            self.enter(order, now)
        else:
            self.end(order, OrderStatus.CANCELED, refusal, now)

    def end(self, order: LiveOrder, status: OrderStatus, reason: str, now: Instant) -> None:
        """An open order is over, wherever it is."""
        self.leave(order, now)
        order.status, order.reason = status, str(reason)
        order.changed(now)
        self.hold(order)
        self._records[order.account].ended(order)
        self.told(order)

    def adjust(self, order: LiveOrder, price: Decimal | None, quantity: Decimal, now: Instant) -> None:
        """An order has other terms now; the book is the caller's."""
        order.price, order.quantity = price, quantity
        order.changed(now)
        self.hold(order)
        self.told(order)

    def hold(self, order: LiveOrder) -> None:
        """Hold what an open order that rests or waits needs; all is released at its end. Market orders hold while they wait."""
        keeps = not order.over and (order.waiting or order.price is not None)
        wanted = self.required(order, order.price, order.remaining) if keeps else ZERO
        if wanted != order.held:
            asset = self.settlement.asset(order.side)
            self._ledger.hold(order.account, asset, EXACT.subtract(wanted, order.held))
            order.held = wanted

    def fill(
        self,
        order: LiveOrder,
        price: Decimal,
        quantity: Decimal,
        liquidity: Liquidity,
        *,
        done: bool,
        trade: int,
        key: str,
        now: Instant,
        received: Instant = 0,
    ) -> tuple[Execution, Settled]:
        """An order trades, and is over where that is all of it: settled, noted, told."""
        order.filled = EXACT.add(order.filled, quantity)
        order.spent = EXACT.add(order.spent, EXACT.multiply(price, quantity))
        order.status = OrderStatus.FILLED if done else OrderStatus.PARTIALLY_FILLED
        order.changed(now)
        rate = self.fees.maker if liquidity is Liquidity.MAKER else self.fees.taker
        settled = self.settlement.settle(order.account, order.side, price, quantity, rate)
        self.hold(order)
        records = self._records[order.account]
        if done:
            records.ended(order)
        fill = Fill(
            key,
            self.instrument.id,
            order.side,
            price,
            quantity,
            order_id=order.order_id,
            client_order_id=order.intent.client_order_id,
            fees=(settled.fee,),
            liquidity=liquidity,
            time=now,
            received=received,
        )
        execution = Execution(key, trade, order.view(), fill)
        records.executed(execution)
        self.told(order, execution)
        return execution, settled

    def trim(self, account: str, now: Instant) -> None:
        """Reduce-only orders that would now do more than close the position are cancelled, the newest first."""
        if self.instrument.kind is InstrumentKind.SPOT:
            return
        for side in Side:
            mine = self.reducing(account, side)
            room = self.settlement.reducible(account, side)
            wanted = total(order.remaining for order in mine)
            while mine and wanted > room:
                newest = mine.pop()
                wanted = EXACT.subtract(wanted, newest.remaining)
                self.end(newest, OrderStatus.CANCELED, EngineRefusal.REDUCE_ONLY, now)

    # Inside

    def _unfit(self, order: LiveOrder) -> EngineRefusal | None:
        """Why an order cannot enter: nothing there, no money for it, or it would take although post-only."""
        if order.price is not None:
            crosses = order.intent.post_only and self.crosses(order.side, order.price)
            return EngineRefusal.POST_ONLY if crosses else None
        found = self.plan(order)
        if not found.base:
            return EngineRefusal.NO_LIQUIDITY
        cost = self.settlement.required(
            order.account, order.side, found.base, found.quote, reduce_only=order.intent.reduce_only
        )
        return EngineRefusal.FUNDS if cost > self._available(order) else None

    def _check_post_only(self, order: LiveOrder, price: Decimal) -> None:
        if order.intent.post_only and self.crosses(order.side, price):
            raise Refused("the post-only order would trade at once", code=EngineRefusal.POST_ONLY)

    def _check_reducing(self, order: LiveOrder, remaining: Decimal) -> None:
        others = total(
            each.remaining for each in self.reducing(order.account, order.side) if each is not order
        )
        room = self.settlement.reducible(order.account, order.side)
        if EXACT.add(others, remaining) > room:
            broken(
                EngineRefusal.REDUCE_ONLY,
                f"{remaining} besides {others} is more than the position has, {room}",
            )

    def _check_funds(self, order: LiveOrder, required: Decimal) -> None:
        free = self._available(order)
        if required > free:
            raise InsufficientFunds(
                f"{required} {self.settlement.asset(order.side)} are needed and {free} are free",
                code=EngineRefusal.FUNDS,
            )

    def _available(self, order: LiveOrder) -> Decimal:
        """What is free for an order, its own hold included."""
        return EXACT.add(self._ledger.free(order.account, self.settlement.asset(order.side)), order.held)
