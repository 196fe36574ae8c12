"""Derivatives: funding and leverage, where they are claimed."""

from __future__ import annotations

from decimal import Decimal

from venuekit_spec import Capability, InstrumentKind, Side, VenueError
from venuekit_testkit.catalogue import DIALECT, ORDERS, Group, Unclaimed, check
from venuekit_testkit.scene import Scene, scene
from venuekit_testkit.subject import Subject


def _leverage(there: Scene, pair: str) -> Decimal | None:
    return there.engine.leverage(there.account_name, pair)


def perpetual(there: Scene) -> str:
    """A perpetual that is traded. Raises `Unclaimed` where there is none."""
    for pair in there.pairs:
        if there.exchange.instruments[pair].kind is InstrumentKind.PERPETUAL:
            return pair
    raise Unclaimed("its dialect lists no perpetual")


@check(Group.RECONCILING, Capability.FUNDING, ORDERS, DIALECT)
async def funding_is_the_venues(subject: Subject) -> None:
    """What a position paid and was paid for funding is what the venue says, with its sign.

    A short position at a rate that is positive, so it is paid; then at a negative one, so it pays. Amounts, oldest first, and
    none from before the instant that is asked for.
    """
    async with scene(subject, pairs=8) as there:
        pair = perpetual(there)
        there.somebody(Side.BUY, "0.001", 20, pair=pair)
        placed = await there.exchange.place(there.limit(Side.SELL, "-0.002", 10, pair=pair))
        await there.until(lambda: placed.order.complete, "the trade", 60.0)
        began = there.clock.now()
        for rate in ("0.001", "-0.002"):
            await there.clock.sleep(2.0)
            there.venue.did(
                lambda rate=rate: there.engine.pay_funding(pair, Decimal(rate), there.venue.venue_now)  # type: ignore[misc]
            )
        await there.clock.sleep(5.0)
        ours = [(each.instrument, each.amount) for each in await there.exchange.funding(began)]
        theirs = [(each.instrument, each.amount) for each in there.engine.funding(there.account_name, began)]
        assert ours == theirs, f"{ours} here, {theirs} at the venue"
        signs = {amount > 0 for _, amount in ours}
        assert signs == {True, False}, "what is paid is negative, what is received positive"
        assert not await there.exchange.funding(there.clock.now()), "payments of before were told"


@check(Group.RECONCILING, Capability.LEVERAGE, ORDERS, DIALECT)
async def leverage_is_set(subject: Subject) -> None:
    """A leverage that is set is the venue's, and one that it does not take is an error.

    Set to two; then to a million, after which it is two as before.
    """
    async with scene(subject, pairs=8) as there:
        pair = perpetual(there)
        await there.exchange.set_leverage(pair, 2)
        await there.clock.sleep(5.0)
        assert _leverage(there, pair) == 2, f"set to 2 it is {_leverage(there, pair)} at the venue"
        try:
            await there.exchange.set_leverage(pair, 1_000_000)
        except VenueError:
            pass  # as it should be
        else:
            raise AssertionError("the venue refused it, and nobody said so")
        assert _leverage(there, pair) == 2, f"it was 2, and is {_leverage(there, pair)} after a refusal"
