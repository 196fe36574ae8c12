"""Positions, leverage and funding: told by the stream, asked for, told once."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from framework.core.tests.trading_venue import CLAIMS, LOST, PAIR, TradingVenue

from venuekit import FundingPaid, LocalError, PositionUpdate, Reconciled, Subscription
from venuekit_spec import Capability, FundingPayment, Position, UnknownInstrument, Unsupported

pytestmark = pytest.mark.anyio

DERIVATIVES = CLAIMS | {Capability.POSITIONS, Capability.LEVERAGE, Capability.FUNDING}


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Locks of this test are in a folder of its own."""
    monkeypatch.setenv("VENUEKIT_STATE", str(tmp_path))
    return tmp_path


async def told(events: Subscription[Any], kind: type) -> list[Any]:
    """The events of one kind so far."""
    events.close()
    return [event async for event in events if isinstance(event, kind)]


def position(quantity: str, **more: Any) -> Position:
    """A position of so much."""
    return Position(PAIR, Decimal(quantity), **more)


def payment(key: str, time: int = 0) -> FundingPayment:
    """A cent of funding."""
    return FundingPayment(key, PAIR, "USD", Decimal("0.01"), time=time)


async def test_positions_are_asked_for_and_told() -> None:
    """With each comparison; the stream's are newer; one that is flat is gone."""
    venue = TradingVenue()
    venue.till.positions = [position("2", entry_price=Decimal(99), leverage=Decimal(3))]
    async with venue.trading(claims=DERIVATIVES) as (exchange, account):
        await account.wait_ready()
        assert account.holdings.positions[PAIR].quantity == 2
        events = exchange.events()
        await venue.tell(position("5"))
        held = account.holdings.positions[PAIR]
        assert (held.quantity, held.leverage) == (5, 3)
        await venue.tell(position("5"))
        await venue.tell(position("0"))
        assert PAIR not in account.holdings.positions
        quantities = [event.position.quantity for event in await told(events, PositionUpdate)]
        assert quantities == [5, 0]
        venue.till.positions = []
        assert await exchange.positions() == []


async def test_leverage_is_set() -> None:
    """The next look at the positions shows it; what is no leverage is refused here."""
    venue = TradingVenue()
    venue.till.positions = [position("2")]
    async with venue.trading(claims=DERIVATIVES) as (exchange, account):
        await exchange.set_leverage(PAIR, "5")
        await account.positions()
        assert account.holdings.positions[PAIR].leverage == 5
        with pytest.raises(LocalError, match="above zero"):
            await account.set_leverage(PAIR, 0)
        with pytest.raises(UnknownInstrument):
            await account.set_leverage("P9-USD", 2)
        assert venue.till.ops.count("set_leverage") == 1


async def test_funding_is_told_once() -> None:
    """By the stream, twice, and found again by the next comparison."""
    venue = TradingVenue()
    async with venue.trading(claims=DERIVATIVES) as (exchange, account):
        await account.wait_ready()
        events = exchange.events()
        await venue.tell(payment("a"), payment("a"))
        venue.till.payments = [payment("a", venue.clock.now()), payment("b", venue.clock.now())]
        await account.reconcile()
        await account.reconcile()
        assert [event.payment.key for event in await told(events, FundingPaid)] == ["a", "b"]
        assert [each.key for each in await exchange.funding(0)] == ["a", "b"]


async def test_funding_that_could_not_be_had_is_asked_for_again() -> None:
    """Nothing is missed by a failure, however long it lasts."""
    venue = TradingVenue()
    async with venue.trading(claims=DERIVATIVES) as (exchange, account):
        await account.wait_ready()
        events = exchange.events()
        venue.till.payments = [payment("a", venue.clock.now())]
        venue.till.broken["funding"] = LOST
        await account.reconcile()
        await venue.clock.advance(600.0)
        venue.till.broken.clear()
        await account.reconcile()
        assert [event.payment.key for event in await told(events, FundingPaid)] == ["a"]


async def test_a_venue_without_derivatives() -> None:
    """It is not asked, and says so."""
    venue = TradingVenue()
    async with venue.trading() as (exchange, account):
        events = exchange.events()
        await account.reconcile()
        for ask in (account.positions(), account.funding(0), account.set_leverage(PAIR, 2)):
            with pytest.raises(Unsupported):
                await ask
        assert {"positions", "funding", "set_leverage"}.isdisjoint(venue.till.ops)
        assert not (await told(events, Reconciled))[0].failures
