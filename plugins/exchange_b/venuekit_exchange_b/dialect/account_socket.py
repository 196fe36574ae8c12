"""The account stream: a challenge to be signed, then numbered news. PROTOCOL.md, "Account stream"."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from venuekit_exchange_b.actions import Login
from venuekit_exchange_b.dialect import refusals
from venuekit_exchange_b.dialect.frames import TOO_MANY, Frames, send
from venuekit_exchange_b.dialect.refusals import No
from venuekit_exchange_b.dialect.requests import Requests, read_envelope
from venuekit_exchange_b.payloads import AccountFrame
from venuekit_spec import EngineEvent, Hangup, Instant, ServerOutput, ServerOutputs

LOGGED_OUT: Final = Hangup(4001, "logged out")
REFUSED: Final = Hangup(4003, "the login was refused")


class AccountSocket:
    """One client's account stream. `epoch` changes when every login has become worthless."""

    def __init__(self, requests: Requests, challenge: str, epoch: Callable[[], int]) -> None:
        self._requests = requests
        self._chain = requests.chain
        self._frames = Frames(requests.chain)
        self._challenge = challenge
        self._epoch = epoch
        self._began = epoch()
        self._account = ""
        self._told = 0
        self._number = 0

    def opened(self, now: Instant) -> ServerOutputs:
        """A challenge."""
        self._frames.opened(now)
        return (send(AccountFrame(challenge=self._challenge)), *self._frames.wake(now))

    def feed(self, frame: str | bytes, now: Instant) -> ServerOutputs:
        """A pong, or the answer to the challenge."""
        if not self._frames.allows(now):
            return TOO_MANY
        if self._frames.pong(frame):
            return ()
        try:
            self._account = self._login(frame, now)
        except No as no:
            return (send(AccountFrame(error=no.failure)), REFUSED)
        self._told = self._chain.news(self._account).count
        return (send(AccountFrame(login=True)),)

    def event(self, event: EngineEvent, now: Instant) -> ServerOutputs:
        """What concerns the account."""
        return self._news()

    def tick(self, now: Instant) -> ServerOutputs:
        """News of a block, a ping, or the end of the login."""
        self._chain.advance(now)
        if self._epoch() != self._began:
            return (LOGGED_OUT,)
        outputs: list[ServerOutput] = [*self._frames.beat(now), *self._news()]
        return (*outputs, *self._frames.wake(now))

    def closed(self) -> None:
        """The client is gone."""
        self._account = ""

    def _login(self, frame: str | bytes, now: Instant) -> str:
        """The account that answers the challenge. Raises `No`."""
        envelope = read_envelope(frame)
        if envelope.action != Login(self._challenge):
            raise No(refusals.WRONG_CHALLENGE, "that is not the answer to this socket's challenge")
        signed = self._requests.signers.check(envelope)
        self._requests.signers.spend(signed.signer, envelope.nonce, now)
        return signed.account

    def _news(self) -> ServerOutputs:
        if not self._account:
            return ()
        log = self._chain.news(self._account)
        if log.count == self._told:
            return ()
        news = [msgspec.Raw(msgspec.json.encode(each)) for each in log.since(self._told)]
        self._told = log.count
        self._number += 1
        return (send(AccountFrame(n=self._number, news=news)),)
