"""One tracker for the orders of an account, whichever exchange objects of this process trade with it.

Two exchanges that are opened with one key and one order store see the same orders, each hears of all of them, and what one of
them placed is no stray to the other. The first gives the tracker its clock and loads the orders; the last one closes it. All of
them run on one event loop.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

from anyio import CancelScope, Lock

from venuekit.clock import Clock
from venuekit.orders.events import OrderEventOfAccount
from venuekit.orders.store import InFlightOrderStore
from venuekit.orders.tracker import OrderTracker
from venuekit_spec import LocalError

Listener = Callable[[OrderEventOfAccount], None]


class SharedTracker:
    """A tracker and those who use it."""

    def __init__(self, account: str, store: InFlightOrderStore, clock: Clock) -> None:
        self.tracker = OrderTracker(account, store, self._publish, clock)
        self._key = store, account
        self._listeners: list[Listener] = []
        self._users = 0
        self._opened = False
        self._turn = Lock()

    @contextmanager
    def heard(self, listener: Listener) -> Iterator[None]:
        """Until the end of the ``with`` its events go to `listener`, too."""
        self._listeners.append(listener)
        try:
            yield
        finally:
            self._listeners.remove(listener)

    @asynccontextmanager
    async def opened(self, *, alone: bool = False) -> AsyncIterator[None]:
        """It is open, with its orders loaded, until the end of the ``async with``; what it knows is durable then.

        `alone`: with nobody else, because its orders mean nothing to them: each has a market of its own. Raises `LocalError`
        where there is somebody, and `StoreError`.
        """
        if alone and self._users:
            raise LocalError(
                f"{self.tracker.account} is open already with this order store: each needs its own"
            )
        self._users += 1
        try:
            async with self._turn:
                if not self._opened:
                    await self.tracker.open()
                    self._opened = True
            yield
        finally:
            self._users -= 1
            if not self._users:
                _SHARED.pop(self._key, None)
            if self._opened:
                with CancelScope(shield=True):
                    await (self.tracker.flush() if self._users else self.tracker.aclose())

    def _publish(self, event: OrderEventOfAccount) -> None:
        for listener in tuple(self._listeners):
            listener(event)


_SHARED: Final[dict[tuple[InFlightOrderStore, str], SharedTracker]] = {}


def shared_tracker(account: str, store: InFlightOrderStore, clock: Clock) -> SharedTracker:
    """The tracker of an account in a store, the same for all who have it open at the same time."""
    return _SHARED.setdefault((store, account), SharedTracker(account, store, clock))


__all__ = ["Listener", "SharedTracker", "shared_tracker"]
