"""The user's own orders in a book of orders: marked while they are open, of all accounts together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from framework.core.tests.order_feeds import DONE, OPEN, event
from framework.core.tests.test_order_entry import NEXT, OrderSource
from framework.core.tests.trading_venue import ASK, CLAIMS, KEY, PAIR, StreamingConnector, TradingVenue
from framework.core.tests.venues import SOCKET

from venuekit import Credentials, Exchange, InFlightOrder, connect, open_exchange
from venuekit.pacing import PacerRegistry
from venuekit_spec import Channel, OrderReport, Side, TopicRule, hookimpl

pytestmark = pytest.mark.anyio

BID = Decimal(100)


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Locks of this test are in a folder of its own."""
    monkeypatch.setenv("VENUEKIT_STATE", str(tmp_path))
    return tmp_path


class TradedOrders(StreamingConnector):
    """A venue that trades and tells its book order by order."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        rule = TopicRule(Channel.ORDERS, sync=NEXT)
        self._description = evolve(self._description, topics=(*self._description.topics, rule))

    @hookimpl
    def data_source(self, environment: Any) -> OrderSource:
        return OrderSource(SOCKET)


class OrderVenue(TradingVenue):
    """Tells the orders of its account in the book, too: each is the last of its price."""

    def __init__(self) -> None:
        super().__init__()
        self._last = 1

    def shows(self, *orders: InFlightOrder, action: Any = OPEN) -> None:
        """The book tells of these."""
        for order in orders:
            self._last += 1
            told = event(
                action, order.order_id, side=order.intent.side, price="100", size="1", last=self._last
            )
            self.push({"events": [told]}, self.serving(f"orders:{PAIR}"))

    @asynccontextmanager
    async def open(self, **more: Any) -> AsyncIterator[Exchange]:
        """An exchange with the book of orders, live."""
        given: dict[str, Any] = {"credentials": KEY, "store": ":memory:"} | more
        async with open_exchange(
            connect(TradedOrders(self.till, CLAIMS, ASK, None), "toy"),
            pairs=[PAIR],
            channels=["orders"],
            clock=self.clock,
            transports=self.transports,
            pacers=PacerRegistry(),
            seed=1,
            **given,
        ) as exchange:
            await self.until(lambda: exchange.order_books[PAIR].live)
            yield exchange


async def test_own_orders_are_marked_while_they_are_open() -> None:
    """Own size of the level and place in the queue; a cancelled order is nobody's."""
    venue = OrderVenue()
    async with venue.open() as exchange:
        book = exchange.order_books[PAIR]
        first = (await exchange.buy(PAIR, "1", "100")).order
        second = (await exchange.buy(PAIR, "1", "100")).order
        venue.shows(first, second)
        await venue.settle()
        assert (book.own_size(Side.BUY, BID), book.size_at(Side.BUY, BID)) == (2, 3)
        assert [order.order_id for order in book.own_orders] == [first.order_id, second.order_id]
        assert (book.queue_ahead(first.order_id), book.queue_ahead(second.order_id)) == (1, 2)
        await exchange.cancel(first)
        assert book.own_size(Side.BUY, BID) == 1
        venue.shows(first, action=DONE)
        await venue.settle()
        assert book.queue_ahead(second.order_id) == 1


async def test_own_orders_of_all_accounts_are_marked() -> None:
    """An order of the second account does not unmark that of the first."""
    venue = OrderVenue()
    keys = {"one": KEY, "two": Credentials(KEY.fields, account="second")}
    async with venue.open(credentials=keys) as exchange:
        orders = [(await exchange.account(name).buy(PAIR, "1", "100")).order for name in keys]
        venue.shows(*orders)
        await venue.settle()
        assert exchange.order_books[PAIR].own_size(Side.BUY, BID) == 2
        await exchange.cancel(orders[1])
        assert exchange.order_books[PAIR].own_size(Side.BUY, BID) == 1


async def test_own_orders_of_an_earlier_process_are_marked(tmp_path: Path) -> None:
    """They come out of the store."""
    venue, more = OrderVenue(), {"store": tmp_path / "orders.sqlite"}
    async with venue.open(**more) as exchange:
        order = (await exchange.buy(PAIR, "1", "100")).order
    venue.http.closed = False
    async with venue.open(**more) as exchange:
        venue.shows(order)
        await venue.settle()
        assert exchange.order_books[PAIR].own_size(Side.BUY, BID) == 1


async def test_an_order_keeps_its_mark_under_another_id() -> None:
    """An amendment gives it another id; the book may tell of either."""
    venue = OrderVenue()
    async with venue.open() as exchange:
        order = (await exchange.buy(PAIR, "1", "100")).order
        await venue.tell(
            OrderReport(PAIR, order_id="v9", replaces=order.order_id, client_order_id=order.client_order_id)
        )
        venue.shows(order)
        await venue.settle()
        assert order.order_id == "v9"
        assert exchange.order_books[PAIR].own_size(Side.BUY, BID) == 1


async def test_orders_on_paper_are_in_no_book() -> None:
    """Their ids are those of the market on this machine, and may be those of strangers in the book."""
    venue = OrderVenue()
    async with venue.open(credentials=None, store=None, paper=True) as exchange:
        order = (await exchange.buy(PAIR, "1", "99")).order
        assert order.order_id
        assert not exchange.order_books[PAIR].own_orders
        assert not exchange.order_books[PAIR].sides.own_ids
