"""Readiness: an account is ready when the venue tells of it, and orders on a socket wait for one."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest
from framework.core.tests.trading_venue import CLAIMS, LOST, PAIR, TradingVenue

from venuekit import Account, Exchange, OrderAccepted, OrderRejected, OrderState, Placement
from venuekit.clock import VirtualClock
from venuekit.trading.waiting import within
from venuekit_spec import Capability, Channel, NetworkError

pytestmark = pytest.mark.anyio

CALLS = CLAIMS | {Capability.SOCKET_ORDERS}


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Locks of this test are in a folder of its own."""
    monkeypatch.setenv("VENUEKIT_STATE", str(tmp_path))
    return tmp_path


class Waiter:
    """Waits until an account, or an exchange, is ready."""

    def __init__(self, tasks: anyio.abc.TaskGroup, waited: Account | Exchange) -> None:
        self.ready = False
        self._waited = waited
        tasks.start_soon(self._wait)

    async def _wait(self) -> None:
        await self._waited.wait_ready()
        self.ready = True


async def test_an_account_is_ready_when_the_venue_tells_of_it() -> None:
    """User stream and calls are confirmed, and store and venue were compared."""
    venue = TradingVenue()
    venue.till.unconfirmed = {Channel.USER, Channel.CALLS}
    async with venue.trading(claims=CALLS) as (_exchange, account), anyio.create_task_group() as tasks:
        waiter = Waiter(tasks, account)
        for topics in ("live user", "live calls"):
            await venue.clock.settle()
            assert not waiter.ready
            venue.user_socket().push(topics)
        await venue.clock.settle()
        assert waiter.ready
        assert venue.till.ops.count("open_orders") == 2


async def test_an_account_is_not_ready_before_everything_could_be_asked() -> None:
    """A comparison that failed is made again."""
    venue = TradingVenue()
    venue.till.broken["open_orders"] = LOST
    async with venue.trading() as (_exchange, account), anyio.create_task_group() as tasks:
        waiter = Waiter(tasks, account)
        await venue.clock.advance(10.0)
        assert not waiter.ready
        venue.till.broken.clear()
        await venue.until(lambda: waiter.ready)


async def test_an_exchange_is_ready_with_its_books_and_accounts() -> None:
    """Without the snapshot of a book it is not."""
    venue = TradingVenue()
    held = anyio.Event()
    venue.hold(held)
    async with venue.trading(pairs=[PAIR]) as (exchange, account), anyio.create_task_group() as tasks:
        await account.wait_ready()
        waiter = Waiter(tasks, exchange)
        await venue.clock.settle()
        assert not waiter.ready
        held.set()
        await venue.until(lambda: waiter.ready)


async def test_an_exchange_without_accounts_is_ready_with_its_books() -> None:
    """There is nothing else to wait for."""
    venue = TradingVenue()
    async with venue.opened(venue.connector()) as exchange:
        await exchange.wait_ready()
        assert exchange.books[PAIR].live


async def test_an_order_waits_for_the_socket_that_is_dialled() -> None:
    """Placed right after opening, it is not refused; it goes when calls are taken."""
    venue = TradingVenue()
    venue.till.unconfirmed = {Channel.CALLS}
    placed: list[Placement] = []
    async with (
        venue.trading(claims=CALLS, order_entry="socket") as (exchange, _account),
        anyio.create_task_group() as tasks,
    ):

        async def place() -> None:
            placed.append(await exchange.buy(PAIR, "1", "100"))

        tasks.start_soon(place)
        await venue.clock.advance(5.0)
        assert "place_orders" not in venue.till.ops
        venue.user_socket().push("live calls")
        await venue.clock.settle()
        assert isinstance(placed[0], OrderAccepted)


async def test_an_order_waits_for_the_next_socket() -> None:
    """Placed while the socket is redialled it goes out on the next one, and so does a cancel."""
    venue = TradingVenue()
    async with venue.trading(claims=CALLS, order_entry="socket") as (exchange, account):
        async with venue.clock.autojump():
            await account.wait_ready()
            venue.user_socket().cut()
            await venue.clock.sleep(0.01)
            placement = await exchange.buy(PAIR, "1", "100")
            assert isinstance(placement, OrderAccepted)
            venue.user_socket().cut()
            await venue.clock.sleep(0.01)
            assert isinstance(await exchange.cancel(placement.order), OrderAccepted)
        assert placement.order.state is OrderState.CANCELED


async def test_an_order_does_not_wait_for_ever() -> None:
    """Where no socket takes calls for ten seconds nothing was sent, and that is certain."""
    venue = TradingVenue()
    venue.till.unconfirmed = {Channel.CALLS}
    async with venue.trading(claims=CALLS, order_entry="socket") as (exchange, _account):
        async with venue.clock.autojump():
            began = venue.clock.now()
            placement = await exchange.buy(PAIR, "1", "100")
            assert venue.clock.now() - began == 10_000_000_000
        assert isinstance(placement, OrderRejected)
        assert isinstance(placement.error, NetworkError)
        assert not placement.error.sent
        assert "place_orders" not in venue.till.ops


async def test_orders_in_requests_wait_for_no_socket() -> None:
    """They have a way of their own."""
    venue = TradingVenue()
    venue.till.unconfirmed = {Channel.USER, Channel.CALLS}
    async with venue.trading(claims=CALLS) as (exchange, _account):
        assert isinstance(await exchange.buy(PAIR, "1", "100"), OrderAccepted)


async def test_a_late_answer_is_news_of_the_account() -> None:
    """A call that ran out of time is unknown; when its answer comes after all, store and venue are compared at once."""
    venue = TradingVenue()
    async with venue.trading(claims=CALLS, order_entry="socket") as (exchange, account):
        await account.wait_ready()
        venue.till.deaf = True
        venue.till.broken["status"] = venue.till.broken["fills"] = LOST
        async with venue.clock.autojump():
            order = (await exchange.buy(PAIR, "1", "100")).order
        assert order.state is OrderState.UNKNOWN
        compared = venue.till.ops.count("open_orders")
        number = str(venue.user_socket().sent[-1]).split()[1]
        venue.user_socket().push(f"answer {number} 0")
        await venue.clock.settle()
        assert venue.till.ops.count("open_orders") == compared + 1
        assert order.state is OrderState.OPEN


async def test_waiting_by_a_clock() -> None:
    """What comes in time is told apart from what does not; an error comes out as itself."""
    clock = VirtualClock(0)
    event = anyio.Event()
    async with clock.autojump():
        assert not await within(clock, 2.0, event.wait)
        assert clock.now() == 2_000_000_000
        event.set()
        assert await within(clock, 2.0, event.wait)
        assert clock.now() == 2_000_000_000

        async def fail() -> None:
            raise LookupError

        with pytest.raises(LookupError):
            await within(clock, 2.0, fail)
