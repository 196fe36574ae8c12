"""Exchange B through the whole core: who signed, what a chain makes of orders, perpetuals, and books without a number."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any, Final, TypeVar, cast

import msgspec
import pytest
from attrs import frozen
from tests.trials.order_events import order_events

from venuekit import Account, Exchange, Side, VirtualClock, open_exchange
from venuekit.events import Event
from venuekit.orders import (
    FillUndone,
    InFlightOrder,
    InFlightOrderStore,
    OrderCompleted,
    OrderFilled,
    OrderState,
    SqliteOrderStore,
)
from venuekit.pacing import PacerRegistry
from venuekit.trading import (
    FundingPaid,
    OrderAccepted,
    OrderRejected,
    OrderRequest,
    OrderUnknown,
    PositionUpdate,
)
from venuekit_exchange_b import dialect as plugin
from venuekit_exchange_b.dialect.requests import read_envelope
from venuekit_exchange_b.dialect.server import ExchangeBDialect
from venuekit_simulator.faults import Fault, FaultKind
from venuekit_simulator.venue import LocalVenue
from venuekit_spec import (
    SECOND,
    AuthenticationRefused,
    CallKind,
    Credentials,
    EngineEvent,
    Finality,
    FundingPayment,
    HttpRequest,
    NewOrder,
    NonceRefused,
    OrderChanged,
    OrderRef,
    RuleViolated,
    Seconds,
    TimeInForce,
    VenueError,
    VenueOrder,
    after,
)

pytestmark = pytest.mark.anyio

E = TypeVar("E")

START: Final = 1_700_000_000 * SECOND + SECOND // 4
"""Between two blocks, which come at full seconds."""

LATENCY: Final[Seconds] = 0.02
PATIENCE: Final[Seconds] = 200.0
SPOT: Final = "BTC-USDC"
PERP: Final = "BTC-USDC-PERP"
ALICE, BOB, CAROL = "alice", "bob", "carol"
KEYS: Final = {account.name: account.credentials for account in plugin.accounts()}


@frozen
class World:
    """A quiet Exchange B and a virtual clock; clients come and go, and `store` keeps the orders of each."""

    venue: LocalVenue
    clock: VirtualClock
    store: InFlightOrderStore

    @property
    def dialect(self) -> ExchangeBDialect:
        """The venue's protocol, as it lives now."""
        return cast("ExchangeBDialect", self.venue.dialect)

    @asynccontextmanager
    async def client(
        self, credentials: Credentials = KEYS[ALICE], *, ready: bool = True
    ) -> AsyncIterator[Client]:
        """An exchange object, closed at the end."""
        opened = open_exchange(
            "exchange_b",
            pairs=[SPOT, PERP],
            transports=self.venue,
            clock=self.clock,
            credentials=credentials,
            store=self.store,
            pacers=PacerRegistry(),
        )
        async with opened as exchange:
            client = Client(self, exchange)
            if ready:
                await exchange.wait_ready()
                await exchange.wait_live()
            yield client

    def somebody(
        self, side: Side, price: str, quantity: str, pair: str = SPOT, account: str = BOB
    ) -> VenueOrder:
        """Somebody else places an order at the engine itself."""
        number = len(self.venue.engine.orders(account))
        order = NewOrder(pair, side, Decimal(quantity), f"{account}{number}", price=Decimal(price))
        return self.venue.engine.place(account, order, self.venue.venue_now)

    def withdraw_when_undone(self, order: VenueOrder) -> None:
        """Bob cancels this order, which is filled, as soon as it is open again."""
        ref = OrderRef(order.intent.instrument, order_id=order.order_id)
        engine = self.venue.engine

        def heard(event: EngineEvent) -> None:
            if not isinstance(event, OrderChanged) or event.order.order_id != order.order_id:
                return
            if not event.order.status.terminal:
                engine.cancel(BOB, ref, self.venue.venue_now)

        engine.listen(heard)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Let time pass until it is so. Raises `TimeoutError`."""
        end = after(self.clock.now(), PATIENCE)
        while not condition():
            if self.clock.now() > end:
                raise TimeoutError(f"not so after {PATIENCE:g} s")
            await self.clock.sleep(0.25)

    async def block(self) -> None:
        """The next block is added, and everybody has heard of it."""
        height = self.dialect.chain.height
        await self.until(lambda: self.dialect.chain.height > height)
        await self.clock.sleep(0.2)


class Client:
    """One client of it, and what its exchange has told."""

    def __init__(self, world: World, exchange: Exchange) -> None:
        self.world = world
        self.exchange = exchange
        self._events = exchange.events()

    @property
    def account(self) -> Account:
        """Its account."""
        return self.exchange.account()

    async def told(self) -> list[Event]:
        """Everything that was told; nothing is told afterwards."""
        self._events.close()
        return [cast("Event", event) async for event in self._events]

    async def buy(self, price: str, quantity: str = "0.01", pair: str = SPOT, **more: Any) -> InFlightOrder:
        """An order of ours that the venue has accepted."""
        placement = await self.exchange.buy(pair, quantity, price, **more)
        assert isinstance(placement, OrderAccepted)
        return placement.order

    def money_is_the_venues(self) -> bool:
        """Whether what the client holds is what the venue says."""
        held = self.account.holdings.balances
        return all(
            (held["", each.asset].total, held["", each.asset].free) == (each.total, each.free)
            for each in self.world.venue.engine.balances(ALICE)
        )


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    """A venue of its own, where time jumps from one event to the next."""
    clock = VirtualClock(START)
    venue = LocalVenue(plugin, clock=clock, flow=False, latency=LATENCY)
    store = SqliteOrderStore()
    await store.open()
    async with clock.autojump():
        yield World(venue, clock, store)
    await store.aclose()


def of(events: list[Event], kind: type[E]) -> list[E]:
    """The events of one kind."""
    return [event for event in events if isinstance(event, kind)]


# --- books


@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # the course of events is the same on both
async def test_books_agree_with_the_engine_at_every_audit() -> None:
    """Under faults of every kind; a loss that nothing shows is noticed within the audit period."""
    await books_agree(20_000, often=5.0, steps=80)


@pytest.mark.soak
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_books_agree_with_the_engine_over_many_events() -> None:
    """The same, at length; `python -m tests.trials events exchange_b` goes on to a million."""
    await books_agree(300_000)


async def books_agree(events: int, **more: Any) -> None:
    """Let so much happen."""
    report = await order_events("exchange_b", events, **more)
    assert report.events >= events
    assert report.at_the_end
    assert report.missed == 0
    assert 0 < report.drifts < report.points
    assert 0 < report.longest <= report.period


async def test_own_orders_are_visible_in_the_book() -> None:
    """The size that is ours at a level, our orders among the others, and who is before them; gone when they are."""
    async with world() as there, there.client() as client:
        there.somebody(Side.BUY, "59000", "0.3")
        order = await client.buy("59000", "0.2")
        other = await client.buy("58000", "0.1")
        await there.block()
        book = client.exchange.order_books[SPOT]
        assert (book.own_size(Side.BUY, "59000"), book.size_at(Side.BUY, "59000")) == (
            Decimal("0.2"),
            Decimal("0.5"),
        )
        assert [each.own for each in book.orders(Side.BUY, "59000")] == [False, True]
        assert [each.order_id for each in book.own_orders] == [order.order_id, other.order_id]
        assert book.queue_ahead(order.order_id) == Decimal("0.3")
        there.somebody(Side.SELL, "59000", "0.4", account=CAROL)
        await client.exchange.cancel(other)
        await there.block()
        assert book.own_size(Side.BUY, "59000") == Decimal("0.1")
        assert book.queue_ahead(order.order_id) == 0
        assert [each.order_id for each in book.own_orders] == [order.order_id]


# --- signing


async def refused(credentials: Credentials, error: type[VenueError], code: str) -> None:
    """An order signed so is refused for good: rejected, and never in the pool."""
    async with world() as there, there.client(credentials, ready=False) as client:
        placement = await client.exchange.buy(SPOT, "0.01", "50000")
        assert isinstance(placement, OrderRejected)
        assert type(placement.error) is error
        assert placement.error.code == code
        assert (placement.order.state, placement.order.error) == (OrderState.REJECTED, placement.error)
        assert placement.order.complete
        await there.block()
        assert not there.venue.engine.orders(ALICE)


def mixed(**fields: str) -> Credentials:
    """Alice's credentials with other fields of somebody else."""
    return Credentials(
        {name: KEYS[fields.get(name, ALICE)].fields[name] for name in KEYS[ALICE].fields}, account=ALICE
    )


