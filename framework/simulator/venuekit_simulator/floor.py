"""The floor: where orders meet. What happens to orders that have been taken, one instrument at a time.

An order that was taken comes here and leaves one by one way:

    waits for its trigger -> enters
    enters -> matches what it reaches -> FILLED
                                      -> rests (OPEN, PARTIALLY_FILLED)
                                      -> EXPIRED: what may not rest (market, IOC; FOK as a whole, before anything is matched)
                                      -> CANCELED: it met one of its own account
    rests  -> FILLED | CANCELED | EXPIRED (its date) | leaves its place and enters again (amended)

All that happens is noted as events in the order in which it happens; the engine tells them when its command is done.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal

from venuekit_simulator.accounts import LiveOrder, Records
from venuekit_simulator.checks import IMMEDIATE
from venuekit_simulator.exact import EXACT, ZERO, plain, quantum, total
from venuekit_simulator.ledger import Ledger
from venuekit_simulator.matching import BookSide, Plan, plan, reaches
from venuekit_simulator.perpetual import PerpetualSettlement
from venuekit_simulator.reasons import IMMEDIATE_OR_CANCEL, SELF_TRADE
from venuekit_simulator.settlement import Settlement, SpotSettlement
from venuekit_simulator.triggers import Triggers, reached
from venuekit_spec import (
    BookImage,
    EngineEvent,
    EngineRefusal,
    Execution,
    Fill,
    Instant,
    Instrument,
    InstrumentKind,
    LevelChanged,
    Liquidity,
    Listing,
    OrderAction,
    OrderChanged,
    OrderEvent,
    OrderStatus,
    RestingOrder,
    Side,
    TimeInForce,
    TradeHappened,
)


def settlement_of(instrument: Instrument, ledger: Ledger) -> Settlement:
    """The strategy that settles an instrument."""
    kind = SpotSettlement if instrument.kind is InstrumentKind.SPOT else PerpetualSettlement
    return kind(instrument, ledger)


class Floor:
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
        self.instrument = listing.instrument
        self.fees = listing.fees
        self.last = listing.price
        self.settlement = settlement_of(listing.instrument, ledger)
        self.triggers = Triggers()
        self.sides: dict[Side, BookSide] = {side: BookSide(side) for side in Side}
        self._ledger = ledger
        self._records = records
        self._note = note
        self._next_trade = next_trade
        self._step = listing.instrument.size.step
        self._price_quantum = quantum(listing.instrument.price.tick)
        self._touched: dict[tuple[Side, Decimal], None] = {}
        self._changed_at: Instant = 0
        self._level_id = 0
        self._event_id = 0

    # What is asked of it

    def price(self, price: Decimal) -> Decimal:
        """A valid price with the decimals of the tick, so that equal prices have equal text."""
        return price if self._price_quantum is None else price.quantize(self._price_quantum, context=EXACT)

    def plan(self, order: LiveOrder) -> Plan:
        """What an order would meet if it entered now."""
        return plan(order, self.sides[order.side.opposite], self._step)

    def crosses(self, side: Side, price: Decimal) -> bool:
        """Whether an order of that limit would trade at once."""
        best = self.sides[side.opposite].best()
        return best is not None and reaches(side, price, best)

    def required(self, order: LiveOrder, price: Decimal | None, remaining: Decimal) -> Decimal:
        """What an order over `remaining` base units must hold; one without a price is valued at its trigger."""
        value = price or order.intent.trigger_price
        quote = ZERO if value is None else EXACT.multiply(value, remaining)
        return self.settlement.required(
            order.account, order.side, remaining, quote, reduce_only=order.intent.reduce_only
        )

    def image(self, depth: int | None) -> BookImage:
        """The book by level."""
        rows: dict[Side, tuple[tuple[Decimal, Decimal], ...]] = {}
        for side, levels in self.sides.items():
            found = levels.levels()
            count = len(levels) if depth is None else min(depth, len(levels))
            rows[side] = tuple(
                (level.price, level.size) for level, _ in zip(found, range(count), strict=False)
            )
        return BookImage(
            self.instrument.id, self._level_id, rows[Side.BUY], rows[Side.SELL], self._changed_at
        )

    def resting(self) -> list[RestingOrder]:
        """The book by order."""
        return [
            RestingOrder(order.order_id, side, plain(level.price), plain(order.remaining))
            for side, levels in self.sides.items()
            for level in levels.levels()
            for order in level.queue.values()
        ]

    # What happens to an order

    def take(self, order: LiveOrder, now: Instant) -> None:
        """An order that passed all checks: it waits for its trigger, or enters."""
        if order.intent.trigger_price is not None and not reached(order.intent, self.last):
            order.waiting = True
            self._hold(order)
            self._note(OrderChanged(order.view()))
            self.triggers.add(order)
            return
        order.triggered = order.intent.trigger_price is not None
        self._note(OrderChanged(order.view()))
        self.enter(order, now)

    def run_triggers(self, now: Instant) -> None:
        """Every waiting order that the last price reaches enters, one after another: one may trigger the next."""
        while (order := self.triggers.take(self.last)) is not None:
            order.waiting, order.triggered = False, True
            order.changed(now)
            self._note(OrderChanged(order.view()))
            refusal = self._unfit(order)
            if refusal is None:
                self.enter(order, now)
            else:
                self.end(order, OrderStatus.CANCELED, refusal, now)

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
            self._rest(order, now)

    def end(self, order: LiveOrder, status: OrderStatus, reason: str, now: Instant) -> None:
        """An open order is over, wherever it is."""
        self.leave(order, now)
        order.status, order.reason = status, str(reason)
        order.changed(now)
        self._hold(order)
        self._records[order.account].ended(order)
        self._note(OrderChanged(order.view()))

    def leave(self, order: LiveOrder, now: Instant) -> None:
        """Out of the book, or out of the waiting ones; nothing for one that is in neither."""
        if order.waiting:
            self.triggers.remove(order)
            order.waiting = False
        elif order.resting:
            self.sides[order.side].remove(order)
            self._by_order(OrderAction.DONE, order, order.remaining, now)

    def shrink(self, order: LiveOrder, quantity: Decimal, now: Instant) -> None:
        """Less is wanted of a resting or waiting order: it keeps its place."""
        if not order.waiting:
            self.sides[order.side].reduce(
                order, EXACT.subtract(order.remaining, EXACT.subtract(quantity, order.filled))
            )
        self.adjust(order, order.price, quantity, now)
        if not order.waiting:
            self._by_order(OrderAction.CHANGE, order, order.remaining, now)

    def rehold(self, account: str) -> None:
        """Hold for the open orders of an account what they need now."""
        for order in self._records[account].open.values():
            if order.intent.instrument == self.instrument.id:
                self._hold(order)

    def adjust(self, order: LiveOrder, price: Decimal | None, quantity: Decimal, now: Instant) -> None:
        """An order that is not in the book has other terms now."""
        order.price, order.quantity = price, quantity
        order.changed(now)
        self._hold(order)
        self._note(OrderChanged(order.view()))

    # The levels that a command touched

    def settle_levels(self, now: Instant) -> None:
        """Note each level that changed since the last time, once, as it is now."""
        if not self._touched:
            return
        touched, self._touched = self._touched, {}
        self._changed_at = now
        for side, price in touched:
            self._level_id += 1
            size = self.sides[side].size(price)
            self._note(LevelChanged(self.instrument.id, self._level_id, side, price, size, now))

    # Inside

    def _unfit(self, order: LiveOrder) -> EngineRefusal | None:
        """Why a triggered order cannot enter: nothing there, no money for it, or it would take although post-only."""
        if order.price is not None:
            crosses = order.intent.post_only and self.crosses(order.side, order.price)
            return EngineRefusal.POST_ONLY if crosses else None
        found = self.plan(order)
        if not found.base:
            return EngineRefusal.NO_LIQUIDITY
        cost = self.settlement.required(
            order.account, order.side, found.base, found.quote, reduce_only=order.intent.reduce_only
        )
        free = self._ledger.free(order.account, self.settlement.asset(order.side))
        return EngineRefusal.FUNDS if cost > EXACT.add(free, order.held) else None

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
        trade = self._next_trade()
        self.last = price
        self._note(
            TradeHappened(
                self.instrument.id, trade, price, quantity, taker.side, maker.order_id, taker.order_id, now
            )
        )
        side = self.sides[maker.side]
        if quantity == maker.remaining:
            side.remove(maker)
        else:
            side.reduce(maker, quantity)
        self._fill(maker, price, quantity, trade, Liquidity.MAKER, final=False, now=now)
        self._fill(taker, price, quantity, trade, Liquidity.TAKER, final=final, now=now)
        self._by_order(OrderAction.MATCH, maker, quantity, now)
        if self.instrument.kind is not InstrumentKind.SPOT:
            for account in dict.fromkeys((maker.account, taker.account)):
                self._trim(account, now)

    def _fill(
        self,
        order: LiveOrder,
        price: Decimal,
        quantity: Decimal,
        trade: int,
        liquidity: Liquidity,
        *,
        final: bool,
        now: Instant,
    ) -> None:
        order.filled = EXACT.add(order.filled, quantity)
        order.spent = EXACT.add(order.spent, EXACT.multiply(price, quantity))
        done = final if order.quantity is None else order.filled == order.quantity
        order.status = OrderStatus.FILLED if done else OrderStatus.PARTIALLY_FILLED
        order.changed(now)
        rate = self.fees.maker if liquidity is Liquidity.MAKER else self.fees.taker
        fee = self.settlement.settle(order.account, order.side, price, quantity, rate)
        self._hold(order)
        records = self._records[order.account]
        if done:
            records.ended(order)
        key = f"{trade}{'m' if liquidity is Liquidity.MAKER else 't'}"
        fill = Fill(
            key,
            self.instrument.id,
            order.side,
            price,
            quantity,
            order_id=order.order_id,
            client_order_id=order.intent.client_order_id,
            fees=(fee,),
            liquidity=liquidity,
            time=now,
        )
        execution = Execution(key, trade, order.view(), fill)
        records.executed(execution)
        self._note(OrderChanged(execution.order, execution))

    def _rest(self, order: LiveOrder, now: Instant) -> None:
        self._hold(order)
        self.sides[order.side].add(order)
        self._by_order(OrderAction.OPEN, order, order.remaining, now)

    def _hold(self, order: LiveOrder) -> None:
        """Hold what an open order that rests or waits needs; all is released at its end. Market orders hold while they wait."""
        keeps = not order.over and (order.waiting or order.price is not None)
        wanted = self.required(order, order.price, order.remaining) if keeps else ZERO
        if wanted != order.held:
            asset = self.settlement.asset(order.side)
            self._ledger.hold(order.account, asset, EXACT.subtract(wanted, order.held))
            order.held = wanted

    def _trim(self, account: str, now: Instant) -> None:
        """Reduce-only orders that would now do more than close the position are cancelled, the newest first."""
        for side in Side:
            mine = self.reducing(account, side)
            room = self.settlement.reducible(account, side)
            wanted = total(order.remaining for order in mine)
            while mine and wanted > room:
                newest = mine.pop()
                wanted = EXACT.subtract(wanted, newest.remaining)
                self.end(newest, OrderStatus.CANCELED, EngineRefusal.REDUCE_ONLY, now)

    def reducing(self, account: str, side: Side) -> list[LiveOrder]:
        """The open reduce-only orders of an account on one side, oldest first."""
        return [
            order
            for order in self._records[account].open.values()
            if order.intent.reduce_only
            and order.side is side
            and order.intent.instrument == self.instrument.id
        ]

    def _by_order(self, action: OrderAction, order: LiveOrder, size: Decimal, now: Instant) -> None:
        """Tell the book by order of a change, and remember the level."""
        price = order.price
        assert price is not None
        self._touched[order.side, price] = None
        self._event_id += 1
        self._note(
            OrderEvent(
                instrument=self.instrument.id,
                action=action,
                order_id=order.order_id,
                side=order.side,
                price=plain(price),
                size=plain(size),
                last=self._event_id,
                time=now,
            )
        )
