"""Nothing is left behind: no task, no socket, no thread, no traceback, and no order that nobody remembers.

However the ``async with`` ends, and whatever the venue does at that time; and when a command is interrupted.
"""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, closing
from decimal import ROUND_CEILING, ROUND_DOWN
from pathlib import Path
from typing import Final

import anyio
import pytest
from anyio.from_thread import start_blocking_portal
from anyio.lowlevel import checkpoint
from attrs import frozen
from tests.trials.commands import ROOT, command, environment
from tests.trials.crash import served
from tests.trials.venues import credentials, dialect, pairs
from tests.trials.watching import Watched

from venuekit import Exchange, SystemClock, VirtualClock, load_connector, open_exchange
from venuekit.drivers.tasks import helpers
from venuekit.pacing import PacerRegistry
from venuekit.trading import OrderRequest, quantise_price, quantise_quantity
from venuekit_simulator.faults import Fault, FaultKind, Unreachable
from venuekit_simulator.venue import LocalVenue
from venuekit_spec import (
    SECOND,
    CallKind,
    Capability,
    Credentials,
    Instant,
    OrderEntry,
    Side,
    seconds_between,
)

VENUES: Final = ["exchange_a"]
LATENCY: Final = 0.05
CLOSING: Final = 5.0
"""Virtual seconds that leaving may take at most, whatever the venue does."""

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("venue", VENUES)]


class Left(Exception):
    """What a body of the user's may raise."""


@pytest.fixture(autouse=True)
def state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Locks of keys and orders are in a folder of the test's own."""
    monkeypatch.setenv("VENUEKIT_STATE", str(tmp_path))
    return tmp_path


def resting(exchange: Exchange) -> OrderRequest:
    """A small order far from the market."""
    (pair,) = exchange.books
    instrument = exchange.instruments[pair]
    price = quantise_price(
        instrument, dialect(exchange.description.venue).listings()[0].price / 2, ROUND_DOWN
    )
    least = max(instrument.size.minimum or instrument.size.step, instrument.size.step)
    if instrument.minimum_notional:
        least = max(least, instrument.minimum_notional / price * 2)
    return OrderRequest(
        pair=pair, side=Side.BUY, quantity=quantise_quantity(instrument, least, ROUND_CEILING), price=price
    )


# --- in process, on the virtual clock


def ends(_scope: anyio.CancelScope) -> None:
    """The body ends."""


def raises(_scope: anyio.CancelScope) -> None:
    """The body raises."""
    raise Left


def cancelled(scope: anyio.CancelScope) -> None:
    """The body is cancelled."""
    scope.cancel()


def stalled(venue: LocalVenue) -> None:
    """All sockets fall silent, and so does every request."""
    venue.unreachable(Unreachable.BLACK_HOLE, 3600.0)


STATES: Final[dict[str, Callable[[LocalVenue], None]]] = {
    "well": lambda _venue: None,
    "black hole": stalled,
    "refused": lambda venue: venue.unreachable(Unreachable.REFUSED, 3600.0),
    "no name": lambda venue: venue.unreachable(Unreachable.DNS, 3600.0),
    "banned": lambda venue: venue.inject(Fault(kind=FaultKind.BANNED, on={CallKind.PLACE}, seconds=600.0)),
}


@pytest.mark.parametrize("way", [OrderEntry.REST, OrderEntry.SOCKET])
@pytest.mark.parametrize("state_of_venue", STATES)
@pytest.mark.parametrize("leaving", [ends, raises, cancelled])
async def test_nothing_is_left(
    venue: str, way: OrderEntry, state_of_venue: str, leaving: Callable[[anyio.CancelScope], None]
) -> None:
    """With one order at rest and one on its way: afterwards no task and no socket is left, and leaving took seconds at most."""
    if not offered(venue, way):
        pytest.skip("the venue does not have this way")
    clock = VirtualClock(1_700_000_000 * SECOND)
    local = LocalVenue(dialect(venue), clock=clock, flow=False, latency=LATENCY)
    async with clock.autojump(86_400.0):
        before = {task.id for task in anyio.get_running_tasks()}
        left: list[Instant] = []
        with anyio.CancelScope() as scope:
            try:
                async with opened(venue, local, clock, way) as exchange:
                    await exchange.wait_live()
                    await clock.sleep(5.0)
                    await exchange.place(resting(exchange))
                    assert local.sockets
                    STATES[state_of_venue](local)
                    async with helpers() as tasks:
                        tasks.start_soon(exchange.place, resting(exchange))
                        await clock.sleep(LATENCY / 2)
                        left.append(clock.now())
                        leaving(scope)
                        await clock.sleep(0.0)
            except Left:
                assert leaving is raises
        assert seconds_between(left[0], clock.now()) <= CLOSING
        assert {task.id for task in anyio.get_running_tasks()} == before
        await clock.sleep(1.0)  # a goodbye travels too
        assert not local.sockets


