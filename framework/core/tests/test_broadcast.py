"""Broadcast: one producer that never waits, and consumers at their own pace."""

from __future__ import annotations

import gc

import anyio
import pytest
from anyio.lowlevel import checkpoint

from venuekit.broadcast import Broadcast, Overflow, Subscription

pytestmark = pytest.mark.anyio


async def taken(subscription: Subscription[int]) -> list[int | Overflow]:
    """Everything up to the end."""
    return [item async for item in subscription]


async def test_every_subscription_has_everything_in_order() -> None:
    """What is published after a subscription began reaches it, whoever else listens."""
    broadcast: Broadcast[int] = Broadcast()
    broadcast.publish(0)
    early = broadcast.subscribe()
    broadcast.publish(1)
    late = broadcast.subscribe()
    broadcast.publish(2)
    broadcast.close()
    assert await taken(early) == [1, 2]
    assert await taken(late) == [2]


async def test_waiting_consumer_is_woken() -> None:
    """A consumer that waits has an item as soon as there is one."""
    broadcast: Broadcast[int] = Broadcast()
    heard: list[int | Overflow] = []

    async def listen() -> None:
        heard.extend(await taken(subscription))

    subscription = broadcast.subscribe()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listen)
        await anyio.wait_all_tasks_blocked()
        for number in range(3):
            broadcast.publish(number)
            await anyio.wait_all_tasks_blocked()
        broadcast.close()
    assert heard == [0, 1, 2]


async def test_slow_consumer_loses_the_newest_is_told_how_many_and_slows_nobody() -> None:
    """A full queue counts what it lost and tells it in its place; another consumer has everything."""
    broadcast: Broadcast[int] = Broadcast()
    slow, quick = broadcast.subscribe(buffer=2), broadcast.subscribe()
    for number in range(5):
        broadcast.publish(number)
    assert await anext(slow) == 0
    broadcast.publish(5)
    broadcast.publish(6)
    broadcast.close()
    assert await taken(slow) == [1, Overflow(3), 5, Overflow(1)]
    assert slow.overflowed == 4
    assert await taken(quick) == [0, 1, 2, 3, 4, 5, 6]
    assert quick.overflowed == 0


async def test_overflow_is_told_without_waiting_for_more() -> None:
    """A consumer that has caught up hears of its loss although nothing follows."""
    broadcast: Broadcast[int] = Broadcast()
    slow = broadcast.subscribe(buffer=1)
    broadcast.publish(1)
    broadcast.publish(2)
    assert await anext(slow) == 1
    assert await anext(slow) == Overflow(1)


async def test_left_subscription_hears_no_more() -> None:
    """Leaving ends the subscription after what is queued, and leaving twice is harmless."""
    broadcast: Broadcast[int] = Broadcast()
    async with broadcast.subscribe() as subscription:
        broadcast.publish(1)
    broadcast.publish(2)
    subscription.close()
    assert await taken(subscription) == [1]


async def test_two_tasks_on_one_subscription() -> None:
    """Tasks that share a subscription share its items, and both end with it."""
    broadcast: Broadcast[int] = Broadcast()
    subscription = broadcast.subscribe()
    heard: list[int | Overflow] = []

    async def listen() -> None:
        async for item in subscription:
            heard.append(item)
            await checkpoint()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listen)
        tasks.start_soon(listen)
        await anyio.wait_all_tasks_blocked()
        broadcast.publish(1)
        broadcast.publish(2)
        await anyio.wait_all_tasks_blocked()
        broadcast.close()
    assert sorted(item for item in heard if isinstance(item, int)) == [1, 2]


async def test_subscribing_to_what_is_over() -> None:
    """A subscription to a broadcast that is closed ends at once."""
    broadcast: Broadcast[int] = Broadcast()
    broadcast.close()
    assert await taken(broadcast.subscribe()) == []


async def test_cancelled_wait_loses_nothing() -> None:
    """A consumer that gave up waiting finds afterwards what came."""
    broadcast: Broadcast[int] = Broadcast()
    subscription = broadcast.subscribe()
    with anyio.CancelScope() as scope:
        scope.cancel()
        await anext(subscription)
    broadcast.publish(1)
    assert await anext(subscription) == 1


async def test_subscriptions_that_are_dropped_are_forgotten() -> None:
    """A subscription that nobody holds any more queues nothing."""
    source: Broadcast[int] = Broadcast()
    for _ in range(1000):
        source.subscribe()
    gc.collect()
    source.publish(1)
    assert len(source._subscriptions) == 0
