"""The tracker: whatever arrives, in whatever order, a book is LIVE only while it is right."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

import pytest
from attrs import evolve, frozen
from framework.core.tests.venues import (
    IN_BAND,
    RANGES,
    START,
    delta,
    entry,
    instrument,
    live,
    snapshot,
)
from hypothesis import given
from hypothesis import strategies as st

from venuekit.books import BookMessage, BookState, LevelsUnknown, Need, OrderBookTrackerEntry, StateChange
from venuekit.books.keeping import KEPT_DELTAS
from venuekit_spec import (
    SECOND,
    BookChecksum,
    BookDelta,
    BookSnapshot,
    Checksum,
    Crossed,
    Ids,
    Instrument,
    InstrumentStatus,
    Join,
    MalformedMessage,
    Row,
    Rows,
    Side,
    SnapshotSource,
    StatusChange,
    SyncRule,
    TopOfBook,
)

# --- a true history, and what may become of it on the way

Levels = dict[tuple[Side, str], str]
PRICES = {Side.BUY: ("1", "2", "3", "4"), Side.SELL: ("5", "6", "7", "8")}


@frozen
class History:
    """What happened at a venue: the book after each update id, and the messages that tell of it."""

    books: list[Levels]
    deltas: list[BookDelta]

    def snapshot(self, at: int) -> BookSnapshot:
        """The whole book as it was at one id."""
        levels = self.books[at]
        return snapshot(at, rows(levels, Side.BUY), rows(levels, Side.SELL))

    @property
    def end(self) -> int:
        return len(self.books) - 1


def rows(levels: Levels, side: Side) -> list[Row]:
    """One side of a book as rows."""
    return [(price, size) for (where, price), size in levels.items() if where is side]


@st.composite
def histories(draw: st.DrawFn, longest: int) -> History:
    """Up to 40 updates of single levels, told in messages of at most `longest` ids."""
    place = st.sampled_from([(side, price) for side in Side for price in PRICES[side]])
    sizes = st.sampled_from(["0", "1", "2", "3"])
    updates = draw(st.lists(st.tuples(place, sizes), min_size=2, max_size=40))
    books: list[Levels] = [{}]
    for where, size in updates:
        levels = books[-1] | {where: size}
        books.append({key: value for key, value in levels.items() if value != "0"})
    deltas: list[BookDelta] = []
    first = 1
    while first <= len(updates):
        last = min(len(updates), first - 1 + draw(st.integers(1, longest)))
        changed = dict(updates[first - 1 : last])
        deltas.append(
            delta(first, last, rows(changed, Side.BUY), rows(changed, Side.SELL), previous=first - 1)
        )
        first = last + 1
    return History(books, deltas)


RULES = {
    "range": (SyncRule(SnapshotSource.REST, Ids.RANGE, Join.SPANS_NEXT), 4),
    "link": (SyncRule(SnapshotSource.REST, Ids.LINK, Join.SPANS_LAST), 4),
    "next": (SyncRule(SnapshotSource.REST, Ids.NEXT), 1),
}
"""Rules by which ids show every loss, and how many ids a message may cover."""


def levels_of(tracked: OrderBookTrackerEntry) -> Levels:
    """What a LIVE book shows."""
    read = tracked.book
    return {(side, str(row[0])): row[1] for side in Side for row in read.rows(side)}


def assert_true(tracked: OrderBookTrackerEntry, history: History) -> None:
    """A book that is LIVE is what it truly was at its own id."""
    if tracked.book.live:
        assert tracked.book.last is not None
        assert levels_of(tracked) == history.books[tracked.book.last]


@pytest.mark.parametrize("rule", RULES)
@given(data=st.data())
def test_never_live_and_wrong(rule: str, data: st.DataObject) -> None:
    """Messages are lost, doubled and reordered, snapshots and audits come from any id, sockets fall: no LIVE book lies."""
    sync, longest = RULES[rule]
    history = data.draw(histories(longest))
    tracked = entry(sync)
    tracked.started(START)
    steps = st.sampled_from(
        ["next", "next", "next", "next", "skip", "again", "late", "snapshot", "begin", "audit", "redial"]
    )
    place = 0
    for step in data.draw(st.lists(steps, max_size=60)):
        if step == "next" and place < len(history.deltas):
            tracked.delta(history.deltas[place])
            place += 1
        elif step == "skip":
            place = min(place + 1, len(history.deltas))
        elif step in {"again", "late"} and place:
            back = 1 if step == "again" else data.draw(st.integers(1, place))
            tracked.delta(history.deltas[place - back])
        elif step == "snapshot":
            tracked.snapshot(history.snapshot(data.draw(st.integers(0, history.end))))
        elif step == "begin":
            tracked.begin_audit()
        elif step == "audit":
            tracked.audit(history.snapshot(data.draw(st.integers(0, history.end))))
        elif step == "redial":
            tracked.disconnected("cut", START)
            tracked.started(START)
        assert_true(tracked, history)
    assert tracked.counters.drifts == 0
    if not tracked.book.live:
        tracked.snapshot(history.snapshot(history.end))
    for message in history.deltas[place:]:
        tracked.delta(message)
        assert_true(tracked, history)


@pytest.mark.parametrize("rule", RULES)
@given(data=st.data())
def test_any_interleaving_of_deltas_and_snapshot(rule: str, data: st.DataObject) -> None:
    """Wherever a snapshot of whatever id falls among the deltas, the book ends as the history does, or is not LIVE."""
    sync, longest = RULES[rule]
    history = data.draw(histories(longest))
    at = data.draw(st.integers(0, history.end))
    start = data.draw(st.integers(0, len(history.deltas) - 1))
    comes = data.draw(st.integers(start, len(history.deltas)))
    tracked = entry(sync)
    tracked.started(START)
    for place, message in enumerate(history.deltas[start:], start):
        if place == comes:
            tracked.snapshot(history.snapshot(at))
        tracked.delta(message)
        assert_true(tracked, history)
    if comes == len(history.deltas):
        tracked.snapshot(history.snapshot(at))
    first = history.deltas[start].first
    assert first is not None
    if at >= first - 1:
        assert tracked.book.live
        assert levels_of(tracked) == history.books[-1]
    else:
        assert not tracked.book.live


# --- single rules


def told(tracked: OrderBookTrackerEntry) -> list[BookMessage]:
    """What listeners hear from now on."""
    heard: list[BookMessage] = []
    tracked.book.listeners.append(heard.append)
    return heard


def test_buffered_deltas_are_joined() -> None:
    """Deltas before the snapshot wait; those that it has are dropped, the others applied."""
    needs: list[Need] = []
    tracked = entry(needs=needs)
    tracked.delta(delta(8, bids=[("1", "8")]))
    assert (tracked.book.state, needs) == (BookState.BUFFERING, [Need.SNAPSHOT])
    for id_ in (9, 10, 11):
        tracked.delta(delta(id_, bids=[("1", str(id_))]))
    tracked.snapshot(snapshot(9, bids=[("1", "9")]))
    assert tracked.book.live
    assert tracked.book.rows(Side.BUY) == [("1", "11")]
    counters = tracked.counters
    assert (counters.buffered, counters.stale, counters.deltas, counters.snapshots) == (4, 2, 2, 1)
    assert needs == [Need.SNAPSHOT]


def test_snapshot_too_old_is_refused_and_the_buffer_kept() -> None:
    """A snapshot that ends before the first delta is refused; a later one joins the same deltas."""
    needs: list[Need] = []
    tracked = entry(needs=needs)
    for id_ in (20, 21):
        tracked.delta(delta(id_, bids=[("1", str(id_))]))
    tracked.snapshot(snapshot(15))
    assert tracked.book.state is BookState.BUFFERING
    assert tracked.book.reason == "the snapshot at 15 does not reach 20"
    assert (tracked.counters.too_old, needs) == (1, [Need.SNAPSHOT] * 2)
    tracked.snapshot(snapshot(19))
    assert tracked.book.rows(Side.BUY) == [("1", "21")]
    assert (tracked.counters.deltas, tracked.counters.buffered) == (2, 2)


def test_hole_among_buffered_deltas() -> None:
    """A hole in what waited is found when the snapshot joins it: what lies behind the hole waits for a newer one."""
    tracked = entry()
    for id_ in (11, 12, 15):
        tracked.delta(delta(id_, bids=[("1", str(id_))]))
    tracked.snapshot(snapshot(10))
    assert tracked.book.state is BookState.BUFFERING
    assert tracked.counters.deltas == 0
    tracked.snapshot(snapshot(14, bids=[("1", "14")]))
    assert tracked.book.rows(Side.BUY) == [("1", "15")]


def test_first_live_delta_shows_that_the_snapshot_was_too_old() -> None:
    """A snapshot that nothing waited for is judged by the first delta after it, which is kept."""
    tracked = live()
    tracked.delta(delta(15, bids=[("1", "15")]))
    assert tracked.book.state is BookState.GAP
    assert tracked.counters.too_old == 1
    tracked.snapshot(snapshot(14))
    assert tracked.book.rows(Side.BUY) == [("1", "15")]


def test_kept_deltas_are_bounded() -> None:
    """However long a snapshot takes, a fixed number of deltas waits; what fell out shows as a snapshot too old."""
    tracked = entry()
    for id_ in range(1, KEPT_DELTAS + 11):
        tracked.delta(delta(id_))
    assert len(tracked._kept) == KEPT_DELTAS
    tracked.snapshot(snapshot(9))
    assert tracked.counters.too_old == 1
    tracked.snapshot(snapshot(10))
    assert tracked.book.last == KEPT_DELTAS + 10


def test_gap_is_noticed_at_once_and_repaired_with_what_came_since() -> None:
    """The message that shows a gap takes the book out of LIVE, is kept, and is part of the repair."""
    needs: list[Need] = []
    tracked = live(needs=needs)
    tracked.delta(delta(11))
    heard = told(tracked)
    tracked.delta(delta(13, bids=[("1", "13")]))
    assert (tracked.book.state, tracked.book.reason) == (BookState.GAP, "after 11 came 13")
    assert tracked.counters.gaps == 1
    assert needs == [Need.SNAPSHOT] * 2
    tracked.delta(delta(14, asks=[("2", "14")]))
    tracked.snapshot(snapshot(12))
    assert tracked.book.rows(Side.BUY) == [("1", "13")]
    assert tracked.book.rows(Side.SELL) == [("2", "14")]
    assert tracked.counters.repairs == 1
    states = [message.state for message in heard if isinstance(message, StateChange)]
    assert states == [BookState.GAP, BookState.LIVE]


def test_late_delta_cannot_undo_a_newer_level() -> None:
    """A delta that comes again, or late, changes nothing and is counted."""
    tracked = live()
    tracked.delta(delta(11, bids=[("1", "11")]))
    tracked.delta(delta(12, bids=[("1", "12")]))
    for late in (delta(11, bids=[("1", "11")]), delta(5, bids=[("1", "0")]), delta(12, bids=[("1", "9")])):
        tracked.delta(late)
    assert tracked.book.rows(Side.BUY) == [("1", "12")]
    assert tracked.counters.stale == 3
    assert tracked.book.revision == 3


def test_rest_snapshot_of_a_live_book_that_nobody_audits_is_ignored() -> None:
    """An answer that comes twice, or late, never merges into a LIVE book and never replaces it."""
    tracked = live()
    tracked.delta(delta(11, bids=[("1", "11")]))
    tracked.snapshot(snapshot(10, bids=[("9", "9")]))
    tracked.snapshot(snapshot(99, bids=[("9", "9")]))
    assert tracked.book.live
    assert tracked.book.rows(Side.BUY) == [("1", "11")]
    assert tracked.counters.snapshots == 1


def test_snapshot_replaces() -> None:
    """After a reconnect nothing of the old book is left."""
    tracked = live(bids=[("1", "1"), ("0.5", "1")])
    tracked.disconnected("cut", START)
    tracked.started(START)
    tracked.snapshot(snapshot(50, bids=[("1.5", "2")]))
    assert tracked.book.rows(Side.BUY) == [("1.5", "2")]
    assert tracked.book.rows(Side.SELL) == []


def test_nothing_waits_across_a_reconnect() -> None:
    """Deltas of the old socket are not joined to a snapshot that the new one asked for."""
    tracked = entry()
    tracked.started(START)
    tracked.delta(delta(11, bids=[("1", "11")]))
    before = tracked.era
    tracked.disconnected("cut", START)
    tracked.started(START)
    assert tracked.era > before
    tracked.snapshot(snapshot(10))
    assert tracked.book.rows(Side.BUY) == []


def test_delta_on_a_stale_book_starts_it_again() -> None:
    """A delta says that the feed is back, whether or not the venue confirmed it."""
    needs: list[Need] = []
    tracked = live(needs=needs)
    tracked.disconnected("cut", START)
    tracked.delta(delta(30, bids=[("1", "30")]))
    assert (tracked.book.state, needs) == (BookState.BUFFERING, [Need.SNAPSHOT] * 2)
    tracked.snapshot(snapshot(29))
    assert tracked.book.rows(Side.BUY) == [("1", "30")]


@pytest.mark.parametrize("rule", [RANGES, IN_BAND, SyncRule(SnapshotSource.REST, per_connection=True)])
def test_closed_book_hears_nothing(rule: SyncRule) -> None:
    """Whatever still arrives for a closed book has no effect, and is no error."""
    tracked = live(rule)
    tracked.close("delisted", START)
    heard = told(tracked)
    tracked.delta(delta(11))
    tracked.snapshot(snapshot(12))
    tracked.audit(snapshot(12))
    tracked.checksum(BookChecksum(instrument="P1-USD", checksum=1))
    tracked.lost("a hole in the connection", START)
    tracked.started(START)
    tracked.tick(START)
    assert not tracked.silent(START + 10**6 * SECOND)
    tracked.close("again", START)
    assert tracked.book.state is BookState.CLOSED
    assert heard == []


def test_listeners_may_leave_while_they_are_told() -> None:
    """Every listener hears of the end, also where one before it leaves by it."""
    tracked = live()
    heard: list[str] = []

    def leaves(_message: BookMessage) -> None:
        heard.append("first")
        tracked.book.listeners.remove(leaves)

    tracked.book.listeners += [leaves, lambda _message: heard.append("second")]
    tracked.close("over", START)
    assert heard == ["first", "second"]


# --- in-band snapshots


def test_in_band_snapshot_stands_for_what_came_before() -> None:
    """Deltas before an in-band snapshot are dropped and counted; a loss asks for a new subscription."""
    needs: list[Need] = []
    tracked = entry(IN_BAND, needs)
    tracked.started(START)
    tracked.delta(delta(4, bids=[("9", "9")]))
    assert (tracked.counters.before_snapshot, needs) == (1, [])
    tracked.snapshot(snapshot(5, bids=[("1", "1")]))
    tracked.delta(delta(6, bids=[("1", "6")]))
    tracked.delta(delta(8))
    assert (tracked.book.state, needs) == (BookState.GAP, [Need.RESUBSCRIBE])
    assert tracked.waits_for_renewal
    assert not tracked.waits_for_snapshot
    tracked.delta(delta(9))
    tracked.snapshot(snapshot(9, bids=[("1", "10")]))
    assert tracked.book.rows(Side.BUY) == [("1", "10")]


def test_in_band_snapshot_of_a_live_book_replaces_it() -> None:
    """Venues that send snapshots again (OKX, Bybit) start the book anew with each."""
    tracked = live(IN_BAND)
    tracked.snapshot(snapshot(3, bids=[("1.5", "2")]))
    assert tracked.book.live
    assert (tracked.book.last, tracked.book.rows(Side.BUY)) == (3, [("1.5", "2")])
    tracked.delta(delta(4))
    assert tracked.book.live


def test_every_message_is_the_book() -> None:
    """With full replacement an older message is dropped, and a loss is made good by the next one."""
    rule = SyncRule(SnapshotSource.EVERY_MESSAGE)
    tracked = live(rule, time=START + 5)
    tracked.snapshot(snapshot(None, bids=[("1", "4")], time=START + 4))
    assert tracked.counters.stale == 1
    assert tracked.book.rows(Side.BUY) == [("1", "1")]
    tracked.lost("a frame could not be read", START)
    tracked.snapshot(snapshot(None, bids=[("1", "6")], time=START + 6))
    assert tracked.book.rows(Side.BUY) == [("1", "6")]


# --- malformed rows


@pytest.mark.parametrize(
    "row",
    [("NaN", "1"), ("1", "-1"), ("1", "NaN"), ("-1", "1"), ("0", "1"), ("Infinity", "1"), ("1",), (1, "1")],
)
@pytest.mark.parametrize("when", ["live", "waiting", "snapshot"])
def test_malformed_row_costs_the_book_its_word(row: Any, when: str) -> None:
    """A row that is no level raises one typed error, the book is not LIVE, and a good snapshot repairs it."""
    needs: list[Need] = []
    tracked = live(needs=needs)
    if when != "live":
        tracked.delta(delta(13, bids=[row] if when == "waiting" else []))
    with pytest.raises(MalformedMessage) as caught:  # noqa: PT012  # one statement, of two kinds
        if when == "live":
            tracked.delta(delta(11, bids=[row]))
        else:
            tracked.snapshot(snapshot(12, asks=[row] if when == "snapshot" else []))
    error = caught.value
    assert (error.venue, error.instrument, error.topic) == ("toy", "P1-USD", "book:P1-USD")
    assert str(row[0]) in error.excerpt
    assert tracked.counters.malformed == 1
    assert tracked.book.state is BookState.GAP
    assert needs[-1] is Need.SNAPSHOT
    tracked.snapshot(snapshot(14, bids=[("1", "14")]))
    assert tracked.book.rows(Side.BUY) == [("1", "14")]


# --- checksums


def count_rows(bids: Rows, asks: Rows, traded: Instrument) -> int:
    """A checksum for tests: the number of bids and asks, and the sum of sizes."""
    assert traded.id == "P1-USD"
    return 100 * len(bids) + 10 * len(asks) + sum(int(row[1]) for row in (*bids, *asks))


SUMMED = evolve(
    RANGES, checksum=Checksum(count_rows, levels=2, absent=frozenset({0}), retired=START + 60 * SECOND)
)


def test_checksums_are_compared_and_counted() -> None:
    """A checksum is computed over the best levels after its message; what matches is evidence."""
    tracked = live(SUMMED, bids=[("1", "1"), ("0.5", "1"), ("0.4", "1")], checksum=213)
    tracked.delta(delta(11, bids=[("1.5", "3")], checksum=215))
    tracked.checksum(BookChecksum(instrument="P1-USD", checksum=215, received=START))
    assert tracked.book.live
    assert (tracked.counters.checksums, tracked.book.proof.checksums) == (3, 3)
    assert tracked.book.proof.kinds == ("sequence", "checksum")


@pytest.mark.parametrize("frame", ["delta", "own"])
def test_checksum_mismatch_leaves_live(frame: str) -> None:
    """A checksum that differs takes the book out of LIVE before anybody is told of the message."""
    needs: list[Need] = []
    tracked = live(SUMMED, needs=needs)
    heard = told(tracked)
    if frame == "delta":
        tracked.delta(delta(11, bids=[("1", "2")], checksum=1))
    else:
        tracked.checksum(BookChecksum(instrument="P1-USD", checksum=1, received=START))
    assert tracked.book.state is BookState.GAP
    assert tracked.book.reason.endswith("is not the venue's 1")
    assert (tracked.counters.checksum_failures, tracked.counters.gaps) == (1, 1)
    assert [type(message) for message in heard] == [StateChange]
    assert needs[-1] is Need.SNAPSHOT


def test_snapshot_with_a_wrong_checksum_is_refused() -> None:
    """A snapshot that contradicts its own checksum does not make a book LIVE."""
    tracked = entry(SUMMED)
    tracked.started(START)
    tracked.snapshot(snapshot(1, bids=[("1", "1")], checksum=77))
    assert tracked.book.state is BookState.BUFFERING


@pytest.mark.parametrize(("value", "received"), [(0, START), (77, START + 60 * SECOND), (None, START)])
def test_checksum_that_means_nothing(value: int | None, received: int) -> None:
    """An absent value, and any value once the venue has retired the proof, is neither right nor wrong."""
    tracked = live(SUMMED)
    tracked.delta(delta(11, checksum=value, received=received))
    assert tracked.book.live
    assert tracked.counters.checksums == 0


# --- crossed books


@pytest.mark.parametrize("prices", ["text", "double"])
def test_locked_is_legal_and_crossed_is_a_loss(prices: str) -> None:
    """A bid at the ask is no fault; a bid above it is one, and asks for a repair."""
    needs: list[Need] = []
    bids: list[list[Row]] = [[("2", "1")], [("2.01", "1")]]
    if prices == "double":
        bids = [[(2.0, "1")], [(2.01, "1")]]
    tracked = live(needs=needs)
    tracked.delta(delta(11, bids=bids[0]))
    assert tracked.book.live
    assert tracked.book.spread == 0
    tracked.delta(delta(12, bids=bids[1]))
    assert (tracked.book.state, tracked.book.reason) == (BookState.GAP, "the book is crossed")
    assert (tracked.counters.crossed, needs) == (1, [Need.SNAPSHOT] * 2)


def test_crossed_snapshot_is_refused() -> None:
    """A snapshot that is crossed does not make a book LIVE."""
    tracked = entry()
    tracked.started(START)
    tracked.snapshot(snapshot(1, bids=[("3", "1")], asks=[("2", "1")]))
    assert tracked.book.state is BookState.BUFFERING
    assert tracked.counters.crossed == 1


@pytest.mark.parametrize("status", list(InstrumentStatus))
def test_auction_and_halt_may_cross(status: InstrumentStatus) -> None:
    """Where the venue does not match, a crossed book is the truth; everywhere else it is a loss."""
    tracked = live()
    tracked.status(StatusChange(instrument="P1-USD", status=status, received=START))
    tracked.delta(delta(11, bids=[("3", "1")]))
    may = status in {InstrumentStatus.AUCTION, InstrumentStatus.HALTED}
    assert tracked.book.live is may
    tracked.status(StatusChange(instrument="P1-USD", status=InstrumentStatus.TRADING, received=START))
    tracked.delta(delta(12))
    assert not tracked.book.live


TRANSIENT = evolve(RANGES, crossed=Crossed.TRANSIENT, crossed_tolerance=2.0)


def crossed_at(seconds: float, id_: int) -> BookDelta:
    """A delta that leaves a bid above the ask."""
    return delta(id_, bids=[("3", str(id_))], received=START + round(seconds * SECOND))


def test_transient_crossing_is_a_fault_when_it_lasts() -> None:
    """Within the tolerance a crossed book stays LIVE; the message after it takes it out."""
    tracked = live(TRANSIENT)
    tracked.delta(crossed_at(0, 11))
    tracked.delta(crossed_at(1.9, 12))
    assert tracked.book.live
    assert tracked.book.crossed
    tracked.delta(crossed_at(2, 13))
    assert tracked.book.state is BookState.GAP


def test_transient_crossing_of_a_quiet_book_ends_too() -> None:
    """Where no message follows, time takes the crossed book out of LIVE."""
    tracked = live(TRANSIENT)
    tracked.delta(crossed_at(0, 11))
    tracked.tick(START + SECOND)
    assert tracked.book.live
    tracked.tick(START + 2 * SECOND)
    assert (tracked.book.state, tracked.book.reason) == (BookState.GAP, "the book is crossed")


def test_transient_crossing_that_ends_starts_over() -> None:
    """A crossing that was resolved, or ended with a repair, does not count against the next one."""
    tracked = live(TRANSIENT)
    tracked.delta(crossed_at(0, 11))
    tracked.delta(delta(12, bids=[("3", "0")]))
    tracked.delta(crossed_at(3, 13))
    assert tracked.book.live
    tracked.lost("a hole", START)
    tracked.snapshot(snapshot(13, bids=[("3", "1")], asks=[("2", "1")], received=START + 9 * SECOND))
    assert tracked.book.live


# --- silence


def test_silence_is_stale() -> None:
    """A topic without a sign of life for its limit is STALE, once; before that, and with a sign, it is not."""
    tracked = live(evolve(RANGES, silence=30.0))
    assert not tracked.silent(START + 29 * SECOND)
    tracked.delta(delta(11, received=START + 10 * SECOND))
    assert not tracked.silent(START + 39 * SECOND)
    assert tracked.silent(START + 40 * SECOND)
    assert (tracked.book.state, tracked.book.reason) == (BookState.STALE, "silent for 30 s")
    assert not tracked.silent(START + 41 * SECOND)


def test_no_limit_no_silence() -> None:
    """A feed that declares no limit is never silent."""
    assert not live().silent(START + 10**9 * SECOND)


# --- losses that ids do not show


def test_loss_that_ids_do_not_show_empties_the_buffer() -> None:
    """Where no id would show it, deltas from before a lost frame are not joined, nor is a snapshot asked for before it."""
    tracked = entry(SyncRule(SnapshotSource.REST, Ids.RISING))
    tracked.started(START)
    tracked.delta(delta(11, bids=[("1", "11")]))
    before = tracked.era
    tracked.lost("a frame could not be read", START)
    assert tracked.era > before
    tracked.delta(delta(13, bids=[("0.5", "13")]))
    tracked.snapshot(snapshot(12, bids=[("1", "12")]))
    assert tracked.book.rows(Side.BUY) == [("1", "12"), ("0.5", "13")]


def test_loss_that_ids_do_show_keeps_the_buffer() -> None:
    """Where ids show a hole, what waited before a lost frame is as good as ever."""
    tracked = entry()
    tracked.started(START)
    tracked.delta(delta(11, bids=[("1", "11")]))
    before = tracked.era
    tracked.lost("a frame could not be read", START)
    assert tracked.era == before
    tracked.snapshot(snapshot(10))
    assert tracked.book.rows(Side.BUY) == [("1", "11")]


# --- the rest of an entry


def test_depth_limited_feed_is_cut() -> None:
    """A feed without removals beyond its depth keeps that many levels a side, best first."""
    tracked = live(SyncRule(SnapshotSource.IN_BAND, depth=2), bids=[("1", "1"), ("0.9", "1"), ("0.8", "1")])
    assert tracked.book.rows(Side.BUY) == [("1", "1"), ("0.9", "1")]
    tracked.delta(delta(11, bids=[("1.5", "1")]))
    assert tracked.book.rows(Side.BUY) == [("1.5", "1"), ("1", "1")]


@pytest.mark.parametrize("price", ["50", "50.000000000000001"])
def test_near_horizon(price: str) -> None:
    """Half way from the first best price to the edge of the snapshot a new one is wanted, whatever keys order the side."""
    tracked = live(bids=[(str(number), "1") for number in range(100, 89, -1)], asks=[("200", "1")], depth=11)
    assert not tracked.near_horizon
    tracked.delta(delta(11, bids=[(price, "1"), *((str(number), "0") for number in range(100, 95, -1))]))
    assert not tracked.near_horizon
    tracked.delta(delta(12, bids=[("95", "0")]))
    assert tracked.near_horizon
    tracked.lost("a hole", START)
    assert not tracked.near_horizon


def test_side_without_levels_is_near_its_horizon() -> None:
    """A limited side whose every known level went is to be asked for again."""
    tracked = live(bids=[("1", "1")], depth=1)
    tracked.delta(delta(11, bids=[("1", "0")]))
    assert tracked.near_horizon


def test_exact_prices_reach_the_user() -> None:
    """A price with more digits than a double holds arrives whole, in a book that started with doubles' prices."""
    tracked = live(traded=instrument(tick="0.000000000000000001", maximum="10"))
    tracked.delta(delta(11, bids=[("1.000000000000000001", "1")]))
    best = tracked.book.best_bid
    assert best is not None
    assert best.price == Decimal("1.000000000000000001")