async def test_an_exchange_that_could_not_be_opened(venue: str) -> None:
    """Nobody there: the error comes out, and nothing stays."""
    clock = VirtualClock(1_700_000_000 * SECOND)
    local = LocalVenue(dialect(venue), clock=clock, flow=False)
    local.unreachable(Unreachable.BLACK_HOLE, 7200.0)
    async with clock.autojump(86_400.0):
        before = {task.id for task in anyio.get_running_tasks()}
        with pytest.raises(Exception, match="not answered"):
            async with opened(venue, local, clock, OrderEntry.REST):
                raise AssertionError("it cannot be open")
        assert {task.id for task in anyio.get_running_tasks()} == before
        assert not local.sockets


def offered(venue: str, way: OrderEntry) -> bool:
    """Whether a venue takes orders this way."""
    claims = load_connector(venue).description.capabilities
    return (Capability.REST_ORDERS if way is OrderEntry.REST else Capability.SOCKET_ORDERS) in claims


def opened(
    venue: str, local: LocalVenue, clock: VirtualClock, way: OrderEntry
) -> AbstractAsyncContextManager[Exchange]:
    """An exchange over a venue in this process."""
    return open_exchange(
        venue,
        pairs=pairs(venue)[:1],
        transports=local,
        clock=clock,
        credentials=credentials(venue),
        store=":memory:",
        order_entry=way.value,
        pacers=PacerRegistry(),
    )


# --- over TCP


@pytest.fixture
def address(venue: str) -> Iterator[tuple[LocalVenue, str]]:
    """A venue served at a port, on an event loop of its own."""
    local = LocalVenue(dialect(venue), clock=SystemClock(), flow=False)
    with (
        start_blocking_portal("asyncio") as portal,
        portal.wrap_async_context_manager(served(local)) as place,
    ):
        yield local, place


@pytest.mark.parametrize("leaving", [ends, raises, cancelled])
async def test_nothing_is_left_over_tcp(
    venue: str,
    address: tuple[LocalVenue, str],
    state: Path,
    leaving: Callable[[anyio.CancelScope], None],
) -> None:
    """The server sees every socket close; no task, no thread and no file descriptor of ours is left."""
    local, place = address
    before = {task.id for task in anyio.get_running_tasks()}
    threads, descriptors = set(threading.enumerate()), open_descriptors()
    with anyio.CancelScope() as scope:
        try:
            async with open_exchange(
                venue,
                pairs=pairs(venue)[:1],
                environment=f"local@{place}",
                credentials=credentials(venue),
                store=state / "orders.sqlite",
            ) as exchange:
                await exchange.wait_live()
                await exchange.place(resting(exchange))
                assert local.sockets
                leaving(scope)
                await checkpoint()
        except Left:
            assert leaving is raises
    assert {task.id for task in anyio.get_running_tasks()} == before
    await soon(lambda: not local.sockets)
    await soon(lambda: open_descriptors() <= descriptors)
    await soon(lambda: ours(threads) == set())
    assert ids_at(local) <= ids_in(state)


def ours(before: Iterable[threading.Thread]) -> set[str]:
    """The threads that are new and not of an event loop's pool, which keeps them for the next one."""
    pools = ("AnyIO worker", "Trio thread", "asyncio_")
    return {each.name for each in set(threading.enumerate()) - set(before) if not each.name.startswith(pools)}


