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

Orders that are good until a date end at the first command, or `tick`, at or after it. Block heights (`TimeInForce.GTB`) are the
dialect's: the engine lets such orders rest, and the dialect cancels them. An order sized in quote units must be a market order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from heapq import heappop, heappush
from itertools import count
from random import Random

from attrs import evolve

from venuekit_simulator.accounts import LiveOrder, Records
from venuekit_simulator.checks import broken, check_order
from venuekit_simulator.exact import EXACT, total
from venuekit_simulator.floor import Floor
from venuekit_simulator.ledger import FEES, Ledger
from venuekit_simulator.perpetual import HIGHEST_LEVERAGE, PerpetualSettlement
from venuekit_simulator.reasons import DELISTED, GOOD_TILL_DATE
from venuekit_simulator.settlement import Settlement
from venuekit_simulator.triggers import reached
from venuekit_spec import (
    Balance,
    BalanceChanged,
    BookImage,
    DuplicateClientOrderId,
    EngineEvent,
    EngineRefusal,
    Execution,
    FeeRates,
    FundingPaid,
    FundingPayment,
    Instant,
    InstrumentStatus,
    InstrumentTable,
    InsufficientFunds,
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
    RuleViolated,
    SelfTradePrevention,
    Side,
    StatusChange,
    TimeInForce,
    Unit,
    Unsupported,
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
        self._untold: deque[EngineEvent] = deque()
        self._telling = False
        self._floors = {
            listing.instrument.id: Floor(
                listing, self.ledger, self._records, self._untold.append, lambda: next(trades)
            )
            for listing in listed
        }
        self._listeners: dict[int, Callable[[EngineEvent], None]] = {}
        self._listener_numbers = count()
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
        return len(self._floor(instrument).sides[side])

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
        number = next(self._listener_numbers)
        self._listeners[number] = listener

        def end() -> None:
            self._listeners.pop(number, None)

        return end

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
            self._check_account(records, order, floor)
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
            self._check_entry(live, floor)
            records.add(live)
            if order.time_in_force is TimeInForce.GTD and order.expires is not None:
                heappush(self._expiries, (order.expires, live.number, live))
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
            assert new_quantity is not None, "an open order is sized in base units"
            wanted = evolve(live.intent, price=new_price, quantity=new_quantity, deadline=None)
            check_order(wanted, floor.instrument, floor.last, now)
            new_price = None if new_price is None else floor.price(new_price)
            self._check_amended(live, floor, new_price, new_quantity)
            if live.waiting:
                floor.adjust(live, new_price, new_quantity, now)
            elif new_price != live.price or new_quantity > (live.quantity or 0):
                floor.leave(live, now)
                floor.adjust(live, new_price, new_quantity, now)
                floor.enter(live, now)
                floor.run_triggers(now)
            elif new_quantity != live.quantity:
                floor.shrink(live, new_quantity, now)
        return live.view()

    def set_status(self, instrument: str, status: InstrumentStatus, now: Instant) -> None:
        """Halt an instrument, or let it trade again. One that is delisted has no open orders any more."""
        with self._command(now):
            floor = self._floor(instrument)
            floor.instrument = evolve(floor.instrument, status=status)
            self.instruments.replace(floor.instrument)
            self._untold.append(StatusChange(instrument=instrument, status=status, time=now))
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
                self._untold.append(FundingPaid(account, payment))

    def undo(self, keys: Collection[str], now: Instant) -> Sequence[VenueOrder]:
        """Raises `Unsupported`: this engine cannot take trades back."""
        raise Unsupported(f"the engine cannot undo {len(keys)} executions at {now}")

    def tick(self, now: Instant) -> Instant | None:
        """End the orders whose date has come; the next such instant, None where no order has one."""
        with self._command(now):
            pass
        return self._expiries[0][0] if self._expiries else None

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
        return self._floor(instrument).image(depth)

    def resting(self, instrument: str) -> Sequence[RestingOrder]:
        """The book by order: bids then asks, best first, in queue order."""
        return self._floor(instrument).resting()

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

    def _check_account(self, records: Records, order: NewOrder, floor: Floor) -> None:
        """What the account's other open orders have against a new one."""
        if order.client_order_id and records.uses(order.client_order_id):
            raise DuplicateClientOrderId(
                f"an open order has the client id {order.client_order_id}", code=EngineRefusal.DUPLICATE
            )
        most = floor.instrument.maximum_open_orders
        if most is not None and not records.house and records.counts[order.instrument] >= most:
            broken(EngineRefusal.OPEN_ORDERS, f"there are {most} open orders, and no more are allowed")

    def _check_entry(self, live: LiveOrder, floor: Floor) -> None:
        """What book, position and funds have against a new order."""
        intent = live.intent
        if intent.reduce_only:
            self._check_reducing(live, floor, live.remaining)
        waits = intent.trigger_price is not None and not reached(intent, floor.last)
        if waits or live.price is not None:
            if not waits and live.price is not None:
                self._check_post_only(live, floor, live.price)
            required = floor.required(live, live.price, live.remaining)
        else:
            found = floor.plan(live)
            if not found.base and not found.stopped:
                raise Refused("nothing is there to trade with", code=EngineRefusal.NO_LIQUIDITY)
            quote = intent.unit is Unit.QUOTE
            required = floor.settlement.required(
                live.account,
                live.side,
                found.base if quote else live.remaining,
                intent.quantity if quote else found.quote,
                reduce_only=intent.reduce_only,
            )
        self._check_funds(live, floor, required)

    def _check_amended(self, live: LiveOrder, floor: Floor, price: Decimal | None, quantity: Decimal) -> None:
        if quantity <= live.filled:
            broken(EngineRefusal.QUANTITY, f"{live.filled} of the order are filled, {quantity} is not more")
        remaining = EXACT.subtract(quantity, live.filled)
        if live.intent.reduce_only:
            self._check_reducing(live, floor, remaining)
        if price is not None and not live.waiting:
            self._check_post_only(live, floor, price)
        self._check_funds(live, floor, floor.required(live, price, remaining))

    @staticmethod
    def _check_post_only(live: LiveOrder, floor: Floor, price: Decimal) -> None:
        if live.intent.post_only and floor.crosses(live.side, price):
            raise Refused("the post-only order would trade at once", code=EngineRefusal.POST_ONLY)

    @staticmethod
    def _check_reducing(live: LiveOrder, floor: Floor, remaining: Decimal) -> None:
        others = total(each.remaining for each in floor.reducing(live.account, live.side) if each is not live)
        room = floor.settlement.reducible(live.account, live.side)
        if EXACT.add(others, remaining) > room:
            raise RuleViolated(
                f"{remaining} besides {others} is more than the position has, {room}",
                code=EngineRefusal.REDUCE_ONLY,
            )

    def _check_funds(self, live: LiveOrder, floor: Floor, required: Decimal) -> None:
        asset = floor.settlement.asset(live.side)
        free = EXACT.add(self.ledger.free(live.account, asset), live.held)
        if required > free:
            raise InsufficientFunds(
                f"{required} {asset} are needed and {free} are free", code=EngineRefusal.FUNDS
            )

    @contextmanager
    def _command(self, now: Instant) -> Iterator[None]:
        """A command, carried out whole; its events are told at its end, also where it is refused."""
        try:
            self._expire(now)
            yield
        finally:
            self._tell(now)

    def _expire(self, now: Instant) -> None:
        while self._expiries and (self._expiries[0][0] <= now or self._expiries[0][2].over):
            _, _, live = heappop(self._expiries)
            if not live.over:
                self._floor(live.intent.instrument).end(live, OrderStatus.EXPIRED, GOOD_TILL_DATE, now)

    def _tell(self, now: Instant) -> None:
        """Tell everything untold; inside a listener's own command that is left to whoever is telling already."""
        note = self._untold.append
        for floor in self._floors.values():
            floor.settle_levels(now)
            for account, position in floor.settlement.take_changes(now):
                note(PositionChanged(account, position))
        for account, balance in self.ledger.take_changes(now):
            note(BalanceChanged(account, balance))
        if self._telling:
            return
        self._telling = True
        try:
            while self._untold:
                event = self._untold.popleft()
                for listener in tuple(self._listeners.values()):
                    listener(event)
        finally:
            self._telling = False
