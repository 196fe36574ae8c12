"""The true books of an undisturbed recording, after every one of its records.

Slow and independent: decimals, a dict and a sorted list per side, built straight from the recorded frames, in the symbols of
the oracles. It shares no code with connectors or core. `Reader` functions (`tests.corpora.readers`) say what a record is
to a book; a `Timeline` puts that together by the venue's published rule and keeps the best levels after each step.

1. A delta before the first snapshot waits for it where deltas have ids, else the snapshot stands for it.
2. Ids: a delta that ends at or before the book's id is old; any other must begin at the next id, or before. One that names
   the delta before it must name the book's id; only the first after a snapshot may span that instead. One that has neither
   is old if it is not newer than the snapshot.
3. Size zero removes. After each message both sides are cut to the depth of the feed, where it has one.
4. A row that has an id of its own changes a level that has none above: of its last change, else of the snapshot.
5. The recording is whole: whatever does not follow is an error of the recording, or of the reader.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from itertools import zip_longest
from typing import Any, Final, NamedTuple, TypeAlias

from attrs import define, field, frozen

from venuekit.tapes import Record

TOP: Final = 25
"""How many levels a side are remembered for each moment."""

COPIES: Final = 100
"""Every so many moments a copy of the whole book is kept."""

REMEMBERED: Final = 64
"""How many whole books that were asked for are remembered: trials ask for some of them again and again."""

Level: TypeAlias = tuple[Decimal, Decimal]
Levels: TypeAlias = Sequence[Level]
Stamps: TypeAlias = Mapping[Decimal, int]
"""Of the last change of each level, by price, also of levels that were removed."""


@frozen
class Reading:
    """What one record says of one book: a snapshot or a delta, in the oracle's symbol.

    `name` is what frames call the book where that is not its symbol. `bid_stamps` and `ask_stamps` are the ids of the rows.
    """

    symbol: str
    bids: Levels
    asks: Levels
    snapshot: bool = False
    first: int | None = None
    last: int | None = None
    checksum: int | None = None
    previous: int | None = None
    name: str = ""
    bid_stamps: Sequence[int] = ()
    ask_stamps: Sequence[int] = ()


Reader: TypeAlias = Callable[[Record], Reading | None]
"""What a record of a recording is to a book; None where it is nothing."""


class Top(NamedTuple):
    """The best levels, best first."""

    bids: tuple[Level, ...]
    asks: tuple[Level, ...]

    def cut(self, levels: int) -> Top:
        """The best `levels` of each side."""
        return Top(self.bids[:levels], self.asks[:levels])


@frozen
class Standing:
    """The whole book at one moment, best levels first. `checksum` is the venue's own of this moment, where it sent one."""

    symbol: str
    bids: Levels
    asks: Levels
    last: int | None
    checksum: int | None
    name: str = ""
    bid_stamps: Stamps = field(factory=dict)
    ask_stamps: Stamps = field(factory=dict)


@frozen
class Moment:
    """The book after one record. `live`: the record changed it on the wire, so that the oracle's digest has a line of it."""

    record: int
    last: int | None
    checksum: int | None
    top: Top
    live: bool


@define
class _Ladder:
    """One side: levels by price, and the prices ascending by `sign`, so that the best stands last.

    `stamps` are those of rows, `floor` that of levels that have none.
    """

    sign: int
    floor: int = -1
    levels: dict[Decimal, Level] = field(factory=dict)
    order: list[Decimal] = field(factory=list)
    stamps: dict[Decimal, int] = field(factory=dict)

    def put(self, levels: Levels, stamps: Sequence[int], depth: int | None) -> None:
        """Set and remove levels, then cut."""
        for level, stamp in zip_longest(levels, stamps):
            key = level[0] * self.sign
            if stamp is not None:
                if stamp <= self.stamps.get(level[0], self.floor):
                    continue
                self.stamps[level[0]] = stamp
            if key in self.levels:
                if not level[1]:
                    del self.levels[key], self.order[bisect_left(self.order, key)]
            elif level[1]:
                insort(self.order, key)
            if level[1]:
                self.levels[key] = level
        if depth is not None:
            for key in self.order[: max(0, len(self.order) - depth)]:
                del self.levels[key]
            del self.order[: max(0, len(self.order) - depth)]

    def best(self, count: int | None = None) -> tuple[Level, ...]:
        """The best levels, best first."""
        keys = reversed(self.order if count is None else self.order[-count:])
        return tuple(self.levels[key] for key in keys)

    def copy(self) -> _Ladder:
        """The same, apart."""
        return _Ladder(self.sign, self.floor, dict(self.levels), list(self.order), dict(self.stamps))


