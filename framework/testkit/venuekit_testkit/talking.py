"""Sessions driven by hand: no socket, no event loop, and a clock that goes when it is told to.

A `Driver` plays the part of the core to one session: it says what happens on the socket, keeps what is sent, and wakes the
session when it asked to be. `Talk` plays it what a socket brought once. `read_or_malformed` feeds it what no venue sends.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from random import Random
from typing import Any, Final, NamedTuple, Protocol, Self, TypeVar

from venuekit_spec import (
    SECOND,
    Dial,
    Instant,
    InstrumentTable,
    MalformedMessage,
    Output,
    Outputs,
    Seconds,
    Send,
    Session,
    SocketRequest,
    Topic,
    TopicLive,
    TopicLost,
    Wake,
)
from venuekit_testkit.watching import Conversation

T = TypeVar("T")

START: Final[Instant] = 1_767_225_600 * SECOND
"""When everything that is driven by hand begins: 2026-01-01."""


class Sent(NamedTuple):
    """A frame for the venue, and when it was sent."""

    at: Instant
    frame: str | bytes

    @property
    def said(self) -> Any:
        """What it says, in JSON."""
        return json.loads(self.frame)


class Driver:
    """A session without its socket. `wake` is when it wants to be woken.

    `outputs` is all that it returned, and `told` what of it is neither a frame (those are in `sent`) nor a wake. Each verb
    returns what was told by it, and raises what the session raises.
    """

    def __init__(self, session: Session, now: Instant = START) -> None:
        self.session = session
        self._now = now
        self.wake: Instant | None = None
        self.outputs: list[Output] = []
        self.told: list[Output] = []
        self.sent: list[Sent] = []
        self._heard = 0

    @property
    def now(self) -> Instant:
        """The session's time."""
        return self._now

    @now.setter
    def now(self, now: Instant) -> None:
        self._now = now

    # what happens

    def open(self, *topics: Topic) -> Self:
        """The socket opens, and these topics are wanted."""
        self._take(self.session.opened(self.now))
        if topics:
            self.want(*topics)
        return self

    def want(self, *topics: Topic) -> list[Any]:
        """Exactly these topics are wanted from now on."""
        return self._take(self.session.want(frozenset(topics), self.now))

    def hear(self, frame: object) -> list[Any]:
        """A frame arrives: bytes and text as they are, anything else as compact JSON."""
        if not isinstance(frame, bytes | str):
            frame = json.dumps(frame, separators=(",", ":"))
        return self._take(self.session.feed(frame.encode() if isinstance(frame, str) else frame, self.now))

    def call(self, request: SocketRequest) -> list[Any]:
        """A call is to be sent."""
        return self._take(self.session.call(request, self.now))

    def answered(self, tag: str, result: object) -> list[Any]:
        """What the session asked for under a tag (`Run`, `Sign`) is there."""
        return self._take(self.session.answered(tag, result, self.now))

    def sleep(self, seconds: Seconds) -> list[Any]:
        """Time passes, and the session is woken whenever it asked to be."""
        return self.sleep_until(self.now + round(seconds * SECOND))

    def sleep_until(self, end: Instant) -> list[Any]:
        """Time passes until this instant."""
        start = len(self.told)
        while self.wake is not None and self.wake <= end:
            assert self.wake >= self.now, "it asks to be woken in the past, for ever"
            self.now = self.wake
            self.tick()
        self.now = end
        return self.told[start:]

    def tick(self) -> list[Any]:
        """It is woken now."""
        self.wake = None
        return self._take(self.session.tick(self.now))

    # what came of it

    def take(self) -> list[Output]:
        """What was told since this was last asked."""
        told, self.told = self.told, []
        return told

    def of(self, kind: type[T]) -> list[T]:
        """What was told of one kind since the last `take`."""
        return [each for each in self.told if isinstance(each, kind)]

    def said(self) -> list[Any]:
        """What the frames say, in JSON, that were sent since this was last asked."""
        fresh = self.sent[self._heard :]
        self._heard = len(self.sent)
        return [each.said for each in fresh]

    @property
    def live(self) -> set[Topic]:
        """The topics that were confirmed since the last `take`."""
        return {each.topic for each in self.of(TopicLive)}

    @property
    def lost(self) -> list[TopicLost]:
        """The topics that were lost since the last `take`, in order."""
        return self.of(TopicLost)

    def _take(self, outputs: Outputs) -> list[Any]:
        start = len(self.told)
        for output in outputs:
            self.outputs.append(output)
            if not self._carried_out(output):
                self.told.append(output)
        return self.told[start:]

    def _carried_out(self, output: Output) -> bool:
        """Whether an output is a command that is carried out here, and so not told."""
        match output:
            case Wake():
                self.wake = output.at
            case Send():
                self.sent.append(Sent(self.now, output.frame))
            case _:
                return False
        return True


