"""Where a client and its venue disagree: orders and fills of an account, books and their levels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from heapq import nlargest, nsmallest
from typing import Any, Final, TypeAlias

from venuekit import BookView, InFlightOrder, OrderBook, OrderState
from venuekit_spec import Engine, EngineEvent, LevelChanged, OrderStatus, Side

UNSETTLED: Final = frozenset({OrderState.PENDING, OrderState.UNKNOWN, OrderState.CANCELING})

STATES: Final = {
    OrderStatus.PENDING: {OrderState.ACCEPTED},
    OrderStatus.OPEN: {OrderState.OPEN, OrderState.ACCEPTED},
    OrderStatus.PARTIALLY_FILLED: {OrderState.PARTIALLY_FILLED},
    OrderStatus.FILLED: {OrderState.FILLED},
    OrderStatus.CANCELED: {
        OrderState.CANCELED,
        OrderState.EXPIRED,
    },  # a venue's word for what it cancelled itself
    OrderStatus.REJECTED: {OrderState.REJECTED},
    OrderStatus.EXPIRED: {OrderState.EXPIRED, OrderState.CANCELED},
}
"""What a client may say of an order that the venue holds so."""

Levels: TypeAlias = tuple[tuple[Decimal, Decimal], ...]
Top: TypeAlias = tuple[Levels, Levels]

TOP: Final = 5
"""How many levels a side are compared at each moment."""


def settled(order: InFlightOrder) -> bool:
    """Whether nothing more has to come: it is complete, or known to rest at the venue."""
    return order.complete or not (order.done or order.state in UNSETTLED or order.cancel_requested)


def disagreements(engine: Engine, account: str, client: Iterable[InFlightOrder]) -> list[str]:
    """Where the venue's orders and executions differ from what the client says; orders of others in it are left alone."""
    found: list[str] = []
    ours = {order.client_order_id: order for order in client}
    fills: dict[str, Decimal] = {}
    for execution in engine.executions(account):
        id_ = execution.order.order_id
        fills[id_] = fills.get(id_, Decimal(0)) + execution.fill.quantity
    held = {}
    for theirs in engine.orders(account):
        id_ = theirs.intent.client_order_id
        if id_ in held:
            found.append(f"{id_} is at the venue twice")
        held[id_] = theirs
        said = ours.get(id_)
        if said is None:
            found.append(f"{id_} is at the venue ({theirs.status}) and not at the client")
            continue
        if said.state not in STATES[theirs.status]:
            found.append(f"{id_} is {theirs.status} at the venue and {said.state} at the client")
        if said.filled != theirs.filled:
            found.append(f"of {id_} {theirs.filled} is filled at the venue and {said.filled} at the client")
        counted = sum((fill.quantity for fill in said.fills), Decimal(0))
        if counted != fills.get(theirs.order_id, Decimal(0)):
            found.append(f"the fills of {id_} come to {counted} at the client")
        if len({fill.key for fill in said.fills}) != len(said.fills):
            found.append(f"{id_} has one fill twice")
    found += [
        f"{id_} is {ours[id_].state} at the client and not at the venue"
        for id_ in sorted(ours.keys() - held.keys())
        if ours[id_].state is not OrderState.REJECTED
    ]
    return found


def levels(rows: Iterable[Sequence[Decimal]]) -> Levels:
    """Rows of price and size, with equal numbers made equal."""
    return tuple((price, size) for price, size in rows)


def book_differs(book: OrderBook | BookView, engine: Engine, instrument: str, at_least: int = TOP) -> str:
    """How a book differs from the venue's, over all levels that it knows; empty where it does not."""
    image = engine.book(instrument)
    for name, ours, theirs in (
        ("bids", levels(book.bids()), levels(image.bids)),
        ("asks", levels(book.asks()), levels(image.asks)),
    ):
        if len(ours) < min(at_least, len(theirs)):
            return f"{instrument} has {len(ours)} {name}, the venue {len(theirs)}"
        if ours != theirs[: len(ours)]:
            place = next(
                (
                    number
                    for number, (our, their) in enumerate(zip(ours, theirs, strict=False))
                    if our != their
                ),
                len(theirs),
            )
            return f"the {name} of {instrument} differ from the venue's at level {place}: {ours[place]}"
    return ""


class History:
    """Every state that the best levels of each book of an engine had."""

    def __init__(self, engine: Engine, instruments: Iterable[str], depth: int = TOP) -> None:
        self._depth = depth
        self._sides: dict[str, dict[Side, dict[Decimal, Decimal]]] = {}
        self._seen: dict[str, set[Top]] = {}
        for instrument in instruments:
            image = engine.book(instrument)
            self._sides[instrument] = {Side.BUY: dict(image.bids), Side.SELL: dict(image.asks)}
            self._seen[instrument] = {self._top(instrument)}
        self._stop = engine.listen(self._happened)

    def close(self) -> None:
        """Listen no more."""
        self._stop()

    def had(self, book: OrderBook, instrument: str) -> bool:
        """Whether the venue's book ever was as this one is now, as far as both are compared."""
        depth = self._depth
        view = book.unproven
        return (levels(view.bids(depth)), levels(view.asks(depth))) in self._seen[instrument]

    def had_best(self, instrument: str, bid: Sequence[Any] | None, ask: Sequence[Any] | None) -> bool:
        """Whether these ever were the best of both sides: price and size each. For a history of one level."""
        sides = (
            () if each is None else levels([[Decimal(str(part)) for part in each]]) for each in (bid, ask)
        )
        return tuple(sides) in self._seen[instrument]

    def _happened(self, event: EngineEvent) -> None:
        if isinstance(event, LevelChanged) and event.instrument in self._sides:
            side = self._sides[event.instrument][event.side]
            if event.size:
                side[event.price] = event.size
            else:
                side.pop(event.price, None)
            self._seen[event.instrument].add(self._top(event.instrument))

    def _top(self, instrument: str) -> Top:
        bids, asks = self._sides[instrument][Side.BUY], self._sides[instrument][Side.SELL]
        return tuple(nlargest(self._depth, bids.items())), tuple(nsmallest(self._depth, asks.items()))
