"""Recorded REST conversations, replayed through the connector, the flow runner and the HTTP driver, without a network.

Each test has a cassette of its own. `./x record-cassettes exchange_a` starts the local venue and runs these tests against it:
``VENUEKIT_RECORD`` then says where it listens. The market there is quiet, and every order comes from these tests, at prices
that they name. So recording again changes nothing but times and what follows from them.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from decimal import Decimal
from importlib import metadata
from pathlib import Path
from random import Random
from typing import Any, Final, TypeVar, cast
from urllib.parse import urlsplit

import anyio
import pytest
import yaml  # type: ignore[import-untyped]
from attrs import evolve, frozen
from tests.cassette_config import CassetteRules, findings, secrets_of
from tests.cassette_recorder import cassette
from tests.no_network import no_network

from venuekit.clock import SystemClock
from venuekit.drivers.flows import FlowRunner
from venuekit.drivers.httpx_http import HttpxTransport
from venuekit.loader import load_connector
from venuekit.pacing import Pacer
from venuekit.tapes.scrub import REDACTED
from venuekit_spec import (
    DIALECTS,
    SECOND,
    Accepted,
    Auth,
    AuthenticationRefused,
    BookSnapshot,
    Channel,
    Credentials,
    DataSource,
    DialectPlugin,
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

pytestmark = pytest.mark.anyio

T = TypeVar("T")

VENUE: Final = "exchange_a"
PAIR: Final = "BTC-USDT"
SIZE: Final = Decimal("0.001")
BID, ASK, LOW = Decimal(59000), Decimal(60000), Decimal(40000)
"""Where Bob buys and sells, and where nobody sells."""
CASSETTES: Final = Path(__file__).parent / "cassettes"
_RECORDED, _, _ADDRESS = os.environ.get("VENUEKIT_RECORD", "").partition("@")
RECORD_AT: Final = _ADDRESS if _RECORDED == VENUE else ""
"""Where the local venue listens while cassettes are recorded; empty while they are replayed."""


def known_accounts() -> list[Credentials]:
    """The accounts of the local venue. Their keys open nothing anywhere else, and are treated as if they did."""
    (entry,) = metadata.entry_points(group=DIALECTS, name=VENUE)
    return [account.credentials for account in cast("DialectPlugin", entry.load()).accounts()]


ALICE, BOB, AUDITOR = known_accounts()

if RECORD_AT:

    @pytest.fixture
    def anyio_backend() -> str:
        """One loop while recording: no order is placed twice."""
        return "asyncio"


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
async def desks(name: str, *accounts: Credentials) -> AsyncIterator[list[Desk]]:
    """A desk for each account, with the cassette of that name."""
    connector = load_connector(VENUE)
    described = connector.description
    environment = described.environment(f"local@{RECORD_AT}" if RECORD_AT else "local")
    home = urlsplit(described.environment("local").url("rest")).netloc
    rules = CassetteRules(addresses={RECORD_AT: home} if RECORD_AT else {})
    clock = SystemClock()
    transport = HttpxTransport(clock)
    pacer = Pacer(described.pools)
    runner = FlowRunner(transport, clock, pacer, random=Random(1).random, limit_report=described.limit_report)
    source = connector.hooks.data_source(environment=environment)
    path = CASSETTES / VENUE / f"{name}.yaml"
    with ExitStack() as stack:
        if not RECORD_AT:
            stack.enter_context(no_network())
        secrets = secrets_of([*known_accounts(), *accounts])
        stack.enter_context(cassette(path, rules, secrets=secrets, record=bool(RECORD_AT)))
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


async def test_public_data() -> None:
    """Instruments with their rules, the venue's clock, and a book that shows what Bob wants."""
    async with desks("public_data", BOB) as (bob,):
        assert bob.instruments[PAIR].price.tick == Decimal("0.01")
        assert await bob.run(bob.source.server_time()) > 1_700_000_000 * SECOND
        await bob.accepted(bob.order(1, Side.BUY, BID))
        await bob.accepted(bob.order(2, Side.SELL, ASK))
        book = await bob.book()
        assert len(await bob.run(bob.market.cancel_all(None))) == 2
    sides = [[[Decimal(cell) for cell in row[:2]] for row in side] for side in (book.bids, book.asks)]
    assert sides == [[[BID, SIZE]], [[ASK, SIZE]]]
    assert book.last


