"""What Exchange A's refusals mean: statuses and numeric codes -> the errors of the contract.

====================  ==========================  =========  =================================================
status                error                       outcome    why
====================  ==========================  =========  =================================================
429                   `RateLimited`               rejected   the venue refuses before its engine sees anything
418                   `RateLimited`, banned       rejected   as above
5xx                   `VenueUnavailable`          unknown    it may have failed after the engine acted
4xx, readable code    by the code                 rejected   the venue said no
                                                             (-2012, a used client id: unknown)
anything else         `MalformedMessage`          unknown    nothing is proven by it
====================  ==========================  =========  =================================================

PROTOCOL.md, "Errors".
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from venuekit_exchange_a.payloads import VENUE, ErrorBody
from venuekit_spec import (
    UNREADABLE,
    AuthenticationRefused,
    ClockSkewed,
    DuplicateClientOrderId,
    HttpResponse,
    InsufficientFunds,
    MalformedMessage,
    OrderNotFound,
    Outcome,
    Placed,
    RateLimited,
    Refused,
    Rejected,
    RuleViolated,
    Seconds,
    Unknown,
    VenueError,
    VenueUnavailable,
    retry_after,
)

BY_CODE: Final[Mapping[int, type[VenueError]]] = MappingProxyType({
    -1000: VenueUnavailable,  # internal error
    -1001: VenueUnavailable,  # overloaded
    -1003: RateLimited,  # request weight, raw requests
    -1004: RateLimited,  # orders
    -1005: RateLimited,  # frames on a socket
    -1021: ClockSkewed,
    -1022: AuthenticationRefused,  # signature
    -1023: AuthenticationRefused,  # key
    -1024: AuthenticationRefused,  # permission
    -1025: AuthenticationRefused,  # token of the user stream
    -2011: OrderNotFound,  # no such open order
    -2012: DuplicateClientOrderId,
    -2013: OrderNotFound,  # no such order
    -2014: RuleViolated,  # price
    -2015: RuleViolated,  # quantity
    -2016: RuleViolated,  # notional
    -2017: RuleViolated,  # number of open orders
    -2018: InsufficientFunds,
})  # fmt: skip
"""Any other negative code is a plain `Refused` that carries it."""

BANNED: Final = 418
LIMITED: Final = frozenset({429, BANNED})

_error_body = msgspec.json.Decoder(ErrorBody)


def error_of(status: int, body: ErrorBody | None, wait: Seconds | None = None) -> VenueError | None:
    """The error of an answer with this status and body; None where they prove nothing."""
    code = str(body.code) if body else str(status)
    message = (body.msg if body else "") or f"status {status}"
    if status in LIMITED:
        return RateLimited(message, venue=VENUE, code=code, retry_after=wait, banned=status == BANNED)
    if status >= 500:
        return VenueUnavailable(message, venue=VENUE, code=code)
    if status < 400 or body is None or body.code >= 0:
        return None
    return BY_CODE.get(body.code, Refused)(message, venue=VENUE, code=code)


def raise_for_error(response: HttpResponse, label: str) -> None:
    """Return if the response is a success; otherwise raise what it means, as the table above says."""
    if response.status == 200:
        return
    error = error_of(response.status, _read(response.body), retry_after(response))
    if error is None:
        reason = f"HTTP {response.status} without an error code"
        raise MalformedMessage(reason, venue=VENUE, topic=label, frame=response.body)
    raise error


def failed(error: VenueError) -> Placed:
    """What a failed placement, cancel or amendment came to: rejected on definitive evidence, unknown otherwise."""
    return Rejected(error) if error.outcome is Outcome.REJECTED else Unknown(error)


def _read(body: bytes) -> ErrorBody | None:
    try:
        return _error_body.decode(body)
    except UNREADABLE:
        return None
