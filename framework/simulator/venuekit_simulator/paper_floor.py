"""What happens to paper orders of one instrument: they meet what a tracked book offers.

A taker walks the levels and pays their prices. What rests is filled at its own price when the other side reaches it, by no more
than what is offered there and not taken yet. Triggers look at the best price that the order would meet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal

from venuekit_simulator.accounts import LiveOrder, Records
from venuekit_simulator.checks import IMMEDIATE
from venuekit_simulator.dealing import Dealing
from venuekit_simulator.exact import ZERO
from venuekit_simulator.ledger import Ledger
from venuekit_simulator.matching import Appetite, Plan, reaches
from venuekit_simulator.paper_offers import Offers, priority, report_of
from venuekit_simulator.reasons import IMMEDIATE_OR_CANCEL
from venuekit_simulator.triggers import reached
from venuekit_spec import (
    EngineRefusal,
    Execution,
    FeeRates,
    Instant,
    Instrument,
    Liquidity,
    NewOrder,
    OrderStatus,
    Side,
    TimeInForce,
    UserMessage,
)


class PaperFloor(Dealing):
    """The paper orders of one instrument. `next_number` numbers fills, `emit` takes what happens."""

    def __init__(
        self,
        instrument: Instrument,
        fees: FeeRates,
        ledger: Ledger,
        records: Mapping[str, Records],
        offers: Offers,
        next_number: Callable[[], int],
        emit: Callable[[UserMessage], None],
    ) -> None:
        super().__init__(instrument, fees, ledger, records)
        self.offers = offers
        self._next_number = next_number
        self._emit = emit

    def reference(self, side: Side) -> Decimal:
        """The price that values an order without one."""
        return self.offers.best(side.opposite) or self.offers.best(side) or ZERO

    def plan(self, order: LiveOrder) -> Plan:
        """What an order would take; nothing is taken."""
        appetite = Appetite(order, self.instrument.size.step)
        for price, offered, _ in self.offers.of(order.side.opposite):
            if not reaches(order.side, order.price, price) or not appetite.take(price, offered):
                break
            if appetite.complete:
                break
        return Plan([], [], appetite.base, appetite.quote, complete=appetite.complete)

    def crosses(self, side: Side, price: Decimal) -> bool:
        """Whether the best price of the other side is reached."""
        best = self.offers.best(side.opposite)
        return best is not None and reaches(side, price, best)

    def reached(self, order: NewOrder) -> bool:
        """Whether the best price that it would meet triggers an order."""
        best = self.offers.best(order.side.opposite)
        return best is not None and reached(order, best)

    def told(self, order: LiveOrder, execution: Execution | None = None) -> None:
        """Report it; what was executed first."""
        if execution is not None:
            self._emit(execution.fill)
        self._emit(report_of(order))

    def take(self, order: LiveOrder, now: Instant) -> None:
        """An order that passed all checks: it waits for its trigger, or enters."""
        order.waiting = self.waits(order.intent)
        self.told(order)
        if order.waiting:
            self.hold(order)
        else:
            self.enter(order, now)

    def enter(self, order: LiveOrder, now: Instant) -> None:
        """Take what is there; the rest rests, or ends."""
        if order.intent.time_in_force is TimeInForce.FOK and not self.plan(order).complete:
            self.end(order, OrderStatus.EXPIRED, EngineRefusal.FILL_OR_KILL, now)
            return
        self._walk(order, Liquidity.TAKER, now)
        if order.over:
            return
        if order.price is None:
            self.end(order, OrderStatus.EXPIRED, EngineRefusal.NO_LIQUIDITY, now)
        elif order.intent.time_in_force in IMMEDIATE:
            self.end(order, OrderStatus.EXPIRED, IMMEDIATE_OR_CANCEL, now)
        else:
            self.hold(order)

    def leave(self, order: LiveOrder, now: Instant) -> None:
        """No order is in the book; one may wait."""
        order.waiting = False

    def amend(self, order: LiveOrder, price: Decimal | None, quantity: Decimal, now: Instant) -> None:
        """Other terms, which passed all checks."""
        moved = price != order.price
        self.adjust(order, price, quantity, now)
        if moved and not order.waiting:
            self.enter(order, now)

    def book_changed(self, now: Instant) -> None:
        """Trigger what waits and fill what rests, as far as the book has reached it."""
        self.offers.refresh()
        mine = [
            order
            for records in self._records.values()
            for order in records.open.values()
            if order.intent.instrument == self.instrument.id
        ]
        for order in sorted(mine, key=priority):
            if not order.waiting:
                self._walk(order, Liquidity.MAKER, now)
            elif self.reached(order.intent):
                order.waiting = False
                order.changed(now)
                self.told(order)
                self.admit(order, now)

    def _walk(self, order: LiveOrder, liquidity: Liquidity, now: Instant) -> None:
        """Fill an order by what is offered: a taker at the prices of the levels, a maker at its own.

        Nothing happens to one that is over: the fill of another may have ended it.
        """
        opposite = order.side.opposite
        appetite = Appetite(order, self.instrument.size.step)
        for price, offered, shown in self.offers.of(opposite):
            if order.over or not reaches(order.side, order.price, price):
                return
            at = order.price if liquidity is Liquidity.MAKER and order.price is not None else price
            taken = appetite.take(at, offered)
            if not taken:
                return
            self.offers.take(opposite, price, shown, taken)
            number = self._next_number()
            self.fill(
                order,
                at,
                taken,
                liquidity,
                done=appetite.complete,
                trade=number,
                key=str(number),
                now=now,
                received=now,
            )
            self.trim(order.account, now)
