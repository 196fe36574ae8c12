"""What Binance's refusals mean: HTTP statuses and error codes -> the errors of the contract.

The status decides first where it alone says what happened (a limit, a failure of the venue), the code in the body decides
the rest. A 4xx without a readable code proves nothing about the request, so it is not a refusal.

https://developers.binance.com/docs/binance-spot-api-docs/errors
https://developers.binance.com/docs/binance-spot-api-docs/rest-api/limits
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from venuekit_binance.payloads import VENUE, ErrorBody
from venuekit_spec import (
    SECOND,
    UNREADABLE,
    AuthenticationRefused,
    ClockSkewed,
    HttpResponse,
    MalformedMessage,
    RateLimited,
    Refused,
    Seconds,
    VenueError,
    VenueUnavailable,
    retry_after,
)

SHORTEST_BAN: Final[Seconds] = 120.0
"""A ban lasts from two minutes to three days."""

MINUTE: Final = 60 * SECOND

BANS: Final = frozenset({403, 418})
"""Statuses after which any request makes it worse: the web application firewall, and the ban of an address."""

BY_CODE: Final[Mapping[int, type[VenueError]]] = MappingProxyType({
    -1000: VenueUnavailable,  # unknown error while processing
    -1001: VenueUnavailable,  # internal error, the request was not processed in time
    -1002: AuthenticationRefused,
    -1003: RateLimited,  # too many requests
    -1006: VenueUnavailable,  # unexpected response, execution status unknown
    -1007: VenueUnavailable,  # time-out of the matching engine, execution status unknown
    -1008: VenueUnavailable,  # overloaded
    -1015: RateLimited,  # too many new orders
    -1016: VenueUnavailable,  # service shutting down
    -1021: ClockSkewed,
    -1022: AuthenticationRefused,  # signature
    -1034: RateLimited,  # too many connections
    -2014: AuthenticationRefused,  # key format
    -2015: AuthenticationRefused,  # key, address or permission
})  # fmt: skip
"""Any other negative code is a plain `Refused` that carries it (-1121 is an unknown symbol)."""

_error_body = msgspec.json.Decoder(ErrorBody)
_until = re.compile(r"until (\d{13})\b")


def raise_for_error(response: HttpResponse, label: str = "") -> None:
    """Return if the response is a success; otherwise raise what it means.

    Raises `RateLimited` (429, 418, 403 of the firewall), `VenueUnavailable` (5xx and codes of unknown outcome),
    `ClockSkewed`, `AuthenticationRefused`, `Refused` with the venue's code, and `MalformedMessage` for a failure without
    a readable code, whose outcome is unknown.
    """
    # A success is not decoded to look for an error in it, but one that opens like an error is one.
    if response.status == 200 and not response.body.startswith(b'{"code":-'):
        return
    error = _error(response)
    if error is None:
        raise MalformedMessage(
            f"HTTP {response.status} without an error code", venue=VENUE, topic=label, frame=response.body
        )
    raise error


def pause(response: HttpResponse) -> Seconds | None:
    """How long the venue wants nothing to be sent from this address; None where it does not say so.

    From Retry-After; else from the message of a ban ("until <milliseconds>"); else the shortest ban, or what is left of
    the minute in which the weight was used up (windows are aligned to the clock).
    """
    body = _read(response)
    if response.status not in {*BANS, 429} or (response.status == 403 and body is not None):
        return None
    told = retry_after(response)
    if told is not None:
        return told
    until = _until.search(body.message) if body else None
    if until and response.received:
        return max(0.0, int(until[1]) / 1000 - response.received / SECOND)
    if response.status == 429:
        return (MINUTE - response.received % MINUTE) / SECOND
    return SHORTEST_BAN


def _error(response: HttpResponse) -> VenueError | None:
    """The error that a response stands for; None where it tells too little."""
    body = _read(response)
    code = str(body.code) if body else str(response.status)
    message = (body.message if body else "") or f"HTTP {response.status}"
    stop = pause(response)
    if stop is not None:
        return RateLimited(message, venue=VENUE, code=code, retry_after=stop, banned=response.status in BANS)
    if response.status >= 500 or response.status == 408:
        return VenueUnavailable(message, venue=VENUE, code=code)
    if response.status == 451 and body is None:
        return Refused("not available from this location", venue=VENUE, code=code)
    if body is None or body.code >= 0:
        return None
    return BY_CODE.get(body.code, Refused)(message, venue=VENUE, code=code)


def _read(response: HttpResponse) -> ErrorBody | None:
    try:
        return _error_body.decode(response.body)
    except UNREADABLE:
        return None
