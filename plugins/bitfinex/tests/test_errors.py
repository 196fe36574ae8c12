from __future__ import annotations

import pytest

from venuekit_bitfinex.data_source import limit_report, refusal
from venuekit_spec import HttpResponse, RateLimited, Refused, VenueUnavailable


@pytest.mark.parametrize(
    ("status", "body", "error", "pause"),
    [
        (429, b"", RateLimited, 60.0),
        (500, b'["error",11010,"ratelimit: error"]', RateLimited, 60.0),
        (500, b'{"error":"ERR_RATE_LIMIT"}', RateLimited, 60.0),
        (500, b'["error",10020,"symbol: invalid"]', Refused, None),
        (503, b"<html>", VenueUnavailable, None),
        (200, b"[]", type(None), None),
    ],
)
def test_refusals(status: int, body: bytes, error: type, pause: float | None) -> None:
    """A status of 500 may be a definite refusal; limits are told in three ways, each of which costs a minute."""
    response = HttpResponse(status, body)
    assert type(refusal(response)) is error
    assert limit_report(response).penalty == pause
