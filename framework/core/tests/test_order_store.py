"""The store: an intent is on disk when `submit` returns, and what goes wrong with the file is said before a byte is sent."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import pytest
from attrs import evolve

from venuekit.clock import SystemClock, VirtualClock
from venuekit.orders import (
    OrderEventOfAccount,
    OrderFilled,
    OrderRecord,
    OrderState,
    OrderTracker,
    SqliteOrderStore,
    StoredOrder,
    StoreError,
    StoreFailing,
    StrayFill,
    parking,
    sqlite_store,
)
from venuekit.orders.pending import Batch
from venuekit.orders.records import dump, load
from venuekit.orders.schema import VERSION
from venuekit.orders.store import PRUNED
from venuekit_spec import Fee, Fill, Finality, LocalError, NewOrder, OrderStatus, Side

pytestmark = pytest.mark.anyio


def record(name: str = "c1", **fields: Any) -> OrderRecord:
    """An intent that nothing has been done about yet."""
    intent = NewOrder("BTC-USDT", Side.BUY, Decimal("1.50"), name, price=Decimal(100))
    made = OrderRecord(
        account="main", client_order_id=name, number=1, intent=intent, quantity=intent.quantity
    )
    return evolve(made, **fields)


def fill(key: str, **fields: Any) -> Fill:
    """A fill of the order c1."""
    return evolve(Fill(key, "BTC-USDT", Side.BUY, Decimal(100), Decimal("0.10")), **fields)


def names(path: Path) -> set[str]:
    """What a second connection sees."""
    connection = sqlite3.connect(path)
    try:
        return {name for (name,) in connection.execute("SELECT client_order_id FROM orders")}
    finally:
        connection.close()


async def test_everything_of_an_order_comes_back(tmp_path: Path) -> None:
    """Every field of a record and its fills survive the file, decimals digit for digit, options too."""
    intent = NewOrder(
        "BTC-USDT",
        Side.SELL,
        Decimal("1.500"),
        "c1",
        expires=5,
        options={"iceberg": Decimal("0.10"), "tags": ["a", {"b": True}]},
    )
    kept = OrderRecord(
        account="main",
        client_order_id="c1",
        number=2**55,
        intent=intent,
        quantity=Decimal("1.500"),
        price=Decimal("1E+2"),
        state=OrderState.CANCELING,
        order_id="v2",
        ids=("v1", "v2"),
        sent=7,
        nonce=2**64,
        payload=b"\x00\xff",
        provisional=OrderStatus.CANCELED,
        told=Decimal("0.10"),
    )
    fills = (
        fill("f1", fees=(Fee("BNB", Decimal("-0.1")),)),
        fill("f2", fees=()),
        fill("f3", finality=Finality.UNDONE),
    )
    store = SqliteOrderStore(tmp_path / "orders.db")
    await store.open()
    await store.submit([kept])
    store.write(kept, fills)
    assert store.load("main", "c1") == StoredOrder(kept, fills)
    await store.aclose()
    again = SqliteOrderStore(tmp_path / "orders.db")
    await again.open()
    assert await again.incomplete("main") == [StoredOrder(kept, fills)]
    for order_id in kept.ids:
        assert again.find("main", order_id) == StoredOrder(kept, fills)
    assert again.find("other", "v1") is None
    assert str(again.load("main", "c1")).count("1.500") == 2
    await again.aclose()


async def test_an_intent_is_seen_by_a_second_connection_when_submit_returns(tmp_path: Path) -> None:
    """Whoever looks into the file at the first byte of an order finds it."""
    path = tmp_path / "deep" / "orders.db"
    store = SqliteOrderStore(path)
    await store.open()
    for n in range(5):
        await store.submit([record(f"c{n}")])
        assert f"c{n}" in names(path)
    await store.aclose()
    assert path.stat().st_mode & 0o077 == 0


async def test_many_submissions_share_one_transaction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one is being written, the others gather, and are written together."""
    store = SqliteOrderStore(tmp_path / "orders.db")
    await store.open()
    write, sizes, may_write = store._execute, [], threading.Event()

    def slow(batch: Batch) -> None:
        may_write.wait(10)
        sizes.append(len(batch.records))
        write(batch)

    monkeypatch.setattr(store, "_execute", slow)
    async with anyio.create_task_group() as group:
        for n in range(40):
            group.start_soon(store.submit, [record(f"c{n}")])
        await anyio.wait_all_tasks_blocked()
        may_write.set()
    assert sum(sizes) == 40
    assert len(sizes) <= 3
    await store.aclose()


