"""Recordings in memory, with their true books, and parts of them: what fault trials play."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

from attrs import frozen
from msgspec.structs import replace
from tests.corpora.feeds import Feed
from tests.corpora.recordings import name_of
from tests.corpora.reference import Reference
from tests.corpora.replays import Prepared

from venuekit.sharding import topic_rule
from venuekit.tapes import Header, Record, open_tape
from venuekit_spec import (
    Channel,
    SyncRule,
    Topic,
)

Entry: TypeAlias = tuple[int | None, Record]


@frozen(repr=False)
class Corpus:
    """A recording made ready, with its true books. `symbols` are the oracle's."""

    feed: Feed
    name: str
    prepared: Prepared
    rule: SyncRule
    header: Header
    entries: tuple[Entry, ...]
    reference: Reference

    def __repr__(self) -> str:
        return f"<Corpus {self.name}>"

    @property
    def symbols(self) -> tuple[str, ...]:
        """Every symbol that has a book."""
        return tuple(self.reference.timelines)

    def stretch(
        self, start: int = 0, stop: int | None = None, symbols: Sequence[str] | None = None
    ) -> Stretch:
        """The records from `start` to before `stop`, only the books of these symbols.

        Sockets that have none of those are left out. Where frames are numbered per connection, those of the other books come
        along. A stretch that starts later than the recording begins with a fresh dial, which the stage answers.
        """
        chosen = tuple(symbols or self.symbols)
        readings = self.reference.readings
        used = {
            record.connection
            for index, record in self.entries
            if index in readings and readings[index].symbol in chosen and record.channel == "ws"
        }
        kept: list[Entry] = []
        first = next(record for index, record in self.entries if index is not None and index >= start)
        for index, record in self.entries:
            reading = None if index is None else readings.get(index)
            if reading is not None and reading.symbol not in chosen and not self.rule.per_connection:
                continue
            if record.channel == "ws" and record.connection not in used:
                continue
            if index is None or index < start:
                asked = record.channel == "http" or record.direction == "open" or not start
                if reading is None and asked:
                    instant = first.instant if start else record.instant
                    kept.append((None if start else index, replace(record, instant=instant)))
            elif stop is None or index < stop:
                kept.append((index, record))
        return Stretch(self, start, chosen, tuple(kept))

    def brief(self, frames: int, *, middle: bool = False) -> Stretch:
        """A short stretch, from the beginning or the middle: so many frames of the two busiest books."""
        owners = Counter(reading.symbol for reading in self.reference.readings.values())
        symbols = [symbol for symbol, _ in owners.most_common(2)]
        own = [index for index, reading in self.reference.readings.items() if reading.symbol in symbols]
        first = len(own) // 2 if middle else 0
        return self.stretch(own[first] if middle else 0, own[first : first + frames][-1] + 1, symbols)


@frozen(repr=False)
class Stretch:
    """A part of a recording."""

    corpus: Corpus
    start: int
    symbols: tuple[str, ...]
    entries: tuple[Entry, ...]

    def __repr__(self) -> str:
        return f"<Stretch of {self.corpus.name} from {self.start}: {', '.join(self.symbols)}>"

    def frames(self, symbol: str) -> list[int]:
        """Which records are frames of this book."""
        return [
            index
            for index, record in self.entries
            if index is not None and record.channel == "ws" and self.owner(index) == symbol
        ]

    def snapshot(self, symbol: str) -> int:
        """The first record that is a snapshot of this book."""
        readings = self.corpus.reference.readings
        found = (index for index, _ in self.entries if index is not None and self.owner(index) == symbol)
        return next(index for index in found if readings[index].snapshot)

    def owner(self, index: int | None) -> str | None:
        """Whose book a record is about; None where it is about none."""
        reading = None if index is None else self.corpus.reference.readings.get(index)
        return None if reading is None else reading.symbol


@cache
def load(feed: Feed, path: Path) -> Corpus:
    """A recording, read once."""
    with TemporaryDirectory() as folder:
        prepared = feed.prepare(path, Path(folder))
        tape = open_tape(prepared.tape, prepared.sidecar)
        header = tape.header or Header()
        entries = tuple(
            (index, record)
            for index, record in tape
            if not (
                record.channel == "ws" and header.connections and record.connection not in header.connections
            )
            and not any(mark in (record.payload or b"")[:128] for mark in feed.noise)
        )
    source = entries if feed.retold else open_tape(path)
    recorded = ((index, record) for index, record in source if index is not None)
    reference = Reference(recorded, feed.read, depth=feed.depth)
    topic = Topic(Channel.BOOK, prepared.pairs[0], prepared.variant)
    rule = topic_rule(topic, feed.plugin.describe()).sync
    assert rule is not None
    name = f"{name_of(path)} {feed.title}".rstrip()
    return Corpus(feed, name, prepared, rule, header, entries, reference)
