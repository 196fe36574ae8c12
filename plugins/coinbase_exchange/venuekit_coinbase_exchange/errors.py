"""What Coinbase Exchange's refusals mean: HTTP statuses and texts -> the errors of the contract.

There are no error codes, only a text in the body, so texts are matched by what they contain, in lower case, first match
first. A failure of the venue (5xx, also a proxy's page) decides by its status alone. A 4xx with a readable text proves that
nothing was done; one without proves nothing, so it is no refusal.

https://docs.cdp.coinbase.com/exchange/rest-api/requests
"""

from __future__ import annotations

from typing import Final

import msgspec

from venuekit_coinbase_exchange.payloads import VENUE, ErrorBody
from venuekit_spec import (
    UNREADABLE,
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
    Seconds,
    VenueError,
    VenueUnavailable,
    retry_after,
)

PAUSE: Final[Seconds] = 1.0
"""How long to wait after a 429 that says no more: every bucket holds ten requests again by then."""

BY_TEXT: Final[tuple[tuple[str, type[VenueError]], ...]] = (
    ("timestamp expired", ClockSkewed),
    ("insufficient funds", InsufficientFunds),
    ("order not found", OrderNotFound),
    ("order already done", OrderNotFound),  # it is not open any more
    ("invalid api key", AuthenticationRefused),
    ("invalid signature", AuthenticationRefused),
    ("invalid passphrase", AuthenticationRefused),
    ("unauthorized", AuthenticationRefused),
    ("forbidden", AuthenticationRefused),
    ("too precise", RuleViolated),
    ("too accurate", RuleViolated),
    ("too small", RuleViolated),
    ("too large", RuleViolated),
    ("under maintenance", VenueUnavailable),
)
"""What a text contains -> its error. Any other text of a 4xx is a plain `Refused`."""

_error_body = msgspec.json.Decoder(ErrorBody)


def raise_for_error(response: HttpResponse, label: str = "") -> None:
    """Return if the response is a success; otherwise raise what it means. `label` names the request.

    Raises `RateLimited` (429), `VenueUnavailable` (5xx, maintenance), what `BY_TEXT` says, `Refused` for another text, and
    `MalformedMessage` for a failure without a text, whose outcome is unknown.
    """
    if 200 <= response.status < 300:
        return
    text = _text(response)
    told, code = text or f"HTTP {response.status}", str(response.status)
    if response.status == 429:
        raise RateLimited(told, venue=VENUE, code=code, retry_after=pause(response))
    if response.status >= 500 or response.status == 408:
        raise VenueUnavailable(told, venue=VENUE, code=code)
    if response.status < 400 or not text:
        raise MalformedMessage(
            f"HTTP {response.status} without a message", venue=VENUE, topic=label, frame=response.body
        )
    raise meaning(text, code)


def meaning(text: str, code: str) -> VenueError:
    """The error of a request that was refused with this text and HTTP status: definite evidence that nothing was done."""
    lowered = text.lower()
    kind = next((kind for part, kind in BY_TEXT if part in lowered), Refused)
    return kind(text, venue=VENUE, code=code, outcome=Outcome.REJECTED)


def pause(response: HttpResponse) -> Seconds:
    """How long to wait after a 429."""
    told = retry_after(response)
    return PAUSE if told is None else told


def limit_report(response: HttpResponse) -> LimitReport:
    """A pause after a 429; nothing else is told of limits.

    https://docs.cdp.coinbase.com/exchange/rest-api/rate-limits
    """
    return LimitReport(penalty=pause(response)) if response.status == 429 else LimitReport()


def _text(response: HttpResponse) -> str:
    """The text of an error; empty where the body has none."""
    try:
        return _error_body.decode(response.body).message
    except UNREADABLE:
        return ""
