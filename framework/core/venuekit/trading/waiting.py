"""Waiting, by a clock, for what may not come."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio

from venuekit.clock import Clock
from venuekit.drivers.tasks import helpers
from venuekit_spec import Seconds


async def within(clock: Clock, seconds: Seconds, wait: Callable[[], Awaitable[object]]) -> bool:
    """Whether `wait` returned within so many seconds; it is cancelled when it did not. Raises what it raises."""
    came = False
    with anyio.CancelScope() as scope:

        async def expire() -> None:
            await clock.sleep(seconds)
            scope.cancel()

        async with helpers() as tasks:
            tasks.start_soon(expire)
            await wait()
            came = True
    return came


__all__ = ["within"]
