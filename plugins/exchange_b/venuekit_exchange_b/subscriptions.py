"""Which topics a socket carries, and the demands that make it so.

A demand is about one topic, carries a number and goes out when `SPACING` has passed since the last. To subscribe again to what
is subscribed to is to have its snapshot anew.

=========================  ==============================================================================
what happens               effect
=========================  ==============================================================================
a topic is wanted          subscribed to, each time that it was not wanted before
its answer comes           live, or lost for good where refused
its data come              live, answer or not
no answer in `PATIENCE`    subscribed to once more; then lost for now: the next `want` asks again
it is no longer wanted     unsubscribed from, once; data that come all the same harm nobody
=========================  ==============================================================================

PROTOCOL.md, "Public stream".
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import Struct

from venuekit_exchange_b.payloads import Demand, Failure
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

PATIENCE: Final[Seconds] = 10.0
"""How long an answer is waited for."""

Name = tuple[str, int]
"""A topic in the venue's words: channel and market."""


class _Asked(Struct):
    """A subscription that was sent, and of which nothing was heard yet."""

    name: Name
    deadline: Instant


class Subscriptions:
    """The topics of one socket. Every verb returns commands, among them the next `Wake`."""

    __slots__ = (
        "_asked",
        "_next_frame",
        "_number",
        "_open",
        "_queue",
        "_topics",
        "_tried",
        "_unheard",
        "_wake",
    )

    def __init__(self) -> None:
        self._topics: Mapping[Name, Topic] = {}
        self._queue: deque[tuple[str, Name]] = deque()
        self._asked: dict[int, _Asked] = {}
        self._unheard: set[Name] = set()
        self._tried: set[Name] = set()
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
        self._asked.clear()

    def want(self, wanted: Mapping[Name, Topic], now: Instant) -> Outputs:
        """Exactly these topics are wanted."""
        before, self._topics = self._topics, wanted
        self._queue = deque(
            demand for demand in self._queue if demand[0] == "unsubscribe" or demand[1] in wanted
        )
        for name in before:
            if name not in wanted:
                self._forget(name)
                self._queue.append(("unsubscribe", name))
        for name in sorted(wanted):
            if name not in before:
                self._unheard.add(name)
                self._queue.append(("subscribe", name))
        return self._advance(now)

    def heard(self, name: Name) -> Outputs:
        """Data of a topic came."""
        if name not in self._unheard:
            return NOTHING
        self._unheard.discard(name)
        self._tried.discard(name)
        return (TopicLive(self._topics[name]),)

    def answered(self, number: int, error: Failure | None, now: Instant) -> Outputs:
        """An answer came; one that nobody waits for means nothing."""
        asked = self._asked.pop(number, None)
        if asked is None or asked.name not in self._unheard:
            return NOTHING
        told = (
            self.heard(asked.name)
            if error is None
            else self._lose(asked.name, error.text or error.label, final=True)
        )
        return [*told, *self._advance(now)]

    def tick(self, now: Instant) -> Outputs:
        """The instant of the last `Wake` has come."""
        self._wake = None
        outputs: list[Output] = []
        for number, asked in list(self._asked.items()):
            if asked.deadline > now:
                break
            del self._asked[number]
            if asked.name not in self._unheard:
                continue
            if asked.name in self._tried:
                outputs += self._lose(asked.name, f"no answer in {PATIENCE:g} s, twice", final=False)
            else:
                self._tried.add(asked.name)
                self._queue.append(("subscribe", asked.name))
        return [*outputs, *self._advance(now)]

    def _lose(self, name: Name, reason: str, *, final: bool) -> Outputs:
        self._forget(name)
        topic = self._topics[name]
        if not final:
            self._topics = {each: kept for each, kept in self._topics.items() if each != name}
        return (TopicLost(topic, reason, final=final),)

    def _forget(self, name: Name) -> None:
        self._unheard.discard(name)
        self._tried.discard(name)

    def _advance(self, now: Instant) -> Outputs:
        """Send the next frame if it is time, and ask to be woken for what comes after it."""
        outputs: list[Output] = []
        if self._open and self._queue and now >= self._next_frame:
            outputs.append(self._send(*self._queue.popleft(), now))
        due = [asked.deadline for asked in self._asked.values()][:1]
        if self._open and self._queue:
            due.append(self._next_frame)
        wake = min(due, default=None)
        if wake != self._wake:
            self._wake = wake
            outputs.append(Wake(wake))
        return outputs

    def _send(self, op: str, name: Name, now: Instant) -> Send:
        self._number += 1
        self._next_frame = after(now, SPACING)
        if op == "subscribe":
            self._asked[self._number] = _Asked(name, after(now, PATIENCE))
        channel, market = name
        return Send(msgspec.json.encode(Demand(self._number, op, channel, market)).decode())