async def test_a_cancelled_submit_leaves_its_orders_kept(tmp_path: Path) -> None:
    """Cancelled while the disk is busy, they are durable and known; cancelled before, they do not exist."""
    path = tmp_path / "orders.db"
    store = SqliteOrderStore(path)
    tracker = OrderTracker("main", store, lambda _: None, SystemClock())
    await tracker.open()
    with store._writing, anyio.CancelScope() as scope:
        scope.cancel()
        await tracker.submit([record("before").intent])
    async with anyio.create_task_group() as group:
        store._writing.acquire()
        group.start_soon(tracker.submit, [record("during").intent])
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
        store._writing.release()
    assert names(path) == set(tracker.orders) == {"during"}
    assert tracker.orders["during"].state is OrderState.PENDING
    await tracker.aclose()


async def test_updates_are_written_behind_and_flushed() -> None:
    """The latest update of an order counts, fills add up, and what is complete is not loaded again."""
    store = SqliteOrderStore()
    await store.open()
    await store.submit([record("a"), record("b")])
    store.write(record("a", state=OrderState.OPEN, ids=("v",)), [fill("f1")])
    store.write(record("a", state=OrderState.FILLED, complete=True), [fill("f1", fees=()), fill("f2")])
    await store.flush()
    found = store.load("main", "a")
    assert found is not None
    assert (found.record.state, [each.key for each in found.fills]) == (OrderState.FILLED, ["f1", "f2"])
    assert found.fills[0].fees == ()
    assert [order.record.client_order_id for order in await store.incomplete("main")] == ["b"]
    assert store.find("main", "v") == found
    await store.aclose()


async def test_numbers_rise_across_restarts_and_differ_between_stores(tmp_path: Path) -> None:
    """A number that went into an order is never given again."""
    given: list[int] = []
    for _ in range(3):
        store = SqliteOrderStore(tmp_path / "orders.db")
        await store.open()
        given += [store.next_number(), store.next_number()]
        await store.submit([record(f"c{given[-1]}", number=given[-1])])
        await store.aclose()
    assert given == sorted(set(given))
    other = SqliteOrderStore()
    await other.open()
    assert 0 < other.next_number() < 2**56
    assert other.next_number() not in given
    await other.aclose()


async def test_a_store_is_closed_by_the_last_that_opened_it() -> None:
    """Several accounts share one store; once closed it refuses."""
    store = SqliteOrderStore()
    await store.open()
    await store.open()
    await store.aclose()
    await store.submit([record()])
    await store.aclose()
    await store.aclose()
    with pytest.raises(StoreError, match="not open"):
        await store.submit([record("later")])


async def test_two_that_open_a_store_at_once_both_have_it_open(tmp_path: Path) -> None:
    """The second waits for the first; one that comes while the last leaves finds it open again."""
    path = tmp_path / "orders.db"
    store = SqliteOrderStore(path)
    await store.open()
    store.raise_mark("nonce", 7)
    await store.aclose()
    marks: list[int] = []

    async def use() -> None:
        await store.open()
        marks.append(store.mark("nonce"))
        await store.submit([record(f"c{len(marks)}")])
        await store.aclose()

    for _ in range(3):
        async with anyio.create_task_group() as group:
            for _ in range(4):
                group.start_soon(use)
    assert marks == [7] * 12


async def test_what_is_being_written_is_seen_by_a_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row that reaches the disk between two looks, the file and what waits for it, is not overlooked."""
    store = SqliteOrderStore(tmp_path / "orders.db")
    await store.open()
    await store.submit([record("a")])
    read, may_write = store._read, threading.Event()
    write = store._execute

    def slow(batch: Batch) -> None:
        may_write.wait(10)
        write(batch)

    def overtaken(query: str, *values: str) -> list[tuple[object, ...]]:
        rows = read(query, *values)
        if "FROM fills" in query:
            may_write.set()
            with store._changed:
                store._changed.wait_for(lambda: store._written is None, timeout=0.05)
        return rows

    monkeypatch.setattr(store, "_execute", slow)
    store.write(record("a", state=OrderState.OPEN), [fill("f1")])
    monkeypatch.setattr(store, "_read", overtaken)
    found = store.load("main", "a")
    assert found is not None
    assert (found.record.state, [each.key for each in found.fills]) == (OrderState.OPEN, ["f1"])
    await store.aclose()


async def test_a_new_file_is_there_after_a_power_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folders that lead to it are synced to the disk: a file that no folder lists is no file."""
    synced: set[Path] = set()
    monkeypatch.setattr(os, "fsync", lambda file: synced.add(Path(f"/proc/self/fd/{file}").readlink()))
    store = SqliteOrderStore(tmp_path / "new" / "deep" / "orders.db")
    await store.open()
    await store.aclose()
    assert synced == {tmp_path, tmp_path / "new", tmp_path / "new" / "deep"}


