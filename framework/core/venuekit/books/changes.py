"""Following a book: what its listeners are told, and the two ways of listening without slowing it.

`Changes` is conflated: whoever is slow sees fewer states, and always the latest. `EveryChange` is complete: every message is
queued, and a consumer that falls further behind than its buffer is told how many it missed.

Whoever leaves a loop over one of them early need not close it: a book holds on to none of its followers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Self, TypeAlias
from weakref import finalize, ref

import anyio
from msgspec import Struct

from venuekit.books.audit import Drift
from venuekit.books.states import BookState
from venuekit.broadcast import Broadcast, Subscription
from venuekit_spec import BookDelta, BookSnapshot, Instant, OrderBookSnapshot, OrderEvent, TopOfBook

if TYPE_CHECKING:
    from venuekit.books.book import OrderBook


class StateChange(Struct, frozen=True, kw_only=True):
    """A book went from one state to another, and why. Users see repairs as these, never as exceptions."""

    instrument: str
    before: BookState
    state: BookState
    reason: str
    at: Instant


class BookDrift(Struct, frozen=True, kw_only=True):
    """An audit found the live book to differ from a fresh snapshot; it has been repaired."""

    instrument: str
    levels: tuple[Drift, ...]
    at: Instant


BookMessage: TypeAlias = (
    TopOfBook | BookSnapshot | BookDelta | OrderBookSnapshot | OrderEvent | StateChange | BookDrift
)
"""What listeners of one book are told, in order, after it took effect."""


class Changes:
    """An async iterator over the states of a book that its consumer has time for."""

    def __init__(self, book: OrderBook) -> None:
        self._book = book
        self._changed = True
        self._waiting: anyio.Event | None = None
        self._listener = _listener(self)
        book.listeners.append(self._listener)
        finalize(self, _forget, book, self._listener)

    def __aiter__(self) -> Changes:
        return self

    async def __anext__(self) -> OrderBook:
        while not self._changed:
            if self._book.state is BookState.CLOSED:
                self.close()
                raise StopAsyncIteration
            if self._waiting is None:
                self._waiting = anyio.Event()
            await self._waiting.wait()
        self._changed = False
        return self._book

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening; twice is harmless."""
        _forget(self._book, self._listener)

    def _notice(self, _message: BookMessage) -> None:
        self._changed = True
        if self._waiting is not None:
            self._waiting.set()
            self._waiting = None


class EveryChange(Subscription[BookMessage]):
    """An async iterator over every message of a book; ends when the book is CLOSED."""

    def __init__(self, book: OrderBook, buffer: int) -> None:
        super().__init__(Broadcast(), buffer)
        self._book = book
        self._listener = _listener(self)
        book.listeners.append(self._listener)
        finalize(self, _forget, book, self._listener)
        if book.state is BookState.CLOSED:
            self.close()

    def close(self) -> None:
        """Stop listening; what is queued can still be read."""
        _forget(self._book, self._listener)
        super().close()

    def _notice(self, message: BookMessage) -> None:
        self.push(message)
        if isinstance(message, StateChange) and message.state is BookState.CLOSED:
            self.close()


def _listener(follower: Changes | EveryChange) -> Callable[[BookMessage], None]:
    """Tells a follower for as long as somebody else holds on to it."""
    followed = ref(follower)

    def tell(message: BookMessage) -> None:
        follower = followed()
        if follower is not None:
            follower._notice(message)  # noqa: SLF001  # a friend: both stand here

    return tell


def _forget(book: OrderBook, listener: Callable[[BookMessage], None]) -> None:
    if listener in book.listeners:
        book.listeners.remove(listener)
