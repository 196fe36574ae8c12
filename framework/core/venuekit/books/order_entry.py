"""The tracker entry of an order-by-order feed: events of orders in, a proven book out.

Everything that `TrackerEntry` does with deltas of levels it does here with events of orders. What is different:

* The events of one frame (`OrderEvent.more`) are one step. Each is judged and applied as it comes; the book is cut to its
  depth, verified and published after the last.
* Events that change nothing (of unknown orders, or that only move the sequence) are not published.
* A frame of which one event could not be read is over: its other events are dropped, so that the repair cannot be joined to
  a part of it.
"""

from __future__ import annotations

from collections.abc import Callable

from venuekit.books.keeping import LIVE, NeedCallback
from venuekit.books.order_book import OrderByOrderBook
from venuekit.books.orders import ActiveOrders, OrderCounters
from venuekit.books.states import BookEvent
from venuekit.books.sync import StepFollower
from venuekit.books.tracker import TrackerEntry
from venuekit_spec import (
    ActiveOrderTracker,
    Instant,
    Instrument,
    LocalError,
    MalformedMessage,
    OrderBookSnapshot,
    OrderEvent,
    Side,
    SyncRule,
    Topic,
)


class OrderByOrderEntry(TrackerEntry[OrderBookSnapshot, OrderEvent]):
    """One order-by-order book and everything that keeps it right.

    `tracker` makes the venue's own `ActiveOrderTracker`; the standard one is used where it makes none. Raises `LocalError`
    for a tracker that does not tell its queues where the rule wants them (a depth, a checksum over orders, global ids).
    """

    snapshot_type = OrderBookSnapshot

    def __init__(
        self,
        topic: Topic,
        instrument: Instrument,
        rule: SyncRule,
        need: NeedCallback,
        *,
        venue: str = "",
        tracker: Callable[[], ActiveOrderTracker | None] | None = None,
    ) -> None:
        def make() -> ActiveOrderTracker:
            own = None if tracker is None else tracker()
            return ActiveOrders(exact=not instrument.float_keys) if own is None else own

        self.order_book = OrderByOrderBook(instrument, rule.proofs, whole=rule.depth is not None, make=make)
        self._orders = self.order_book.sides
        over_orders = rule.checksum is not None and rule.checksum.orders
        wants_queues = rule.depth is not None or over_orders or rule.global_ids
        if wants_queues and self._orders.queues is None:
            raise LocalError(f"{topic} of {venue} wants an order tracker that tells its queues")
        self._step: list[OrderEvent] = []
        """The events of the present frame that changed something."""
        self._torn = False
        """Whether the rest of the present frame is worthless."""
        super().__init__(topic, rule, need, self.order_book, self._orders, StepFollower(rule), venue=venue)

    @property
    def order_counters(self) -> OrderCounters:
        """What the events met that they should not, or need not."""
        return self._orders.counters

    def _wait(self, delta: OrderEvent) -> None:
        if self._torn:
            self._torn = delta.more
        else:
            super()._wait(delta)

    def _settle(self, delta: OrderEvent) -> None:
        step = self._step
        if self._orders.changed:
            step.append(delta)
        if not delta.more:
            self._step = []
            self._finish(step, delta.checksum, delta.received)

    def _move(self, event: BookEvent, reason: str, now: Instant) -> None:
        self._step.clear()
        super()._move(event, reason, now)

    def _tells(self, _delta: OrderEvent, /) -> bool:
        return bool(self._orders.changed)

    def _snapshot_of_book(self, now: Instant) -> OrderBookSnapshot:
        queues = self._orders.queues
        assert queues is not None
        orders = [
            order
            for side in Side
            for row in self.book.rows(side)
            for order in queues.queue(side, str(row[0]))
        ]
        return OrderBookSnapshot(
            instrument=self.book.instrument.id,
            orders=orders,
            last=self.book.last,
            time=self.book.time,
            received=now,
        )

    def _checksum_of(self, snapshot: OrderBookSnapshot, /) -> int | None:
        return snapshot.checksum

    def _malformed(
        self, error: Exception, message: OrderBookSnapshot | OrderEvent, *, live: bool = False
    ) -> MalformedMessage:
        if isinstance(message, OrderEvent) and message.more and not live:
            if self.book.state is LIVE:
                self._torn = True
            else:  # it had been waiting, and so has the rest of its frame
                while self._kept and self._kept.popleft().more:
                    pass
        return super()._malformed(error, message, live=live)

    def _excerpt(self, message: OrderBookSnapshot | OrderEvent) -> str:
        return repr(message if isinstance(message, OrderEvent) else message.orders[:3])
