"""What the engine holds, as the venue writes it: books as rows of text, frames as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from msgspec import Struct
from msgspec.json import encode
from venuekit_spec import BookImage, Send

from {{ cookiecutter.__package }}.payloads import Level


def plain(number: Decimal) -> str:
    """A number without an exponent and without trailing zeros."""
    return format(number.normalize(), "f")


def send(frame: Struct) -> Send:
    """A frame of text."""
    return Send(encode(frame).decode())


def rows(image: BookImage) -> tuple[list[Level], list[Level]]:
    """Bids and asks, best first."""
    bids, asks = ([(plain(price), plain(size)) for price, size in side] for side in (image.bids, image.asks))
    return bids, asks


def changes(before: BookImage, now: BookImage) -> tuple[list[Level], list[Level]]:
    """The bids and the asks that lead from one book to another; size zero: the level is gone."""
    return _changes(before.bids, now.bids), _changes(before.asks, now.asks)


def _changes(
    before: Sequence[tuple[Decimal, Decimal]], now: Sequence[tuple[Decimal, Decimal]]
) -> list[Level]:
    old, new = dict(before), dict(now)
    told = [(plain(price), "0") for price in old if price not in new]
    return told + [(plain(price), plain(size)) for price, size in now if old.get(price) != size]
