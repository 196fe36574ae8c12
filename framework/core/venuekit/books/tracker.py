"""The tracker: what a kept book needs beside its feed: to be compared with fresh snapshots, and to go on from another socket.

How messages become a book is told in `keeping`. A `TrackerEntry` is what drivers hold: `OrderBookTrackerEntry` for feeds of
levels, `OrderByOrderEntry` for feeds of orders.

* An audit keeps the deltas from its beginning on. It compares at the id of its snapshot where ids exist; otherwise once a
  window around the snapshot has passed, without what changed in it. It ends with LIVE, and where it would keep too much.
* Where the market comes near the edge of what the last snapshot showed, an audit by id brings what lies beyond.
* A book on the next socket is built beside the present one, and takes its place once it is as good.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Generic, Self, TypeAlias

from attrs import define, field

from venuekit.books.audit import Drift
from venuekit.books.changes import BookDrift
from venuekit.books.keeping import KEPT_DELTAS, LIVE, UNREADABLE, BookKeeper, state_change
from venuekit.books.ladder import Ladder
from venuekit.books.sides import D, S
from venuekit.books.states import BookEvent, BookState
from venuekit.books.sync import GAP, STALE
from venuekit_spec import Ids, Instant, Rows, after


@define
class _Audit(Generic[S, D]):
    """One audit under way: all deltas applied since it began, the rows they changed, and the snapshot once it is there."""

    deltas: list[D] = field(factory=list)
    changed: list[tuple[Rows, Rows]] = field(factory=list)
    snapshot: S | None = None
    conclude: Instant | None = None


class TrackerEntry(BookKeeper[S, D]):
    """One book and everything that keeps it right: what a driver holds."""

    _audit: _Audit[S, D] | None = None
    _bests: tuple[Any, Any] = (None, None)
    """The best keys of the last snapshot, from which the way to the horizon is measured."""

    @property
    def audits_by_window(self) -> bool:
        """Whether ids cannot say which of a book and a snapshot is newer."""
        return self.rule.ids in {Ids.ARRIVAL, Ids.RISING}

    @property
    def near_horizon(self) -> bool:
        """Whether the market has moved half way to the edge of what the last snapshot showed, on either side."""
        return (
            self.book.live
            and self.rule.depth is None
            and not self.audits_by_window  # such an audit compares; it cannot extend what is known
            and any(map(_half_way, (self.book.bid_side, self.book.ask_side), self._bests))
        )

    # Audits

    def begin_audit(self) -> bool:
        """Keep the deltas from here on, for comparison; whether there is anything to audit.

        An audit that waits for its window to pass is not begun anew: it would never be settled.
        """
        if self.book.state is not LIVE or (self._audit is not None and self._audit.conclude is not None):
            return False
        self._audit = _Audit()
        return True

    def abandon_audit(self) -> None:
        """There will be no snapshot to compare with."""
        self._audit = None

    def audit(self, snapshot: S) -> None:
        """Compare with a fresh snapshot: at once, once the book reaches its id, or once the window has passed."""
        self._compare_with(snapshot)

    def tick(self, now: Instant) -> None:
        """Time has passed: an audit by window may be due, or a book has been crossed for too long."""
        audit = self._audit
        if audit is not None and audit.conclude is not None and now >= audit.conclude:
            self._conclude_by_window(audit, now)
        super().tick(now)

    # Another socket

    def copy(self, live: Self, now: Instant) -> None:
        """Start from another book of the same feed, instead of a snapshot of the venue."""
        self.snapshot(live._snapshot_of_book(now))
        if self.rule.depth is None:
            self._sides.know_to(live._sides)

    def as_good(self, shadow: Self) -> bool:
        """Whether a book built beside this one may take its place: proven, and where it is a copy, met by its own feed.

        A copy that no delta has followed yet may lack what its socket, ahead of the other, told before it was subscribed to.
        """
        if not self.book.live or shadow.book.state is BookState.CLOSED:
            return True
        if not shadow.book.live:
            return False
        met = shadow._follower.joined
        return not self.rule.global_ids or (met and (shadow.book.last or 0) >= (self.book.last or 0))

    def take_over(self, shadow: Self, now: Instant) -> None:
        """Become what a book built beside this one is; the feed goes on from there. The shadow is not to be used again."""
        book, other = self.book, shadow.book
        if book.state is BookState.CLOSED:
            return
        if other.state is BookState.CLOSED:  # the venue refused it there
            self.close(other.reason, now)
            return
        if self.rule.global_ids and book.live and other.live and (other.last or 0) < (book.last or 0):
            return  # the other socket lags: what it brings is stale until it has caught up, and nothing is missed
        self._sides.adopt(shadow._sides)
        self._follower, self._kept, self.heard = shadow._follower, shadow._kept, shadow.heard
        self._was_live, self._reached, self._bests = (
            self._was_live or shadow._was_live,
            shadow._reached,
            shadow._bests,
        )
        self._audit = self._crossed_since = None
        self.era += 1
        book.last, book.time, book.received, book.evidence = (
            other.last,
            other.time,
            other.received,
            other.evidence,
        )
        book.revision += 1
        if other.live:
            before = book.state
            self._move(BookEvent.JOINED, "", now)
            if before is LIVE:
                self._tell(state_change(book, LIVE, "the book goes on from another socket", now))
        elif other.state is BookState.EMPTY:  # no snapshot helps before the venue has subscribed it
            self.disconnected("another socket took over before it was subscribed to", now)
        else:
            self.started(now)
            self._leave("another socket took over before it was as good", now)

    @abstractmethod
    def _snapshot_of_book(self, now: Instant) -> S:
        """The book as it is, as a snapshot."""

    # What follows from what happened

    def _applied(self, delta: D) -> None:
        """Keep a delta for an audit; one whose snapshot is never reached does not go on for ever."""
        audit = self._audit
        if audit is None:
            return
        audit.deltas.append(delta)
        audit.changed.append(self._sides.changed_by(delta))
        if len(audit.deltas) > KEPT_DELTAS:
            self.counters.audits_open += 1
            self._audit = None

    def _stepped(self) -> None:
        if self._audit is not None:
            self._conclude_by_id()

    def _loaded(self) -> None:
        self._audit = None
        self._note_bests()

    def _came_unasked(self, snapshot: S) -> None:
        self._compare_with(snapshot)

    def _ended(self) -> None:
        self._audit = None

    def _compare_with(self, snapshot: S) -> None:
        audit = self._audit
        if audit is None:
            return  # an answer to a question that is settled: a snapshot never merges into a live book
        audit.snapshot = snapshot
        if snapshot.last is None or self.audits_by_window:
            audit.conclude = after(snapshot.received, self.rule.audit_window)
        else:
            self._conclude_by_id()

    def _conclude_by_id(self) -> None:
        audit, book = self._audit, self.book
        if audit is None or audit.snapshot is None or audit.conclude is not None:
            return
        snapshot = audit.snapshot
        if book.last is None or snapshot.last is None or book.last < snapshot.last:
            return  # the snapshot is ahead of the stream: compare once the book is there
        self._audit = None
        fresh = self._sides.fresh()
        follower = type(self._follower)(self.rule)
        follower.start(snapshot.last)
        try:
            self._load(fresh, snapshot)
            for delta in audit.deltas:
                verdict = follower.judge(delta)
                if verdict is GAP:
                    self.counters.audits_open += 1  # older than the audit's beginning: says nothing of now
                    return
                if verdict is not STALE:
                    fresh.apply(delta)
                    if self.rule.depth is not None and not follower.within_step:
                        fresh.cut(self.rule.depth)
                    follower.advance(delta)
            if follower.at != book.last:
                self.counters.audits_open += 1
                return
            drift = self._sides.drift(fresh)
        except UNREADABLE as error:
            raise self._malformed(error, snapshot, live=True) from error
        self._sides.adopt(fresh)
        self._note_bests()
        self._audited(drift, snapshot.received)
        fault = self._fault(None, snapshot.received)
        if fault:
            self.lost(fault, snapshot.received)

    def _conclude_by_window(self, audit: _Audit[S, D], now: Instant) -> None:
        self._audit = None
        snapshot, book = audit.snapshot, self.book
        if snapshot is None or book.state is not LIVE:
            return
        fresh = self._sides.fresh()
        try:
            self._load(fresh, snapshot)
            drift = self._sides.drift(fresh, audit.changed, audit.deltas)
        except UNREADABLE as error:
            raise self._malformed(error, snapshot, live=True) from error
        self._audited(drift, snapshot.received)
        if drift:
            self.lost(f"an audit found {len(drift)} levels to differ", now)

    def _audited(self, drift: list[Drift], now: Instant) -> None:
        evidence = self.book.evidence
        self.counters.audits += 1
        evidence.audits += 1
        evidence.audited = now
        if drift:
            self.counters.drifts += 1
            self._tell(BookDrift(instrument=self.book.instrument.id, levels=tuple(drift), at=now))

    def _note_bests(self) -> None:
        bids, asks = self.book.bid_side.keys, self.book.ask_side.keys
        self._bests = (bids[-1] if bids else None, asks[-1] if asks else None)


AnyEntry: TypeAlias = TrackerEntry[Any, Any]
"""The entry of any feed."""


def _half_way(ladder: Ladder, start: Any) -> bool:
    if ladder.horizon is None:
        return False
    if not ladder.keys or start is None:
        return True
    edge = float(ladder.horizon)
    return float(ladder.keys[-1]) - edge < (float(start) - edge) / 2
