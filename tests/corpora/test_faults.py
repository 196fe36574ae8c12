"""Recordings disturbed on their way: no book says LIVE and is wrong, and every book comes back right.

What is right is told by a reference of its own (`tests.corpora.reference`), which is first held against the oracles.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import cycle
from pathlib import Path
from typing import Any, Final

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.corpora.disturbances import Fault, Kind
from tests.corpora.faulty import trial
from tests.corpora.feeds import FEEDS, Feed
from tests.corpora.feeds_more import PROVEN
from tests.corpora.recordings import CORPORA, LOOPS, drops, name_of, oracle, plain, recordings
from tests.corpora.reference import Levels
from tests.corpora.stretches import Stretch, load
from tests.corpora.watching import Outcome, Proof

from venuekit.books import sync, tracker
from venuekit_spec import Ids, Join, SnapshotSource

pytestmark = pytest.mark.anyio

BRIEF: Final = 160
"""Frames of a short stretch."""

SAMPLES: Final = 2
"""At how many frames of a stretch each kind of fault is tried. Of the families in `PROVEN`, which differ in how a venue says
it more than in what the core does, at fewer; and fewer examples are made up."""

TOO_SHORT: Final = frozenset({"GATEIO_SPOT_*"})
"""Recordings of so few frames that half of them has no room for a fault and its repair."""

FEWER: Final = 1
EXAMPLES: Final = 3

CROSSED: Final = "the book is crossed"
"""How a book that lost something without a sequence may be found out before its checksum shows it."""

SIZES: Final[dict[Kind, tuple[int, int]]] = {
    Kind.TRUNCATED: (0, 99),
    Kind.DELAYED: (1, 40),
    Kind.FAILING: (1, 3),
}
"""What `Fault.by` may be, where it says anything."""

EVERY: Final = [
    pytest.param(feed, *each.values, id=f"{each.id} {feed.title}".rstrip(), marks=each.marks)
    for feed in (*FEEDS, *PROVEN)
    for each in recordings(feed.recordings)
]

DROPS: Final = [
    pytest.param(feed, path, fault, LOOPS[number % 2], id=f"{name_of(path)}-{fault['drop']}", marks=marks)
    for feed in FEEDS
    for path in feed.found()
    for number, (fault, marks) in enumerate(drops(path))
] or [pytest.param(None, None, None, "", marks=pytest.mark.skip(reason=f"no recordings in {CORPORA}"))]
"""The oracle's faults. Whole recordings are long, so each is played on one event loop, in turns."""


def in_turns(recordings: list[Any]) -> pytest.MarkDecorator:
    """These recordings on one event loop each, in turns: `test_any_fault` draws the loop for each of its trials."""
    return pytest.mark.parametrize(
        ("feed", "path", "anyio_backend"),
        [
            pytest.param(*each.values, loop, id=f"{each.id}-{loop}", marks=each.marks)
            for each, loop in zip(recordings, cycle(LOOPS), strict=False)
        ],
    )


each_recording = in_turns(EVERY)
each_of_the_first = in_turns([each for each in EVERY if each.values[0] in FEEDS])


# --- the reference


@pytest.mark.parametrize(("feed", "path"), EVERY)
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


