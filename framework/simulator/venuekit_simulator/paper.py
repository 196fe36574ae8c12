"""Paper trading: a `Market` on this machine, over the books that the core tracks. The entry point ``venuekit.paper``.

Its flows ask nothing: each returns at its first step. What happens is told to `emit` as a user stream would tell it, and by
the results.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import TypeVar

from venuekit_simulator.accounts import Records
from venuekit_simulator.paper_desk import ACCOUNT, PaperDesk
from venuekit_simulator.paper_offers import report_of
from venuekit_spec import (
    Accepted,
    Balance,
    FeeRates,
    Fill,
    Flow,
    Instant,
    InstrumentTable,
    LimitReport,
    Market,
    NewOrder,
    OrderRef,
    OrderReport,
    PaperBook,
    Permissions,
    Placed,
    Position,
    Refused,
    Rejected,
    UserMessage,
)

T = TypeVar("T")


def _at_once(work: Callable[[], T]) -> Flow[T]:
    """A flow that asks nothing; the work is done when it is run, not before."""
    yield from ()
    return work()


def _outcome(work: Callable[[], Accepted]) -> Placed:
    try:
        return work()
    except Refused as error:
        return Rejected(error)


class LocalMarket(Market):
    """A `PaperMarket` over a desk. Errors have an `EngineRefusal` as their code. No funding is paid: nobody tells the rates."""

    def __init__(self, desk: PaperDesk) -> None:
        self._desk = desk

    def book_changed(self, instrument: str) -> None:
        """The book of an instrument has changed: resting orders that it has reached are filled."""
        self._desk.book_changed(instrument)

    def client_order_id(self, number: int) -> str:
        """Our running number, as text."""
        return f"paper-{number}"

    def place(self, orders: Sequence[NewOrder]) -> Flow[Sequence[Placed]]:
        """Place them one after another, each with its own outcome."""
        return _at_once(lambda: [_outcome(partial(self._desk.place, order)) for order in orders])

    def cancel(self, orders: Sequence[OrderRef]) -> Flow[Sequence[Placed]]:
        """Cancel, each with its own outcome."""
        return _at_once(lambda: [_outcome(partial(self._desk.cancel, order)) for order in orders])

    def amend(self, order: OrderRef, *, price: Decimal | None, quantity: Decimal | None) -> Flow[Placed]:
        """Change price or total quantity (base units)."""
        return _at_once(lambda: _outcome(lambda: self._desk.amend(order, price, quantity)))

    def cancel_all(self, instruments: Collection[str] | None) -> Flow[Sequence[str]]:
        """Cancel everything, or everything of these instruments; the order ids that are gone."""
        return _at_once(lambda: self._cancel_all(instruments))

    def status(self, order: OrderRef) -> Flow[OrderReport]:
        """How an order stands, open or not. Raises `OrderNotFound`."""
        return _at_once(lambda: report_of(self._records().find(order)))

    def open_orders(self, instruments: Collection[str] | None) -> Flow[Sequence[OrderReport]]:
        """All open orders, or those of these instruments."""
        return _at_once(lambda: self._open(instruments))

    def fills(self, instruments: Collection[str], since: Instant) -> Flow[Sequence[Fill]]:
        """Executions since an instant, oldest first."""
        return _at_once(
            lambda: [
                each.fill
                for each in self._records().executions(None, since)
                if each.fill.instrument in instruments
            ]
        )

    def balances(self) -> Flow[Sequence[Balance]]:
        """The whole account."""
        return _at_once(lambda: self._desk.ledger.balances(ACCOUNT, self._desk.expire()))

    def positions(self) -> Flow[Sequence[Position]]:
        """Positions that are not flat."""
        return _at_once(self._desk.positions)

    def fee_rates(self, instrument: str) -> Flow[FeeRates]:
        """The same for every instrument."""
        return _at_once(lambda: self._desk.fees)

    def permissions(self) -> Flow[Permissions]:
        """There is no key: everything but withdrawing."""
        return _at_once(lambda: Permissions(read=True, trade=True, withdraw=False))

    def limits(self) -> Flow[LimitReport]:
        """There are none."""
        return _at_once(LimitReport)

    # Inside

    def _records(self) -> Records:
        self._desk.expire()
        return self._desk.records

    def _open(self, instruments: Collection[str] | None) -> Sequence[OrderReport]:
        return [
            report_of(live)
            for live in self._records().open.values()
            if instruments is None or live.intent.instrument in instruments
        ]

    def _cancel_all(self, instruments: Collection[str] | None) -> Sequence[str]:
        gone = [report.order_id for report in self._open(instruments)]
        for order_id in gone:
            self._desk.cancel(OrderRef("", order_id=order_id))
        return gone


def paper_market(
    *,
    instruments: InstrumentTable,
    books: Mapping[str, PaperBook],
    balances: Mapping[str, Decimal],
    fees: FeeRates,
    emit: Callable[[UserMessage], None],
    now: Callable[[], Instant],
) -> LocalMarket:
    """A paper market; a `PaperFactory`. `books` may grow while it runs."""
    return LocalMarket(PaperDesk(instruments, books, balances, fees, emit, now))
