"""What the venue's refusals mean: statuses and codes -> the errors of the contract.

====================  ====================  =========  ==========================================
status                error                 outcome    why
====================  ====================  =========  ==========================================
429, 403              `RateLimited`         rejected   refused before anything was looked at
5xx                   `VenueUnavailable`    unknown    it may have failed after it had acted
4xx, readable code    by the code           rejected   the venue said no
anything else         `MalformedMessage`    unknown    nothing is proven by it
====================  ====================  =========  ==========================================
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec.json import Decoder
from venuekit_spec import (
    AuthenticationRefused,
    ClockSkewed,
    DuplicateClientOrderId,
    HttpResponse,
    InsufficientFunds,
    MalformedMessage,
    NonceRefused,
    OrderNotFound,
    RateLimited,
    Refused,
    RuleViolated,
    VenueError,
    VenueUnavailable,
    decode,
    retry_after,
)

from {{ cookiecutter.__package }}.payloads import VENUE, ErrorBody

BY_CODE: Final[Mapping[str, type[VenueError]]] = {
    "key": AuthenticationRefused,
    "signature": AuthenticationRefused,
    "timestamp": ClockSkewed,
    "nonce": NonceRefused,
    "not_found": OrderNotFound,
    "duplicate": DuplicateClientOrderId,
    "funds": InsufficientFunds,
    "price": RuleViolated,
    "quantity": RuleViolated,
    "notional": RuleViolated,
    "open_orders": RuleViolated,
}
"""Any other code is a plain `Refused` that carries it."""

LIMITED: Final = 429
BANNED: Final = 403

_error = Decoder(ErrorBody)


def raise_for_error(response: HttpResponse, label: str) -> None:
    """Return if the response is a success; otherwise raise what it means, as the table above says."""
    status = response.status
    if status == 200:
        return
    if status in {LIMITED, BANNED}:
        raise RateLimited(
            "too many requests",
            venue=VENUE,
            code=str(status),
            retry_after=retry_after(response),
            banned=status == BANNED,
        )
    if status >= 500:
        raise VenueUnavailable(f"status {status}", venue=VENUE, code=str(status))
    if status < 400:
        raise MalformedMessage(f"HTTP {status}", venue=VENUE, topic=label, frame=response.body)
    told = decode(_error, response.body, label, venue=VENUE)
    raise BY_CODE.get(told.code, Refused)(told.message or told.code, venue=VENUE, code=told.code)
