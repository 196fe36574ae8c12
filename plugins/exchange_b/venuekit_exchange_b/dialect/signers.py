"""Who signed: the account that an envelope is for, its approved agents, and the nonces that are spent.

1. An envelope counts on its own chain, for an account that exists, signed by an agent that this account has approved.
2. A nonce is a time in milliseconds, at most `PAST` old and `AHEAD` ahead; each agent spends one once, in any order.
3. Nonces live in memory. A venue that starts over an engine with orders has had a life before: it takes no nonce from then.

PROTOCOL.md, "Signing".
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from attrs import frozen

from venuekit_exchange_b.actions import Envelope, digest
from venuekit_exchange_b.auth import PRIVATE_KEY, account_of
from venuekit_exchange_b.dialect import refusals
from venuekit_exchange_b.dialect.refusals import No
from venuekit_exchange_b.wallet import SignatureRefused, address_of_signer, key_signer, recover
from venuekit_spec import MILLISECOND, Instant, VenueAccount

PAST: Final = 3_600_000
AHEAD: Final = 600_000
"""Milliseconds within which a nonce may differ from the venue's time."""


@frozen
class Signed:
    """Who an envelope is of: the account by name and address, and the agent that signed."""

    account: str
    address: str
    signer: str


class Signers:
    """The agents of the venue's accounts. `chain` is the venue's."""

    def __init__(self, accounts: Iterable[VenueAccount], chain: int) -> None:
        self._chain = chain
        self._names: dict[str, str] = {}
        self._agents: dict[str, set[str]] = {}
        self._spent: dict[tuple[str, int], None] = {}
        self._oldest = 0
        for account in accounts:
            address = account_of(account.credentials)
            self._names[address] = account.name
            self.approve(address, address_of_signer(key_signer(account.credentials[PRIVATE_KEY])))

    def approve(self, address: str, agent: str) -> None:
        """This agent signs for the account from now on."""
        self._agents.setdefault(address, set()).add(agent.lower())

    def account(self, address: str) -> str:
        """The name of an account. Raises `No`."""
        try:
            return self._names[address.lower()]
        except KeyError:
            raise No(refusals.UNKNOWN_ACCOUNT, f"there is no account {address}") from None

    def start_after_another_life(self, now: Instant) -> None:
        """Which nonces were spent before is forgotten: none of that time is taken any more."""
        self._oldest = now // MILLISECOND

    def check(self, envelope: Envelope) -> Signed:
        """Who signed it. Raises `No`."""
        if envelope.chain != self._chain:
            raise No(refusals.WRONG_CHAIN, f"this is chain {self._chain}, not {envelope.chain}")
        name = self.account(envelope.account)
        hashed = digest(envelope.action, self._chain, envelope.account, envelope.nonce)
        try:
            signer = recover(hashed, bytes.fromhex(envelope.signature[2:]))
        except SignatureRefused as error:
            raise No(refusals.BAD_SIGNATURE, str(error)) from error
        if signer not in self._agents[envelope.account]:
            raise No(refusals.UNKNOWN_SIGNER, f"{envelope.account} has not approved {signer}")
        return Signed(name, envelope.account, signer)

    def spend(self, signer: str, nonce: int, now: Instant) -> None:
        """Spend a nonce. Raises `No` where it is spent already, or outside the window."""
        today = now // MILLISECOND
        if not max(today - PAST, self._oldest) <= nonce <= today + AHEAD:
            raise No(refusals.NONCE_OUTSIDE, f"the nonce {nonce} is outside the window around {today}")
        if (signer, nonce) in self._spent:
            raise No(refusals.NONCE_REPLAYED, f"the nonce {nonce} was used before")
        self._spent[signer, nonce] = None
        while self._spent and next(iter(self._spent))[1] < today - PAST:
            del self._spent[next(iter(self._spent))]
