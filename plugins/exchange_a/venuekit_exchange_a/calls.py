"""The conversation on the socket that takes calls: signed parameters out, ``ack`` and result in.

A frame that answers a call says what is used of the limits too. One that answers nothing (too late, twice) means nothing; an
error without an id is about a frame that the venue could not read.

PROTOCOL.md, "Calls".
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import UNSET

from venuekit_exchange_a.errors import BANNED, LIMITED, error_of
from venuekit_exchange_a.payloads import VENUE, CallAnswer
from venuekit_spec import (
    NOTHING,
    Answer,
    Channel,
    Instant,
    InstrumentTable,
    LimitReport,
    MalformedMessage,
    Output,
    Outputs,
    Send,
    SocketRequest,
    Topic,
    TopicLive,
    TopicLost,
    decode,
)

OK: Final = 200

_answer = msgspec.json.Decoder(CallAnswer)


class CallSession:
    """One socket. It needs no login: its topic is live as soon as it is open."""

    __slots__ = ("_instruments", "_live", "_lost", "_open", "_pending", "_wanted")

    def __init__(self, instruments: InstrumentTable) -> None:
        self._instruments = instruments
        self._open = False
        self._wanted: frozenset[Topic] = frozenset()
        self._live: set[Topic] = set()
        self._lost: set[Topic] = set()
        self._pending: set[str] = set()

    def opened(self, now: Instant) -> Outputs:
        """The socket takes calls."""
        self._open = True
        return self._told()

    def want(self, topics: frozenset[Topic], now: Instant) -> Outputs:
        """The topic of calls is live; any other is lost for good."""
        self._wanted = topics
        self._live &= topics
        self._lost &= topics
        return self._told()

    def call(self, request: SocketRequest, now: Instant) -> Outputs:
        """Send a call; the key is its id."""
        self._pending.add(request.key)
        frame = {"id": request.key, "method": request.method, "params": dict(request.params)}
        return (Send(msgspec.json.encode(frame).decode()),)

    def feed(self, frame: bytes, now: Instant) -> Outputs:
        """An answer. Raises `MalformedMessage` for what is none."""
        answer = decode(_answer, frame, Channel.CALLS.value, venue=VENUE)
        if answer.id is None:
            told = f"{answer.error.msg} ({answer.error.code})" if answer.error else "no id"
            raise MalformedMessage(
                f"an answer to no call: {told}", venue=VENUE, topic=Channel.CALLS.value, frame=frame
            )
        outputs: list[Output] = list(self._limits(answer))
        if answer.id in self._pending:
            outputs.append(self._answered(answer.id, answer, frame))
        return outputs

    def tick(self, now: Instant) -> Outputs:
        """Nothing: this session has no timers; the core waits for answers no longer than a call's deadline."""
        return NOTHING

    def answered(self, tag: str, result: Any, now: Instant) -> Outputs:
        """Nothing: this session runs no flows."""
        return NOTHING

    def closed(self, reason: str) -> None:
        """The socket is gone; the outcome of what is pending is unknown, which the core sees to."""
        self._open = False
        self._pending.clear()

    def _told(self) -> Outputs:
        """What is to be said of the topics that are wanted and of which nothing was said yet."""
        live = {topic for topic in self._wanted if topic.channel is Channel.CALLS} if self._open else set()
        lost = {topic for topic in self._wanted if topic.channel is not Channel.CALLS}
        news: list[Output] = [TopicLive(topic) for topic in live - self._live]
        news += [TopicLost(topic, "this socket only takes calls") for topic in lost - self._lost]
        self._live |= live
        self._lost |= lost
        return news

    def _answered(self, key: str, answer: CallAnswer, frame: bytes) -> Answer:
        if answer.ack:
            return Answer(key, acknowledgement=True)
        self._pending.discard(key)
        if answer.status == OK and answer.result is not UNSET:
            return Answer(key, payload=bytes(answer.result))
        wait = None if answer.retry_after is None else float(answer.retry_after)
        error = error_of(answer.status, answer.error, wait)
        if error is None:
            reason = f"status {answer.status} without a result or an error code"
            error = MalformedMessage(reason, venue=VENUE, topic=Channel.CALLS.value, frame=frame)
        return Answer(key, error=error)

    @staticmethod
    def _limits(answer: CallAnswer) -> Outputs:
        """What the answer says of limits."""
        limited = answer.status in LIMITED
        if not (answer.used or limited):
            return NOTHING
        wait = answer.retry_after if limited else None
        return (
            LimitReport(
                used={pool: float(used) for pool, used in answer.used.items()},
                penalty=None if wait is None else float(wait),
                banned=answer.status == BANNED,
            ),
        )
