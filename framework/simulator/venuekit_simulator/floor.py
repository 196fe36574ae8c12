"""The floor: where orders meet. What happens to orders that have been taken, one instrument at a time.

An order that was taken comes here and leaves one by one way:

    waits for its trigger -> enters
    enters -> matches what it reaches -> FILLED
                                      -> rests (OPEN, PARTIALLY_FILLED)
                                      -> EXPIRED: what may not rest (market, IOC; FOK as a whole, before anything is matched)
                                      -> CANCELED: it met one of its own account
    rests  -> FILLED | CANCELED | EXPIRED (its date) | leaves its place and enters again (amended)
    FILLED, and a trade of it is taken back -> rests, at the tail of its price
                                            -> returns: open outside of the book, and enters at a later instant, where it would
                                               trade at once or may not rest

All that happens is noted as events in the order in which it happens; the engine tells them when its command is done.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from decimal import Decimal

from venuekit_simulator.accounts import LiveOrder, Records
from venuekit_simulator.book import Book
from venuekit_simulator.checks import IMMEDIATE
from venuekit_simulator.dealing import Dealing
from venuekit_simulator.exact import EXACT, quantum
from venuekit_simulator.journal import Journal, Trade, execution_key
from venuekit_simulator.ledger import Ledger
from venuekit_simulator.matching import Plan, plan
from venuekit_simulator.reasons import DELISTED, IMMEDIATE_OR_CANCEL, SELF_TRADE
from venuekit_simulator.triggers import Triggers, reached
from venuekit_spec import (
    EngineEvent,
    EngineRefusal,
    Execution,
    Instant,
    InstrumentStatus,
    Liquidity,
    Listing,
    NewOrder,
    OrderAction,
    OrderChanged,
    OrderStatus,
    Side,
    TimeInForce,
    TradeHappened,
)


class Floor(Dealing):
    """One instrument: its book, the orders that wait, the last price.

    `note` takes events, `next_trade` numbers trades over the whole venue, `records` are those of all accounts.
    """

    def __init__(
        self,
        listing: Listing,
        ledger: Ledger,
        records: Mapping[str, Records],
        note: Callable[[EngineEvent], None],
        next_trade: Callable[[], int],
    ) -> None:
        super().__init__(listing.instrument, listing.fees, ledger, records)
        self.last = listing.price
        self.triggers = Triggers()
        self.book = Book(listing.instrument.id, note)
        self.journal = Journal()
        self._returning: dict[LiveOrder, Instant] = {}
        """Orders that enter again, and from when on."""
        self._note = note
        self._next_trade = next_trade
        self._step = listing.instrument.size.step
        self._price_quantum = quantum(listing.instrument.price.tick)

    # What is asked of it

    def price(self, price: Decimal) -> Decimal:
        """A valid price with the decimals of the tick, so that equal prices have equal text."""
        return price if self._price_quantum is None else price.quantize(self._price_quantum, context=EXACT)

    def plan(self, order: LiveOrder) -> Plan:
        """What an order would meet if it entered now."""
        return plan(order, self.book.sides[order.side.opposite], self._step)

    def crosses(self, side: Side, price: Decimal) -> bool:
        """Whether an order of that limit would trade at once."""
        return self.book.crosses(side, price)

    def reached(self, order: NewOrder) -> bool:
        """Whether the last price triggers an order."""
        return reached(order, self.last)

    def told(self, order: LiveOrder, execution: Execution | None = None) -> None:
        """Note it."""
        self._note(OrderChanged(order.view() if execution is None else execution.order, execution))

    # What happens to an order

    def take(self, order: LiveOrder, now: Instant) -> None:
        """An order that passed all checks: it waits for its trigger, or enters."""
        order.waiting = self.waits(order.intent)
        order.triggered = order.intent.trigger_price is not None and not order.waiting
        if order.waiting:
            self.hold(order)
            self.triggers.add(order)
        self.told(order)
        if not order.waiting:
            self.enter(order, now)

    def run_triggers(self, now: Instant) -> None:
        """Every waiting order that the last price reaches enters, one after another: one may trigger the next."""
        while (order := self.triggers.take(self.last)) is not None:
            order.waiting, order.triggered = False, True
            order.changed(now)
            self.told(order)
            self.admit(order, now)

    def enter(self, order: LiveOrder, now: Instant) -> None:
        """Match what is reached; the rest rests, or ends."""
        while True:
            found = self.plan(order)
            if order.intent.time_in_force is TimeInForce.FOK and not found.complete:
                self.end(order, OrderStatus.EXPIRED, EngineRefusal.FILL_OR_KILL, now)
                return
            for maker in found.cancels:
                self.end(maker, OrderStatus.CANCELED, SELF_TRADE, now)
            if self._carry_out(order, found, now):
                break
        if order.over:
            return
        if found.stopped:
            self.end(order, OrderStatus.CANCELED, SELF_TRADE, now)
        elif order.price is None:
            self.end(order, OrderStatus.EXPIRED, EngineRefusal.NO_LIQUIDITY, now)
        elif order.intent.time_in_force in IMMEDIATE:
            self.end(order, OrderStatus.EXPIRED, IMMEDIATE_OR_CANCEL, now)
        else:
            self.hold(order)
            self.book.add(order, now)

    def leave(self, order: LiveOrder, now: Instant) -> None:
        """Out of the book, or out of those that wait or return; nothing for one that is nowhere."""
        self._returning.pop(order, None)
        if order.waiting:
            self.triggers.remove(order)
            order.waiting = False
        elif order.resting:
            self.book.remove(order, now)

    def amend(self, order: LiveOrder, price: Decimal | None, quantity: Decimal, now: Instant) -> None:
        """Other terms, which passed all checks. It keeps its place where only the quantity falls."""
        if not order.resting:
            self.adjust(order, price, quantity, now)
        elif price != order.price or quantity > (order.quantity or 0):
            self.leave(order, now)
            self.adjust(order, price, quantity, now)
            self.enter(order, now)
            self.run_triggers(now)
        elif quantity != order.quantity:
            self.book.take(order, EXACT.subtract(order.quantity or quantity, quantity))
            self.adjust(order, price, quantity, now)
            self.book.tell(OrderAction.CHANGE, order, order.remaining, now)

    def rehold(self, account: str) -> None:
        """Hold for the open orders of an account what they need now."""
        for order in self._records[account].open.values():
            if order.intent.instrument == self.instrument.id:
                self.hold(order)

    # Trades that are taken back

    def take_back(self, numbers: Collection[int], now: Instant) -> list[LiveOrder]:
        """Trades have not happened; the orders that had a part in them, oldest first. Those that had ended by them are open.

        What they caused besides stays: triggered orders are triggered, cancelled ones are cancelled.
        """
        trades = self.journal.take_back(numbers, self.settlement)
        newest = self.journal.newest
        self.last = trades[-1].last if newest is None else newest.price
        concerned = {order.number: order for each in trades for order in (each.maker, each.taker)}
        orders = [concerned[number] for number in sorted(concerned)]
        for order in orders:
            self.leave(order, now)
        for trade in trades:
            for order in (trade.maker, trade.taker):
                order.filled = EXACT.subtract(order.filled, trade.quantity)
                order.spent = EXACT.subtract(order.spent, EXACT.multiply(trade.price, trade.quantity))
        for order in orders:
            if order.status is OrderStatus.FILLED or not order.over:
                self._reopen(order, now)
            else:
                order.changed(now)
                self.told(order)
        for account in dict.fromkeys(order.account for order in orders):
            self._records[account].forget(numbers)
            self.trim(account, now)
        return orders

    def resume(self, now: Instant) -> None:
        """Orders whose trades were taken back at an earlier instant enter again, oldest first; so do triggered ones."""
        due = self.resumes
        if due is not None and due <= now:
            for order in sorted(self._returning, key=lambda each: each.number):
                if self._returning.pop(order, now + 1) <= now:
                    self.admit(order, now)
            self.run_triggers(now)

    @property
    def resumes(self) -> Instant | None:
        """When the next order enters again; None where none does, also because nothing is traded now."""
        trading = self.instrument.status is InstrumentStatus.TRADING
        return min(self._returning.values(), default=None) if trading else None

    # Inside

    def _reopen(self, order: LiveOrder, now: Instant) -> None:
        records = self._records[order.account]
        if order.over:
            records.reopened(order)
        order.status = OrderStatus.PARTIALLY_FILLED if order.filled else OrderStatus.OPEN
        order.changed(now)
        self.hold(order)
        self.told(order)
        if self.instrument.status is InstrumentStatus.DELISTED:
            self.end(order, OrderStatus.CANCELED, DELISTED, now)
        elif self._may_rest(order):
            self.book.add(order, now)
        else:
            self._returning[order] = now + 1

    def _may_rest(self, order: LiveOrder) -> bool:
        return (
            order.price is not None
            and order.intent.time_in_force not in IMMEDIATE
            and not self.crosses(order.side, order.price)
        )

    def _carry_out(self, taker: LiveOrder, found: Plan, now: Instant) -> bool:
        """Execute a plan; False where a maker was gone meanwhile, and another plan is due."""
        whole = True
        for place, (maker, quantity) in enumerate(found.matches, 1):
            if taker.over:
                return True
            if maker.over:
                whole = False
                continue
            final = whole and found.complete and place == len(found.matches)
            self._execute(maker, taker, quantity, final=final, now=now)
        return whole or taker.over

    def _execute(
        self, maker: LiveOrder, taker: LiveOrder, quantity: Decimal, *, final: bool, now: Instant
    ) -> None:
        price = maker.price
        assert price is not None
        trade, before = self._next_trade(), self.last
        self.last = price
        self._note(
            TradeHappened(
                self.instrument.id, trade, price, quantity, taker.side, maker.order_id, taker.order_id, now
            )
        )
        self.book.take(maker, quantity)
        settled = []
        for order, liquidity in ((maker, Liquidity.MAKER), (taker, Liquidity.TAKER)):
            filled = order.remaining == quantity
            _, side = self.fill(
                order,
                price,
                quantity,
                liquidity,
                done=final if order.quantity is None else filled,
                trade=trade,
                key=execution_key(trade, liquidity),
                now=now,
            )
            settled.append(side)
        self.journal.note(Trade(trade, maker, taker, price, quantity, before, tuple(settled)))
        self.book.tell(OrderAction.MATCH, maker, quantity, now)
        for account in dict.fromkeys((maker.account, taker.account)):
            self.trim(account, now)
