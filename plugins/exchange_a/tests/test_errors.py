"""What a refusal becomes."""

from __future__ import annotations

import pytest

from venuekit_exchange_a.description import limit_report
from venuekit_exchange_a.errors import BY_CODE, error_of, raise_for_error
from venuekit_exchange_a.payloads import ErrorBody
from venuekit_spec import (
    HttpResponse,
    MalformedMessage,
    Outcome,
    RateLimited,
    RefusalKind,
    Refused,
    VenueError,
    VenueUnavailable,
)
from venuekit_testkit import Hand


@pytest.mark.parametrize("code", [*BY_CODE, -9999])
def test_every_code(code: int) -> None:
    """A refusal is the error of its code, which it carries; another negative code is a plain refusal."""
    error = error_of(400, ErrorBody(code, "told"))
    assert type(error) is BY_CODE.get(code, Refused)
    assert error is not None
    assert error.code == str(code)


@pytest.mark.parametrize(
    ("response", "error", "outcome"),
    [
        (HttpResponse(503, b'{"code":-1001}'), VenueUnavailable, Outcome.UNKNOWN),
        (HttpResponse(500, b'{"code":-2010}'), VenueUnavailable, Outcome.UNKNOWN),
        (HttpResponse(429, b""), RateLimited, Outcome.REJECTED),
        (HttpResponse(418, b"<html>"), RateLimited, Outcome.REJECTED),
        (HttpResponse(400, b"<html>"), MalformedMessage, Outcome.UNKNOWN),
        (HttpResponse(302, b'{"code":-2010}'), MalformedMessage, Outcome.UNKNOWN),
    ],
)
def test_statuses(response: HttpResponse, error: type[VenueError], outcome: Outcome) -> None:
    """A limit was refused before the engine, a 5xx and a body without a code prove nothing."""
    with pytest.raises(error) as raised:
        raise_for_error(response, "")
    assert raised.value.outcome is outcome


def test_refusals_in_front(local: Hand) -> None:
    """The refusals of a fault plan are the venue's own words, with the pause."""
    banned = local.dialect.refusal(RefusalKind.BANNED, 7.2, local.now)
    assert limit_report(banned).penalty == 8.0
    assert limit_report(banned).banned
    assert local.dialect.refusal(RefusalKind.OVERLOADED, 0, local.now).status == 503
