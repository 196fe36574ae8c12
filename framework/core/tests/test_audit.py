"""Audits: a live book is compared with a fresh snapshot while deltas keep flowing."""

from __future__ import annotations

from decimal import Decimal

import pytest
from attrs import evolve
from framework.core.tests.venues import RANGES, START, delta, instrument, live, snapshot

from venuekit.books import BookDrift, BookMessage, BookState, Drift, Need, OrderBookTrackerEntry
from venuekit.books.audit import differences
from venuekit.books.ladder import Ladder
from venuekit_spec import SECOND, MalformedMessage, Row, Side, SnapshotSource, SyncRule

BY_WINDOW = SyncRule(SnapshotSource.IN_BAND, audit=60.0, audit_window=2.0)
ASKS: list[Row] = [("2", "1")]


def moved(*ids: int) -> OrderBookTrackerEntry:
    """A LIVE book at 10 whose audit has begun, and whose bid was then set by each of these ids."""
    tracked = live()
    assert tracked.begin_audit()
    for id_ in ids:
        tracked.delta(delta(id_, bids=[("1", str(id_))]))
    return tracked


def drifts(tracked: OrderBookTrackerEntry) -> list[BookDrift]:
    """The drifts that listeners hear of from now on."""
    heard: list[BookDrift] = []

    def note(message: BookMessage) -> None:
        if isinstance(message, BookDrift):
            heard.append(message)

    tracked.book.listeners.append(note)
    return heard


def test_snapshot_behind_the_stream() -> None:
    """A snapshot that the stream has overtaken is brought up to the book with what came since the audit began."""
    tracked = moved(11, 12, 13)
    heard = drifts(tracked)
    tracked.audit(snapshot(11, bids=[("1", "11")], asks=ASKS, received=START + 5))
    assert (tracked.counters.audits, tracked.counters.drifts, heard) == (1, 0, [])
    assert (tracked.book.proof.audits, tracked.book.proof.audited) == (1, START + 5)
    assert tracked.book.rows(Side.BUY) == [("1", "13")]


def test_snapshot_at_the_same_id() -> None:
    """A snapshot at the book's own id is compared as it is."""
    tracked = moved(11)
    tracked.audit(snapshot(11, bids=[("1", "11")], asks=ASKS))
    assert tracked.counters.audits == 1


def test_snapshot_ahead_of_the_stream() -> None:
    """A snapshot from the future waits until the book has come to its id."""
    tracked = moved(11)
    tracked.audit(snapshot(13, bids=[("1", "13")], asks=ASKS))
    assert tracked.counters.audits == 0
    tracked.delta(delta(12, bids=[("1", "12")]))
    assert tracked.counters.audits == 0
    tracked.delta(delta(13, bids=[("1", "13")]))
    assert (tracked.counters.audits, tracked.counters.drifts) == (1, 0)


def test_snapshot_in_the_middle_of_a_message() -> None:
    """A snapshot whose id lies within a message is brought to that message's end; nothing differs."""
    tracked = moved(11)
    tracked.audit(snapshot(13, bids=[("1", "13"), ("0.5", "2")], asks=ASKS))
    tracked.delta(delta(12, 15, bids=[("1", "15"), ("0.5", "2")]))
    assert (tracked.counters.audits, tracked.counters.drifts) == (1, 0)
    assert tracked.book.last == 15


def test_snapshot_older_than_the_audit_proves_nothing() -> None:
    """A snapshot from before the audit began cannot be brought up to the book: it is left open, not called a drift."""
    tracked = moved(11, 12)
    tracked.audit(snapshot(9, bids=[("1", "9")], asks=ASKS))
    assert (tracked.counters.audits, tracked.counters.audits_open) == (0, 1)
    assert tracked.book.live
    quiet = moved()
    quiet.audit(snapshot(9, bids=[("1", "9")], asks=ASKS))
    assert (quiet.counters.audits, quiet.counters.audits_open) == (0, 1)


def test_drift_is_found_told_and_repaired() -> None:
    """Levels that differ are named with both sizes and put right, and the book never stops serving."""
    tracked = moved(11)
    heard = drifts(tracked)
    fresh: list[Row] = [("1", "5"), ("0.5", "2")]
    tracked.audit(snapshot(11, bids=fresh, asks=[("2", "1.0"), ("3", "1")], received=START + 7))
    assert heard == [
        BookDrift(
            instrument="P1-USD",
            levels=(
                Drift("buy", Decimal("1.0"), Decimal(11), Decimal(5)),
                Drift("buy", Decimal("0.5"), Decimal(0), Decimal(2)),
                Drift("sell", Decimal("3.0"), Decimal(0), Decimal(1)),
            ),
            at=START + 7,
        )
    ]
    assert tracked.counters.drifts == 1
    assert tracked.book.live
    assert tracked.book.rows(Side.BUY) == fresh
    tracked.delta(delta(12, bids=[("0.5", "9")]))
    assert tracked.book.rows(Side.BUY) == [("1", "5"), ("0.5", "9")]
    assert tracked.book.proof.sequence == 2