async def test_a_signature_for_another_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is signed for one chain is worth nothing on another."""
    monkeypatch.setattr("venuekit_exchange_b.description.CHAINS", {"local": 1})
    await refused(KEYS[ALICE], AuthenticationRefused, "wrongChain")


async def test_a_key_of_another_account() -> None:
    """The signer is not an agent that the account has approved."""
    await refused(mixed(private_key=BOB), AuthenticationRefused, "unknownSigner")
    await refused(mixed(address=BOB), AuthenticationRefused, "unknownSigner")


async def test_an_account_that_does_not_exist() -> None:
    """An address nobody has."""
    fields = {**KEYS[ALICE].fields, "address": type(KEYS[ALICE].fields["address"])("0x" + "9" * 40)}
    await refused(Credentials(fields), AuthenticationRefused, "unknownAccount")


async def test_a_nonce_that_was_spent_before() -> None:
    """Another program of the same key spent it first: refused, and the next order has another one."""
    async with world() as there, there.client() as client:

        def spend(message: HttpRequest | str | bytes) -> None:
            assert isinstance(message, HttpRequest)
            signers = there.dialect.signers
            envelope = read_envelope(message.body)
            signers.spend(signers.check(envelope).signer, envelope.nonce, there.venue.venue_now)

        there.venue.on_placement.append(spend)
        placement = await client.exchange.buy(SPOT, "0.01", "50000")
        assert isinstance(placement, OrderRejected)
        assert isinstance(placement.error, NonceRefused)
        assert placement.error.code == "nonceReplayed"
        assert placement.order.state is OrderState.REJECTED
        there.venue.on_placement.clear()
        await client.buy("50000")
        await there.block()
        assert len(there.venue.engine.orders(ALICE)) == 1


async def test_a_replayed_placement_changes_nothing() -> None:
    """Whoever sends the bytes of an order again learns how it stands, and no second order is made of them."""
    async with world() as there, there.client() as client:
        sent: list[HttpRequest] = []
        there.venue.on_placement.append(lambda message: sent.append(cast("HttpRequest", message)))
        order = await client.buy("50000")
        await there.block()
        answer = there.dialect.http(sent[0], there.venue.venue_now)
        (result,) = msgspec.json.decode(answer.body)["results"]
        assert (result["order"]["order"], result["order"]["status"]) == (order.order_id, "open")
        altered = sent[0].replace(body=sent[0].body.replace(b'"price":500000', b'"price":500001'))
        assert b"unknownSigner" in there.dialect.http(altered, there.venue.venue_now).body
        await there.block()
        assert len(there.venue.engine.orders(ALICE)) == 1


# --- the chain


async def test_absence_is_no_proof_before_the_expiry_height() -> None:
    """An order that never arrived is unknown until its height is passed; then it never reached the venue."""
    async with world() as there, there.client() as client:
        for kind in (CallKind.PLACE, CallKind.OTHER):
            there.venue.inject(Fault(kind=FaultKind.ERROR_BEFORE, on=[kind], status=502))
        expiry = there.dialect.chain.height + 30
        placement = await client.exchange.buy(
            SPOT, "0.01", "50000", time_in_force=TimeInForce.GTB, expires_at_height=expiry
        )
        assert isinstance(placement, OrderUnknown)
        order = placement.order
        await there.until(lambda: there.dialect.chain.height == expiry)
        await there.clock.sleep(0.5)
        assert (order.state, order.done) == (OrderState.UNKNOWN, False)
        await there.until(lambda: order.done)
        assert there.dialect.chain.height > expiry
        assert (order.state, order.confirmed, order.complete) == (OrderState.REJECTED, False, True)
        assert order.reason == "never reached the venue"
        assert not there.venue.engine.orders(ALICE)


async def test_an_order_whose_answer_was_lost_is_found_in_the_pool() -> None:
    """Before the block the pool knows it: it is accepted, and rests once."""
    async with world() as there, there.client() as client:
        there.venue.inject(Fault(kind=FaultKind.ERROR_AFTER, on=[CallKind.PLACE], nth=1, status=502))
        placement = await client.exchange.buy(SPOT, "0.01", "50000")
        assert isinstance(placement, OrderUnknown)
        await there.until(lambda: placement.order.state is OrderState.OPEN)
        assert len(there.venue.engine.orders(ALICE)) == 1


async def test_a_provisional_end_does_not_end_an_order() -> None:
    """Filled, cancelled or expired in the last block, it goes on; the next block ends it."""
    async with world() as there, there.client() as client:
        there.somebody(Side.SELL, "60000", "0.01")
        filled = await client.buy("60000")
        expired = await client.buy("50000", time_in_force=TimeInForce.IOC)
        canceled = await client.buy("51000")
        await there.block()
        assert (filled.filled, filled.fills[0].finality) == (filled.quantity, Finality.PROVISIONAL)
        assert not filled.done
        assert not expired.done
        await client.exchange.cancel(canceled)
        await there.block()
        assert (filled.state, filled.fills[0].finality) == (OrderState.FILLED, Finality.FINAL)
        assert expired.state in {OrderState.EXPIRED, OrderState.CANCELED}
        assert (canceled.state, canceled.done) == (OrderState.CANCELING, False)
        await there.block()
        assert canceled.state is OrderState.CANCELED
        assert len(of(await client.told(), OrderCompleted)) == 3


async def test_a_cancel_that_loses_the_race() -> None:
    """It is filled before the block carries the cancel out: then it is filled, not cancelled."""
    async with world() as there, there.client() as client:
        order = await client.buy("59000")
        await there.block()
        await client.exchange.cancel(order)
        assert order.state is OrderState.CANCELING
        there.somebody(Side.SELL, "59000", "0.01")
        await there.block()
        await there.block()
        assert (order.state, order.filled) == (OrderState.FILLED, order.quantity)
        (completed,) = of(await client.told(), OrderCompleted)
        assert completed.state is OrderState.FILLED


async def test_orders_of_one_action_have_each_their_outcome() -> None:
    """One is refused by a rule of the venue's account, the others rest."""
    async with world() as there, there.client() as client:
        requests = [
            OrderRequest(pair=SPOT, side=Side.SELL, quantity=quantity, price="61000")
            for quantity in ("1", "70", "2")
        ]
        placed = [each.order for each in await client.account.place_many(requests)]
        await there.block()
        await there.block()
        assert [order.state for order in placed] == [OrderState.OPEN, OrderState.REJECTED, OrderState.OPEN]
        assert placed[1].reason == "insufficientMargin"
        assert len(there.venue.engine.open_orders(ALICE)) == 2


