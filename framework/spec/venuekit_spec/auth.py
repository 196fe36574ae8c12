"""Auth: pure signing. Clock and nonce are arguments; keys never leave the object.

A REST request and a socket call may be signed differently (REST in order, a socket sorted), a login is a frame of its own,
and the signer may be a wallet or a callable that asks a hardware device.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Protocol

from attrs import field, frozen

from venuekit_spec.flows import HttpRequest, SocketRequest
from venuekit_spec.sessions import Topic
from venuekit_spec.times import Instant
from venuekit_spec.values import fixed


class Secret:
    """A value that shows itself to nobody: its repr and str are stars, it does not pickle, `reveal` is explicit."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value. Only signers call this."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('***')"

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __reduce__(self) -> str:
        raise TypeError("a Secret is not to be pickled")


ExternalSigner = Callable[[bytes], bytes]
"""Digest -> signature, by a wallet that keeps its key to itself."""


@frozen
class Credentials:
    """What an account needs to sign. `fields` by the names that `Description.credentials` declares.

    `account` is public (an address, a sub-account name). Several credentials of one venue are several accounts.
    """

    fields: Mapping[str, Secret] = field(factory=dict, converter=fixed, hash=False)
    account: str = ""
    signer: ExternalSigner | None = field(default=None, repr=False)

    def __getitem__(self, name: str) -> str:
        return self.fields[name].reveal()


class NonceRule(StrEnum):
    """How nonces of one key relate.

    `STRICT`: every one above the last; a lock is held across the send (Kraken, Bitfinex). `WINDOW`: unique within a window
    (Hyperliquid). `TIMESTAMP`: a time within the venue's receive window, no uniqueness (Binance). `NONE`.
    """

    STRICT = "strict"
    WINDOW = "window"
    TIMESTAMP = "timestamp"
    NONE = "none"


class Auth(Protocol):
    """Signs. Stateless: the same arguments give the same bytes."""

    nonces: NonceRule

    def sign(self, request: HttpRequest, now: Instant, nonce: int) -> HttpRequest:
        """The request as it is to be sent. `now` is in the venue's time. The driver re-encodes nothing after this."""
        ...

    def sign_call(self, request: SocketRequest, now: Instant, nonce: int) -> SocketRequest:
        """The socket call with its signature among `SocketRequest.params`."""
        ...

    def login(self, now: Instant, nonce: int, challenge: str = "") -> str | bytes | None:
        """The frame that logs a socket in, None where the venue has none; `challenge` where it sends one to be signed."""
        ...

    def topic_fields(self, topic: Topic, now: Instant, nonce: int) -> Mapping[str, str]:
        """What a subscription that needs authentication carries (Coinbase, Gate; Kraken's token is a flow); may be empty."""
        ...
