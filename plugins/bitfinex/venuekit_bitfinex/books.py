"""How books are kept whole: a snapshot in band, one sequence over everything that a socket sends, and checksums in between.

A checksum is a signed CRC-32 over the best 25 levels of both sides in turn: price and amount (of asks negative), as JavaScript
writes numbers: without trailing zeros, and below 0.000001 with an exponent (7e-7).

Source: https://docs.bitfinex.com/docs/ws-websocket-checksum
"""

from __future__ import annotations

from decimal import Decimal
from itertools import zip_longest
from typing import Final
from zlib import crc32

from venuekit_spec import Checksum, Instrument, Rows, SnapshotSource, SyncRule

LEVELS: Final = 25
DEPTHS: Final = {"": 100, "25": 25, "100": 100, "250": 250}
"""Levels a side, by `Topic.variant`."""


def book_checksum(bids: Rows, asks: Rows, instrument: Instrument) -> int:
    """What Bitfinex computes for a book with these best levels. A side may have more than 25 or fewer."""
    pairs = zip_longest(bids[:LEVELS], asks[:LEVELS])
    rows = ((row, sign) for pair in pairs for row, sign in zip(pair, ("", "-"), strict=True) if row)
    told = ":".join(f"{script_text(str(row[0]))}:{sign}{script_text(row[1])}" for row, sign in rows)
    return (crc32(told.encode()) ^ 2**31) - 2**31


def script_text(number: str) -> str:
    """A number as JavaScript writes it."""
    short = Decimal(number).normalize()
    if short.adjusted() >= -6:
        return format(short, "f")
    first, *others = map(str, short.as_tuple().digits)
    return f"{first}{'.' if others else ''}{''.join(others)}e{short.adjusted()}"


def book_rule(depth: int) -> SyncRule:
    """The rule at one depth. A channel that has nothing else to say sends a heartbeat every 15 s."""
    proof = Checksum(book_checksum, LEVELS)
    return SyncRule(SnapshotSource.IN_BAND, per_connection=True, checksum=proof, depth=depth, silence=40.0)
