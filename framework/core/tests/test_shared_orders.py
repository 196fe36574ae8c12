"""Two exchange objects of one process on one key and one store: the same orders, seen by both, lost by neither."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from framework.core.tests.trading_venue import ASK, CLAIMS, KEY, PAIR, TradingVenue

from venuekit import (
    Account,
    Exchange,
    Killed,
    LocalError,
    OrderAccepted,
    OrderState,
    OrderUnknown,
    SqliteOrderStore,
    StrayOrder,
    open_exchange,
)
from venuekit.pacing import PacerRegistry
from venuekit_spec import Capability, Credentials, OrderStatus, Secret

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Locks of this test are in a folder of its own."""
    monkeypatch.setenv("VENUEKIT_STATE", str(tmp_path))
    return tmp_path


@pytest.fixture
async def store() -> AsyncIterator[SqliteOrderStore]:
    """A store in memory that outlives the exchanges of a test."""
    made = SqliteOrderStore()
    await made.open()
    yield made
    await made.aclose()


def opened(venue: TradingVenue, store: Any, **more: Any) -> Any:
    """An exchange on this venue and store."""
    claims = more.pop("claims", CLAIMS)
    asked: dict[str, Any] = {"credentials": KEY, "pacers": PacerRegistry(), "seed": 1} | more
    return open_exchange(
        venue.connector(claims, ASK), clock=venue.clock, transports=venue.transports, store=store, **asked
    )


async def ready(venue: TradingVenue, *exchanges: Exchange) -> list[Account]:
    """Their accounts, once all of them have compared."""
    await venue.clock.settle()
    for exchange in exchanges:
        await exchange.account().wait_ready()
    return [exchange.account() for exchange in exchanges]


async def test_what_one_places_both_know(store: SqliteOrderStore) -> None:
    """The very same order; no stray to the other, which can cancel it, and limits and fills are seen by both."""
    venue = TradingVenue()
    async with opened(venue, store) as first, opened(venue, store) as second:
        one, two = await ready(venue, first, second)
        events = second.events()
        placement = await one.buy(PAIR, "1", "100")
        assert isinstance(placement, OrderAccepted)
        assert two.order(placement.order.client_order_id) is placement.order
        await two.reconcile()
        events.close()
        told = [event async for event in events]
        assert not [event for event in told if isinstance(event, StrayOrder)]
        assert placement.order.client_order_id in {getattr(event, "client_order_id", "") for event in told}
        await two.cancel(placement.order)
        assert placement.order.state is OrderState.CANCELED
        assert not one.open


async def test_an_order_that_is_paced_is_not_absent_to_the_other(store: SqliteOrderStore) -> None:
    """Its request has not been answered: whoever compares meanwhile, or is opened, leaves it alone."""
    venue, held = TradingVenue(), anyio.Event()
    async with opened(venue, store) as first, anyio.create_task_group() as tasks:
        (one,) = await ready(venue, first)
        venue.till.faults["place_orders"].append(held)
        tasks.start_soon(one.buy, PAIR, "1", "100")
        await venue.clock.settle()
        (order,) = one.open
        resting = venue.till.orders.pop(order.client_order_id)
        async with opened(venue, store) as second:
            (two,) = await ready(venue, second)
            await venue.clock.advance(60.0)
            await two.reconcile()
            assert order.state is OrderState.PENDING
            venue.till.orders[order.client_order_id] = resting
            held.set()
            await venue.clock.settle()
            assert order.state is OrderState.OPEN


async def test_one_that_closes_leaves_its_orders_to_the_other(store: SqliteOrderStore) -> None:
    """Its answer is awaited by nobody any more: the exchange that stays asks what became of the order."""
    venue, held = TradingVenue(), anyio.Event()
    async with opened(venue, store) as second:
        (two,) = await ready(venue, second)
        async with opened(venue, store) as first:
            (one,) = await ready(venue, first)
            venue.till.faults["place_orders"].append(held)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(one.buy, PAIR, "1", "100")
                await venue.clock.settle()
                tasks.cancel_scope.cancel()
            (order,) = two.open
            assert order.state is OrderState.PENDING
        venue.http.closed = False
        await venue.until(lambda: order.state is OrderState.OPEN)


