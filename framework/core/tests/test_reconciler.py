"""Reconciling: after whatever was missed, the store says what the venue says."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import pytest
from attrs import evolve
from framework.core.tests.trading_venue import CLAIMS, CUT, LOST, PAIR, Resting, TradingVenue

from venuekit import (
    Account,
    Exchange,
    FillUndone,
    InFlightOrder,
    OrderRequest,
    OrderState,
    Reconciled,
    StrayOrder,
    StreamHole,
    Subscription,
    VirtualClock,
)
from venuekit.trading.reconciler import SILENCE
from venuekit_spec import Capability, Finality, Instant, OrderNotFound, OrderStatus, Side, StreamSequence

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Locks of this test are in a folder of its own."""
    monkeypatch.setenv("VENUEKIT_STATE", str(tmp_path))
    return tmp_path


def request() -> OrderRequest:
    """A limit order to buy one."""
    return OrderRequest(pair=PAIR, side=Side.BUY, quantity=1, price=100)


async def placed(account: Account) -> InFlightOrder:
    """An order that rests on the venue."""
    order = (await account.place(request())).order
    assert order.state is OrderState.OPEN
    return order


async def told(events: Subscription[Any], kind: type) -> list[Any]:
    """The events of one kind so far."""
    events.close()
    return [event async for event in events if isinstance(event, kind)]


async def test_what_happened_while_the_stream_was_away_is_found() -> None:
    """Filled meanwhile: complete, with its execution, once the stream is open again."""
    venue = TradingVenue()
    async with venue.trading() as (_exchange, account):
        order = await placed(account)
        venue.user_socket().cut()
        venue.till.trade(order.client_order_id, "1")
        await venue.until(lambda: order.complete)
        assert order.state is OrderState.FILLED


async def test_a_hole_in_the_stream_is_told_and_filled() -> None:
    """A number is missing: what it may have said is asked for."""
    venue = TradingVenue()
    async with venue.trading() as (exchange, account):
        order = await placed(account)
        venue.till.trade(order.client_order_id, "0.4")
        events = exchange.events()
        await venue.tell(StreamSequence(1), StreamSequence(3))
        await venue.clock.settle()
        assert order.state is OrderState.PARTIALLY_FILLED
        assert await told(events, StreamHole)


def undo(venue: TradingVenue, order: InFlightOrder) -> None:
    """The venue takes back all that was filled, and tells nobody."""
    resting = venue.till.orders[order.client_order_id]
    resting.fills.clear()
    resting.filled, resting.status = Decimal(0), OrderStatus.OPEN


@pytest.mark.parametrize("quantity", ["0.4", "1"])
async def test_a_fill_whose_end_was_missed_is_undone(quantity: str) -> None:
    """It was provisional, and neither the executions nor the order know of it any more: told once, and it counts no longer."""
    venue = TradingVenue()
    async with venue.trading() as (exchange, account):
        order = await placed(account)
        events = exchange.events()
        fill = venue.till.trade(order.client_order_id, quantity)
        await venue.tell(evolve(fill, finality=Finality.PROVISIONAL))
        assert order.filled == Decimal(quantity)
        undo(venue, order)
        await account.reconcile()
        await account.reconcile()
        assert (order.state, order.filled, order.fills) == (OrderState.OPEN, 0, ())
        assert [each.fill.key for each in await told(events, FillUndone)] == [fill.key]


async def test_an_end_that_was_undone_unseen() -> None:
    """Only the report came that it was filled, provisionally; what is asked later says that nothing is."""
    venue = TradingVenue()
    async with venue.trading() as (_exchange, account):
        order = await placed(account)
        venue.till.trade(order.client_order_id, "1")
        report = venue.till.orders[order.client_order_id].report
        await venue.tell(evolve(report, finality=Finality.PROVISIONAL))
        assert order.filled == 1
        undo(venue, order)
        await account.reconcile()
        assert (order.state, order.filled) == (OrderState.OPEN, 0)


async def test_a_fill_that_is_not_listed_yet_is_not_undone() -> None:
    """The venue says of the order that as much is filled: its executions lag."""
    venue = TradingVenue()
    async with venue.trading() as (_exchange, account):
        order = await placed(account)
        fill = venue.till.trade(order.client_order_id, "0.4")
        await venue.tell(evolve(fill, finality=Finality.PROVISIONAL))
        venue.till.orders[order.client_order_id].fills.clear()
        await account.reconcile()
        assert (order.filled, len(order.fills)) == (Decimal("0.4"), 1)


