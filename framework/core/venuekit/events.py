"""What an exchange tells besides its books and trades: how its connections and repairs are doing.

``async for event in exchange.events()`` yields these, and the `StateChange` and `BookDrift` of every book, in order. An
exchange that trades tells of its orders (`venuekit.orders.events`) and accounts (`venuekit.trading.events`) as well.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct

from venuekit.books.changes import BookDrift, StateChange
from venuekit_spec import Instant, Instrument, MalformedMessage, Topic, VenuekitError

if TYPE_CHECKING:  # what trades is imported only where it is used
    from venuekit.orders.events import OrderEventOfAccount
    from venuekit.trading.events import AccountEvent


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
    """The venue refused or ended one subscription; the others are not touched. `final`: it is not asked for again."""

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


class InstrumentChanged(Struct, frozen=True, kw_only=True):
    """The venue changed the rules of an instrument; `before` None where it is newly listed."""

    before: Instrument | None
    instrument: Instrument
    at: Instant


DataEvent: TypeAlias = (
    StateChange | BookDrift | LinkChange | TopicRefused | FrameRefused | SnapshotFailed | InstrumentChanged
)
"""What an exchange without accounts tells."""

Event: TypeAlias = "DataEvent | OrderEventOfAccount | AccountEvent"
"""Everything that `Exchange.events` yields."""