def test_repr() -> None:
    """An entry shows venue, topic and state."""
    assert repr(live()) == "<OrderBookTrackerEntry toy book:P1-USD live>"


def sizes(found: Iterable[Sequence[Any]]) -> list[str]:
    """The sizes of rows."""
    return [row[1] for row in found]


@given(stamps=st.lists(st.integers(1, 12), max_size=20), at=st.integers(0, 12))
def test_rising_ids_never_go_back(stamps: list[int], at: int) -> None:
    """With rising stamps the level of the highest stamp wins, however messages are ordered and doubled."""
    tracked = live(SyncRule(SnapshotSource.REST, Ids.RISING), bids=[])
    tracked.lost("again", START)
    tracked.snapshot(snapshot(at, bids=[("1", "100")]))
    for stamp in stamps:
        tracked.delta(delta(stamp, bids=[("1", str(stamp))]))
    newest = max(stamps, default=0)
    assert sizes(tracked.book.rows(Side.BUY)) == [str(newest) if newest > at else "100"]


def test_a_sequence_that_begins_anew_is_noticed() -> None:
    """A venue that counts anew from one does not freeze a LIVE book: it leaves service, and an older id is joined."""
    needs: list[Need] = []
    tracked = live(needs=needs)
    tracked.delta(delta(11))
    for number in range(1, 200):
        tracked.delta(delta(number % 10 + 1))
    assert tracked.book.state is BookState.GAP
    assert needs[-1] is Need.SNAPSHOT
    tracked.snapshot(snapshot(10, [("1", "3")], [("2", "1")]))
    assert tracked.book.live


