"""The timeline: one of those who wait runs what is due, and whoever that is may leave at any moment."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import anyio
import pytest

from venuekit.clock import VirtualClock
from venuekit_simulator.timeline import Timeline
from venuekit_spec import after

pytestmark = pytest.mark.anyio


async def test_the_one_who_runs_the_entries_may_be_cancelled(clock: VirtualClock) -> None:
    """Whoever else waits takes over: an entry that was there, and one that comes in the moment of the cancellation."""
    timeline = Timeline(clock)
    for seconds in (5.0, 1.0):
        happened: list[bool] = []
        if seconds > 1:
            timeline.after(seconds, _noting(happened))
        leader = anyio.CancelScope()

        async def lead(done: Callable[[], bool], scope: anyio.CancelScope) -> None:
            with scope:
                await timeline.wait(done)

        with anyio.fail_after(5):
            async with anyio.create_task_group() as group:
                group.start_soon(lead, partial(bool, happened), leader)
                await anyio.wait_all_tasks_blocked()
                group.start_soon(timeline.wait, partial(bool, happened))
                await anyio.wait_all_tasks_blocked()
                if seconds == 1:
                    timeline.after(seconds, _noting(happened))
                leader.cancel()
                await anyio.wait_all_tasks_blocked()
                await clock.advance(seconds)
        assert (happened, leader.cancelled_caught) == ([True], True)


async def test_the_one_who_runs_the_entries_may_have_waited_long_enough(clock: VirtualClock) -> None:
    """Its time is over before the next entry is due: another one runs that."""
    timeline = Timeline(clock)
    happened: list[bool] = []
    answers: list[bool] = []
    timeline.after(5.0, _noting(happened))

    async def wait(seconds: float | None) -> None:
        until = None if seconds is None else after(clock.now(), seconds)
        answers.append(await timeline.wait(partial(bool, happened), until))

    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            group.start_soon(wait, 1.0)
            await anyio.wait_all_tasks_blocked()
            group.start_soon(wait, None)
            await anyio.wait_all_tasks_blocked()
            await clock.advance(1.0)
            assert answers == [False]
            await clock.advance(4.0)
    assert answers == [False, True]


def _noting(happened: list[bool]) -> Callable[[], None]:
    return lambda: happened.append(True)
