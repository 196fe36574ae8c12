"""Recorded REST conversations, replayed through the connector, the flow runner and the HTTP driver, without a network.

Each test has a cassette of its own, made and read by the testkit's configuration. `./x record-cassettes exchange_a` runs these
tests in pytest-recording's record mode, against a local venue that they start. The market there is quiet, and every order comes
from these tests, at prices that they name. So recording again changes nothing but times and what follows from them.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any, Final, TypeVar

import anyio
import pytest
from attrs import evolve, frozen

from venuekit.clock import SystemClock
from venuekit.drivers.flows import FlowRunner
from venuekit.drivers.httpx_http import HttpxTransport
from venuekit.loader import load_connector
from venuekit.pacing import Pacer
from venuekit.tapes.scrub import REDACTED
from venuekit_spec import (
    SECOND,
    Accepted,
    Auth,
    AuthenticationRefused,
    BookSnapshot,
    Channel,
    Credentials,
    DataSource,
    DuplicateClientOrderId,
    Flow,
    InstrumentTable,
    InsufficientFunds,
    Liquidity,
    Market,
    NewOrder,
    OrderEntry,
    OrderNotFound,
    OrderRef,
    OrderStatus,
    Placed,
    Rejected,
    Secret,
    Side,
    TimeInForce,
    Topic,
    Unknown,
    UserStream,
)
from venuekit_testkit import Subject
from venuekit_testkit.cassettes import findings, secrets_of

VENUE: Final = "exchange_a"
pytestmark = [pytest.mark.anyio, pytest.mark.vcr, pytest.mark.recordings(VENUE)]

T = TypeVar("T")

PAIR: Final = "BTC-USDT"
SIZE: Final = Decimal("0.001")
BID, ASK, LOW = Decimal(59000), Decimal(60000), Decimal(40000)
"""Where Bob buys and sells, and where nobody sells."""
CASSETTES: Final = Path(__file__).parent / "cassettes" / VENUE
ALICE, BOB, AUDITOR = (each.credentials for each in Subject.of(VENUE).venue_side.accounts())
"""The accounts of the local venue. Their keys open nothing anywhere else, and are treated as if they did."""


@pytest.fixture(scope="module")
def vcr_cassette_dir() -> str:
    """Where these cassettes are: pytest-recording asks for it."""
    return str(CASSETTES)


@pytest.fixture(scope="module")
def where(record_mode: str) -> Iterator[str]:
    """The environment that is spoken to: the local one as it is described, and while recording one that is really there."""
    if record_mode == "none":
        yield "local"
        return
    program = str(Path(sys.executable).with_name("venuekit"))
    start = [program, "venue", "start", VENUE, "--port", "0", "--quiet-market"]
    with subprocess.Popen(start, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            ready = server.stdout.readline()  # "exchange_a at http://127.0.0.1:41234 (seed 0)"
            yield "local@" + ready.partition("http://")[2].split()[0]
        finally:
            server.terminate()


@frozen
class Desk:
    """One account at the venue, over the core's own flow runner and HTTP driver."""

    runner: FlowRunner
    auth: Auth
    source: DataSource
    stream: UserStream
    market: Market
    instruments: InstrumentTable

    async def run(self, flow: Flow[T]) -> T:
        """The result of a flow."""
        return await self.runner.run(flow, sign=self.auth.sign)

    async def book(self) -> BookSnapshot:
        """The book by REST."""
        book = await self.run(self.source.snapshot(Topic(Channel.BOOK, PAIR), self.instruments[PAIR]))
        assert isinstance(book, BookSnapshot)
        return book

    def order(
        self, number: int, side: Side, price: Decimal, quantity: Decimal = SIZE, **more: Any
    ) -> NewOrder:
        """A limit order under our running number."""
        return NewOrder(PAIR, side, quantity, self.market.client_order_id(number), price=price, **more)

    async def place(self, order: NewOrder) -> Placed:
        """The outcome of one placement."""
        (placed,) = await self.run(self.market.place([order]))
        return placed

    async def accepted(self, order: NewOrder) -> OrderRef:
        """How to name an order that the venue has taken."""
        placed = await self.place(order)
        assert isinstance(placed, Accepted)
        return OrderRef(PAIR, client_order_id=order.client_order_id, order_id=placed.report.order_id)


