"""What is seen of a book during a trial, and whether it is right.

After every record each book that says LIVE is judged. What a right book is, the proof of its feed says:

==============  ========================================================================================================
proof           a LIVE book is right if
==============  ========================================================================================================
`Proof.IDS`     always: it equals the reference at its own id, and has every delta that was delivered whole before
`CONNECTION`    it equals the reference at this record; it need not, from a fault until the next frame of the socket
`LINK`          it equals the reference at this record; it need not, from a fault until its own next frame
`CHECKSUM`      it equals the reference at this record; from a fault until its next snapshot only in the levels that a
                checksum covers, and only after a record that carries one
`REPLACEMENT`   it equals the reference at this record; it need not, from a fault until its own next frame in good order
`AUDIT`         it equals the reference at this record; it need not, from a fault until its next snapshot
==============  ========================================================================================================
"""

from __future__ import annotations

from enum import StrEnum

from attrs import define, field, frozen
from tests.corpora.reference import TOP, Standing, Timeline, Top

from venuekit import OrderBook
from venuekit.books import BookDrift
from venuekit_spec import (
    Ids,
    Instant,
    SnapshotSource,
    SyncRule,
)


class Proof(StrEnum):
    """What shows a loss on a feed, first of all."""

    IDS = "ids"
    CONNECTION = "connection"
    LINK = "link"
    CHECKSUM = "checksum"
    REPLACEMENT = "replacement"
    """Nothing does, but the next frame makes it good."""
    AUDIT = "audit"
    """Nothing does before an audit."""

    @classmethod
    def of(cls, rule: SyncRule) -> Proof:
        """That of a rule. Raises `ValueError` where nothing does."""
        if rule.snapshot is SnapshotSource.EVERY_MESSAGE:
            return cls.REPLACEMENT
        if rule.per_connection:
            return cls.CONNECTION
        if rule.ids is Ids.LINK and rule.snapshot is SnapshotSource.IN_BAND:
            return cls.LINK
        if rule.ids in {Ids.RANGE, Ids.LINK, Ids.NEXT}:
            return cls.IDS
        if rule.checksum is not None:
            return cls.CHECKSUM
        if rule.audit is not None:
            return cls.AUDIT
        raise ValueError("nothing in this feed shows a loss")


@frozen
class Change:
    """A book left LIVE, or came to it: after which record of the recording, when, and why."""

    record: int
    instant: Instant
    reason: str = ""


@define
class Watched:
    """One book during a trial. `left` and `joined`: when it left LIVE and came to it. `wrong`: what it must never say."""

    symbol: str
    timeline: Timeline
    rule: SyncRule
    proof: Proof
    book: OrderBook
    left: list[Change] = field(factory=list)
    joined: list[Change] = field(factory=list)
    wrong: list[str] = field(factory=list)
    drifts: list[BookDrift] = field(factory=list)
    tainted: bool = False
    reached: int = 0
    """The last id of the deltas that were delivered whole."""
    live: bool = False
    """Whether the book was LIVE when all was over."""
    exact: bool = False
    """Whether it equalled the reference then, in every level that it knew, and was as new."""
    _seen: tuple[object, ...] = ()

    def judge(self, record: int, *, own: bool, checked: bool, revealing: bool) -> None:
        """Look at the book after a record. `own`: that record was its own, and whole; `checked`: with a checksum too.

        `revealing`: it was a whole frame of the socket.
        """
        book, levels = self.book, TOP
        if not book.live:
            return
        if self.proof is Proof.IDS:
            moment = self.timeline.by_id(book.last)
            if book.last is None or book.last < self.reached:
                self.wrong.append(
                    f"after {record}: it stands at {book.last}, and {self.reached} was delivered"
                )
        else:
            moment = self.timeline.by_record(record)
            if self.tainted:
                covered = self.rule.checksum.levels if self.rule.checksum is not None else 0
                seen_by = {
                    Proof.CONNECTION: TOP * revealing,
                    Proof.LINK: TOP * own,
                    Proof.CHECKSUM: covered * checked,
                }
                levels = min(TOP, seen_by.get(self.proof, 0))
        seen = (book.revision, moment, levels)
        if levels and seen != self._seen:
            self._seen = seen
            if moment is None or self._top(levels) != moment.top.cut(levels):
                self.wrong.append(f"after {record}: its best {levels} levels at {book.last} differ")

    def conclude(self, record: int) -> None:
        """All is over, and the exchange still open: compare every level that the book knows."""
        book = self.book
        book.listeners.clear()
        self.live = book.live
        if not self.live:
            return
        moment = self.timeline.by_record(record)
        at = self.timeline.by_id(book.last) if self.proof is Proof.IDS else moment
        equal = at is not None and self._whole() == self._known(self.timeline.standing(at.record))
        self.exact = equal and at is moment
        if not equal and (self.proof is Proof.IDS or not self.tainted):
            self.wrong.append(f"at the end: the whole book at {book.last} differs")

    def _whole(self) -> Top:
        return Top(tuple(self.book.bids()), tuple(self.book.asks()))

    def _known(self, standing: Standing | None) -> Top:
        """A true book, as far as this one claims to know."""
        assert standing is not None
        lowest, highest = self.book.bids_known_to, self.book.asks_known_to
        return Top(
            tuple(level for level in standing.bids if lowest is None or level[0] >= lowest),
            tuple(level for level in standing.asks if highest is None or level[0] <= highest),
        )

    def _top(self, levels: int) -> Top:
        return Top(tuple(self.book.bids(levels)), tuple(self.book.asks(levels)))


@frozen
class Outcome:
    """What a trial came to. `record` is the last one; `malformed`, `dials` and `renewals` as the connections counted them.

    `sockets` is how many there are at once.
    """

    books: dict[str, Watched]
    record: int
    malformed: int
    dials: int
    sockets: int
    renewals: int
    requests: int

    @property
    def wrong(self) -> list[str]:
        """Every wrong word of a book that said LIVE, and every drift that an audit found."""
        told = [f"{book.symbol} {word}" for book in self.books.values() for word in book.wrong]
        return told + [f"{book.symbol} {drift}" for book in self.books.values() for drift in book.drifts]
