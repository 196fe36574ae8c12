"""Signing: HMAC-SHA256 in hex, over exactly what is sent.

A request is signed over its query string as it stands in the URL, percent-encoding and order included, with the time and the
receive window appended; the signature is appended last. A call on a socket has no URL: its parameters are joined in the order
of their names, not encoded. The venue refuses what arrives later than its time plus the window. There is no nonce.

PROTOCOL.md, "Signing".
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Final

from venuekit_spec import (
    MILLISECOND,
    Credentials,
    HttpRequest,
    Instant,
    LocalError,
    NonceRule,
    SocketRequest,
    Topic,
)

FIELDS: Final = ("api_key", "api_secret")
"""What an account needs, by the names of `Credentials.fields`."""

KEY_HEADER: Final = "x-api-key"

RECEIVE_WINDOW: Final = 5_000
"""Milliseconds after its timestamp within which a request must arrive."""


class ExchangeAAuth:
    """The signer of one key. Raises `LocalError` when a field is missing, or the key cannot stand in a header."""

    __slots__ = ("_key", "_secret")

    nonces = NonceRule.TIMESTAMP

    def __init__(self, credentials: Credentials) -> None:
        missing = [name for name in FIELDS if not credentials.fields.get(name)]
        if missing:
            raise LocalError(f"credentials of Exchange A lack {', '.join(missing)}")
        self._key = credentials["api_key"]
        self._secret = credentials["api_secret"].encode()
        if not (self._key.isascii() and self._key.isprintable()):
            raise LocalError("the api_key of Exchange A is not plain text")

    def sign(self, request: HttpRequest, now: Instant, nonce: int) -> HttpRequest:
        """The request with time, window and signature at the end of its query, and the key in a header."""
        path, mark, query = request.url.partition("?")
        stamp = f"recvWindow={RECEIVE_WINDOW}&timestamp={now // MILLISECOND}"
        query = f"{query}&{stamp}" if mark and query else stamp
        return request.replace(
            url=f"{path}?{query}&signature={signature(self._secret, query)}",
            headers=(*request.headers, (KEY_HEADER, self._key)),
        )

    def sign_call(self, request: SocketRequest, now: Instant, nonce: int) -> SocketRequest:
        """The call with key, time, window and signature among its parameters."""
        params = {
            **request.params,
            "apiKey": self._key,
            "recvWindow": str(RECEIVE_WINDOW),
            "timestamp": str(now // MILLISECOND),
        }
        return request.replace(
            params={**params, "signature": signature(self._secret, sorted_parameters(params))}
        )

    def login(self, now: Instant, nonce: int, challenge: str = "") -> str | bytes | None:
        """None: each call is signed, and the user stream's token is its login."""
        return None

    def topic_fields(self, topic: Topic, now: Instant, nonce: int) -> Mapping[str, str]:
        """Nothing: public topics need no key."""
        return {}


def sorted_parameters(params: Mapping[str, str]) -> str:
    """What is signed of a call: its parameters in the order of their names."""
    return "&".join(f"{name}={params[name]}" for name in sorted(params))


def signature(secret: bytes, text: str) -> str:
    """HMAC-SHA256 in hex."""
    return hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()
