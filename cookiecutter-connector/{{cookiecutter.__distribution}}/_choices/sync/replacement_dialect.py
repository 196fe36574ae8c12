"""How the venue tells its books: the mirror of `books`."""

from __future__ import annotations

from venuekit_spec import BookImage, Instrument

from {{ cookiecutter.__package }}.books import LEVELS, BookFrame
from {{ cookiecutter.__package }}.dialect.writing import rows
from {{ cookiecutter.__package }}.instruments import SYMBOL


def book_frame(instrument: Instrument, number: int, before: BookImage | None, now: BookImage) -> BookFrame:
    """Frame `number` of a subscription: the book, as deep as the feed goes."""
    bids, asks = rows(now)
    return BookFrame(instrument.native[SYMBOL], now.id, bids[:LEVELS], asks[:LEVELS])
