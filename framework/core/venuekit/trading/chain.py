"""The chain of a venue: how high it is, and the life that orders have where each of them ends at a height.

1. The height is the highest that the venue told: on the user stream, else when it is asked. One that was told more than `FRESH`
   seconds ago is asked for again before anything is judged by it.
2. Where every order expires by height (`Description.order_life`) an order that names none gets one before it is stored: the
   chain's height and the venue's usual number of blocks. "Until cancelled" can only mean "until that height" there, so such an
   order is stored as `TimeInForce.GTB`; one that is over at once keeps its time in force.
3. A height of the user's own is not changed. One that has passed, or lies beyond the longest life, is refused.
"""

from __future__ import annotations

from typing import Final

import anyio
from attrs import evolve

from venuekit.trading.desk import Desk
from venuekit.trading.requests import OrderRequest
from venuekit.trading.rules import check_height
from venuekit_spec import (
    BlockHeight,
    Instant,
    OrderLife,
    Seconds,
    TimeInForce,
    VenuekitError,
    seconds_between,
)

FRESH: Final[Seconds] = 3.0
"""How long a height may have been told ago."""


class Chain:
    """The height of one account's chain. `life`: how long orders live, None where they do not end by height."""

    def __init__(self, desk: Desk, life: OrderLife | None) -> None:
        self._desk = desk
        self._life = life
        self._told: Instant = 0
        self.height: int | None = None
        """The highest that was told; None before the first."""
        self._grew = anyio.Event()

    def told(self, block: BlockHeight) -> None:
        """The venue told how high its chain is."""
        self._desk.tracker.height(block)
        if self.height is None or block.height >= self.height:
            grew, self._told = block.height != self.height, self._desk.now()
            self.height = block.height
            if grew:
                event, self._grew = self._grew, anyio.Event()
                event.set()

    def above(self, height: int) -> bool:
        """Whether the chain is known to be above a height."""
        return self.height is not None and self.height > height

    async def wait_above(self, height: int) -> None:
        """Return once the chain was told to be above a height."""
        while not self.above(height):
            await self._grew.wait()

    async def latest(self) -> int:
        """The height as of now. Raises what the venue answers."""
        height = self.height
        if height is None or seconds_between(self._told, self._desk.now()) > FRESH:
            block = await self._desk.ask(self._desk.market.height)
            self.told(block)
            height = max(block.height, height or 0)
        return height

    async def known(self) -> int | None:
        """The height as far as it can be known now; never more than the chain's."""
        try:
            return await self.latest()
        except VenuekitError:
            return self.height

    async def wait_told(self) -> None:
        """Return once the height was told; at once where orders do not end by height."""
        while self._life is not None and await self.known() is None:
            await self._grew.wait()

    async def lived(self, requests: list[OrderRequest]) -> list[OrderRequest]:
        """The same orders, each with the height at which it ends where orders do so.

        Raises `RuleBroken` for a height that no order may have, and what the venue answers where its height must be asked.
        """
        life = self._life
        if life is None or not requests:
            return requests
        height = await self.latest()
        for request in requests:
            check_height(request, height, life)
        return [_lived(request, height + life.blocks) for request in requests]


def _lived(request: OrderRequest, expiry: int) -> OrderRequest:
    force = request.time_in_force
    if request.expires_at_height is not None or force is TimeInForce.GTD:
        return request
    until = TimeInForce.GTB if force is TimeInForce.GTC else force
    return evolve(request, time_in_force=until, expires_at_height=expiry)


__all__ = ["FRESH", "Chain"]
