"""Signing: an action is put into its envelope, with account, chain and nonce, and signed as typed data.

The market writes the action as the body of its request; what is sent is the envelope around it. The key belongs to a signer
that the account has approved, so the account's address is given apart. Everything is pure: the same action and nonce give the
same bytes, which the venue carries out at most once.

PROTOCOL.md, "Signing".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from venuekit_exchange_b.actions import Action, Envelope, Login, action_decoder, digest
from venuekit_exchange_b.wallet import signer_of
from venuekit_spec import (
    UNREADABLE,
    Credentials,
    HttpRequest,
    Instant,
    LocalError,
    NonceRule,
    SocketRequest,
    Topic,
    Unsupported,
)

ADDRESS: Final = "address"
PRIVATE_KEY: Final = "private_key"
FIELDS: Final = (ADDRESS, PRIVATE_KEY)
"""What an account needs, by the names of `Credentials.fields`. An external signer stands for the key."""


class ExchangeBAuth:
    """The signer of one account on one chain. Raises `LocalError` where there is no address, or nothing to sign with."""

    __slots__ = ("_account", "_chain", "_sign")

    nonces = NonceRule.WINDOW

    def __init__(self, credentials: Credentials, chain: int) -> None:
        self._account = account_of(credentials)
        self._chain = chain
        self._sign = signer_of(credentials, PRIVATE_KEY)

    def __repr__(self) -> str:
        return f"<ExchangeBAuth of {self._account} on chain {self._chain}>"

    def sign(self, request: HttpRequest, now: Instant, nonce: int) -> HttpRequest:
        """The request with its action in a signed envelope. Raises `LocalError` for a body that is no action."""
        try:
            action = action_decoder.decode(request.body)
        except UNREADABLE as error:
            raise LocalError(f"the body of {request.label or request} is no action to be signed") from error
        return request.replace(body=self._envelope(action, nonce), nonce=nonce)

    def sign_call(self, request: SocketRequest, now: Instant, nonce: int) -> SocketRequest:
        """Raises `Unsupported`: no socket of Exchange B takes calls."""
        raise Unsupported("no socket of Exchange B takes calls")

    def login(self, now: Instant, nonce: int, challenge: str = "") -> str | bytes | None:
        """The envelope that answers a challenge, as text. Raises `LocalError` for what cannot be a challenge."""
        return self._envelope(Login(challenge), nonce).decode()

    def topic_fields(self, topic: Topic, now: Instant, nonce: int) -> Mapping[str, str]:
        """Nothing: public topics need no key."""
        return {}

    def _envelope(self, action: Action, nonce: int) -> bytes:
        signature = self._sign(digest(action, self._chain, self._account, nonce))
        return msgspec.json.encode(
            Envelope(self._chain, self._account, nonce, action, f"0x{signature.hex()}")
        )


def account_of(credentials: Credentials) -> str:
    """The address of the account, in lower case: the field ``address``, else `Credentials.account`.

    Raises `LocalError` where neither is an address.
    """
    told = credentials.fields.get(ADDRESS)
    address = told.reveal() if told else credentials.account
    if not re.fullmatch("0x[0-9a-fA-F]{40}", address):
        raise LocalError(
            "credentials of Exchange B lack the address of the account: 0x and 40 hexadecimal digits"
        )
    return address.lower()
