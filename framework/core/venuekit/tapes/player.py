"""Replaying a tape through the code that runs live.

The player is the venue and the clock: its transports answer from the tape, its clock stands at the instant of the record
that was handed over last. So a replay is deterministic, on asyncio and trio, as fast as the code that is replayed.

1. Records are played in the order of the tape. Before each the clock moves to its instant, and whoever slept until then
   wakes in time; an instant that lies before the clock's (two sources were merged) leaves the clock where it is.
2. A frame is handed to its connection's `on_frame` directly. Nothing is awaited for it.
3. After a record that gave tasks something to do the loop settles before the next one: a response, an opened or closed
   connection, any call of a transport (a request, a dial, a frame sent), any call of `TapePlayer.started`, by which a core
   tells of tasks it has started. `on_record` comes after that.
4. The loop settles also before any record that is not a frame: what was asked for live had been asked for by then.
5. Every 256 records other tasks get a turn, so that a screen can be drawn.
6. At the end every connection is closed ("end of tape") and every waiting request fails.
"""

from __future__ import annotations

import json
from collections import defaultdict, deque
from collections.abc import Callable, Collection
from typing import Final, TypeAlias

import anyio
from anyio.lowlevel import checkpoint
from attrs import frozen

from venuekit.clock import VirtualClock
from venuekit.tapes.matching import IGNORED
from venuekit.tapes.played import Activity, PlayedHttp, PlayedSockets, SentFrame
from venuekit.tapes.reader import Tape
from venuekit.tapes.records import Header, Record
from venuekit.tapes.scrub import Scrubber
from venuekit_spec import Instant, LocalError, seconds_between

TURN: Final = 256
"""After how many records other tasks get a turn."""

OnRecord: TypeAlias = Callable[[int | None, Record], None]


class TapeDiverged(LocalError):
    """In a strict replay a session sent another frame than the one that was recorded."""


@frozen
class Played:
    """What became of a tape.

    `records` were played; `skipped` frames belonged to connections that nobody opened or that were closed on this side;
    `unanswered` requests and `undialled` dials were waiting at the end, `unused` responses were asked for by nobody.
    """

    records: int
    skipped: int
    unanswered: int
    undialled: int
    unused: int
    truncated: bool


class TapePlayer:
    """Plays one tape, once.

    Give `http`, `websockets` and `clock` to the core in place of the live ones, start it, then `play`. The core calls
    `started` for each task that it starts and that its transports cannot know of. `ignore` adds query parameters that do not
    matter for the match of a response to those of the header; `connections` are the only ones that may be dialled, in place
    of the header's. In a `strict` replay every frame sent must be the recorded one, byte for byte or as JSON, after
    `scrubber`. `sent` are the latest frames that sessions sent, at most `sent_kept`.
    """

    def __init__(
        self,
        tape: Tape,
        *,
        clock: VirtualClock | None = None,
        ignore: Collection[str] = (),
        connections: Collection[str] = (),
        strict: bool = False,
        scrubber: Scrubber | None = None,
        sent_kept: int = 10_000,
    ) -> None:
        header = tape.header or Header()
        first = next(iter(tape), None)
        start = first[1].instant if first else 0
        self.tape = tape
        self.clock = clock if clock is not None else VirtualClock(start)
        self.sent: deque[SentFrame] = deque(maxlen=sent_kept)
        self.records = 0
        """How many records were played so far."""
        self._start = start
        self._activity = Activity()
        self.http = PlayedHttp(self.clock, self._activity, {*IGNORED, *header.ignore, *ignore}, header.paths)
        self.websockets = PlayedSockets(
            tape, self.clock, self._activity, connections or header.connections, self._said
        )
        self._script = _Script(scrubber if scrubber is not None else Scrubber()) if strict else None
        self._begun = False

    def started(self) -> None:
        """The core has started a task by itself: it is let run before the next record."""
        self._activity.calls += 1

    def __repr__(self) -> str:
        return f"<TapePlayer {self.tape.path.name}, {self.records} records played>"

    async def play(
        self, speed: float | None = None, on_record: OnRecord | None = None, *, close: bool = True
    ) -> Played:
        """Play the tape from its first record to its last; what became of it.

        `speed` 1.0 is real time, 2.0 twice as fast, None as fast as possible. `on_record` is called with record index (None
        for an inserted record) and record after each. With `close` False the connections are left open for a look at what
        they built, until `close` is called.

        Raises `TapeDamaged`, `TapeDiverged`, what `on_record` raises, and `LocalError` when called twice.
        """
        if self._begun:
            raise LocalError("a player plays its tape once; make another")
        if speed is not None and speed <= 0:
            raise LocalError("the speed of a replay is positive, or None for as fast as possible")
        self._begun = True
        await self.clock.settle()
        pace = None if speed is None else _Pace(self.clock, self._start, speed)
        await self._play_all(pace, on_record)
        played = Played(
            self.records,
            self.websockets.skipped,
            self.http.unanswered,
            self.websockets.pending,
            self.http.unused,
            self.tape.truncated,
        )
        if close:
            await self.close()
        if self._script is not None:
            self._script.end()
        return played

    async def close(self) -> None:
        """Close every connection ("end of tape"), fail what waits, and let the loop settle."""
        self.websockets.end()
        self.http.end()
        await self.clock.settle()

    async def _play_all(self, pace: _Pace | None, on_record: OnRecord | None) -> None:
        clock, activity, frame = self.clock, self._activity, self.websockets.frame
        calls = activity.calls
        for index, record in self.tape:
            instant = record.instant
            is_frame = record.direction == "in" and record.channel == "ws"
            if not is_frame:
                await clock.settle()
            if pace is not None:
                await pace.wait_for(instant)
            if clock.due_before(instant):
                await clock.advance_to(instant)
            else:
                clock.set(instant)
            if is_frame:
                frame(record)
            else:
                self._hand_over(record)
            self.records += 1
            if activity.calls != calls:
                await clock.settle()
                calls = activity.calls
                if self._script is not None:
                    self._script.check()
            elif self.records % TURN == 0:
                await checkpoint()
            if on_record is not None:
                on_record(index, record)

    def _hand_over(self, record: Record) -> None:
        if record.channel == "http":
            if record.direction in {"in", "fail"}:
                self.http.play(record)
            return
        match record.direction:
            case "open":
                self.websockets.opened(record)
            case "close":
                self.websockets.closed(record)
            case "fail":
                self.websockets.failed(record)
            case "out":
                if self._script is not None and self.websockets.claimed(record.connection):
                    self._script.expect(record)
            case _:
                self.websockets.frame(record)

    def _said(self, sent: SentFrame) -> None:
        self.sent.append(sent)
        if self._script is not None:
            self._script.heard(sent)


