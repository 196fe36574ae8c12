"""The timeline: what is going to happen at a local venue, and when.

Rules:

1. Everything that happens at a venue is an entry of its timeline: a request that arrives, a step of the order flow, a frame
   on its way, a fault. Entries run at their instants, one after another, first come first served among equals.
2. Nobody has to drive it. Whoever waits for the venue runs what is due meanwhile; where nobody waits nothing runs, and the
   next who comes runs all of it, each entry at the instant it was meant for.
3. Of all who wait one sleeps until the next entry is due, and runs it; the others sleep until they are woken, because what they
   wait for has come or because that one has left. Beside those whom it concerns an entry wakes one at most.
4. So the course of events depends on the entries alone, not on the event loop: with a virtual clock it is the same each time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Protocol

import anyio
from anyio.lowlevel import checkpoint
from attrs import define

from venuekit_spec import SECOND, Instant, Seconds, after


class Clock(Protocol):
    """Tells the time and waits for it."""

    def now(self) -> Instant:
        """This instant. Never less than an instant it told before."""
        ...

    async def sleep_until(self, instant: Instant) -> None:
        """Return once `now` is at least `instant`."""
        ...

    async def sleep(self, seconds: Seconds) -> None:
        """Return `seconds` from now."""
        ...


class MachineClock:
    """The machine's time, read once; from then on the monotonic clock counts."""

    __slots__ = ("_anchor",)

    def __init__(self) -> None:
        self._anchor = time.time_ns() - time.monotonic_ns()

    def now(self) -> Instant:
        """This instant."""
        return time.monotonic_ns() + self._anchor

    async def sleep_until(self, instant: Instant) -> None:
        """Return once `now` is at least `instant`."""
        while (left := instant - self.now()) > 0:  # noqa: ASYNC110 - what is waited for is time itself
            await anyio.sleep(left / SECOND)

    async def sleep(self, seconds: Seconds) -> None:
        """Return `seconds` from now."""
        await self.sleep_until(after(self.now(), seconds))


@define(eq=False)
class Entry:
    """Something that is going to happen. `cancel` it, and it does not."""

    at: Instant
    call: Callable[[], None] | None

    def cancel(self) -> None:
        """Not to happen any more."""
        self.call = None


@define(eq=False)
class _Waiting:
    """Somebody who waits: for `done`, and asleep until `due`."""

    done: Callable[[], bool]
    due: Instant | None
    asleep: anyio.CancelScope


class Timeline:
    """The entries of one venue, and those who wait for them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._now = clock.now()
        self._entries: list[tuple[Instant, int, Entry]] = []
        self._count = 0
        self._running = False
        self._waiting: list[_Waiting] = []

    @property
    def now(self) -> Instant:
        """The instant of the entry that runs; the clock's between entries."""
        return self._now if self._running else max(self._now, self._clock.now())

    @property
    def running(self) -> bool:
        """Whether an entry runs right now."""
        return self._running

    @property
    def next(self) -> Instant | None:
        """When the next entry is due."""
        while self._entries and self._entries[0][2].call is None:
            heappop(self._entries)
        return self._entries[0][0] if self._entries else None

    def at(self, instant: Instant, call: Callable[[], None]) -> Entry:
        """Have `call` called at `instant`, as soon as possible where that has passed. It may not raise."""
        self._count += 1
        entry = Entry(instant, call)
        heappush(self._entries, (instant, self._count, entry))
        if not self._running:
            self._wake()
        return entry

    def after(self, seconds: Seconds, call: Callable[[], None]) -> Entry:
        """Have `call` called `seconds` from now."""
        return self.at(after(self.now, seconds), call)

    def catch_up(self) -> None:
        """Run what is due. From within an entry nothing happens: it is being run already."""
        if self._running:
            return
        self._running = True
        try:
            while (due := self.next) is not None and due <= max(self._now, self._clock.now()):
                self._now = max(self._now, due)
                entry = heappop(self._entries)[2]
                call, entry.call = entry.call, None
                if call is not None:
                    call()
            self._now = max(self._now, self._clock.now())
        finally:
            self._running = False
            self._wake()

    async def wait(self, done: Callable[[], bool], until: Instant | None = None) -> bool:
        """Run what is due until `done` holds: True; or until that instant has come: False.

        `done` has to become true by an entry, or by something that calls `stir` afterwards.
        """
        await checkpoint()
        while True:
            self.catch_up()
            if done():
                return True
            if until is not None and self.now >= until:
                return False
            due = self._sleeps_until(until)
            with anyio.CancelScope() as asleep:
                waiting = _Waiting(done, due, asleep)
                self._waiting.append(waiting)
                try:
                    if due is None:
                        await anyio.sleep_forever()
                    else:
                        await self._clock.sleep_until(due)
                finally:
                    self._waiting.remove(waiting)
                    self._wake()

    async def run(self) -> None:
        """Run whatever becomes due, until cancelled: for a venue that lives on while nobody asks it anything."""
        await self.wait(lambda: False)

    def stir(self) -> None:
        """Something has happened outside of the entries: whoever waits looks again."""
        if not self._running:
            self._wake()

    def _sleeps_until(self, until: Instant | None) -> Instant | None:
        """How long one more may sleep: until the next entry where nobody else is up by then, and never longer than it wants."""
        next_ = self.next
        if next_ is None or self._somebody_up(next_):
            return until
        return next_ if until is None else min(next_, until)

    def _somebody_up(self, instant: Instant) -> bool:
        return any(waiting.due is not None and waiting.due <= instant for waiting in self._waiting)

    def _wake(self) -> None:
        """Wake those whose wait is over, and one to run the next entry where all would oversleep it."""
        for waiting in self._waiting:
            if waiting.done():
                waiting.asleep.cancel()
        due = self.next
        if self._waiting and due is not None and not self._somebody_up(due):
            self._waiting[0].asleep.cancel()