async def test_a_fill_that_is_undone() -> None:
    """It counts no longer, the money is what it was, and that is told once; the order is open."""
    async with world() as there, there.client() as client:
        there.withdraw_when_undone(there.somebody(Side.SELL, "60000", "0.01"))
        order = await client.buy("60000")
        await there.block()
        assert order.filled == order.quantity
        there.dialect.undo_block()
        await there.block()
        assert there.dialect.chain.undone == 1
        await there.block()
        await there.block()
        assert (order.state, order.filled, order.fills) == (OrderState.OPEN, 0, ())
        assert client.money_is_the_venues()
        assert client.account.holdings.balances["", "BTC"].total == 50
        events = await client.told()
        assert len(of(events, OrderFilled)) == len(of(events, FillUndone)) == 1
        assert not of(events, OrderCompleted)


async def test_a_fill_that_is_undone_and_happens_again() -> None:
    """The order is complete once, with the fill that stays."""
    async with world() as there, there.client() as client:
        there.somebody(Side.SELL, "60000", "0.01")
        order = await client.buy("60000")
        await there.block()
        there.dialect.undo_block()
        for _ in range(3):
            await there.block()
        assert there.dialect.chain.undone == 1
        assert (order.state, order.filled, len(order.fills)) == (OrderState.FILLED, order.quantity, 1)
        assert client.money_is_the_venues()
        events = await client.told()
        first, second = of(events, OrderFilled)
        (undone,) = of(events, FillUndone)
        assert undone.fill.key == first.fill.key != second.fill.key == order.fills[0].key
        (completed,) = of(events, OrderCompleted)
        assert (completed.filled, completed.state) == (order.quantity, OrderState.FILLED)