def test_ghost_level_is_a_drift() -> None:
    """A level that only the live book has is told with a fresh size of zero, and goes."""
    tracked = moved()
    heard = drifts(tracked)
    tracked.audit(snapshot(10, bids=[], asks=ASKS))
    assert [(level.live, level.fresh) for level in heard[0].levels] == [(Decimal(1), Decimal(0))]
    assert tracked.book.rows(Side.BUY) == []


def test_deltas_that_come_while_the_audit_waits_are_applied() -> None:
    """The book goes on while its audit waits for a snapshot, and the drift is found against where it then is."""
    tracked = moved(11, 12)
    assert tracked.book.rows(Side.BUY) == [("1", "12")]
    tracked.audit(snapshot(14, bids=[("1", "14"), ("0.7", "1")], asks=ASKS))
    for id_ in (13, 14):
        tracked.delta(delta(id_, bids=[("1", str(id_))]))
    assert tracked.counters.drifts == 1
    assert tracked.book.rows(Side.BUY) == [("1", "14"), ("0.7", "1")]


def test_horizon_is_adopted() -> None:
    """After an audit the book is known as far as the fresh snapshot reached."""
    tracked = live(bids=[("100", "1"), ("99", "1")], asks=[("200", "1")], depth=2)
    tracked.delta(delta(11, bids=[("98", "1"), ("97", "1")]))
    assert tracked.book.bids_known_to == 99
    tracked.begin_audit()
    fresh: list[Row] = [("100", "1"), ("99", "1"), ("98", "1"), ("97", "1")]
    tracked.audit(snapshot(11, bids=fresh, asks=[("200", "1")], depth=4))
    assert tracked.counters.drifts == 0
    assert tracked.book.bids_known_to == 97
    assert len(tracked.book.bids()) == 4


def test_only_what_both_know_is_compared() -> None:
    """Levels beyond the edge of either are no drift."""
    tracked = live(bids=[("100", "1"), ("99", "1")], asks=[("200", "1")], depth=2)
    tracked.begin_audit()
    fresh: list[Row] = [("100", "1"), ("99", "1"), ("98", "5")]
    tracked.audit(snapshot(10, bids=fresh, asks=[("200", "1")], depth=3))
    assert (tracked.counters.audits, tracked.counters.drifts) == (1, 0)


def test_audit_of_a_book_that_was_lost_meanwhile() -> None:
    """An audit ends with the LIVE stretch that it was begun in; its snapshot has no effect afterwards."""
    tracked = moved(11)
    tracked.lost("a hole", START)
    assert not tracked.begin_audit()
    tracked.snapshot(snapshot(20, bids=[("1", "20")], asks=ASKS))
    tracked.audit(snapshot(20, bids=[("1", "99")], asks=ASKS))
    assert tracked.counters.audits == 0
    assert tracked.book.rows(Side.BUY) == [("1", "20")]


def test_abandoned_audit_keeps_nothing() -> None:
    """Where no snapshot can be had the audit ends: later deltas are not kept for it."""
    tracked = moved(11)
    tracked.abandon_audit()
    tracked.delta(delta(12, bids=[("1", "12")]))
    tracked.audit(snapshot(12, bids=[("1", "99")], asks=ASKS))
    assert tracked.counters.audits == 0
    assert tracked.book.rows(Side.BUY) == [("1", "12")]


@pytest.mark.parametrize("row", [("NaN", "1"), ("1", "-1"), ("1", "abc")])
def test_malformed_audit_costs_the_audit_only(row: Row) -> None:
    """A snapshot that cannot be read is an error to whoever fetched it; the live book stays LIVE as it is."""
    tracked = moved(11)
    with pytest.raises(MalformedMessage):
        tracked.audit(snapshot(11, bids=[row], asks=ASKS))
    assert tracked.book.live
    assert tracked.book.rows(Side.BUY) == [("1", "11")]
    assert tracked.counters.malformed == 1


@pytest.mark.parametrize("extra", ["1", "1.00000000000000001"])
def test_exact_prices_are_compared_as_such(extra: str) -> None:
    """A book with more digits than a double holds, from the start or since a delta, agrees with its own snapshot."""
    fine = instrument(tick="0.000000000000000001", maximum="10") if extra == "1" else instrument()
    bids: list[Row] = [("0.1", "1"), ("0.3", "2")]
    tracked = live(bids=bids, asks=[("2.7", "1")], traded=fine)
    tracked.delta(delta(11, bids=[(extra, "4")]))
    tracked.begin_audit()
    tracked.audit(snapshot(11, bids=[*bids, (extra, "4")], asks=[("2.7", "1")]))
    assert (tracked.counters.audits, tracked.counters.drifts) == (1, 0)
    tracked.delta(delta(12, bids=[("0.3", "0")]))
    assert tracked.book.rows(Side.BUY) == [(extra, "4"), ("0.1", "1")]


