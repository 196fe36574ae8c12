"""A venue whose orders end by block height: each has one before it is stored, and absence is judged by it."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import anyio
import pytest
from framework.core.tests.trading_venue import LOST, PAIR, TradingVenue

from venuekit import (
    Account,
    Exchange,
    OrderRequest,
    OrderState,
    OrderUnknown,
    RuleBroken,
    Side,
    TimeInForce,
)
from venuekit.trading.chain import FRESH
from venuekit_spec import (
    Absence,
    BlockHeight,
    InsufficientFunds,
    NetworkError,
    NewOrder,
    OrderLife,
    OrderNotFound,
    Resolution,
    Resolver,
    VenueUnavailable,
)

pytestmark = pytest.mark.anyio

LIFE = OrderLife(blocks=20, maximum=100)
BY_HEIGHT = Resolver((Resolution.ASK,), Absence(above_expiry_height=True))
SWALLOWED = NetworkError("it never arrived", venue="toy")


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Locks of this test are in a folder of its own."""
    monkeypatch.setenv("VENUEKIT_STATE", str(tmp_path))
    return tmp_path


class Chain(TradingVenue):
    """The venue with a chain of height 1000."""

    def __init__(self) -> None:
        super().__init__()
        self.till.height = 1000
        self.placed: list[NewOrder] = []
        self.till.on_place = self.placed.append

    def living(self) -> AbstractAsyncContextManager[tuple[Exchange, Account]]:
        """As `trading`, with orders that end by height."""
        return self.trading(order_life=LIFE, resolver=BY_HEIGHT)


def request(**more: Any) -> OrderRequest:
    """A limit order to buy one."""
    return OrderRequest(pair=PAIR, side=Side.BUY, quantity="1", price="100", **more)


async def place(account: Account, **more: Any) -> NewOrder:
    """What an order is stored as."""
    return (await account.place(request(**more))).order.intent


async def test_an_order_gets_its_height() -> None:
    """As many blocks above the chain as the venue's orders live; what stands until cancelled stands until then."""
    venue = Chain()
    async with venue.living() as (_exchange, account):
        intent = await place(account)
        assert (intent.time_in_force, intent.expires_at_height) == (TimeInForce.GTB, 1020)
        assert venue.placed == [intent]
        at_once = await place(account, time_in_force="ioc")
        assert (at_once.time_in_force, at_once.expires_at_height) == (TimeInForce.IOC, 1020)
        assert account.height == 1000


async def test_a_height_of_the_users_own_is_kept() -> None:
    """Up to the longest life, and above the chain."""
    venue = Chain()
    async with venue.living() as (_exchange, account):
        assert (await place(account, time_in_force="gtb", expires_at_height=1100)).expires_at_height == 1100
        assert (await place(account, time_in_force="fok", expires_at_height=1001)).expires_at_height == 1001


@pytest.mark.parametrize(
    ("height", "problem"),
    [
        (1000, "expires_at_height 1000 is not above 1000, the height of the chain"),
        (1101, r"expires_at_height 1101 is above 1100, the height of the chain \(1000\) and 100 blocks"),
    ],
)
async def test_a_height_that_no_order_may_have(height: int, problem: str) -> None:
    """It is refused with both numbers, and nothing is stored."""
    venue = Chain()
    async with venue.living() as (_exchange, account):
        with pytest.raises(RuleBroken, match=problem):
            await account.place(request(time_in_force="gtb", expires_at_height=height))
        assert not account.orders


async def test_the_height_is_asked_for_where_it_was_not_told_of_late() -> None:
    """A block told by the user stream spares the question; a few seconds later it is asked."""
    venue = Chain()
    async with venue.living() as (_exchange, account):
        await venue.tell(BlockHeight(1003))
        asked = venue.till.ops.count("height")
        assert (await place(account)).expires_at_height == 1023
        assert venue.till.ops.count("height") == asked
        venue.till.height = 1010
        await venue.clock.advance(FRESH + 1)
        assert (await place(account)).expires_at_height == 1030


async def test_without_a_height_nothing_is_placed() -> None:
    """The error is the venue's, and nothing was stored."""
    venue = Chain()
    venue.till.height = None
    async with venue.living() as (_exchange, account):
        with pytest.raises(VenueUnavailable):
            await account.place(request())
        assert not account.orders


async def test_elsewhere_orders_have_no_height() -> None:
    """A venue whose orders do not end so is not asked, and takes none."""
    venue = TradingVenue()
    async with venue.trading() as (_exchange, account):
        assert (await place(account)).expires_at_height is None
        assert "height" not in venue.till.ops
        with pytest.raises(RuleBroken, match="takes no expires_at_height"):
            await account.place(request(time_in_force="ioc", expires_at_height=7))


async def test_absence_is_final_above_the_height_though_no_block_is_told() -> None:
    """The height is asked for with each question."""
    venue = Chain()
    async with venue.living() as (_exchange, account):
        venue.till.broken["place_orders"] = SWALLOWED
        placement = await account.place(request())
        assert isinstance(placement, OrderUnknown)
        venue.till.height = 1020
        await venue.clock.advance(120.0)
        assert placement.order.state is OrderState.UNKNOWN
        venue.till.height = 1021
        await venue.until(lambda: placement.order.done)
        assert placement.order.state is OrderState.REJECTED


async def test_absence_is_judged_by_the_height_before_the_question() -> None:
    """The chain grows while the answer is on its way: "no such order" was said before the order expired."""
    venue = Chain()
    async with venue.living() as (_exchange, account):
        order = (await account.place(request())).order
        await venue.clock.advance(60.0)
        venue.till.height = 1019
        venue.till.broken["status"] = OrderNotFound("not now")
        del venue.till.orders[order.client_order_id]
        held = anyio.Event()
        venue.till.faults["fills"].append(held)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(account.reconcile)
            await venue.clock.settle()
            await venue.tell(BlockHeight(1021))
            held.set()
        assert not order.done
        await account.reconcile()
        assert order.done


async def test_a_batch_is_sent_again_as_it_was() -> None:
    """The answer to one resend of its bytes settles every order of it."""
    venue = TradingVenue()
    resolver = Resolver((Resolution.RESEND,), Absence())
    async with venue.trading(resolver=resolver) as (_exchange, account):
        venue.till.faults["place_orders"].append(LOST)
        placements = await account.place_many([request(), request(), request()])
        assert all(isinstance(each, OrderUnknown) for each in placements)
        await venue.until(lambda: all(each.order.state is OrderState.OPEN for each in placements))
        first, second = (each for each in venue.http.requests if each.label == "place_orders")
        assert (first.headers, first.body) == (second.headers, second.body)
        assert len(venue.till.orders) == 3


async def test_of_a_batch_sent_again_each_order_has_its_own_outcome() -> None:
    """One is refused by the venue, the others rest."""
    venue = TradingVenue()
    resolver = Resolver((Resolution.RESEND,), Absence())
    async with venue.trading(resolver=resolver) as (_exchange, account):
        venue.till.broken["place_orders"] = SWALLOWED
        orders = [each.order for each in await account.place_many([request(), request(), request()])]
        await venue.clock.settle()
        venue.till.refused[orders[1].client_order_id] = InsufficientFunds("no")
        venue.till.broken.clear()
        await venue.until(lambda: all(order.state is not OrderState.UNKNOWN for order in orders))
        assert [order.state for order in orders] == [OrderState.OPEN, OrderState.REJECTED, OrderState.OPEN]
