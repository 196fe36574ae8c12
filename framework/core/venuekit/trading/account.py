"""Account: what a user does with one account of a venue.

    placement = await account.buy("BTC-USDT", "0.5", "30000")
    match placement:
        case OrderAccepted(order): await order.wait_done()
        case OrderRejected(order, error): ...
        case OrderUnknown(order): ...          # it is being settled: order.wait_done() works as well

An order goes the same way each time: the instrument's rules, our limits, the store (durable), the venue. What is refused on
this side raises a `LocalError` before anything is stored; from then on the outcome is in the result, never an exception.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

from attrs import evolve

from venuekit.books.book import OrderBook
from venuekit.orders.events import OrderEventOfAccount, OrderFilled, OrderUnknownOutcome, OrderUpdate
from venuekit.orders.in_flight import InFlightOrder
from venuekit.orders.states import OrderState
from venuekit.orders.store import InFlightOrderStore
from venuekit.trading.desk import Desk
from venuekit.trading.events import BalanceUpdate, CommandFailed, PositionUpdate, StreamHole
from venuekit.trading.holdings import Holdings
from venuekit.trading.limits import PreTradeLimits, check_limits
from venuekit.trading.private import PrivateStream
from venuekit.trading.reconciler import Reconciler
from venuekit.trading.requests import (
    Number,
    OrderAccepted,
    OrderRequest,
    OrderUnknown,
    Placement,
    exact,
)
from venuekit.trading.rules import check, check_amendment, check_open_orders
from venuekit.trading.sending import Sender
from venuekit.trading.settling import Settler
from venuekit.trading.switches import DeadMansSwitch, Kill
from venuekit_spec import (
    Balance,
    BlockHeight,
    Capability,
    Description,
    FeeRates,
    Fill,
    Instant,
    LocalError,
    NewOrder,
    OrderReport,
    Permissions,
    Position,
    Seconds,
    Side,
    Unsupported,
    UserMessage,
    VenuekitError,
)

Named = InFlightOrder | str
"""An order, or its client order id, or the venue's id of it."""


