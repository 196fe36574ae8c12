"""`OrderTracker`: all orders of one account. It finds the order that a report is of, keeps the store up to date, tells events.

    report or fill -> by client order id -> by the venue's id (or the one it replaces) -> in the store -> not ours, or too early

1. An intent is in the store, and known here, before a byte of it leaves. So a client order id that neither knows is not ours.
2. A word that carries only a venue id nobody knows waits while it may be of an order of ours (`parking`), and is applied when
   the id becomes known.
3. What is not at hand (`at_hand`) is looked for in the store, so a fill that comes twice, a year apart, is counted once.
4. Events are published after the change, each once: a fill, then the update, then the completion.
5. Completed is durable soon after it is told: a process that dies between the two tells it once more when it is back.
6. A word whose order can only be in the store, while that cannot be read, is kept until it can: nobody's task ends of it.
7. Where `sent` is on disk before the first byte leaves (`noted`), an order without it has never left: that needs no asking.
8. A stray is logged as a warning; but fills from before the store first had the account are history: logged as one line with
   their number. The event is the same. Of fills from before the store was pruned nothing is told.
9. A word of an order that is complete writes all of its fills again: they may have been pruned from under it, and one that came
   back without them would count them twice.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from anyio.lowlevel import checkpoint_if_cancelled

from venuekit.clock import Clock
from venuekit.orders.at_hand import OrdersAtHand
from venuekit.orders.events import (
    FillUndone,
    OrderEventOfAccount,
    OrderFilled,
    OrderUnknownOutcome,
    StoreFailing,
    StrayFill,
    StrayOrder,
)
from venuekit.orders.in_flight import InFlightOrder
from venuekit.orders.open_orders import OpenOrders
from venuekit.orders.parking import PARKED, Parking, Strays, Word, may_become_known
from venuekit.orders.patches import FillEffect
from venuekit.orders.records import OrderRecord, StoredOrder
from venuekit.orders.states import OrderState
from venuekit.orders.store import BEGUN, PRUNED, InFlightOrderStore, StoreError
from venuekit_spec import (
    Accepted,
    BlockHeight,
    Fill,
    Finality,
    Instant,
    LocalError,
    NewOrder,
    OrderReport,
    Placed,
    Unknown,
)

NEVER_REACHED: Final = "never reached the venue"

log = logging.getLogger(__name__)


class OrderTracker:
    """All orders of one account. Synchronous except where it must be durable; to be used from one event loop.

    `publish` takes every event. `account` is what the store keeps its orders under: one name per venue, environment and
    account, where several share a store.
    """

    def __init__(
        self,
        account: str,
        store: InFlightOrderStore,
        publish: Callable[[OrderEventOfAccount], None],
        clock: Clock,
    ) -> None:
        self.account = account
        self._store = store
        self._publish = publish
        self._clock = clock
        self._at_hand = OrdersAtHand()
        self._parked = Parking()
        self._unread: deque[Word] = deque(maxlen=PARKED)
        """Words whose order could not be looked up: the store could not be read."""
        self._unreadable_told = False
        self._strays = Strays()
        self._failure_told: StoreError | None = None
        self._opened = False
        self._begun: Instant = 0
        """Since when the store has the account."""
        self._earlier = 0
        """Strays from before that, not logged yet."""
        self.adding_up = OpenOrders()
        """What the orders that are not over add up to."""
        self.cancels_later: dict[str, InFlightOrder] = {}
        """Those that are to be cancelled once it is known that the venue has them."""
        self.block: BlockHeight | None = None
        """The highest block that the venue told of."""

    # --- opening and closing

    async def open(self) -> Sequence[InFlightOrder]:
        """Open the store and load every order that is not complete; what was PENDING is UNKNOWN, and so is a cancel.

        What has provably never left is REJECTED at once. Raises `StoreError`.
        """
        await self._store.open()
        self._opened = True
        begun = f"{BEGUN}:{self.account}"
        if not self._store.mark(begun):
            self._store.raise_mark(begun, self._clock.now())
        self._begun = self._store.mark(begun)
        loaded = [self._restore(stored) for stored in await self._store.incomplete(self.account)]
        for order in loaded:
            before = order.record()
            if order.noted and order.sent is None and not order.confirmed:
                order.absent(NEVER_REACHED)
                self._changed(order, before)
            elif order.state is OrderState.PENDING:
                order.lost(None)
                self._changed(order, before)
                self._tell(order, self._unknown(order))
            elif order.cancel_requested and order.confirmed:
                order.cancel_answered(Unknown())  # its answer finds nobody any more
                self._changed(order, before)
        return loaded

    async def flush(self) -> None:
        """Return once everything known is durable. Raises `StoreError`."""
        await self._store.flush()

    async def aclose(self) -> None:
        """Flush, and close the store unless others use it. Raises `StoreError` where something could not be written."""
        self.log_earlier()
        if self._opened:
            self._opened = False
            await self._store.aclose()

    # --- what is known

    @property
    def orders(self) -> Mapping[str, InFlightOrder]:
        """All orders at hand, by client order id: every incomplete one, and the complete ones of late."""
        return MappingProxyType(self._at_hand.orders)

    @property
    def open_orders(self) -> Sequence[InFlightOrder]:
        """Those that are not over."""
        return [order for order in self._at_hand.incomplete.values() if not order.done]

    @property
    def incomplete(self) -> Sequence[InFlightOrder]:
        """Those that are not over, or over with fills still missing."""
        return list(self._at_hand.incomplete.values())

    @property
    def needs_asking(self) -> Sequence[InFlightOrder]:
        """Those that only a question to the venue can bring further."""
        return [order for order in self._at_hand.incomplete.values() if order.needs_asking]

    def get(self, client_order_id: str) -> InFlightOrder | None:
        """An order by our id, out of the store if need be; None where it is not ours."""
        known = self._at_hand.get(client_order_id)
        if known is None and client_order_id:
            stored = self._store.load(self.account, client_order_id)
            return None if stored is None else self._restore(stored)
        return known

    def find(self, order_id: str, instrument: str = "") -> InFlightOrder | None:
        """An order by any id the venue ever gave it, out of the store if need be. Ids may be unique per instrument only."""
        known = self._at_hand.find(order_id, instrument)
        if known is None and order_id:
            stored = self._store.find(self.account, order_id, instrument)
            return None if stored is None else self.get(stored.record.client_order_id)
        return known

    def next_number(self) -> int:
        """A number for a new client order id: never given before, below 2**56."""
        return self._store.next_number()

    # --- placing

    async def submit(
        self, intents: Sequence[NewOrder], *, numbers: Sequence[int] | None = None, noted: bool = False
    ) -> Sequence[InFlightOrder]:
        """Make orders of these intents: PENDING, and durable on return. `numbers`: what their ids were made of.

        `noted`: `sending` is awaited before their first byte, and durable on return.

        Raises `StoreError` where they cannot be kept, `LocalError` for a client order id that was used before; then none of
        them exists. Cancelled while it waits, it leaves them all, known, durable and never sent.
        """
        await checkpoint_if_cancelled()  # from here on they exist, whatever happens to the caller
        self._check_new(intents)
        now = self._clock.now()
        orders = [
            InFlightOrder(
                OrderRecord(
                    account=self.account,
                    client_order_id=intent.client_order_id,
                    number=number,
                    intent=intent,
                    quantity=intent.quantity,
                    price=intent.price,
                    created=now,
                    updated=now,
                    noted=noted,
                )
            )
            for intent, number in zip(intents, numbers or [0] * len(intents), strict=True)
        ]
        for order in orders:
            self._at_hand.add(order)
            self.adding_up.look(order)
        try:
            await self._store.submit([order.record() for order in orders])
        except LocalError:
            for order in orders:
                self._at_hand.drop(order)
                self.adding_up.forget(order)
                self._let_go(order)
            self._unpark()
            self._watch_store()
            raise
        self._watch_store()
        return orders

    def _let_go(self, order: InFlightOrder) -> None:
        """It was never made after all: whoever met it meanwhile, and waits for it or wants it cancelled, waits no longer."""
        self.cancels_later.pop(order.client_order_id, None)
        order.absent(NEVER_REACHED)
        order.tell(order.as_update())
        order.tell(order.as_completed())
        order.wake()

    def _check_new(self, intents: Sequence[NewOrder]) -> None:
        seen: set[str] = set()
        for client_order_id in (intent.client_order_id for intent in intents):
            if not client_order_id:
                raise LocalError("an order needs a client order id")
            if client_order_id in seen or self.get(client_order_id) is not None:
                raise LocalError(f"client order id {client_order_id!r} was used before")
            seen.add(client_order_id)

    async def sending(
        self, orders: Sequence[InFlightOrder], *, nonce: int | None = None, payload: bytes | None = None
    ) -> None:
        """The first byte of these orders is about to leave. What is to be kept of that is durable on return, all at once.

        Raises `StoreError`; then nothing may be sent.
        """
        now, durable = self._clock.now(), []
        for order in orders:
            order.sent = order.updated = now
            if order.noted or nonce is not None or payload is not None:
                order.nonce, order.payload = nonce, payload
                durable.append(order.record())
            else:
                self._keep(order)
        if durable:
            await self._store.submit(durable)

    def outcome(self, order: InFlightOrder, placed: Placed) -> None:
        """The outcome of the placement, from its answer or from whoever settled it."""
        if isinstance(placed, Accepted):
            self._look_alive(order, placed.report)
        before = order.record()
        order.placed(placed)
        self._changed(order, before)
        self._answer_fills(order, placed)
        if order.state is OrderState.UNKNOWN:
            self._tell(order, self._unknown(order))

    def absent(self, order: InFlightOrder, reason: str) -> None:
        """Proof that the venue does not have it: REJECTED where it never told of it, CANCELED where it did."""
        before = order.record()
        order.absent(reason)
        self._changed(order, before)

    def missing(self, order: InFlightOrder) -> None:
        """The venue does not have it, which proves nothing yet: it is to be asked again."""
        before = order.record()
        order.missing()
        self._changed(order, before)

    def asked(self, order: InFlightOrder, *, fills: bool = False) -> None:
        """The venue was asked about it, and the answer has been given to `report`; with `fills`, all its fills to `fill`.

        Where the venue never says how much was filled, this is what lets an order that is over be complete.
        """
        before = order.record()
        order.asked(fills=fills)
        self._changed(order, before)

    # --- cancelling and amending

    def cancel_requested(self, order: InFlightOrder) -> None:
        """A cancel is about to be sent."""
        before = order.record()
        order.cancel_asked()
        self._changed(order, before)

    def cancel_outcome(self, order: InFlightOrder, placed: Placed) -> None:
        """The outcome of a cancel. "Not found" ends nothing: the order `needs_asking`."""
        before = order.record()
        order.cancel_answered(placed, self._clock.now())
        self._changed(order, before)
        self._answer_fills(order, placed)

    def cancel_vanished(self, order: InFlightOrder) -> None:
        """The venue took a cancel, had the time to carry it out, and still says that the order is open."""
        before = order.record()
        order.cancel_vanished()
        self._changed(order, before)

    def amend_requested(self, order: InFlightOrder) -> None:
        """An amendment is about to be sent: until its outcome, fills alone do not end the order."""
        before = order.record()
        order.amend_asked()
        self._changed(order, before)

    def amend_outcome(
        self,
        order: InFlightOrder,
        placed: Placed,
        *,
        price: Decimal | None = None,
        quantity: Decimal | None = None,
    ) -> None:
        """The outcome of an amendment; `price` and `quantity` are what was asked, for answers that do not repeat it."""
        before = order.record()
        order.amend_answered(placed, price, quantity)
        self._changed(order, before)
        self._answer_fills(order, placed)

    def _answer_fills(self, order: InFlightOrder, placed: Placed) -> None:
        if isinstance(placed, Accepted):
            for fill in placed.fills:
                self._fill(order, fill)

    # --- what the venue tells

    def report(self, report: OrderReport) -> None:
        """The venue said something of an order: from the user stream, from an answer, from the reconciler."""
        try:
            order = self.owner(report)
        except LocalError as error:
            self._cannot_read(report, error)
            return
        if order is None:
            self._park(report)
            return
        self._look_alive(order, report)
        before = order.record()
        order.report(report)
        self._changed(order, before)

    def _look_alive(self, order: InFlightOrder, report: OrderReport) -> None:
        """What was given up, or refused, and lives after all is told as a stray: its end is not taken back."""
        if order.done and not order.confirmed:
            self._stray(report)

    def fill(self, fill: Fill) -> None:
        """One execution, as often as it is told."""
        try:
            order = self.owner(fill)
        except LocalError as error:
            self._cannot_read(fill, error)
            return
        if order is None:
            self._park(fill)
        else:
            self._fill(order, fill)

    @property
    def unread(self) -> bool:
        """Whether words wait until the store can be read."""
        return bool(self._unread)

    def read_again(self) -> None:
        """Take in what came while the store could not be read. Raises `StoreError` where it still cannot."""
        while self._unread:
            self.owner(self._unread[0])
            word = self._unread.popleft()
            if isinstance(word, Fill):
                self.fill(word)
            else:
                self.report(word)
        self._unreadable_told = False

    def _cannot_read(self, word: Word, error: LocalError) -> None:
        if isinstance(error, StoreError):  # and not one record that makes no sense
            self._unread.append(word)
        if not self._unreadable_told:
            self._unreadable_told = True
            self._publish(StoreFailing(account=self.account, error=error, at=self._clock.now()))

    def height(self, block: BlockHeight) -> None:
        """The venue's chain grew."""
        if self.block is None or block.height > self.block.height:
            self.block = block

    def strays(self, reports: Sequence[OrderReport]) -> Sequence[OrderReport]:
        """Of these open orders those that are not ours; each told once as `StrayOrder`. Raises `StoreError`."""
        waiting = self._at_hand.awaiting
        strangers = [
            report
            for report in reports
            if self.owner(report) is None and not may_become_known(report, waiting)
        ]
        for report in strangers:
            self._stray(report)
        return strangers

    def owner(self, word: Word) -> InFlightOrder | None:
        """The order that a report or fill is of; None where it is not ours, or not known to be. Raises `StoreError`."""
        order = self.get(word.client_order_id) or self.find(word.order_id, word.instrument)
        if order is None and isinstance(word, OrderReport):
            return self.find(word.replaces, word.instrument)
        return order

    def _fill(self, order: InFlightOrder, fill: Fill) -> None:
        before = order.record()
        effect = order.fill(fill)
        if effect is FillEffect.KNOWN:
            return
        kind = _FILL_EVENTS.get(effect)
        event = (
            None
            if kind is None
            else kind(
                account=self.account, client_order_id=order.client_order_id, fill=fill, at=self._clock.now()
            )
        )
        kept = fill if fill.finality is Finality.UNDONE else order.fill_of(fill.key)
        self._changed(order, before, fill=kept, event=event)

    # --- what is too early, and what is not ours

    def _park(self, word: Word) -> None:
        early = may_become_known(word, self._at_hand.awaiting)
        stray = self._parked.park(word) if early else word
        if stray is not None:
            self._stray(stray)

    def _unpark(self) -> None:
        """Apply what waited for an id that is known now; what can be nobody's any more is a stray."""
        if not self._parked:
            return
        found, lost = self._parked.release(self._indexed, self._at_hand.awaiting)
        for word in found:
            if isinstance(word, Fill):
                self.fill(word)
            else:
                self.report(word)
        for word in lost:
            self._stray(word)

    def _indexed(self, word: Word) -> bool:
        ids = (word.order_id, word.replaces if isinstance(word, OrderReport) else "")
        return any(self._at_hand.find(order_id, word.instrument) for order_id in ids if order_id)

    def _stray(self, word: Word) -> None:
        if self._forgotten(word) or not self._strays.first(word):
            return
        at = self._clock.now()
        if isinstance(word, Fill):
            what = "a fill of an order that this store does not know"
            self._publish(StrayFill(account=self.account, fill=word, at=at))
            if 0 < word.time < self._begun:
                self._earlier += 1
                return
        else:
            what = "an open order that this store does not know"
            self._publish(StrayOrder(account=self.account, report=word, at=at))
        log.warning("%s: %s: %s %s", self.account, what, word.instrument, word.order_id)

    def log_earlier(self) -> None:
        """Log in one line how many strays were told since the last one that are older than what the store knows."""
        if self._earlier:
            log.info(
                "%s: fills of orders from before this store knew the account: %d", self.account, self._earlier
            )
        self._earlier = 0

    def _forgotten(self, word: Word) -> bool:
        """Whether it may be of an order that was pruned from the store."""
        return isinstance(word, Fill) and 0 < word.time < self._store.mark(PRUNED)

    # --- after a change

    def _changed(
        self,
        order: InFlightOrder,
        before: OrderRecord,
        *,
        fill: Fill | None = None,
        event: OrderFilled | FillUndone | None = None,
    ) -> None:
        """Keep it, tell it, and do what follows. `before` is its record before the change."""
        now = order.record()
        if now == before and fill is None:
            return
        self.adding_up.look(order)
        named = now.ids is not before.ids and self._at_hand.index(order, before.ids)
        awaited = self._at_hand.awaits_id(order)
        overfill = order.overfilled and not order.overfill_told
        order.overfill_told = order.overfill_told or overfill
        order.updated = self._clock.now()
        if before.complete:
            self._keep(order, order.kept_fills)
        else:
            self._keep(order, () if fill is None else (fill,))
        if event is not None:
            self._tell(order, event)
        if event is not None or _shown(now) != _shown(before):
            self._tell(order, order.as_update())
        if overfill:
            log.error(
                "%s: %s is filled beyond its quantity: %s of %s",
                self.account,
                order.client_order_id,
                order.filled,
                order.quantity,
            )
            self._tell(order, order.as_overfill())
        if order.complete and self._at_hand.retire(order):
            self._tell(order, order.as_completed())
        order.wake()
        self._at_hand.look(order)
        if named or (awaited and not self._at_hand.awaits_id(order)):
            self._unpark()

    def _restore(self, stored: StoredOrder) -> InFlightOrder:
        order = InFlightOrder(stored.record, stored.fills)
        self._at_hand.add(order)
        if not order.complete:
            self._at_hand.index(order)
            self.adding_up.look(order)
        return order

    def _keep(self, order: InFlightOrder, fills: Iterable[Fill] = ()) -> None:
        self._store.write(order.record(), tuple(fills))
        self._watch_store()

    def _watch_store(self) -> None:
        failure = self._store.failure
        if failure is not None and self._failure_told is None:
            self._publish(StoreFailing(account=self.account, error=failure, at=self._clock.now()))
        self._failure_told = failure

    def _tell(self, order: InFlightOrder, event: OrderEventOfAccount) -> None:
        self._publish(event)
        order.tell(event)

    def _unknown(self, order: InFlightOrder) -> OrderUnknownOutcome:
        return OrderUnknownOutcome(
            account=self.account,
            client_order_id=order.client_order_id,
            error=order.error,
            at=self._clock.now(),
        )


_FILL_EVENTS: Final[Mapping[FillEffect, type[OrderFilled | FillUndone]]] = {
    FillEffect.NEW: OrderFilled,
    FillEffect.UNDONE: FillUndone,
}


def _shown(record: OrderRecord) -> tuple[object, ...]:
    """What of an order is worth an event."""
    return (
        record.state,
        record.order_id,
        record.told,
        record.quantity,
        record.price,
        record.reason,
        record.cancel_requested,
        record.doubt,
        record.provisional,
    )
