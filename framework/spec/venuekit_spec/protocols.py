"""What the hooks return: the parts of a connector, as typed protocols that the core calls directly."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Iterable, Sequence
from decimal import Decimal
from typing import Any, Protocol, runtime_checkable

from venuekit_spec.errors import Unsupported
from venuekit_spec.flows import Flow, LimitReport
from venuekit_spec.instruments import Instrument, InstrumentTable
from venuekit_spec.messages import (
    BookSnapshot,
    OrderBookRow,
    OrderBookSnapshot,
    OrderEvent,
    RestingOrder,
    Side,
)
from venuekit_spec.orders import (
    Balance,
    BlockHeight,
    FeeRates,
    Fill,
    FundingPayment,
    NewOrder,
    OrderRef,
    OrderReport,
    Permissions,
    Placed,
    Position,
)
from venuekit_spec.sessions import Dial, Session, Topic
from venuekit_spec.times import Instant, Seconds


class DataSource(Protocol):
    """The public side of a venue."""

    def instruments(self) -> Flow[Sequence[Instrument]]:
        """Every instrument of this environment, with its trading rules."""
        ...

    def server_time(self) -> Flow[Instant]:
        """The venue's clock, as exact as it tells."""
        ...

    def snapshot(self, topic: Topic, instrument: Instrument) -> Flow[BookSnapshot | OrderBookSnapshot]:
        """The book by REST: what deltas are joined to where the rule says so, and what an audit compares with.

        Raises `Unsupported` at the first step where the venue has none.
        """
        ...

    def dial(self, topics: Collection[Topic]) -> Flow[Dial]:
        """How to open a socket for these topics."""
        ...

    def session(self, dial: Dial, instruments: InstrumentTable) -> Session:
        """A fresh session for a socket opened so."""
        ...


class ActiveOrderTracker(Protocol):
    """Order-by-order messages -> rows of aggregated levels, and the user's own orders among them."""

    def restart(self, snapshot: OrderBookSnapshot) -> tuple[Sequence[OrderBookRow], Sequence[OrderBookRow]]:
        """Start anew from a snapshot; the bids and the asks it comes to, best first."""
        ...

    def apply(self, event: OrderEvent) -> Sequence[OrderBookRow]:
        """The rows that the event changes; empty for one without effect. Raises `MalformedMessage` on bad numbers."""
        ...

    def own(self, order_ids: Iterable[str]) -> Sequence[OrderBookRow]:
        """These are the user's resting orders from now on; the rows that change by it."""
        ...

    def queue_ahead(self, order_id: str) -> Decimal | None:
        """The size (base units) before this order in the queue of its price; None where it cannot be known."""
        ...


@runtime_checkable
class OrderQueues(ActiveOrderTracker, Protocol):
    """A tracker that tells its queues too, as the core's standard one does.

    A depth, a checksum over orders and global ids want this of a tracker (`SyncRule`), and so does reading single orders.
    """

    def queue(self, side: Side, price: str | Decimal) -> Sequence[RestingOrder]:
        """The orders at one price, in queue order; none where there is no level."""
        ...

    def find(self, order_id: str) -> RestingOrder | None:
        """One order; None when it is not in the book."""
        ...

    def forget(self, side: Side, price: str) -> None:
        """A level left the window of the feed: its orders are unknown from now on, and may come back."""
        ...


