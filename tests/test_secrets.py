"""Secrets show nowhere: not in logs, reprs, tracebacks, tapes, cassettes, stores, locks, command lines, or what is printed.

Looked for are every field of the credentials (also the public half of a key), and the signatures and tokens that were seen on
the wire meanwhile. See `tests.trials.hunting`.
"""

from __future__ import annotations

import json
import logging
import signal
import sqlite3
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from decimal import ROUND_CEILING, ROUND_DOWN
from functools import partial
from pathlib import Path
from typing import Final

import anyio
import pytest
from tests.trials.commands import ROOT, command, environment
from tests.trials.hunting import LONG, Hunt, LearningHttp, LearningSockets, Log, reached
from tests.trials.venues import credentials, dialect, pairs
from tests.trials.watching import Watched

from venuekit import Exchange, NetworkTransports, SystemClock, VirtualClock, load_connector, open_exchange
from venuekit.drivers.tasks import helpers
from venuekit.orders import OrderUpdate
from venuekit.pacing import PacerRegistry
from venuekit.trading import OrderRequest, quantise_price, quantise_quantity
from venuekit_simulator.faults import Fault, FaultKind, FaultPlan, Unreachable
from venuekit_simulator.venue import LocalVenue
from venuekit_spec import SECOND, CallKind, Capability, Credentials, OrderEntry, Secret, Side, VenuekitError

VENUES: Final = ["exchange_a"]
WAYS: Final = {OrderEntry.REST: Capability.REST_ORDERS, OrderEntry.SOCKET: Capability.SOCKET_ORDERS}

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Locks of keys and orders are in a folder of the test's own."""
    monkeypatch.setenv("VENUEKIT_STATE", str(tmp_path))
    return tmp_path


@pytest.fixture
def hunt(venue: str) -> Hunt:
    """The hunt for what the first account of a venue has."""
    return Hunt.of(credentials(venue))


@pytest.fixture
def log(hunt: Hunt) -> Iterator[Log]:
    """Every logger at its most talkative."""
    root = logging.getLogger()
    level, handler = root.level, Log(hunt)
    root.setLevel(logging.DEBUG)
    root.addHandler(handler)
    yield handler
    root.removeHandler(handler)
    root.setLevel(level)


FAULTS: Final = (
    Fault(kind=FaultKind.TRUNCATE, on={CallKind.TOKEN}, nth=1),
    Fault(kind=FaultKind.CORRUPT, on={CallKind.TOKEN}, nth=2),
    Fault(kind=FaultKind.ERROR_BEFORE, on={CallKind.TOKEN}, nth=3),
    Fault(kind=FaultKind.CORRUPT, on={CallKind.PLACE}, nth=2),
    Fault(kind=FaultKind.TRUNCATE, on={CallKind.PLACE}, nth=3),
    Fault(kind=FaultKind.ERROR_AFTER, on={CallKind.PLACE}, nth=4),
    Fault(kind=FaultKind.LOST, on={CallKind.PLACE}, nth=5, cut=True),
    Fault(kind=FaultKind.CLOCK_SKEW, on={CallKind.PLACE}, nth=6, offset=30.0, seconds=20.0),
    Fault(kind=FaultKind.RATE_LIMITED, on={CallKind.PLACE}, nth=7, seconds=2.0),
    Fault(kind=FaultKind.TRUNCATE, on={CallKind.QUERY}, nth=2),
    Fault(kind=FaultKind.CORRUPT, on={CallKind.QUERY}, nth=4),
    Fault(kind=FaultKind.TRUNCATE, on={CallKind.CANCEL}, nth=1),
)
"""What goes wrong in one run: every kind of reply is unreadable at least once."""


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize(
    ("anyio_backend", "way"),
    [("asyncio", OrderEntry.REST), ("trio", OrderEntry.SOCKET)],
    indirect=["anyio_backend"],
)
async def test_a_full_run(venue: str, way: OrderEntry, hunt: Hunt, log: Log, tmp_path: Path) -> None:
    """Books, orders, a user stream and everything that can go wrong, taped and logged: nothing of it shows a secret."""
    description = load_connector(venue).description
    if WAYS[way] not in description.capabilities:
        pytest.skip("the venue does not have this way")
    clock = VirtualClock(1_700_000_000 * SECOND)
    plugin = Watched(dialect(venue), lambda _kind: None, hunt.learn)
    local = LocalVenue(plugin, clock=clock, faults=FaultPlan(FAULTS), flow=False, latency=0.02)
    tape = tmp_path / "tape.jsonl"
    async with (
        clock.autojump(86_400.0),
        open_exchange(
            venue,
            pairs=pairs(venue)[:1],
            channels=["book", "trades"],
            record=tape,
            transports=local,
            clock=clock,
            credentials=credentials(venue),
            store=":memory:",
            order_entry=way.value,
            pacers=PacerRegistry(),
        ) as exchange,
        exchange.events() as events,
        helpers() as tasks,
    ):

        async def listen() -> None:
            async for event in events:
                hunt.search("an event", repr(event))

        tasks.start_soon(listen)
        await exchange.wait_live()
        await clock.sleep(30.0)
        for _ in range(12):
            await attempt(hunt, partial(trade, exchange))
            await clock.sleep(5.0)
        hunt.search_objects("exchange", exchange)
        local.expire_tokens()
        await clock.sleep(60.0)
        for how in Unreachable:
            local.unreachable(how, 30.0)
            await attempt(hunt, partial(trade, exchange))
            await attempt(hunt, partial(ask, exchange))
            await clock.sleep(60.0)
        await attempt(hunt, partial(ask, exchange))
        hunt.search_objects("exchange", exchange)
        assert len(local.injected) > len(FAULTS) / 2
    log.search()
    hunt.search_folder(tmp_path)
    assert log.lines
    assert tape.stat().st_size
    assert hunt.errors >= 5
    assert len(hunt.secrets) > len(credentials(venue).fields)  # signatures or tokens have been seen
    assert not hunt.found


