"""Reading what a venue sent: the few lines that every connector would write alike.

All of it is pure. A connector that reads otherwise (another codec, times in a form of its own) leaves it alone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, TypeVar

from msgspec import MsgspecError, Raw
from msgspec.json import Decoder

from venuekit_spec.errors import MalformedMessage
from venuekit_spec.flows import HttpResponse
from venuekit_spec.instruments import Instrument
from venuekit_spec.times import MICROSECOND, SECOND, Instant, Seconds

T = TypeVar("T")
Entry = TypeVar("Entry")

_log = logging.getLogger(__name__)

UNREADABLE: Final = (MsgspecError, ValueError, RecursionError)
"""What reading raises at bytes that mean nothing: no JSON or the wrong types, text that is none, endless nesting."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_LARGEST: Final = 40
"""Beyond ten to this power, or its inverse, a number is no price and no size, and writing it out would fill the memory."""

_DIGITS_OF_A_WAIT: Final = 7
"""More make over a hundred days, or no number that a clock can be set to."""


def decode(decoder: Decoder[T], body: bytes | Raw, topic: str, *, venue: str) -> T:
    """Bytes -> structure. Raises `MalformedMessage` that names `venue` and `topic`, the request or the stream."""
    try:
        return decoder.decode(body)
    except UNREADABLE as error:
        raise MalformedMessage(str(error), venue=venue, topic=topic, frame=bytes(body)) from error


def readable(entries: Iterable[Entry], read: Callable[[Entry], T]) -> Iterator[T]:
    """What the entries of a list come to. One that is malformed is left out with a warning, so that it costs no other."""
    for entry in entries:
        try:
            yield read(entry)
        except MalformedMessage as error:
            _log.warning("an entry is left out: %s", error)


def unrivalled(found: Iterable[Instrument], use: str) -> list[Instrument]:
    """Instruments without those that share their id, or their name for `use` (`Instrument.native`), with an earlier one.

    They are left out with a warning.
    """
    kept: dict[str, Instrument] = {}
    names: set[str] = set()
    for instrument in found:
        name = instrument.native[use]
        if instrument.id in kept or name in names:
            _log.warning("an instrument is left out: %s (%s) is not the only one", instrument.id, name)
            continue
        kept[instrument.id] = instrument
        names.add(name)
    return list(kept.values())


def instant_of(moment: datetime | None) -> Instant:
    """A moment (with its zone, to the microsecond) as an instant, exactly; 0 for none."""
    if moment is None:
        return 0
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * SECOND + since.microseconds * MICROSECOND


def retry_after(response: HttpResponse) -> Seconds | None:
    """How many seconds the header Retry-After says to wait; None where it is absent, or is no whole number of seconds.

    More than seven digits are no time to wait either.
    """
    told = response.headers.get("retry-after", "")
    return float(told) if told.isascii() and told.isdecimal() and len(told) <= _DIGITS_OF_A_WAIT else None


def decimals_of(step: Decimal) -> int:
    """How many decimals the multiples of a step need.

    >>> decimals_of(Decimal("0.0100")), decimals_of(Decimal("50"))
    (2, 0)
    """
    return max(0, -int(step.normalize().as_tuple().exponent))


def plain_text(number: Decimal) -> str:
    """The text of a price or a size that travelled as a bare JSON number, in plain notation, with every digit it had.

    Raises `ValueError` for what is neither: negative, not finite, or beyond any order of magnitude.

    >>> plain_text(Decimal("7e-7")), plain_text(Decimal("1.50"))
    ('0.0000007', '1.50')
    """
    text = str(number)
    if text.replace(".", "", 1).isdigit():
        return text
    if not number.is_finite() or number < 0 or (number and abs(number.adjusted()) > _LARGEST):
        raise ValueError(f"{text} is neither a price nor a size")
    return format(number, "f") if number else "0"
