"""`SqliteOrderStore`: orders in one SQLite file.

1. Write-ahead log. One thread writes; whatever waits when it is free goes into one transaction, so that many submissions
   share one sync to the disk (group commit).
2. A transaction that holds an intent is synced to the disk before `submit` returns. What is written behind is only written:
   it survives the end of the process, and of a power failure the venue can tell it again.
3. Updates of one order that wait are one update. An intent and the updates before it go into the same transaction.
4. What could not be written stays and is tried with the next write. An intent that could not be written is refused, with
   `StoreError`: nothing is sent without its intent on disk.
5. ``:memory:`` has no thread and no file: everything happens inside the call, so a virtual clock never waits for it.
6. A second connection, of another process too, may read at any time.
7. Everything is kept until `prune` is told how much of what is complete may go: about 1.1 KB an order.

`durability`: ``"full"`` survives a power failure; ``"normal"`` survives the end of the process, at any moment and by any
signal, but a power failure may cost the intents of the last moments. It saves one sync to the disk per group of orders.
"""

from __future__ import annotations

import logging
import os
import secrets
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Final, Literal, TypeVar

from anyio import CancelScope, CapacityLimiter, Event, Lock, to_thread
from anyio.lowlevel import checkpoint_if_cancelled

from venuekit.orders.pending import PUT_MARK, Batch
from venuekit.orders.records import OrderRecord, StoredOrder, dump, load
from venuekit.orders.schema import migrate
from venuekit.orders.store import PRUNED, StoreError
from venuekit_spec import Fill, Instant

T = TypeVar("T")

MEMORY: Final = ":memory:"
BUSY: Final = 5.0
"""Seconds to wait for another process that writes to the file."""
NUMBERS: Final = "numbers"
ORIGIN_BITS: Final = 55
LOAD: Final = """SELECT orders.record, fills.fill FROM orders
    LEFT JOIN fills ON fills.client_order_id = orders.client_order_id AND fills.account = orders.account
    WHERE orders.account = ? AND orders.client_order_id = ? ORDER BY fills.rowid"""
"""An order with its fills. In one statement: between two, another thread or process may prune."""
AT_ONCE: Final = 5_000
"""How many rows of the orders are looked at in one transaction of `prune`."""
PRUNE: Final = (
    """DELETE FROM fills WHERE (account, client_order_id) IN (SELECT account, client_order_id FROM orders
        WHERE rowid BETWEEN ? AND ? AND complete AND updated < ?)""",
    "DELETE FROM orders WHERE rowid BETWEEN ? AND ? AND complete AND updated < ?",
)
"""An order never goes without its fills, nor they without it."""
PRUNE_IDS: Final = """DELETE FROM order_ids WHERE NOT EXISTS (SELECT 1 FROM orders
    WHERE orders.client_order_id = order_ids.client_order_id AND orders.account = order_ids.account)"""

log = logging.getLogger(__name__)


