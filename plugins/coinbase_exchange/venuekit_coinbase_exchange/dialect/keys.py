"""Who may subscribe to what needs a login: the mirror of `venuekit_coinbase_exchange.auth`.

https://docs.cdp.coinbase.com/exchange/websocket-feed/authentication
"""

from __future__ import annotations

import hmac
from base64 import b64decode, b64encode
from collections.abc import Iterable
from typing import Final

from venuekit_spec import SECOND, Instant, Seconds, VenueAccount

WINDOW: Final[Seconds] = 30.0
"""How far a signature's time may be from the venue's."""

DIGITS: Final = 12
"""No time in seconds has more."""

SIGNED: Final = "GET/users/self/verify"
"""What is signed after the time."""


class Keys:
    """The keys of the venue's accounts."""

    def __init__(self, accounts: Iterable[VenueAccount]) -> None:
        self._accounts = {account.credentials["key"]: account for account in accounts}

    def refusal(self, key: str, passphrase: str, timestamp: str, signature: str, now: Instant) -> str:
        """Why a login is refused, in the venue's words; empty where it is not."""
        account = self._accounts.get(key)
        if account is None:
            return "Invalid API Key"
        sound = timestamp.isascii() and timestamp.isdecimal() and len(timestamp) <= DIGITS
        stamp = int(timestamp) * SECOND if sound else 0
        if abs(now - stamp) > WINDOW * SECOND:
            return "request timestamp expired"
        if not _same(passphrase, account.credentials["passphrase"]):
            return "Invalid Passphrase"
        digest = hmac.digest(
            b64decode(account.credentials["secret"]), f"{timestamp}{SIGNED}".encode(), "sha256"
        )
        return "" if _same(signature, b64encode(digest).decode()) else "invalid signature"


def _same(told: str, right: str) -> bool:
    return hmac.compare_digest(told.encode(), right.encode())
