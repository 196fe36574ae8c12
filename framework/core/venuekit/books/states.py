"""The states of a tracked book, and the only ways from one to the next.

    EMPTY      nothing asked for yet
    BUFFERING  subscribed; deltas wait for a snapshot to be joined to
    LIVE       proven: every message since the snapshot is accounted for
    GAP        something was lost or contradicted; a repair is under way, deltas wait as in BUFFERING
    STALE      the feed went silent or its socket is gone; nothing arrives
    CLOSED     nobody tracks it any more

A book is readable in LIVE only. Whatever is not in the table cannot happen; asking for it raises `IllegalTransition`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class BookState(StrEnum):
    """Where a tracked book is."""

    EMPTY = "empty"
    BUFFERING = "buffering"
    LIVE = "live"
    GAP = "gap"
    STALE = "stale"
    CLOSED = "closed"


class BookEvent(StrEnum):
    """What moves it."""

    SUBSCRIBED = "subscribed"
    """The feed started (again): deltas may come."""
    JOINED = "joined"
    """A snapshot arrived and everything after it follows."""
    LOST = "lost"
    """A message is missing, contradicts the book, or could not be read."""
    SILENT = "silent"
    """No sign of life within the declared limit."""
    DISCONNECTED = "disconnected"
    """The socket is gone."""
    CLOSED = "closed"
    """Nobody wants the book any more, or the venue ended it."""


class IllegalTransition(AssertionError):
    """A bug of ours: an event that cannot happen in this state."""


_E, _B, _L, _G, _S, _C = BookState

TRANSITIONS: Final[dict[BookEvent, dict[BookState, BookState]]] = {
    BookEvent.SUBSCRIBED: {_E: _B, _B: _B, _G: _G, _S: _B, _L: _B},
    BookEvent.JOINED: {_B: _L, _G: _L, _L: _L, _S: _L, _E: _L},
    BookEvent.LOST: {_E: _E, _B: _B, _L: _G, _G: _G, _S: _S},
    BookEvent.SILENT: {_E: _E, _B: _S, _L: _S, _G: _S, _S: _S},
    BookEvent.DISCONNECTED: {_E: _E, _B: _S, _L: _S, _G: _S, _S: _S},
    BookEvent.CLOSED: {_E: _C, _B: _C, _L: _C, _G: _C, _S: _C, _C: _C},
}


def following(state: BookState, event: BookEvent) -> BookState:
    """The state after `event`. Raises `IllegalTransition`."""
    try:
        return TRANSITIONS[event][state]
    except KeyError:
        raise IllegalTransition(f"{event} cannot happen to a book that is {state}") from None
