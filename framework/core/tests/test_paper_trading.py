"""Paper trading: orders meet the live tracked book, by the same calls as on a venue."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest
from framework.core.tests.venues import ToyVenue, toy

from venuekit import (
    Exchange,
    LocalError,
    OrderAccepted,
    OrderRejected,
    OrderState,
    PaperSettings,
    open_exchange,
)
from venuekit.pacing import PacerRegistry
from venuekit.trading import paper
from venuekit_spec import InsufficientFunds, VenueError

pytestmark = pytest.mark.anyio
PAIR = "P1-USD"


@asynccontextmanager
async def papered(venue: ToyVenue) -> AsyncIterator[Exchange]:
    """A paper account with 1000 USD on the toy venue, whose book is bid 1 at 100, asked 5 at 101."""
    async with open_exchange(
        toy(),
        pairs=[PAIR],
        clock=venue.clock,
        transports=venue.transports,
        pacers=PacerRegistry(),
        paper=PaperSettings(balances={"USD": "1000"}, fees="0.001"),
        seed=1,
    ) as exchange:
        await venue.until(lambda: exchange.books[PAIR].live)
        yield exchange


async def test_a_crossing_order_is_filled_from_the_live_book() -> None:
    """At the book's price, with fees, and the balances follow."""
    venue = ToyVenue([PAIR])
    async with papered(venue) as exchange:
        placement = await exchange.buy(PAIR, "2", "101")
        assert isinstance(placement, OrderAccepted)
        await venue.until(lambda: placement.order.complete)
        assert placement.order.state is OrderState.FILLED
        assert placement.order.average_price == 101
        held = {balance.asset: balance for balance in await exchange.balances()}
        assert held["USD"].total is not None
        assert held["USD"].total < Decimal(1000) - 2 * 101 + 1
        assert not any(request.method != "GET" for request in venue.http.requests)


async def test_a_resting_order_is_filled_when_the_market_reaches_it() -> None:
    """The book moves down to the price of the order."""
    venue = ToyVenue([PAIR])
    async with papered(venue) as exchange:
        order = (await exchange.buy(PAIR, "1", "99")).order
        assert not order.done
        venue.push(
            {"delta": PAIR, "first": 2, "last": 2, "bids": [["100", "0"]], "asks": [["99", "3"]]},
            venue.serving(f"book:{PAIR}"),
        )
        await venue.until(lambda: order.complete)
        assert order.state is OrderState.FILLED


async def test_an_order_is_cancelled_and_one_too_large_is_refused() -> None:
    """As on any venue."""
    venue = ToyVenue([PAIR])
    async with papered(venue) as exchange:
        order = (await exchange.buy(PAIR, "1", "99")).order
        await exchange.cancel(order)
        await venue.until(lambda: order.complete)
        assert order.state is OrderState.CANCELED
        refused = await exchange.buy(PAIR, "100", "99")
        assert isinstance(refused, OrderRejected)
        assert isinstance(refused.error, (InsufficientFunds, VenueError))


async def test_without_an_engine_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra that brings one."""
    monkeypatch.setattr(paper, "entry_points", lambda **_: ())
    venue = ToyVenue([PAIR])
    with pytest.raises(LocalError, match=r"venuekit\[paper\]"):
        async with papered(venue):
            pass