class Market(Protocol):
    """Trading, as flows. Each returns one result per item, whatever the venue does with a batch.

    A connector's market may inherit from it (``class MyMarket(Market)``) and leave out what its venue does not offer: all but
    the abstract verbs. What is left out raises `Unsupported` at its first step, or returns nothing where a spot venue has
    nothing (`positions`, `funding`).
    """

    @abstractmethod
    def client_order_id(self, number: int) -> str:
        """Our running number in the venue's form: unique, reversible by the store."""
        ...

    @abstractmethod
    def place(self, orders: Sequence[NewOrder]) -> Flow[Sequence[Placed]]:
        """Place up to `Description.maximum_batch` orders. Never raises for one order what belongs to another."""
        ...

    @abstractmethod
    def cancel(self, orders: Sequence[OrderRef]) -> Flow[Sequence[Placed]]:
        """Cancel. `Rejected` with `OrderNotFound`: it is not open; why is the reconciler's question."""
        ...

    def amend(self, order: OrderRef, *, price: Decimal | None, quantity: Decimal | None) -> Flow[Placed]:
        """Change price or quantity (base units, the new total)."""
        return _without("amendments")

    def cancel_all(self, instruments: Collection[str] | None) -> Flow[Sequence[str]]:
        """Cancel everything, or everything of these instruments; the ids that the venue says are gone."""
        return _without("way to cancel everything")

    @abstractmethod
    def status(self, order: OrderRef) -> Flow[OrderReport]:
        """What the venue knows of one order. Raises `OrderNotFound`."""
        ...

    @abstractmethod
    def open_orders(self, instruments: Collection[str] | None) -> Flow[Sequence[OrderReport]]:
        """All open orders, or those of these instruments."""
        ...

    @abstractmethod
    def fills(self, instruments: Collection[str], since: Instant) -> Flow[Sequence[Fill]]:
        """Our executions since an instant, oldest first."""
        ...

    @abstractmethod
    def balances(self) -> Flow[Sequence[Balance]]:
        """The whole account."""
        ...

    def positions(self) -> Flow[Sequence[Position]]:
        """Derivative positions; empty where the venue has none."""
        yield from ()
        return ()

    def funding(self, since: Instant) -> Flow[Sequence[FundingPayment]]:
        """Funding paid and received since an instant, oldest first; empty where the venue has none."""
        yield from ()
        return ()

    def set_leverage(self, instrument: str, leverage: Decimal) -> Flow[None]:
        """How many times its margin a position may be (`Capability.LEVERAGE`). Raises `RuleViolated`."""
        return _without("leverage to set")

    def height(self) -> Flow[BlockHeight]:
        """The height of the venue's chain (`Description.order_life`)."""
        return _without("chain")

    @abstractmethod
    def fee_rates(self, instrument: str) -> Flow[FeeRates]:
        """What this account pays."""
        ...

    @abstractmethod
    def permissions(self) -> Flow[Permissions]:
        """What the key may do; a signed call that changes nothing, so that it also proves key and clock."""
        ...

    def burn_nonce(self, nonce: int) -> Flow[None]:
        """Spend a nonce on nothing (`Resolution.BURN_NONCE`), so that what was signed with it can no longer land."""
        return _without("nonces to burn")

    def limits(self) -> Flow[LimitReport]:
        """What is left of budgets that must be asked for (Hyperliquid, Binance's order count)."""
        return _without("budgets to ask for")

    def dead_man_switch(self, timeout: Seconds | None) -> Flow[None]:
        """Cancel everything unless told again within `timeout` seconds; None disarms."""
        return _without("dead man's switch")


def _without(what: str) -> Flow[Any]:
    """The flow of a verb that the venue does not offer."""
    yield from ()
    raise Unsupported(f"the venue has no {what}")


class UserStream(Protocol):
    """The private stream: where it is and how it speaks."""

    def topics(self) -> Collection[Topic]:
        """What is to be subscribed to for a whole account."""
        ...

    def dial(self, topics: Collection[Topic]) -> Flow[Dial]:
        """How to open the socket; a token or listen key comes from a signed request."""
        ...

    def session(self, dial: Dial, instruments: InstrumentTable) -> Session:
        """A fresh session; it emits `UserMessage` values and keeps its token alive with `Run` and `Wake`."""
        ...


class OpenTransport(Protocol):
    """The escape hatch of a venue that cannot be sans-I/O (FIX, gRPC, a vendor's SDK).

    Declared as `Capability.OWN_TRANSPORT`. It is given a callback for messages, and runs until cancelled.
    """

    async def run(self, topics: Collection[Topic], emit: Any) -> None:
        """Serve these topics: call `emit(message)` for each `OrderBookMessage` or `UserMessage`."""
        ...


__all__ = [
    "ActiveOrderTracker",
    "DataSource",
    "Market",
    "OpenTransport",
    "OrderQueues",
    "UserStream",
]