class Timeline:
    """One book, from the first record to the last."""

    def __init__(self, symbol: str, depth: int | None) -> None:
        self.symbol = symbol
        self.moments: list[Moment] = []
        self._depth = depth
        self._sides = _ladders(None)
        self._base: int | None = None
        """The id of the last snapshot, and whether a delta has met it."""
        self._met = False
        self._name = ""
        self._readings: list[Reading] = []
        self._copies: list[tuple[_Ladder, _Ladder]] = []
        self._records: list[int] = []
        self._by_id: dict[int, int] = {}
        self._waiting: list[tuple[int, Reading]] = []
        self._standings: dict[int, Standing] = {}

    def add(self, record: int, reading: Reading, *, live: bool) -> None:
        """The next record of this book."""
        self._name = reading.name or self._name
        if reading.snapshot:
            self._sides, self._base, self._met = _ladders(reading), reading.last, False
            self._put(record, reading, live=live)
            waiting, self._waiting = self._waiting, []
            for _, waited in waiting:
                self._follow(record, waited, live=False)
        elif self.moments:
            self._follow(record, reading, live=live)
        elif reading.last is not None:
            self._waiting.append((record, reading))

    def by_record(self, record: int) -> Moment | None:
        """The moment after this record; None before the first."""
        place = bisect_right(self._records, record)
        return self.moments[place - 1] if place else None

    def by_id(self, last: int | None) -> Moment | None:
        """The moment at this id; None where the book never stood at it."""
        place = None if last is None else self._by_id.get(last)
        return None if place is None else self.moments[place]

    def standing(self, record: int) -> Standing | None:
        """The whole book after this record; None before the first."""
        place = bisect_right(self._records, record)
        if not place:
            return None
        remembered = self._standings.get(place)
        if remembered is not None:
            return remembered
        kept = (place - 1) // COPIES
        bids, asks = (side.copy() for side in self._copies[kept])
        for reading in self._readings[kept * COPIES + 1 : place]:
            if reading.snapshot:
                bids, asks = _ladders(reading)
            bids.put(reading.bids, reading.bid_stamps, self._depth)
            asks.put(reading.asks, reading.ask_stamps, self._depth)
        moment = self.moments[place - 1]
        standing = Standing(
            self.symbol,
            bids.best(),
            asks.best(),
            moment.last,
            moment.checksum,
            self._name,
            bids.stamps,
            asks.stamps,
        )
        if len(self._standings) >= REMEMBERED:
            self._standings.clear()
        self._standings[place] = standing
        return standing

    def _follow(self, record: int, reading: Reading, *, live: bool) -> None:
        at, base = self.moments[-1].last, self._base
        if base is not None and at is not None and reading.last is not None:
            if reading.previous is not None:
                if not self._met and reading.last < at:
                    return
                spans = not self._met and reading.first is not None and reading.first <= at <= reading.last
                assert spans or reading.previous == at, f"{self.symbol}: no link to {at} at record {record}"
            elif reading.first is not None:
                if reading.last <= at:
                    return
                assert reading.first <= at + 1, (
                    f"{self.symbol}: {reading.first} after {at} at record {record}"
                )
            elif reading.last <= base:
                return
        self._met = True
        self._put(record, reading, live=live)

    def _put(self, record: int, reading: Reading, *, live: bool) -> None:
        bids, asks = self._sides
        bids.put(reading.bids, reading.bid_stamps, self._depth)
        asks.put(reading.asks, reading.ask_stamps, self._depth)
        place = len(self.moments)
        if place % COPIES == 0:
            self._copies.append((bids.copy(), asks.copy()))
        if reading.last is not None:
            self._by_id[reading.last] = place
        top = Top(bids.best(TOP), asks.best(TOP))
        self._readings.append(reading)
        self._records.append(record)
        self.moments.append(Moment(record, reading.last, reading.checksum, top, live))


def _ladders(snapshot: Reading | None) -> tuple[_Ladder, _Ladder]:
    """Empty sides for a snapshot. Its id is as new as every level of it, those that are not there too."""
    floor = -1 if snapshot is None or snapshot.last is None else snapshot.last
    return _Ladder(1, floor), _Ladder(-1, floor)


class Reference:
    """All books of a recording: `timelines` by symbol, and in `readings` what each record that concerns a book says."""

    def __init__(
        self, records: Iterable[tuple[int, Record]], read: Reader, *, depth: int | None = None
    ) -> None:
        self.timelines: dict[str, Timeline] = {}
        self.readings: dict[int, Reading] = {}
        for index, record in records:
            reading = read(record)
            if reading is None:
                continue
            timeline = self.timelines.setdefault(reading.symbol, Timeline(reading.symbol, depth))
            timeline.add(index, reading, live=record.channel == "ws")
            self.readings[index] = reading


def levels(rows: Iterable[Sequence[Any]]) -> list[Level]:
    """Rows of price and size as decimal text."""
    return [(Decimal(row[0]), Decimal(row[1])) for row in rows]
