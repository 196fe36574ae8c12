"""What the venue's sockets share: packed frames, pings with an id, and when to wake. PROTOCOL.md, "Sockets"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from venuekit_exchange_b.codec import packed
from venuekit_exchange_b.dialect.chain import Chain
from venuekit_exchange_b.payloads import Pong
from venuekit_spec import (
    SECOND,
    UNREADABLE,
    Hangup,
    Instant,
    Seconds,
    Send,
    ServerOutput,
    ServerOutputs,
    Wake,
    after,
)

PING: Final[Seconds] = 10.0
PATIENCE: Final[Seconds] = 20.0
"""How long the answer to a ping may take."""

FRAMES: Final = 20
"""Frames a second that a socket takes."""

NO_PONG: Final = Hangup(4000, "no pong")
TOO_MANY: Final[ServerOutputs] = (Hangup(1008, "too many frames"),)

_pong = msgspec.json.Decoder(Pong)


class Frames:
    """One socket's pings, its count of frames, and its alarm."""

    __slots__ = ("_asleep_until", "_chain", "_count", "_pings", "_second", "_unanswered", "due")

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._pings = 0
        self._unanswered: Instant | None = None
        self._asleep_until: Instant | None = None
        self._second = -1
        self._count = 0
        self.due: dict[str, Instant] = {}

    def opened(self, now: Instant) -> None:
        """The socket is open: the first ping is due in a while."""
        self.due["ping"] = after(now, PING)

    def allows(self, now: Instant) -> bool:
        """Whether the client may send this frame too."""
        if now // SECOND != self._second:
            self._second, self._count = now // SECOND, 0
        self._count += 1
        return self._count <= FRAMES

    def pong(self, frame: str | bytes) -> bool:
        """Whether a frame is the answer to a ping; one to another ping than the last counts for nothing."""
        try:
            number = _pong.decode(frame).pong
        except UNREADABLE:
            return False
        if number == self._pings:
            self._unanswered = None
        return True

    def beat(self, now: Instant) -> Sequence[ServerOutput]:
        """The alarm has rung: a ping where one is due, or the end where the last one was not answered."""
        self._asleep_until = None
        if now < self.due["ping"]:
            return ()
        if self._unanswered is not None and now >= after(self._unanswered, PATIENCE):
            return (NO_PONG,)
        self._pings += 1
        self.due["ping"] = after(now, PING)
        if self._unanswered is None:
            self._unanswered = now
        return (send({"ping": self._pings}),)

    def wake(self, now: Instant) -> ServerOutputs:
        """Ask to be woken for what is due first, at the latest for the next block, unless that was asked for."""
        first = min(*self.due.values(), self._chain.advance(now))
        if first == self._asleep_until:
            return ()
        self._asleep_until = first
        return (Wake(first),)


def send(message: Struct | dict[str, Any]) -> Send:
    """A message as a frame."""
    return Send(packed(message))
