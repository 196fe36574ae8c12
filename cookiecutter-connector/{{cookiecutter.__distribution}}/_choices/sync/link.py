"""The book feed: a snapshot in band, then changes of which each names the one before it."""

from __future__ import annotations

from typing import ClassVar, Final

from msgspec import Struct
from venuekit_spec import BookDelta, BookSnapshot, Ids, Instant, SnapshotSource, SyncRule

from {{ cookiecutter.__package }}.payloads import Level

BOOKS: Final = SyncRule(SnapshotSource.IN_BAND, ids=Ids.LINK)


class BookFrame(Struct, frozen=True, gc=False, tag_field="type", tag="book"):
    """``{"type":"book","symbol":"BTCUSDT","id":160,"previous":156,"bids":[["60000","1.4"]],"asks":[]}``

    `previous` of a snapshot is null.
    """

    channel: ClassVar = "book"
    symbol: str
    id: int
    previous: int | None
    bids: list[Level]
    asks: list[Level]


def book_message(told: BookFrame, id_: str, now: Instant) -> BookSnapshot | BookDelta:
    """A snapshot, or a change of the book that stands at `previous`."""
    if told.previous is None:
        return BookSnapshot(instrument=id_, bids=told.bids, asks=told.asks, last=told.id, received=now)
    return BookDelta(
        instrument=id_,
        bids=told.bids,
        asks=told.asks,
        last=told.id,
        previous=told.previous,
        received=now,
    )
