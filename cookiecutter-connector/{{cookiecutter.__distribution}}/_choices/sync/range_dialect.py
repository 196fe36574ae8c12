"""How the venue tells its books: the mirror of `books`."""

from __future__ import annotations

from venuekit_spec import BookImage, Instrument

from {{ cookiecutter.__package }}.books import BookFrame
from {{ cookiecutter.__package }}.dialect.writing import changes
from {{ cookiecutter.__package }}.instruments import SYMBOL


def book_frame(
    instrument: Instrument, number: int, before: BookImage | None, now: BookImage
) -> BookFrame | None:
    """Frame `number` of a subscription: the changes since the last. Nothing at first: a client asks for the book itself."""
    if before is None:
        return None
    bids, asks = changes(before, now)
    return BookFrame(instrument.native[SYMBOL], before.id + 1, now.id, bids, asks)
