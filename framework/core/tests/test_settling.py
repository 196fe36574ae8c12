"""Settling: an unknown outcome becomes what the venue holds, and absence counts only where it is final."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from framework.core.tests.trading_venue import CUT, LOST, PAIR, TradingVenue

from venuekit import Account, InFlightOrder, OrderRequest, OrderState, OrderUnknown, SqliteOrderStore
from venuekit.orders import OrderTracker
from venuekit_spec import (
    SECOND,
    Absence,
    BlockHeight,
    InsufficientFunds,
    NetworkError,
    NewOrder,
    NonceRefused,
    OrderNotFound,
    Resolution,
    Resolver,
    Side,
    VenueUnavailable,
    seconds_between,
)

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Locks of this test are in a folder of its own."""
    monkeypatch.setenv("VENUEKIT_STATE", str(tmp_path))
    return tmp_path


SWALLOWED = NetworkError("it never arrived", venue="toy")
"""Met by the request before the venue has it, though nobody can know."""


async def unknown(account: Account, **more: Any) -> InFlightOrder:
    """An order whose placement ended without an answer."""
    asked: dict[str, Any] = {"pair": PAIR, "side": Side.BUY, "quantity": "1", "price": "100"} | more
    placement = await account.place(OrderRequest(**asked))
    assert isinstance(placement, OrderUnknown)
    return placement.order


async def test_absence_is_a_proof_only_after_its_time() -> None:
    """Until then "no such order" may be a delay; afterwards the order never reached the venue."""
    venue = TradingVenue()
    async with venue.trading() as (_exchange, account):
        venue.till.broken["place_orders"] = SWALLOWED
        order = await unknown(account)
        await venue.clock.advance(9.0)
        assert not order.done
        await venue.until(lambda: order.done)
        assert order.state is OrderState.REJECTED
        assert order.reason == "never reached the venue"


@pytest.mark.parametrize("error", [CUT, VenueUnavailable("down")])
async def test_a_network_failure_is_never_no_such_order(error: NetworkError) -> None:
    """Minutes without an answer ends nothing; when the way is open again the order is found."""
    venue = TradingVenue()
    async with venue.trading() as (_exchange, account):
        for op in ("status", "open_orders", "fills"):
            venue.till.broken[op] = error
        venue.till.faults["place_orders"].append(LOST)
        order = await unknown(account)
        await venue.clock.advance(300.0)
        assert not order.done
        venue.till.broken.clear()
        await venue.until(lambda: order.state is OrderState.OPEN)


async def test_absence_needs_the_executions_too() -> None:
    """While they cannot be asked for nothing is proven."""
    venue = TradingVenue()
    async with venue.trading() as (_exchange, account):
        venue.till.broken |= {"place_orders": SWALLOWED, "fills": LOST}
        order = await unknown(account)
        await venue.clock.advance(120.0)
        assert not order.done
        del venue.till.broken["fills"]
        await venue.until(lambda: order.done)


async def test_an_execution_proves_an_order_that_its_query_does_not_find() -> None:
    """The venue finds open orders only; this one is filled already."""
    venue = TradingVenue()
    async with venue.trading() as (_exchange, account):
        venue.till.faults["place_orders"].append(LOST)
        venue.till.broken["status"] = OrderNotFound("not open")
        order = await unknown(account)
        venue.till.trade(order.client_order_id, "1")
        await venue.until(lambda: order.done)
        assert order.state is OrderState.FILLED


async def test_a_deadline_makes_absence_final() -> None:
    """Two seconds beyond the deadline that the order carried."""
    venue = TradingVenue()
    resolver = Resolver((Resolution.ASK,), Absence(after_deadline=2.0))
    async with venue.trading(resolver=resolver) as (_exchange, account):
        venue.till.broken["place_orders"] = SWALLOWED
        order = await unknown(account, deadline=venue.clock.now() + 20 * SECOND)
        await venue.clock.advance(21.0)
        assert not order.done
        await venue.until(lambda: order.done)
        assert order.state is OrderState.REJECTED


