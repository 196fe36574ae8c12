"""Recordings disturbed on their way: no book says LIVE and is wrong, and every book comes back right.

What is right is told by a reference of its own (`tests.corpora.reference`), which is first held against the oracles.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.corpora.faulty import Fault, Kind, Outcome, Proof, Stretch, load, trial
from tests.corpora.feeds import FEEDS, Feed
from tests.corpora.recordings import CORPORA, faults, name_of, oracle, plain, recordings
from tests.corpora.reference import Levels

from venuekit.books import sync, tracker
from venuekit_spec import Ids, Join, SnapshotSource

pytestmark = pytest.mark.anyio

BRIEF: Final = 240
"""Frames of a short stretch."""

SAMPLES: Final = 6
"""At how many frames of a stretch each kind of fault is tried."""

CRC_OF_NOTHING_SEEN: Final = "the book is crossed"
"""How a book that lost something without a sequence may be found out before its checksum shows it."""

SIZES: Final[dict[Kind, tuple[int, int]]] = {
    Kind.TRUNCATED: (0, 99),
    Kind.DELAYED: (1, 40),
    Kind.FAILING: (1, 3),
}
"""What `Fault.by` may be, where it says anything."""

EVERY: Final = [
    pytest.param(feed, *each.values, id=each.id, marks=each.marks)
    for feed in FEEDS
    for each in recordings(feed.recordings)
]

DROPS: Final = [
    pytest.param(feed, path, fault, id=f"{name_of(path)}-{fault['drop']}")
    for feed in FEEDS
    for path in feed.found()
    for fault in faults(path)
] or [pytest.param(None, None, None, marks=pytest.mark.skip(reason=f"no recordings in {CORPORA}"))]

each_recording = pytest.mark.parametrize(("feed", "path"), EVERY)


# --- the reference


@each_recording
def test_the_reference_is_the_oracle(feed: Feed, path: Path) -> None:
    """The reference of the trials has every checkpoint of the oracle, and its digest of every update."""
    expected, reference = oracle(path), load(feed, path).reference
    for symbol, digest in expected["digest"]["symbols"].items():
        lines = [
            f"{moment.record}|{text(moment.top.bids[:10])}|{text(moment.top.asks[:10])}\n"
            for moment in reference.timelines[symbol].moments
            if moment.live
        ]
        assert len(lines) == digest["n"]
        assert hashlib.sha256("".join(lines).encode()).hexdigest() == digest["sha256"]
    for checkpoint in expected["checkpoints"]:
        book = reference.timelines[checkpoint["symbol"]].standing(checkpoint["record"])
        assert book is not None
        assert (book.bids[:25], book.asks[:25]) == (told(checkpoint["bids"]), told(checkpoint["asks"]))
        assert checkpoint["seq"] in {book.last, None} or book.last is None


def text(levels: Levels) -> str:
    """Levels as a digest has them."""
    return ";".join(f"{plain(price)}:{plain(size)}" for price, size in levels)


def told(rows: list[list[str]]) -> tuple[tuple[Decimal, Decimal], ...]:
    """Levels as an oracle tells them."""
    return tuple((Decimal(price), Decimal(size)) for price, size in rows)


# --- single faults


@pytest.mark.parametrize(("feed", "path", "fault"), DROPS)
async def test_dropped_as_the_oracle_says(feed: Feed, path: Path, fault: dict[str, Any]) -> None:
    """A lost frame is noticed on the record that can show it, the book repaired, right to the end, and no other touched."""
    corpus = load(feed, path)
    outcome = await trial(corpus.stretch(), Fault(Kind.DROPPED, fault["drop"]))
    book, detected = outcome.books[fault["symbol"]], fault["detected_at"]
    assert outcome.wrong == []
    assert [change.record for change in book.left if change.reason != CRC_OF_NOTHING_SEEN] in (
        [[]] if detected is None else [[detected], []]
    )
    if detected is not None:
        assert fault["drop"] < book.left[0].record <= detected
        assert len(book.joined) == len(book.left) + 1
        assert book.exact
    assert corpus.rule.per_connection or not left_otherwise(outcome, fault["symbol"])


@each_recording
async def test_doubled(feed: Feed, path: Path) -> None:
    """A frame that arrives twice changes nothing and breaks nothing."""
    for stretch, symbol, at in samples(feed, path):
        outcome = await trial(stretch, Fault(Kind.DOUBLED, at))
        assert outcome.wrong == []
        assert outcome.books[symbol].exact
        assert not left_otherwise(outcome)


@each_recording
async def test_swapped(feed: Feed, path: Path) -> None:
    """Two frames in the wrong order are noticed or harmless, and the book is right in the end."""
    for stretch, symbol, at in samples(feed, path):
        outcome = await trial(stretch, Fault(Kind.SWAPPED, at))
        assert outcome.wrong == []
        assert outcome.books[symbol].live
        assert outcome.books[symbol].exact or outcome.books[symbol].proof is Proof.CHECKSUM
        assert not left_otherwise(outcome, symbol)


@each_recording
async def test_truncated(feed: Feed, path: Path) -> None:
    """A frame that cannot be read is counted, and its book is repaired as soon as the feed can show the loss."""
    for stretch, symbol, at in samples(feed, path):
        outcome = await trial(stretch, Fault(Kind.TRUNCATED, at, 60))
        book = outcome.books[symbol]
        assert outcome.malformed == 1
        assert outcome.wrong == []
        assert book.live
        assert book.proof is Proof.CHECKSUM or (book.left and book.exact)
        assert not left_otherwise(outcome, symbol)


@each_recording
@pytest.mark.parametrize("latency", [3, 150])
async def test_snapshot_delayed(feed: Feed, path: Path, latency: int) -> None:
    """A repair that takes long loses nothing of what arrives meanwhile."""
    for stretch, symbol, at in samples(feed, path, shown=True):
        outcome = await trial(stretch, Fault(Kind.DROPPED, at), latency=latency)
        book = outcome.books[symbol]
        assert outcome.wrong == []
        assert book.exact
        assert len(book.left) == 1
        assert len(book.joined) == 2


@each_recording
async def test_snapshot_failing_twice(feed: Feed, path: Path) -> None:
    """A repair whose snapshot is refused twice is asked for again, and comes out right."""
    for stretch, symbol, at in samples(feed, path, shown=True):
        plain_repair = await trial(stretch, Fault(Kind.DROPPED, at))
        outcome = await trial(stretch, Fault(Kind.DROPPED, at), Fault(Kind.FAILING, at, 2))
        assert outcome.wrong == []
        assert outcome.books[symbol].exact
        assert asked(outcome) == asked(plain_repair) + 2


@each_recording
@pytest.mark.parametrize("fault", [Fault(Kind.DELAYED, 0, 150), Fault(Kind.FAILING, 0, 2)], ids=["late", "failing"])
async def test_first_snapshot(feed: Feed, path: Path, fault: Fault) -> None:
    """The first snapshot may be late, or fail twice: what waits for it is kept, and joined without a gap."""
    corpus = load(feed, path)
    if corpus.rule.snapshot is not SnapshotSource.REST:
        pytest.skip("snapshots come in band: what arrives before one is not needed")
    stretch = corpus.brief(BRIEF)
    symbol = stretch.symbols[0]
    at = stretch.snapshot(symbol)
    outcome = await trial(stretch, Fault(fault.kind, at, fault.by))
    book = outcome.books[symbol]
    assert outcome.wrong == []
    assert book.exact
    assert not left_otherwise(outcome)
    assert len(book.joined) == 1
    assert book.joined[0].record > at


@each_recording
async def test_socket_cut(feed: Feed, path: Path) -> None:
    """When the socket is cut no book says LIVE until it has a fresh snapshot from another one."""
    for stretch, _, at in samples(feed, path):
        outcome = await trial(stretch, Fault(Kind.CUT, at))
        assert outcome.wrong == []
        assert outcome.dials == 2
        for book in outcome.books.values():
            assert book.exact
            assert [change.record for change in book.left] in ([at], [])
            assert len(book.joined) == len(book.left) + 1 or book.joined[0].record > at


@each_recording
async def test_lagging_rest(feed: Feed, path: Path) -> None:
    """Where REST lags behind the stream, a repair waits for a snapshot that is new enough: no book goes back in time."""
    if load(feed, path).rule.snapshot is not SnapshotSource.REST:
        pytest.skip("snapshots come in band: they are as new as the stream")
    for stretch, symbol, at in samples(feed, path):
        for fault in (Fault(Kind.TRUNCATED, at, 60), Fault(Kind.DROPPED, at)):
            outcome = await trial(stretch, fault, lag=30)
            assert outcome.wrong == []
            assert outcome.books[symbol].exact
            assert outcome.requests > 2


def samples(feed: Feed, path: Path, *, shown: bool = False) -> Iterator[tuple[Stretch, str, int]]:
    """Some frames of a short stretch: the stretch, whose book they are, their record indexes.

    `shown`: only those whose loss the feed shows within the stretch; some losses are beyond what a checksum covers.
    """
    corpus = load(feed, path)
    stretch = corpus.brief(BRIEF, middle=True)
    symbol = stretch.symbols[0]
    frames = stretch.frames(symbol)
    chosen = frames[5 : -20 : max(1, (len(frames) - 25) // SAMPLES)]
    readings, timeline = corpus.reference.readings, corpus.reference.timelines[symbol]
    levels = corpus.rule.checksum.levels if corpus.rule.checksum is not None else 0
    for at in chosen:
        before, after = timeline.by_record(at - 1), timeline.by_record(at)
        assert before is not None
        assert after is not None
        seen = before.top.cut(levels) != after.top.cut(levels)
        later = timeline.by_record(frames[frames.index(at) + 1])
        if not shown or Proof.of(corpus.rule) is not Proof.CHECKSUM or (seen and later is not None and _shows(readings, at)):
            yield stretch, symbol, at