OVERLAID = SyncRule(SnapshotSource.EVERY_MESSAGE, overlay=True, silence=10.0)


def best(bid: str, ask: str, seconds: int) -> TopOfBook:
    """Best prices, so many seconds after the start."""
    at = START + seconds * SECOND
    return TopOfBook(instrument="P1-USD", bid=(bid, "1"), ask=(ask, "1"), time=at, received=at)


def test_best_prices_are_no_sign_of_life_of_the_book() -> None:
    """A book whose own channel is silent is STALE although best prices still come: the levels behind them stand still."""
    tracked = live(OVERLAID, time=START)
    tracked.top(best("1.1", "2", 9))
    assert tracked.book.best_bid == (Decimal("1.1"), 1)
    assert tracked.silent(START + 10 * SECOND)


def test_best_prices_that_cross_are_a_loss() -> None:
    """Best prices that cross each other are not served."""
    tracked = live(OVERLAID, time=START)
    tracked.top(best("3", "2", 1))
    assert (tracked.book.state, tracked.book.reason) == (BookState.GAP, "the book is crossed")


def test_snapshot_older_than_best_prices() -> None:
    """A snapshot that was made before the best prices in the book does not undo them."""
    tracked = live(OVERLAID, time=START)
    tracked.top(best("1.1", "2", 9))
    tracked.snapshot(snapshot(11, [("1", "1")], [("2", "1")], time=START + 8 * SECOND))
    assert tracked.book.best_bid == (Decimal("1.1"), 1)


