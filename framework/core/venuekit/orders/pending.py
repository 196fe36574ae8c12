"""What waits to be written to the store: one transaction's worth, where updates of one order have become one."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from typing import Final

from attrs import define, field

from venuekit.orders.records import OrderRecord, dump
from venuekit_spec import Fill, LocalError

Key = tuple[str, str]
"""Account and client order id."""

PUT_ORDER: Final = (
    "INSERT INTO orders (account, client_order_id, number, instrument, state, complete, order_id, created, updated, record)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (client_order_id, account) DO UPDATE SET state = excluded.state,"
    " complete = excluded.complete, order_id = excluded.order_id, updated = excluded.updated, record = excluded.record"
)
PUT_ID: Final = (
    "INSERT OR REPLACE INTO order_ids (account, order_id, instrument, client_order_id) VALUES (?, ?, ?, ?)"
)
PUT_FILL: Final = (
    "INSERT INTO fills (account, client_order_id, key, fill) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (account, client_order_id, key) DO UPDATE SET fill = excluded.fill"
)
PUT_MARK: Final = (
    "INSERT INTO marks (name, value) VALUES (?, ?)"
    " ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)"
)


class Ticket:
    """What one who waits for a write holds: done, and the error if it failed. Set by the writing thread."""

    __slots__ = ("done", "error")

    def __init__(self) -> None:
        self.done = threading.Event()
        self.error: LocalError | None = None


@define
class Batch:
    """Records, fills and marks that go into one transaction. `durable`: synced to the disk before anybody is told."""

    records: dict[Key, OrderRecord] = field(factory=dict)
    fills: dict[Key, dict[str, Fill]] = field(factory=dict)
    marks: dict[str, int] = field(factory=dict)
    durable: bool = False
    fresh: set[Key] = field(factory=set)
    """Intents that nothing has been done about yet: dropped, not kept, where they cannot be written."""
    tickets: list[Ticket] = field(factory=list)
    waiting: bool = False
    """It holds only what failed before, and is not tried again by itself."""

    @property
    def due(self) -> bool:
        """Whether there is something to write now."""
        return not self.waiting and bool(self.records or self.marks or self.tickets)

    def add(self, record: OrderRecord, fills: Sequence[Fill] = ()) -> None:
        """Take an update of an order; it replaces one that waits."""
        self.waiting = False
        self.records[record.key] = record
        if fills:
            self.fills.setdefault(record.key, {}).update((fill.key, fill) for fill in fills)

    def raise_mark(self, name: str, value: int) -> None:
        """Take a mark."""
        self.waiting = False
        self.marks[name] = max(value, self.marks.get(name, 0))

    def submit(self, records: Iterable[OrderRecord]) -> Ticket:
        """Take what somebody waits for; no records at all wait for whatever is here."""
        for record in records:
            self.add(record)
            if record.sent is None:
                self.fresh.add(record.key)
        ticket = Ticket()
        self.tickets.append(ticket)
        self.waiting = False
        self.durable = True
        return ticket

    def put_back(self, failed: Batch) -> None:
        """Take over what could not be written, as older than what is here."""
        self.waiting = not self.due
        for key, record in failed.records.items():
            if key not in failed.fresh:
                self.records.setdefault(key, record)
        for key, fills in failed.fills.items():
            self.fills[key] = fills | self.fills.get(key, {})
        for name, value in failed.marks.items():
            self.marks[name] = max(value, self.marks.get(name, 0))

    def settle(self, error: LocalError | None) -> None:
        """Tell those who wait."""
        for ticket in self.tickets:
            ticket.error = error
            ticket.done.set()

    def rows(self) -> Sequence[tuple[str, Sequence[tuple[object, ...]]]]:
        """The statements, each with its rows."""
        return (
            (PUT_ORDER, [_row(record) for record in self.records.values()]),
            (
                PUT_ID,
                [
                    (record.account, order_id, record.intent.instrument, record.client_order_id)
                    for record in self.records.values()
                    for order_id in record.ids
                ],
            ),
            (
                PUT_FILL,
                [
                    (account, client_order_id, fill.key, dump(fill))
                    for (account, client_order_id), fills in self.fills.items()
                    for fill in fills.values()
                ],
            ),
            (PUT_MARK, list(self.marks.items())),
        )


def _row(record: OrderRecord) -> tuple[object, ...]:
    return (
        record.account,
        record.client_order_id,
        record.number,
        record.intent.instrument,
        record.state.value,
        record.complete,
        record.order_id,
        record.created,
        record.updated,
        dump(record),
    )
