"""Each id rule and each join rule of the contract, as a table of cases."""

from __future__ import annotations

import pytest
from framework.core.tests.venues import START, delta, entry, snapshot

from venuekit.books import BookState, Follower, Verdict
from venuekit_spec import BookDelta, Ids, Join, SnapshotSource, SyncRule

APPLY, STALE, GAP = Verdict


def carrying(first: int | None, last: int | None, previous: int | None = None) -> BookDelta:
    """A delta with these ids."""
    return BookDelta(instrument="P1-USD", bids=(), asks=(), first=first, last=last, previous=previous)


Case = tuple[int | None, int | None, int | None, Verdict]

LIVE_CASES: dict[Ids, list[Case]] = {
    # first, last, previous -> verdict, for a book that stands at 10 and got there from 8
    Ids.RANGE: [
        (11, 12, None, APPLY),
        (11, 11, None, APPLY),
        (None, 11, None, APPLY),
        (9, 11, None, APPLY),
        (1, 11, None, APPLY),
        (9, 10, None, STALE),
        (1, 1, None, STALE),
        (None, 10, None, STALE),
        (12, 12, None, GAP),
        (None, 12, None, GAP),
        (12, None, None, GAP),
    ],
    Ids.LINK: [
        (None, 12, 10, APPLY),
        (None, 3, 10, APPLY),
        (None, 10, 10, APPLY),
        (None, 10, 8, STALE),
        (None, 10, 9, GAP),
        (None, 8, 6, GAP),
        (None, 15, 12, GAP),
        (None, 15, None, GAP),
    ],
    Ids.NEXT: [
        (None, 11, None, APPLY),
        (None, 10, None, STALE),
        (None, 1, None, STALE),
        (None, 12, None, GAP),
        (None, None, None, GAP),
    ],
    Ids.RISING: [
        (None, 11, None, APPLY),
        (None, 99, None, APPLY),
        (None, None, None, APPLY),
        (None, 10, None, STALE),
        (None, 1, None, STALE),
    ],
    Ids.ARRIVAL: [
        (None, None, None, APPLY),
        (None, 1, None, APPLY),
        (5, 99, 3, APPLY),
    ],
}


@pytest.mark.parametrize(
    ("ids", "case"), [(ids, case) for ids, cases in LIVE_CASES.items() for case in cases], ids=str
)
def test_live_delta(ids: Ids, case: Case) -> None:
    """Each id rule tells what follows, what is already there, and what has something missing before it."""
    first, last, previous, verdict = case
    follower = Follower(SyncRule(snapshot=SnapshotSource.REST, ids=ids))
    follower.start(8)
    follower.advance(delta(9, 10, previous=8))
    assert follower.joined
    assert follower.judge(carrying(first, last, previous)) is verdict


JOIN_CASES: dict[tuple[Ids, Join], list[Case]] = {
    # first, last, previous -> verdict, for the first delta after a snapshot at 10
    (Ids.RANGE, Join.SPANS_NEXT): [
        (11, 12, None, APPLY),
        (10, 11, None, APPLY),
        (1, 11, None, APPLY),
        (9, 10, None, STALE),
        (12, 13, None, GAP),
    ],
    (Ids.RANGE, Join.FOLLOWS): [(11, 11, None, APPLY), (12, 12, None, GAP), (8, 10, None, STALE)],
    (Ids.LINK, Join.SPANS_LAST): [
        (10, 10, 9, APPLY),
        (8, 10, 7, APPLY),
        (10, 15, 9, APPLY),
        (8, 9, 7, STALE),
        (11, 12, 10, APPLY),
        (12, 13, 11, GAP),
        (None, None, 10, GAP),
    ],
    (Ids.LINK, Join.FOLLOWS): [(None, 12, 10, APPLY), (None, 12, 11, GAP), (None, 9, 8, GAP)],
    (Ids.NEXT, Join.FOLLOWS): [(None, 11, None, APPLY), (None, 12, None, GAP), (None, 10, None, STALE)],
    (Ids.RISING, Join.FOLLOWS): [(None, 11, None, APPLY), (None, 10, None, STALE)],
    (Ids.ARRIVAL, Join.NEWER): [
        (None, 11, None, APPLY),
        (None, 10, None, STALE),
        (None, 9, None, STALE),
    ],
    (Ids.ARRIVAL, Join.ANYWHERE): [(None, 1, None, APPLY), (None, None, None, APPLY)],
    (Ids.ARRIVAL, Join.FOLLOWS): [(None, None, None, APPLY), (None, 1, None, APPLY)],
}


