"""A book is kept by the rule of its feed: messages in, a proven book out. One for all venues.

No I/O, no clock: messages and instants come in, and what is needed (a snapshot, a new subscription) goes out through one
callback. *Delta* is said here of changes of levels and of events of orders alike. What happens:

* Before a snapshot, deltas of a feed with REST snapshots are kept (bounded) and later judged by the same rule as live
  ones; a snapshot too old to join them is refused, the kept deltas stay. Deltas of a feed with in-band snapshots are
  dropped: the snapshot stands for everything before it.
* A loss is noticed on the message that shows it, and the book leaves LIVE before anybody can read it.
* A snapshot replaces the book. It never merges.
* A checksum is compared after the message it came with; a mismatch, or a book crossed against the rule, is a loss.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any, ClassVar, Final, Generic, TypeAlias

from venuekit.books.book import OrderBook
from venuekit.books.changes import BookMessage, StateChange
from venuekit.books.counters import Counters
from venuekit.books.ladder import MALFORMED_ROW
from venuekit.books.sides import D, S, Sides
from venuekit.books.states import BookEvent, BookState, following
from venuekit.books.sync import GAP, STALE, Follower
from venuekit_spec import (
    BookChecksum,
    BookSnapshot,
    Crossed,
    Ids,
    Instant,
    Instrument,
    InstrumentStatus,
    Join,
    MalformedMessage,
    OrderBookSnapshot,
    SnapshotSource,
    StatusChange,
    SyncRule,
    Topic,
    after,
)

KEPT_DELTAS: Final = 20_000
"""How many deltas wait for a snapshot at most; the oldest are dropped, which a snapshot then shows as too old.

