"""The book feed: a snapshot in band, then changes whose numbers rise by exactly one."""

from __future__ import annotations

from typing import ClassVar, Final

from msgspec import Struct
from venuekit_spec import BookDelta, BookSnapshot, Ids, Instant, SnapshotSource, SyncRule

from {{ cookiecutter.__package }}.payloads import Level

BOOKS: Final = SyncRule(SnapshotSource.IN_BAND, ids=Ids.NEXT)


class BookFrame(Struct, frozen=True, gc=False, tag_field="type", tag="book"):
    """``{"type":"book","symbol":"BTCUSDT","snapshot":false,"n":3,"bids":[["60000","1.4"]],"asks":[]}``"""

    channel: ClassVar = "book"
    symbol: str
    snapshot: bool
    n: int
    bids: list[Level]
    asks: list[Level]


def book_message(told: BookFrame, id_: str, now: Instant) -> BookSnapshot | BookDelta:
    """A snapshot, or the change that comes after number n - 1."""
    kind = BookSnapshot if told.snapshot else BookDelta
    return kind(instrument=id_, bids=told.bids, asks=told.asks, last=told.n, received=now)