class Account:
    """One account. `Exchange.account` gives it; `limits` may be changed at any time.

    `description` is the venue's, or of the paper market in its place. `local`: the market is on this machine.
    """

    def __init__(
        self,
        name: str,
        desk: Desk,
        store: InFlightOrderStore,
        books: Mapping[str, OrderBook],
        description: Description,
        limits: PreTradeLimits,
        *,
        local: bool,
    ) -> None:
        self.name = name
        """The name it was opened under."""
        self.limits = limits
        self._desk = desk
        self._books = books
        self._description = description
        self._holdings = Holdings()
        self._height: int | None = None
        self._entering: dict[str, NewOrder] = {}
        self._stream: PrivateStream | None = None
        self._local = local
        resolver = description.resolver
        self._settler = Settler(desk, resolver, lambda: self._height)
        self._sender = Sender(
            desk,
            batch=self._batch(Capability.BATCH_PLACE),
            steps=() if resolver is None else resolver.steps,
            local=local,
            lost=self._lost,
        )
        self._reconciler = Reconciler(
            desk,
            self._settler,
            streams=self._claims(Capability.USER_STREAM),
            last_life=self._last_life,
            refresh=self._refresh,
        )
        self._kill = Kill(desk, store)
        self._dead_man = DeadMansSwitch(desk)
        self._money_asked = False

    def __repr__(self) -> str:
        return f"<Account {self.name} of {self._desk.venue.id}, {len(self.open)} orders open>"

    # --- what is known

    @property
    def id(self) -> str:
        """Venue, environment and name: what the store keeps its orders under, and its events carry."""
        return self._desk.account

    @property
    def orders(self) -> Mapping[str, InFlightOrder]:
        """Every order that is known here, by client order id: all that are not complete, and what this exchange placed."""
        return self._desk.tracker.orders

    @property
    def open(self) -> Sequence[InFlightOrder]:
        """The orders that are not over, those of unknown outcome among them."""
        return self._desk.tracker.open_orders

    @property
    def holdings(self) -> Holdings:
        """Balances and positions as they were told last."""
        return self._holdings

    @property
    def streaming(self) -> bool:
        """Whether the venue tells of this account right now."""
        return self._local or (self._stream is not None and self._stream.live)

    def knows(self, named: Named) -> bool:
        """Whether an order is one of this account."""
        if isinstance(named, InFlightOrder):
            return self._desk.tracker.get(named.client_order_id) is named
        return self._known(named, named)

    def order(self, named: Named) -> InFlightOrder:
        """An order by our id or the venue's. Raises `LocalError` for one that is not known here."""
        if isinstance(named, InFlightOrder):
            return named
        found = self._desk.tracker.get(named) or self._desk.tracker.find(named)
        if found is None:
            raise LocalError(f"no order {named!r} is known to the account {self.name!r}")
        return found

    # --- orders

    async def buy(self, pair: str, quantity: Number, price: Number | None = None, **more: Any) -> Placement:
        """Buy `quantity` (base units) at `price` (quote units) or better; without a price at the market.

        `more` are further fields of `OrderRequest`. Raises as `place`.
        """
        return await self.place(
            OrderRequest(pair=pair, side=Side.BUY, quantity=quantity, price=price, **more)
        )

    async def sell(self, pair: str, quantity: Number, price: Number | None = None, **more: Any) -> Placement:
        """Sell; arguments and errors as `buy`."""
        return await self.place(
            OrderRequest(pair=pair, side=Side.SELL, quantity=quantity, price=price, **more)
        )

    async def place(self, request: OrderRequest) -> Placement:
        """Place one order.

        Raises, before anything is stored or sent: `UnknownInstrument`, `RuleBroken`, `LimitBroken`, `Killed`, and `StoreError`
        where the order store fails.
        """
        (placement,) = await self.place_many([request])
        return placement

    async def place_many(self, requests: Iterable[OrderRequest]) -> Sequence[Placement]:
        """Place several orders, in the venue's batches where it has them; one outcome each, in order.

        All of them are judged first: where one is refused on this side none is placed. Raises as `place`.
        """
        drafts = self._admitted(list(requests))
        tracker, market = self._desk.tracker, self._desk.market
        numbers = [tracker.next_number() for _ in drafts]
        intents = [
            evolve(draft, client_order_id=market.client_order_id(number))
            for draft, number in zip(drafts, numbers, strict=True)
        ]
        entering = {intent.client_order_id: intent for intent in intents}
        self._entering |= entering
        try:
            return await self._sender.place(intents, numbers)
        finally:
            for id_ in entering:
                self._entering.pop(id_, None)

    async def cancel(self, order: Named) -> Placement:
        """Cancel an order. Accepted: the venue takes the cancel, and `order.wait_done()` tells what was left of it.

        Where the outcome of the placement is unknown the cancel waits until it is known. Raises `LocalError` for an order that
        is not known here.
        """
        (placement,) = await self.cancel_many([order])
        return placement

    async def cancel_many(self, orders: Iterable[Named]) -> Sequence[Placement]:
        """Cancel several orders, in the venue's batches where it has them; one outcome each, in order."""
        return await self._sender.cancel(
            [self.order(order) for order in orders], self._batch(Capability.BATCH_CANCEL)
        )

    async def cancel_all(self, pairs: Iterable[str] | None = None) -> Sequence[Placement]:
        """Cancel every open order of this account, or every one of these pairs.

        Where the venue can, also those that are not ours. What became of each of ours; then store and venue are compared.

        Raises what the venue answers where it cancels all by itself.
        """
        wanted = None if pairs is None else frozenset(pairs)
        for pair in wanted or ():
            self._desk.venue.instruments[pair]
        ours = [order for order in self.open if wanted is None or order.instrument in wanted]
        if self._claims(Capability.CANCEL_ALL):
            known = [order for order in ours if order.state not in {OrderState.PENDING, OrderState.UNKNOWN}]
            for order in known:
                self._desk.tracker.cancel_requested(order)
            market = self._desk.market
            try:
                await self._desk.send(market.cancel_all(None if wanted is None else sorted(wanted)))
            except VenuekitError:
                self._reconciler.request("cancelling all failed")
                raise
            waiting = [order for order in ours if order not in known]
            placements = [*await self.cancel_many(waiting)] if waiting else []
            await self._reconciler.now("all orders were cancelled")
            # What is still open by then could not be asked for, and is asked for again.
            return [*placements, *(_canceled(order) for order in known)]
        placements = [*await self.cancel_many(ours)]
        await self._reconciler.now("all orders were cancelled")
        return placements

    async def amend(
        self, order: Named, *, price: Number | None = None, quantity: Number | None = None
    ) -> Placement:
        """Change the price (quote units) or the quantity (base units, the new total) of an open order.

        Raises `Unsupported` where the venue cannot, `RuleBroken`, `LimitBroken` and `Killed` as `place`, and `LocalError`
        for an order that is over or of unknown outcome.
        """
        self._needs(Capability.AMEND)
        self._kill.check()
        amended = self.order(order)
        if amended.done or amended.state in {OrderState.PENDING, OrderState.UNKNOWN}:
            raise LocalError(f"{amended.client_order_id} is {amended.state}: it cannot be amended")
        if price is None and quantity is None:
            raise LocalError("an amendment changes the price, the quantity, or both")
        new_price = None if price is None else exact(price, "the price")
        new_quantity = None if quantity is None else exact(quantity, "the quantity")
        instruments = self._desk.venue.instruments
        check_amendment(new_price, new_quantity, instruments[amended.instrument])
        intended = evolve(
            amended.intent,
            price=amended.price if new_price is None else new_price,
            quantity=amended.quantity if new_quantity is None else new_quantity,
        )
        others = [each for each in self.open if each is not amended]
        check_limits(self.limits, [intended], self._counted(others), instruments, self._books)
        return await self._sender.amend(amended, new_price, new_quantity)

    async def status(self, order: Named) -> InFlightOrder:
        """Ask the venue for an order and take in what it says. Raises what it answers, `OrderNotFound` among it."""
        named = self.order(order)
        self._desk.tracker.report(await self._desk.ask(lambda: self._desk.market.status(named.ref)))
        return named

    async def open_orders(self, pairs: Iterable[str] | None = None) -> Sequence[OrderReport]:
        """What the venue says is open, orders that are not ours among it. Raises what it answers."""
        wanted = None if pairs is None else sorted(pairs)
        reports = await self._desk.ask(lambda: self._desk.market.open_orders(wanted))
        for report in reports:
            if self._known(report.client_order_id, report.order_id):
                self._desk.tracker.report(report)
        return reports

    async def fills(self, pair: str, since: Instant) -> Sequence[Fill]:
        """The account's executions of a pair since an instant, oldest first. Raises what the venue answers."""
        self._desk.venue.instruments[pair]
        fills = await self._desk.ask(lambda: self._desk.market.fills((pair,), since))
        for fill in fills:
            if self._known(fill.client_order_id, fill.order_id):
                self._desk.tracker.fill(fill)
        return fills

    async def reconcile(self, reason: str = "it was asked for") -> None:
        """Compare store and venue now; the `Reconciled` event tells what came of it."""
        await self._reconciler.now(reason)

    # --- the account itself

    async def balances(self) -> Sequence[Balance]:
        """Ask for the whole account. Raises what the venue answers; `holdings` has what was told last."""
        told = await self._desk.ask(self._desk.market.balances)
        for balance in self._holdings.all_balances(told):
            self._tell_balance(balance)
        return told

    async def positions(self) -> Sequence[Position]:
        """Ask for the derivative positions. Raises `Unsupported` where the venue has none, and what it answers."""
        self._needs(Capability.POSITIONS)
        told = await self._desk.ask(self._desk.market.positions)
        for position in self._holdings.all_positions(told):
            self._tell_position(position)
        return told

    async def fee_rates(self, pair: str) -> FeeRates:
        """What this account pays for a pair. Raises what the venue answers."""
        self._desk.venue.instruments[pair]
        return await self._desk.ask(lambda: self._desk.market.fee_rates(pair))

    async def permissions(self) -> Permissions:
        """What the key may do, as far as the venue tells; a signed call, so that it also proves key and clock."""
        return await self._desk.ask(self._desk.market.permissions)

    # --- switches

    @property
    def killed(self) -> str:
        """Why the kill switch is thrown; empty while it is not."""
        return self._kill.reason

    async def kill(self, reason: str = "") -> None:
        """Refuse new orders at once, also after a restart, and cancel all that are open, again and again until none is."""
        self._kill.throw(reason)
        if not await self._cancel_for_good():
            self._desk.venue.spawn(self._keep_cancelling)

    def revive(self) -> None:
        """Take new orders again."""
        self._kill.reset()

    async def dead_man_switch(self, timeout: Seconds | None) -> None:  # noqa: ASYNC109  # the venue's
        """Have the venue cancel everything unless this program is alive every `timeout` seconds; None disarms it.

        It is kept armed until then. Raises `Unsupported` where the venue has none, and what it answers to the first try.
        """
        self._needs(Capability.DEAD_MAN_SWITCH)
        if timeout is not None and timeout <= 0:
            raise LocalError(f"a time-out is above zero, not {timeout}")
        await self._dead_man.set(timeout)

    # --- for the exchange that opened it

    def serve(self, stream: PrivateStream | None) -> None:
        """Compare with the venue, and keep the view true from then on, in tasks that live as long as the exchange."""
        self._stream = stream
        self._kill.load()
        self._reconciler.request("start")
        for order in self.open:
            if order.state is OrderState.UNKNOWN:
                self._settler.settle(order)
        spawn = self._desk.venue.spawn
        spawn(self._reconciler.run)
        spawn(self._reconciler.watch)
        if stream is not None:
            spawn(stream.run)
        if self._kill.reason:
            spawn(self._keep_cancelling)

    def receive(self, message: UserMessage) -> None:
        """Take in what the user stream says."""
        tracker = self._desk.tracker
        match message:
            case OrderReport():
                tracker.report(message)
            case Fill():
                tracker.fill(message)
            case Balance():
                whole = self._holdings.balance(message)
                if whole is not None:
                    self._tell_balance(whole)
                elif message.delta:
                    self._ask_money()
            case Position():
                if self._holdings.position(message):
                    self._tell_position(message)
            case BlockHeight():
                self._height = max(self._height or 0, message.height)
                tracker.height(message)
            case _:
                pass  # numbers of the stream are the link's business

    def hole(self, reason: str) -> None:
        """The user stream may have lost messages."""
        desk = self._desk
        desk.publish(StreamHole(account=desk.account, reason=reason, at=desk.now()))
        self._reconciler.request(f"a hole in the user stream: {reason}")

    def opened(self) -> None:
        """The user stream is whole from now on."""
        self._reconciler.request("the user stream opened")

    def late(self) -> None:
        """An answer came that nobody waited for any more."""
        self._reconciler.request("a late answer")

    def told(self, event: OrderEventOfAccount) -> None:
        """The tracker tells of an order: pass it on, and do what follows from it."""
        self._desk.publish(event)
        if isinstance(event, (OrderUpdate, OrderUnknownOutcome)):
            order = self._desk.tracker.get(event.client_order_id)
            if order is not None:
                self._sender.known(order)
        elif isinstance(event, OrderFilled) and not self._claims(Capability.BALANCE_STREAM):
            self._ask_money()

    # --- within

    def _admitted(self, requests: Sequence[OrderRequest]) -> list[NewOrder]:
        """The intents of orders that may be placed, without an id yet. Raises for the first that may not."""
        self._kill.check()
        venue = self._desk.venue
        now, open_ = venue.venue_time(), self.open
        resting: dict[str, int] = {}
        for order in open_:
            resting[order.instrument] = resting.get(order.instrument, 0) + 1
        for request in requests:
            instrument = venue.instruments[request.pair]
            check(request, instrument, self._description, now)
            check_open_orders(resting.get(instrument.id, 0), instrument)
            resting[instrument.id] = resting.get(instrument.id, 0) + 1
        drafts = [request.intent("") for request in requests]
        check_limits(self.limits, drafts, self._counted(open_), venue.instruments, self._books)
        return drafts

    def _counted(self, open_: Iterable[InFlightOrder]) -> list[NewOrder]:
        """Open orders as limits count them: what of each may still be filled, and what is on its way into the store."""
        counted = [
            evolve(
                order.intent,
                quantity=order.quantity if order.remaining is None else order.remaining,
                price=order.price,
            )
            for order in open_
        ]
        return counted + [intent for id_, intent in self._entering.items() if id_ not in self.orders]

    def _lost(self, order: InFlightOrder) -> None:
        """The venue has to be asked about an order."""
        if order.state is OrderState.UNKNOWN:
            self._settler.settle(order)
        else:
            self._reconciler.request("an unknown outcome")

    def _known(self, client_order_id: str, order_id: str) -> bool:
        tracker = self._desk.tracker
        return (tracker.get(client_order_id) or tracker.find(order_id)) is not None

    def _last_life(self) -> Instant | None:
        if self._local:
            return self._desk.now()
        stream = self._stream
        return stream.last_life if stream is not None and stream.live else None

    async def _refresh(self) -> Sequence[VenuekitError]:
        """Ask for balances and positions; what failed."""
        failures: list[VenuekitError] = []
        asked: list[Callable[[], Awaitable[object]]] = [self.balances]
        if self._claims(Capability.POSITIONS):
            asked.append(self.positions)
        for ask in asked:
            try:
                await ask()
            except VenuekitError as error:
                failures.append(error)
        return failures

    def _ask_money(self) -> None:
        """Ask for the balances soon, once for all that happens at this moment."""
        if self._money_asked:
            return
        self._money_asked = True

        async def ask() -> None:
            self._money_asked = False
            desk = self._desk
            try:
                await self.balances()
            except VenuekitError as error:
                desk.publish(
                    CommandFailed(account=desk.account, command="balances", error=error, at=desk.now())
                )
                self._reconciler.request("balances could not be had")

        self._desk.venue.spawn(ask)

    async def _cancel_for_good(self) -> bool:
        """Whether nothing is open any more."""
        desk = self._desk
        try:
            await self.cancel_all()
        except VenuekitError as error:
            desk.publish(
                CommandFailed(account=desk.account, command="cancel all", error=error, at=desk.now())
            )
            return False
        return not self.open

    async def _keep_cancelling(self) -> None:
        while self._kill.reason and self.open:
            await self._desk.clock.sleep(1.0)
            if self._kill.reason and await self._cancel_for_good():
                return

    def _tell_balance(self, balance: Balance) -> None:
        desk = self._desk
        desk.publish(BalanceUpdate(account=desk.account, balance=balance, at=desk.now()))

    def _tell_position(self, position: Position) -> None:
        desk = self._desk
        desk.publish(PositionUpdate(account=desk.account, position=position, at=desk.now()))

    def _claims(self, capability: Capability) -> bool:
        return capability in self._description.capabilities

    def _needs(self, capability: Capability) -> None:
        if not self._claims(capability):
            raise Unsupported(f"{self._description.venue} does not offer {capability}")

    def _batch(self, capability: Capability) -> int:
        return self._description.maximum_batch if self._claims(capability) else 1


def _canceled(order: InFlightOrder) -> Placement:
    """What became of an order, now that everything was cancelled."""
    return OrderAccepted(order) if order.done else OrderUnknown(order)
