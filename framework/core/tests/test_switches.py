"""The kill switch: whatever fails meanwhile, nothing new is sent."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest
from framework.core.tests.trading_venue import CUT, PAIR, TradingVenue

from venuekit import (
    Credentials,
    Killed,
    OrderAccepted,
    OrderRejected,
    OrderRequest,
    OrderState,
    Placement,
    Secret,
    Side,
    SqliteOrderStore,
    StoreError,
    open_exchange,
)
from venuekit.pacing import PacerRegistry

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Locks and stores of this test are in a folder of its own."""
    monkeypatch.setenv("VENUEKIT_STATE", str(tmp_path))
    return tmp_path


def request() -> OrderRequest:
    """A limit order to buy one."""
    return OrderRequest(pair=PAIR, side=Side.BUY, quantity=1, price=100)


class ForgetfulStore(SqliteOrderStore):
    """A store in memory that can keep no mark while `full`."""

    full = False

    def raise_mark(self, name: str, value: int) -> None:
        """Keep a mark, unless the disk is full."""
        if self.full:
            raise StoreError("the disk is full")
        super().raise_mark(name, value)


async def test_a_store_that_fails_keeps_no_switch_from_being_thrown() -> None:
    """Orders are cancelled and refused; that a restart would forget it is told. Throwing it again makes up for it."""
    venue, store = TradingVenue(), ForgetfulStore()
    await store.open()
    async with venue.trading(store=store) as (_exchange, account):
        order = (await account.place(request())).order
        store.full = True
        with pytest.raises(StoreError):
            await account.kill("now")
        assert order.state is OrderState.CANCELED
        with pytest.raises(Killed, match="now"):
            await account.place(request())
        store.full = False
        await account.kill("again")
        store.full = True
        with pytest.raises(StoreError):
            account.revive()
        assert account.killed
    async with venue.trading(store=store) as (_exchange, account):
        assert account.killed
    await store.aclose()


async def test_a_kill_stops_the_batches_that_are_under_way() -> None:
    """Of six orders in batches of three the second three never leave; the first are cancelled."""
    venue = TradingVenue()
    async with venue.trading() as (_exchange, account), anyio.create_task_group() as tasks:
        held = anyio.Event()
        venue.till.faults["place_orders"].append(held)
        placements: list[Placement] = []

        async def place() -> None:
            placements.extend(await account.place_many([request()] * 6))

        tasks.start_soon(place)
        await venue.clock.settle()
        tasks.start_soon(account.kill, "a hunch")
        await venue.clock.settle()
        held.set()
        await venue.until(lambda: len(placements) == 6 and not account.open)
        assert [type(each) for each in placements] == [OrderAccepted] * 3 + [OrderRejected] * 3
        assert isinstance(placements[3], OrderRejected)
        assert isinstance(placements[3].error, Killed)
        assert venue.till.ops.count("place_orders") == 1
        assert {each.order.state for each in placements[:3]} == {OrderState.CANCELED}


async def test_every_account_is_killed_whatever_happens_to_one() -> None:
    """The store of the first fails; the second is cancelled all the same."""
    venue, store = TradingVenue(), ForgetfulStore()
    keys = {name: Credentials({"key": Secret(name)}) for name in ("one", "two")}
    await store.open()
    async with open_exchange(
        venue.connector(),
        clock=venue.clock,
        transports=venue.transports,
        pacers=PacerRegistry(),
        credentials=keys,
        store=store,
        seed=1,
    ) as exchange:
        orders = [(await account.place(request())).order for account in exchange.accounts.values()]
        store.full = True
        with pytest.raises(StoreError):
            await exchange.kill("now")
        assert all(order.done for order in orders)
        assert all(account.killed == "now" for account in exchange.accounts.values())
    await store.aclose()


async def test_a_kill_while_nothing_can_be_reached_refuses_at_once() -> None:
    """The order stays open until it can be cancelled; nothing new is taken meanwhile."""
    venue = TradingVenue()
    async with venue.trading() as (_exchange, account):
        order = (await account.place(request())).order
        venue.till.broken["cancel_all"] = CUT
        await account.kill()
        with pytest.raises(Killed):
            await account.place(request())
        assert not order.done
        venue.till.broken.clear()
        await venue.until(lambda: order.done)