# --- what goes wrong


async def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    """Not a database, somebody else's database, a directory, a place where none can be: each a clear error."""
    (tmp_path / "text").write_text("no database " * 100)
    foreign = sqlite3.connect(tmp_path / "foreign")
    foreign.execute("CREATE TABLE theirs (x)")
    foreign.close()
    (tmp_path / "folder").mkdir()
    for name in ("text", "foreign", "folder", "text/below"):
        with pytest.raises(StoreError, match=name.partition("/")[0]):
            await SqliteOrderStore(tmp_path / name).open()
    assert names_of_tables(tmp_path / "foreign") == {"theirs"}


def names_of_tables(path: Path) -> set[str]:
    """The tables of a database."""
    connection = sqlite3.connect(path)
    try:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    finally:
        connection.close()


async def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    """An older program does not touch what it does not understand."""
    path = tmp_path / "orders.db"
    store = SqliteOrderStore(path)
    await store.open()
    await store.aclose()
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    connection.close()
    with pytest.raises(StoreError, match="newer venuekit"):
        await SqliteOrderStore(path).open()


async def test_a_file_that_another_process_locks_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits a moment, and says that the database is locked."""
    monkeypatch.setattr(sqlite_store, "BUSY", 0.02)
    path = tmp_path / "orders.db"
    store = SqliteOrderStore(path)
    await store.open()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="locked"):
        await store.submit([record("refused")])
    other.execute("ROLLBACK")
    other.close()
    await store.submit([record("taken")])
    await store.aclose()
    assert names(path) == {"taken"}


async def test_a_full_disk_is_told_and_nothing_is_lost(tmp_path: Path) -> None:
    """A failed write behind is an event, refuses the next intent, and is written once there is room again."""
    events: list[OrderEventOfAccount] = []
    store = SqliteOrderStore(tmp_path / "orders.db")
    tracker = OrderTracker("main", store, events.append, SystemClock())
    await tracker.open()
    (order,) = await tracker.submit([record().intent])
    limit_pages(store, 1)
    tracker.fill(fill("f" * 100_000, client_order_id="c1"))
    with pytest.raises(StoreError, match="full"):
        await tracker.flush()
    with pytest.raises(StoreError, match="full"):
        await tracker.submit([record("c2").intent])
    assert [type(event.error) for event in events if isinstance(event, StoreFailing)] == [StoreError]
    assert set(tracker.orders) == {"c1"}
    limit_pages(store, 2**30)
    await tracker.flush()
    assert store.failure is None
    found = store.load("main", "c1")
    assert found is not None
    assert len(found.fills) == len(order.fills) == 1
    assert store.load("main", "c2") is None
    await tracker.aclose()


def limit_pages(store: SqliteOrderStore, pages: int) -> None:
    """As if the disk had so much room; SQLite does not go below what is in use."""
    with store._writing:
        assert store._writer is not None
        store._writer.execute(f"PRAGMA max_page_count = {pages}")


@pytest.mark.parametrize("file", ["orders.db", ""])
async def test_what_is_pruned_is_gone_and_what_is_not_complete_stays(tmp_path: Path, file: str) -> None:
    """By the last change, with fills and ids; an old order that is not complete is kept, and numbers go on rising."""
    path = tmp_path / file if file else ":memory:"
    store = SqliteOrderStore(path)
    await store.open()
    for name, updated, complete in (("old", 1, True), ("open", 1, False), ("young", 9, True)):
        store.write(
            record(name, updated=updated, complete=complete, ids=(f"v-{name}",)), (fill(f"f-{name}"),)
        )
    number = store.next_number()
    assert await store.prune(5) == 1
    assert await store.prune(5) == 0
    for name, kept in (("old", False), ("open", True), ("young", True)):
        assert (store.load("main", name) is not None) is kept
        assert (store.find("main", f"v-{name}") is not None) is kept
    assert (store.mark(PRUNED), store.next_number()) == (5, number + 1)
    await store.aclose()
    if file:
        with closing(sqlite3.connect(path)) as connection:
            for table in ("orders", "fills", "order_ids"):
                assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (2,)


async def test_a_fill_of_an_order_that_was_pruned_is_no_stray(tmp_path: Path) -> None:
    """The venue tells an old fill again: nothing is counted and nothing is told, also after a restart; a new one is a stray."""
    store = SqliteOrderStore(tmp_path / "orders.db")
    await store.open()
    await store.prune(5)
    await store.aclose()
    told: list[OrderEventOfAccount] = []
    tracker = OrderTracker("main", SqliteOrderStore(tmp_path / "orders.db"), told.append, SystemClock())
    await tracker.open()
    tracker.fill(fill("f-old", time=4, order_id="v-old"))
    assert not told
    tracker.fill(fill("f-new", time=6, order_id="v-new"))
    assert [type(event) for event in told] == [StrayFill]
    await tracker.aclose()


@pytest.mark.parametrize("cancelled", [False, True])
async def test_orders_are_placed_while_others_are_pruned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, cancelled: bool
) -> None:
    """Pruning goes in steps. Given up between two it leaves whole orders, and the next time takes what is left over."""
    monkeypatch.setattr(sqlite_store, "AT_ONCE", 1)
    store = SqliteOrderStore(tmp_path / "orders.db")
    await store.open()
    for n in range(9):
        store.write(record(f"c{n}", complete=True, updated=1, ids=(f"v-{n}",)), (fill(f"f{n}"),))
    change = store._change

    def counted(*statements: tuple[str, tuple[str | int, ...]]) -> int:
        steps.append(len(names(store_path)))
        if len(steps) == 4:
            anyio.from_thread.run_sync(scope.cancel) if cancelled else anyio.from_thread.run(place)
        return change(*statements)

    async def place() -> None:
        with anyio.fail_after(5):
            await store.submit([record("young", created=9, updated=9)])

    store_path, steps, scope = tmp_path / "orders.db", list[int](), anyio.CancelScope()
    monkeypatch.setattr(store, "_change", counted)
    with scope:
        assert await store.prune(5) == 9
    assert steps[:4] == [9, 9, 8, 7]
    left = [store.load("main", f"c{n}") for n in range(9)]
    assert [len(order.fills) for order in left if order is not None] == [1] * (6 if cancelled else 0)
    assert store.mark(PRUNED) == 5
    assert await store.prune(5) == (6 if cancelled else 0)
    assert names(store_path) == (set() if cancelled else {"young"})
    await store.aclose()


async def test_what_was_forgotten_pushes_no_stray_out_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many old fills the venue tells again, a stray that was told is not told again."""
    monkeypatch.setattr(parking, "REMEMBERED", 1)
    store = SqliteOrderStore()
    told: list[OrderEventOfAccount] = []
    tracker = OrderTracker("main", store, told.append, SystemClock())
    await tracker.open()
    await store.prune(5)
    for key, time in (("new", 6), ("old", 4), ("new", 6)):
        tracker.fill(fill(key, time=time, order_id=f"v-{key}"))
    assert [type(event) for event in told] == [StrayFill]
    await tracker.aclose()


