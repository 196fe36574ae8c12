from __future__ import annotations

import pytest

from venuekit_binance.errors import raise_for_error
from venuekit_spec import (
    SECOND,
    AuthenticationRefused,
    ClockSkewed,
    HttpResponse,
    MalformedMessage,
    Outcome,
    RateLimited,
    Refused,
    VenueError,
    VenueUnavailable,
)


def body(code: int, message: str = "told") -> bytes:
    """An error as the venue writes it."""
    return f'{{"code":{code},"msg":"{message}"}}'.encode()


@pytest.mark.parametrize(
    ("status", "content", "error", "outcome"),
    [
        (400, body(-1000), VenueUnavailable, Outcome.UNKNOWN),
        (400, body(-1001), VenueUnavailable, Outcome.UNKNOWN),
        (401, body(-1002), AuthenticationRefused, Outcome.REJECTED),
        (400, body(-1003), RateLimited, Outcome.REJECTED),
        (400, body(-1006), VenueUnavailable, Outcome.UNKNOWN),
        (400, body(-1007), VenueUnavailable, Outcome.UNKNOWN),
        (503, body(-1008), VenueUnavailable, Outcome.UNKNOWN),
        (429, body(-1015), RateLimited, Outcome.REJECTED),
        (400, body(-1016), VenueUnavailable, Outcome.UNKNOWN),
        (400, body(-1021), ClockSkewed, Outcome.REJECTED),
        (400, body(-1022), AuthenticationRefused, Outcome.REJECTED),
        (400, body(-1034), RateLimited, Outcome.REJECTED),
        (400, body(-1121), Refused, Outcome.REJECTED),
        (401, body(-2014), AuthenticationRefused, Outcome.REJECTED),
        (403, body(-2015), AuthenticationRefused, Outcome.REJECTED),
        (400, body(-9999), Refused, Outcome.REJECTED),
        (200, body(-1121), Refused, Outcome.REJECTED),
        (200, body(-1007), VenueUnavailable, Outcome.UNKNOWN),
        (500, body(-1121), VenueUnavailable, Outcome.UNKNOWN),
        (502, b"<html>", VenueUnavailable, Outcome.UNKNOWN),
        (408, b"", VenueUnavailable, Outcome.UNKNOWN),
        (429, b"", RateLimited, Outcome.REJECTED),
        (418, b"", RateLimited, Outcome.REJECTED),
        (403, b"<html>", RateLimited, Outcome.REJECTED),
        (451, b"<html>", Refused, Outcome.REJECTED),
        (404, b"<html>", MalformedMessage, Outcome.UNKNOWN),
        (400, body(5), MalformedMessage, Outcome.UNKNOWN),
        (400, b'{"code":"-1121"}', MalformedMessage, Outcome.UNKNOWN),
        (400, b"\xff\xfe", MalformedMessage, Outcome.UNKNOWN),
        (302, b"", MalformedMessage, Outcome.UNKNOWN),
        (200, b'{"code":-', MalformedMessage, Outcome.UNKNOWN),
    ],
)
def test_classification(status: int, content: bytes, error: type[VenueError], outcome: Outcome) -> None:
    """Each status and code has its error, and only definite evidence says that nothing happened."""
    with pytest.raises(VenueError) as raised:
        raise_for_error(HttpResponse(status, content), "depth")
    assert type(raised.value) is error
    assert raised.value.outcome is outcome
    assert raised.value.venue == "binance"


def test_a_success_is_none() -> None:
    """A 200 with a result raises nothing."""
    raise_for_error(HttpResponse(200, b'{"serverTime":1499827319559}'))


def test_the_code_and_the_message_are_kept() -> None:
    """A refusal carries the venue's code and its words."""
    with pytest.raises(Refused, match=r"^binance -1121: Invalid symbol\.$") as raised:
        raise_for_error(HttpResponse(400, body(-1121, "Invalid symbol.")))
    assert raised.value.code == "-1121"


def test_a_limit_says_until_when() -> None:
    """A 429 carries its Retry-After and is no ban; a 418 is one."""
    with pytest.raises(RateLimited) as limited:
        raise_for_error(HttpResponse(429, body(-1003), {"retry-after": "12"}))
    assert (limited.value.retry_after, limited.value.banned) == (12.0, False)
    banned_until = body(-1003, "Way too much request weight used; IP banned until 1659146400000.")
    with pytest.raises(RateLimited) as banned:
        raise_for_error(HttpResponse(418, banned_until, received=1_659_146_340 * SECOND))
    assert (banned.value.retry_after, banned.value.banned) == (60.0, True)


def test_a_ban_that_is_over_asks_for_no_negative_pause() -> None:
    """A ban whose end has passed by our clock is a pause of zero."""
    content = body(-1003, "IP banned until 1659146400000.")
    with pytest.raises(RateLimited) as raised:
        raise_for_error(HttpResponse(418, content, received=1_659_146_500 * SECOND))
    assert raised.value.retry_after == 0.0


def test_a_limit_told_only_by_its_code_is_no_ban() -> None:
    """-1003 without a status of its own is a limit; how long is not known."""
    with pytest.raises(RateLimited) as raised:
        raise_for_error(HttpResponse(400, body(-1003)))
    assert (raised.value.retry_after, raised.value.banned) == (None, False)
