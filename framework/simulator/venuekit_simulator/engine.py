"""The engine of a local venue: accounts, books, rules. It satisfies `venuekit_spec.Engine`.

Everything is deterministic: there is no clock (`now` is an argument) and no dice (`seed` only moves where numbers begin). A
command is carried out whole, then its events are told, before the call returns. Their order within a command:

1. what happened to orders, as it happened: `OrderChanged` when an order is taken (before it matches), and at each later
   change; for an execution `TradeHappened`, then the maker's `OrderChanged` and the taker's, then the `OrderEvent` of the book;
2. `LevelChanged` for every level that was touched, once, with the size it has now; ids rise by one per instrument;
3. (`FundingPaid` where funding is,) `PositionChanged` and `BalanceChanged` for everything that changed, once.

When they are told, `book()` is that after the command. A listener may give commands; their events follow after those of the
command it was told of.

`OrderEvent.last` rises by one per instrument. In the book by order a MATCH that takes all of an order is its end; DONE is an
end without a trade, or the way out of the book of an order that is amended (it then comes back by OPEN, if it comes back).

Trades can be taken back (`undo`), as long as they are among the last of their instrument (`journal.MEMORY`). An order that
would then trade at once, or may not rest, is open outside of the book and enters at the first command, or `tick`, of a later
instant: an undo by itself trades nothing. Open orders for which there is no money any more are cancelled, the newest first;
what was spent in a trade that stays leaves less than nothing, and nothing new is taken until it is made up: all is conserved.

Orders that are good until a date end at the first command, or `tick`, at or after it. Block heights (`TimeInForce.GTB`) are the
dialect's: the engine lets such orders rest, and the dialect cancels them. An order sized in quote units must be a market order.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from heapq import heappop, heappush
from itertools import count
from random import Random

from attrs import evolve

from venuekit_simulator.accounts import LiveOrder, Records
from venuekit_simulator.checks import broken, check_order
from venuekit_simulator.floor import Floor
from venuekit_simulator.journal import trade_number
from venuekit_simulator.ledger import FEES, Ledger
from venuekit_simulator.outbox import Outbox
from venuekit_simulator.perpetual import HIGHEST_LEVERAGE, PerpetualSettlement
from venuekit_simulator.reasons import DELISTED, GOOD_TILL_DATE, UNFUNDED
from venuekit_simulator.settlement import Settlement
from venuekit_spec import (
    Balance,
    BalanceChanged,
    BookImage,
    EngineEvent,
    EngineRefusal,
    Execution,
    FeeRates,
    FundingPaid,
    FundingPayment,
    Instant,
    InstrumentStatus,
    InstrumentTable,
    Listing,
    LocalError,
    NewOrder,
    OrderNotFound,
    OrderRef,
    OrderStatus,
    Position,
    PositionChanged,
    Refused,
    RestingOrder,
    SelfTradePrevention,
    Side,
    StatusChange,
    TimeInForce,
    Unit,
    VenueAccount,
    VenueOrder,
)


class MatchingEngine:
    """A venue that lists `listings` and knows `accounts`."""

    def __init__(
        self, listings: Iterable[Listing], accounts: Iterable[VenueAccount] = (), seed: int = 0
    ) -> None:
        listed = tuple(listings)
        self.instruments = InstrumentTable(listing.instrument for listing in listed)
        self.ledger = Ledger()
        origin = Random(seed).randrange(10**6, 10**9)  # noqa: S311  # where numbers begin
        self._numbers = count(origin)
        trades = count(origin // 2)
        self._records: dict[str, Records] = {FEES: Records()}
        self._outbox = Outbox()
        self._floors = {
            listing.instrument.id: Floor(
                listing, self.ledger, self._records, self._outbox.note, lambda: next(trades)
            )
            for listing in listed
        }
        self._fundings = count(1)
        self._expiries: list[tuple[Instant, int, LiveOrder]] = []
        for account in accounts:
            self.open_account(account.name, account.balances)

    def open_account(self, name: str, balances: Mapping[str, Decimal], *, house: bool = False) -> None:
        """A new account. A `house` account is the venue's own: it may have any number of open orders, and nothing of it is
        remembered that has ended. Raises `LocalError` where the name is taken.
        """
        self.ledger.open(name, balances)
        self._records[name] = Records(house=house)

    def last_price(self, instrument: str) -> Decimal:
        """The price of the last trade; before the first that of the listing."""
        return self._floor(instrument).last

    def settlement(self, instrument: str) -> Settlement:
        """How an instrument is settled."""
        return self._floor(instrument).settlement

    def levels(self, instrument: str, side: Side) -> int:
        """How many prices a side of the book has."""
        return len(self._floor(instrument).book.sides[side])

    def is_open(self, account: str, order: OrderRef) -> bool:
        """Whether the account has an open order of that name."""
        try:
            self._account(account).find_open(order)
        except OrderNotFound:
            return False
        return True

    # Listening

    def listen(self, listener: Callable[[EngineEvent], None]) -> Callable[[], None]:
        """Tell `listener` of every event from now on; the result ends it."""
        return self._outbox.listen(listener)

    # Commands

    def place(
        self,
        account: str,
        order: NewOrder,
        now: Instant,
        *,
        self_trade: SelfTradePrevention = SelfTradePrevention.CANCEL_TAKER,
    ) -> VenueOrder:
        """Take an order and match it; how it stands afterwards.

        Raises `RuleViolated`, `InsufficientFunds`, `DuplicateClientOrderId`, `Refused` where it is not taken at all.
        """
        with self._command(now):
            records, floor = self._account(account), self._floor(order.instrument)
            check_order(order, floor.instrument, floor.last, now)
            floor.check_account(account, order)
            live = LiveOrder(
                account,
                next(self._numbers),
                order,
                None if order.unit is Unit.QUOTE else order.quantity,
                None if order.price is None else floor.price(order.price),
                now,
                now,
                self_trade,
            )
            floor.check_entry(live)
            records.add(live)
            self._note_expiry(live)
            floor.take(live, now)
            floor.run_triggers(now)
        return live.view()

    def cancel(self, account: str, order: OrderRef, now: Instant, *, reason: str = "") -> VenueOrder:
        """Cancel an open order. Raises `OrderNotFound` where there is no open one."""
        with self._command(now):
            live = self._account(account).find_open(order)
            self._floor(live.intent.instrument).end(live, OrderStatus.CANCELED, reason, now)
        return live.view()

    def amend(
        self, account: str, order: OrderRef, now: Instant, *, price: Decimal | None, quantity: Decimal | None
    ) -> VenueOrder:
        """Change price or total quantity of an open order; it keeps its place where only the quantity falls.

        Raises `OrderNotFound`, and what `place` raises; the order then stays as it was.
        """
        with self._command(now):
            live = self._account(account).find_open(order)
            floor = self._floor(live.intent.instrument)
            new_price = live.price if price is None else price
            new_quantity = live.quantity if quantity is None else quantity
            if new_quantity is None:
                broken(EngineRefusal.UNSUPPORTED, "an order sized in quote units has no other terms")
            wanted = evolve(live.intent, price=new_price, quantity=new_quantity, deadline=None)
            check_order(wanted, floor.instrument, floor.last, now)
            new_price = None if new_price is None else floor.price(new_price)
            floor.check_amended(live, new_price, new_quantity)
            floor.amend(live, new_price, new_quantity, now)
        return live.view()

    def set_status(self, instrument: str, status: InstrumentStatus, now: Instant) -> None:
        """Halt an instrument, or let it trade again. One that is delisted has no open orders any more."""
        with self._command(now):
            floor = self._floor(instrument)
            floor.instrument = evolve(floor.instrument, status=status)
            self.instruments.replace(floor.instrument)
            self._outbox.note(StatusChange(instrument=instrument, status=status, time=now))
            if status is InstrumentStatus.DELISTED:
                for records in self._records.values():
                    for live in tuple(records.open.values()):
                        if live.intent.instrument == instrument:
                            floor.end(live, OrderStatus.CANCELED, DELISTED, now)

    def set_leverage(self, account: str, instrument: str, leverage: Decimal, now: Instant) -> None:
        """How many times its margin a position may be, from 1 to 50.

        Raises `RuleViolated` for another number, for spot, and where the account cannot hold the margin it would need.
        """
        with self._command(now):
            self._account(account)
            floor, settlement = self._floor(instrument), self._perpetual(instrument)
            if not leverage.is_finite() or not 1 <= leverage <= HIGHEST_LEVERAGE:
                broken(
                    EngineRefusal.UNSUPPORTED, f"the leverage {leverage} is not from 1 to {HIGHEST_LEVERAGE}"
                )
            before = settlement.leverage(account)
            settlement.set_leverage(account, leverage)
            floor.rehold(account)
            if leverage < before and self.ledger.free(account, settlement.asset(Side.BUY)) < 0:
                settlement.set_leverage(account, before)
                floor.rehold(account)
                broken(EngineRefusal.FUNDS, f"the margin at leverage {leverage} is more than there is")

    def leverage(self, account: str, instrument: str) -> Decimal:
        """The leverage that is set; 1 for spot."""
        self._account(account)
        settlement = self._floor(instrument).settlement
        return settlement.leverage(account) if isinstance(settlement, PerpetualSettlement) else Decimal(1)

    def pay_funding(self, instrument: str, rate: Decimal, now: Instant) -> None:
        """Every position pays `rate` of its notional at the last price; short ones receive it."""
        with self._command(now):
            floor, settlement = self._floor(instrument), self._perpetual(instrument)
            asset = settlement.asset(Side.BUY)
            for account, position, amount in settlement.fund(rate, floor.last):
                key = f"f{next(self._fundings)}"
                payment = FundingPayment(key, instrument, asset, amount, rate, position, now)
                self._account(account).funded(payment)
                self._outbox.note(FundingPaid(account, payment))

    def undo(self, keys: Collection[str], now: Instant) -> Sequence[VenueOrder]:
        """Take back trades, by the keys of their executions; their orders as they stand then, oldest first.

        Raises `Refused`, and takes nothing back, where a key is of no trade or of one that is too old.
        """
        with self._command(now):
            concerned: list[LiveOrder] = []
            for floor, numbers in self._trades_of(keys).items():
                concerned += floor.take_back(numbers, now)
            for account in dict.fromkeys(order.account for order in concerned):
                self._cancel_unfunded(account, now)
            for order in concerned:
                if not order.over:
                    self._note_expiry(order)
        return [order.view() for order in sorted(concerned, key=lambda each: each.number)]

    def tick(self, now: Instant) -> Instant | None:
        """Do what is due by itself (dates of orders, orders that enter again); the next such instant, None for none."""
        with self._command(now):
            pass
        due = [each.resumes for each in self._floors.values()]
        due += [expires for expires, _, _ in self._expiries[:1]]
        return min((each for each in due if each is not None), default=None)

    # Queries

    def order(self, account: str, order: OrderRef) -> VenueOrder:
        """One order, open or not, by the venue's id or ours. Raises `OrderNotFound`."""
        return self._account(account).find(order).view()

    def open_orders(self, account: str, instruments: Collection[str] | None = None) -> Sequence[VenueOrder]:
        """The open orders of an account, oldest first."""
        return [
            live.view()
            for live in self._account(account).open.values()
            if instruments is None or live.intent.instrument in instruments
        ]

    def orders(self, account: str) -> Sequence[VenueOrder]:
        """Every order of an account, oldest first."""
        return [live.view() for live in self._account(account).orders.values()]

    def executions(
        self, account: str, instrument: str | None = None, since: Instant = 0
    ) -> Sequence[Execution]:
        """What an account has traded from an instant on, oldest first."""
        return self._account(account).executions(instrument, since)

    def funding(self, account: str, since: Instant = 0) -> Sequence[FundingPayment]:
        """What an account was paid, or has paid, from an instant on, oldest first."""
        return self._account(account).funding(since)

    def balances(self, account: str) -> Sequence[Balance]:
        """What an account holds, by asset; absolute."""
        self._account(account)
        return self.ledger.balances(account)

    def positions(self, account: str) -> Sequence[Position]:
        """An account's positions in derivatives that are not flat."""
        self._account(account)
        found = (floor.settlement.position(account, 0) for floor in self._floors.values())
        return [position for position in found if position is not None]

    def fee_rates(self, account: str, instrument: str) -> FeeRates:
        """What an account pays."""
        self._account(account)
        return self._floor(instrument).fees

    def book(self, instrument: str, depth: int | None = None) -> BookImage:
        """The book by level, the best `depth` levels of each side."""
        return self._floor(instrument).book.image(depth)

    def resting(self, instrument: str) -> Sequence[RestingOrder]:
        """The book by order: bids then asks, best first, in queue order."""
        return self._floor(instrument).book.resting()

    def event_id(self, instrument: str) -> int:
        """The number of the last event by order; 0 before the first."""
        return self._floor(instrument).book.event_id

    # Inside

    def _account(self, name: str) -> Records:
        try:
            return self._records[name]
        except KeyError:
            raise LocalError(f"the venue has no account {name!r}") from None

    def _floor(self, instrument: str) -> Floor:
        try:
            return self._floors[instrument]
        except KeyError:
            raise Refused(
                f"no instrument {instrument!r} is listed", code=EngineRefusal.UNKNOWN_INSTRUMENT
            ) from None

    def _perpetual(self, instrument: str) -> PerpetualSettlement:
        settlement = self._floor(instrument).settlement
        if not isinstance(settlement, PerpetualSettlement):
            broken(EngineRefusal.UNSUPPORTED, f"{instrument} has no positions")
        return settlement

    def _trades_of(self, keys: Collection[str]) -> dict[Floor, set[int]]:
        """The trades of some executions, by floor."""
        found: dict[Floor, set[int]] = {}
        for key in keys:
            trade = trade_number(key)
            floor = next((each for each in self._floors.values() if trade in each.journal), None)
            if trade is None or floor is None:
                raise Refused(f"there is no trade {key!r} to take back", code=EngineRefusal.NOT_FOUND)
            found.setdefault(floor, set()).add(trade)
        return found

    def _cancel_unfunded(self, account: str, now: Instant) -> None:
        """The newest open orders that hold what is not there any more are cancelled."""
        for live in reversed(tuple(self._account(account).open.values())):
            floor = self._floor(live.intent.instrument)
            if (
                not live.over
                and live.held
                and self.ledger.free(account, floor.settlement.asset(live.side)) < 0
            ):
                floor.end(live, OrderStatus.CANCELED, UNFUNDED, now)

    def _note_expiry(self, live: LiveOrder) -> None:
        expires = live.intent.expires
        if live.intent.time_in_force is TimeInForce.GTD and expires is not None:
            heappush(self._expiries, (expires, live.number, live))

    @contextmanager
    def _command(self, now: Instant) -> Iterator[None]:
        """A command, carried out whole; its events are told at its end, also where it is refused."""
        try:
            self._expire(now)
            for floor in self._floors.values():
                floor.resume(now)
            yield
        finally:
            self._tell(now)

    def _expire(self, now: Instant) -> None:
        while self._expiries and (self._expiries[0][0] <= now or self._expiries[0][2].over):
            _, _, live = heappop(self._expiries)
            if not live.over:
                self._floor(live.intent.instrument).end(live, OrderStatus.EXPIRED, GOOD_TILL_DATE, now)

    def _tell(self, now: Instant) -> None:
        """Note what changed in sum, and tell everything."""
        note = self._outbox.note
        for floor in self._floors.values():
            floor.book.settle_levels(now)
            for account, position in floor.settlement.take_changes(now):
                note(PositionChanged(account, position))
        for account, balance in self.ledger.take_changes(now):
            note(BalanceChanged(account, balance))
        self._outbox.tell()
