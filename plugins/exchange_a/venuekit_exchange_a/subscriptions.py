"""Which topics a socket carries, and the requests that make it so.

Requests carry a number and up to `BATCH` topics, and go out one every `SPACING` seconds. The venue answers each with the topics
that it refuses; the others are subscribed to. What is asked is remembered until one of these:

==============================  ======================================================================
what happens                    effect on the topics of the request of which nothing was heard yet
==============================  ======================================================================
its answer comes                confirmed, or lost for good where refused
data of a topic come            that topic is confirmed, answer or not
the whole request is refused    lost for now: the next `want` asks again
nothing comes for `PATIENCE`    asked for once more; then lost for now
==============================  ======================================================================

What is no longer wanted is unsubscribed from once; if that is lost its data keep coming and harm nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec
from msgspec import Struct

from venuekit_exchange_a.payloads import ErrorBody
from venuekit_spec import (
    NOTHING,
    Instant,
    Output,
    Outputs,
    Seconds,
    Send,
    Topic,
    TopicLive,
    TopicLost,
    Wake,
    after,
)

SPACING: Final[Seconds] = 0.1
"""Between two frames of ours: ten a second, half of what the venue takes."""

BATCH: Final = 100
"""Topics in one request: the most that the venue takes."""

PATIENCE: Final[Seconds] = 10.0
"""How long an answer is waited for."""


class _Asked(Struct, frozen=True):
    """A subscription that was sent and not answered yet."""

    names: Sequence[str]
    deadline: Instant


class Subscriptions:
    """The topics of one socket, by the venue's names. Every verb returns commands, among them the next `Wake`."""

    __slots__ = ("_asked", "_given_up", "_next_frame", "_number", "_open", "_pending", "_tried", "_wake",
                 "_wanted", "unconfirmed")  # fmt: skip

    def __init__(self) -> None:
        self.unconfirmed: set[str] = set()
        """Topics that were asked for and of which nothing was heard; always the same set."""
        self._wanted: Mapping[str, Topic] = {}
        self._asked: set[str] = set()
        self._tried: set[str] = set()
        """Asked for in vain once."""
        self._given_up: dict[str, bool] = {}
        """Lost, and whether for good."""
        self._pending: dict[int, _Asked] = {}
        self._number = 0
        self._open = False
        self._next_frame: Instant = 0
        self._wake: Instant | None = None

    def opened(self, now: Instant) -> Outputs:
        """The socket takes frames."""
        self._open = True
        return self._advance(now)

    def closed(self) -> None:
        """The socket is gone: nothing is sent and nothing awaited."""
        self._open = False
        self._pending.clear()

    def want(self, wanted: Mapping[str, Topic], now: Instant) -> Outputs:
        """Exactly these topics are wanted, by name."""
        standing = self._asked - self.unconfirmed - self._wanted.keys()  # not unsubscribed from yet
        again = [TopicLive(topic) for name, topic in wanted.items() if name in standing]
        self._wanted = wanted
        self._tried &= wanted.keys()
        self._given_up = {name: final for name, final in self._given_up.items() if final and name in wanted}
        return [*again, *self._advance(now)]

    def seen(self, name: str) -> Outputs:
        """Data of a topic came."""
        return self._confirm([name]) if name in self.unconfirmed else NOTHING

    def answered(
        self, number: int, refused: Mapping[str, str], error: ErrorBody | None, now: Instant
    ) -> Outputs:
        """An answer came: topics that are refused, with the reason, or an error that concerns the whole request."""
        asked = self._pending.pop(number, None)
        if asked is None:
            return NOTHING
        outputs: list[Output] = []
        names = self._unheard(asked.names)
        if error is not None:
            outputs += self._lose(names, f"{error.msg} ({error.code})", final=False)
        else:
            outputs += self._confirm([name for name in names if name not in refused])
            for name in names:
                if name in refused:
                    outputs += self._lose([name], refused[name], final=True)
        return [*outputs, *self._advance(now)]

    def tick(self, now: Instant) -> Outputs:
        """The instant of the last `Wake` has come."""
        self._wake = None
        outputs: list[Output] = []
        for number, asked in list(self._pending.items()):
            if asked.deadline > now:
                break
            del self._pending[number]
            names = self._unheard(asked.names)
            twice = [name for name in names if name in self._tried]
            self._tried.update(names)
            self._forget(names)
            outputs += self._lose(twice, f"no answer in {PATIENCE:g} s, twice", final=False)
        return [*outputs, *self._advance(now)]

    def _unheard(self, names: Iterable[str]) -> list[str]:
        return [name for name in names if name in self.unconfirmed]

    def _confirm(self, names: Sequence[str]) -> Outputs:
        self.unconfirmed.difference_update(names)
        self._tried.difference_update(names)
        return [TopicLive(self._wanted[name]) for name in names if name in self._wanted]

    def _lose(self, names: Sequence[str], reason: str, *, final: bool) -> Outputs:
        self._forget(names)
        lost = [name for name in names if name in self._wanted]
        self._given_up.update(dict.fromkeys(lost, final))
        return [TopicLost(self._wanted[name], reason, final=final) for name in lost]

    def _forget(self, names: Iterable[str]) -> None:
        """As if these had never been asked for."""
        self._asked.difference_update(names)
        self.unconfirmed.difference_update(names)

    def _advance(self, now: Instant) -> Outputs:
        """Send the next frame if it is time, and ask to be woken for what comes after it."""
        outputs: list[Output] = []
        op, names = self._next()
        if names and now >= self._next_frame:
            outputs.append(self._send(op, names, now))
            op, names = self._next()
        due = [asked.deadline for asked in self._pending.values()][:1]
        if names:
            due.append(self._next_frame)
        wake = min(due, default=None)
        if wake != self._wake:
            self._wake = wake
            outputs.append(Wake(wake))
        return outputs

    def _next(self) -> tuple[str, Sequence[str]]:
        """What is to be asked next; nothing when all is as wanted, or nothing can be sent."""
        if not self._open:
            return "", ()
        surplus = sorted(self._asked - self._wanted.keys())
        if surplus:
            return "unsubscribe", surplus[:BATCH]
        missing = [name for name in self._wanted if name not in self._asked and name not in self._given_up]
        return "subscribe", missing[:BATCH]

    def _send(self, op: str, names: Sequence[str], now: Instant) -> Send:
        """Send what `_next` returned."""
        self._number += 1
        self._next_frame = after(now, SPACING)
        if op == "subscribe":
            self._asked.update(names)
            self.unconfirmed.update(names)
            self._pending[self._number] = _Asked(names, after(now, PATIENCE))
        else:
            self._forget(names)
        return Send(msgspec.json.encode({"op": op, "id": self._number, "topics": names}).decode())