@pytest.mark.parametrize("venue", VENUES)
async def test_a_refused_signature(venue: str, hunt: Hunt, log: Log, tmp_path: Path) -> None:
    """A key with a wrong secret, and a key that does not exist: the errors show neither."""
    clock = VirtualClock(1_700_000_000 * SECOND)
    plugin = Watched(dialect(venue), lambda _kind: None, hunt.learn)
    local = LocalVenue(plugin, clock=clock, flow=False)
    right = credentials(venue)
    async with clock.autojump(86_400.0):
        for name in right.fields:
            wrong = "".join("0123456789abcdef"[(ord(char) + 5) % 16] for char in right[name])
            hunt.secrets[f"wrong {name}"] = wrong
            key = Credentials({**right.fields, name: Secret(wrong)})
            await attempt(hunt, partial(refused, venue, local, clock, key, tmp_path / f"{name}.jsonl"))
    log.search()
    hunt.search_folder(tmp_path)
    assert not hunt.found


async def refused(venue: str, local: LocalVenue, clock: VirtualClock, key: Credentials, tape: Path) -> None:
    """Open an exchange with a key that the venue does not take, and try."""
    async with open_exchange(
        venue,
        pairs=pairs(venue)[:1],
        transports=local,
        clock=clock,
        credentials=key,
        store=":memory:",
        record=tape,
        pacers=PacerRegistry(),
    ) as exchange:
        await exchange.wait_live()
        await clock.sleep(30.0)
        await exchange.balances()


async def trade(exchange: Exchange) -> None:
    """Place an order and cancel it. Raises what each was refused with."""
    (pair,) = exchange.books
    instrument = exchange.instruments[pair]
    price = quantise_price(
        instrument, dialect(exchange.description.venue).listings()[0].price / 2, ROUND_DOWN
    )
    least = (instrument.minimum_notional or price) / price * 2
    quantity = quantise_quantity(instrument, least, ROUND_CEILING)
    placed = await exchange.place(OrderRequest(pair=pair, side=Side.BUY, quantity=quantity, price=price))
    cancelled = await exchange.cancel(placed.order)
    for each in (placed, cancelled):
        if (error := getattr(each, "error", None)) is not None:
            raise error


async def ask(exchange: Exchange) -> None:
    """Ask for the account. Raises what is answered."""
    await exchange.open_orders()
    await exchange.balances()
    await exchange.permissions()


async def attempt(hunt: Hunt, work: Callable[[], Awaitable[None]]) -> None:
    """Do it, and look at the error that comes of it, with every local variable on its way."""
    try:
        await work()
    except VenuekitError as error:
        hunt.search_error("what was tried", error)


