"""Tokens of the user stream: 60 minutes from the last renewal. PROTOCOL.md, "User stream"."""

from __future__ import annotations

import itertools
from typing import Final

from venuekit_exchange_a.dialect.keys import code_of
from venuekit_exchange_a.dialect.refusals import TOKEN, No
from venuekit_exchange_a.payloads import Token
from venuekit_spec import MILLISECOND, Instant, Seconds, after

LIFE: Final[Seconds] = 3_600.0


class Tokens:
    """Who holds which token, and until when."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[str, Instant]] = {}
        self._numbers = itertools.count()

    def new(self, account: str, secret: bytes, now: Instant) -> Token:
        """A token of an account; nobody without its secret can guess it."""
        self._held = {token: held for token, held in self._held.items() if now < held[1]}
        token = code_of(secret, f"token {next(self._numbers)} {now}")
        self._held[token] = (account, after(now, LIFE))
        return self._told(token)

    def renew(self, token: str, account: str, now: Instant) -> Token:
        """It lives another 60 minutes from now. Raises `No` where it is not one of this account."""
        if self.account(token, now) != account:
            raise No(TOKEN, "no such token", 401)
        self._held[token] = (account, after(now, LIFE))
        return self._told(token)

    def account(self, token: str, now: Instant) -> str:
        """Whose it is, empty where it is worthless."""
        account, expires = self._held.get(token, ("", 0))
        return account if now < expires else ""

    def expires(self, token: str) -> Instant:
        """When it becomes worthless, unless it is renewed."""
        return self._held.get(token, ("", 0))[1]

    def expire(self, now: Instant) -> None:
        """Every one is worthless from now on."""
        self._held = {token: (account, min(end, now)) for token, (account, end) in self._held.items()}

    def _told(self, token: str) -> Token:
        return Token(token, self._held[token][1] // MILLISECOND)