@pytest.mark.parametrize(("feed", "path", "fault", "loop"), DROPS)
def test_dropped_as_the_oracle_says(feed: Feed, path: Path, fault: dict[str, Any], loop: str) -> None:
    """A lost frame is noticed on the record that can show it, the book repaired, right to the end, and no other touched."""
    corpus = load(feed, path)
    outcome = anyio.run(lambda: trial(corpus.stretch(), Fault(Kind.DROPPED, fault["drop"])), backend=loop)
    book, detected = outcome.books[fault["symbol"]], fault["detected_at"]
    assert outcome.wrong == []
    assert [change.record for change in book.left if change.reason != CROSSED] in (
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
async def test_snapshot_delayed(feed: Feed, path: Path) -> None:
    """A repair that takes long loses nothing of what arrives meanwhile."""
    for stretch, symbol, at, _ in await repairs(feed, path):
        outcome = await trial(stretch, Fault(Kind.DROPPED, at), latency=120)
        book = outcome.books[symbol]
        assert outcome.wrong == []
        assert book.exact
        assert len(book.left) == 1
        assert len(book.joined) == 2


@each_recording
async def test_snapshot_failing_twice(feed: Feed, path: Path) -> None:
    """A repair whose snapshot is refused twice is asked for again, and comes out right."""
    for stretch, symbol, at, repaired in await repairs(feed, path):
        outcome = await trial(stretch, Fault(Kind.DROPPED, at), Fault(Kind.FAILING, at, 2))
        assert outcome.wrong == []
        assert outcome.books[symbol].exact
        assert asked(outcome) >= asked(repaired) + 2


@each_recording
@pytest.mark.parametrize(
    "fault", [Fault(Kind.DELAYED, 0, 150), Fault(Kind.FAILING, 0, 2)], ids=["late", "failing"]
)
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
        assert outcome.dials == outcome.sockets + 1
        for book in outcome.books.values():
            assert book.exact
            assert [change.record for change in book.left] in ([at], [])
            assert len(book.joined) == len(book.left) + 1 or book.joined[0].record > at


@each_recording
async def test_lagging_rest(feed: Feed, path: Path) -> None:
    """Where REST lags behind the stream, a repair waits for a snapshot that is new enough: no book goes back in time."""
    if load(feed, path).rule.snapshot is not SnapshotSource.REST:
        pytest.skip("snapshots come in band: they are as new as the stream")
    for (stretch, symbol, at), kind in zip(samples(feed, path), cycle([Kind.TRUNCATED, Kind.DROPPED])):
        outcome = await trial(stretch, Fault(kind, at, 60), lag=30)
        assert outcome.wrong == []
        assert outcome.books[symbol].exact
        assert len(outcome.books[symbol].joined) == 2


def samples(feed: Feed, path: Path) -> Iterator[tuple[Stretch, str, int]]:
    """Some frames of a short stretch: the stretch, whose book they are, their record indexes."""
    stretch = load(feed, path).brief(BRIEF, middle=True)
    symbol = stretch.symbols[0]
    frames = stretch.frames(symbol)
    inner, count = frames[5:-20] or frames[1:2], SAMPLES if feed in FEEDS else FEWER
    for at in (
        inner[:: max(1, -(-len(inner) // count))] if feed in PROVEN else inner[:: max(1, len(inner) // count)]
    ):
        yield stretch, symbol, at


async def repairs(feed: Feed, path: Path) -> list[tuple[Stretch, str, int, Outcome]]:
    """Those of the samples whose loss is noticed within the stretch, with what comes of it: the repair, undisturbed."""
    found = []
    for stretch, symbol, at in samples(feed, path):
        outcome = await trial(stretch, Fault(Kind.DROPPED, at))
        if outcome.books[symbol].left:
            found.append((stretch, symbol, at, outcome))
        else:
            assert outcome.books[symbol].proof is Proof.CHECKSUM
    assert found
    return found


def left_otherwise(outcome: Outcome, *symbols: str) -> list[str]:
    """Which other books left LIVE that share nothing with these: a hole in a sequence of the socket concerns every book."""
    return [
        book.symbol
        for book in outcome.books.values()
        if book.left and book.symbol not in symbols and not (symbols and book.rule.per_connection)
    ]


def asked(outcome: Outcome) -> int:
    """How often a snapshot was asked for in one way or the other, give or take what every trial asks for."""
    return outcome.requests + outcome.renewals


# --- any fault, anywhere


LATE_ANSWERS: Final = frozenset({"DYDX_V3_*"})
"""Feeds whose answers to a subscription are numbered when it is asked for and come later: while one is awaited, as during a
repair, a lost frame and a late answer look the same, so a second fault can go unnoticed for as long."""


repeated = pytest.mark.parametrize("times", [1, pytest.param(8, marks=pytest.mark.soak)])
"""A few examples in every run, many times as many in a soak."""


def stretches(without: frozenset[str] = frozenset()) -> list[Any]:
    """Two short stretches of each recording, as pytest parameters."""
    found = []
    for each in EVERY:
        feed: Any = each.values[0]
        if feed.recordings in TOO_SHORT | without:
            continue
        for middle in (False, True) if feed in FEEDS else (True,):
            place = "middle" if middle else "beginning"
            found.append(pytest.param(*each.values, middle, id=f"{each.id}-{place}", marks=each.marks))
    return found


def any_fault(stretch: Stretch) -> st.SearchStrategy[Fault]:
    """Every kind of fault at every record of a book."""
    places = st.sampled_from([index for index, _ in stretch.entries if stretch.owner(index) is not None])
    sizes = {kind: st.integers(*SIZES[kind]) if kind in SIZES else st.just(0) for kind in Kind}
    return st.one_of([st.builds(Fault, st.just(kind), places, size) for kind, size in sizes.items()])


@repeated
@pytest.mark.parametrize(("feed", "path", "middle"), stretches())
def test_any_fault(feed: Feed, path: Path, middle: bool, times: int) -> None:
    """One fault of any kind anywhere: no book is wrong and LIVE, every book is LIVE in the end, no other is touched."""
    stretch = load(feed, path).brief(BRIEF, middle=middle)

    @settings(max_examples=times * (8 if feed in FEEDS else EXAMPLES), deadline=None)
    @given(any_fault(stretch), st.sampled_from([0, 1, 10]), st.sampled_from(LOOPS))
    def run(fault: Fault, latency: int, loop: str) -> None:
        outcome = anyio.run(lambda: trial(stretch, fault, latency=latency), backend=loop)
        assert outcome.wrong == []
        assert all(book.live for book in outcome.books.values())
        whole = fault.kind is Kind.CUT or stretch.corpus.rule.per_connection
        assert whole or not left_otherwise(outcome, stretch.owner(fault.at) or "")

    run()


@repeated
@pytest.mark.parametrize(("feed", "path", "middle"), stretches(without=LATE_ANSWERS))
def test_many_faults(feed: Feed, path: Path, middle: bool, times: int) -> None:
    """Faults upon faults, also while a repair is under way: no book is wrong and LIVE, every book is LIVE in the end."""
    stretch = load(feed, path).brief(BRIEF, middle=middle)

    @settings(max_examples=times * (6 if feed in FEEDS else EXAMPLES), deadline=None)
    @given(
        st.lists(any_fault(stretch), min_size=2, max_size=5),
        st.sampled_from([0, 1, 10, 60]),
        st.sampled_from([0, 5, 50]),
        st.sampled_from(LOOPS),
    )
    def run(several: list[Fault], latency: int, lag: int, loop: str) -> None:
        outcome = anyio.run(lambda: trial(stretch, *several, latency=latency, lag=lag), backend=loop)
        assert outcome.wrong == []
        assert all(book.live for book in outcome.books.values())

    run()


# --- the trials themselves


def careless_ids(patch: pytest.MonkeyPatch) -> None:
    """A core that applies whatever is not old."""

    def apply(book: Any, delta: Any) -> sync.Verdict:
        return sync.STALE if delta.last is not None and delta.last <= book.at else sync.APPLY

    patch.setitem(sync._LIVE, Ids.RANGE, apply)
    patch.setitem(sync._JOINS, Join.SPANS_NEXT, apply)


def careless_checksums(patch: pytest.MonkeyPatch) -> None:
    """A core that compares no checksum."""
    patch.setattr(tracker.TrackerEntry, "_compare", lambda *_: "")


@each_of_the_first
async def test_a_careless_core_is_caught(feed: Feed, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its checks taken out the core does serve wrong books, and the trials say so."""
    for be_careless in CARELESS[Proof.of(load(feed, path).rule)]:
        be_careless(monkeypatch)
    wrong: list[str] = []
    for stretch, _, at in samples(feed, path):
        for kind in (Kind.DROPPED, Kind.SWAPPED):
            wrong += (await trial(stretch, Fault(kind, at))).wrong
    assert wrong


CARELESS: Final[dict[Proof, list[Callable[[pytest.MonkeyPatch], None]]]] = {
    Proof.IDS: [careless_ids],
    Proof.CHECKSUM: [careless_checksums],
}
