"""`InFlightOrder`: one order as its owner follows it. What is known of it stands in `facts`, what a
report or fill does to it in `patches`.
"""

from __future__ import annotations

from collections.abc import Iterable

import anyio
from attrs import evolve

from venuekit.broadcast import Broadcast, Subscription
from venuekit.orders.events import OrderCompleted, OrderEventOfAccount, OrderUpdate, Overfill
from venuekit.orders.patches import OrderPatches
from venuekit.orders.records import OrderRecord
from venuekit_spec import Fill, OrderRef


class InFlightOrder(OrderPatches):
    """A live order: one object per order, kept up to date by the `OrderTracker`. Users read and wait, and change nothing."""

    def __init__(self, record: OrderRecord, fills: Iterable[Fill] = ()) -> None:
        super().__init__(record, fills)
        self._events: Broadcast[OrderEventOfAccount] = Broadcast()
        self._done_event: anyio.Event | None = None
        self._complete_event: anyio.Event | None = None

    @property
    def ref(self) -> OrderRef:
        """How to name it to the venue, with the order as it stands."""
        return OrderRef(
            instrument=self.instrument,
            client_order_id=self.client_order_id,
            order_id=self.order_id,
            placed=self.sent if self.sent is not None else self.created,
            intent=evolve(self.intent, quantity=self.quantity, price=self.price),
        )

    async def wait_done(self) -> None:
        """Return once it is over; fills may still be missing."""
        if not self.done:
            if self._done_event is None:
                self._done_event = anyio.Event()
            await self._done_event.wait()

    async def wait_complete(self) -> None:
        """Return once it is over and its fills add up to what the venue says was filled."""
        if not self.complete:
            if self._complete_event is None:
                self._complete_event = anyio.Event()
            await self._complete_event.wait()

    async def wait_known(self) -> None:
        """Return once it is known whether the venue has it; at once unless the order is PENDING or UNKNOWN."""
        async for _ in self.changes():
            if self.known:
                return

    def changes(self, buffer: int = 1_000) -> Subscription[OrderEventOfAccount]:
        """Where it stands, as an `OrderUpdate`, then each of its events as it comes; the last is its `OrderCompleted`.

        So nothing is missed between a look at the order and the loop, and a loop over an order that is complete ends. Who is
        `buffer` events behind finds an `Overflow` in place of the newest.
        """
        following = self._events.subscribe(buffer)
        following.push(self.as_update())
        if self.complete:
            following.push(self.as_completed())
            following.close()
        return following

    def tell(self, event: OrderEventOfAccount) -> None:
        """Hand an event to whoever follows this order. The tracker's to call."""
        self._events.publish(event)

    def wake(self) -> None:
        """Let those go on who wait for what is now so. The tracker's to call, after its events."""
        if self.done and self._done_event is not None:
            self._done_event.set()
        if self.complete:
            if self._complete_event is not None:
                self._complete_event.set()
            self._events.close()

    def as_update(self) -> OrderUpdate:
        """Where it is now, as an event."""
        return OrderUpdate(
            account=self.account,
            client_order_id=self.client_order_id,
            order_id=self.order_id,
            instrument=self.instrument,
            state=self.state,
            filled=self.filled,
            remaining=self.remaining,
            reason=self.reason,
            at=self.updated,
        )

    def as_completed(self) -> OrderCompleted:
        """What it came to, as an event."""
        return OrderCompleted(
            account=self.account,
            client_order_id=self.client_order_id,
            state=self.state,
            filled=self.filled,
            average_price=self.average_price,
            fees=self.fees,
            at=self.updated,
        )

    def as_overfill(self) -> Overfill:
        """By how much it is filled beyond its quantity, as an event."""
        return Overfill(
            account=self.account,
            client_order_id=self.client_order_id,
            quantity=self.quantity,
            filled=self.filled,
            at=self.updated,
        )

    def __repr__(self) -> str:
        price = "" if self.price is None else f" at {self.price}"
        return (
            f"<InFlightOrder {self.client_order_id} {self.intent.side.value} {self.quantity} {self.instrument}{price}: "
            f"{self.state.value}, {self.filled} filled>"
        )