@pytest.mark.parametrize("undone", [False, True], ids=["final", "undone"])
async def test_a_restart_between_provisional_and_final(undone: bool) -> None:
    """What the block came to is found out afterwards: the fill stays, or it was undone and that is told once."""
    async with world() as there:
        async with there.client() as client:
            there.withdraw_when_undone(there.somebody(Side.SELL, "60000", "0.01"))
            id_ = (await client.buy("60000")).client_order_id
            await there.block()
            before = await client.told()
        assert len(of(before, OrderFilled)) == 1
        if undone:
            there.dialect.undo_block()
        await there.clock.sleep(10.0)
        async with there.client() as client:
            order = client.account.order(id_)
            wanted = OrderState.OPEN if undone else OrderState.FILLED
            await there.until(lambda: order.state is wanted)
            await there.block()
            assert client.money_is_the_venues()
            events = await client.told()
        assert there.dialect.chain.undone == undone
        assert order.filled == (0 if undone else order.quantity)
        assert [fill.finality for fill in order.fills] == ([] if undone else [Finality.FINAL])
        assert len(of(events, FillUndone)) == undone
        assert len(of([*before, *events], OrderFilled)) == 1
        assert len(of([*before, *events], OrderCompleted)) == (not undone)


async def test_a_socket_lost_while_a_block_is_undone() -> None:
    """The news of it never comes; what is asked afterwards tells the same, once."""
    async with world() as there, there.client() as client:
        there.withdraw_when_undone(there.somebody(Side.SELL, "60000", "0.01"))
        order = await client.buy("60000")
        await there.block()
        there.dialect.undo_block()
        there.venue.inject(Fault(kind=FaultKind.CUT, at=0.0))
        there.venue.inject(Fault(kind=FaultKind.UNREACHABLE, at=0.0, seconds=5.0))
        await there.until(lambda: order.state is OrderState.OPEN and not order.filled)
        await client.exchange.wait_ready()
        await there.block()
        assert client.money_is_the_venues()
        events = await client.told()
        assert len(of(events, OrderFilled)) == len(of(events, FillUndone)) == 1
        assert not of(events, OrderCompleted)


