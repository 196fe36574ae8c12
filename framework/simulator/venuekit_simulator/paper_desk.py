"""The paper desk: one account whose orders are matched against tracked books. No money, no venue, the same rules.

- A taker walks the levels of the live book and pays their prices. What it took at a price stays taken until that level
  shows another size: the real book does not know that we were there.
- What may rest, rests; when the other side's best price reaches its price it is filled as maker, at its own price, by no more
  than what is offered there and not taken yet.
- Stops and take-profits wait for the best price that they would meet (a buy for the ask), not for trades.
- A book that is not live is not matched against: placing is refused, resting orders wait. Cancelling always works.
- Checks, holds and fees are those of the local venue (`checks`, `dealing`, `settlement`).

What happens is emitted as a user stream would tell it: reports and fills in order, positions and balances at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from itertools import count
from typing import Final

from attrs import evolve

from venuekit_simulator.accounts import LiveOrder, Records
from venuekit_simulator.checks import broken, check_order
from venuekit_simulator.ledger import Ledger
from venuekit_simulator.paper_floor import PaperFloor
from venuekit_simulator.paper_offers import Offers, report_of
from venuekit_simulator.reasons import GOOD_TILL_DATE
from venuekit_spec import (
    Accepted,
    EngineRefusal,
    FeeRates,
    Fill,
    Instant,
    InstrumentTable,
    NewOrder,
    OrderRef,
    OrderStatus,
    PaperBook,
    Position,
    Refused,
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
        self._floors: dict[str, PaperFloor] = {}
        """Of the instruments whose books were looked at."""
        self._emit = emit
        self._now = now
        self._numbers = count(1)
        self._fills: list[Fill] = []
        """Those of the call that runs."""

    # Calls

    def place(self, order: NewOrder) -> Accepted:
        """Take an order and match it. Raises `Refused` (and its kinds) where it is not taken."""
        now = self.expire()
        floor = self._live(order.instrument)
        check_order(order, floor.instrument, floor.reference(order.side), now)
        floor.check_account(ACCOUNT, order)
        quantity = None if order.unit is Unit.QUOTE else order.quantity
        live = LiveOrder(ACCOUNT, next(self._numbers), order, quantity, order.price, now, now)
        floor.check_entry(live)
        self.records.add(live)
        floor.take(live, now)
        return self._done(live, now)

    def cancel(self, ref: OrderRef) -> Accepted:
        """Cancel an open order. Raises `OrderNotFound`."""
        now = self.expire()
        live = self.records.find_open(ref)
        self._floors[live.intent.instrument].end(live, OrderStatus.CANCELED, "", now)
        return self._done(live, now)

    def amend(self, ref: OrderRef, price: Decimal | None, quantity: Decimal | None) -> Accepted:
        """Other terms for an open order. Raises what `place` and `cancel` raise; the order then stays as it was."""
        now = self.expire()
        live = self.records.find_open(ref)
        floor = self._live(live.intent.instrument)
        new_price = live.price if price is None else price
        new_quantity = live.quantity if quantity is None else quantity
        if new_quantity is None:
            broken(EngineRefusal.UNSUPPORTED, "an order sized in quote units has no other terms")
        wanted = evolve(live.intent, price=new_price, quantity=new_quantity, deadline=None)
        check_order(wanted, floor.instrument, floor.reference(live.side), now)
        floor.check_amended(live, new_price, new_quantity)
        floor.amend(live, new_price, new_quantity, now)
        return self._done(live, now)

    def book_changed(self, instrument: str) -> None:
        """Trigger what waits and fill what rests, as far as the book has reached it."""
        now = self.expire()
        floor = self._floor(instrument)
        if floor is not None and floor.offers.live:
            floor.book_changed(now)
            self._tell_money(now)

    def expire(self) -> Instant:
        """End the orders whose date has come; the time."""
        now = self._now()
        self._fills = []
        for live in tuple(self.records.open.values()):
            expires = live.intent.expires
            dated = live.intent.time_in_force is TimeInForce.GTD and expires is not None
            if dated and expires is not None and expires <= now:
                self._floors[live.intent.instrument].end(live, OrderStatus.EXPIRED, GOOD_TILL_DATE, now)
        self._tell_money(now)
        return now

    def positions(self) -> Sequence[Position]:
        """Positions that are not flat."""
        now = self.expire()
        found = (floor.settlement.position(ACCOUNT, now) for floor in self._floors.values())
        return [position for position in found if position is not None]

    # Inside

    def _live(self, instrument: str) -> PaperFloor:
        """Where an order for this instrument goes. Raises `Refused` where nothing can be matched."""
        if instrument not in self._instruments:
            raise Refused(f"no instrument {instrument!r} is listed", code=EngineRefusal.UNKNOWN_INSTRUMENT)
        floor = self._floor(instrument)
        if floor is None or not floor.offers.live:
            raise Refused(
                f"the book of {instrument} is not live: there is nothing to match against",
                code=EngineRefusal.NOT_TRADING,
            )
        return floor

    def _floor(self, id_: str) -> PaperFloor | None:
        """The floor of a tracked book, with the instrument as it is now; books may come to be tracked while we run."""
        instrument = self._instruments.get(id_)
        if instrument is None or (id_ not in self._floors and id_ not in self._books):
            return None
        if id_ not in self._floors:
            self._floors[id_] = PaperFloor(
                instrument,
                self.fees,
                self.ledger,
                {ACCOUNT: self.records},
                Offers(self._books[id_]),
                lambda: next(self._numbers),
                self._note,
            )
        self._floors[id_].instrument = instrument
        return self._floors[id_]

    def _note(self, message: UserMessage) -> None:
        if isinstance(message, Fill):
            self._fills.append(message)
        self._emit(message)

    def _done(self, live: LiveOrder, now: Instant) -> Accepted:
        self._tell_money(now)
        return Accepted(report_of(live), tuple(self._fills))

    def _tell_money(self, now: Instant) -> None:
        for floor in self._floors.values():
            for _, position in floor.settlement.take_changes(now):
                self._emit(position)
        for _, balance in self.ledger.take_changes(now):
            self._emit(balance)
