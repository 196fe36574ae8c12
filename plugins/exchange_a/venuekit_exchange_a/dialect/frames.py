"""What the venue's sockets share: how many frames they take, and how long they live."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from venuekit_exchange_a.dialect.limits import FRAMES, Window
from venuekit_spec import Hangup, Instant, Seconds, Send, ServerOutputs, Wake, after

LIFETIME: Final[Seconds] = 86_400.0
SECOND: Final[Seconds] = 1.0

GOING_AWAY: Final = 1001
POLICY: Final = 1008

TOO_MANY: Final[ServerOutputs] = (Hangup(POLICY, "too many frames"),)
TOO_OLD: Final[ServerOutputs] = (Hangup(GOING_AWAY, "24 hours have passed"),)


class Frames:
    """The frames of one socket, and its timers. `due` are instants by what they are for."""

    __slots__ = ("_asleep_until", "_window", "due", "ends")

    def __init__(self) -> None:
        self._window = Window(FRAMES, SECOND)
        self._asleep_until: Instant | None = None
        self.due: dict[str, Instant] = {}
        self.ends: Instant = 0

    def opened(self, now: Instant) -> None:
        """The life of the socket begins."""
        self.ends = after(now, LIFETIME)

    def allows(self, now: Instant) -> bool:
        """Whether the client may send this frame too."""
        self._window.see(now)
        self._window.used += 1
        return self._window.used <= self._window.capacity

    def woken(self) -> None:
        """What `wake` asked for has happened."""
        self._asleep_until = None

    def wake(self) -> ServerOutputs:
        """Ask to be woken for what is due first, unless that was asked for."""
        first = min((*self.due.values(), self.ends))
        if first == self._asleep_until:
            return ()
        self._asleep_until = first
        return (Wake(first),)


def send(payload: Any) -> Send:
    """A frame of text."""
    return Send(msgspec.json.encode(payload).decode())
