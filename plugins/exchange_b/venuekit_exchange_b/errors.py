"""What Exchange B's refusals mean: labels -> the errors of the contract.

=========================  ==============================  =========  ===================================================
answer                     error                           outcome    why
=========================  ==============================  =========  ===================================================
429                        `RateLimited`                   unknown    a proxy says it, perhaps after the call went through
403                        `RateLimited`, banned           rejected   the proxy lets nothing through any more
5xx                        `VenueUnavailable`              unknown    it may have failed after the call went through
200, an error with a label  by the label                   rejected   the venue said no
                                                                      (``duplicateClient``: unknown)
200, no error, readable    none
anything else              `MalformedMessage`              unknown    nothing is proven by it
=========================  ==============================  =========  ===================================================

PROTOCOL.md, "Errors".
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from venuekit_exchange_b.payloads import VENUE, ErrorBody, Failure
from venuekit_spec import (
    AuthenticationRefused,
    DuplicateClientOrderId,
    HttpResponse,
    InsufficientFunds,
    MalformedMessage,
    NonceRefused,
    OrderNotFound,
    Outcome,
    Placed,
    RateLimited,
    Refused,
    Rejected,
    RuleViolated,
    Unknown,
    VenueError,
    VenueUnavailable,
    decode,
    retry_after,
)

BY_LABEL: Final[Mapping[str, type[VenueError]]] = MappingProxyType({
    "wrongChain": AuthenticationRefused,
    "unknownAccount": AuthenticationRefused,
    "unknownSigner": AuthenticationRefused,
    "badSignature": AuthenticationRefused,
    "wrongChallenge": AuthenticationRefused,
    "nonceReplayed": NonceRefused,
    "nonceOutsideWindow": NonceRefused,
    "unknownOrder": OrderNotFound,
    "notOpen": OrderNotFound,
    "duplicateClient": DuplicateClientOrderId,
    "insufficientMargin": InsufficientFunds,
    "price": RuleViolated,
    "size": RuleViolated,
    "notional": RuleViolated,
    "openOrders": RuleViolated,
    "expiryTooFar": RuleViolated,
    "leverage": RuleViolated,
    "overloaded": VenueUnavailable,
})  # fmt: skip
"""Any other label is a plain `Refused` that carries it."""

OK: Final = 200
FORBIDDEN: Final = 403
LIMITED: Final = 429

_error_body = msgspec.json.Decoder(ErrorBody)


def error_of(failure: Failure) -> VenueError:
    """The error that a label stands for."""
    kind = BY_LABEL.get(failure.label, Refused)
    return kind(failure.text or failure.label, venue=VENUE, code=failure.label)


def end_of(label: str) -> Refused:
    """Why a block has refused an order that was in the pool."""
    kind = BY_LABEL.get(label, Refused)
    return (kind if issubclass(kind, Refused) else Refused)(label, venue=VENUE, code=label)


def raise_for_error(response: HttpResponse, label: str) -> None:
    """Return if the response is a success; otherwise raise what it means, as the table above says."""
    status, code = response.status, str(response.status)
    if status == LIMITED:
        wait = retry_after(response)
        raise RateLimited(
            "too many requests", venue=VENUE, code=code, outcome=Outcome.UNKNOWN, retry_after=wait
        )
    if status == FORBIDDEN:
        wait = retry_after(response)
        raise RateLimited("this address is banned", venue=VENUE, code=code, retry_after=wait, banned=True)
    if status >= 500:
        raise VenueUnavailable(f"status {status}", venue=VENUE, code=code)
    if status != OK:
        raise MalformedMessage(f"HTTP {status}", venue=VENUE, topic=label, frame=response.body)
    body = decode(_error_body, response.body, label, venue=VENUE)
    if body.error is not None:
        raise error_of(body.error)


def failed(error: VenueError) -> Placed:
    """What a failed placement or cancel came to: rejected on definitive evidence, unknown otherwise."""
    return Rejected(error) if error.outcome is Outcome.REJECTED else Unknown(error)
