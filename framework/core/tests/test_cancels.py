"""Cancels that come to nothing: none leaves an order between two states."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import pytest
from attrs import evolve
from framework.core.tests.trading_venue import CLAIMS, CUT, LOST, PAIR, Till, TradingVenue

from venuekit import Account, InFlightOrder, OrderAccepted, OrderState, OrderUpdate
from venuekit.orders.patches import CANCEL_VANISHED
from venuekit_spec import (
    Accepted,
    Capability,
    Finality,
    OrderRef,
    OrderReport,
    OrderStatus,
    Placed,
    RateLimited,
    VenueError,
)

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Locks of this test are in a folder of its own."""
    monkeypatch.setenv("VENUEKIT_STATE", str(tmp_path))
    return tmp_path


async def resting(account: Account) -> InFlightOrder:
    """An order that rests on the venue."""
    order = (await account.buy(PAIR, "1", "100")).order
    assert order.state is OrderState.OPEN
    return order


@pytest.mark.parametrize("error", [CUT, LOST, RateLimited("slow down")])
async def test_cancelling_all_that_fails_leaves_no_order_being_cancelled(error: VenueError) -> None:
    """Whether it never arrived or nobody knows: the venue says what is open, and so it is here."""
    venue = TradingVenue()
    async with venue.trading() as (_exchange, account):
        orders = [await resting(account) for _ in range(2)]
        venue.till.broken["cancel_all"] = error
        with pytest.raises(type(error)):
            await account.cancel_all()
        assert not any(order.cancel_requested for order in orders)
        await venue.until(lambda: all(order.state is OrderState.OPEN for order in orders), limit=5.0)
        venue.till.broken.clear()
        await account.cancel_all()
        assert all(order.state is OrderState.CANCELED for order in orders)


class Forgetful(Till):
    """A venue that takes cancels, and loses them with whatever else was waiting there."""

    def __init__(self) -> None:
        super().__init__()
        self.finality = Finality.FINAL

    def on_cancel(self, refs: Sequence[OrderRef]) -> Sequence[Placed]:
        """Taken, and nothing happens."""
        reports = [self.orders[ref.client_order_id].report for ref in refs]
        return [Accepted(evolve(report, status=OrderStatus.CANCELING)) for report in reports]

    def on_cancel_all(self, instruments: Collection[str] | None) -> Sequence[str]:
        """Taken, and nothing happens."""
        return []

    def on_open_orders(self, instruments: Collection[str] | None) -> Sequence[OrderReport]:
        """As final as it is at the moment."""
        return [evolve(report, finality=self.finality) for report in super().on_open_orders(instruments)]


@pytest.mark.parametrize("all_", [False, True])
async def test_a_cancel_that_the_venue_lost_is_no_cancel(all_: bool) -> None:
    """The venue took it and still says for good that the order is open: so it is, the user is told, and may cancel again."""
    venue = TradingVenue()
    venue.till = till = Forgetful()
    async with venue.trading() as (exchange, account):
        order = await resting(account)
        if all_:
            await account.cancel_all()
        else:
            assert isinstance(await account.cancel(order), OrderAccepted)
        assert (order.state, order.cancel_requested) == (OrderState.CANCELING, True)
        events = exchange.events()
        await account.reconcile()
        assert order.cancel_requested  # it may still be carried out
        till.finality = Finality.PROVISIONAL
        await venue.clock.advance(30.0)
        assert order.cancel_requested  # it may be that only a block was taken back
        till.finality = Finality.FINAL
        await venue.until(lambda: not order.cancel_requested)
        assert order.state is OrderState.OPEN
        events.close()
        told = [event async for event in events if isinstance(event, OrderUpdate)]
        assert (told[-1].state, told[-1].reason) == (OrderState.OPEN, CANCEL_VANISHED)


async def test_a_cancel_that_takes_effect_brings_no_question() -> None:
    """The stream says that the order is over before it would be asked for."""
    claims = CLAIMS - {Capability.CANCEL_ALL}
    venue = TradingVenue()
    venue.till = Forgetful()
    async with venue.trading(claims=claims) as (_exchange, account):
        order = await resting(account)
        await account.cancel(order)
        asked = venue.till.ops.count("open_orders")
        await venue.clock.advance(1.0)
        venue.till.orders[order.client_order_id].status = OrderStatus.CANCELED
        await venue.tell(venue.till.orders[order.client_order_id].report)
        await venue.clock.advance(20.0)
        assert order.state is OrderState.CANCELED
        assert venue.till.ops.count("open_orders") == asked
