"""The book feed: ranges of ids, joined to a snapshot by REST."""

from __future__ import annotations

from typing import ClassVar, Final

from msgspec import Struct
from venuekit_spec import BookDelta, Ids, Instant, Join, SnapshotSource, SyncRule

from {{ cookiecutter.__package }}.payloads import Level

BOOKS: Final = SyncRule(SnapshotSource.REST, ids=Ids.RANGE, join=Join.SPANS_NEXT, audit=300.0)


class BookFrame(Struct, frozen=True, gc=False, tag_field="type", tag="book"):
    """``{"type":"book","symbol":"BTCUSDT","first":157,"last":160,"bids":[["60000","1.4"]],"asks":[]}``"""

    channel: ClassVar = "book"
    symbol: str
    first: int
    last: int
    bids: list[Level]
    asks: list[Level]


def book_message(told: BookFrame, id_: str, now: Instant) -> BookDelta:
    """A change of the book from the id `first` to the id `last`."""
    return BookDelta(
        instrument=id_,
        bids=told.bids,
        asks=told.asks,
        first=told.first,
        last=told.last,
        received=now,
    )
