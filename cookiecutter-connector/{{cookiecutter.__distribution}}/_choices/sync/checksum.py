"""The book feed: a snapshot in band, then changes, each with a checksum of the book after it."""

from __future__ import annotations

from typing import ClassVar, Final
from zlib import crc32

from msgspec import Struct
from venuekit_spec import (
    BookDelta,
    BookSnapshot,
    Checksum,
    Instant,
    Instrument,
    Rows,
    SnapshotSource,
    SyncRule,
)

from {{ cookiecutter.__package }}.payloads import Level

LEVELS: Final = 10
"""How many levels a side the checksum covers."""


def book_checksum(bids: Rows, asks: Rows, instrument: Instrument) -> int:
    """CRC-32 over price and size of the best levels, bids first, each followed by a semicolon: the exact text of the wire."""
    rows = [*bids[:LEVELS], *asks[:LEVELS]]
    return crc32("".join(f"{row[0]}:{row[1]};" for row in rows).encode())


BOOKS: Final = SyncRule(SnapshotSource.IN_BAND, checksum=Checksum(book_checksum, LEVELS))


class BookFrame(Struct, frozen=True, gc=False, tag_field="type", tag="book"):
    """``{"type":"book","symbol":"BTCUSDT","snapshot":false,"bids":[["60000","1.4"]],"asks":[],"checksum":3310070434}``"""

    channel: ClassVar = "book"
    symbol: str
    snapshot: bool
    bids: list[Level]
    asks: list[Level]
    checksum: int


def book_message(told: BookFrame, id_: str, now: Instant) -> BookSnapshot | BookDelta:
    """A snapshot or a change; either proves the book that comes of it."""
    kind = BookSnapshot if told.snapshot else BookDelta
    return kind(instrument=id_, bids=told.bids, asks=told.asks, checksum=told.checksum, received=now)
