"""Signing: HMAC-SHA256 over what is sent, by a secret that is known to the venue in base64.

The signature of a request is over its time, its method, its path with the query, and its body, as they are on the wire. A
subscription that needs authentication carries the signature of one fixed request that is never sent. Times are seconds and
must be within 30 s of the venue's clock; there is no nonce.

https://docs.cdp.coinbase.com/exchange/rest-api/authentication
https://docs.cdp.coinbase.com/exchange/websocket-feed/authentication
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from venuekit_spec import (
    SECOND,
    Credentials,
    HttpRequest,
    Instant,
    LocalError,
    NonceRule,
    SocketRequest,
    Topic,
    Unsupported,
)

FIELDS: Final = ("key", "secret", "passphrase")
"""What an account needs, by the names of `Credentials.fields`."""

VERIFY: Final = "/users/self/verify"
"""The path of the request whose signature authenticates a subscription."""


class CoinbaseExchangeAuth:
    """The signer of one key. Raises `LocalError` when a field is missing or the secret is not base64."""

    __slots__ = ("_key", "_passphrase", "_secret")

    nonces = NonceRule.TIMESTAMP

    def __init__(self, credentials: Credentials) -> None:
        missing = [name for name in FIELDS if not credentials.fields.get(name)]
        if missing:
            raise LocalError(f"credentials of Coinbase Exchange lack {', '.join(missing)}")
        self._key = credentials["key"]
        self._passphrase = credentials["passphrase"]
        try:
            self._secret = b64decode(credentials["secret"], validate=True)
        except (binascii.Error, ValueError):
            raise LocalError("the secret of Coinbase Exchange is not base64") from None

    def sign(self, request: HttpRequest, now: Instant, nonce: int) -> HttpRequest:
        """The request with the headers that carry key, passphrase, time and signature."""
        stamp = _stamp(now)
        parts = urlsplit(request.url)
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        headers = (
            ("CB-ACCESS-KEY", self._key),
            ("CB-ACCESS-SIGN", self._signature(stamp, request.method, path, request.body)),
            ("CB-ACCESS-TIMESTAMP", stamp),
            ("CB-ACCESS-PASSPHRASE", self._passphrase),
            ("Content-Type", "application/json"),
        )
        return request.replace(headers=(*request.headers, *headers))

    def sign_call(self, request: SocketRequest, now: Instant, nonce: int) -> SocketRequest:
        """Raises `Unsupported`: the feed takes no calls."""
        raise Unsupported(f"the feed of Coinbase Exchange takes no calls, so no {request.method}")

    def login(self, now: Instant, nonce: int, challenge: str = "") -> str | bytes | None:
        """None: a subscription is authenticated, not a socket."""
        return None

    def topic_fields(self, topic: Topic, now: Instant, nonce: int) -> Mapping[str, str]:
        """What a subscription carries to be authenticated; the same for every topic."""
        stamp = _stamp(now)
        return {
            "key": self._key,
            "passphrase": self._passphrase,
            "timestamp": stamp,
            "signature": self._signature(stamp, "GET", VERIFY, b""),
        }

    def _signature(self, stamp: str, method: str, path: str, body: bytes) -> str:
        signed = f"{stamp}{method.upper()}{path}".encode() + body
        return b64encode(hmac.new(self._secret, signed, hashlib.sha256).digest()).decode()


def _stamp(now: Instant) -> str:
    """An instant in whole seconds."""
    return str(now // SECOND)
