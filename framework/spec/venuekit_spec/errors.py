"""What can go wrong, told apart by who must act.

Two families. A `LocalError` is ours to mend: a wrong argument, a missing plugin, a book read too early. A `VenueError` is
theirs, or the network's between us. Every error says two things that decide what happens next:

``retryable``
    the same call may succeed later without any change on our side.
``outcome``
    what is known about the effect of the call that failed. `Outcome.REJECTED` is definitive evidence that nothing
    happened; `Outcome.UNKNOWN` is everything else, and is never treated as a failure of an order.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from venuekit_spec.times import Seconds

EXCERPT_LENGTH = 200


class Outcome(StrEnum):
    """What is known about the effect of a call on the venue."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


class VenuekitError(Exception):
    """Root of every error that venuekit raises on purpose."""

    retryable: ClassVar[bool] = False
    outcome: Outcome = Outcome.REJECTED


class LocalError(VenuekitError):
    """Something on this side must change before the call can succeed; nothing was sent."""


class UnknownInstrument(LocalError):
    """No instrument of this venue has that id."""


class Unsupported(LocalError):
    """The connector does not claim the capability that the call needs."""


class VenueError(VenuekitError):
    """The venue, or the way to it, refused or failed. `venue` names it where the raiser knows."""

    def __init__(
        self, message: str, *, venue: str = "", code: str = "", outcome: Outcome | None = None
    ) -> None:
        super().__init__(message)
        self.venue = venue
        self.code = code
        """The venue's own error code or label, empty where it has none."""
        if outcome is not None:
            self.outcome = outcome

    def __str__(self) -> str:
        told = super().__str__()
        origin = " ".join(part for part in (self.venue, self.code) if part)
        return f"{origin}: {told}" if origin else told


class Refused(VenueError):
    """The venue answered and said no. Definitive."""


class AuthenticationRefused(Refused):
    """Key, signature, permission or address was refused."""


class ClockSkewed(Refused):
    """The venue found our timestamp outside its window; the offset must be measured again."""

    retryable: ClassVar[bool] = True


class RateLimited(Refused):
    """Too many requests. `banned` when continuing makes it worse (HTTP 418, a Cloudflare ban).

    Where the refusal may come from a proxy after the call went through (dYdX), the raiser says ``outcome=Outcome.UNKNOWN``.
    """

    retryable: ClassVar[bool] = True

    def __init__(
        self,
        message: str,
        *,
        venue: str = "",
        code: str = "",
        outcome: Outcome | None = None,
        retry_after: Seconds | None = None,
        banned: bool = False,
    ) -> None:
        super().__init__(message, venue=venue, code=code, outcome=outcome)
        self.retry_after = retry_after
        self.banned = banned


class VenueUnavailable(VenueError):
    """The venue failed on its side (5xx, overload, maintenance). What the call did is unknown."""

    retryable: ClassVar[bool] = True
    outcome: Outcome = Outcome.UNKNOWN


class NetworkError(VenueError):
    """The way to the venue failed. `sent` tells whether a byte of the call may have left this machine."""

    retryable: ClassVar[bool] = True

    def __init__(self, message: str, *, venue: str = "", code: str = "", sent: bool = True) -> None:
        super().__init__(message, venue=venue, code=code)
        self.sent = sent
        self.outcome = Outcome.UNKNOWN if sent else Outcome.REJECTED


class DeadlinePassed(NetworkError):
    """No answer came in time. What the call did is unknown."""


class MalformedMessage(VenueError):
    """Bytes of the venue that do not mean what its documentation says: the message is lost, nothing else is.

    `topic` names the stream or the request where it is known, `instrument` the book that lost a message, and `excerpt` the
    beginning of the offending bytes, made printable. The book is found by both: with an `instrument`, `topic` is
    ``str(Topic)`` of what was subscribed to, variant and all; without one, every book that could not show the loss itself
    is repaired.
    """

    outcome: Outcome = Outcome.UNKNOWN

    def __init__(
        self,
        reason: str,
        *,
        venue: str = "",
        topic: str = "",
        instrument: str = "",
        frame: bytes | str = b"",
    ) -> None:
        self.reason = reason
        self.topic = topic
        self.instrument = instrument
        self.excerpt = excerpt(frame)
        place = f" on {topic}" if topic else ""
        shown = f": {self.excerpt}" if self.excerpt else ""
        super().__init__(f"malformed message{place}: {reason}{shown}", venue=venue)


class InsufficientFunds(Refused):
    """The account lacks the balance or the margin."""


class OrderNotFound(Refused):
    """The venue knows no such order. Whether that is final is the `Resolver`'s to say."""


class RuleViolated(Refused):
    """The order breaks a trading rule of the instrument."""


class DuplicateClientOrderId(Refused):
    """An order with this client order id exists: an earlier attempt may have succeeded."""

    outcome: Outcome = Outcome.UNKNOWN


class NonceRefused(Refused):
    """The nonce was used before or is outside the window."""


def excerpt(frame: bytes | str, length: int = EXCERPT_LENGTH) -> str:
    r"""The first `length` bytes of a frame as printable text; undecodable bytes are escaped, a cut is marked.

    >>> excerpt(b'{"a": \xff}')
    '{"a": \\xff}'
    """
    head = frame[:length]
    text = head.decode("utf-8", "backslashreplace") if isinstance(head, bytes) else head
    printable = "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)
    return f"{printable}... ({len(frame)} bytes)" if len(frame) > length else printable