async def test_an_order_that_changes_after_it_was_pruned_comes_back_with_all_its_fills() -> None:
    """It is still at hand when a late word comes: after a restart none of its fills counts a second time."""
    store = SqliteOrderStore()
    await store.open()
    told: list[OrderEventOfAccount] = []
    tracker = OrderTracker("main", store, told.append, VirtualClock(100))
    await tracker.open()
    intent = NewOrder("BTC-USDT", Side.BUY, Decimal(2), "c1", price=Decimal(100))
    (order,) = await tracker.submit([intent])
    first, second = (
        Fill(key, "BTC-USDT", Side.BUY, Decimal(100), Decimal(1), client_order_id="c1")
        for key in ("f1", "f2")
    )
    tracker.fill(first)
    tracker.fill(second)
    assert order.complete
    assert await store.prune(200) == 1
    tracker.fill(evolve(second, fees=(Fee("USDT", Decimal(1)),)))
    await tracker.aclose()
    again = OrderTracker("main", store, told.append, VirtualClock(300))
    await again.open()
    again.fill(first)
    assert [type(event) for event in told].count(OrderFilled) == 2
    kept = again.get("c1")
    assert kept is not None
    assert (kept.traded, kept.fees) == (2, {"USDT": 1})
    await again.aclose()
    await store.aclose()