class Speaker(Protocol):
    """What makes sessions."""

    def session(self, dial: Dial, instruments: InstrumentTable) -> Session:
        """A fresh session for a socket dialled so."""
        ...


class Talk(Driver):
    """A session of its own for what a socket brought once. `refused` is what it could not read."""

    def __init__(
        self,
        speaker: Speaker,
        conversation: Conversation,
        instruments: InstrumentTable,
        topics: frozenset[Topic],
    ) -> None:
        super().__init__(speaker.session(conversation.dial, instruments), conversation.opened)
        self.refused: list[MalformedMessage] = []
        self.open(*topics)

    def feed(self, frame: bytes, now: Instant) -> None:
        """A frame, and its instant. Whatever the session raises but `MalformedMessage` comes out."""
        self.now = now
        if self.wake is not None and self.wake <= now:
            self.tick()
        try:
            self.hear(frame)
        except MalformedMessage as error:
            self.refused.append(error)


NONSENSE: Final = (
    b"",
    b"\x00",
    b"\xff\xfe\xfd",
    b"{",
    b"[]",
    b"{}",
    b"null",
    b"true",
    b"0",
    b'""',
    b"[[[[",
    b"[" * 5_000,
    b'{"a":' * 2_000,
    b'"\xed\xa0\x80"',
    b"NaN",
    b"-1e999",
    "\u72d7\u5e01".encode(),
    b" " * 100,
)
"""What no venue sends."""

_VALUES: Final[tuple[Any, ...]] = (
    None,
    True,
    -1,
    0,
    10**40,
    1.5,
    "",
    "x",
    "NaN",
    "-1",
    "1e5",
    "Infinity",
    [],
    {},
    [[]],
)


def mutations(frame: bytes, dice: Random, count: int) -> Iterator[bytes]:
    """Frames that are nearly this one: cut, with other bytes, with other values in the same structure."""
    for number in range(count):
        kind = number % 4
        if kind == 0 and frame:
            yield frame[: dice.randrange(len(frame))]
        elif kind == 1 and frame:
            place = dice.randrange(len(frame))
            yield frame[:place] + bytes([dice.randrange(256)]) + frame[place + 1 :]
        elif kind == 2 and frame:
            place = dice.randrange(len(frame))
            yield frame[:place] + frame[place + dice.randrange(1, 4) :]
        else:
            yield _other_value(frame, dice)


def _other_value(frame: bytes, dice: Random) -> bytes:
    """The same structure with one value replaced, or one member left out."""
    try:
        told = json.loads(frame)
    except ValueError:
        return frame[::-1]
    places: list[tuple[Any, Any]] = []

    def visit(value: Any) -> None:
        items = (
            list(value.items())
            if isinstance(value, dict)
            else list(enumerate(value))
            if isinstance(value, list)
            else []
        )
        for key, each in items:
            places.append((value, key))
            visit(each)

    visit(told)
    if places:
        holder, key = dice.choice(places)
        if isinstance(holder, dict) and dice.random() < 0.3:
            del holder[key]
        elif isinstance(holder, dict | list):
            holder[key] = dice.choice(_VALUES)
    return json.dumps(told, separators=(",", ":")).encode()


def read_or_malformed(
    driver: Driver, frames: Iterable[bytes], *, each: int = 100, seed: int = 7, pause: Seconds = 0.1
) -> None:
    """Feed a session what no venue sends, and `each` frames that are nearly every one of these.

    It reads them or raises `MalformedMessage`; whatever else it raises comes out, with the frame as a note. Time passes
    between them. That the session is whole afterwards is the caller's to show.
    """
    dice = Random(seed)  # noqa: S311  # a seeded fuzz
    noise = (dice.randbytes(dice.randrange(1, 80)) for _ in range(each))
    damaged = (nearly for frame in frames for nearly in _damaged(frame, dice, each))
    for frame in (*NONSENSE, *noise, *damaged):
        try:
            driver.hear(frame)
        except MalformedMessage:
            pass
        except Exception as error:
            error.add_note(f"after {frame[:200]!r}")
            raise
        driver.sleep(pause)


def _damaged(frame: bytes, dice: Random, count: int) -> Iterator[bytes]:
    """Nearly this frame: a quarter of them has two other values."""
    yield from mutations(frame, dice, count - count // 4)
    for _ in range(count // 4):
        yield _other_value(_other_value(frame, dice), dice)