def test_copy_knows_no_more_than_the_original() -> None:
    """A book that starts from another one does not take an unknown side for an empty one."""
    tracked = live(bids=[("1", "1")], asks=[("2", "1"), ("3", "1")], depth=1)
    tracked.delta(delta(11, bids=[("1", "0")]))
    copied = entry()
    copied.started(START)
    copied.copy(tracked, START)
    assert copied.book.live
    for book in (tracked.book, copied.book):
        with pytest.raises(LevelsUnknown):
            _ = book.best_bid
        assert book.asks_known_to == Decimal(3)


def test_copy_of_a_book_from_text_and_doubles() -> None:
    """A book whose snapshot told text and whose deltas tell doubles starts another one, whichever row is the best."""
    tracked = live(bids=[("1", "1"), ("0.5", "1")], asks=[("2", "1"), ("3", "1")])
    tracked.delta(delta(11, bids=[(1.5, "1")], asks=[(2.5, "1")]))
    copied = entry()
    copied.started(START)
    copied.copy(tracked, START)
    assert copied.book.live
    assert (copied.book.bids(), copied.book.asks()) == (tracked.book.bids(), tracked.book.asks())


def test_closed_book_stays_closed_when_its_socket_goes() -> None:
    """A socket that ends after a book was closed does not concern it."""
    tracked = live()
    tracked.close("nobody wants it", START)
    tracked.disconnected("cut", START)
    assert (tracked.book.state, tracked.book.reason) == (BookState.CLOSED, "nobody wants it")
