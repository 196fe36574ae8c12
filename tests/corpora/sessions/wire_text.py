"""What venues write and compute with the text of numbers."""

from __future__ import annotations

from decimal import Decimal
from itertools import zip_longest
from zlib import crc32

from venuekit_spec import Instrument, Rows


def plain(number: str) -> str:
    """A number as rows have it: the text of the wire, without an exponent.

    >>> plain("9.121E-7"), plain("710.0")
    ('0.0000009121', '710.0')
    """
    return f"{Decimal(number):f}" if "e" in number.lower() else number


def interleaved_crc(bids: Rows, asks: Rows, _instrument: Instrument) -> int:
    """OKX's checksum: the signed CRC32 of ``bid:size:ask:size:...``, best first, a shorter side left out at the end.

    >>> interleaved_crc([("3366.1", "7"), ("3366", "6")], [("3366.8", "9"), ("3368", "8")], ...)
    -1881014294
    """
    pairs = zip_longest(bids, asks)
    text = ":".join(f"{row[0]}:{row[1]}" for pair in pairs for row in pair if row is not None)
    value = crc32(text.encode())
    return value - (1 << 32) if value >= 1 << 31 else value
