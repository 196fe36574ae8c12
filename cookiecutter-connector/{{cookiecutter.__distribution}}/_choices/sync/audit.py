"""The book feed: a snapshot in band, then changes. Nothing numbers them, so that only an audit shows a loss."""

from __future__ import annotations

from typing import ClassVar, Final

from msgspec import Struct
from venuekit_spec import BookDelta, BookSnapshot, Instant, SnapshotSource, SyncRule

from {{ cookiecutter.__package }}.payloads import Level

BOOKS: Final = SyncRule(SnapshotSource.IN_BAND, audit=30.0, audit_window=2.0)


class BookFrame(Struct, frozen=True, gc=False, tag_field="type", tag="book"):
    """``{"type":"book","symbol":"BTCUSDT","snapshot":false,"bids":[["60000","1.4"]],"asks":[]}``"""

    channel: ClassVar = "book"
    symbol: str
    snapshot: bool
    bids: list[Level]
    asks: list[Level]


def book_message(told: BookFrame, id_: str, now: Instant) -> BookSnapshot | BookDelta:
    """A snapshot, or a change of the book."""
    kind = BookSnapshot if told.snapshot else BookDelta
    return kind(instrument=id_, bids=told.bids, asks=told.asks, received=now)
