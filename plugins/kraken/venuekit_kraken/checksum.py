"""The checksum of a Kraken book, from exact text.

The venue takes the ten lowest asks, then the ten highest bids; of each level the price with exactly `price_decimals`
decimals, then the size with exactly `size_decimals`; of each number the digits alone, without the point and without leading
zeros. CRC-32 over all of it. The wire shortens numbers (``0.566`` for ``0.5660``), so they are padded; all of it is done on
text, and only a text with an exponent is written out first.

Source: https://docs.kraken.com/exchange/guides/websockets/book-checksum-v2
"""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from typing import Final
from zlib import crc32

from venuekit_spec import Instrument, LocalError, Rows

LEVELS: Final = 10
"""How many levels a side the checksum covers, whatever depth is subscribed to."""

REMEMBERED: Final = 16_384
"""Levels whose digits are kept: from one message to the next nearly all of a book's best levels are the same."""


def book_checksum(bids: Rows, asks: Rows, instrument: Instrument) -> int:
    """What Kraken computes for a book whose best levels are `bids` and `asks` (rows of text, best first).

    A side may have more than ten levels or fewer. Raises `LocalError` for an instrument without wire decimals.
    """
    price_decimals, size_decimals = instrument.price_decimals, instrument.size_decimals
    if price_decimals is None or size_decimals is None:
        raise LocalError(f"the checksum of {instrument.id} needs the decimals of its prices and sizes")
    digits = [
        _level(row[0], row[1], price_decimals, size_decimals)
        for side in (asks[:LEVELS], bids[:LEVELS])
        for row in side
    ]
    return crc32("".join(digits).encode())


@lru_cache(maxsize=REMEMBERED)
def _level(price: str | float, size: str, price_decimals: int, size_decimals: int) -> str:
    if not isinstance(price, str):  # a double: its shortest text is the price, exactly
        price = repr(price)
    return _digits(price, price_decimals) + _digits(size, size_decimals)


def _digits(text: str, decimals: int) -> str:
    if "e" in text or "E" in text:
        text = format(Decimal(text), "f")
    whole, _, fraction = text.partition(".")
    return (whole + fraction.ljust(decimals, "0")[:decimals]).lstrip("0")
