"""Who asks: keys, signatures, the receive window, permissions. PROTOCOL.md, "Signing"."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from typing import Final

from venuekit_exchange_a.dialect.listings import READ_ONLY
from venuekit_exchange_a.dialect.refusals import KEY, PERMISSION, SIGNATURE, TIMESTAMP, No
from venuekit_exchange_a.endpoints import Endpoint
from venuekit_spec import MILLISECOND, Instant, VenueAccount

AHEAD: Final = 1_000
"""Milliseconds that a timestamp may be ahead of the venue's clock."""

WIDEST: Final = 60_000
"""The largest receive window, in milliseconds."""

_MARK: Final = "&signature="


class Keys:
    """The keys of the venue's accounts."""

    def __init__(self, accounts: Iterable[VenueAccount]) -> None:
        self._accounts = {
            account.credentials["api_key"]: (account.name, account.credentials["api_secret"].encode())
            for account in accounts
        }

    def request(
        self,
        endpoint: Endpoint,
        headers: Mapping[str, str],
        query: str,
        params: Mapping[str, str],
        now: Instant,
    ) -> str:
        """The account that signed this query. Raises `No`."""
        signed, mark, told = query.rpartition(_MARK)
        if not mark:
            raise No(SIGNATURE, "the last parameter is not a signature", 401)
        return self._account(endpoint, headers.get("x-api-key", ""), signed, told, params, now)

    def call(self, endpoint: Endpoint, params: Mapping[str, str], now: Instant) -> str:
        """The account that signed this call. Raises `No`."""
        signed = {name: value for name, value in params.items() if name != "signature"}
        told = params.get("signature", "")
        text = "&".join("=".join(each) for each in sorted(signed.items()))
        return self._account(endpoint, params.get("apiKey", ""), text, told, params, now)

    def secret(self, account: str) -> bytes:
        """The secret of an account."""
        return next(secret for name, secret in self._accounts.values() if name == account)

    def may_trade(self, account: str) -> bool:
        """Whether its key may place and cancel orders."""
        return account not in READ_ONLY

    def _account(
        self, endpoint: Endpoint, key: str, signed: str, told: str, params: Mapping[str, str], now: Instant
    ) -> str:
        account, secret = self._accounts.get(key, ("", b""))
        if not account:
            raise No(KEY, "unknown key", 401)
        if not hmac.compare_digest(code_of(secret, signed).encode(), told.encode()):
            raise No(SIGNATURE, "the signature is not that of the query", 401)
        _check_time(params, now)
        if endpoint.trades and not self.may_trade(account):
            raise No(PERMISSION, "this key may not trade", 403)
        return account


def code_of(secret: bytes, text: str) -> str:
    """The venue's own HMAC-SHA256: the connector's would agree with whatever the connector signs."""
    return hmac.digest(secret, text.encode(), "sha256").hex()


def _check_time(params: Mapping[str, str], now: Instant) -> None:
    """Whether a request arrives within its window. Raises `No`."""
    timestamp, window = params.get("timestamp", ""), params.get("recvWindow", "5000")
    if not all(text.isascii() and text.isdecimal() and len(text) < 15 for text in (timestamp, window)):
        raise No(TIMESTAMP, "timestamp and recvWindow are milliseconds")
    age = now // MILLISECOND - int(timestamp)
    if int(window) > WIDEST:
        raise No(TIMESTAMP, f"recvWindow is at most {WIDEST}")
    if age < -AHEAD:
        raise No(TIMESTAMP, f"the timestamp is {-age} ms ahead of the venue's clock")
    if age > int(window):
        raise No(TIMESTAMP, f"the request is {age} ms old, and recvWindow is {window}")