class SqliteOrderStore:
    """Orders of any number of accounts in the file at `path`, made where it is missing (readable by its owner only).

    Raises `StoreError` when opened, where the file is no order store, is damaged, or cannot be written.
    """

    def __init__(self, path: str | Path = MEMORY, *, durability: Literal["full", "normal"] = "full") -> None:
        self._path = MEMORY if path == MEMORY else str(Path(path).expanduser())
        self._full = durability == "full"
        self._opened = 0
        self._moving: Event | None = None
        self._writer: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None
        self._reading = threading.Lock()
        self._writing = threading.Lock()
        self._changed = threading.Condition()
        self._batch = Batch()
        self._written: Batch | None = None
        self._closing = False
        self._thread: threading.Thread | None = None
        self._failure: StoreError | None = None
        self._number = 0
        self._marks: dict[str, int] = {}
        self._turn: Lock | None = None
        self._limiter: CapacityLimiter | None = None

    def __repr__(self) -> str:
        return f"<SqliteOrderStore {self._path}>"

    @property
    def failure(self) -> StoreError | None:
        """Why the last write failed; None once one succeeded again."""
        return self._failure

    # --- opening and closing

    async def open(self) -> None:
        """Open the file, or make it. Counted. Raises `StoreError`."""
        async with self._alone():
            if not self._opened:
                try:
                    await self._start()
                except BaseException:
                    self._disconnect()
                    raise
            self._opened += 1

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        """One opens or closes it at a time: nobody has it half open."""
        while self._moving is not None:
            await self._moving.wait()
        self._moving = moving = Event()
        try:
            yield
        finally:
            self._moving = None
            moving.set()

    async def _start(self) -> None:
        if self._path == MEMORY:
            self._connect()
            return
        await to_thread.run_sync(self._connect)
        self._turn = Lock()
        self._limiter = CapacityLimiter(1)
        self._closing = False
        self._thread = threading.Thread(target=self._work, name="venuekit orders", daemon=True)
        self._thread.start()

    def _connect(self) -> None:
        try:
            if self._path != MEMORY:
                _make(Path(self._path))
            writer = self._writer = self._connection()
            if self._path != MEMORY:
                writer.execute("PRAGMA journal_mode = WAL")
            migrate(writer, self._path)
            marks = {str(name): int(value) for name, value in writer.execute("SELECT name, value FROM marks")}
            marks.setdefault(NUMBERS, secrets.randbits(ORIGIN_BITS))
            self._marks = marks
            self._number = marks[NUMBERS]
            self._execute(Batch(marks={NUMBERS: self._number}, durable=True))
            if self._path == MEMORY:
                self._reader = writer
            else:
                self._reader = self._connection()
                self._reader.execute("PRAGMA query_only = ON")
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"the order store {self._path} cannot be used: {error}") from error

    def _connection(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=BUSY, isolation_level=None, check_same_thread=False)

    def _disconnect(self) -> None:
        with self._reading, self._writing:
            for connection in {self._reader, self._writer} - {None}:
                if connection is not None:
                    connection.close()
            self._reader = self._writer = None

    async def aclose(self) -> None:
        """Flush, and close with the last that opened it. Raises `StoreError` where something could not be written."""
        with CancelScope(shield=True):
            async with self._alone():
                if self._opened == 1:
                    await self._stop()
                self._opened = max(self._opened - 1, 0)

    async def _stop(self) -> None:
        try:
            await self.flush()
        finally:
            self._opened = 0
            thread, self._thread = self._thread, None
            if thread is not None:
                with self._changed:
                    self._closing = True
                    self._changed.notify()
                await to_thread.run_sync(thread.join)
            self._disconnect()

    # --- writing

    async def submit(self, records: Sequence[OrderRecord]) -> None:
        """Keep these, all or none; durable on return. Raises `StoreError`, `LocalError` where an option cannot be kept.

        A cancellation that comes while they are being written is heeded afterwards: the orders are kept.
        """
        await checkpoint_if_cancelled()
        for record in records:
            if record.intent.options:
                dump(record)  # in the writing thread it would fail everybody's batch
        with self._changed:
            self._batch.raise_mark(NUMBERS, self._number)
        await self._durable(records)

    def write(self, record: OrderRecord, fills: Sequence[Fill] = ()) -> None:
        """Keep what is known of an order now, and these fills of it, soon."""
        with self._changed:
            self._batch.add(record, fills)
            self._changed.notify()
        self._inline()

    def next_number(self) -> int:
        """A number that was never given before: below 2**56."""
        self._number += 1
        return self._number

    def mark(self, name: str) -> int:
        """A high-water mark; 0 where it was never raised."""
        return self._marks.get(name, 0)

    def raise_mark(self, name: str, value: int) -> None:
        """Raise a mark; durable on return. Blocks for the length of one write."""
        if value > self.mark(name):
            self._change((PUT_MARK, (name, value)))
            self._marks[name] = value

    def _change(self, *statements: tuple[str, tuple[str | int, ...]]) -> int:
        """One durable transaction at once, beside what waits; how many rows the last statement changed."""
        changed = 0
        try:
            with self._writing, self._transaction(durable=True) as writer:
                for statement, values in statements:
                    changed = writer.execute(statement, values).rowcount
        except sqlite3.Error as error:
            raise StoreError(f"the order store {self._path} cannot be written: {error}") from error
        return changed

    async def prune(self, before: Instant) -> int:
        """Forget the orders that are complete and have not changed since `before`, their fills too; how many these were.

        What is not complete stays, however old it is. A fill from before that instant is passed over from then on, so what was
        forgotten is not told as a stray when the venue tells it again. The file does not shrink; its space is used again.
        It goes in many short transactions, so that orders can be placed meanwhile; whenever it is interrupted, what is left
        over goes the next time. Raises `StoreError`.
        """
        await self.flush()
        await self._aside(partial(self.raise_mark, PRUNED, before))
        pruned = 0
        for row in await self._aside(self._rows):
            taken = (row, row + AT_ONCE - 1, before)
            pruned += await self._aside(partial(self._change, *((statement, taken) for statement in PRUNE)))
        await self._aside(partial(self._change, (PRUNE_IDS, ())))
        return pruned

    def _rows(self) -> range:
        """The first of each `AT_ONCE` rows of the orders."""
        ((first, last),) = self._read("SELECT coalesce(min(rowid), 0), coalesce(max(rowid), -1) FROM orders")
        return range(int(str(first)), int(str(last)) + 1, AT_ONCE)

    async def _aside(self, work: Callable[[], T]) -> T:
        """Do it in a thread, where there is a file."""
        return work() if self._thread is None else await to_thread.run_sync(work)

    async def flush(self) -> None:
        """Return once everything given so far is durable. Raises `StoreError`."""
        await self._durable(())

    async def _durable(self, records: Sequence[OrderRecord]) -> None:
        with self._changed:
            if self._opened == 0:
                raise StoreError(f"the order store {self._path} is not open")
            ticket = self._batch.submit(records)
            self._changed.notify()
        self._inline()
        with CancelScope(shield=True):
            if self._turn is not None:
                # One waits in a thread for the writer, the others wait for that one: no thread per waiting order.
                async with self._turn:
                    if not ticket.done.is_set():
                        await to_thread.run_sync(ticket.done.wait, limiter=self._limiter)
        if ticket.error is not None:
            raise StoreError(str(ticket.error)) from ticket.error

    def _inline(self) -> None:
        if self._thread is None and self._writer is not None:
            self._write_batch(self._take())

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._batch.due and not self._closing:
                    self._changed.wait()
                if not self._batch.due:
                    return
            self._write_batch(self._take())

    def _take(self) -> Batch:
        with self._changed:
            self._written, self._batch = self._batch, Batch()
            return self._written

    def _write_batch(self, batch: Batch) -> None:
        """Write it; what fails is kept for the next time, except intents that nobody may rely on."""
        failure: StoreError | None = None
        try:
            with self._writing:
                self._execute(batch)
        except Exception as error:  # noqa: BLE001  # whatever it was, it is told to those who wait, and logged
            failure = StoreError(f"the order store {self._path} cannot be written: {error}")
            failure.__cause__ = error
        with self._changed:
            self._written = None
            if failure is not None:
                self._batch.put_back(batch)
        if failure is not None and self._failure is None:
            log.error("%s", failure)
        self._failure = failure
        batch.settle(failure)

    def _execute(self, batch: Batch) -> None:
        rows = batch.rows()
        with self._transaction(durable=batch.durable) as writer:
            for statement, values in rows:
                writer.executemany(statement, values)

    @contextmanager
    def _transaction(self, *, durable: bool) -> Iterator[sqlite3.Connection]:
        writer = self._writer
        if writer is None:
            raise StoreError("it is closed")
        writer.execute(f"PRAGMA synchronous = {'FULL' if durable and self._full else 'NORMAL'}")
        writer.execute("BEGIN IMMEDIATE")
        try:
            yield writer
            writer.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):  # what went wrong first is what is told
                writer.execute("ROLLBACK")
            raise

    # --- reading

    async def incomplete(self, account: str) -> Sequence[StoredOrder]:
        """Every order of the account that is not complete, oldest first."""

        def read() -> Sequence[StoredOrder]:
            ids = self._read(
                "SELECT client_order_id FROM orders WHERE account = ? AND NOT complete ORDER BY created",
                account,
            )
            found = [self.load(account, str(client_order_id)) for (client_order_id,) in ids]
            return [order for order in found if order is not None]

        return await self._aside(read)

    def load(self, account: str, client_order_id: str) -> StoredOrder | None:
        """One order by our id; None where the store does not have it."""
        with (
            self._changed
        ):  # what is written meanwhile stays among the unwritten until this is over: it is not missed
            rows = self._read(LOAD, account, client_order_id)
            record = load(str(rows[0][0]), OrderRecord) if rows else None
            fills = {
                fill.key: fill for fill in (load(str(text), Fill) for _, text in rows if text is not None)
            }
            for batch in self._unwritten():
                record = batch.records.get((account, client_order_id), record)
                fills |= batch.fills.get((account, client_order_id), {})
        return None if record is None else StoredOrder(record, tuple(fills.values()))

    def find(self, account: str, order_id: str, instrument: str = "") -> StoredOrder | None:
        """One order by any id the venue ever gave it; of that instrument, where one is named."""
        with self._changed:
            waiting = [
                record.client_order_id
                for batch in self._unwritten()
                for record in batch.records.values()
                if order_id in record.ids
                and record.account == account
                and instrument in {"", record.intent.instrument}
            ]
            kept = self._read(
                "SELECT client_order_id FROM order_ids WHERE account = ? AND order_id = ? AND ? IN ('', instrument)",
                account,
                order_id,
                instrument,
            )
        ids = [*waiting, *(str(client_order_id) for (client_order_id,) in kept)]
        return self.load(account, ids[0]) if ids else None

    def _unwritten(self) -> Iterable[Batch]:
        return (self._batch,) if self._written is None else (self._written, self._batch)

    def _read(self, query: str, *values: str) -> list[tuple[object, ...]]:
        with self._reading:
            if self._reader is None:
                raise StoreError(f"the order store {self._path} is not open")
            try:
                return self._reader.execute(query, values).fetchall()
            except sqlite3.Error as error:
                raise StoreError(f"the order store {self._path} cannot be read: {error}") from error


def _make(path: Path) -> None:
    """Make the file where it is missing, and the folders above it, so that a power failure does not take them back."""
    if path.exists():
        return
    folders = [path.parent]
    while not folders[-1].exists():
        folders.append(folders[-1].parent)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.touch(mode=0o600)
    if os.name == "posix":  # elsewhere a folder cannot be synced
        for folder in folders:
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
