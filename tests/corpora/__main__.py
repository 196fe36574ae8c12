"""What the recordings prove, as tables: ``python -m tests.corpora [faults|replays]``, from the root of the repository.

``faults`` disturbs each recording and tells after which record that was noticed and how long the repair took; ``replays``
plays each one undisturbed and compares it with its oracle. Without an argument, both.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import anyio
from tests.corpora.disturbances import Fault, Kind
from tests.corpora.faulty import trial
from tests.corpora.feeds import FEEDS, Feed
from tests.corpora.feeds_more import PROVEN
from tests.corpora.feeds_unproven import AUDITED, REPLACED, audit_bound
from tests.corpora.recordings import CORPORA, faults, oracle
from tests.corpora.replays import replay
from tests.corpora.stretches import Corpus, Stretch, load
from tests.corpora.watching import Outcome, Proof

from venuekit import connect
from venuekit_spec import Instant, Seconds, SnapshotSource, seconds_between

FRAMES: Final = 300
"""How long a stretch is in which faults other than the oracle's are tried."""

LATE: Final = 100
"""How many records a delayed snapshot is late."""

FAULTS: Final = (
    "recording",
    "fault",
    "book",
    "at",
    "noticed at",
    "expected",
    "why",
    "repaired after",
    "in the end",
    "wrong",
)
REPLAYS: Final = (
    "recording",
    "frames",
    "updates",
    "checkpoints",
    "digests",
    "sequence",
    "checksums",
    "failed",
)


def fault_rows() -> Iterator[Sequence[object]]:
    """One row a trial."""
    for feed in FEEDS:
        for path in feed.found():
            corpus = load(feed, path)
            for fault in faults(path):
                at, symbol = fault["drop"], fault["symbol"]
                outcome = anyio.run(trial, corpus.stretch(), Fault(Kind.DROPPED, at))
                yield _row(corpus, "dropped", symbol, at, outcome, fault["detected_at"] or "never")
            yield from _other_rows(corpus)
    for feed in PROVEN:
        for path in feed.found():
            corpus = load(feed, path)
            if not feed.retold:
                yield from _oracle_row(corpus, path)
            yield from _other_rows(corpus)
    for feed in (*REPLACED, *AUDITED):
        for path in feed.found():
            yield from _unproven_rows(load(feed, path))


def _oracle_row(corpus: Corpus, path: Path) -> Iterator[Sequence[object]]:
    """The first of the oracle's faults: the others are what other tests are about."""
    for fault in faults(path)[:1]:
        at, symbol = fault["drop"], fault["symbol"]
        outcome = anyio.run(trial, corpus.stretch(0, _after(corpus, at)), Fault(Kind.DROPPED, at))
        yield _row(corpus, "dropped", symbol, at, outcome, fault["detected_at"] or "never")


def _after(corpus: Corpus, at: int) -> int:
    """The end of a stretch in which a loss at this record is noticed, if ever."""
    owners = corpus.reference.readings
    own = [index for index, each in owners.items() if index > at and each.symbol == owners[at].symbol]
    return own[:FRAMES][-1] + 1


def _unproven_rows(corpus: Corpus) -> Iterator[Sequence[object]]:
    """What is expected of a loss that nothing shows: the time within which an audit finds it."""
    stretch = corpus.brief(FRAMES, middle=True)
    symbol, audited = stretch.symbols[0], Proof.of(corpus.rule) is Proof.AUDIT
    bound = audit_bound(corpus.rule) if audited else 0.0
    expected = (
        f"within {bound:g} s: audit every {corpus.rule.audit:g} s"
        if audited
        else "the next frame replaces it"
    )
    at = _noticeable(stretch, symbol, longer=bound) if audited else stretch.frames(symbol)[1]
    for kind in (Kind.DROPPED, Kind.DOUBLED, Kind.SWAPPED, Kind.CUT):
        outcome = anyio.run(partial(trial, stretch, Fault(kind, at), longer=bound))
        told = expected if kind is Kind.DROPPED else ""
        yield _row(corpus, kind.value, symbol, at, outcome, told, since=_instant(stretch, at))


def _instant(stretch: Stretch, at: int) -> Instant:
    """When a record was recorded."""
    return next(record.instant for index, record in stretch.entries if index == at)


