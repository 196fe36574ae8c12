"""The clock: what time it is, and how to wait, as a value that is passed in.

Nothing in venuekit reads the machine's time by itself. In production the clock is a `SystemClock`; in tests and replays it
is a `VirtualClock`, on which hours pass in seconds, on asyncio and trio alike.

Rules of the virtual clock:

1. Time moves only when it is moved: by `advance`, by `run_until`, or by `autojump` while everybody waits.
2. Sleepers wake in order of their deadlines, at exactly their deadlines, and first come first served among equals.
3. Between two distinct deadlines the event loop settles: what a sleeper causes happens before the next one wakes.
4. Time never goes backwards.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sized
from contextlib import asynccontextmanager
from heapq import heapify, heappop, heappush
from typing import Final, Protocol, cast

import anyio
from anyio.lowlevel import checkpoint

from venuekit.drivers.tasks import helpers
from venuekit_spec import SECOND, Instant, LocalError, Seconds, after, seconds_between

# How many turns asyncio gets to come to rest before anyio is asked whether everybody waits: anyio answers "not yet" by pausing
# 0.1 real seconds, which hours of virtual time cannot afford. Chains of wake-ups are rarely longer than this.
SETTLING_TURNS: Final = 100


class Clock(Protocol):
    """Tells the time and waits for it."""

    def now(self) -> Instant:
        """This instant. Never less than an instant it told before."""
        ...

    async def sleep_until(self, instant: Instant) -> None:
        """Return once `now` is at least `instant`; at once, after letting others run, where it already is."""
        ...

    async def sleep(self, seconds: Seconds) -> None:
        """Return `seconds` from now."""
        ...


class SystemClock:
    """The machine's time, read once; from then on the monotonic clock counts.

    So a correction of the wall clock (NTP, an operator) moves no deadline, and time never goes backwards. What the machine's
    clock is wrong by, and what it drifts, is measured per venue by `venuekit.clock_offset`.
    """

    __slots__ = ("_anchor",)

    def __init__(self) -> None:
        before = time.monotonic_ns()
        wall = time.time_ns()
        self._anchor = wall - (before + time.monotonic_ns()) // 2

    def now(self) -> Instant:
        """This instant."""
        return time.monotonic_ns() + self._anchor

    async def sleep_until(self, instant: Instant) -> None:
        """Return once `now` is at least `instant`."""
        await self.sleep(seconds_between(self.now(), instant))
        # An event loop may wake a timer early, by its clock's resolution.
        while (left := instant - self.now()) > 0:  # noqa: ASYNC110 - what is waited for is time itself
            await anyio.sleep(left / SECOND)

    async def sleep(self, seconds: Seconds) -> None:
        """Return `seconds` from now."""
        await anyio.sleep(max(0.0, seconds))


class VirtualTimeout(LocalError, TimeoutError):
    """A virtual clock came to its limit before what was waited for happened."""


class VirtualClock:
    """A clock that stands still until it is moved.

    `start` is the first instant. `cushion` is how many real seconds everybody must have been waiting before time moves on:
    zero where all that is waited for is virtual; a hundredth or so where real sockets or worker threads take part.
    """

    def __init__(self, start: Instant, *, cushion: Seconds = 0.0) -> None:
        self._now = start
        self._cushion = cushion
        self._sleepers: list[tuple[Instant, int, anyio.Event]] = []
        self._count = 0
        self._fell_asleep = anyio.Event()

    def now(self) -> Instant:
        """This instant."""
        return self._now

    async def sleep_until(self, instant: Instant) -> None:
        """Return once `now` is at least `instant`."""
        if instant <= self._now:
            await checkpoint()
            return
        self._count += 1
        sleeper = (instant, self._count, anyio.Event())
        heappush(self._sleepers, sleeper)
        self._fell_asleep.set()
        try:
            await sleeper[2].wait()
        except BaseException:
            if not sleeper[2].is_set():
                self._sleepers.remove(sleeper)
                heapify(self._sleepers)
            raise

    async def sleep(self, seconds: Seconds) -> None:
        """Return `seconds` from now."""
        await self.sleep_until(after(self._now, seconds))

    def next_deadline(self) -> Instant | None:
        """When the next sleeper is due; None where nobody sleeps."""
        return self._sleepers[0][0] if self._sleepers else None

    def due_before(self, instant: Instant) -> bool:
        """Whether a sleeper is due at `instant` or before it."""
        return bool(self._sleepers) and self._sleepers[0][0] <= instant

    def set(self, instant: Instant) -> None:
        """Move to `instant` without awaiting: for a replay's inner loop, after `due_before` said no.

        An instant in the past changes nothing. Raises `LocalError` where a sleeper would be passed over.
        """
        if self.due_before(instant):
            raise LocalError("a sleeper is due: use advance_to")
        self._now = max(self._now, instant)

    async def advance_to(self, instant: Instant) -> None:
        """Move to `instant`, waking on the way whoever is due. An instant in the past changes nothing.

        The loop settles after each deadline, and is not entered at all where nobody is due.
        """
        sleepers = self._sleepers
        while sleepers and sleepers[0][0] <= instant:
            self._now = max(self._now, sleepers[0][0])
            while sleepers and sleepers[0][0] <= self._now:
                heappop(sleepers)[2].set()
                await checkpoint()  # one by one: trio runs tasks that wake together in an order by chance
            await self.settle()
        self._now = max(self._now, instant)

    async def advance(self, seconds: Seconds) -> None:
        """Move `seconds` on, waking on the way whoever is due. Tasks that were just spawned start first, at this instant."""
        await self.settle()
        await self.advance_to(after(self._now, seconds))

    async def settle(self) -> None:
        """Return once every other task waits for something (for `cushion` real seconds, where there is one)."""
        if self._cushion:
            await anyio.sleep(self._cushion)
        if (queue := _queue_of_asyncio()) is not None:
            for _ in range(SETTLING_TURNS):
                await checkpoint()
                if not queue:
                    return
        await anyio.wait_all_tasks_blocked()

    async def run_until(self, condition: Callable[[], bool], limit: Seconds = 60.0) -> None:
        """Jump from deadline to deadline until `condition` holds. Raises `VirtualTimeout` after `limit` seconds without.

        It is raised as well where nobody sleeps: nothing is left that could make the condition hold.
        """
        end = after(self._now, limit)
        await self.settle()
        while not condition():
            if not self.due_before(end):
                waiting = "nobody sleeps" if not self._sleepers else "the next sleeper is due later"
                raise VirtualTimeout(f"not so within {limit} virtual seconds; {waiting}")
            await self.advance_to(self._sleepers[0][0])

    @asynccontextmanager
    async def autojump(self, limit: Seconds = 30 * 86_400.0) -> AsyncIterator[None]:
        """While the body runs, jump to the next deadline whenever every task waits.

        Raises `VirtualTimeout` in place of running for ever, once `limit` virtual seconds have passed. What the body raises
        comes out as it is.
        """
        async with helpers() as group:
            group.start_soon(self._jump, after(self._now, limit))
            yield

    async def _jump(self, end: Instant) -> None:
        await self.settle()
        while True:
            if not self._sleepers:
                self._fell_asleep = anyio.Event()
                await self._fell_asleep.wait()
                await self.settle()
            elif self._sleepers[0][0] > end:
                raise VirtualTimeout("the body of autojump came to no end within its limit of virtual time")
            else:
                await self.advance_to(self._sleepers[0][0])  # which settles


def _queue_of_asyncio() -> Sized | None:
    """What asyncio runs next: empty while a task runs that all others wait for. None where it is not shown: trio, uvloop.

    A private attribute, though as old as asyncio. Without it a settling loop is as right and several times as slow.
    """
    try:
        return cast("Sized | None", getattr(asyncio.get_running_loop(), "_ready", None))
    except RuntimeError:
        return None