async def test_a_height_makes_absence_final() -> None:
    """Once the chain is above the height at which the order expired."""
    venue = TradingVenue()
    resolver = Resolver((Resolution.ASK,), Absence(above_expiry_height=True))
    async with venue.trading(resolver=resolver) as (_exchange, account):
        venue.till.broken["place_orders"] = SWALLOWED
        order = await unknown(account, time_in_force="gtb", expires_at_height=7)
        await venue.tell(BlockHeight(7))
        await venue.clock.advance(120.0)
        assert not order.done
        await venue.tell(BlockHeight(8))
        await venue.until(lambda: order.done)
        assert order.state is OrderState.REJECTED


async def test_the_identical_bytes_are_sent_again() -> None:
    """Body and signature are those of the first attempt; the answer settles the order."""
    venue = TradingVenue()
    resolver = Resolver((Resolution.RESEND,), Absence())
    async with venue.trading(resolver=resolver) as (_exchange, account):
        venue.till.faults["place_orders"].append(SWALLOWED)
        order = await unknown(account)
        await venue.until(lambda: order.state is OrderState.OPEN)
        first, second = (each for each in venue.http.requests if each.label == "place_orders")
        assert (first.method, first.url, first.headers, first.body) == (
            second.method,
            second.url,
            second.headers,
            second.body,
        )


async def test_a_refusal_of_the_bytes_sent_again_is_believed_unless_they_were_used() -> None:
    """A used nonce says that the first attempt arrived; a lack of funds that none did."""
    venue = TradingVenue()
    resolver = Resolver((Resolution.RESEND,), Absence())
    async with venue.trading(resolver=resolver) as (_exchange, account):
        venue.till.broken["place_orders"] = SWALLOWED
        order = await unknown(account)
        venue.till.broken.clear()
        venue.till.on_place = lambda order: venue.till.refused.update(
            {order.client_order_id: NonceRefused("used")}
        )
        await venue.clock.advance(60.0)
        assert not order.done
        venue.till.on_place = lambda order: venue.till.refused.update(
            {order.client_order_id: InsufficientFunds("no")}
        )
        await venue.until(lambda: order.done)
        assert order.state is OrderState.REJECTED


async def test_a_burned_nonce_makes_absence_final() -> None:
    """The order cannot land any more: that it is not there is a proof."""
    venue = TradingVenue()
    resolver = Resolver((Resolution.ASK, Resolution.BURN_NONCE), Absence())
    async with venue.trading(resolver=resolver) as (_exchange, account):
        venue.till.broken |= {"place_orders": SWALLOWED, "burn_nonce": LOST}
        order = await unknown(account)
        assert order.nonce is not None
        await venue.clock.advance(120.0)
        assert not order.done
        del venue.till.broken["burn_nonce"]
        await venue.until(lambda: order.done)
        assert order.state is OrderState.REJECTED


async def test_one_order_that_cannot_be_settled_delays_no_other() -> None:
    """Each has a task of its own."""
    venue = TradingVenue()
    async with venue.trading() as (_exchange, account):
        venue.till.faults["place_orders"] += [LOST, LOST]
        stuck = await unknown(account)
        del venue.till.orders[stuck.client_order_id]
        other = await unknown(account)
        await venue.until(lambda: other.state is OrderState.OPEN, limit=5.0)
        assert stuck.state is OrderState.UNKNOWN


async def test_the_question_that_counts_is_asked_when_absence_becomes_final() -> None:
    """Ten seconds after the order was sent, however long the pauses have become by then."""
    venue = TradingVenue()
    async with venue.trading() as (_exchange, account):
        venue.till.broken["place_orders"] = SWALLOWED
        sent = venue.clock.now()
        order = await unknown(account)
        await venue.until(lambda: order.done)
        assert 10.0 <= seconds_between(sent, venue.clock.now()) < 10.01


