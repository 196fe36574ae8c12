"""The paper desk: one account whose orders are matched against tracked books. No money, no venue, the same rules.

- A taker walks the levels of the live book and pays their prices. What it took at a price stays taken until that level
  shows another size: the real book does not know that we were there.
- What may rest, rests; when the other side's best price reaches its price it is filled as maker, at its own price, by no more
  than what is offered there and not taken yet.
- Stops and take-profits wait for the best price that they would meet (a buy for the ask), not for trades.
- A book that is not live is not matched against: placing is refused, resting orders wait. Cancelling always works.
- Checks, holds and fees are those of the local venue (`checks`, `settlement`).

What happens is emitted as a user stream would tell it: reports and fills in order, positions and balances at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from itertools import count
from typing import Final

from attrs import evolve

from venuekit_simulator.accounts import LiveOrder, Records
from venuekit_simulator.checks import IMMEDIATE, broken, check_order
from venuekit_simulator.exact import EXACT, ZERO, total
from venuekit_simulator.floor import settlement_of
from venuekit_simulator.ledger import Ledger
from venuekit_simulator.matching import Appetite, reaches
from venuekit_simulator.paper_offers import Offers, priority, report_of
from venuekit_simulator.reasons import GOOD_TILL_DATE, IMMEDIATE_OR_CANCEL
from venuekit_simulator.settlement import Settlement
from venuekit_simulator.triggers import reached
from venuekit_spec import (
    Accepted,
    DuplicateClientOrderId,
    EngineRefusal,
    Execution,
    FeeRates,
    Fill,
    Instant,
    Instrument,
    InstrumentKind,
    InstrumentTable,
    InsufficientFunds,
    Liquidity,
    NewOrder,
    OrderRef,
    OrderStatus,
    PaperBook,
    Refused,
    Side,
    TimeInForce,
    Unit,
    UserMessage,
)

ACCOUNT: Final = "paper"


class PaperDesk:
    """Orders, fills and money of one paper account. Synchronous; refuses with the errors of the contract."""

    def __init__(
        self,
        instruments: InstrumentTable,
        books: Mapping[str, PaperBook],
        balances: Mapping[str, Decimal],
        fees: FeeRates,
        emit: Callable[[UserMessage], None],
        now: Callable[[], Instant],
    ) -> None:
        self.fees = fees
        self.records = Records()
        self.ledger = Ledger()
        self.ledger.open(ACCOUNT, balances)
        self._instruments = instruments
        self._books = books
        self._offers: dict[str, Offers] = {}
        self.settlements: dict[str, Settlement] = {}
        """Of the instruments that were traded."""
        self._emit = emit
        self._now = now
        self._numbers = count(1)
        self._fills: list[Fill] = []
        """Those of the call that runs."""

    # Calls

    def place(self, order: NewOrder) -> Accepted:
        """Take an order and match it. Raises `Refused` (and its kinds) where it is not taken."""
        now = self.expire()
        instrument = self._instrument(order.instrument)
        offers = self._live(instrument)
        check_order(order, instrument, self._reference(offers, order.side), now)
        if order.client_order_id and self.records.uses(order.client_order_id):
            raise DuplicateClientOrderId(
                f"an open order has the client id {order.client_order_id}", code=EngineRefusal.DUPLICATE
            )
        most = instrument.maximum_open_orders
        if most is not None and self.records.counts[instrument.id] >= most:
            broken(EngineRefusal.OPEN_ORDERS, f"there are {most} open orders, and no more are allowed")
        quantity = None if order.unit is Unit.QUOTE else order.quantity
        live = LiveOrder(ACCOUNT, next(self._numbers), order, quantity, order.price, now, now)
        live.waiting = order.trigger_price is not None and not self._triggered(live, offers)
        live.triggered = order.trigger_price is not None and not live.waiting
        self._check_reducing(live, live.remaining)
        refusal = None if live.waiting else self._unfit(live, offers)
        if refusal is not None:
            raise Refused("the order cannot be taken as the book is", code=refusal)
        self._check_funds(live, self._needed(live, offers))
        self.records.add(live)
        self._told(live)
        if live.waiting:
            self._hold(live)
        else:
            self._enter(live, offers, now)
        return self._done(live, now)

    def cancel(self, ref: OrderRef) -> Accepted:
        """Cancel an open order. Raises `OrderNotFound`."""
        now = self.expire()
        live = self.records.find_open(ref)
        self._end(live, OrderStatus.CANCELED, "", now)
        return self._done(live, now)

    def amend(self, ref: OrderRef, price: Decimal | None, quantity: Decimal | None) -> Accepted:
        """Other terms for an open order. Raises what `place` and `cancel` raise; the order then stays as it was."""
        now = self.expire()
        live = self.records.find_open(ref)
        instrument = self._instrument(live.intent.instrument)
        offers = self._live(instrument)
        new_price = live.price if price is None else price
        new_quantity = live.quantity if quantity is None else quantity
        assert new_quantity is not None, "an open order is sized in base units"
        wanted = evolve(live.intent, price=new_price, quantity=new_quantity, deadline=None)
        check_order(wanted, instrument, self._reference(offers, live.side), now)
        if new_quantity <= live.filled:
            broken(
                EngineRefusal.QUANTITY, f"{live.filled} of the order are filled, {new_quantity} is not more"
            )
        remaining = EXACT.subtract(new_quantity, live.filled)
        self._check_reducing(live, remaining)
        if not live.waiting and live.intent.post_only and self._crosses(live, new_price, offers):
            raise Refused("the post-only order would trade at once", code=EngineRefusal.POST_ONLY)
        self._check_funds(live, self._required(live, new_price, remaining))
        improved = new_price != live.price
        live.price, live.quantity = new_price, new_quantity
        live.changed(now)
        self._hold(live)
        self._told(live)
        if improved and not live.waiting:
            self._enter(live, offers, now)
        return self._done(live, now)

    def book_changed(self, instrument: str) -> None:
        """Trigger what waits and fill what rests, as far as the book has reached it."""
        now = self.expire()
        mine = [live for live in self.records.open.values() if live.intent.instrument == instrument]
        offers = self._offered(instrument)
        if offers is None or not offers.live:
            return
        offers.refresh()
        for live in sorted(mine, key=priority):
            if live.over:
                continue
            if not live.waiting:
                self._walk(live, offers, Liquidity.MAKER, now)
            elif self._triggered(live, offers):
                self._trigger(live, offers, now)
        self._tell_money(now)

    def expire(self) -> Instant:
        """End the orders whose date has come; the time."""
        now = self._now()
        self._fills = []
        for live in tuple(self.records.open.values()):
            expires = live.intent.expires
            dated = live.intent.time_in_force is TimeInForce.GTD and expires is not None
            if dated and expires is not None and expires <= now:
                self._end(live, OrderStatus.EXPIRED, GOOD_TILL_DATE, now)
        self._tell_money(now)
        return now

    # Checks

    def _settlement(self, live: LiveOrder) -> Settlement:
        id_ = live.intent.instrument
        if id_ not in self.settlements:
            self.settlements[id_] = settlement_of(self._instruments[id_], self.ledger)
        return self.settlements[id_]

    def _instrument(self, id_: str) -> Instrument:
        instrument = self._instruments.get(id_)
        if instrument is None:
            raise Refused(f"no instrument {id_!r} is listed", code=EngineRefusal.UNKNOWN_INSTRUMENT)
        return instrument

    def _offered(self, instrument: str) -> Offers | None:
        """The offers of a book; books may come to be tracked while we run."""
        if instrument not in self._offers and instrument in self._books:
            self._offers[instrument] = Offers(self._books[instrument])
        return self._offers.get(instrument)

    def _live(self, instrument: Instrument) -> Offers:
        offers = self._offered(instrument.id)
        if offers is None or not offers.live:
            raise Refused(
                f"the book of {instrument.id} is not live: there is nothing to match against",
                code=EngineRefusal.NOT_TRADING,
            )
        return offers

    @staticmethod
    def _reference(offers: Offers, side: Side) -> Decimal:
        return offers.best(side.opposite) or offers.best(side) or ZERO

    @staticmethod
    def _triggered(live: LiveOrder, offers: Offers) -> bool:
        best = offers.best(live.side.opposite)
        return best is not None and reached(live.intent, best)

    @staticmethod
    def _crosses(live: LiveOrder, price: Decimal | None, offers: Offers) -> bool:
        best = offers.best(live.side.opposite)
        return best is not None and reaches(live.side, price, best)

    def _unfit(self, live: LiveOrder, offers: Offers) -> EngineRefusal | None:
        """What the book has against an order that enters now."""
        if live.intent.post_only and self._crosses(live, live.price, offers):
            return EngineRefusal.POST_ONLY
        if live.price is None and not self._walked(live, offers).base:
            return EngineRefusal.NO_LIQUIDITY
        return None

    def _required(self, live: LiveOrder, price: Decimal | None, remaining: Decimal) -> Decimal:
        value = price or live.intent.trigger_price or ZERO
        return self._settlement(live).required(
            ACCOUNT,
            live.side,
            remaining,
            EXACT.multiply(value, remaining),
            reduce_only=live.intent.reduce_only,
        )

    def _needed(self, live: LiveOrder, offers: Offers) -> Decimal:
        """What must be free for an order to be taken."""
        if live.waiting or live.price is not None:
            return self._required(live, live.price, live.remaining)
        walked, sized = self._walked(live, offers), live.intent.unit is Unit.QUOTE
        return self._settlement(live).required(
            ACCOUNT,
            live.side,
            walked.base if sized else live.remaining,
            live.intent.quantity if sized else walked.quote,
            reduce_only=live.intent.reduce_only,
        )

    def _check_funds(self, live: LiveOrder, needed: Decimal) -> None:
        asset = self._settlement(live).asset(live.side)
        free = EXACT.add(self.ledger.free(ACCOUNT, asset), live.held)
        if needed > free:
            raise InsufficientFunds(
                f"{needed} {asset} are needed and {free} are free", code=EngineRefusal.FUNDS
            )

    def _check_reducing(self, live: LiveOrder, remaining: Decimal) -> None:
        if not live.intent.reduce_only:
            return
        others = total(each.remaining for each in self._reducing(live) if each is not live)
        room = self._settlement(live).reducible(ACCOUNT, live.side)
        if EXACT.add(others, remaining) > room:
            broken(EngineRefusal.REDUCE_ONLY, f"{remaining} besides {others} is more than there is, {room}")

    def _reducing(self, like: LiveOrder) -> list[LiveOrder]:
        wanted = (like.intent.instrument, like.side)
        return [
            each
            for each in self.records.open.values()
            if each.intent.reduce_only and (each.intent.instrument, each.side) == wanted
        ]

    # Matching

    def _walked(self, live: LiveOrder, offers: Offers) -> Appetite:
        """What an order would take; nothing is taken."""
        appetite = Appetite(live, self._instruments[live.intent.instrument].size.step)
        for price, offered, _ in offers.of(live.side.opposite):
            if not reaches(live.side, live.price, price) or not appetite.take(price, offered):
                break
            if appetite.complete:
                break
        return appetite

    def _trigger(self, live: LiveOrder, offers: Offers, now: Instant) -> None:
        live.waiting, live.triggered = False, True
        live.changed(now)
        self._told(live)
        refusal = self._unfit(live, offers)
        if refusal is None and live.price is None:
            needed = self._needed(live, offers)
            free = self.ledger.free(ACCOUNT, self._settlement(live).asset(live.side))
            refusal = EngineRefusal.FUNDS if needed > EXACT.add(free, live.held) else None
        if refusal is None:
            self._enter(live, offers, now)
        else:
            self._end(live, OrderStatus.CANCELED, refusal, now)

    def _enter(self, live: LiveOrder, offers: Offers, now: Instant) -> None:
        """Take what is there; the rest rests, or ends."""
        if live.intent.time_in_force is TimeInForce.FOK and not self._walked(live, offers).complete:
            self._end(live, OrderStatus.EXPIRED, EngineRefusal.FILL_OR_KILL, now)
            return
        self._walk(live, offers, Liquidity.TAKER, now)
        if live.over:
            return
        if live.price is None:
            self._end(live, OrderStatus.EXPIRED, EngineRefusal.NO_LIQUIDITY, now)
        elif live.intent.time_in_force in IMMEDIATE:
            self._end(live, OrderStatus.EXPIRED, IMMEDIATE_OR_CANCEL, now)
        else:
            self._hold(live)

    def _walk(self, live: LiveOrder, offers: Offers, liquidity: Liquidity, now: Instant) -> None:
        """Fill an order by what is offered: a taker at the prices of the levels, a maker at its own."""
        opposite = live.side.opposite
        appetite = Appetite(live, self._instruments[live.intent.instrument].size.step)
        for price, offered, shown in offers.of(opposite):
            if live.over or not reaches(live.side, live.price, price):
                return
            at = live.price if liquidity is Liquidity.MAKER and live.price is not None else price
            taken = appetite.take(at, offered)
            if not taken:
                return
            offers.take(opposite, price, shown, taken)
            self._fill(live, at, taken, liquidity, done=appetite.complete, now=now)

    def _fill(
        self,
        live: LiveOrder,
        price: Decimal,
        quantity: Decimal,
        liquidity: Liquidity,
        *,
        done: bool,
        now: Instant,
    ) -> None:
        live.filled = EXACT.add(live.filled, quantity)
        live.spent = EXACT.add(live.spent, EXACT.multiply(price, quantity))
        live.status = OrderStatus.FILLED if done else OrderStatus.PARTIALLY_FILLED
        live.changed(now)
        rate = self.fees.maker if liquidity is Liquidity.MAKER else self.fees.taker
        fee = self._settlement(live).settle(ACCOUNT, live.side, price, quantity, rate)
        self._hold(live)
        if done:
            self.records.ended(live)
        trade = next(self._numbers)
        fill = Fill(
            str(trade),
            live.intent.instrument,
            live.side,
            price,
            quantity,
            order_id=live.order_id,
            client_order_id=live.intent.client_order_id,
            fees=(fee,),
            liquidity=liquidity,
            time=now,
            received=now,
        )
        self.records.executed(Execution(fill.key, trade, live.view(), fill))
        self._fills.append(fill)
        self._emit(fill)
        self._told(live)
        if self._instruments[live.intent.instrument].kind is not InstrumentKind.SPOT:
            self._trim(live.intent.instrument, now)

    def _trim(self, instrument: str, now: Instant) -> None:
        """Reduce-only orders that would now do more than close the position are cancelled, the newest first."""
        for live in reversed(tuple(self.records.open.values())):
            if live.intent.reduce_only and live.intent.instrument == instrument:
                wanted = total(each.remaining for each in self._reducing(live))
                if wanted > self._settlement(live).reducible(ACCOUNT, live.side):
                    self._end(live, OrderStatus.CANCELED, EngineRefusal.REDUCE_ONLY, now)

    def _end(self, live: LiveOrder, status: OrderStatus, reason: str, now: Instant) -> None:
        live.status, live.reason, live.waiting = status, str(reason), False
        live.changed(now)
        self._hold(live)
        self.records.ended(live)
        self._told(live)

    def _hold(self, live: LiveOrder) -> None:
        keeps = not live.over and (live.waiting or live.price is not None)
        wanted = self._required(live, live.price, live.remaining) if keeps else ZERO
        asset = self._settlement(live).asset(live.side)
        self.ledger.hold(ACCOUNT, asset, EXACT.subtract(wanted, live.held))
        live.held = wanted

    # Telling

    def _told(self, live: LiveOrder) -> None:
        self._emit(report_of(live))

    def _done(self, live: LiveOrder, now: Instant) -> Accepted:
        self._tell_money(now)
        return Accepted(report_of(live), tuple(self._fills))

    def _tell_money(self, now: Instant) -> None:
        for settlement in self.settlements.values():
            for _, position in settlement.take_changes(now):
                self._emit(position)
        for _, balance in self.ledger.take_changes(now):
            self._emit(balance)