@asynccontextmanager
async def desks(where: str, *accounts: Credentials) -> AsyncIterator[list[Desk]]:
    """A desk for each account."""
    connector = load_connector(VENUE)
    described = connector.description
    environment = described.environment(where)
    clock = SystemClock()
    transport = HttpxTransport(clock)
    pacer = Pacer(described.pools)
    runner = FlowRunner(transport, clock, pacer, random=Random(1).random, limit_report=described.limit_report)
    source = connector.hooks.data_source(environment=environment)
    try:
        instruments = InstrumentTable(await runner.run(source.instruments()))
        yield [
            Desk(
                runner=runner,
                auth=connector.hooks.auth(credentials=account, environment=environment),
                source=source,
                stream=connector.hooks.user_stream(
                    environment=environment, instruments=instruments, credentials=account
                ),
                market=connector.hooks.market(
                    environment=environment,
                    instruments=instruments,
                    credentials=account,
                    order_entry=OrderEntry.REST,
                ),
                instruments=instruments,
            )
            for account in accounts
        ]
    finally:
        with anyio.CancelScope(shield=True):
            await transport.aclose()


async def test_public_data(where: str) -> None:
    """Instruments with their rules, the venue's clock, and a book that shows what Bob wants."""
    async with desks(where, BOB) as (bob,):
        assert bob.instruments[PAIR].price.tick == Decimal("0.01")
        assert await bob.run(bob.source.server_time()) > 1_700_000_000 * SECOND
        await bob.accepted(bob.order(1, Side.BUY, BID))
        await bob.accepted(bob.order(2, Side.SELL, ASK))
        book = await bob.book()
        assert len(await bob.run(bob.market.cancel_all(None))) == 2
    sides = [[[Decimal(cell) for cell in row[:2]] for row in side] for side in (book.bids, book.asks)]
    assert sides == [[[BID, SIZE]], [[ASK, SIZE]]]
    assert book.last


async def test_an_order_rests_is_amended_and_cancelled(where: str) -> None:
    """Placed where nobody sells, found by status and among the open orders, made larger, cancelled, found closed."""
    async with desks(where, ALICE) as (alice,):
        market = alice.market
        ref = await alice.accepted(alice.order(101, Side.BUY, LOW))
        resting = await alice.run(market.status(ref))
        assert (resting.status, resting.quantity, resting.price) == (OrderStatus.OPEN, SIZE, LOW)
        assert [each.order_id for each in await alice.run(market.open_orders([PAIR]))] == [ref.order_id]
        amended = await alice.run(market.amend(ref, price=None, quantity=2 * SIZE))
        assert isinstance(amended, Accepted)
        assert (await alice.run(market.status(ref))).quantity == 2 * SIZE
        (cancelled,) = await alice.run(market.cancel([ref]))
        assert isinstance(cancelled, Accepted)
        assert (await alice.run(market.status(ref))).status is OrderStatus.CANCELED
        assert await alice.run(market.open_orders(None)) == []


async def test_an_order_is_filled(where: str) -> None:
    """An order that takes what Bob sells, in two pieces; its fills, asked for afterwards, add up and tell their fees."""
    async with desks(where, ALICE, BOB) as (alice, bob):
        since = await alice.run(alice.source.server_time())
        for number in (201, 202):
            await bob.accepted(bob.order(number, Side.SELL, ASK))
        order = alice.order(203, Side.BUY, ASK, 2 * SIZE, time_in_force=TimeInForce.IOC)
        ref = await alice.accepted(order)
        report = await alice.run(alice.market.status(ref))
        fills = await alice.run(alice.market.fills([PAIR], since))
    assert (report.status, report.filled, report.average_price) == (OrderStatus.FILLED, 2 * SIZE, ASK)
    assert [(fill.price, fill.quantity) for fill in fills] == [(ASK, SIZE), (ASK, SIZE)]
    assert len({fill.key for fill in fills}) == 2
    assert {(fill.order_id, fill.client_order_id) for fill in fills} == {
        (ref.order_id, order.client_order_id)
    }
    assert all(fill.fees and fill.liquidity is Liquidity.TAKER for fill in fills)


