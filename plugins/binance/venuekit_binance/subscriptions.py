"""Which streams a socket carries, and the requests that make it so.

The venue takes five frames a second and answers a request by its number, never by its streams. So what is wanted is asked
for in batches, one frame every `SPACING` seconds, and a batch is remembered until one of these:

==============================  ======================================================================
what happens                    effect on the streams of the batch of which nothing was heard yet
==============================  ======================================================================
its answer comes                confirmed
data of a stream comes          that stream is confirmed, answer or not
an error comes, many streams    asked for again in two halves, until the refused one is alone
an error comes, one stream      lost for good: not asked for again while it stays wanted
nothing comes for `PATIENCE`    asked for once more; then lost for now: the next `want` asks again
==============================  ======================================================================

What is no longer wanted is unsubscribed from in the same way; if that fails twice its data keep coming and harm nobody.

https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams#live-subscribingunsubscribing-to-streams
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from venuekit_binance.payloads import ErrorBody
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

SPACING: Final[Seconds] = 0.25
"""Between two frames of ours: four a second, which leaves one of the five for pongs, as those count too."""

BATCH: Final = 100
"""Streams in one frame. The venue is reported to ignore frames above some 8,000 bytes; a hundred names take 2,500."""

PATIENCE: Final[Seconds] = 10.0
"""How long an answer is waited for."""


class Method(StrEnum):
    """What can be asked."""

    SUBSCRIBE = "SUBSCRIBE"
    UNSUBSCRIBE = "UNSUBSCRIBE"


class _Ask(Struct, frozen=True):
    """One request: sent if it has a `deadline`, and `repeated` if the same streams were asked for in vain before."""

    method: Method
    streams: Sequence[str]
    repeated: bool = False
    deadline: Instant = 0


class Subscriptions:
    """The streams of one socket. Every verb returns commands, among them the `Wake` for the next `tick`."""

    __slots__ = (
        "_again",
        "_asked",
        "_given_up",
        "_next_frame",
        "_number",
        "_open",
        "_pending",
        "_refused",
        "_wake",
        "_wanted",
        "unconfirmed",
    )

    def __init__(self) -> None:
        self.unconfirmed: set[str] = set()
        """Streams that were asked for and of which nothing was heard; always the same set."""
        self._wanted: Mapping[str, Topic] = {}
        self._asked: set[str] = set()
        self._refused: set[str] = set()
        self._given_up: set[str] = set()
        self._again: deque[_Ask] = deque()
        self._pending: dict[int, _Ask] = {}
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
        self._again.clear()

    def want(self, wanted: Mapping[str, Topic], now: Instant) -> Outputs:
        """Exactly these streams are wanted, by name."""
        standing = self._asked - self.unconfirmed - self._wanted.keys()  # not unsubscribed from yet
        again = [TopicLive(topic) for stream, topic in wanted.items() if stream in standing]
        self._wanted = wanted
        self._refused &= wanted.keys()
        self._given_up.clear()
        return [*again, *self._advance(now)]

    def seen(self, stream: str) -> Outputs:
        """Data of a stream came."""
        if stream not in self.unconfirmed:
            return NOTHING
        return self._confirm([stream])

    def answered(self, number: int | None, refusal: ErrorBody | None, now: Instant) -> Outputs | None:
        """An answer came, to the request of that number; some errors carry none. None if it answers nothing."""
        sure = number is not None or len(self._pending) == 1
        if number is None:
            number = next(iter(self._pending), None)  # requests are answered in their order
        ask = self._pending.pop(number, None) if number is not None else None
        if ask is None:
            return None
        outputs: Outputs = NOTHING
        if ask.method is Method.SUBSCRIBE:
            streams = self._open_streams(ask)
            if refusal is None:
                outputs = self._confirm(streams)
            elif len(ask.streams) == 1:
                reason = f"refused: {refusal.message} ({refusal.code})"
                outputs = self._lose(streams, reason, final=sure)
            else:
                middle = (len(streams) + 1) // 2
                halves = (streams[:middle], streams[middle:])
                self._again.extend(_Ask(Method.SUBSCRIBE, half) for half in halves if half)
        return [*outputs, *self._advance(now)]

    def tick(self, now: Instant) -> Outputs:
        """The instant of the last `Wake` has come."""
        self._wake = None
        outputs: list[Output] = []
        while self._pending:
            number, ask = next(iter(self._pending.items()))
            if ask.deadline > now:
                break
            del self._pending[number]
            if not ask.repeated:
                self._again.append(_Ask(ask.method, ask.streams, repeated=True))
            elif ask.method is Method.SUBSCRIBE:
                reason = f"no answer in {PATIENCE:g} s, twice"
                outputs += self._lose(self._open_streams(ask), reason, final=False)
        return [*outputs, *self._advance(now)]

    def _open_streams(self, ask: _Ask) -> list[str]:
        """The streams of a request that nothing was heard of, and nothing else was asked about, since."""
        if ask.method is Method.UNSUBSCRIBE:
            return [stream for stream in ask.streams if stream not in self._asked]
        return [stream for stream in ask.streams if stream in self.unconfirmed]

    def _confirm(self, streams: Iterable[str]) -> Outputs:
        self.unconfirmed.difference_update(streams)
        return [TopicLive(self._wanted[stream]) for stream in streams if stream in self._wanted]

    def _lose(self, streams: Iterable[str], reason: str, *, final: bool) -> Outputs:
        self._forget(streams)
        lost = [stream for stream in streams if stream in self._wanted]
        (self._refused if final else self._given_up).update(lost)
        return [TopicLost(self._wanted[stream], reason, final=final) for stream in lost]

    def _forget(self, streams: Iterable[str]) -> None:
        """As if these had never been asked for."""
        self._asked.difference_update(streams)
        self.unconfirmed.difference_update(streams)

    def _advance(self, now: Instant) -> Outputs:
        """Send the next frame if it is time, and ask to be woken for what comes after it."""
        outputs: list[Output] = []
        ask = self._next()
        if ask is not None and now >= self._next_frame:
            outputs.append(self._send(ask, now))
            ask = self._next()
        due = [pending.deadline for pending in self._pending.values()][:1]
        if ask is not None:
            due.append(self._next_frame)
        wake = min(due, default=None)
        if wake != self._wake:
            self._wake = wake
            outputs.append(Wake(wake))
        return outputs

    def _next(self) -> _Ask | None:
        """What is to be asked next; None when all is as wanted, or nothing can be sent."""
        if not self._open:
            return None
        while self._again:
            streams = self._open_streams(self._again[0])
            if self._again[0].method is Method.SUBSCRIBE:
                self._forget([stream for stream in streams if stream not in self._wanted])
                streams = [stream for stream in streams if stream in self._wanted]
            if streams:
                return replace(self._again[0], streams=streams)
            self._again.popleft()
        if leaving := sorted(self._asked - self._wanted.keys()):
            return _Ask(Method.UNSUBSCRIBE, leaving[:BATCH])
        missing = [s for s in self._wanted if s not in self._asked | self._refused | self._given_up]
        return _Ask(Method.SUBSCRIBE, missing[:BATCH]) if missing else None

    def _send(self, ask: _Ask, now: Instant) -> Send:
        """Send what `_next` returned."""
        if self._again:
            self._again.popleft()
        self._number += 1
        self._pending[self._number] = replace(ask, deadline=after(now, PATIENCE))
        self._next_frame = after(now, SPACING)
        if ask.method is Method.SUBSCRIBE:
            self._asked.update(ask.streams)
            self.unconfirmed.update(ask.streams)
        else:
            self._forget(ask.streams)
        request = {"method": ask.method.value, "params": ask.streams, "id": self._number}
        return Send(msgspec.json.encode(request).decode())
