"""The tracker entry of a feed that tells levels: each delta is one step."""

from __future__ import annotations

from venuekit.books.book import OrderBook
from venuekit.books.keeping import NeedCallback
from venuekit.books.ladder import MALFORMED_ROW, exact
from venuekit.books.sides import LevelSides
from venuekit.books.stamps import StampedSides
from venuekit.books.sync import Follower
from venuekit.books.tracker import TrackerEntry
from venuekit_spec import (
    BookDelta,
    BookSnapshot,
    Crossed,
    Instant,
    Instrument,
    Row,
    Side,
    SyncRule,
    Topic,
    TopOfBook,
)


class OrderBookTrackerEntry(TrackerEntry[BookSnapshot, BookDelta]):
    """The entry of a feed that tells levels: a delta is a step."""

    snapshot_type = BookSnapshot

    def __init__(
        self,
        topic: Topic,
        instrument: Instrument,
        rule: SyncRule,
        need: NeedCallback,
        *,
        venue: str = "",
    ) -> None:
        book = OrderBook(instrument, rule.proofs, whole=rule.depth is not None)
        self._levels = _level_sides(book, rule)
        super().__init__(topic, rule, need, book, self._levels, Follower(rule), venue=venue)

    def top(self, top: TopOfBook) -> None:
        """Merge a best bid and ask from a channel of its own, where the rule says so and it is not older than the book.

        It is no sign of life of the book's own channel: the levels behind the best ones come by that alone.
        """
        book = self.book
        if not self.rule.overlay or not book.live:
            return
        if top.time < book.time:
            self.counters.stale += 1
            return
        try:
            self._levels.overlay(top)
        except MALFORMED_ROW as error:
            raise self._malformed(error, _as_delta(top)) from error
        book.time, book.received = top.time, top.received
        book.revision += 1
        self.counters.overlays += 1
        fault = self._fault(None, top.received)
        if fault:
            self.lost(fault, top.received)
        else:
            self._tell(top)

    def _snapshot_of_book(self, now: Instant) -> BookSnapshot:
        book = self.book
        bids, asks = (_alike(book.rows(side)) for side in Side)
        return BookSnapshot(
            instrument=book.instrument.id,
            bids=bids,
            asks=asks,
            last=book.last,
            time=book.time,
            received=now,
        )

    def _settle(self, delta: BookDelta) -> None:
        self._finish((delta,), delta.checksum, delta.received)

    def _checksum_of(self, snapshot: BookSnapshot, /) -> int | None:
        return snapshot.checksum

    def _excerpt(self, message: BookSnapshot | BookDelta) -> str:
        return f"bids {list(message.bids[:3])} asks {list(message.asks[:3])}"


def _alike(rows: list[Row]) -> list[Row]:
    """Rows as one message has them: where a snapshot brought text and deltas brought doubles, all prices become text."""
    if len({type(row[0]) for row in rows}) < 2:
        return rows
    return [(format(exact(row[0]), "f"), *row[1:]) for row in rows]


def _level_sides(book: OrderBook, rule: SyncRule) -> LevelSides:
    """The sides of a feed of levels: with stamps where its rows carry them."""
    if rule.row_ids is None:
        return LevelSides(book.bid_side, book.ask_side)
    uncross = rule.crossed is Crossed.UNCROSS
    return StampedSides(book.bid_side, book.ask_side, rule.row_ids, uncross=uncross)


def _as_delta(top: TopOfBook) -> BookDelta:
    rows = [[row] if row else [] for row in (top.bid, top.ask)]
    return BookDelta(instrument=top.instrument, bids=rows[0], asks=rows[1], received=top.received)
