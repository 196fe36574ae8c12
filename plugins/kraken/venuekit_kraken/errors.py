"""What Kraken's REST answers say instead of a result: texts and HTTP statuses -> the errors of the contract.

Errors travel with HTTP 200, as texts ``Ecategory:what[:detail]``; the first one decides. A text that starts with W is a
warning and no error. Another status comes from what stands before the API: 429 and 403 from its guard against floods (403 is
a ban of the address), 5xx from a proxy.

https://docs.kraken.com/exchange/guides/rest/introduction
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, TypeVar

from msgspec.json import Decoder

from venuekit_kraken.payloads import ENVELOPE, VENUE, Envelope
from venuekit_spec import (
    SECOND,
    UNREADABLE,
    HttpResponse,
    Instant,
    LimitReport,
    MalformedMessage,
    RateLimited,
    Refused,
    Seconds,
    VenueError,
    VenueUnavailable,
    retry_after,
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

PAUSE: Final[Seconds] = 5.0
"""How long nothing is sent after a refusal that does not say how long: the counters have drained by some requests then."""

BAN: Final[Seconds] = 600.0
"""How long an address is banned that came too often."""

UNIX_SECONDS_DIGITS: Final = 10
"""Until the year 2286."""

BY_STATUS: Final[Mapping[int, Seconds]] = MappingProxyType({429: PAUSE, 403: BAN})
"""Statuses of the guard against floods, and how long nothing is sent after one without a Retry-After."""

NO_ERROR: Final = b'{"error":[]'
"""How the venue begins an answer that has nothing to say but its result."""


def result(response: HttpResponse, label: str, decoder: Decoder[T]) -> T:
    """The `result` of a REST answer; `label` names the request in errors.

    Raises `RateLimited`, `VenueUnavailable` or `Refused` for what the venue says instead, `MalformedMessage` for what its
    documentation does not know.
    """
    if response.status in BY_STATUS:
        raise RateLimited(
            f"{label}: too many requests",
            venue=VENUE,
            code=str(response.status),
            retry_after=_pause(response),
            banned=response.status == 403,
        )
    if response.status >= 500:
        raise VenueUnavailable(f"{label} failed", venue=VENUE, code=str(response.status))
    try:
        envelope = ENVELOPE.decode(response.body)
        errors = _errors(envelope)
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


def limit_report(response: HttpResponse) -> LimitReport:
    """What an answer says of limits: nothing but that they are exceeded, by its status or in the text of its error."""
    if response.status in BY_STATUS:
        return LimitReport(penalty=_pause(response), banned=response.status == 403)
    if response.body.startswith(NO_ERROR):
        return LimitReport()
    try:
        errors = _errors(ENVELOPE.decode(response.body))
    except UNREADABLE:
        return LimitReport()  # the flow that asked reports the body
    exceeded = errors and errors[0].startswith(RATE_LIMITED)
    return LimitReport(penalty=_wait(errors[0], response.received)) if exceeded else LimitReport()


def _errors(envelope: Envelope) -> list[str]:
    """The errors of an answer, without what is only a warning."""
    return [error for error in envelope.error if not error.startswith("W")]


def _pause(response: HttpResponse) -> Seconds:
    """How long nothing is to be sent after a status that says so."""
    told = retry_after(response)
    return BY_STATUS[response.status] if told is None else told


def _wait(code: str, received: Instant) -> Seconds:
    """How long to wait: "Throttled" ends with the Unix second from which requests are taken again."""
    until = code.rpartition(":")[2].strip()
    if not until.isdecimal() or len(until) > UNIX_SECONDS_DIGITS:
        return PAUSE
    return max(0.0, (int(until) * SECOND - received) / SECOND)
