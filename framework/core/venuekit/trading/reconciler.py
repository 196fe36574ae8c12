"""Reconciler: store and venue are compared, and what the venue says is believed.

1. One comparison at a time; what asks for one meanwhile is answered by the next, once for all of them.
2. It asks for the open orders, then one by one for each of ours that is not among them, then for the executions since the
   oldest order that is not complete, then for balances. What cannot be asked costs that question alone, and another
   comparison is made after a pause.
3. An order is judged only if it was known before the first question, and its placement had been answered. One that the
   venue took a cancel of, and still calls open when it had the time to carry that out, is open: the cancel is gone.
4. "No such order" counts only where absence is final (`venuekit.trading.settling`) and its executions were had. Until then the
   order is in doubt: it is asked for again, the longer it is missing the rarer.
5. An open order that is not ours is told once, and not touched.
6. A provisional fill that was known before the first question and is not among the executions any more has been undone, unless
   the venue still says of its order that as much is filled.

It is asked for at the start, when the user stream opens or may have lost something, when the stream is silent while orders
are open, for an unknown outcome, when an order is over but its executions do not add up, and from time to time. Whoever watches
for that sleeps until the next of these can be due, and is woken when an order changes that (`Reconciler.look`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Container, Sequence
from decimal import Decimal
from typing import Final

import anyio
from attrs import evolve, frozen

from venuekit.backoff import Backoff
from venuekit.orders.in_flight import InFlightOrder
from venuekit.orders.states import OrderState
from venuekit.trading.desk import Desk
from venuekit.trading.events import Reconciled
from venuekit.trading.settling import OVERLAP, Settler
from venuekit.trading.waiting import within
from venuekit_spec import (
    SECOND,
    Fill,
    Finality,
    Instant,
    LocalError,
    OrderNotFound,
    OrderReport,
    OrderStatus,
    Seconds,
    VenuekitError,
    after,
    seconds_between,
)

WATCH: Final[Seconds] = 2.0
"""How often it is looked whether a comparison is due while an order must be asked for, which the stream may still spare us."""
SILENCE: Final[Seconds] = 30.0
"""A user stream without any sign of life for so long, while orders are open, is not believed."""
POLL: Final[Seconds] = 10.0
"""Between comparisons while orders are open and there is no user stream."""
PERIOD: Final[Seconds] = 60.0
"""Between comparisons without a user stream otherwise; ten of them with one that lives."""
AT_ONCE: Final = 8
"""How many orders are asked for at the same time."""

CARRIED_OUT: Final[Seconds] = 10.0
"""How long a venue that took a cancel may need until it says so of the order."""

SHORTEST: Final[Seconds] = 0.1
"""The least pause between two looks."""

PURGED: Final = "the venue does not have it any more"


@frozen(eq=False)
class Claim:
    """What was told of an order provisionally: how much of it is filled, and the fills that may be undone."""

    order: InFlightOrder
    filled: Decimal
    fills: Sequence[Fill]

    @classmethod
    def of(cls, order: InFlightOrder) -> Claim | None:
        """What is claimed so far; None where nothing is, or where it is final."""
        fills = [fill for fill in order.fills if fill.finality is Finality.PROVISIONAL]
        return cls(order, order.filled, fills) if fills or order.provisional is not None else None


class Reconciler:
    """Compares for one account. `last_life` is when the user stream last showed life, None where there is no live one.

    `refresh` asks for balances and positions and returns what failed.
    """

    def __init__(
        self,
        desk: Desk,
        settler: Settler,
        *,
        streams: bool,
        last_life: Callable[[], Instant | None],
        refresh: Callable[[], Awaitable[Sequence[VenuekitError]]],
    ) -> None:
        self._desk = desk
        self._settler = settler
        self._streams = streams
        self._last_life = last_life
        self._refresh = refresh
        self._reasons: dict[str, None] = {}
        self._asked = anyio.Event()
        self._next = anyio.Event()
        self._last = desk.now()
        self._retry: Instant | None = None
        self._backoff = self._fresh_backoff()
        self._missing_since: Instant | None = None
        self._waits = False
        self._look = anyio.Event()
        self._busy = False
        self._whole = False
        self._ended = anyio.Event()

    def request(self, reason: str) -> None:
        """Compare as soon as may be."""
        self._reasons[reason] = None
        self._busy, self._whole = True, False
        self._asked.set()

    async def now(self, reason: str) -> None:
        """Compare, and return when that has been done."""
        next_ = self._next
        self.request(reason)
        await next_.wait()

    async def wait_whole(self) -> None:
        """Return once a comparison has been made that could ask everything, and none is asked for or under way."""
        while not self._whole:
            await self._ended.wait()

    async def run(self) -> None:
        """Compare whenever it is asked for, until cancelled."""
        while True:
            await self._asked.wait()
            self._asked = anyio.Event()
            reasons, self._reasons = ", ".join(self._reasons), {}
            done, self._next = self._next, anyio.Event()
            try:
                told = await self._reconcile(reasons)
            finally:
                done.set()
            self._last = now = self._desk.now()
            if told.failures:
                self._retry = after(now, self._backoff.failed(now))
            else:
                self._retry, self._backoff = None, self._fresh_backoff()
            self._busy = bool(self._reasons)
            self._whole = not (told.failures or self._busy)
            ended, self._ended = self._ended, anyio.Event()
            ended.set()
            self.look()
            self._desk.publish(told)

    def look(self, order: InFlightOrder | None = None) -> None:
        """Something may be due earlier than it was: an order has changed, a comparison ended, the user stream was lost."""
        if order is None or order.needs_asking or not self._waits:
            self._look.set()

    async def watch(self) -> None:
        """Ask for a comparison whenever one is due, until cancelled."""
        while True:
            due = "" if self._busy else self._due(self._desk.now())
            if due:
                self.request(due)
            self._look = anyio.Event()
            if self._busy:
                await self._look.wait()
            else:
                await within(self._desk.clock, self._pause(self._desk.now()), self._look.wait)

    def _pause(self, now: Instant) -> Seconds:
        """How long nothing can be due, as things are."""
        waited = self._waited(now)
        life = self._last_life() if self._streams else None
        if life is None:
            left = (POLL if self._waits else PERIOD) - waited
        elif self._waits:
            left = min(SILENCE - min(seconds_between(life, now), waited), 10 * PERIOD - waited)
        else:
            left = 10 * PERIOD - waited
        if self._missing_since is not None:
            left = min(left, self._until_asked(self._missing_since, now))
        if self._retry is not None:
            left = min(left, seconds_between(now, self._retry))
        return max(left, SHORTEST)

    def _due(self, now: Instant) -> str:
        """Why a comparison is due; empty where none is."""
        tracker = self._desk.tracker
        self._waits = waits = bool(tracker.incomplete)
        if self._retry is not None and now >= self._retry:
            self._retry = None
            return "again after a failure"
        missing = any(order.state is not OrderState.UNKNOWN for order in tracker.needs_asking)
        if not missing:
            self._missing_since = None
        elif self._missing_since is None:
            self._missing_since = now  # the stream may bring them: looked at again next time
        elif self._until_asked(self._missing_since, now) <= 0:
            return "orders that must be asked for"
        life = self._last_life() if self._streams else None
        if life is None:
            return "from time to time" if self._waited(now) >= (POLL if waits else PERIOD) else ""
        if waits and seconds_between(life, now) >= SILENCE and self._waited(now) >= SILENCE:
            return "the user stream is silent"
        return "from time to time" if self._waited(now) >= 10 * PERIOD else ""

    def _until_asked(self, since: Instant, now: Instant) -> Seconds:
        """How long until orders are asked for that must be since that instant: the longer they are, the rarer."""
        missing = seconds_between(since, now)
        return max(WATCH - missing, max(WATCH, min(missing / 2, PERIOD)) - self._waited(now))

    def _waited(self, now: Instant) -> Seconds:
        return seconds_between(self._last, now)

    def _fresh_backoff(self) -> Backoff:
        return Backoff(self._desk.venue.random.random, first=WATCH)

    async def _reconcile(self, reason: str) -> Reconciled:
        desk, tracker = self._desk, self._desk.tracker
        failures: list[VenuekitError] = []
        moment = await self._settler.moment()
        known = [order for order in tracker.incomplete if order.state is not OrderState.PENDING]
        claims = [claim for order in known if (claim := Claim.of(order)) is not None]
        reports = await self._open_orders(failures)
        for report in reports:
            tracker.report(report)
        strays: Sequence[OrderReport] = ()
        answers: dict[str, OrderReport] = {}
        try:
            tracker.read_again()
            strays = tracker.strays(reports)
            answers |= {
                order.client_order_id: report
                for report in reports
                if (order := tracker.owner(report)) is not None
            }
        except LocalError as error:
            failures.append(error)  # what is not known to be listed is asked for one by one
        listed = frozenset(answers)
        for order in known:
            if order.state is OrderState.UNKNOWN:
                self._settler.settle(order)
        unlisted = [
            order
            for order in known
            if order.client_order_id not in listed and order.state is not OrderState.UNKNOWN
        ]
        gone = await self._ask_each(unlisted, answers, failures)
        fills = await self._fills(known, failures)
        tracker.log_earlier()
        if fills is not None:
            keys = {fill.key for fill in fills}
            for claim in claims:
                if claim.order in gone or claim.order.client_order_id in answers:
                    self._withdraw(claim, keys, answers.get(claim.order.client_order_id))
        absent = 0
        for order in gone:
            if fills is not None and self._settler.proves_absence(order, moment):
                tracker.absent(order, PURGED)
                tracker.asked(order, fills=True)
                absent += 1
            else:
                tracker.missing(order)
        for order in known:
            answer = answers.get(order.client_order_id)
            if answer is not None:
                tracker.asked(order, fills=fills is not None)
                if _still_open(order, answer, moment.asked):
                    tracker.cancel_vanished(order)
        failures += await self._refresh()
        return Reconciled(
            account=desk.account,
            reason=reason,
            open=len(listed),
            asked=len(unlisted),
            absent=absent,
            fills=len(fills or ()),
            strays=len(strays),
            failures=tuple(failures),
            at=desk.now(),
        )

    async def _open_orders(self, failures: list[VenuekitError]) -> Sequence[OrderReport]:
        try:
            return await self._desk.ask(lambda: self._desk.market.open_orders(None))
        except VenuekitError as error:
            failures.append(error)
            return ()

    async def _ask_each(
        self, orders: Sequence[InFlightOrder], answers: dict[str, OrderReport], failures: list[VenuekitError]
    ) -> Sequence[InFlightOrder]:
        """Ask for each of these, noting the `answers`; those that the venue says it does not have."""
        gone: list[InFlightOrder] = []
        places = anyio.Semaphore(AT_ONCE)

        async def ask(order: InFlightOrder) -> None:
            async with places:
                try:
                    report = await self._desk.ask(lambda: self._desk.market.status(order.ref))
                except OrderNotFound:
                    gone.append(order)
                except VenuekitError as error:
                    failures.append(error)
                else:
                    self._desk.tracker.report(report)
                    answers[order.client_order_id] = report

        async with anyio.create_task_group() as group:
            for order in orders:
                group.start_soon(ask, order)
        return gone

    def _withdraw(self, claim: Claim, keys: Container[str], answer: OrderReport | None) -> None:
        """Take back what was claimed provisionally and is no more, so that what the venue says now is believed."""
        order, tracker = claim.order, self._desk.tracker
        said = None if answer is None else answer.filled
        if said is not None and said >= claim.filled:
            return
        for fill in claim.fills:
            if fill.key not in keys:
                tracker.fill(evolve(fill, finality=Finality.UNDONE))
        if answer is not None:
            if said is not None and order.filled == claim.filled:  # it was said, and the fills never came
                tracker.report(evolve(answer, finality=Finality.UNDONE))
            tracker.report(answer)

    async def _fills(
        self, known: Sequence[InFlightOrder], failures: list[VenuekitError]
    ) -> Sequence[Fill] | None:
        """Take in the executions of these orders; what the venue told, None where it could not be asked."""
        if not known:
            return ()
        since = min(order.created for order in known) - round(OVERLAP * SECOND)
        instruments = sorted({order.intent.instrument for order in known})
        try:
            fills = await self._desk.ask(lambda: self._desk.market.fills(instruments, since))
        except VenuekitError as error:
            failures.append(error)
            return None
        for fill in fills:
            self._desk.tracker.fill(fill)
        return fills


def _still_open(order: InFlightOrder, report: OrderReport, asked: Instant) -> bool:
    """Whether the venue, asked at that moment, says for good that an order is open which it should long have cancelled."""
    taken = order.cancel_taken
    return (
        taken is not None
        and asked >= after(taken, CARRIED_OUT)
        and report.finality is Finality.FINAL
        and report.status in {OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED}
    )
