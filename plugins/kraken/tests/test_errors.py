"""What a refusal becomes, and what it says of limits."""

from __future__ import annotations

import pytest

from venuekit_kraken.data_source import KrakenDataSource
from venuekit_kraken.description import DESCRIPTION
from venuekit_spec import (
    SECOND,
    HttpResponse,
    LimitReport,
    RateLimited,
    Refused,
    VenueUnavailable,
)
from venuekit_testkit import answered, reply


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("EAPI:Rate limit exceeded", RateLimited),
        ("EGeneral:Too many requests", RateLimited),
        ("EService: Throttled: 12", RateLimited),
        ("EService:Unavailable", VenueUnavailable),
        ("EService:Busy", VenueUnavailable),
        ("EGeneral:Internal error", VenueUnavailable),
        ("EQuery:Unknown asset pair", Refused),
        ("EGeneral:Invalid arguments:pair", Refused),
    ],
)
def test_errors_come_with_http_200(source: KrakenDataSource, error: str, kind: type[Exception]) -> None:
    """What the envelope says decides what the error is, and the error says it."""
    with pytest.raises(kind, match=error) as raised:
        answered(source.server_time(), reply({"error": ["WGeneral:Slow", error]}))
    assert type(raised.value) is kind


@pytest.mark.parametrize(
    ("error", "wait"),
    [("EService: Throttled: 12", 5.0), ("EService: Throttled: 3", 0.0), ("EService: Throttled: soon", 5.0)],
)
def test_throttled_tells_when_to_come_back(source: KrakenDataSource, error: str, wait: float) -> None:
    """The instant that the venue names, counted from the receipt of the answer."""
    with pytest.raises(RateLimited) as raised:
        answered(source.server_time(), reply({"error": [error]}, received=7 * SECOND))
    assert raised.value.retry_after == wait


@pytest.mark.parametrize(
    ("status", "kind"),
    [(429, RateLimited), (403, RateLimited), (520, VenueUnavailable), (503, VenueUnavailable)],
)
def test_other_statuses_come_from_before_the_api(
    source: KrakenDataSource, status: int, kind: type[Exception]
) -> None:
    """A guard's or a proxy's page is not parsed."""
    with pytest.raises(kind):
        answered(source.server_time(), reply(b"<html>", status))


def test_a_ban_is_told_as_one(source: KrakenDataSource) -> None:
    """403 is the ban of the address: going on makes it worse."""
    with pytest.raises(RateLimited) as raised:
        answered(source.server_time(), reply(b"", 403))
    assert raised.value.banned


@pytest.mark.parametrize(
    ("response", "report"),
    [
        (HttpResponse(200, b'{"error":[],"result":{}}'), LimitReport()),
        (HttpResponse(200, b'{"error":["WGeneral:Slow"],"result":{}}'), LimitReport()),
        (HttpResponse(200, b'{"error":["EQuery:Unknown asset pair"]}'), LimitReport()),
        (
            HttpResponse(200, b'{"error":["WGeneral:Slow","EAPI:Rate limit exceeded"]}'),
            LimitReport(penalty=5.0),
        ),
        (
            HttpResponse(200, b'{"error":["EService: Throttled: 12"]}', received=7 * SECOND),
            LimitReport(penalty=5.0),
        ),
        (HttpResponse(429, b"<html>"), LimitReport(penalty=5.0)),
        (HttpResponse(429, b"", {"retry-after": "30"}), LimitReport(penalty=30.0)),
        (HttpResponse(403, b"<html>"), LimitReport(penalty=600.0, banned=True)),
        (HttpResponse(502, b"<html>"), LimitReport()),
    ],
)
def test_what_an_answer_says_of_limits(response: HttpResponse, report: LimitReport) -> None:
    """A refusal for too many requests stops all of them, by whatever way it is told; nothing else does."""
    assert DESCRIPTION.limit_report(response) == report
