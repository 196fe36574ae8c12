"""How one message follows another: each id rule of the contract, implemented once.

A `Follower` knows the id at which a book stands and judges the next delta:

    APPLY  it follows
    STALE  the book has it already
    GAP    something between is missing

The rules are in `venuekit_spec.syncing`. Buffered and live deltas are judged by the same follower: `start` puts it at a
snapshot, and until the first delta is applied the rule's `Join` decides, afterwards its `Ids`.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Final, TypeAlias

from venuekit_spec import BookDelta, Ids, Join, OrderEvent, SyncRule

Sequenced: TypeAlias = BookDelta | OrderEvent
"""A message that carries ids: a delta of levels or an event of orders."""


class Verdict(IntEnum):
    """What to do with a delta."""

    APPLY = 0
    STALE = 1
    GAP = 2


APPLY, STALE, GAP = Verdict


class Follower:
    """Where one book stands in its sequence. `at` is the last id applied, None before there is one.

    Where messages may come in whatever order (`Ids.ARRIVAL`), it is the highest.
    """

    __slots__ = ("_judge", "_live", "_start", "_unordered", "at", "base", "joined", "link", "within_step")

    def __init__(self, rule: SyncRule) -> None:
        self._live = _newer if rule.join is Join.NEWER else _LIVE[rule.ids]
        self._start = _JOINS.get(rule.join, self._live)
        self._judge = self._start
        self._unordered = rule.ids is Ids.ARRIVAL
        self.at: int | None = None
        self.base: int | None = None
        """The id of the snapshot."""
        self.joined = False
        """Whether a delta has met the snapshot."""
        self.link: int | None = None
        """The `previous` of the delta applied last: a delta with the same two ids is that one again."""
        self.within_step = False
        """Whether more of the frame follows what was judged last."""

    def start(self, at: int | None) -> None:
        """Stand at a snapshot."""
        self.at = self.base = at
        self.link = None
        self.joined = False
        self.within_step = False
        self._judge = self._start

    def judge(self, delta: Sequenced) -> Verdict:
        """What to do with the next delta. Applying it is told by `advance`."""
        return self._judge(self, delta)

    def advance(self, delta: Sequenced) -> None:
        """The delta was applied."""
        last = delta.last
        if last is None:
            last = (self.at or 0) + 1
        elif self._unordered and self.at is not None:
            last = max(last, self.at)
        self.at = last
        self.link = delta.previous
        self.joined = True
        self._judge = self._live


class StepFollower(Follower):
    """Follows events that may come several to a frame, with an id each or with one id for all of them.

    Events of one frame with the same id are one message to the rule: they share the verdict on the first of them.
    """

    __slots__ = ("_id", "_verdict")

    def __init__(self, rule: SyncRule) -> None:
        super().__init__(rule)
        self._id: int | None = None
        self._verdict = APPLY

    def judge(self, delta: Sequenced) -> Verdict:
        """What to do with the next event."""
        if not (self.within_step and delta.last == self._id):
            self._verdict = self._judge(self, delta)
            self._id = delta.last
        self.within_step = isinstance(delta, OrderEvent) and delta.more
        return self._verdict


def _range(book: Follower, delta: Sequenced) -> Verdict:
    at, last, first = book.at, delta.last, delta.first
    if last is None or at is None:
        return APPLY if last is not None else GAP
    if last <= at:
        return STALE
    return APPLY if (last if first is None else first) <= at + 1 else GAP


def _link(book: Follower, delta: Sequenced) -> Verdict:
    if delta.previous == book.at or book.at is None:
        return APPLY
    return STALE if delta.last == book.at and delta.previous == book.link else GAP


def _next(book: Follower, delta: Sequenced) -> Verdict:
    at, last = book.at, delta.last
    if last is None:
        return GAP
    if at is None or last == at + 1:
        return APPLY
    return STALE if last <= at else GAP


def _rising(book: Follower, delta: Sequenced) -> Verdict:
    at, last = book.at, delta.last
    return STALE if at is not None and last is not None and last <= at else APPLY


def _arrival(_book: Follower, _delta: Sequenced) -> Verdict:
    return APPLY


def _spans_last(book: Follower, delta: Sequenced) -> Verdict:
    at, last, first = book.at, delta.last, delta.first
    if at is None or last is None:
        return GAP
    if last < at:
        return STALE
    if delta.previous == at:  # the snapshot was taken between the two
        return APPLY
    return APPLY if (last if first is None else first) <= at else GAP


def _newer(book: Follower, delta: Sequenced) -> Verdict:
    base, last = book.base, delta.last
    return STALE if base is not None and last is not None and last <= base else APPLY


def _anywhere(_book: Follower, _delta: Sequenced) -> Verdict:
    return APPLY


_Judge: TypeAlias = Callable[[Follower, Sequenced], Verdict]

_LIVE: Final[dict[Ids, _Judge]] = {
    Ids.RANGE: _range,
    Ids.LINK: _link,
    Ids.NEXT: _next,
    Ids.RISING: _rising,
    Ids.ARRIVAL: _arrival,
}

_JOINS: Final[dict[Join, _Judge]] = {
    Join.SPANS_NEXT: _range,
    Join.SPANS_LAST: _spans_last,
    Join.ANYWHERE: _anywhere,
}
