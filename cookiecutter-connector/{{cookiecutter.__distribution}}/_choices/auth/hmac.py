{% if cookiecutter.auth == "hmac_query" -%}
"""Signing: HMAC-SHA256 over the query as it is sent, with the time at its end, and the body; appended to the query."""
{%- else -%}
"""Signing: HMAC-SHA256 over time, method, path with query, and body, as they are sent; in headers."""
{%- endif %}

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Final
{%- if cookiecutter.auth == "hmac_headers" %}
from urllib.parse import urlsplit
{%- endif %}

from msgspec import Struct
from msgspec.json import encode
from venuekit_spec import (
    MILLISECOND,
    Credentials,
    HttpRequest,
    Instant,
    LocalError,
    NonceRule,
    Seconds,
    SocketRequest,
    Topic,
    Unsupported,
)

from {{ cookiecutter.__package }}.payloads import Milliseconds

FIELDS: Final = ("api_key", "api_secret")
"""What an account needs, by the names of `Credentials.fields`."""

LANDS_WITHIN: Final[Seconds] = 10.0
"""A request that has not arrived by then is refused: the venue takes none that is older than five seconds."""


class VenueAuth:
    """The signer of one key. Raises `LocalError` where a field is missing, or the key cannot stand in a header."""

    nonces = NonceRule.TIMESTAMP

    def __init__(self, credentials: Credentials) -> None:
        missing = [name for name in FIELDS if not credentials.fields.get(name)]
        if missing:
            raise LocalError(f"the credentials lack {', '.join(missing)}")
        self._key = credentials["api_key"]
        self._secret = credentials["api_secret"].encode()
        if not (self._key.isascii() and self._key.isprintable()):
            raise LocalError("the api_key is not plain text")
{%- if cookiecutter.auth == "hmac_query" %}

    def sign(self, request: HttpRequest, now: Instant, nonce: int) -> HttpRequest:
        """The request with time and signature at the end of its query."""
        path, _, query = request.url.partition("?")
        query = f"{query}{'&' if query else ''}timestamp={now // MILLISECOND}"
        signed = signature(self._secret, query + request.body.decode())
        return request.replace(
            url=f"{path}?{query}&signature={signed}",
            headers=(*request.headers, ("x-api-key", self._key)),
        )
{%- else %}

    def sign(self, request: HttpRequest, now: Instant, nonce: int) -> HttpRequest:
        """The request with key, time and signature in headers."""
        parts = urlsplit(request.url)
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        stamp = now // MILLISECOND
        signed = signature(self._secret, f"{stamp}{request.method}{path}{request.body.decode()}")
        told = (("x-api-key", self._key), ("x-timestamp", str(stamp)), ("x-signature", signed))
        return request.replace(headers=(*request.headers, *told))
{%- endif %}

    def sign_call(self, request: SocketRequest, now: Instant, nonce: int) -> SocketRequest:
        """Raises `Unsupported`: no socket takes calls."""
        raise Unsupported("no socket takes calls")

    def login(self, now: Instant, nonce: int, challenge: str = "") -> str | bytes | None:
        """The frame that logs the user stream in."""
        stamp = now // MILLISECOND
        return encode(LoginFrame(self._key, stamp, signature(self._secret, f"{stamp}login"))).decode()

    def topic_fields(self, topic: Topic, now: Instant, nonce: int) -> Mapping[str, str]:
        """Nothing: public topics need no key."""
        return {}


def signature(secret: bytes, text: str) -> str:
    """HMAC-SHA256 in hexadecimal."""
    return hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()


class LoginFrame(Struct, frozen=True):
    """``{"key":"alice","timestamp":1767225600123,"signature":"9f86d0..."}``"""

    key: str
    timestamp: Milliseconds
    signature: str