async def test_a_height_that_makes_absence_final_is_acted_upon_at_once() -> None:
    """The block above the order's expiry brings the question, no clock does."""
    venue = TradingVenue()
    resolver = Resolver((Resolution.ASK,), Absence(above_expiry_height=True))
    async with venue.trading(resolver=resolver) as (_exchange, account):
        venue.till.broken["place_orders"] = SWALLOWED
        await venue.tell(BlockHeight(5))
        order = await unknown(account, time_in_force="gtb", expires_at_height=7)
        await venue.clock.advance(60.0)
        assert not order.done
        await venue.tell(BlockHeight(8))
        assert order.state is OrderState.REJECTED


@pytest.fixture
async def store() -> AsyncIterator[SqliteOrderStore]:
    """A store in memory that outlives the exchanges of a test."""
    made = SqliteOrderStore()
    await made.open()
    yield made
    await made.aclose()


async def left_behind(store: SqliteOrderStore, account: str, venue: TradingVenue, *, noted: bool) -> str:
    """The id of an order that a process stored before it ended; no byte of it had left."""
    tracker = OrderTracker(account, store, lambda _event: None, venue.clock)
    intent = NewOrder(PAIR, Side.BUY, Decimal(1), "left", price=Decimal(100))
    await tracker.submit([intent], noted=noted)
    return "left"


@pytest.mark.parametrize("step", [Resolution.RESEND, Resolution.BURN_NONCE])
async def test_what_never_left_is_known_at_once_after_a_restart(
    store: SqliteOrderStore, step: Resolution
) -> None:
    """Sending would be on disk: that it is not proves that the venue never had the order, and it is asked for nothing."""
    venue = TradingVenue()
    resolver = Resolver((Resolution.ASK, step), Absence(above_expiry_height=True))
    async with venue.trading(resolver=resolver, store=store) as (_exchange, account):
        id_ = account.id
        stored = (await account.buy(PAIR, "1", "100")).order
        assert stored.noted
    await left_behind(store, id_, venue, noted=True)
    async with venue.trading(resolver=resolver, store=store) as (_exchange, account):
        order = account.order("left")
        assert (order.state, order.reason, order.complete) == (
            OrderState.REJECTED,
            "never reached the venue",
            True,
        )
        assert "status" not in venue.till.ops


async def test_what_may_have_left_is_asked_for_after_a_restart(store: SqliteOrderStore) -> None:
    """Where sending is written behind, that it is not on disk proves nothing."""
    venue = TradingVenue()
    async with venue.trading(store=store) as (_exchange, account):
        id_ = account.id
    await left_behind(store, id_, venue, noted=False)
    async with venue.trading(store=store) as (_exchange, account):
        order = account.order("left")
        assert order.state is OrderState.UNKNOWN
        await venue.until(lambda: order.done)
        assert "status" in venue.till.ops


async def test_bytes_on_disk_are_sent_after_a_restart(store: SqliteOrderStore) -> None:
    """A process that ended between the note and the first byte: the next one sends them, at once and as they are."""
    venue = TradingVenue()
    resolver = Resolver((Resolution.ASK, Resolution.RESEND), Absence(above_expiry_height=True))
    async with venue.trading(resolver=resolver, store=store) as (_exchange, account):
        venue.till.broken["place_orders"] = SWALLOWED
        order = await unknown(account)
    venue.till.broken.clear()
    first = next(each for each in venue.http.requests if each.label == "place_orders")
    began = venue.clock.now()
    async with venue.trading(resolver=resolver, store=store) as (_exchange, account):
        again = account.order(order.client_order_id)
        await venue.clock.settle()
        assert again.state is OrderState.OPEN
        assert venue.clock.now() == began
    second = next(each for each in reversed(venue.http.requests) if each.label == "place_orders")
    assert (first.url, first.headers, first.body) == (second.url, second.headers, second.body)
