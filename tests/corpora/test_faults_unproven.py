"""Feeds that show no loss, disturbed: the next frame makes it good, or an audit finds it within a time that is known before."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Final

import pytest
from tests.corpora.disturbances import Fault, Kind
from tests.corpora.faulty import trial
from tests.corpora.feeds import Feed
from tests.corpora.feeds_unproven import AUDITED, REPLACED, audit_bound
from tests.corpora.recordings import LOOPS, recordings
from tests.corpora.stretches import Stretch, load
from tests.corpora.watching import Proof

from venuekit_spec import seconds_between

pytestmark = pytest.mark.anyio

BRIEF: Final = 120
"""Frames of a short stretch."""

SAMPLES: Final = 3
"""At how many frames of a stretch each kind of fault is tried."""


def each_of(feeds: tuple[Feed, ...]) -> pytest.MarkDecorator:
    """Every recording of these feeds, on one event loop each, in turns, as the parameters of a test."""
    every = [(feed, each) for feed in feeds for each in recordings(feed.recordings)]
    found = [
        pytest.param(feed, *each.values, loop, id=f"{each.id}-{loop}", marks=each.marks)
        for (feed, each), loop in zip(every, cycle(LOOPS), strict=False)
    ]
    return pytest.mark.parametrize(("feed", "path", "anyio_backend"), found)


def samples(feed: Feed, path: Path, *, middle: bool = True) -> Iterator[tuple[Stretch, str, int]]:
    """Some frames of a short stretch that are no snapshot of an audited book, and are followed by others."""
    corpus = load(feed, path)
    stretch = corpus.brief(BRIEF, middle=middle)
    symbol = stretch.symbols[0]
    replaced = Proof.of(corpus.rule) is Proof.REPLACEMENT
    readings = corpus.reference.readings
    frames = [at for at in stretch.frames(symbol) if replaced or not readings[at].snapshot][1:-2]
    for at in frames[:: -(-len(frames) // SAMPLES)]:
        yield stretch, symbol, at


@each_of(REPLACED)
@pytest.mark.parametrize(
    "fault",
    [Fault(Kind.DROPPED, 0), Fault(Kind.DOUBLED, 0), Fault(Kind.SWAPPED, 0), Fault(Kind.DELAYED, 0, 10)],
    ids=lambda fault: fault.kind.value,
)
async def test_the_next_frame_makes_it_good(feed: Feed, path: Path, fault: Fault) -> None:
    """Where every frame is the whole book, no fault costs more than its own frame, and the book never leaves LIVE."""
    for stretch, symbol, at in samples(feed, path):
        outcome = await trial(stretch, Fault(fault.kind, at, fault.by))
        assert outcome.wrong == []
        assert outcome.books[symbol].exact
        assert not any(book.left for book in outcome.books.values())


@each_of((*REPLACED, *AUDITED))
async def test_socket_cut(feed: Feed, path: Path) -> None:
    """When the socket is cut no book says LIVE until another socket has told the whole of it."""
    for stretch, _, at in samples(feed, path):
        outcome = await trial(stretch, Fault(Kind.CUT, at))
        assert outcome.wrong == []
        assert outcome.dials == outcome.sockets + 1
        assert all(book.exact for book in outcome.books.values())


@each_of(AUDITED)
async def test_an_audit_finds_no_fault_where_there_is_none(feed: Feed, path: Path) -> None:
    """An undisturbed book agrees with every audit, while it moves and after."""
    corpus = load(feed, path)
    outcome = await trial(corpus.brief(BRIEF), longer=audit_bound(corpus.rule))
    assert outcome.wrong == []
    assert all(book.exact and not book.left for book in outcome.books.values())
    assert all(book.book.evidence.audits for book in outcome.books.values())


@each_of(AUDITED)
@pytest.mark.parametrize("kind", [Kind.DROPPED, Kind.SWAPPED])
async def test_an_audit_bounds_how_long_a_loss_is_unnoticed(feed: Feed, path: Path, kind: Kind) -> None:
    """What nothing in the feed shows is found within the audit's period and windows, or the feed has made it good by then."""
    bound, noticed = audit_bound(load(feed, path).rule), 0
    for stretch, symbol, at in samples(feed, path):
        outcome = await trial(stretch, Fault(kind, at), longer=bound)
        book = outcome.books[symbol]
        assert outcome.wrong == []
        assert book.exact
        noticed += len(book.left)
        lost = next(record.instant for index, record in stretch.entries if index == at)
        assert all(seconds_between(lost, change.instant) <= bound for change in book.left)
    assert noticed or kind is Kind.SWAPPED