async def test_all_orders_are_cancelled(where: str) -> None:
    """Two orders rest; cancelling all tells their ids, and nothing stays open."""
    async with desks(where, ALICE) as (alice,):
        refs = [await alice.accepted(alice.order(number, Side.BUY, LOW)) for number in (301, 302)]
        gone = await alice.run(alice.market.cancel_all([PAIR]))
        assert sorted(gone) == sorted(ref.order_id for ref in refs)
        assert await alice.run(alice.market.open_orders(None)) == []


async def test_an_account_is_asked(where: str) -> None:
    """Balances that add up, fees, what the key may do, and what is left of the limits."""
    async with desks(where, ALICE) as (alice,):
        balances = await alice.run(alice.market.balances())
        fees = await alice.run(alice.market.fee_rates(PAIR))
        permissions = await alice.run(alice.market.permissions())
        limits = await alice.run(alice.market.limits())
    assert {"BTC", "USDT"} <= {balance.asset for balance in balances}
    assert all(each.total == (each.free or 0) + (each.held or 0) for each in balances)
    assert Decimal(-1) < fees.maker <= fees.taker < Decimal(1)
    assert (permissions.read, permissions.trade, permissions.withdraw) == (True, True, False)
    assert limits.used.keys() <= {pool.name for pool in load_connector(VENUE).description.pools}


async def test_a_key_that_may_not_trade(where: str) -> None:
    """The key of an auditor tells so when it is asked, and its orders are refused for that reason."""
    async with desks(where, AUDITOR) as (auditor,):
        assert (await auditor.run(auditor.market.permissions())).trade is False
        placed = await auditor.place(auditor.order(501, Side.BUY, LOW))
    assert isinstance(placed, Rejected)
    assert isinstance(placed.error, AuthenticationRefused)


async def test_a_token_opens_the_user_stream(where: str) -> None:
    """The URL of the private socket carries a token; in the cassette, and so in a replay, it is none."""
    async with desks(where, ALICE) as (alice,):
        topics = [topic for topic in alice.stream.topics() if topic.channel is Channel.USER]
        dial = await alice.run(alice.stream.dial(topics))
    assert dial.secret_url
    assert (REDACTED in dial.url) is (where == "local")


async def test_refusals_are_told_apart(where: str) -> None:
    """No money, a used id, an order that nobody knows: each is its own error, and definitive but for the used id."""
    async with desks(where, ALICE) as (alice,):
        market = alice.market
        ref = await alice.accepted(alice.order(401, Side.BUY, LOW))
        used = await alice.place(alice.order(401, Side.BUY, LOW))
        assert isinstance(used, Unknown)
        assert isinstance(used.error, DuplicateClientOrderId)
        poor = await alice.place(alice.order(402, Side.BUY, LOW, Decimal(9000)))
        assert isinstance(poor, Rejected)
        assert isinstance(poor.error, InsufficientFunds)
        assert isinstance((await alice.run(market.cancel([ref])))[0], Accepted)
        (again,) = await alice.run(market.cancel([ref]))
        assert isinstance(again, Rejected)
        assert isinstance(again.error, OrderNotFound)
        with pytest.raises(OrderNotFound):
            await alice.run(market.status(OrderRef(PAIR, market.client_order_id(499))))


async def test_a_wrong_signature_is_refused(where: str) -> None:
    """A key with another secret opens nothing, and the error says that it is about the key."""
    forged = Secret("forged-" + "".join(reversed(ALICE["api_secret"])))
    account = evolve(ALICE, fields={**ALICE.fields, "api_secret": forged})
    async with desks(where, account) as (stranger,):
        with pytest.raises(AuthenticationRefused):
            await stranger.run(stranger.market.balances())


@pytest.mark.parametrize("path", sorted(CASSETTES.parent.rglob("*.*")), ids=lambda path: path.name)
def test_a_cassette_holds_no_secret(path: Path) -> None:
    """No file there holds a key of the local venue, a signature, a token, or anything that looks like one."""
    assert findings(path, secrets_of(VENUE)) == []


def test_there_are_cassettes() -> None:
    """What is searched for secrets is what is replayed."""
    assert len(list(CASSETTES.glob("*.yaml"))) >= 9
