"""What Kraken's REST answers say instead of a result: texts and HTTP statuses -> the errors of the contract.

Errors travel with HTTP 200, as texts ``Ecategory:what[:detail]``; the first one decides. A text that starts with W is a
warning and no error. Another status comes from what stands before the API: 429 and 403 from its guard against floods (403 is
a ban of the address), 5xx from a proxy.

https://docs.kraken.com/exchange/guides/rest/introduction
"""

from __future__ import annotations

from typing import Final, TypeVar

from msgspec.json import Decoder

from venuekit_kraken.payloads import ENVELOPE, UNREADABLE, VENUE
from venuekit_spec import (
    SECOND,
    HttpResponse,
    Instant,
    MalformedMessage,
    RateLimited,
    Refused,
    Seconds,
    VenueError,
    VenueUnavailable,
)

T = TypeVar("T")

RATE_LIMITED: Final = ("EAPI:Rate limit exceeded", "EGeneral:Too many requests", "EService: Throttled")
UNAVAILABLE: Final = (
    "EDatabase:Internal error",
    "EGeneral:Internal error",
    "EService:Busy",
    "EService:Timeout",
    "EService:Unavailable",
)

UNIX_SECONDS_DIGITS: Final = 10
"""Until the year 2286."""


def result(response: HttpResponse, label: str, decoder: Decoder[T]) -> T:
    """The `result` of a REST answer; `label` names the request in errors.

    Raises `RateLimited`, `VenueUnavailable` or `Refused` for what the venue says instead, `MalformedMessage` for what its
    documentation does not know.
    """
    if response.status in {403, 429}:
        code, banned = str(response.status), response.status == 403
        raise RateLimited(f"{label}: too many requests", venue=VENUE, code=code, banned=banned)
    if response.status >= 500:
        raise VenueUnavailable(f"{label} failed", venue=VENUE, code=str(response.status))
    try:
        envelope = ENVELOPE.decode(response.body)
        errors = [error for error in envelope.error if not error.startswith("W")]
        if not errors:
            return decoder.decode(envelope.result)
    except UNREADABLE as error:
        raise MalformedMessage(str(error), venue=VENUE, topic=label, frame=response.body) from error
    raise meaning(errors, label, response.received)


def meaning(errors: list[str], label: str, received: Instant) -> VenueError:
    """The error that `errors`, received at an instant, come to."""
    told, code = f"{label}: {', '.join(errors)}", errors[0]
    if code.startswith(RATE_LIMITED):
        return RateLimited(told, venue=VENUE, code=code, retry_after=_wait(code, received))
    kind = VenueUnavailable if code.startswith(UNAVAILABLE) else Refused
    return kind(told, venue=VENUE, code=code)


def _wait(code: str, received: Instant) -> Seconds | None:
    """How long to wait: "Throttled" ends with the Unix second from which requests are taken again."""
    until = code.rpartition(":")[2].strip()
    if not until.isdecimal() or len(until) > UNIX_SECONDS_DIGITS:
        return None
    return max(0.0, (int(until) * SECOND - received) / SECOND)
