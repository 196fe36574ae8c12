"""Orders as the engine holds them, and the records of an account: every order by number, by our id, and the open ones."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Sequence
from decimal import Decimal
from operator import attrgetter
from typing import Final

from attrs import define, field

from venuekit_simulator.exact import EXACT, ZERO
from venuekit_spec import (
    EngineRefusal,
    Execution,
    FundingPayment,
    Instant,
    NewOrder,
    OrderNotFound,
    OrderRef,
    OrderStatus,
    SelfTradePrevention,
    Side,
    VenueOrder,
)

_TIME: Final = attrgetter("fill.time")
OVER: Final = frozenset(status for status in OrderStatus if status.terminal)


@define(eq=False)
class LiveOrder:
    """An order that still changes. `held` is what the ledger holds for it.

    It is `waiting` before its trigger, `resting` while it is in the book, and neither while it is matched, while it is to enter
    again because a trade of it was taken back, or when it is over.
    """

    account: str
    number: int
    intent: NewOrder
    quantity: Decimal | None
    price: Decimal | None
    created: Instant
    updated: Instant
    self_trade: SelfTradePrevention = SelfTradePrevention.NONE
    status: OrderStatus = OrderStatus.OPEN
    filled: Decimal = ZERO
    spent: Decimal = ZERO
    revision: int = 0
    waiting: bool = False
    resting: bool = False
    triggered: bool = False
    reason: str = ""
    held: Decimal = ZERO
    side: Side = field(init=False)
    order_id: str = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.side = self.intent.side
        self.order_id = str(self.number)

    @property
    def remaining(self) -> Decimal:
        """What is left to fill, in base units; zero of one sized in quote units."""
        return ZERO if self.quantity is None else EXACT.subtract(self.quantity, self.filled)

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.status in OVER

    def changed(self, now: Instant) -> None:
        """It is another revision now."""
        self.revision += 1
        self.updated = now

    def view(self) -> VenueOrder:
        """How it stands, as a value."""
        return VenueOrder(
            self.account,
            self.order_id,
            self.number,
            self.intent,
            self.status,
            self.quantity,
            self.filled,
            self.spent,
            self.price,
            self.created,
            self.updated,
            self.revision,
            self.triggered,
            self.reason,
        )


class Records:
    """What one account did. A house account (the venue's own) remembers nothing that has ended."""

    def __init__(self, *, house: bool = False) -> None:
        self.house = house
        self.orders: dict[int, LiveOrder] = {}
        self.open: dict[int, LiveOrder] = {}
        self.counts: Counter[str] = Counter()
        """Open orders by instrument."""
        self.reducing: dict[int, LiveOrder] = {}
        """The open ones that may only reduce a position, oldest first."""
        self._executions: list[Execution] = []
        self._funding: list[FundingPayment] = []
        self._by_client: dict[str, LiveOrder] = {}

    def add(self, order: LiveOrder) -> None:
        """A new open order; a client id that comes back means the new one from now on."""
        self.orders[order.number] = self.open[order.number] = order
        self.counts[order.intent.instrument] += 1
        if order.intent.reduce_only:
            self.reducing[order.number] = order
        if order.intent.client_order_id:
            self._by_client[order.intent.client_order_id] = order

    def ended(self, order: LiveOrder) -> None:
        """An order is over."""
        del self.open[order.number]
        self.reducing.pop(order.number, None)
        self.counts[order.intent.instrument] -= 1
        if self.house:
            del self.orders[order.number]
            self._by_client.pop(order.intent.client_order_id, None)

    def reopened(self, order: LiveOrder) -> None:
        """An order that was over is open again, in its place by age. A client id that is used anew stays the new one's."""
        self.orders[order.number] = order
        self.open = dict(sorted({**self.open, order.number: order}.items()))
        if order.intent.reduce_only:
            self.reducing = dict(sorted({**self.reducing, order.number: order}.items()))
        self.counts[order.intent.instrument] += 1
        if order.intent.client_order_id and not self.uses(order.intent.client_order_id):
            self._by_client[order.intent.client_order_id] = order

    def forget(self, trades: Collection[int]) -> None:
        """The executions of these trades have not happened."""
        self._executions = [one for one in self._executions if one.trade not in trades]

    def executed(self, execution: Execution) -> None:
        """Keep an execution for queries."""
        if not self.house:
            self._executions.append(execution)

    def executions(self, instrument: str | None, since: Instant) -> Sequence[Execution]:
        """From an instant on, oldest first."""
        start = bisect_left(self._executions, since, key=_TIME)
        return [one for one in self._executions[start:] if instrument in {None, one.fill.instrument}]

    def funded(self, payment: FundingPayment) -> None:
        """Keep a payment for queries."""
        if not self.house:
            self._funding.append(payment)

    def funding(self, since: Instant) -> Sequence[FundingPayment]:
        """From an instant on, oldest first."""
        return self._funding[bisect_left(self._funding, since, key=attrgetter("time")) :]

    def uses(self, client_order_id: str) -> bool:
        """Whether an open order has this client id."""
        order = self._by_client.get(client_order_id)
        return order is not None and not order.over

    def find(self, ref: OrderRef) -> LiveOrder:
        """An order by the venue's id, else by ours. Raises `OrderNotFound`."""
        if ref.order_id:
            known = ref.order_id.isascii() and ref.order_id.isdigit()
            order = self.orders.get(int(ref.order_id)) if known else None
        else:
            order = self._by_client.get(ref.client_order_id)
        if order is None or (ref.instrument and ref.instrument != order.intent.instrument):
            raise OrderNotFound(
                f"no order {ref.order_id or ref.client_order_id!r}", code=EngineRefusal.NOT_FOUND
            )
        return order

    def find_open(self, ref: OrderRef) -> LiveOrder:
        """An open order. Raises `OrderNotFound`, also for one that is over."""
        order = self.find(ref)
        if order.over:
            raise OrderNotFound(f"order {order.order_id} is {order.status}", code=EngineRefusal.NOT_FOUND)
        return order
