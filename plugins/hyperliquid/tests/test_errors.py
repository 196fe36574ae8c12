"""What a refusal becomes, and what it says of limits."""

from __future__ import annotations

import pytest

from venuekit_hyperliquid.data_source import HyperliquidDataSource
from venuekit_hyperliquid.description import DESCRIPTION
from venuekit_spec import (
    HttpResponse,
    LimitReport,
    MalformedMessage,
    RateLimited,
    Refused,
    VenueError,
    VenueUnavailable,
)
from venuekit_testkit import answered


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (429, b"null", RateLimited),
        (422, b"Failed to deserialize the JSON body into the target type", Refused),
        (404, b"", Refused),
        (502, b"<html>", VenueUnavailable),
        (302, b"", MalformedMessage),
    ],
)
def test_refusals(source: HyperliquidDataSource, status: int, body: bytes, error: type[VenueError]) -> None:
    """The status says what happened; the error names the request."""
    with pytest.raises(error, match="exchangeStatus") as caught:
        answered(source.server_time(), HttpResponse(status, body))
    assert type(caught.value) is error


@pytest.mark.parametrize(
    ("response", "report"),
    [
        (HttpResponse(200, b"{}"), LimitReport()),
        (HttpResponse(500, b""), LimitReport()),
        (HttpResponse(429, b""), LimitReport(penalty=10.0)),
        (HttpResponse(429, b"", {"retry-after": "7"}), LimitReport(penalty=7.0)),
        (HttpResponse(429, b"", {"retry-after": "soon"}), LimitReport(penalty=10.0)),
    ],
)
def test_only_a_refusal_tells_of_limits(response: HttpResponse, report: LimitReport) -> None:
    """After 429 nothing is sent for a while, as long as the venue says where it does."""
    assert DESCRIPTION.limit_report(response) == report
