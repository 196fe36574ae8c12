"""Settling: an unknown outcome becomes known, by the venue's `Resolver`.

1. Each order has a task of its own, with backoff, for as long as its outcome is unknown: one that cannot be settled delays
   no other. What the user stream or the reconciler tells meanwhile ends it as well. No pause is longer than until absence
   becomes final: the question that counts is asked then.
2. Asking: its status, then its executions. A network failure is no answer.
3. "No such order" is a proof only once absence is final (`Absence`), judged by the instant the question was asked; both
   questions must have been answered, and neither may know it.
4. Resending sends the identical bytes that the store kept: the venue executes them at most once. The bytes of a batch carry all
   its orders and are kept with each of them; one resend of them settles every one that is still unknown.
5. Burning spends the order's nonce on nothing. From then on it cannot land, so absence is final for what is asked later. A
   nonce that is spent already may have been spent by the order: then absence is final only when that would long be seen.
6. What an earlier process had not sent is not settled here: the store knows that it never left (`OrderTracker.open`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec
from attrs import frozen

from venuekit.backoff import Backoff
from venuekit.orders.in_flight import InFlightOrder
from venuekit.orders.states import OrderState
from venuekit.orders.tracker import NEVER_REACHED
from venuekit.trading.chain import Chain
from venuekit.trading.desk import Desk
from venuekit.trading.waiting import within
from venuekit_spec import (
    SECOND,
    Absence,
    Accepted,
    DuplicateClientOrderId,
    HttpRequest,
    Instant,
    NonceRefused,
    OrderNotFound,
    Rejected,
    Request,
    Resolution,
    Resolver,
    Seconds,
    VenuekitError,
    after,
    seconds_between,
)

LONGEST_PAUSE: Final[Seconds] = 30.0
"""Between two rounds of questions."""

OVERLAP: Final[Seconds] = 60.0
"""How long before an order executions are asked for: the venue's clock is not ours."""

ASK_ONLY: Final = Resolver((Resolution.ASK,), Absence())
"""Of a venue that says nothing of it: ask, and take absence for no proof ever."""

SEEN: Final[Seconds] = 60.0
"""How long after its nonce was found spent an order that did land may still be unseen."""


class Packed(msgspec.Struct, frozen=True, array_like=True):
    """A placement as it was sent, to be sent again as it is. `orders`: the client order ids of all it carried, in order."""

    orders: tuple[str, ...]
    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def onto(self, request: HttpRequest) -> HttpRequest:
        """`request` with what was sent then."""
        return request.replace(method=self.method, url=self.url, headers=self.headers, body=self.body)


def pack(request: Request, orders: Iterable[InFlightOrder]) -> bytes | None:
    """A placement of these orders for the store; None for a call on a socket."""
    if not isinstance(request, HttpRequest):
        return None
    ids = tuple(order.client_order_id for order in orders)
    return msgspec.msgpack.encode(Packed(ids, request.method, request.url, request.headers, request.body))


def unpack(payload: bytes) -> Packed | None:
    """What was packed; None where it was packed otherwise than now, by another version."""
    try:
        return msgspec.msgpack.decode(payload, type=Packed)
    except msgspec.MsgspecError:
        return None


@frozen
class Moment:
    """When a question was asked: by our clock, by the venue's, and how high its chain was then (None: not known)."""

    asked: Instant
    venue_time: Instant
    height: int | None


def absence_is_final(absence: Absence, order: InFlightOrder, since: Instant, moment: Moment) -> bool:
    """Whether "no such order", answered to a question of that moment, proves that there is none.

    `since`: the latest instant at which it can have been sent, by our clock.
    """
    if absence.after is not None and moment.asked >= after(since, absence.after):
        return True
    deadline = order.intent.deadline
    if (
        absence.after_deadline is not None
        and deadline is not None
        and moment.venue_time >= after(deadline, absence.after_deadline)
    ):
        return True
    expiry, height = order.intent.expires_at_height, moment.height
    return absence.above_expiry_height and expiry is not None and height is not None and height > expiry


def until_final(absence: Absence, order: InFlightOrder, since: Instant, moment: Moment) -> Seconds | None:
    """In how many seconds, from that moment, absence becomes final; None where no clock tells it, or where it is already."""
    waits: list[Seconds] = []
    if absence.after is not None:
        waits.append(seconds_between(moment.asked, after(since, absence.after)))
    if absence.after_deadline is not None and order.intent.deadline is not None:
        final = after(order.intent.deadline, absence.after_deadline)
        waits.append(seconds_between(moment.venue_time, final))
    return min((wait for wait in waits if wait > 0), default=None)


