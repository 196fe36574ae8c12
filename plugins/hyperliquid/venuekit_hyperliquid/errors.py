"""What Hyperliquid's refusals of a read mean: HTTP statuses -> the errors of the contract.

========  ==========================================================================================
status    meaning
========  ==========================================================================================
200       the answer; ``null`` where the thing asked about does not exist, which the reader notices
429       too many requests from this address; no header says for how long
422       the body could not be deserialised; the response is plain text
4xx       refused
5xx       the venue failed
========  ==========================================================================================

https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/rate-limits-and-user-limits
"""

from __future__ import annotations

from typing import Final

from venuekit_hyperliquid.payloads import VENUE
from venuekit_spec import (
    HttpResponse,
    MalformedMessage,
    RateLimited,
    Refused,
    Seconds,
    VenueUnavailable,
    excerpt,
    retry_after,
)

PAUSE: Final[Seconds] = 10.0
"""How long nothing is sent after a 429: a sixth of the minute over which the limit is counted."""


def raise_for_error(response: HttpResponse, label: str) -> None:
    """Return if the response is a success; otherwise raise what it means. `label` names the request.

    Raises `RateLimited` (429), `VenueUnavailable` (5xx), `Refused` (other 4xx), and `MalformedMessage` for a status that no
    answer of the venue has.
    """
    status = response.status
    if status == 200:
        return
    code, told = str(status), f"{label}: {excerpt(response.body) or 'no reason given'}"
    if status == 429:
        raise RateLimited(told, venue=VENUE, code=code, retry_after=pause(response))
    if status >= 500:
        raise VenueUnavailable(told, venue=VENUE, code=code)
    if status >= 400:
        raise Refused(told, venue=VENUE, code=code)
    raise MalformedMessage(f"HTTP {status}", venue=VENUE, topic=label, frame=response.body)


def pause(response: HttpResponse) -> Seconds | None:
    """How long nothing is to be sent from this address; None where nothing is wrong."""
    if response.status != 429:
        return None
    told = retry_after(response)
    return PAUSE if told is None else told
