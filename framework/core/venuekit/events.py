"""What an exchange tells besides its books and trades: how its connections and repairs are doing.

``async for event in exchange.events()`` yields these, and the `StateChange` and `BookDrift` of every book, in order.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TypeAlias

from msgspec import Struct

from venuekit.books.changes import BookDrift, StateChange
from venuekit_spec import Instant, MalformedMessage, Topic, VenuekitError


class LinkState(StrEnum):
    """Where a connection is."""

    DIALLING = "dialling"
    OPEN = "open"
    LOST = "lost"


class LinkChange(Struct, frozen=True, kw_only=True):
    """A connection opened or was lost, and why; it is being dialled again."""

    link: str
    state: LinkState
    reason: str = ""
    at: Instant


class TopicRefused(Struct, frozen=True, kw_only=True):
    """The venue refused or ended one subscription; the others are not touched."""

    topic: Topic
    reason: str
    final: bool
    at: Instant


class FrameRefused(Struct, frozen=True, kw_only=True):
    """Bytes that could not be read. They are counted and lost; the error has venue, topic and an excerpt."""

    error: MalformedMessage
    at: Instant


class SnapshotFailed(Struct, frozen=True, kw_only=True):
    """A snapshot could not be had; it is asked for again."""

    topic: Topic
    error: VenuekitError
    at: Instant


Event: TypeAlias = StateChange | BookDrift | LinkChange | TopicRefused | FrameRefused | SnapshotFailed
"""Everything that `Exchange.events` yields."""