def test_depth_limited_feed_is_compared_to_its_depth() -> None:
    """What lies beyond the depth of the feed is no drift, although the snapshot reaches further."""
    rule = evolve(RANGES, depth=2)
    tracked = live(rule, bids=[("5", "1"), ("4", "1")], asks=[("6", "1")])
    tracked.begin_audit()
    tracked.delta(delta(11, bids=[("4.5", "1")]))
    fresh: list[Row] = [("5", "1"), ("4.5", "1"), ("4", "1"), ("3", "1")]
    tracked.audit(snapshot(11, bids=fresh, asks=[("6", "1")], depth=10))
    assert (tracked.counters.audits, tracked.counters.drifts) == (1, 0)
    assert tracked.book.rows(Side.BUY) == fresh[:2]


# --- by window


def windowed(needs: list[Need] | None = None) -> OrderBookTrackerEntry:
    """A LIVE book without ids, whose audit has begun."""
    tracked = live(BY_WINDOW, bids=[("1", "1"), ("0.9", "1")], asks=[("2", "1")], needs=needs)
    assert tracked.audits_by_window
    assert tracked.begin_audit()
    return tracked


def test_window_leaves_out_what_changed() -> None:
    """Levels that changed around the snapshot may differ; the comparison waits until the window is over."""
    tracked = windowed()
    tracked.delta(delta(11, bids=[("1", "3")]))
    tracked.audit(snapshot(None, bids=[("1", "1"), ("0.9", "1"), ("0.8", "7")], asks=[("2", "1")]))
    tracked.delta(delta(12, bids=[("0.8", "7")]))
    tracked.tick(START + round(1.9 * SECOND))
    assert tracked.counters.audits == 0
    tracked.tick(START + 2 * SECOND)
    assert (tracked.counters.audits, tracked.counters.drifts) == (1, 0)
    assert tracked.book.live
    assert tracked.book.rows(Side.BUY) == [("1", "3"), ("0.9", "1"), ("0.8", "7")]


def test_window_drift_is_told_and_repaired_by_a_new_snapshot() -> None:
    """Without ids nothing can be adopted: the drift is told, the book leaves LIVE and is built anew."""
    needs: list[Need] = []
    tracked = windowed(needs)
    heard = drifts(tracked)
    tracked.audit(snapshot(None, bids=[("1", "1"), ("0.9", "8")], asks=[("2", "1")]))
    tracked.tick(START + 2 * SECOND)
    assert [(level.price, level.live, level.fresh) for level in heard[0].levels] == [
        (Decimal("0.9"), Decimal(1), Decimal(8))
    ]
    assert (tracked.book.state, needs) == (BookState.GAP, [Need.RESUBSCRIBE])
    assert tracked.book.reason == "an audit found 1 levels to differ"


def test_window_of_a_book_that_was_lost_meanwhile() -> None:
    """A window that ends after the book left LIVE compares nothing."""
    tracked = windowed()
    tracked.audit(snapshot(None))
    tracked.lost("a hole", START)
    tracked.tick(START + 2 * SECOND)
    assert tracked.counters.audits == 0


def test_window_with_a_malformed_snapshot() -> None:
    """What cannot be read is told when the window is over, and costs the audit only."""
    tracked = windowed()
    tracked.audit(snapshot(None, bids=[("1", "-1")]))
    with pytest.raises(MalformedMessage):
        tracked.tick(START + 2 * SECOND)
    assert tracked.book.live
    tracked.tick(START + 3 * SECOND)


# --- the comparison itself


@pytest.mark.parametrize("side", list(Side))
def test_differences(side: Side) -> None:
    """Equal sizes in other words agree; every other level within both horizons is told once, unless it is left out."""
    one, other = Ladder(side), Ladder(side)
    one.load([("1", "1"), ("2", "2.0"), ("3", "3"), ("4", "4")])
    other.load([("1", "1.00"), ("2", "2"), ("3", "9"), ("5", "5")])
    found = {level.price: (level.live, level.fresh) for level in differences(one, other)}
    assert found == {3: (3, 9), 4: (4, 0), 5: (0, 5)}
    ignoring = frozenset({one.key("3"), one.key("5")})
    assert [level.price for level in differences(one, other, ignoring)] == [4]


def test_crossed_book_is_not_adopted_as_proven() -> None:
    """A fresh snapshot that is crossed itself repairs nothing: the book leaves LIVE."""
    tracked = moved(11)
    tracked.audit(snapshot(11, bids=[("3", "1")], asks=ASKS))
    assert (tracked.book.state, tracked.book.reason) == (BookState.GAP, "the book is crossed")


def test_audit_that_is_never_reached_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """An audit whose snapshot the stream never reaches does not keep deltas without end."""
    monkeypatch.setattr("venuekit.books.tracker.KEPT_DELTAS", 5)
    tracked = moved(*range(11, 16))
    tracked.audit(snapshot(1000, bids=[("1", "1")], asks=ASKS))
    assert tracked.counters.audits_open == 0
    tracked.delta(delta(16, bids=[("1", "16")]))
    assert (tracked.counters.audits_open, tracked.counters.audits) == (1, 0)
    assert tracked._audit is None
    assert tracked.book.live