async def test_an_order_rests_is_amended_and_cancelled() -> None:
    """Placed where nobody sells, found by status and among the open orders, made larger, cancelled, found closed."""
    async with desks("resting_order", ALICE) as (alice,):
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


async def test_an_order_is_filled() -> None:
    """An order that takes what Bob sells, in two pieces; its fills, asked for afterwards, add up and tell their fees."""
    async with desks("filled_order", ALICE, BOB) as (alice, bob):
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


async def test_all_orders_are_cancelled() -> None:
    """Two orders rest; cancelling all tells their ids, and nothing stays open."""
    async with desks("cancel_all", ALICE) as (alice,):
        refs = [await alice.accepted(alice.order(number, Side.BUY, LOW)) for number in (301, 302)]
        gone = await alice.run(alice.market.cancel_all([PAIR]))
        assert sorted(gone) == sorted(ref.order_id for ref in refs)
        assert await alice.run(alice.market.open_orders(None)) == []


async def test_an_account_is_asked() -> None:
    """Balances that add up, fees, what the key may do, and what is left of the limits."""
    async with desks("account", ALICE) as (alice,):
        balances = await alice.run(alice.market.balances())
        fees = await alice.run(alice.market.fee_rates(PAIR))
        permissions = await alice.run(alice.market.permissions())
        limits = await alice.run(alice.market.limits())
    assert {"BTC", "USDT"} <= {balance.asset for balance in balances}
    assert all(each.total == (each.free or 0) + (each.held or 0) for each in balances)
    assert Decimal(-1) < fees.maker <= fees.taker < Decimal(1)
    assert (permissions.read, permissions.trade, permissions.withdraw) == (True, True, False)
    assert limits.used.keys() <= {pool.name for pool in load_connector(VENUE).description.pools}


async def test_a_key_that_may_not_trade() -> None:
    """The key of an auditor tells so when it is asked, and its orders are refused for that reason."""
    async with desks("read_only", AUDITOR) as (auditor,):
        assert (await auditor.run(auditor.market.permissions())).trade is False
        placed = await auditor.place(auditor.order(501, Side.BUY, LOW))
    assert isinstance(placed, Rejected)
    assert isinstance(placed.error, AuthenticationRefused)


async def test_a_token_opens_the_user_stream() -> None:
    """The URL of the private socket carries a token; in the cassette, and so in a replay, it is none."""
    async with desks("token", ALICE) as (alice,):
        topics = [topic for topic in alice.stream.topics() if topic.channel is Channel.USER]
        dial = await alice.run(alice.stream.dial(topics))
    assert dial.secret_url
    assert (REDACTED in dial.url) is not bool(RECORD_AT)


async def test_refusals_are_told_apart() -> None:
    """No money, a used id, an order that nobody knows: each is its own error, and definitive but for the used id."""
    async with desks("refusals", ALICE) as (alice,):
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


async def test_a_wrong_signature_is_refused() -> None:
    """A key with another secret opens nothing, and the error says that it is about the key."""
    forged = Secret("forged-" + "".join(reversed(ALICE["api_secret"])))
    account = evolve(ALICE, fields={**ALICE.fields, "api_secret": forged})
    async with desks("wrong_signature", account) as (stranger,):
        with pytest.raises(AuthenticationRefused):
            await stranger.run(stranger.market.balances())


@pytest.mark.skipif(bool(RECORD_AT), reason="they are being written")
@pytest.mark.parametrize("path", sorted(CASSETTES.rglob("*.*")), ids=lambda path: path.name)
def test_a_cassette_holds_no_secret(path: Path) -> None:
    """No file there holds a key of the local venue, a signature, a token, or anything that looks like one."""
    text = path.read_text(encoding="utf-8")
    assert findings(yaml.safe_load(text), text, secrets_of(known_accounts())) == []


def test_there_are_cassettes() -> None:
    """What is searched for secrets is what is replayed."""
    assert len(list((CASSETTES / VENUE).glob("*.yaml"))) >= 9
