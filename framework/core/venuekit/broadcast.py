"""Broadcast: one producer that never waits, any number of consumers at their own pace.

Each subscription has a bounded queue. A consumer that falls behind loses the newest items, is told how many by an
`Overflow` in their place, and slows nobody. Works on asyncio and trio; `publish` is synchronous and costs a function call
when nobody listens.
"""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar
from weakref import WeakSet

import anyio
from msgspec import Struct

T = TypeVar("T")


class Overflow(Struct, frozen=True):
    """This consumer was too slow: so many items were lost here."""

    missed: int


class Subscription(Generic[T]):
    """An async iterator over what is published from now on. Close it (or leave ``async with``) to stop."""

    def __init__(self, broadcast: Broadcast[T], buffer: int) -> None:
        self._broadcast = broadcast
        self._buffer = buffer
        self._queue: deque[T | Overflow] = deque()
        self._missed = 0
        self._waiting: anyio.Event | None = None
        self._closed = False
        self.overflowed = 0
        """How many items this consumer has lost so far."""

    def __aiter__(self) -> Subscription[T]:
        return self

    async def __anext__(self) -> T | Overflow:
        while not self._queue:
            if self._missed:
                missed, self._missed = self._missed, 0
                return Overflow(missed)
            if self._closed:
                raise StopAsyncIteration
            if self._waiting is None:
                self._waiting = anyio.Event()
            await self._waiting.wait()
        return self._queue.popleft()

    async def __aenter__(self) -> Subscription[T]:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Take no more; what is queued can still be read."""
        self._closed = True
        self._broadcast.unsubscribe(self)
        self._wake()

    def push(self, item: T) -> None:
        """Queue an item, or count it as lost."""
        if len(self._queue) >= self._buffer:
            self._missed += 1
            self.overflowed += 1
            return
        if self._missed:
            self._queue.append(Overflow(self._missed))
            self._missed = 0
        self._queue.append(item)
        self._wake()

    def _wake(self) -> None:
        if self._waiting is not None:
            self._waiting.set()
            self._waiting = None


class Broadcast(Generic[T]):
    """What is published here reaches every subscription."""

    def __init__(self) -> None:
        self._subscriptions: WeakSet[Subscription[T]] = WeakSet()  # one that is dropped unclosed is gone
        self._closed = False

    def publish(self, item: T) -> None:
        """Hand `item` to every subscription."""
        if self._subscriptions:
            for subscription in self._subscriptions:
                subscription.push(item)

    def subscribe(self, buffer: int = 10_000) -> Subscription[T]:
        """A new subscription that holds at most `buffer` items; over at once where nothing more is published."""
        subscription = Subscription(self, buffer)
        self._subscriptions.add(subscription)
        if self._closed:
            subscription.close()
        return subscription

    def unsubscribe(self, subscription: Subscription[T]) -> None:
        """Forget a subscription; doing so twice is harmless."""
        self._subscriptions.discard(subscription)

    def close(self) -> None:
        """Publish no more: every subscription ends after what is queued."""
        self._closed = True
        for subscription in list(self._subscriptions):
            subscription.close()