# --- files and processes


@pytest.fixture
def server(venue: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The local venue as a process of its own, and its address."""
    with subprocess.Popen(
        command("venue", "start", venue, "--port", "0"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=ROOT,
        text=True,
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        try:
            yield process, line.split("://")[1].split()[0].rstrip("/")
        finally:
            process.kill()


@pytest.mark.parametrize("venue", VENUES)
async def test_over_the_network(
    venue: str, hunt: Hunt, log: Log, server: tuple[subprocess.Popen[str], str], tmp_path: Path
) -> None:
    """Over TCP: the logs of every library, the store with its write-ahead log, locks, notes; then the server is killed."""
    process, address = server
    claims = load_connector(venue).description.capabilities
    ways = [way for way, claim in WAYS.items() if claim in claims]
    for way in reversed(ways):  # by request last: that the server is gone is known at once
        network = NetworkTransports.on(SystemClock())
        transports = NetworkTransports(
            LearningHttp(network.http, hunt), LearningSockets(network.websockets, hunt)
        )
        async with open_exchange(
            venue,
            pairs=pairs(venue)[:1],
            environment=f"local@{address}",
            credentials=credentials(venue),
            transports=transports,
            order_entry=way.value,
            pacers=PacerRegistry(),
        ) as exchange:
            await exchange.wait_live()
            await reconciled(exchange)
            await trade(exchange)
            if way is ways[0]:
                process.kill()
                await attempt(hunt, partial(trade, exchange))
                assert hunt.errors
            assert {".sqlite", ".sqlite-wal", ".lock", ".pid"} <= kinds_of_files(tmp_path)
            hunt.search_folder(tmp_path)
            hunt.search_objects("exchange", exchange)
    log.search()
    hunt.search_folder(tmp_path)
    assert log.lines
    assert len(hunt.secrets) > len(credentials(venue).fields)
    assert not hunt.found


async def reconciled(exchange: Exchange) -> None:
    """Return once the private side is whole: the user stream has told of an order."""
    async with exchange.events() as events:
        while True:
            try:
                await trade(exchange)
            except VenuekitError:
                await anyio.sleep(0.05)  # the socket that takes calls is not open yet
                continue
            async for event in events:
                if isinstance(event, OrderUpdate):
                    return


def kinds_of_files(folder: Path) -> set[str]:
    """How the names of the files in a folder end."""
    return {path.suffix for path in folder.rglob("*") if path.is_file()}


COMMANDS: Final = (
    ("order", "place", "VENUE", "PAIR", "buy", "QUANTITY", "--price", "PRICE", "--json"),
    ("order", "list", "VENUE", "--all", "--json"),
    ("order", "cancel", "VENUE", "--all", "--json"),
    ("balances", "VENUE", "--json"),
    ("doctor", "VENUE", "--json"),
    ("record", "VENUE", "PAIR", "-o", "TAPE", "--seconds", "1"),
)


@pytest.mark.parametrize("venue", VENUES)
def test_commands_and_their_server(
    venue: str, hunt: Hunt, server: tuple[subprocess.Popen[str], str], tmp_path: Path
) -> None:
    """What commands and the local venue print, what the process list shows of them, and what files they leave."""
    serving, address = server
    listing = dialect(venue).listings()[0]
    price = quantise_price(listing.instrument, listing.price / 2, ROUND_DOWN)
    least = (listing.instrument.minimum_notional or price) / price * 2
    given = {
        "VENUE": venue,
        "PAIR": listing.instrument.id,
        "PRICE": str(price),
        "QUANTITY": str(quantise_quantity(listing.instrument, least, ROUND_CEILING)),
        "TAPE": str(tmp_path / "tape.jsonl"),
    }
    for words in COMMANDS:
        said = [given.get(word, word) for word in words]
        with subprocess.Popen(
            command(*said, "--environment", f"local@{address}"),
            cwd=ROOT,
            env=environment(venue, tmp_path),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as process:
            hunt.search("the process list", Path(f"/proc/{process.pid}/cmdline").read_bytes())
            told = process.communicate(timeout=60)[0]
        hunt.search(" ".join(words[:2]), told)
        assert not LONG.search(told)
        assert process.returncode == 0, told.decode()
    hunt.search("the process list", Path(f"/proc/{serving.pid}/cmdline").read_bytes())
    serving.send_signal(signal.SIGINT)
    rest = serving.communicate(timeout=30)[0]
    hunt.search("the server's output", rest)
    assert not LONG.search(rest.encode())
    hunt.search_folder(tmp_path)
    assert not hunt.found


@pytest.mark.parametrize("venue", VENUES)
def test_cassettes(venue: str) -> None:
    """No cassette holds a key of any account of the local venue, nor anything that looks like a signature or a token."""
    recorded = list((ROOT / "tests" / "cassettes" / venue).glob("*"))
    assert recorded
    for account in dialect(venue).accounts():
        hunt = Hunt.of(account.credentials)
        hunt.search_folder(ROOT / "tests" / "cassettes" / venue)
        assert not hunt.found
    for path in recorded:
        assert not LONG.search(path.read_bytes()), path.name


# --- the search itself


class Planted:
    """An object that shows what it holds."""

    __module__ = "venuekit.planted"

    def __init__(self, value: str) -> None:
        self.inner = {"deep": [Shown(value)]}


class Shown:
    """One whose repr is not careful."""

    __module__ = "venuekit.planted"

    def __init__(self, value: str) -> None:
        self._value = value

    def __repr__(self) -> str:
        return f"Shown({self._value})"


def plant_in_text(hunt: Hunt, value: str, _folder: Path) -> None:
    """In the middle of a text, percent-encoded."""
    hunt.search("a text", f"GET /v1?x=%20{value}&y=1")


def plant_in_bytes(hunt: Hunt, value: str, _folder: Path) -> None:
    """In base64, at an odd place."""
    from base64 import b64encode

    hunt.search("bytes", b64encode(b"user:" + value.encode() + b":rest"))


def plant_in_a_store(hunt: Hunt, value: str, folder: Path) -> None:
    """In a row of a database."""
    with closing(sqlite3.connect(folder / "orders.sqlite")) as connection:
        connection.execute("CREATE TABLE orders (payload TEXT)")
        connection.execute("INSERT INTO orders VALUES (?)", (json.dumps({"key": value}),))
        connection.commit()
    hunt.search_folder(folder)


def plant_in_a_name(hunt: Hunt, value: str, folder: Path) -> None:
    """In the name of a lock."""
    (folder / f"{value}.lock").touch()
    hunt.search_folder(folder)


def plant_in_a_local(hunt: Hunt, value: str, _folder: Path) -> None:
    """In a local variable of a frame below the one that caught, of the cause of an error."""

    def deep() -> None:
        key = value
        raise ValueError(len(key))

    try:
        try:
            deep()
        except ValueError as error:
            raise RuntimeError("wrapped") from error
    except RuntimeError as error:
        hunt.search_error("planted", error)


def plant_in_an_object(hunt: Hunt, value: str, _folder: Path) -> None:
    """In the repr of an object that attributes and items lead to."""
    hunt.search_objects("planted", Planted(value))


def plant_in_the_log(hunt: Hunt, value: str, _folder: Path) -> None:
    """In an argument of a record."""
    handler = Log(hunt)
    handler.handle(logging.LogRecord("any", logging.DEBUG, "", 0, "sent %s", (value,), None))
    handler.search()


@pytest.mark.parametrize(
    "plant",
    [
        plant_in_text,
        plant_in_bytes,
        plant_in_a_store,
        plant_in_a_name,
        plant_in_a_local,
        plant_in_an_object,
        plant_in_the_log,
    ],
)
def test_what_is_planted_is_found(plant: Callable[[Hunt, str, Path], None], tmp_path: Path) -> None:
    """The search finds a secret in each of the places that it looks at, and tells where without showing it."""
    value = "planted-Key_0123456789"
    hunt = Hunt({"api_secret": value})
    plant(hunt, value, tmp_path)
    assert hunt.found
    assert not [found for found in hunt.found if value in found.replace(f"{value}.lock", "")]


@pytest.mark.parametrize("venue", VENUES)
def test_what_is_on_the_wire_is_learned(venue: str, hunt: Hunt) -> None:
    """A signature of a request that reached the venue is looked for from then on."""
    connector = load_connector(venue)
    signed = "ab" * 32
    hunt.learn(f'{{"params":{{"signature":"{signed}"}}}}')
    hunt.search("anywhere", f"x {signed} y")
    assert hunt.found
    assert not list(reached("nothing", connector.description.venue))
