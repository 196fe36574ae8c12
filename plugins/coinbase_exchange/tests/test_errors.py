from __future__ import annotations

import json

import pytest

from venuekit_coinbase_exchange.errors import limit_report, raise_for_error
from venuekit_spec import (
    AuthenticationRefused,
    ClockSkewed,
    HttpResponse,
    InsufficientFunds,
    LimitReport,
    MalformedMessage,
    OrderNotFound,
    Outcome,
    RateLimited,
    Refused,
    RuleViolated,
    VenueError,
    VenueUnavailable,
)


def body(message: str) -> bytes:
    """An error as the venue writes it."""
    return json.dumps({"message": message}).encode()


@pytest.mark.parametrize(
    ("status", "content", "error", "outcome"),
    [
        (400, body("Insufficient funds"), InsufficientFunds, Outcome.REJECTED),
        (404, body("order not found"), OrderNotFound, Outcome.REJECTED),
        (400, body("Order already done"), OrderNotFound, Outcome.REJECTED),
        (401, body("Invalid API Key"), AuthenticationRefused, Outcome.REJECTED),
        (401, body("invalid signature"), AuthenticationRefused, Outcome.REJECTED),
        (400, body("Invalid Passphrase"), AuthenticationRefused, Outcome.REJECTED),
        (403, body("Forbidden"), AuthenticationRefused, Outcome.REJECTED),
        (400, body("request timestamp expired"), ClockSkewed, Outcome.REJECTED),
        (400, body("price is too precise"), RuleViolated, Outcome.REJECTED),
        (400, body("size is too small. Minimum size is 0.001"), RuleViolated, Outcome.REJECTED),
        (400, body("Trading is under maintenance"), VenueUnavailable, Outcome.REJECTED),
        (400, body("Cancel only mode"), Refused, Outcome.REJECTED),
        (404, body("NotFound"), Refused, Outcome.REJECTED),
        (400, body("Invalid Price"), Refused, Outcome.REJECTED),
        (429, body("Public rate limit exceeded"), RateLimited, Outcome.REJECTED),
        (429, b"", RateLimited, Outcome.REJECTED),
        (500, body("Internal server error"), VenueUnavailable, Outcome.UNKNOWN),
        (503, body("Insufficient funds"), VenueUnavailable, Outcome.UNKNOWN),
        (520, b"<html>", VenueUnavailable, Outcome.UNKNOWN),
        (408, b"", VenueUnavailable, Outcome.UNKNOWN),
        (404, b"<html>", MalformedMessage, Outcome.UNKNOWN),
        (400, b"{}", MalformedMessage, Outcome.UNKNOWN),
        (400, body(""), MalformedMessage, Outcome.UNKNOWN),
        (400, b"\xff\xfe", MalformedMessage, Outcome.UNKNOWN),
        (302, body("Found"), MalformedMessage, Outcome.UNKNOWN),
    ],
)
def test_classification(status: int, content: bytes, error: type[VenueError], outcome: Outcome) -> None:
    """Each status and text has its error, and only a text of the venue's own says that nothing happened."""
    with pytest.raises(VenueError) as raised:
        raise_for_error(HttpResponse(status, content), "orders")
    assert type(raised.value) is error
    assert raised.value.outcome is outcome
    assert raised.value.venue == "coinbase_exchange"


@pytest.mark.parametrize("status", [200, 201])
def test_a_success_is_none(status: int) -> None:
    """A success raises nothing."""
    raise_for_error(HttpResponse(status, b"[]"))


def test_the_text_and_the_status_are_kept() -> None:
    """A refusal carries the venue's words, and the status as its code."""
    with pytest.raises(Refused, match=r"^coinbase_exchange 400: Invalid Price$") as raised:
        raise_for_error(HttpResponse(400, body("Invalid Price")))
    assert raised.value.code == "400"


@pytest.mark.parametrize(
    ("header", "wait"), [({}, 1.0), ({"retry-after": "7"}, 7.0), ({"retry-after": "soon"}, 1.0)]
)
def test_a_limit_orders_a_pause(header: dict[str, str], wait: float) -> None:
    """After a 429 nothing is sent until a bucket has something in it, or as long as the venue says."""
    response = HttpResponse(429, body("Public rate limit exceeded"), header)
    assert limit_report(response) == LimitReport(penalty=wait)
    with pytest.raises(RateLimited) as raised:
        raise_for_error(response)
    assert (raised.value.retry_after, raised.value.banned) == (wait, False)


def test_other_responses_report_no_limits() -> None:
    """Neither a success nor a failure of the venue says anything of limits."""
    assert limit_report(HttpResponse(200, b"[]")) == limit_report(HttpResponse(503, b"")) == LimitReport()