async def test_a_silent_stream_is_not_believed_while_orders_are_open() -> None:
    """After half a minute without any sign of life the venue is asked."""
    venue = TradingVenue()
    async with venue.trading() as (_exchange, account):
        order = await placed(account)
        venue.till.trade(order.client_order_id, "1")
        await venue.clock.advance(20.0)
        assert not order.done
        await venue.until(lambda: order.complete)


async def test_without_a_user_stream_the_venue_is_asked_from_time_to_time() -> None:
    """Orders and executions come by asking alone."""
    venue = TradingVenue()
    async with venue.trading(claims=CLAIMS - {Capability.USER_STREAM}) as (_exchange, account):
        order = await placed(account)
        venue.till.trade(order.client_order_id, "1")
        await venue.until(lambda: order.complete, limit=15.0)


async def test_an_order_that_is_over_is_complete_only_with_its_executions() -> None:
    """The report comes alone; the executions are asked for."""
    venue = TradingVenue()
    async with venue.trading() as (_exchange, account):
        order = await placed(account)
        venue.till.trade(order.client_order_id, "1")
        await venue.tell(venue.till.orders[order.client_order_id].report)
        assert order.done
        assert not order.complete
        await venue.until(lambda: order.complete, limit=10.0)


async def test_an_open_order_that_is_not_ours_is_told_once() -> None:
    """And not touched."""
    venue = TradingVenue()
    async with venue.trading() as (exchange, account):
        ours = await placed(account)
        stray = evolve(ours.intent, client_order_id="another's")
        venue.till.orders["another's"] = Resting(stray, "v99")
        events = exchange.events()
        await account.reconcile()
        await account.reconcile()
        assert len(await told(events, StrayOrder)) == 1
        assert "another's" not in account.orders
        assert venue.till.orders["another's"].status is OrderStatus.OPEN


async def test_an_order_that_the_venue_purged_is_cancelled_once_that_is_certain() -> None:
    """Right after the placement "no such order" may be a delay; later it is not."""
    venue = TradingVenue()
    async with venue.trading() as (_exchange, account):
        order = await placed(account)
        del venue.till.orders[order.client_order_id]
        await account.reconcile()
        assert not order.done
        await venue.clock.advance(11.0)
        await account.reconcile()
        assert order.state is OrderState.CANCELED
        assert order.complete


async def test_an_order_that_the_venue_has_forgotten_is_asked_for_again() -> None:
    """Once it was missed, nobody has to ask for another comparison: it is over within two minutes of the proof."""
    venue = TradingVenue()
    async with venue.trading() as (_exchange, account):
        order = await placed(account)
        del venue.till.orders[order.client_order_id]
        await account.reconcile()
        assert order.doubt
        await venue.until(lambda: order.complete, 120.0)
        assert order.state is OrderState.CANCELED


async def test_a_missing_order_may_be_found_again() -> None:
    """What the venue had mislaid for a moment is no longer in doubt once it is listed."""
    venue = TradingVenue()
    async with venue.trading() as (_exchange, account):
        order = await placed(account)
        mislaid = venue.till.orders.pop(order.client_order_id)
        await account.reconcile()
        venue.till.orders[order.client_order_id] = mislaid
        await venue.until(lambda: not order.doubt, 30.0)
        assert order.state is OrderState.OPEN


async def test_an_outage_fails_no_order() -> None:
    """Minutes in which nothing can be asked; then everything is right."""
    venue = TradingVenue()
    async with venue.trading() as (_exchange, account):
        resting, filled = await placed(account), await placed(account)
        for op in ("status", "open_orders", "fills", "balances"):
            venue.till.broken[op] = CUT
        venue.user_socket().cut()
        venue.till.trade(filled.client_order_id, "1")
        await venue.clock.advance(300.0)
        assert not resting.done
        assert not filled.done
        venue.till.broken.clear()
        await venue.until(lambda: filled.complete)
        assert resting.state is OrderState.OPEN


