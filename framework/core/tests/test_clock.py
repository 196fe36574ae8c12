"""The clocks: time moves as it should, sleepers wake in order, and hours cost milliseconds."""

from __future__ import annotations

import time

import anyio
import pytest

from venuekit.clock import SystemClock, VirtualClock, VirtualTimeout
from venuekit.drivers.tasks import helpers
from venuekit_spec import SECOND, LocalError, after

pytestmark = pytest.mark.anyio

START = 1_700_000_000 * SECOND


async def test_the_system_clock_tells_the_wall_time_and_never_goes_back() -> None:
    """The system clock agrees with the wall clock, and its readings only rise."""
    clock = SystemClock()
    readings = [clock.now() for _ in range(1000)]
    assert abs(readings[0] - time.time_ns()) < SECOND
    assert readings == sorted(readings)


async def test_a_step_of_the_wall_clock_does_not_move_the_system_clock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After construction the wall clock is not asked again."""
    clock = SystemClock()
    before = clock.now()
    monkeypatch.setattr(time, "time_ns", lambda: 0)
    assert clock.now() >= before


async def test_the_system_clock_sleeps_no_shorter_than_asked() -> None:
    """After sleep_until the deadline has passed; a deadline in the past returns at once."""
    clock = SystemClock()
    deadline = after(clock.now(), 0.01)
    await clock.sleep_until(deadline)
    assert clock.now() >= deadline
    await clock.sleep_until(0)
    await clock.sleep(-1.0)
    assert clock.now() < after(deadline, 5.0)


async def test_sleepers_wake_in_order_of_their_deadlines() -> None:
    """Whatever the order of falling asleep, waking follows the deadlines, first come first served among equals."""
    clock = VirtualClock(START)
    woken: list[tuple[str, int]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((name, clock.now() - START))

    equals = [(f"equal {number}", 1.0) for number in range(8)]
    async with anyio.create_task_group() as group:
        for name, seconds in (("late", 3.0), *equals, ("middle", 2.0)):
            group.start_soon(sleeper, name, seconds)
            await clock.settle()
        await clock.advance(10)
    assert woken == [*((name, SECOND) for name, _ in equals), ("middle", 2 * SECOND), ("late", 3 * SECOND)]
    assert clock.now() == START + 10 * SECOND


async def test_the_loop_settles_between_deadlines() -> None:
    """What one sleeper causes, over several tasks, has happened before the next sleeper wakes."""
    clock = VirtualClock(START)
    told: list[str] = []
    relay = [anyio.Event() for _ in range(8)]

    async def first() -> None:
        await clock.sleep(1)
        relay[0].set()

    async def pass_on(number: int) -> None:
        await relay[number].wait()
        if number + 1 < len(relay):
            relay[number + 1].set()
        else:
            told.append(f"relayed at {clock.now() - START}")

    async def second() -> None:
        await clock.sleep_until(START + SECOND + 1)
        told.append("second")

    async with anyio.create_task_group() as group:
        group.start_soon(second)
        group.start_soon(first)
        for number in range(len(relay)):
            group.start_soon(pass_on, number)
        await clock.settle()
        await clock.advance(2)
    assert told == [f"relayed at {SECOND}", "second"]


async def test_a_sleeper_that_sleeps_again_is_woken_on_the_way() -> None:
    """One advance over an hour wakes a periodic sleeper at each of its instants."""
    clock = VirtualClock(START)
    ticks: list[int] = []

    async def ticking() -> None:
        while True:
            await clock.sleep(60)
            ticks.append((clock.now() - START) // SECOND)

    async with helpers() as group:
        group.start_soon(ticking)
        await clock.settle()
        await clock.advance(3600)
    assert ticks == list(range(60, 3601, 60))


async def test_a_task_that_was_just_spawned_starts_before_time_moves() -> None:
    """What it does first happens at the instant at which it was spawned."""
    clock = VirtualClock(START)
    began: list[int] = []

    async def work() -> None:
        began.append(clock.now())
        await clock.sleep(1)
        began.append(clock.now())

    async with anyio.create_task_group() as group:
        group.start_soon(work)
        await clock.advance(5)
        assert began == [START, START + SECOND]


async def test_advancing_past_nobody_never_enters_the_loop() -> None:
    """Where no sleeper is due, advance_to is a plain return: other tasks do not run, so a replay pays nothing."""
    clock = VirtualClock(START)
    ran: list[int] = []

    async def other() -> None:
        ran.append(clock.now())

    async with anyio.create_task_group() as group:
        group.start_soon(other)
        for step in range(1000):
            await clock.advance_to(START + step)
        assert not ran
    assert ran == [START + 999]


async def test_the_past_changes_nothing() -> None:
    """Time never goes backwards, by none of the ways to move it."""
    clock = VirtualClock(START)
    await clock.advance_to(START - 1)
    clock.set(START - 1)
    await clock.sleep_until(START)
    assert clock.now() == START


async def test_the_fast_path_refuses_to_pass_a_sleeper_over() -> None:
    """`due_before` tells whether `set` is allowed; `set` past a sleeper is an error, before it is not."""
    clock = VirtualClock(START)
    async with helpers() as group:
        group.start_soon(clock.sleep, 5)
        await clock.settle()
        assert clock.next_deadline() == START + 5 * SECOND
        assert not clock.due_before(START + 5 * SECOND - 1)
        assert clock.due_before(START + 5 * SECOND)
        clock.set(START + 4 * SECOND)
        assert clock.now() == START + 4 * SECOND
        with pytest.raises(LocalError):
            clock.set(START + 6 * SECOND)


async def test_a_cancelled_sleeper_is_forgotten() -> None:
    """A sleep that was cancelled is no deadline any more."""
    clock = VirtualClock(START)
    async with anyio.create_task_group() as group:
        group.start_soon(clock.sleep, 5)
        group.start_soon(clock.sleep, 7)
        await clock.settle()
        group.cancel_scope.cancel()
    assert clock.next_deadline() is None
    assert not clock.due_before(START + 10 * SECOND)


async def test_run_until_stops_at_the_deadline_that_made_it_true() -> None:
    """run_until jumps from deadline to deadline and stops as soon as the condition holds."""
    clock = VirtualClock(START)
    ticks: list[int] = []

    async def ticking() -> None:
        while True:
            await clock.sleep(10)
            ticks.append(clock.now())

    async with helpers() as group:
        group.start_soon(ticking)
        await clock.run_until(lambda: len(ticks) == 3, limit=60)
        assert clock.now() == START + 30 * SECOND


async def test_run_until_says_when_it_was_in_vain() -> None:
    """At the limit, or where nobody sleeps, run_until raises an error that is a TimeoutError and a LocalError."""
    clock = VirtualClock(START)
    with pytest.raises(VirtualTimeout, match="nobody sleeps"):
        await clock.run_until(lambda: False)
    async with helpers() as group:
        group.start_soon(clock.sleep, 100)
        with pytest.raises(TimeoutError) as told:
            await clock.run_until(lambda: False, limit=99)
        assert isinstance(told.value, LocalError)


async def test_autojump_lets_a_day_pass_in_a_moment() -> None:
    """With autojump a day of periodic work takes a fraction of it in real time."""
    clock = VirtualClock(START)
    with anyio.fail_after(300):
        async with clock.autojump():
            for _ in range(24 * 60):
                await clock.sleep(60)
    assert clock.now() == START + 86_400 * SECOND


async def test_autojump_jumps_only_while_everybody_waits() -> None:
    """A task that still works is not overtaken by the deadline of another."""
    clock = VirtualClock(START)
    seen: list[int] = []

    async def working() -> None:
        for _ in range(200):
            await anyio.lowlevel.checkpoint()
        seen.append(clock.now())

    async with clock.autojump(), anyio.create_task_group() as group:
        group.start_soon(working)
        await clock.sleep(1)
    assert seen == [START]


async def test_autojump_lets_errors_through_as_they_are() -> None:
    """An error of the body leaves autojump bare, with its own cause."""
    clock = VirtualClock(START)
    cause = KeyError("cause")

    async def body() -> None:
        async with clock.autojump():
            await clock.sleep(1)
            raise ZeroDivisionError from cause

    with pytest.raises(ZeroDivisionError) as told:
        await body()
    assert told.value.__cause__ is cause


async def test_autojump_ends_what_would_never_end() -> None:
    """A body that only ticks for ever ends in a VirtualTimeout instead of a hanging test."""
    clock = VirtualClock(START)

    async def body() -> None:
        async with clock.autojump(limit=3600):
            while True:
                await clock.sleep(60)

    with pytest.raises(VirtualTimeout):
        await body()


async def test_a_cushion_gives_real_work_its_time() -> None:
    """With a cushion a worker thread's work is done before virtual time moves on."""
    clock = VirtualClock(START, cushion=0.05)
    done_at: list[int] = []

    async def threaded() -> None:
        await anyio.to_thread.run_sync(time.sleep, 0.001)
        done_at.append(clock.now())

    async with clock.autojump(), anyio.create_task_group() as group:
        group.start_soon(threaded)
        await clock.sleep(1)
    assert done_at == [START]


async def test_helpers_end_with_the_body_and_keep_several_errors_together() -> None:
    """Helpers cancels its tasks when the body ends; two errors at once stay a group."""
    async with helpers() as group:
        group.start_soon(anyio.sleep_forever)

    async def fail(error: Exception) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            raise error

    async def body() -> None:
        async with helpers() as group:
            group.start_soon(fail, KeyError("one"))
            group.start_soon(fail, ValueError("two"))
            await anyio.wait_all_tasks_blocked()

    with pytest.raises(ExceptionGroup) as told:
        await body()
    assert {type(error) for error in told.value.exceptions} == {KeyError, ValueError}
