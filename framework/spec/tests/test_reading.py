"""Reading what a venue sent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from msgspec import Raw, Struct
from msgspec.json import Decoder

from venuekit_spec import (
    HttpResponse,
    MalformedMessage,
    decimals_of,
    decode,
    instant_of,
    plain_text,
    retry_after,
)


class Clock(Struct):
    """Something to be read."""

    time: int


CLOCK = Decoder(Clock)


def test_bytes_are_read() -> None:
    """Of a body, and of a part of one that was left as it is."""
    assert decode(CLOCK, b'{"time":7}', "time", venue="toy") == Clock(7)
    assert decode(CLOCK, Raw(b'{"time":7}'), "time", venue="toy") == Clock(7)


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"time":"x"}', b'{"time":', b"\xff", b"[" * 100_000])
def test_bytes_that_mean_nothing_are_one_error(body: bytes) -> None:
    """It names venue and topic, and shows how the bytes began."""
    with pytest.raises(MalformedMessage) as raised:
        decode(CLOCK, body, "time", venue="toy")
    assert (raised.value.venue, raised.value.topic) == ("toy", "time")
    assert raised.value.excerpt.startswith(body[:5].decode(errors="backslashreplace"))


def test_a_moment_is_an_exact_instant() -> None:
    """To the microsecond, in whatever zone, also before 1970; no moment is 0."""
    moment = datetime(2023, 10, 6, 17, 35, 55, 440_295, tzinfo=UTC)
    assert instant_of(moment) == 1_696_613_755_440_295_000
    assert instant_of(moment.astimezone(timezone(timedelta(hours=2)))) == instant_of(moment)
    assert instant_of(datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)) == -1_000
    assert instant_of(None) == 0


@pytest.mark.parametrize(
    ("told", "wait"),
    [("7", 7.0), ("0", 0.0), ("", None), ("soon", None), ("1.5", None), ("\u0667", None), ("9" * 400, None)],
)
def test_how_long_to_wait(told: str, wait: float | None) -> None:
    """Whole seconds, in plain digits, of a length that can be waited, and nothing else."""
    assert retry_after(HttpResponse(429, b"", {"retry-after": told})) == wait


def test_no_header_says_nothing() -> None:
    """Where Retry-After is absent."""
    assert retry_after(HttpResponse(429, b"")) is None


@pytest.mark.parametrize(
    ("step", "decimals"), [("0.01", 2), ("0.0100", 2), ("1", 0), ("50", 0), ("1E+3", 0), ("1E-8", 8)]
)
def test_decimals_of_a_step(step: str, decimals: int) -> None:
    """As many as its multiples need, whatever zeros it is written with."""
    assert decimals_of(Decimal(step)) == decimals


@pytest.mark.parametrize(
    ("number", "text"),
    [("7e-7", "0.0000007"), ("1.50", "1.50"), ("6E+4", "60000"), ("0", "0"), ("0E-9", "0"), ("-0", "0")],
)
def test_bare_numbers_keep_their_digits(number: str, text: str) -> None:
    """In plain notation, zeros at the end and all."""
    assert plain_text(Decimal(number)) == text


@pytest.mark.parametrize("number", ["NaN", "-NaN", "sNaN", "Infinity", "-1", "1e999999", "1e-999999"])
def test_what_is_no_price_and_no_size_has_no_text(number: str) -> None:
    """Also what would fill the memory, were it written out."""
    with pytest.raises(ValueError, match="neither a price nor a size"):
        plain_text(Decimal(number))