def open_descriptors() -> int:
    """How many files and sockets this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


async def soon(condition: Callable[[], bool]) -> None:
    """Wait until it is so: another thread, or the kernel, is not done yet."""
    with anyio.fail_after(10):
        while not condition():  # noqa: ASYNC110  # nobody tells
            await anyio.sleep(0.005)


def ids_at(local: LocalVenue) -> set[str]:
    """The client order ids that the venue has of its first account."""
    return {order.intent.client_order_id for order in local.engine.orders(local.plugin.accounts()[0].name)}


def ids_in(folder: Path) -> set[str]:
    """The client order ids of every order store in a folder."""
    found: set[str] = set()
    for path in folder.rglob("*.sqlite"):
        with closing(sqlite3.connect(path)) as connection:
            found |= {id_ for (id_,) in connection.execute("SELECT client_order_id FROM orders")}
    return found


# --- Ctrl-C


@frozen
class Interrupted:
    """A command, and where it is interrupted: at the first request of a kind, or at its first line of output."""

    words: tuple[str, ...]
    at: CallKind | None = None
    stall: bool = True
    """Whether that request is never answered."""
    code: int = 130


PLACE: Final = (
    "order",
    "place",
    "VENUE",
    "PAIR",
    "buy",
    "QUANTITY",
    "--price",
    "PRICE",
    "--environment",
    "PLACE",
)
ON: Final = ("--environment", "PLACE")

INTERRUPTED: Final[dict[str, Interrupted]] = {
    "place by socket": Interrupted((*PLACE, "--order-entry", "socket"), CallKind.PLACE),
    "place by socket, answered": Interrupted(
        (*PLACE, "--order-entry", "socket"), CallKind.PLACE, stall=False
    ),
    "place by request": Interrupted((*PLACE, "--order-entry", "rest"), CallKind.PLACE),
    "cancel": Interrupted(("order", "cancel", "VENUE", "ID", *ON), CallKind.CANCEL),
    "cancel all": Interrupted(("order", "cancel", "VENUE", "--all", *ON), CallKind.CANCEL),
    "status": Interrupted(("order", "status", "VENUE", "ID", *ON), CallKind.QUERY),
    "list": Interrupted(("order", "list", "VENUE", *ON), CallKind.QUERY),
    "balances": Interrupted(("balances", "VENUE", *ON), CallKind.QUERY),
    "doctor": Interrupted(("doctor", "VENUE", *ON), CallKind.OTHER),
    "book, before it is live": Interrupted(("book", "VENUE", "PAIR", *ON), CallKind.SNAPSHOT),
    "book": Interrupted(("book", "VENUE", "PAIR", "--json", *ON)),
    "record": Interrupted(("record", "VENUE", "PAIR", "-o", "TAPE", *ON), CallKind.SUBSCRIBE, stall=False),
    "venue start": Interrupted(("venue", "start", "VENUE", "--port", "0"), code=0),
}
"""Every command that takes time."""


@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
@pytest.mark.parametrize("name", INTERRUPTED)
async def test_ctrl_c(venue: str, name: str, state: Path) -> None:
    """SIGINT in the middle: the documented code, no traceback, and every order that the venue has is in the store."""
    case = INTERRUPTED[name]
    if "socket" in case.words and not offered(venue, OrderEntry.SOCKET):
        pytest.skip("the venue takes no orders by socket")
    reached = anyio.Event()

    def arrived(kind: CallKind) -> None:
        if kind is case.at and armed:
            reached.set()

    armed: list[bool] = []
    local = LocalVenue(Watched(dialect(venue), arrived), clock=SystemClock())
    async with served(local) as address:
        words = await said(case.words, venue, local, address, state)
        armed.append(True)
        if case.stall and case.at is not None:
            local.inject(Fault(kind=FaultKind.STALL, on={case.at}))
        async with await anyio.open_process(
            command(*words),
            cwd=ROOT,
            env=environment(venue, state),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            with anyio.fail_after(30):
                if case.at is None:
                    await process.stdout.receive()
                else:
                    await reached.wait()
                process.send_signal(signal.SIGINT)
                told = b"".join([chunk async for chunk in process.stderr]).decode()
                await process.wait()
        assert "Traceback" not in told
        assert process.returncode == case.code, told
        await soon(lambda: not local.sockets)
    assert ids_at(local) <= ids_in(state)


async def said(words: Iterable[str], venue: str, local: LocalVenue, address: str, folder: Path) -> list[str]:
    """The words of a command, with what they stand for; an order is placed first where one is named."""
    listing = local.plugin.listings()[0]
    instrument = listing.instrument
    price = quantise_price(instrument, listing.price / 2, ROUND_DOWN)
    given = {
        "VENUE": venue,
        "PAIR": instrument.id,
        "PLACE": f"local@{address}",
        "PRICE": str(price),
        "QUANTITY": str(quantise_quantity(instrument, (instrument.minimum_notional or price) / price * 3)),
        "TAPE": str(folder / "tape.jsonl"),
    }
    if "ID" in words or "--all" in words:
        async with open_exchange(
            venue,
            pairs=[instrument.id],
            environment=given["PLACE"],
            credentials=Credentials(credentials(venue).fields),  # of the account `main`, as commands have it
        ) as exchange:
            await exchange.wait_live()
            placed = await exchange.place(resting(exchange))
        given["ID"] = placed.order.client_order_id
    return [given.get(word, word) for word in words]
