"""Sessions fed by hand: what a socket brought once, played to a session of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random
from typing import Any, Final, Protocol

from venuekit_spec import (
    Dial,
    Instant,
    InstrumentTable,
    MalformedMessage,
    Output,
    Outputs,
    Session,
    Topic,
    Wake,
)
from venuekit_testkit.watching import Conversation


class Speaker(Protocol):
    """What makes sessions."""

    def session(self, dial: Dial, instruments: InstrumentTable) -> Session:
        """A fresh session for a socket dialled so."""
        ...


class Talk:
    """One session, opened and told what is wanted. `told` is all that it returned, `refused` what it could not read."""

    def __init__(
        self,
        speaker: Speaker,
        conversation: Conversation,
        instruments: InstrumentTable,
        topics: frozenset[Topic],
    ) -> None:
        self.told: list[Output] = []
        self.refused: list[MalformedMessage] = []
        self._wake: Instant | None = None
        self.session = speaker.session(conversation.dial, instruments)
        self._take(self.session.opened(conversation.opened))
        self._take(self.session.want(topics, conversation.opened))

    def feed(self, frame: bytes, now: Instant) -> None:
        """A frame. Whatever the session raises but `MalformedMessage` comes out."""
        if self._wake is not None and self._wake <= now:
            self._wake = None
            self._take(self.session.tick(now))
        try:
            self._take(self.session.feed(frame, now))
        except MalformedMessage as error:
            self.refused.append(error)

    def _take(self, outputs: Outputs) -> None:
        for output in outputs:
            if isinstance(output, Wake):
                self._wake = output.at
            self.told.append(output)


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
    return json.dumps(told).encode()