# --- perpetuals


async def test_a_position_from_its_opening_to_its_end() -> None:
    """Leverage is set, the position told, reduced only by what reduces, and flat in the end."""
    async with world() as there, there.client() as client:
        await client.exchange.set_leverage(PERP, "12.5")
        there.somebody(Side.SELL, "60000", "1", PERP)
        await client.buy("60000", "1", PERP)
        for _ in range(2):
            await there.block()
        position = client.account.holdings.positions[PERP]
        assert (position.quantity, position.entry_price, position.leverage) == (1, 60_000, Decimal("12.5"))
        assert [each.quantity for each in await client.exchange.positions()] == [1]
        grow = await client.buy("60000", "0.5", PERP, reduce_only=True)
        there.somebody(Side.BUY, "60000", "2", PERP)
        placed = await client.exchange.sell(PERP, "1", "60000", reduce_only=True)
        assert isinstance(placed, OrderAccepted)
        await there.until(lambda: grow.done and placed.order.done)
        assert (grow.state, grow.reason) == (OrderState.REJECTED, "reduceOnly")
        assert placed.order.filled == 1
        await there.block()
        assert PERP not in {each.instrument for each in await client.exchange.positions()}
        assert client.money_is_the_venues()
        quantities = [each.position.quantity for each in of(await client.told(), PositionUpdate)]
        assert quantities[-1] == 0
        assert 1 in quantities


async def test_a_leverage_that_is_too_high() -> None:
    """The venue's rule is broken, and nothing changes."""
    async with world() as there, there.client() as client:
        with pytest.raises(RuleViolated):
            await client.exchange.set_leverage(PERP, 51)
        assert there.venue.engine.leverage(ALICE, PERP) == 10


async def test_funding_is_told_once_and_remembered_through_restarts() -> None:
    """Each payment is an event; what was paid while nobody listened is told afterwards, and nothing twice."""
    async with world() as there:
        async with there.client() as client:
            there.somebody(Side.SELL, "60000", "1", PERP)
            await client.buy("60000", "1", PERP)
            await there.until(lambda: bool(there.venue.engine.funding(ALICE)))
            await there.block()
            assert [each.payment for each in of(await client.told(), FundingPaid)] == paid(there)
        there.venue.restart()
        async with there.client() as client:
            await there.until(lambda: len(paid(there)) == 2)
            there.venue.restart(down=70.0)
            await there.until(lambda: len(paid(there)) == 3)
            await client.exchange.wait_ready()
            await there.block()
            assert list(await client.exchange.funding(0)) == paid(there)
            keys = [each.payment.key for each in of(await client.told(), FundingPaid)]
        assert len(keys) == len(set(keys))
        assert set(keys) >= {each.key for each in paid(there)[1:]}


def paid(there: World) -> list[FundingPayment]:
    """What the venue says that alice was paid."""
    return list(there.venue.engine.funding(ALICE))