async def test_an_order_is_never_read_without_its_fills(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody prunes while it is read: it is there with its fills, or not at all."""
    path = tmp_path / "orders.db"
    store = SqliteOrderStore(path)
    await store.open()
    store.write(record("c1", complete=True), (fill("f1"),))
    await store.flush()
    read = store._read

    def read_and_prune(query: str, *values: str) -> list[tuple[object, ...]]:
        rows = read(query, *values)
        with closing(sqlite3.connect(path)) as other:
            other.executescript("BEGIN; DELETE FROM fills; DELETE FROM orders; COMMIT")
        return rows

    monkeypatch.setattr(store, "_read", read_and_prune)
    kept = store.load("main", "c1")
    assert kept is not None
    assert [told.key for told in kept.fills] == ["f1"]
    assert store.load("main", "c1") is None
    await store.aclose()


async def test_options_that_cannot_be_kept_are_refused() -> None:
    """An intent that would not come back is not sent, and spoils nobody else's."""
    store = SqliteOrderStore()
    await store.open()
    odd = evolve(record().intent, options={"what": object()})
    with pytest.raises(LocalError, match="cannot be kept"):
        await store.submit([record(intent=odd)])
    assert store.load("main", "c1") is None
    await store.aclose()


async def test_a_row_that_cannot_be_read_is_a_clear_error() -> None:
    """What another hand wrote into the file is not guessed at."""
    assert load(dump(record()), OrderRecord) == record()
    for text in ("{", "{}", '"text"', dump(record()).replace("1.50", "much")):
        with pytest.raises(LocalError, match="cannot be read"):
            load(text, OrderRecord)


async def test_a_record_shows_no_payload() -> None:
    """The bytes as sent carry a signature."""
    assert "signature" not in repr(record(payload=b"signature"))


# --- a crash

CLIENT = """
import sys, anyio
from decimal import Decimal
from venuekit.clock import SystemClock
from venuekit.orders import OrderTracker, SqliteOrderStore
from venuekit_spec import Accepted, Fill, NewOrder, OrderReport, OrderStatus, Side

async def place(tracker, n):
    name = f"c{n}"
    (order,) = await tracker.submit([NewOrder("BTC-USDT", Side.BUY, Decimal(1), name)])
    await tracker.sending([order])
    print(name, flush=True)
    tracker.outcome(order, Accepted(OrderReport("BTC-USDT", order_id=f"v{n}", status=OrderStatus.OPEN)))
    tracker.fill(Fill(f"f{n}", "BTC-USDT", Side.BUY, Decimal(1), Decimal(1), order_id=f"v{n}"))

async def main():
    tracker = OrderTracker("main", SqliteOrderStore(sys.argv[1], durability=sys.argv[2]), lambda _: None, SystemClock())
    await tracker.open()
    for start in range(0, 100_000, 4):
        async with anyio.create_task_group() as group:
            for n in range(start, start + 4):
                group.start_soon(place, tracker, n)

anyio.run(main)
"""


@pytest.mark.parametrize("durability", ["full", "normal"])
@pytest.mark.parametrize("lines", [1, 30])
def test_a_killed_process_leaves_every_intent(tmp_path: Path, durability: str, lines: int) -> None:
    """SIGKILL at any moment: each order whose first byte was about to leave is in the file, in a state that is possible."""
    path = tmp_path / "orders.db"
    with subprocess.Popen(
        [sys.executable, "-c", CLIENT, str(path), durability], stdout=subprocess.PIPE, text=True
    ) as client:
        assert client.stdout is not None
        sent = [client.stdout.readline().strip() for _ in range(lines)]
        os.kill(client.pid, signal.SIGKILL)
        sent += client.stdout.read().split("\n")[:-1]
    assert set(sent) <= names(path)

    async def look() -> None:
        tracker = OrderTracker("main", SqliteOrderStore(path), lambda _: None, SystemClock())
        await tracker.open()
        for name in sent:
            order = tracker.get(name)
            assert order is not None
            assert order.state in {OrderState.UNKNOWN, OrderState.OPEN, OrderState.FILLED}
            assert order.complete is (order.state is OrderState.FILLED)
            assert len(order.fills) == order.complete
        await tracker.aclose()

    anyio.run(look)