An audit that would keep more proves nothing and ends.
"""

STALE_RUN: Final = 100
"""How many stale deltas in a row a joined book takes for repetitions; more of them are a sequence that began anew."""

LIVE = BookState.LIVE

UNREADABLE: Final = (*MALFORMED_ROW, MalformedMessage)
"""What comes out of a message that makes no sense."""

_SHOWING_HOLES: Final = frozenset({Ids.RANGE, Ids.LINK, Ids.NEXT})
"""Id rules by which deltas that wait for a snapshot show a hole among them by themselves."""

_MAY_CROSS: Final = frozenset({InstrumentStatus.AUCTION, InstrumentStatus.HALTED})


class Need(StrEnum):
    """What an entry asks of whoever drives it."""

    SNAPSHOT = "snapshot"
    """Run `DataSource.snapshot` and hand in the result."""
    RESUBSCRIBE = "resubscribe"
    """Subscribe to the topic anew: its in-band snapshot is wanted."""


NeedCallback: TypeAlias = Callable[[Any, Need], None]
"""Hears what an entry asks for; the first argument is that entry."""


class BookKeeper(ABC, Generic[S, D]):
    """One book, kept by the rule of its feed. `topic` is the feed, `heard` its last sign of life.

    `sides` are the book's, and `follower` knows their place in the sequence.
    """

    snapshot_type: ClassVar[type[BookSnapshot | OrderBookSnapshot]]
    """What `snapshot` and `audit` take."""

    def __init__(
        self,
        topic: Topic,
        rule: SyncRule,
        need: NeedCallback,
        book: OrderBook,
        sides: Sides[S, D],
        follower: Follower,
        *,
        venue: str,
    ) -> None:
        self.topic = topic
        self.rule = rule
        self.venue = venue
        self.book = book
        self.counters = Counters()
        self.heard: Instant = 0
        self.since: Instant = 0
        """When the book came to the state it is in."""
        self.era = 0
        """Rises when a snapshot that was asked for before can no longer be joined: what follows it was not received."""
        self._need = need
        self._sides: Sides[S, D] = sides
        self._follower = follower
        self._kept: deque[D] = deque(maxlen=KEPT_DELTAS)
        self._crossed_since: Instant | None = None
        self._stale_run = 0
        self._was_live = False
        self._reached: int | None = None
        """Where the book stood when it left LIVE: what a snapshot from before lacks was applied then, and not kept."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.venue} {self.topic} {self.book.state}>"

    # What it waits for

    @property
    def waits_for_snapshot(self) -> bool:
        """Whether a snapshot by REST would help."""
        return self.rule.snapshot is SnapshotSource.REST and self._waiting

    @property
    def waits_for_renewal(self) -> bool:
        """Whether a new subscription would help."""
        return self.rule.snapshot is not SnapshotSource.REST and self._waiting

    @property
    def unheard(self) -> bool:
        """Whether nothing has come of the feed since it was asked for."""
        return self.book.state in {BookState.EMPTY, BookState.STALE}

    @property
    def _waiting(self) -> bool:
        return self.book.state in {BookState.BUFFERING, BookState.GAP}

    # What the driver tells

    def started(self, now: Instant) -> None:
        """The venue confirmed the subscription."""
        self.heard = now
        if self.book.state in {BookState.EMPTY, BookState.STALE}:
            self.subscribed(now)

    def subscribed(self, now: Instant) -> None:
        """The feed started, or started again on another socket: nothing from before can be continued."""
        self.heard = now
        self._forget_kept()
        self._reached = None
        self._move(BookEvent.SUBSCRIBED, "waiting for a snapshot", now)
        if self.rule.snapshot is SnapshotSource.REST:
            self._need(self, Need.SNAPSHOT)

    def disconnected(self, reason: str, now: Instant) -> None:
        """The socket is gone."""
        if self.book.state is BookState.CLOSED:
            return
        self._forget_kept()
        self._move(BookEvent.DISCONNECTED, reason, now)

    def close(self, reason: str, now: Instant) -> None:
        """Nobody wants the book any more, or the venue refused it."""
        self._forget_kept()
        self._move(BookEvent.CLOSED, reason, now)

    def lost(self, reason: str, now: Instant) -> None:
        """A message is missing or unreadable: leave LIVE and ask for a repair."""
        if self.book.state is BookState.CLOSED:
            return
        if self.rule.ids not in _SHOWING_HOLES:
            self._forget_kept()
        self.counters.gaps += self.book.state is LIVE
        self._leave(reason, now)

    def silent(self, now: Instant) -> bool:
        """Whether the topic has been silent beyond its limit; the book is STALE from then on."""
        limit = self.rule.silence
        if limit is None or self.book.state not in {LIVE, BookState.GAP, BookState.BUFFERING}:
            return False
        if now < after(self.heard, limit):
            return False
        self._move(BookEvent.SILENT, f"silent for {limit:g} s", now)
        return True

    def status(self, change: StatusChange) -> None:
        """The venue changed what may be done with the instrument: an auction may cross the book."""
        self.heard = change.received
        self.book.status = change.status

    def rules(self, instrument: Instrument, now: Instant) -> None:
        """The venue changed the rules of the instrument: checksums are of its new precision from here on.

        Where prices no longer fit the kind of keys that the book was made with, it is closed: to be opened anew.
        """
        fits = instrument.float_keys is self.book.instrument.float_keys
        self.book.adopt_rules(instrument)
        if not fits:
            self.close("the venue changed its prices beyond what this book can hold: open it anew", now)

    # Messages

    def delta(self, delta: D) -> None:
        """Judge a delta and apply it, keep it, or notice what is missing.

        Raises `MalformedMessage` for one that makes no sense; the book has then left LIVE.
        """
        self.heard = delta.received
        if self.book.state is not LIVE:
            self._wait(delta)
            return
        verdict = self._follower.judge(delta)
        if verdict is STALE:
            self.counters.stale += 1
            self._stale_run += 1
            if self._stale_run > STALE_RUN and self._follower.joined:
                self._began_anew(delta)
        elif verdict is GAP:
            self._keep(delta)
            if self._follower.joined:
                self.lost(f"after {self._follower.at} came {delta.first or delta.last}", delta.received)
            else:
                self._too_old(delta, delta.received)
        else:
            self._apply(delta)
            self._settle(delta)

    def snapshot(self, snapshot: S) -> None:
        """Start the book anew, join what was kept, or settle the audit that asked for it.

        Raises `MalformedMessage` for one that makes no sense; the book then waits for another.
        """
        self.heard = snapshot.received
        source = self.rule.snapshot
        if source is SnapshotSource.REST:
            if self.book.state is LIVE:
                self._came_unasked(snapshot)
            elif self._waiting:
                self._join(snapshot)
        elif source is SnapshotSource.EVERY_MESSAGE and snapshot.time and snapshot.time < self.book.time:
            self.counters.stale += 1
        elif self.book.state is not BookState.CLOSED:
            self._join(snapshot)

    def checksum(self, message: BookChecksum) -> None:
        """Compare a checksum that came in a frame of its own."""
        self.heard = message.received
        fault = self._compare(message.checksum, message.received) if self.book.state is LIVE else ""
        if fault:
            self.lost(fault, message.received)

    def tick(self, now: Instant) -> None:
        """Time has passed: a book may have been crossed for too long."""
        crossed = self._crossed_since if self.book.status not in _MAY_CROSS else None
        if crossed is not None and now >= after(crossed, self.rule.crossed_tolerance):
            self.lost("the book is crossed", now)

    # What follows from what happened

    @abstractmethod
    def _applied(self, delta: D) -> None:
        """A delta was applied to the sides."""

    @abstractmethod
    def _stepped(self) -> None:
        """A step was verified and published."""

    @abstractmethod
    def _loaded(self) -> None:
        """A snapshot was loaded; what waited for it is still to be joined."""

    @abstractmethod
    def _came_unasked(self, snapshot: S) -> None:
        """A snapshot came by REST while the book was LIVE: it never merges into it."""

    @abstractmethod
    def _ended(self) -> None:
        """The book is not LIVE (any more)."""

    # What differs between feeds of levels and of orders, besides the sides

    @abstractmethod
    def _settle(self, delta: D) -> None:
        """A delta was applied: `_finish` the step that it completes."""

    def _tells(self, _delta: D, /) -> bool:
        """Whether a delta that was just applied is news to listeners."""
        return True

    @abstractmethod
    def _checksum_of(self, snapshot: S, /) -> int | None:
        """The checksum that came with a snapshot."""

    @abstractmethod
    def _excerpt(self, message: S | D) -> str:
        """The beginning of a message that makes no sense."""

    # Inside

    def _forget_kept(self) -> None:
        self._kept.clear()
        self.era += 1

    def _wait(self, delta: D) -> None:
        if self.book.state is BookState.CLOSED:
            return
        if self.book.state in {BookState.EMPTY, BookState.STALE}:
            self.subscribed(delta.received)
        if self.rule.snapshot is SnapshotSource.REST:
            self._keep(delta)
        else:
            self.counters.before_snapshot += 1

    def _keep(self, delta: D) -> None:
        if self.rule.snapshot is SnapshotSource.REST:
            self.counters.buffered += 1
            self._kept.append(delta)

    def _finish(self, told: Sequence[D], checksum: int | None, now: Instant) -> None:
        """A step is complete: verify the book, and publish what changed it."""
        fault = self._fault(checksum, now)
        if fault:
            self.lost(fault, now)
            return
        for message in told:
            self._tell(message)
        self._stepped()

    def _join(self, snapshot: S) -> None:
        book, follower = self.book, self._follower
        if self._goes_back(snapshot):
            self.counters.too_old += 1
            self._leave(
                f"the snapshot at {snapshot.last} is older than the book at {self._reached}",
                snapshot.received,
            )
            return
        try:
            self._load(self._sides, snapshot)
        except UNREADABLE as error:
            raise self._malformed(error, snapshot) from error
        follower.start(snapshot.last)
        book.last, book.time, book.received = snapshot.last, snapshot.time, snapshot.received
        book.evidence.restart(snapshot.received)
        self._loaded()
        joined: list[D] | None = self._join_kept(snapshot)
        if joined is None:
            return
        fault = self._fault(self._checksum_of(snapshot), snapshot.received)
        if fault:
            self.lost(fault, snapshot.received)
            return
        repaired = self._was_live and book.state is not LIVE
        book.revision += 1
        self.counters.snapshots += 1
        self.counters.repairs += repaired
        self._was_live = True
        self._move(BookEvent.JOINED, "", snapshot.received)
        self._tell(snapshot)
        for delta in joined:
            self._tell(delta)

    def _goes_back(self, snapshot: S) -> bool:
        """Whether a snapshot by REST is older than what the book showed before: a lagging or cached answer."""
        if self.rule.snapshot is not SnapshotSource.REST or self.rule.ids not in _SHOWING_HOLES:
            return False
        return snapshot.last is not None and self._reached is not None and snapshot.last < self._reached

    def _join_kept(self, snapshot: S) -> list[D] | None:
        """Apply what waited for the snapshot; what was applied. None: it is too old, or what waited has a hole."""
        kept, stale, applied = self._kept, 0, self.counters.deltas
        joined: list[D] = []
        if self.rule.join is Join.NEWER and kept and _precedes(snapshot, kept[0]):
            self._too_old(kept[0], snapshot.received)
            return None
        while kept:
            verdict = self._follower.judge(kept[0])
            if verdict is GAP:
                self.counters.deltas = applied
                self._too_old(kept[0], snapshot.received)
                return None
            delta = kept.popleft()
            if verdict is STALE:
                stale += 1
            else:
                self._apply(delta)
                if self._tells(delta):
                    joined.append(delta)
        self.counters.stale += stale
        return joined

    def _too_old(self, delta: D, now: Instant) -> None:
        """The snapshot ends before the feed began (or what waited for it has a hole): another is wanted."""
        self.counters.too_old += 1
        self._leave(f"the snapshot at {self._follower.at} does not reach {delta.first or delta.last}", now)

    def _began_anew(self, delta: D) -> None:
        """Everything that comes is older than the book: the venue has begun to count anew, and the book stands still."""
        self.lost(f"after {self._follower.at} comes nothing newer than {delta.last}", delta.received)
        self._reached = None

    def _apply(self, delta: D) -> None:
        book, follower = self.book, self._follower
        try:
            self._sides.apply(delta)
            if self.rule.depth is not None and not follower.within_step:
                self._sides.cut(self.rule.depth)
        except UNREADABLE as error:
            raise self._malformed(error, delta) from error
        self._applied(delta)
        follower.advance(delta)
        book.last = follower.at
        book.time = delta.time
        book.received = delta.received
        book.revision += 1
        book.evidence.sequence += 1
        self.counters.deltas += 1
        self._stale_run = 0

    def _fault(self, checksum: int | None, now: Instant) -> str:
        """What contradicts the book after a message; empty when nothing does."""
        fault = "" if checksum is None else self._compare(checksum, now)
        if self.book.crossed:
            return fault or self._crossed(now)
        self._crossed_since = None
        return fault

    def _compare(self, value: int, now: Instant) -> str:
        checksum, book = self.rule.checksum, self.book
        if checksum is None or not checksum.applies(value, now):
            return ""
        bids, asks = self._sides.checked(checksum)
        computed = checksum.compute(bids, asks, book.instrument)
        if computed != value:
            self.counters.checksum_failures += 1
            return f"checksum {computed} is not the venue's {value}"
        self.counters.checksums += 1
        book.evidence.checksums += 1
        book.evidence.checked = now
        return ""

    def _crossed(self, now: Instant) -> str:
        """Whether a crossed book is a fault here: not in an auction, and not within the feed's tolerance."""
        if self.book.status in _MAY_CROSS:
            return ""
        self.counters.crossed += 1
        if self.rule.crossed is Crossed.TRANSIENT:
            if self._crossed_since is None:
                self._crossed_since = now
            if now < after(self._crossed_since, self.rule.crossed_tolerance):
                return ""
        self._crossed_since = None
        return "the book is crossed"

    def _load(self, sides: Sides[S, D], snapshot: S) -> None:
        sides.load(snapshot)
        if self.rule.depth is not None:
            sides.cut(self.rule.depth)

    def _malformed(self, error: Exception, message: S | D, *, live: bool = False) -> MalformedMessage:
        """The error for what makes no sense. The book is lost with it, except when only an audit read it."""
        reason = error.reason if isinstance(error, MalformedMessage) else f"no level: {error}"
        self.counters.malformed += 1
        if not live:
            self.lost(f"a malformed message: {reason}", message.received)
        return MalformedMessage(
            reason,
            venue=self.venue,
            topic=str(self.topic),
            instrument=self.book.instrument.id,
            frame=self._excerpt(message),
        )

    def _ask(self) -> None:
        self._need(self, Need.SNAPSHOT if self.rule.snapshot is SnapshotSource.REST else Need.RESUBSCRIBE)

    def _leave(self, reason: str, now: Instant) -> None:
        if self.book.state is LIVE:
            self._reached = self._follower.at
        self._move(BookEvent.LOST, reason, now)
        if self.book.state in {BookState.GAP, BookState.BUFFERING}:
            self._ask()

    def _move(self, event: BookEvent, reason: str, now: Instant) -> None:
        book, before = self.book, self.book.state
        book.state = following(before, event)
        book.reason = reason
        if book.state is not LIVE:
            self._crossed_since = None
            self._ended()
        if book.state is not before:
            self.since = now
            self._tell(state_change(book, before, reason, now))

    def _tell(self, message: BookMessage) -> None:
        for listener in tuple(self.book.listeners):  # one that hears of the end may leave
            listener(message)


def state_change(book: OrderBook, before: BookState, reason: str, now: Instant) -> StateChange:
    """A book's present state, as an event."""
    return StateChange(instrument=book.instrument.id, before=before, state=book.state, reason=reason, at=now)


def _precedes(snapshot: S, delta: D) -> bool:
    return snapshot.last is not None and delta.last is not None and snapshot.last < delta.last