def _other_rows(corpus: Corpus) -> Iterator[Sequence[object]]:
    stretch = corpus.brief(FRAMES, middle=True)
    symbol = stretch.symbols[0]
    at = _noticeable(stretch, symbol)
    drop = Fault(Kind.DROPPED, at)
    trials: list[tuple[str, Stretch, tuple[Fault, ...], int]] = [
        ("doubled", stretch, (Fault(Kind.DOUBLED, at),), 0),
        ("swapped with the next", stretch, (Fault(Kind.SWAPPED, at),), 0),
        ("truncated", stretch, (Fault(Kind.TRUNCATED, at, 60),), 0),
        (f"dropped, snapshot {LATE} records late", stretch, (drop,), LATE),
        ("dropped, snapshot fails twice", stretch, (Fault(Kind.FAILING, at, 2), drop), 0),
        ("socket cut", stretch, (Fault(Kind.CUT, at),), 0),
    ]
    if corpus.rule.snapshot is SnapshotSource.REST:
        beginning = corpus.brief(FRAMES)
        first = beginning.snapshot(symbol)
        trials += [
            (f"first snapshot {LATE} records late", beginning, (Fault(Kind.DELAYED, first, LATE),), 0),
            ("first snapshot fails twice", beginning, (Fault(Kind.FAILING, first, 2),), 0),
        ]
    for name, place, several, latency in trials:
        outcome = anyio.run(partial(trial, place, *several, latency=latency))
        yield _row(corpus, name, symbol, several[0].at, outcome, "")


def _noticeable(stretch: Stretch, symbol: str, *, longer: Seconds = 0.0) -> int:
    """A frame in the middle of a stretch whose loss is noticed: not every one is within a checksum's sight."""
    frames = stretch.frames(symbol)
    for at in frames[len(frames) // 3 :]:
        outcome = anyio.run(partial(trial, stretch, Fault(Kind.DROPPED, at), longer=longer))
        if outcome.books[symbol].left:
            return at
    raise ValueError(f"{stretch}: no loss is noticed")


def _row(
    corpus: Corpus,
    name: str,
    symbol: str,
    at: int,
    outcome: Outcome,
    expected: object,
    *,
    since: Instant | None = None,
) -> Sequence[object]:
    """One row. `since`: the moment of the fault, from which the time is told until it was noticed."""
    book = outcome.books[symbol]
    left = next(iter(book.left), None)
    joined = book.joined[-1] if book.joined else None
    took = ""
    if joined is not None and (left is not None or (len(book.joined) == 1 and joined.record > at)):
        begun = left.record if left is not None else at
        seconds = "" if left is None else f", {seconds_between(left.instant, joined.instant):.2f} s"
        took = f"{joined.record - begun} records{seconds}"
    end = "exact" if book.exact else "LIVE, right as far as the proof sees" if book.live else "not LIVE"
    noticed: object = "-" if left is None else left.record
    if left is not None and since is not None:
        noticed = f"{left.record}, after {seconds_between(since, left.instant):.1f} s"
    why = "" if left is None else left.reason
    return corpus.name, name, symbol, at, noticed, expected, why, took or "-", end, len(outcome.wrong)


def replay_rows() -> Iterator[Sequence[object]]:
    """One row a recording."""
    for feed in (*FEEDS, *PROVEN, *REPLACED, *AUDITED):
        for path in feed.found():
            yield _replay_row(feed, path)


def _replay_row(feed: Feed, path: Path) -> Sequence[object]:
    with TemporaryDirectory() as folder:
        replayed = anyio.run(replay, connect(feed.plugin, feed.venue), path, feed.prepare(path, Path(folder)))
    comparison, counters = replayed.comparison, replayed.counters.values()
    digests = comparison.digests_equal().values()
    sequence = {
        Proof.IDS: sum(each.deltas + each.stale for each in counters),
        Proof.LINK: sum(each.deltas + each.stale for each in counters),
        Proof.CONNECTION: sum(link.numbered for link in replayed.links),
    }
    return (
        path.name.partition(".")[0],
        sum(link.frames for link in replayed.links),
        sum(comparison.updates.values()),
        f"{comparison.equal} of {len(oracle(path)['checkpoints'])}",
        f"{sum(digests)} of {len(digests)}",
        sequence.get(Proof.of(load(feed, path).rule), "-"),
        sum(each.checksums for each in counters) or "-",
        sum(each.gaps for each in counters) + sum(link.malformed + link.holes for link in replayed.links),
    )


def show(headings: Sequence[str], rows: Iterator[Sequence[object]]) -> None:
    """Print a table, once it is complete."""
    lines = [headings, *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    lines.insert(1, ["-" * width for width in widths])
    for line in lines:
        told = " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        sys.stdout.write(f"| {told} |\n")


TABLES: Final[dict[str, Callable[[], None]]] = {
    "replays": lambda: show(REPLAYS, replay_rows()),
    "faults": lambda: show(FAULTS, fault_rows()),
}


def main(*names: str) -> int:
    """Print the tables of these names. Returns 2 for one that there is not, 1 where there are no recordings."""
    if not set(names) <= TABLES.keys():
        sys.stderr.write(f"usage: python -m tests.corpora [{'|'.join(TABLES)}]\n")
        return 2
    if not any(feed.found() for feed in FEEDS):
        sys.stderr.write(f"no recordings in {CORPORA}\n")
        return 1
    for name in names or TABLES:
        TABLES[name]()
        sys.stdout.write("\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
