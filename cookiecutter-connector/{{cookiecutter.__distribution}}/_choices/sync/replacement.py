"""The book feed: each message is the whole book, as deep as the feed goes."""

from __future__ import annotations

from typing import ClassVar, Final

from msgspec import Struct
from venuekit_spec import BookSnapshot, Ids, Instant, SnapshotSource, SyncRule

from {{ cookiecutter.__package }}.payloads import Level

LEVELS: Final = 50
"""The depth of the feed, a side."""

BOOKS: Final = SyncRule(SnapshotSource.EVERY_MESSAGE, ids=Ids.RISING, depth=LEVELS)


class BookFrame(Struct, frozen=True, gc=False, tag_field="type", tag="book"):
    """``{"type":"book","symbol":"BTCUSDT","id":160,"bids":[["60000","1.4"]],"asks":[]}``"""

    channel: ClassVar = "book"
    symbol: str
    id: int
    bids: list[Level]
    asks: list[Level]


def book_message(told: BookFrame, id_: str, now: Instant) -> BookSnapshot:
    """The book; one that is older than the last is dropped by the core."""
    return BookSnapshot(
        instrument=id_,
        bids=told.bids,
        asks=told.asks,
        last=told.id,
        depth=LEVELS,
        received=now,
    )