@pytest.mark.parametrize(
    ("rule", "case"), [(rule, case) for rule, cases in JOIN_CASES.items() for case in cases], ids=str
)
def test_first_delta(rule: tuple[Ids, Join], case: Case) -> None:
    """Each join rule tells how the first delta meets a snapshot."""
    first, last, previous, verdict = case
    follower = Follower(SyncRule(snapshot=SnapshotSource.REST, ids=rule[0], join=rule[1]))
    follower.start(10)
    assert follower.judge(carrying(first, last, previous)) is verdict


def test_newer_takes_any_order_and_forgets_nothing() -> None:
    """Stamps newer than the snapshot's are applied in whatever order they come, also after later ones."""
    follower = Follower(SyncRule(snapshot=SnapshotSource.REST, join=Join.NEWER))
    follower.start(10)
    for last in (15, 12, 15, 11):
        assert follower.judge(carrying(None, last)) is APPLY
        follower.advance(carrying(None, last))
    assert follower.judge(carrying(None, 10)) is STALE


def test_arrival_assigns_ids() -> None:
    """Where there are no ids the book counts what arrived after the snapshot."""
    follower = Follower(SyncRule(snapshot=SnapshotSource.IN_BAND))
    follower.start(None)
    for expected in (1, 2, 3):
        follower.advance(carrying(None, None))
        assert follower.at == expected


def test_start_forgets_the_stretch_before() -> None:
    """After a new snapshot the join decides again, and a link from before it is not a repetition."""
    follower = Follower(SyncRule(snapshot=SnapshotSource.REST, ids=Ids.LINK, join=Join.SPANS_LAST))
    follower.start(10)
    follower.advance(delta(9, 12, previous=8))
    follower.start(12)
    assert not follower.joined
    assert follower.judge(delta(9, 12, previous=8)) is APPLY
    follower.start(20)
    assert follower.judge(delta(9, 12, previous=8)) is STALE


@pytest.mark.parametrize("ids", list(Ids))
def test_snapshot_without_an_id(ids: Ids) -> None:
    """The first delta after a snapshot without an id sets where the book stands, where the rule can do without one."""
    follower = Follower(SyncRule(snapshot=SnapshotSource.IN_BAND, ids=ids))
    follower.start(None)
    first = delta(5, 7, previous=4)
    assert follower.judge(first) is APPLY
    follower.advance(first)
    assert follower.at == 7


def test_newer_snapshot_that_is_older_than_what_waits_is_taken_again() -> None:
    """By stamps alone nobody knows what lay between a snapshot and a later first delta, so it is refused."""
    tracked = entry(SyncRule(snapshot=SnapshotSource.REST, join=Join.NEWER))
    tracked.started(START)
    tracked.delta(delta(20, bids=[("1", "1")]))
    tracked.snapshot(snapshot(19))
    assert tracked.book.state is BookState.BUFFERING
    assert tracked.counters.too_old == 1
    tracked.snapshot(snapshot(20, bids=[("1", "7")]))
    assert tracked.book.live
    assert tracked.book.rows(tracked.book.bid_side.side) == [("1", "7")]


def test_a_book_without_order_stands_at_the_highest_id() -> None:
    """Where messages come in whatever order, one that is late is applied and does not move the book back."""
    follower = Follower(SyncRule(SnapshotSource.IN_BAND, Ids.ARRIVAL))
    follower.start(10)
    for last, at in ((14, 14), (12, 14), (15, 15), (None, 16)):
        assert follower.judge(carrying(None, last)) is APPLY
        follower.advance(carrying(None, last))
        assert follower.at == at