class _Pace:
    """Keeps a replay at a multiple of real time."""

    def __init__(self, clock: VirtualClock, start: Instant, speed: float) -> None:
        self._clock = clock
        self._start = start
        self._speed = speed
        self._began = anyio.current_time()

    async def wait_for(self, instant: Instant) -> None:
        """Wait until it is time for `instant`, and wake the sleepers of the time between when theirs has come."""
        while (deadline := self._clock.next_deadline()) is not None and deadline <= instant:
            await self._wait(deadline)
            await self._clock.advance_to(deadline)
        await self._wait(instant)

    async def _wait(self, instant: Instant) -> None:
        left = self._began + seconds_between(self._start, instant) / self._speed - anyio.current_time()
        if left > 0:
            await anyio.sleep(left)


class _Script:
    """What sessions are to send, per connection, against what they send. Either may be ahead of the other."""

    def __init__(self, scrubber: Scrubber) -> None:
        self._scrubber = scrubber
        self._expected: defaultdict[str, deque[bytes]] = defaultdict(deque)
        self._heard: defaultdict[str, deque[bytes]] = defaultdict(deque)

    def expect(self, record: Record) -> None:
        """A frame was recorded as sent."""
        self._expected[record.connection].append(record.payload or b"")
        self.check()

    def heard(self, sent: SentFrame) -> None:
        """A frame was sent now."""
        frame = sent.frame.encode() if isinstance(sent.frame, str) else sent.frame
        self._heard[sent.connection].append(self._scrubber.frame(frame))

    def check(self) -> None:
        """Compare what both have said so far. Raises `TapeDiverged`."""
        for connection, expected in self._expected.items():
            heard = self._heard[connection]
            while expected and heard:
                if not _same(expected.popleft(), heard.popleft()):
                    raise TapeDiverged(f"{connection}: a session sent another frame than the recorded one")

    def end(self) -> None:
        """Nothing may be left on either side. Raises `TapeDiverged`."""
        self.check()
        for connection, missing in self._expected.items():
            if missing:
                raise TapeDiverged(f"{connection}: {len(missing)} recorded frames were not sent")
        for connection, surplus in self._heard.items():
            if surplus:
                raise TapeDiverged(f"{connection}: {len(surplus)} frames were sent that were not recorded")


def _same(recorded: bytes, sent: bytes) -> bool:
    if recorded == sent:
        return True
    try:
        return bool(json.loads(recorded) == json.loads(sent))
    except ValueError:
        return False