class Settler:
    """Settles the unknown orders of one account."""

    def __init__(self, desk: Desk, resolver: Resolver | None, chain: Chain) -> None:
        self._desk = desk
        self._chain = chain
        self.resolver = resolver or ASK_ONLY
        self._settling: set[str] = set()
        self._resending: set[bytes] = set()
        self._began = desk.now()

    def settle(self, order: InFlightOrder) -> None:
        """See to it that the outcome of an order becomes known; asking twice is harmless."""
        id_ = order.client_order_id
        if id_ in self._settling:
            return
        self._settling.add(id_)

        async def run() -> None:
            try:
                await self._settle(order)
            finally:
                self._settling.discard(id_)

        self._desk.venue.spawn(run)

    async def moment(self) -> Moment:
        """Now, for questions that are asked from here on. The chain is asked how high it is where absence depends on it."""
        by_height = self.resolver.absence.above_expiry_height
        height = await self._chain.known() if by_height else self._chain.height
        return Moment(self._desk.now(), self._desk.venue.venue_time(), height)

    def proves_absence(self, order: InFlightOrder, moment: Moment) -> bool:
        """Whether "no such order", asked for at that moment or later, is final by the venue's rule."""
        return absence_is_final(self.resolver.absence, order, self._sent(order), moment)

    async def _settle(self, order: InFlightOrder) -> None:
        desk = self._desk
        backoff = Backoff(desk.venue.random.random, ceiling=LONGEST_PAUSE)
        spent: Instant | None = None  # from then on its nonce can bring nothing new to light
        while order.state is OrderState.UNKNOWN:
            for step in self.resolver.steps:
                if step is Resolution.ASK:
                    await self._ask(order, spent)
                elif step is Resolution.RESEND:
                    await self._resend(order)
                elif spent is None:
                    spent = await self._burn(order)
                if order.state is not OrderState.UNKNOWN:
                    return
            await self._pause(order, backoff.failed(desk.now()))

    async def _pause(self, order: InFlightOrder, pause: Seconds) -> None:
        """Wait before the next round; not beyond the moment at which absence becomes final."""
        desk, absence = self._desk, self.resolver.absence
        moment = Moment(desk.now(), desk.venue.venue_time(), self._chain.height)
        final = until_final(absence, order, self._sent(order), moment)
        pause = pause if final is None else min(pause, final)
        expiry = order.intent.expires_at_height if absence.above_expiry_height else None
        if expiry is None or self._chain.above(expiry):
            await desk.clock.sleep(pause)
        else:
            await within(desk.clock, pause, lambda: self._chain.wait_above(expiry))

    async def _ask(self, order: InFlightOrder, spent: Instant | None) -> None:
        desk, market = self._desk, self._desk.market
        moment = await self.moment()
        final = (spent is not None and moment.asked >= spent) or self.proves_absence(order, moment)
        try:
            desk.tracker.report(await desk.ask(lambda: market.status(order.ref)))
        except OrderNotFound:
            pass
        except VenuekitError:
            return  # no answer: nothing is learned
        else:
            return
        try:
            fills = await desk.ask(
                lambda: market.fills((order.intent.instrument,), self._sent(order) - round(OVERLAP * SECOND))
            )
        except VenuekitError:
            return
        for fill in fills:
            if fill.client_order_id == order.client_order_id or (
                fill.order_id and fill.order_id in order.ids
            ):
                desk.tracker.fill(fill)
        if final and order.state is OrderState.UNKNOWN:
            desk.tracker.absent(order, NEVER_REACHED)

    async def _resend(self, order: InFlightOrder) -> None:
        payload = order.payload
        if payload is None or payload in self._resending:
            return
        self._resending.add(payload)
        try:
            await self._send_again(payload)
        finally:
            self._resending.discard(payload)

    async def _send_again(self, payload: bytes) -> None:
        desk, tracker = self._desk, self._desk.tracker
        packed = unpack(payload)
        if packed is None:
            return
        orders = [order for id_ in packed.orders if (order := tracker.get(id_)) is not None]
        if len(orders) != len(packed.orders):
            return

        def stored(request: HttpRequest, _now: Instant, _nonce: int) -> HttpRequest:
            return packed.onto(request)

        unknown = [order for order in orders if order.state is OrderState.UNKNOWN]
        try:
            await tracker.sending(unknown, nonce=unknown[0].nonce if unknown else None, payload=payload)
            outcomes = await desk.venue.flows.run(
                desk.market.place([order.intent for order in orders]), sign=stored
            )
        except VenuekitError:
            return
        if len(outcomes) != len(orders):
            return  # a bug of the connector: which answer is whose cannot be told
        for order, placed in zip(orders, outcomes, strict=True):
            told = isinstance(placed, Rejected) and not isinstance(
                placed.error, (NonceRefused, DuplicateClientOrderId)
            )  # those two say that the first attempt arrived, or was burned
            if order.state is OrderState.UNKNOWN and (told or isinstance(placed, Accepted)):
                tracker.outcome(order, placed)

    async def _burn(self, order: InFlightOrder) -> Instant | None:
        """From when on absence is final because the nonce is spent; None where that is not known."""
        nonce, desk = order.nonce, self._desk
        if nonce is None:
            return None
        try:
            await desk.send(desk.market.burn_nonce(nonce))
        except NonceRefused:
            return after(desk.now(), SEEN)
        except VenuekitError:
            return None
        return desk.now()

    def _sent(self, order: InFlightOrder) -> Instant:
        """The latest instant at which it can have been sent: an earlier process sent nothing after our start."""
        return order.sent if order.sent is not None else max(order.created, self._began)
