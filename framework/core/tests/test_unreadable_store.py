"""A store that cannot be read for a while: told, and what came meanwhile is taken in afterwards; nothing ends of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest
from attrs import evolve
from framework.core.tests.trading_venue import PAIR, Resting, TradingVenue

from venuekit import Account, OrderState, SqliteOrderStore, StoreError, StrayOrder
from venuekit.orders import StoredOrder, StoreFailing
from venuekit_spec import NewOrder, OrderStatus, Side

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Locks of this test are in a folder of its own."""
    monkeypatch.setenv("VENUEKIT_STATE", str(tmp_path))
    return tmp_path


class Unreadable(SqliteOrderStore):
    """It cannot be read while `broken`."""

    broken = False

    def load(self, account: str, client_order_id: str) -> StoredOrder | None:
        """Fails while it is broken."""
        self._look()
        return super().load(account, client_order_id)

    def find(self, account: str, order_id: str, instrument: str = "") -> StoredOrder | None:
        """Fails while it is broken."""
        self._look()
        return super().find(account, order_id, instrument)

    def _look(self) -> None:
        if self.broken:
            raise StoreError("the disk is gone")


@pytest.fixture
async def store() -> AsyncIterator[Unreadable]:
    """Such a store, which outlives the exchanges of a test."""
    made = Unreadable()
    await made.open()
    yield made
    await made.aclose()


STRANGER = Resting(NewOrder(PAIR, Side.SELL, Decimal(1), "stranger", price=Decimal(200)), "v999")


async def finished(account: Account, venue: TradingVenue) -> str:
    """The client order id of an order that is complete."""
    order = (await account.buy(PAIR, "1", "100")).order
    await venue.tell(
        venue.till.trade(order.client_order_id, "1"), venue.till.orders[order.client_order_id].report
    )
    assert order.complete
    return order.client_order_id


async def test_the_stream_goes_on_and_late_words_count_afterwards(store: Unreadable) -> None:
    """A fill of an order of an earlier process comes while its record cannot be read: told once, and counted later."""
    venue = TradingVenue()
    async with venue.trading(store=store) as (_exchange, account):
        id_ = await finished(account, venue)
    fill = venue.till.orders[id_].fills[0]
    async with venue.trading(store=store) as (exchange, account):
        events, dials = exchange.events(), len(venue.websockets.sockets)
        store.broken = True
        await venue.tell(evolve(fill, key="late"), evolve(fill, key="later"))
        assert len(venue.websockets.sockets) == dials
        await venue.clock.advance(30.0)
        store.broken = False
        await venue.clock.advance(60.0)
        order = account.order(id_)
        assert [each.key for each in order.fills] == [fill.key, "late", "later"]
        events.close()
        told = [event async for event in events if isinstance(event, StoreFailing)]
        assert [str(event.error) for event in told] == ["the disk is gone"]


async def test_the_reconciler_goes_on(store: Unreadable) -> None:
    """An order that is not ours cannot be told apart meanwhile: the comparison says why, is made again, and tells it then."""
    venue = TradingVenue()
    async with venue.trading(store=store) as (exchange, account):
        order = (await account.buy(PAIR, "1", "100")).order
        events = exchange.events()
        venue.till.orders["stranger"] = STRANGER
        store.broken = True
        venue.till.orders[order.client_order_id].status = OrderStatus.CANCELED
        await account.reconcile()
        assert order.state is OrderState.CANCELED
        store.broken = False
        await venue.clock.advance(120.0)
        events.close()
        strays = [event.report async for event in events if isinstance(event, StrayOrder)]
        assert [report.order_id for report in strays] == ["v999"]