async def test_a_cancel_that_waits_is_sent_by_the_one_that_stays(store: SqliteOrderStore) -> None:
    """It was asked for while the outcome was unknown, by an exchange that is gone."""
    venue = TradingVenue()
    async with opened(venue, store) as second:
        (two,) = await ready(venue, second)
        async with opened(venue, store) as first:
            (one,) = await ready(venue, first)
            held = anyio.Event()
            venue.till.faults["place_orders"].append(held)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(one.buy, PAIR, "1", "100")
                await venue.clock.settle()
                assert isinstance(await one.cancel(one.open[0]), OrderUnknown)
                tasks.cancel_scope.cancel()
            (order,) = two.open
        venue.http.closed = False
        await venue.until(lambda: order.done)
        assert order.state is OrderState.CANCELED


async def test_a_cancel_that_is_broken_off_is_asked_for(store: SqliteOrderStore) -> None:
    """The exchange that sent it closes before the answer: the other one asks what became of it."""
    venue, held = TradingVenue(), anyio.Event()
    async with opened(venue, store) as second:
        await ready(venue, second)
        async with opened(venue, store) as first:
            (one,) = await ready(venue, first)
            order = (await one.buy(PAIR, "1", "100")).order
            venue.till.faults["cancel"].append(held)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(one.cancel, order)
                await venue.clock.settle()
                venue.till.orders[order.client_order_id].status = OrderStatus.OPEN
                tasks.cancel_scope.cancel()
            assert order.state is OrderState.CANCELING
        venue.http.closed = False
        await venue.until(lambda: order.state is OrderState.OPEN)


async def test_the_last_one_closes_the_store(tmp_path: Path) -> None:
    """Whoever is opened later finds what both have left."""
    venue, file = TradingVenue(), tmp_path / "orders.sqlite"
    async with opened(venue, file) as first:
        async with opened(venue, file) as second:
            one, two = await ready(venue, first, second)
            order = (await two.buy(PAIR, "1", "100")).order
        venue.http.closed = False
        assert one.order(order.client_order_id) is order
        await one.cancel(order)
    venue.http.closed = False
    async with opened(venue, file) as again:
        assert again.account().order(order.client_order_id).state is OrderState.CANCELED


async def test_two_keys_of_one_name_have_orders_of_their_own(store: SqliteOrderStore) -> None:
    """In one file neither takes the other's for its own, and the names in the store say nothing of the keys."""
    venue, other = TradingVenue(), Credentials({"key": Secret("the key of another till")})
    async with opened(venue, store) as first:
        (one,) = await ready(venue, first)
        order = (await one.buy(PAIR, "1", "100")).order
    venue.http.closed = False
    async with opened(venue, store, credentials=other) as second:
        (two,) = await ready(venue, second)
        assert (one.name, two.name) == ("main", "main")
        assert one.id != two.id
        assert not two.orders
        assert not two.knows(order.client_order_id)
        assert "the key of" not in one.id + two.id


async def test_two_paper_accounts_share_no_store(store: SqliteOrderStore) -> None:
    """Each has a market of its own, where the other's orders are not."""
    pytest.importorskip("venuekit_simulator")
    venue = TradingVenue()
    more: dict[str, Any] = {"credentials": None, "paper": True, "claims": frozenset({Capability.BOOKS})}
    async with opened(venue, store, **more):
        with pytest.raises(LocalError, match="open already with this order store"):
            async with opened(venue, store, **more):
                pass


async def test_the_kill_switch_holds_for_both(store: SqliteOrderStore) -> None:
    """What one throws keeps the other from placing, until it is reset."""
    venue = TradingVenue()
    async with opened(venue, store) as first, opened(venue, store) as second:
        one, two = await ready(venue, first, second)
        await one.kill("enough")
        with pytest.raises(Killed, match="another exchange object"):
            await two.buy(PAIR, "1", "100")
        one.revive()
        assert isinstance(await two.buy(PAIR, "1", "100"), OrderAccepted)
