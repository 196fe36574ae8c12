"""Account: what a user does with one account of a venue.

    placement = await account.buy("BTC-USDT", "0.5", "30000")
    match placement:
        case OrderAccepted(order): await order.wait_done()
        case OrderRejected(order, error): ...
        case OrderUnknown(order): ...          # it is being settled: order.wait_done() works as well

An order goes the same way each time: the instrument's rules, our limits, the store (durable), the venue. What is refused on
this side raises a `LocalError` before anything is stored; from then on the outcome is in the result, never an exception.

Where every order of a venue ends at a block height, one that names none is given one first (`venuekit.trading.chain`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from attrs import evolve

from venuekit.books.book import OrderBook
from venuekit.orders.events import (
    OrderEventOfAccount,
    OrderFilled,
    OrderUnknownOutcome,
    OrderUpdate,
    StoreFailing,
)
from venuekit.orders.in_flight import InFlightOrder
from venuekit.orders.states import OrderState
from venuekit.orders.store import InFlightOrderStore
from venuekit.trading.admission import Admission
from venuekit.trading.chain import Chain
from venuekit.trading.desk import Desk
from venuekit.trading.events import CommandFailed, StreamHole
from venuekit.trading.holdings import Holdings
from venuekit.trading.limits import PreTradeLimits
from venuekit.trading.money import Money
from venuekit.trading.own_orders import OwnOrders
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
from venuekit.trading.rules import check_amendment
from venuekit.trading.sending import Sender
from venuekit.trading.settling import Settler
from venuekit.trading.switches import DeadMansSwitch, Kill
from venuekit.trading.waiting import within
from venuekit_spec import (
    Balance,
    BlockHeight,
    Capability,
    Description,
    FeeRates,
    Fill,
    FundingPayment,
    Instant,
    LocalError,
    OrderEntry,
    OrderReport,
    Permissions,
    Position,
    Seconds,
    Side,
    Unsupported,
    UserMessage,
    VenuekitError,
)

CALLS_PATIENCE: Final[Seconds] = 10.0
"""How long a command waits for a socket that takes calls, where orders travel on one."""

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
        order_entry: OrderEntry = OrderEntry.REST,
        own_orders: OwnOrders | None = None,
        local: bool,
    ) -> None:
        self.name = name
        """The name it was opened under."""
        self.limits = limits
        self._desk = desk
        self._description = description
        self._order_entry = order_entry
        self._own_orders = own_orders
        self._local = local
        self._stream: PrivateStream | None = None
        self._admission = Admission(desk, description, books)
        self._chain = Chain(desk, description.order_life)
        self._kill = Kill(desk, store)
        self._dead_man = DeadMansSwitch(desk)
        resolver = description.resolver
        self._settler = Settler(desk, resolver, self._chain)
        self._sender = Sender(
            desk,
            batch=self._batch(Capability.BATCH_PLACE),
            steps=() if resolver is None else resolver.steps,
            local=local,
            allowed=self._kill.check,
            way=self._way,
            lost=self._lost,
            taken=self._taken,
        )
        self._money = Money(desk, description.capabilities, self._compare)
        self._reconciler = Reconciler(
            desk,
            self._settler,
            streams=self._claims(Capability.USER_STREAM),
            last_life=self._last_life,
            refresh=self._money.refresh,
        )

    def __repr__(self) -> str:
        return f"<Account {self.name} of {self._desk.venue.id}, {len(self.open)} orders open>"

    # --- what is known

    @property
    def id(self) -> str:
        """Venue, environment, name and the fingerprint of its key: what its orders are stored under, and its events carry."""
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
        return self._money.holdings

    @property
    def height(self) -> int | None:
        """The height of the venue's chain, as far as it was told; None where there is none."""
        return self._chain.height

    @property
    def streaming(self) -> bool:
        """Whether the venue tells of this account right now."""
        return self._local or (self._stream is not None and self._stream.live)

    async def wait_ready(self) -> None:
        """Return once the venue tells of this account and takes its calls, where it does so, and store and venue were compared.

        Where orders end by height, `height` is known then. That takes as long as it takes; `anyio.fail_after` bounds it. The
        books are the exchange's (`Exchange.wait_ready`).
        """
        if self._stream is not None:
            await self._stream.wait_ready()
        await self._reconciler.wait_whole()
        await self._chain.wait_told()

    def knows(self, named: Named) -> bool:
        """Whether an order is one of this account."""
        if isinstance(named, InFlightOrder):
            return self._desk.tracker.get(named.client_order_id) is named
        return self._find(named) is not None

    def order(self, named: Named) -> InFlightOrder:
        """An order by our id or the venue's. Raises `LocalError` for one that is not known here."""
        if isinstance(named, InFlightOrder):
            return named
        found = self._find(named)
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

        Raises, before anything is stored or sent: `UnknownInstrument`, `RuleBroken`, `LimitBroken`, `Killed`, `StoreError`
        where the order store fails, and what the venue answers where the height of its chain must be asked for first.
        """
        (placement,) = await self.place_many([request])
        return placement

    async def place_many(self, requests: Iterable[OrderRequest]) -> Sequence[Placement]:
        """Place several orders, in the venue's batches where it has them; one outcome each, in order.

        All of them are judged first: where one is refused on this side none is placed. Raises as `place`.
        """
        self._kill.check()
        lived = await self._chain.lived(list(requests))
        self._kill.check()  # it may have been thrown meanwhile
        drafts = self._admission.admit(lived, self.limits)
        tracker, market = self._desk.tracker, self._desk.market
        numbers = [tracker.next_number() for _ in drafts]
        intents = [
            evolve(draft, client_order_id=market.client_order_id(number))
            for draft, number in zip(drafts, numbers, strict=True)
        ]
        with self._admission.entering(intents):
            return await self._sender.place(intents, numbers)

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
            known = [order for order in ours if order.known]
            try:
                await self._sender.cancel_all(known, None if wanted is None else sorted(wanted))
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
        if amended.done or not amended.known:
            raise LocalError(f"{amended.client_order_id} is {amended.state}: it cannot be amended")
        if price is None and quantity is None:
            raise LocalError("an amendment changes the price, the quantity, or both")
        new_price = None if price is None else exact(price, "the price")
        new_quantity = None if quantity is None else exact(quantity, "the quantity")
        check_amendment(new_price, new_quantity, self._desk.venue.instruments[amended.instrument])
        intended = evolve(
            amended.intent,
            price=amended.price if new_price is None else new_price,
            quantity=amended.quantity if new_quantity is None else new_quantity,
        )
        self._admission.limit(self.limits, [intended], without=amended)
        return await self._sender.amend(amended, new_price, new_quantity)

    async def order_status(self, order: Named) -> InFlightOrder:
        """Ask the venue for an order and take in what it says. Raises what it answers, `OrderNotFound` among it."""
        named = self.order(order)
        self._desk.tracker.report(await self._desk.ask(lambda: self._desk.market.status(named.ref)))
        return named

    async def open_orders(self, pairs: Iterable[str] | None = None) -> Sequence[OrderReport]:
        """What the venue says is open, orders that are not ours among it. Raises what it answers."""
        wanted = None if pairs is None else sorted(pairs)
        reports = await self._desk.ask(lambda: self._desk.market.open_orders(wanted))
        for report in reports:
            if self._desk.tracker.owner(report) is not None:
                self._desk.tracker.report(report)
        return reports

    async def fills(self, pair: str, since: Instant) -> Sequence[Fill]:
        """The account's executions of a pair since an instant, oldest first. Raises what the venue answers."""
        self._desk.venue.instruments[pair]
        fills = await self._desk.ask(lambda: self._desk.market.fills((pair,), since))
        for fill in fills:
            if self._desk.tracker.owner(fill) is not None:
                self._desk.tracker.fill(fill)
        return fills

    async def reconcile(self, reason: str = "it was asked for") -> None:
        """Compare store and venue now; the `Reconciled` event tells what came of it."""
        await self._reconciler.now(reason)

    # --- the account itself

    async def balances(self) -> Sequence[Balance]:
        """Ask for the whole account. Raises what the venue answers; `holdings` has what was told last."""
        return await self._money.balances()

    async def positions(self) -> Sequence[Position]:
        """Ask for the derivative positions. Raises `Unsupported` where the venue has none, and what it answers."""
        self._needs(Capability.POSITIONS)
        return await self._money.positions()

    async def funding(self, since: Instant) -> Sequence[FundingPayment]:
        """Ask for funding since an instant, oldest first. What is paid while we run is told as `FundingPaid` as well.

        Raises `Unsupported` where the venue has none, and what it answers.
        """
        self._needs(Capability.FUNDING)
        return await self._money.funding(since)

    async def set_leverage(self, pair: str, leverage: Number) -> None:
        """Set how many times its margin a position in `pair` may be.

        Raises `Unsupported` where the venue has none, `LocalError` for what is not above zero, and what the venue answers;
        after a `NetworkError` it may have been set or not.
        """
        self._needs(Capability.LEVERAGE)
        self._desk.venue.instruments[pair]
        times = exact(leverage, "the leverage")
        if times <= 0:
            raise LocalError(f"a leverage is above zero, not {times}")
        await self._desk.send(self._desk.market.set_leverage(pair, times))

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
        """Refuse new orders at once, also after a restart, and cancel all that are open, again and again until none is.

        Raises `StoreError`, after the first round, where a restart would forget it.
        """
        try:
            self._kill.throw(reason)
        finally:
            if not await self._cancel_for_good():
                self._desk.venue.spawn(self._keep_cancelling)

    def revive(self) -> None:
        """Take new orders again. Raises `StoreError` where a restart would forget that; it refuses on then."""
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
        self._mark_own(self.open)
        self._reconciler.request("start")
        for order in self.open:
            if order.state is OrderState.UNKNOWN:
                if order.cancel_requested:
                    self._sender.wish(order)
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
                self._money.balance(message)
            case Position():
                self._money.position(message)
            case FundingPayment():
                self._money.paid(message)
            case BlockHeight():
                self._chain.told(message)
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

    def lost(self) -> None:
        """The user stream is not whole any more: what is missed meanwhile is asked for."""
        self._reconciler.look()

    def late(self) -> None:
        """An answer came that nobody waited for any more."""
        self._reconciler.request("a late answer")

    def told(self, event: OrderEventOfAccount) -> None:
        """The tracker tells of an order: pass it on, and do what follows from it."""
        self._desk.publish(event)
        if isinstance(event, (OrderUpdate, OrderUnknownOutcome)):
            order = self._desk.tracker.get(event.client_order_id)
            if order is not None:
                if isinstance(event, OrderUnknownOutcome):
                    self._settler.settle(
                        order
                    )  # another exchange of this process may have placed it, and be gone
                self._sender.known(order)
                self._mark_own([order])
                self._reconciler.look(order)
        elif isinstance(event, StoreFailing):
            if self._desk.tracker.unread:
                self._reconciler.request("the order store could not be read")
        elif isinstance(event, OrderFilled) and not self._claims(Capability.BALANCE_STREAM):
            self._money.ask_soon()

    # --- within

    async def _way(self) -> None:
        """Return once a socket takes calls where orders travel on one, or when none came for a while."""
        stream = self._stream
        if self._order_entry is OrderEntry.SOCKET and stream is not None and not stream.calls_live:
            await within(self._desk.clock, CALLS_PATIENCE, stream.wait_calls)

    def _mark_own(self, orders: Iterable[InFlightOrder]) -> None:
        """Where these orders rest has changed. A market on this machine has ids that mean nothing in the venue's books."""
        if self._own_orders is not None and not self._local:
            self._own_orders.changed(orders)

    def _compare(self, reason: str) -> None:
        self._reconciler.request(reason)

    def _lost(self, order: InFlightOrder) -> None:
        """The venue has to be asked about an order."""
        if order.state is OrderState.UNKNOWN:
            self._settler.settle(order)
        else:
            self._reconciler.request("an unknown outcome")

    def _taken(self, order: InFlightOrder) -> None:
        """The venue took a cancel of an order that is not over yet."""
        self._reconciler.look(order)

    def _find(self, name: str) -> InFlightOrder | None:
        tracker = self._desk.tracker
        return tracker.get(name) or tracker.find(name)

    def _last_life(self) -> Instant | None:
        if self._local:
            return self._desk.now()
        stream = self._stream
        return stream.last_life if stream is not None and stream.live else None

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