async def test_what_cannot_be_asked_costs_that_question_alone() -> None:
    """One order cannot be asked for, the other is found cancelled; the failure is told and tried again."""
    venue = TradingVenue()
    async with venue.trading() as (exchange, account):
        orders = [await placed(account), await placed(account)]
        for order in orders:
            venue.till.orders[order.client_order_id].status = OrderStatus.CANCELED
        venue.till.faults["status"].append(LOST)
        events = exchange.events()
        await account.reconcile()
        assert sorted(order.done for order in orders) == [False, True]
        await venue.until(lambda: all(order.complete for order in orders))
        reconciled = await told(events, Reconciled)
        assert [len(event.failures) for event in reconciled[:2]] == [1, 0]


async def test_an_order_younger_than_the_question_is_not_judged_by_it() -> None:
    """The list of open orders was made before the order was placed."""
    venue = TradingVenue()
    async with venue.trading() as (_exchange, account):
        await venue.clock.advance(60.0)
        held = anyio.Event()
        venue.till.faults["open_orders"].append(held)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(account.reconcile)
            await venue.clock.settle()
            order = await placed(account)
            venue.till.broken["status"] = OrderNotFound("not yet")
            held.set()
            await venue.clock.settle()
            assert order.state is OrderState.OPEN


async def test_comparisons_asked_for_at_once_are_one() -> None:
    """While one is under way, all further wishes are the next."""
    venue = TradingVenue()
    async with venue.trading() as (_exchange, account):
        before = venue.till.ops.count("open_orders")
        held = anyio.Event()
        venue.till.faults["open_orders"].append(held)
        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(account.reconcile)
                await venue.clock.settle()
            held.set()
        assert venue.till.ops.count("open_orders") - before == 2


async def test_nothing_is_left_when_the_exchange_is_closed() -> None:
    """Neither socket nor request; what happened is told to the end."""
    venue = TradingVenue()
    exchange: Exchange
    async with venue.trading() as (exchange, account):
        await placed(account)
        events = exchange.events()
        await account.reconcile()
    assert all(socket.closed for socket in venue.websockets.sockets)
    assert any(isinstance(event, Reconciled) for event in [event async for event in events])


@pytest.mark.parametrize("claims", [CLAIMS, CLAIMS - {Capability.USER_STREAM}])
async def test_an_idle_hour_is_cheap(claims: frozenset[Capability], monkeypatch: pytest.MonkeyPatch) -> None:
    """With orders open and nothing happening, nobody wakes up much oftener than the venue has to be asked."""
    venue = TradingVenue()
    async with venue.trading(claims=claims) as (_exchange, account):
        await placed(account)
        wakes, sleep_until = 0, VirtualClock.sleep_until

        async def counted(clock: VirtualClock, instant: Instant) -> None:
            nonlocal wakes
            wakes += 1
            await sleep_until(clock, instant)

        monkeypatch.setattr(VirtualClock, "sleep_until", counted)
        asked = venue.till.ops.count("open_orders")
        await venue.clock.advance(3600.0)
        asked = venue.till.ops.count("open_orders") - asked
        assert 100 <= asked <= 360
        assert wakes <= 2 * asked + 3600 / 10 + 100


async def test_an_order_that_must_be_asked_for_wakes_the_watch() -> None:
    """After an idle hour, an order that is over without its executions is asked for within seconds."""
    venue = TradingVenue()
    async with venue.trading(claims=CLAIMS) as (_exchange, account):
        order = await placed(account)
        for _ in range(360):
            await venue.clock.advance(10.0)
            venue.user_socket().beat()
        venue.till.trade(order.client_order_id, "1")
        await venue.tell(venue.till.orders[order.client_order_id].report)
        assert not order.complete
        await venue.until(lambda: order.complete, limit=5.0)


async def test_a_first_order_wakes_the_watch() -> None:
    """Nothing was open for an hour; now a silent stream is noticed within its limit."""
    venue = TradingVenue()
    async with venue.trading(claims=CLAIMS) as (exchange, account):
        await venue.clock.advance(3600.0)
        await placed(account)
        events = exchange.events()
        await venue.clock.advance(SILENCE + 1.0)
        assert [event.reason for event in await told(events, Reconciled)] == ["the user stream is silent"]
