"""How the venue tells its books: the mirror of `books`."""

from __future__ import annotations

from venuekit_spec import BookImage, Instrument

from {{ cookiecutter.__package }}.books import BookFrame
from {{ cookiecutter.__package }}.dialect.writing import changes, rows
from {{ cookiecutter.__package }}.instruments import SYMBOL


def book_frame(instrument: Instrument, number: int, before: BookImage | None, now: BookImage) -> BookFrame:
    """Frame `number` of a subscription: the book at first, then what has changed since the last."""
    bids, asks = rows(now) if before is None else changes(before, now)
    return BookFrame(instrument.native[SYMBOL], before is None, number, bids, asks)
