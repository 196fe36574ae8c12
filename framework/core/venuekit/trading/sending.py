"""Sending: what changes something at the venue goes out once, and what became of it is written down per order.

1. An intent is durable before anything else happens to it.
2. What is evidence that nothing happened: the venue's own refusal, and a failure before a byte left. Everything else that
   hides the answer leaves the order unknown, also a bug of the connector once something was sent.
3. A command runs in a task of its own: a caller that is cancelled loses the answer, the order does not. What nothing was
   sent of by then is not sent any more.
4. One error never covers another order: where a whole call fails, it fails each order of that call in the same way, and no
   order of another call.
5. Orders that travel on a socket wait for one that takes calls, for a while: it may just be dialled. Where none comes,
   nothing was sent, and that is certain.
6. The kill switch holds also what has been stored and not sent yet: the batches of a placement that is under way.
7. A cancel of an order whose outcome is unknown is kept and sent once the order is known (`Sender.known`).
8. Where the exchange is closed over a command, its outcome is unknown, or nothing was sent: nobody waits for it any more, and
   another exchange with the same orders goes on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from itertools import islice

from attrs import define

from venuekit.drivers.flows import Sending
from venuekit.faults import UnexpectedError
from venuekit.orders.in_flight import InFlightOrder
from venuekit.orders.states import OrderState
from venuekit.trading.desk import Desk
from venuekit.trading.requests import OrderAccepted, OrderRejected, OrderUnknown, Placement
from venuekit.trading.settling import pack
from venuekit_spec import (
    Accepted,
    ClockSkewed,
    Flow,
    LocalError,
    NewOrder,
    OrderNotFound,
    OrderReport,
    Outcome,
    Placed,
    Rejected,
    Request,
    Resolution,
    Unknown,
    VenueError,
    VenuekitError,
)


class GivenUp(LocalError):
    """Its caller was cancelled before a byte was sent; nothing is sent any more."""


class NotSent(VenueError):
    """Nothing reached the venue, for a reason on this side: ``__cause__``."""


@define(eq=False)
class _Call:
    """One call of the market: how many requests of it went out, and whether its caller is still there."""

    requests: int = 0
    given_up: bool = False

    def give_up(self) -> None:
        self.given_up = True


class Sender:
    """Sends the commands of one account. `steps`: how the resolver settles, which says what is stored of what is sent.

    `local`: the market is on this machine and asks nothing, so whether something was "sent" is not known. `allowed` raises
    where no order may be placed any more. `way` returns once there is a socket for calls, if orders travel on one, or when
    none came. `lost` is told of each order whose outcome is unknown, `taken` of each whose cancel the venue took.
    """

    def __init__(
        self,
        desk: Desk,
        *,
        batch: int,
        steps: Collection[Resolution],
        local: bool,
        allowed: Callable[[], None],
        way: Callable[[], Awaitable[None]],
        lost: Callable[[InFlightOrder], None],
        taken: Callable[[InFlightOrder], None],
    ) -> None:
        self._desk = desk
        self._batch = batch
        self._keeps_bytes = Resolution.RESEND in steps
        self._keeps_nonce = Resolution.BURN_NONCE in steps
        self._local = local
        self._allowed = allowed
        self._way = way
        self._lost = lost
        self._taken = taken

    async def place(self, intents: Sequence[NewOrder], numbers: Sequence[int]) -> list[Placement]:
        """Store these orders and place them, batch by batch. Raises `LocalError` where they cannot be stored.

        `numbers`: what their client order ids were made of.
        """
        call = _Call()

        async def work() -> list[Placement]:
            noted = self._keeps_bytes or self._keeps_nonce
            placements: list[Placement] = []
            with self._placing(intents):
                orders = await self._desk.tracker.submit(intents, numbers=numbers, noted=noted)
                left = iter(orders)
                while part := list(islice(left, self._batch)):
                    placements += await self._place(part, call)
            return placements

        return await self._desk.detached(work, call.give_up)

    async def cancel(self, orders: Sequence[InFlightOrder], batch: int) -> list[Placement]:
        """Cancel these orders, batch by batch."""
        call = _Call()

        async def work() -> list[Placement]:
            placements: dict[InFlightOrder, Placement] = {}
            ready: list[InFlightOrder] = []
            for order in dict.fromkeys(orders):
                if order.done:
                    placements[order] = _over(order)
                elif not order.known:
                    self.wish(order)
                    placements[order] = OrderUnknown(order)
                else:
                    ready.append(order)
            left = iter(ready)
            while part := list(islice(left, batch)):
                placements |= zip(part, await self._cancel(part, call), strict=True)
            return [placements[order] for order in orders]

        return await self._desk.detached(work, call.give_up)

    async def cancel_all(self, orders: Sequence[InFlightOrder], instruments: Sequence[str] | None) -> None:
        """Have the venue cancel everything (of these instruments), these orders among it. Raises what it answers."""
        call = _Call()

        async def work() -> None:
            desk = self._desk
            failure: list[VenuekitError] = []

            def flow() -> Flow[Sequence[Placed]]:
                yield from desk.market.cancel_all(instruments)
                return [_taken(order) for order in orders]

            with self._cancelling(orders):
                outcomes = await self._outcomes(len(orders), flow, call, tell=failure.append)
            for order, placed in zip(orders, outcomes, strict=True):
                self._cancelled(order, placed)
            if failure:
                raise failure[0]

        await self._desk.detached(work, call.give_up)

    async def amend(self, order: InFlightOrder, price: Decimal | None, quantity: Decimal | None) -> Placement:
        """Change the price or the quantity of an order that the venue is known to have."""
        call = _Call()

        async def work() -> Placement:
            desk = self._desk
            desk.tracker.amend_requested(order)
            (placed,) = await self._outcomes(
                1, lambda: _alone(desk.market.amend(order.ref, price=price, quantity=quantity)), call
            )
            desk.tracker.amend_outcome(order, placed, price=price, quantity=quantity)
            if not isinstance(placed, Accepted):
                self._lost(order)
            return _placement(order, placed)

        return await self._desk.detached(work, call.give_up)

    def wish(self, order: InFlightOrder) -> None:
        """Cancel an order of unknown outcome, once it is known that the venue has it."""
        self._desk.tracker.cancels_later[order.client_order_id] = order
        self._desk.tracker.cancel_requested(order)

    def known(self, order: InFlightOrder) -> None:
        """The state of an order has changed: a cancel that waited for it is sent now."""
        if not order.known:
            return
        if self._desk.tracker.cancels_later.pop(order.client_order_id, None) is None or order.done:
            return

        async def cancel() -> None:
            await self._cancel([order], _Call())

        self._desk.venue.spawn(cancel)

    async def _place(self, orders: Sequence[InFlightOrder], call: _Call) -> list[Placement]:
        desk = self._desk
        before = call.requests

        async def note(request: Request) -> None:
            first = call.requests == before
            if first:
                self._allowed()
            payload = pack(request, orders) if self._keeps_bytes and first else None
            nonce = request.nonce if self._keeps_nonce else None
            await desk.tracker.sending(orders, nonce=nonce, payload=payload)

        outcomes = await self._outcomes(
            len(orders), lambda: desk.market.place([order.intent for order in orders]), call, note
        )
        placements: list[Placement] = []
        for order, placed in zip(orders, outcomes, strict=True):
            desk.tracker.outcome(order, placed)
            placements.append(_placement(order, placed))
            if order.state is OrderState.UNKNOWN:
                self._lost(order)
            self.known(order)
        return placements

    async def _cancel(self, orders: Sequence[InFlightOrder], call: _Call) -> list[Placement]:
        desk = self._desk
        with self._cancelling(orders):
            outcomes = await self._outcomes(
                len(orders), lambda: desk.market.cancel([order.ref for order in orders]), call
            )
        for order, placed in zip(orders, outcomes, strict=True):
            self._cancelled(order, placed)
        return [_placement(order, placed) for order, placed in zip(orders, outcomes, strict=True)]

    def _cancelled(self, order: InFlightOrder, placed: Placed) -> None:
        self._desk.tracker.cancel_outcome(order, placed)
        if order.done:
            return
        if isinstance(placed, Accepted):
            self._taken(order)
        else:
            self._lost(order)  # gone already, or nobody knows: the venue is asked

    @contextmanager
    def _placing(self, intents: Sequence[NewOrder]) -> Iterator[None]:
        """Whatever ends it, none of these orders awaits an answer any more."""
        tracker = self._desk.tracker
        try:
            yield
        finally:
            for intent in intents:
                order = tracker.orders.get(intent.client_order_id)
                if order is not None and order.state is OrderState.PENDING:
                    sent = self._local or order.sent is not None
                    closed = NotSent("the exchange was closed before it was sent")
                    tracker.outcome(order, Unknown() if sent else Rejected(closed))

    @contextmanager
    def _cancelling(self, orders: Sequence[InFlightOrder]) -> Iterator[None]:
        """A cancel of these orders is under way; where it is broken off nobody knows what came of it."""
        tracker = self._desk.tracker
        for order in orders:
            tracker.cancel_requested(order)
        try:
            yield
        except BaseException:
            for order in orders:
                tracker.cancel_outcome(order, Unknown())
            raise

    async def _outcomes(
        self,
        items: int,
        flow: Callable[[], Flow[Sequence[Placed]]],
        call: _Call,
        note: Sending | None = None,
        *,
        tell: Callable[[VenuekitError], None] | None = None,
    ) -> Sequence[Placed]:
        """What became of each item of one call, whatever happened to the call; `tell` is told why it failed."""
        before = call.requests

        async def sending(request: Request) -> None:
            if call.given_up and call.requests == before:
                raise GivenUp("its caller was cancelled before it was sent")
            if note is not None:
                await note(request)  # where that fails nothing was sent
            call.requests += 1

        def failed(error: VenuekitError) -> Sequence[Placed]:
            return [_failed(error, sent=self._local or call.requests > before)] * items

        try:
            await self._way()
            placed = await self._desk.send(flow(), sending)
        except VenuekitError as error:
            if tell is not None:
                tell(error)
            if isinstance(error, ClockSkewed):
                self._desk.venue.spawn(self._resync)
            return failed(error)
        if len(placed) == items:
            return placed
        # A bug of the connector: which answer is whose cannot be told.
        return failed(UnexpectedError(f"{len(placed)} results for {items} orders", venue=self._desk.venue.id))

    async def _resync(self) -> None:
        """The venue found our clock wrong: measure it, for the next command."""
        await self._desk.venue.flows.resync()


def _taken(order: InFlightOrder) -> Placed:
    """The venue took a cancel of an order, and said no more of it."""
    return Accepted(
        OrderReport(order.instrument, order_id=order.order_id, client_order_id=order.client_order_id)
    )


def _alone(flow: Flow[Placed]) -> Flow[Sequence[Placed]]:
    """The flow of one item, as a flow of a list."""
    return [(yield from flow)]


def _failed(error: VenuekitError, *, sent: bool) -> Placed:
    """What the failure of a whole call means for one order of it."""
    told = error if isinstance(error, VenueError) else None
    ours = isinstance(error, (UnexpectedError, LocalError))
    certain = not sent if ours else error.outcome is Outcome.REJECTED
    if not certain:
        return Unknown(told)
    if told is None:
        told = NotSent(str(error))
        told.__cause__ = error
    return Rejected(told)


def _placement(order: InFlightOrder, placed: Placed) -> Placement:
    """What the user is told."""
    match placed:
        case Accepted():
            return OrderAccepted(order)
        case Rejected(error) if error.outcome is Outcome.REJECTED:
            local = error.__cause__ if isinstance(error, NotSent) else None
            return OrderRejected(order, local if isinstance(local, VenuekitError) else error)
        case Rejected(error) | Unknown(error):
            return OrderUnknown(order, error)


def _over(order: InFlightOrder) -> Placement:
    """A cancel of what is over already."""
    return OrderRejected(order, OrderNotFound(f"{order.client_order_id} is over already: {order.state}"))
