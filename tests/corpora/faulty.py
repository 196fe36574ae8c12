"""Fault trials: a recording is played through connector and core, disturbed, and every book is compared with the truth.

The stage is a tape that is made up while it is played. It hands over the records of a stretch of a recording, disturbed
as the faults say, and answers in the venue's place what the recording has no answer to: requests for a snapshot, and frames
that a session sends after the recording's own dialogue. Its answers come from the reference, which saw the whole recording.

After every record each book that says LIVE is judged. What a right book is, the proof of its feed says:

==============  ========================================================================================================
proof           a LIVE book is right if
==============  ========================================================================================================
`Proof.IDS`     always: it equals the reference at its own id, and has every delta that was delivered whole before
`CONNECTION`    it equals the reference at this record; it need not, from a fault until the next frame of the socket
`CHECKSUM`      it equals the reference at this record; from a fault until its next snapshot only in the levels that a
                checksum covers, and only after a record that carries one
==============  ========================================================================================================
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from enum import StrEnum
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, TypeAlias

import anyio
from attrs import define, evolve, field, frozen
from msgspec.structs import replace
from tests.corpora.feeds import Feed
from tests.corpora.recordings import name_of
from tests.corpora.reference import TOP, Reference, Standing, Timeline, Top
from tests.corpora.replays import Prepared

from venuekit import Exchange, OrderBook, connect, open_exchange
from venuekit.books import BookDrift, BookMessage, BookState, StateChange
from venuekit.drivers.http import HttpTransport
from venuekit.link import LinkCounters
from venuekit.pacing import PacerRegistry
from venuekit.sharding import topic_rule
from venuekit.tapes import Header, Record, Tape, TapePlayer, open_tape
from venuekit_spec import (
    MILLISECOND,
    BookSnapshot,
    Channel,
    HttpRequest,
    HttpResponse,
    Ids,
    Instant,
    SyncRule,
    Topic,
)

STEPS: Final = (200 * MILLISECOND, 20 * MILLISECOND)
"""How far time moves at once when the records are over: while the core waits for itself, and while it waits for the venue."""

PATIENCE: Final = 2_000
"""How many steps a repair may take then."""

FAILED_STATUS: Final = 503

Entry: TypeAlias = tuple[int | None, Record]


# --- recordings, in memory


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

        Where frames are numbered per connection, those of the other books come along. A stretch that starts later than the
        recording begins with a fresh dial, which the stage answers.
        """
        chosen = tuple(symbols or self.symbols)
        readings = self.reference.readings
        kept: list[Entry] = []
        first = next(record for index, record in self.entries if index is not None and index >= start)
        for index, record in self.entries:
            reading = None if index is None else readings.get(index)
            if reading is not None and reading.symbol not in chosen and not self.rule.per_connection:
                continue
            if index is None or index < start:
                if reading is None and (record.channel == "http" or record.direction == "open"):
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
    recorded = ((index, record) for index, record in open_tape(path) if index is not None)
    reference = Reference(recorded, feed.read, depth=feed.depth)
    topic = Topic(Channel.BOOK, prepared.pairs[0], prepared.variant)
    rule = topic_rule(topic, feed.plugin.describe()).sync
    assert rule is not None
    return Corpus(feed, name_of(path), prepared, rule, header, entries, reference)


# --- faults


class Kind(StrEnum):
    """What can happen to a record."""

    DROPPED = "dropped"
    DOUBLED = "doubled"
    SWAPPED = "swapped"
    """It arrives right after the next frame of its book."""
    TRUNCATED = "truncated"
    """Only its first part arrives: `Fault.by` percent."""
    DELAYED = "delayed"
    """It arrives `Fault.by` records later."""
    FAILING = "failing"
    """From this record on, the next `Fault.by` snapshots of its book fail."""
    CUT = "cut"
    """The socket is cut after it."""


@frozen
class Fault:
    """One fault, at a record."""

    kind: Kind
    at: int
    by: int = 0


@frozen
class Delivery:
    """What the stage hands over at one place: a record, or nothing. `at` is its index in the recording.

    `taints`: from here on the book may be wrong, until a fresh snapshot.
    """

    at: int | None
    record: Record | None
    taints: bool = False
    whole: bool = True
    cut: bool = False
    failures: int = 0


def disturbed(stretch: Stretch, faults: Sequence[Fault]) -> list[Delivery]:
    """The records of a stretch as they arrive. What is to befall a record that another fault took away does not."""
    plan = [Delivery(index, record) for index, record in stretch.entries]
    for fault in faults:
        anyway = fault.kind in {Kind.FAILING, Kind.CUT}
        places = (place for place, each in enumerate(plan) if each.at == fault.at and (each.record or anyway))
        place = next(places, None)
        if place is not None:
            _disturb(plan, place, fault, stretch)
    return plan


def _disturb(plan: list[Delivery], place: int, fault: Fault, stretch: Stretch) -> None:
    hit = plan[place]
    gone = Delivery(hit.at, None, taints=True, cut=hit.cut, failures=hit.failures)
    late = Delivery(hit.at, hit.record, taints=True, whole=hit.whole)
    match fault.kind:
        case Kind.DROPPED:
            plan[place] = gone
        case Kind.DOUBLED:
            plan.insert(place + 1, evolve(hit, cut=False, failures=0))
        case Kind.SWAPPED:
            following = range(place + 1, len(plan))
            owner = stretch.owner(hit.at)
            after = [k for k in following if plan[k].record and stretch.owner(plan[k].at) == owner]
            if after:
                plan[place] = gone
                plan.insert(after[0] + 1, late)
        case Kind.TRUNCATED:
            plan[place] = evolve(hit, record=_part(hit.record, fault.by), taints=True, whole=False)
        case Kind.DELAYED:
            plan[place] = gone
            plan.insert(place + 1 + fault.by, late)
        case Kind.FAILING:
            plan[place] = evolve(hit, failures=hit.failures + fault.by)
        case Kind.CUT:
            plan[place] = evolve(hit, cut=True)


def _part(record: Record | None, percent: int) -> Record | None:
    payload = b"" if record is None else record.payload or b""
    return record and replace(record, payload=payload[: max(1, len(payload) * percent // 100)])


# --- what is seen of a book


class Proof(StrEnum):
    """What shows a loss on a feed, first of all."""

    IDS = "ids"
    CONNECTION = "connection"
    CHECKSUM = "checksum"

    @classmethod
    def of(cls, rule: SyncRule) -> Proof:
        """That of a rule. Raises `ValueError` where nothing does."""
        if rule.per_connection:
            return cls.CONNECTION
        if rule.ids in {Ids.RANGE, Ids.LINK, Ids.NEXT}:
            return cls.IDS
        if rule.checksum is not None:
            return cls.CHECKSUM
        raise ValueError("nothing in this feed shows a loss")


@frozen
class Change:
    """A book left LIVE, or came to it: after which record of the recording, when, and why."""

    record: int
    instant: Instant
    reason: str = ""


@define
class Watched:
    """One book during a trial. `left` and `joined`: when it left LIVE and came to it. `wrong`: what it must never say."""

    symbol: str
    timeline: Timeline
    rule: SyncRule
    proof: Proof
    book: OrderBook
    left: list[Change] = field(factory=list)
    joined: list[Change] = field(factory=list)
    wrong: list[str] = field(factory=list)
    drifts: list[BookDrift] = field(factory=list)
    tainted: bool = False
    reached: int = 0
    """The last id of the deltas that were delivered whole."""
    live: bool = False
    """Whether the book was LIVE when all was over."""
    exact: bool = False
    """Whether it equalled the reference then, in every level that it knew, and was as new."""
    _seen: tuple[object, ...] = ()

    def judge(self, record: int, *, checked: bool, revealing: bool) -> None:
        """Look at the book after a record. `checked`: that record was its own, whole, and carried a checksum.

        `revealing`: it was a whole frame of the socket.
        """
        book, levels = self.book, TOP
        if not book.live:
            return
        if self.proof is Proof.IDS:
            moment = self.timeline.by_id(book.last)
            if book.last is None or book.last < self.reached:
                self.wrong.append(
                    f"after {record}: it stands at {book.last}, and {self.reached} was delivered"
                )
        else:
            moment = self.timeline.by_record(record)
            if self.tainted and self.proof is Proof.CHECKSUM:
                levels = self.rule.checksum.levels if checked and self.rule.checksum is not None else 0
            elif self.tainted and not revealing:
                levels = 0
        seen = (book.revision, moment, levels)
        if levels and seen != self._seen:
            self._seen = seen
            if moment is None or self._top(levels) != moment.top.cut(levels):
                self.wrong.append(f"after {record}: its best {levels} levels at {book.last} differ")

    def conclude(self, record: int) -> None:
        """All is over, and the exchange still open: compare every level that the book knows."""
        book = self.book
        book.listeners.clear()
        self.live = book.live
        if not self.live:
            return
        moment = self.timeline.by_record(record)
        at = self.timeline.by_id(book.last) if self.proof is Proof.IDS else moment
        equal = at is not None and self._whole() == self._known(self.timeline.standing(at.record))
        self.exact = equal and at is moment
        if not equal and (self.proof is Proof.IDS or not self.tainted):
            self.wrong.append(f"at the end: the whole book at {book.last} differs")

    def _whole(self) -> Top:
        return Top(tuple(self.book.bids()), tuple(self.book.asks()))

    def _known(self, standing: Standing | None) -> Top:
        """A true book, as far as this one claims to know."""
        assert standing is not None
        lowest, highest = self.book.bids_known_to, self.book.asks_known_to
        return Top(
            tuple(level for level in standing.bids if lowest is None or level[0] >= lowest),
            tuple(level for level in standing.asks if highest is None or level[0] <= highest),
        )

    def _top(self, levels: int) -> Top:
        return Top(tuple(self.book.bids(levels)), tuple(self.book.asks(levels)))


@frozen
class Outcome:
    """What a trial came to. `record` is the last one; `malformed`, `dials` and `renewals` as the connections counted them."""

    books: dict[str, Watched]
    record: int
    malformed: int
    dials: int
    renewals: int
    requests: int

    @property
    def wrong(self) -> list[str]:
        """Every wrong word of a book that said LIVE, and every drift that an audit found."""
        told = [f"{book.symbol} {word}" for book in self.books.values() for word in book.wrong]
        return told + [f"{book.symbol} {drift}" for book in self.books.values() for drift in book.drifts]


# --- the stage


@define
class _Answer:
    """What the venue is about to say. `due` is a place in what the stage has handed over."""

    due: int
    connection: str = ""
    frame: bytes = b""
    url: str = ""
    symbol: str = ""
    book: Standing | None = None
    recorded: Record | None = None


class _Asked:
    """The player's HTTP transport, which tells what was asked."""

    def __init__(self, inner: HttpTransport) -> None:
        self.urls: deque[str] = deque()
        self.count = 0
        self._inner = inner

    async def send(self, request: HttpRequest) -> HttpResponse:
        """As the player."""
        self.urls.append(request.url)
        self.count += 1
        return await self._inner.send(request)

    async def aclose(self) -> None:
        """As the player."""
        await self._inner.aclose()


class _MadeUp(Tape):
    """A tape whose records come from a stage."""

    def __init__(self, stage: Stage, header: Header, opens: list[tuple[str, str]]) -> None:
        super().__init__(Path(stage.stretch.corpus.name), None, header, ())
        self._stage = stage
        self._opens = opens

    def __iter__(self) -> Iterator[Entry]:
        return self._stage.records()

    def opens(self) -> list[tuple[str, str]]:
        """The connections of the recording."""
        return self._opens


class Stage:
    """The venue of one trial. `latency`: how many records later it answers. `lag`: how many its REST is behind its stream."""

    def __init__(self, stretch: Stretch, faults: Sequence[Fault], latency: int, lag: int) -> None:
        corpus = stretch.corpus
        self.stretch = stretch
        self.at = stretch.start - 1
        """The last record of the recording whose time has come."""
        self.books: dict[str, Watched] = {}
        self._feed = corpus.feed
        self._plan = disturbed(stretch, faults)
        self._latency = latency
        self._lag = lag
        self._past: list[int] = []
        """`at`, after each thing that was handed over."""
        self._answers: list[_Answer] = []
        self._failures: Counter[str] = Counter()
        self._cut: deque[Record] = deque()
        self._closed: set[str] = set()
        self._opens = {
            record.connection: record for _, record in stretch.entries if record.direction == "open"
        }
        self._coming = Counter(filter(None, (self._response(each.record) for each in self._plan)))
        """How many recorded snapshots of a book are still to come, and how many requests wait for one."""
        self._waiting: Counter[str] = Counter()
        self._early: dict[str, Record] = {}
        """Recorded snapshots that nobody had asked for yet when they came."""
        self._dialogue = stretch.start == 0
        """Whether the recording itself answers what sessions send: its first dialogue, on its first socket."""
        opens = [(name, record.url) for name, record in self._opens.items()]
        self.player = TapePlayer(_MadeUp(self, corpus.header, opens))
        self.http = _Asked(self.player.http)
        self.websockets = self.player.websockets
        self.started = self.player.started
        self._clock = self.player.clock

    # The tape

    def records(self) -> Iterator[Entry]:
        """What arrives, in order. Called once more for a look at the first record."""
        for delivery in self._plan:
            yield from self._deliver(delivery)
            yield from self._answered()
        connection = next(iter(self._opens))
        for _ in range(PATIENCE):
            if not self._answers and all(watched.book.live for watched in self.books.values()):
                return
            yield None, Record(self._clock.now() + STEPS[bool(self._answers)], "ws", "ping", connection, "")
            self._past.append(self.at)
            yield from self._answered()

    def _deliver(self, delivery: Delivery) -> Iterator[Entry]:
        record, index = delivery.record, delivery.at
        symbol = self.stretch.owner(index)
        if index is not None:
            self.at = max(self.at, index)
        if symbol is not None:
            self._failures[symbol] += delivery.failures
        if record is not None:
            asked = self._response(record)
            told = record if asked is None else self._recorded(record, asked)
            if told is not None:
                yield index, told
            if index is not None and record.channel == "ws" and record.direction == "in":
                self._dialogue = False
        self._past.append(self.at)
        self._judge(delivery, symbol)
        if delivery.cut:
            yield from self._hang_up(record.connection if record is not None else "")

    def _recorded(self, record: Record, symbol: str) -> Record | None:
        """A recorded snapshot by REST, if somebody waits for it."""
        self._coming[symbol] -= 1
        if self._refuse(symbol):
            record = replace(record, status=FAILED_STATUS, payload=b"")
        if self._waiting[symbol]:
            self._waiting[symbol] -= 1
            return record
        self._early[symbol] = record
        return None

    def _hang_up(self, connection: str) -> Iterator[Entry]:
        """Cut this socket; the first one, where it is not one. A socket that is cut already stays so."""
        socket = self._opens.get(connection) or next(iter(self._opens.values()))
        if socket.connection in self._closed:
            return
        yield None, replace(socket, instant=self._clock.now(), direction="close", payload=b"cut")
        self._cut.append(socket)
        self._closed.add(socket.connection)
        self._dialogue = False
        for watched in self.books.values():
            watched.reached = 0

    # What the core asks for, and what it is answered

    def _answered(self) -> Iterator[Entry]:
        """Everything that is due by now; an answer may lead to the next question."""
        while True:
            self._listen()
            due = [answer for answer in self._answers if answer.due <= len(self._past)]
            told = [(answer, records) for answer in due if (records := self._say(answer)) is not None]
            if self._cut and self.player.websockets.pending:
                again = self._cut.popleft()
                self._closed.discard(again.connection)
                yield None, replace(again, instant=self._clock.now())
            elif not told:
                return
            for answer, records in told:
                self._answers.remove(answer)
                for record in records:
                    yield None, record
            self._judge(None, None)

    def _listen(self) -> None:
        """Note what was asked since. Until every book has been LIVE once, the venue is quick."""
        started = all(watched.joined for watched in self.books.values())
        due = len(self._past) + self._latency * started
        while self.http.urls:
            url = self.http.urls.popleft()
            symbol = self._feed.requested(url)
            if symbol is None:
                continue
            if symbol in self._early:
                self._answers.append(_Answer(0, recorded=self._early.pop(symbol)))
            elif self._coming[symbol]:
                self._waiting[symbol] += 1
            else:
                self._answers.append(
                    _Answer(due, url=url, symbol=symbol, book=self._stand(symbol, self._lag))
                )
        while self.player.sent:
            sent = self.player.sent.popleft()
            frame = sent.frame.encode() if isinstance(sent.frame, str) else sent.frame
            if not self._dialogue:
                self._answers.append(_Answer(due, connection=sent.connection, frame=frame))

    def _say(self, answer: _Answer) -> list[Record] | None:
        """The records of an answer; None as long as the venue has none. A book by REST is as old as its question."""
        now = self._clock.now()
        if answer.recorded is not None:
            return [replace(answer.recorded, instant=now)]
        if answer.url:
            book = answer.book or self._stand(answer.symbol, self._lag)
            if book is None:
                return None
            failed = self._refuse(answer.symbol)
            body = b"" if failed else self._feed.body(answer.url, book)
            status = FAILED_STATUS if failed else 200
            return [Record(now, "http", "in", "http", answer.url, body, status=status)]
        frames = self._feed.answer(answer.frame, self._stand, self._refuse)
        if frames is None:
            return None
        url = self._opens[answer.connection].url
        return [Record(now, "ws", "in", answer.connection, url, frame) for frame in frames]

    def _stand(self, symbol: str, lag: int = 0) -> Standing | None:
        timeline = self.stretch.corpus.reference.timelines.get(symbol)
        at = self._past[-1 - min(lag, len(self._past) - 1)] if self._past else self.at
        return None if timeline is None else timeline.standing(at)

    def _refuse(self, symbol: str) -> bool:
        refused = self._failures[symbol] > 0
        self._failures[symbol] -= refused
        return refused

    def _response(self, record: Record | None) -> str | None:
        """Whose book a recorded response is."""
        return self._feed.requested(record.url) if record is not None and record.channel == "http" else None

    # Judging

    def watch(self, exchange: Exchange) -> None:
        """Look at the books of this exchange from now on."""
        prepared, rule = self.stretch.corpus.prepared, self.stretch.corpus.rule
        timelines = self.stretch.corpus.reference.timelines
        for symbol in self.stretch.symbols:
            pair = prepared.pair_of(symbol)
            watched = Watched(symbol, timelines[symbol], rule, Proof.of(rule), exchange.books[pair])
            self.books[symbol] = watched
            watched.book.listeners.append(partial(self._hear, watched))

    def _hear(self, watched: Watched, message: BookMessage) -> None:
        if isinstance(message, StateChange):
            change = Change(self.at, message.at, message.reason)
            if message.before is BookState.LIVE:
                watched.left.append(change)
            elif message.state is BookState.LIVE:
                watched.joined.append(change)
        elif isinstance(message, BookSnapshot):
            watched.tainted = False
        elif isinstance(message, BookDrift):
            watched.drifts.append(message)

    def _judge(self, delivery: Delivery | None, symbol: str | None) -> None:
        """Look at every book. `symbol` is whose record was delivered."""
        record = delivery.record if delivery is not None and delivery.whole else None
        frame = record is not None and record.channel == "ws" and record.connection not in self._closed
        for watched in self.books.values():
            at, checked = self.at, False
            if delivery is not None and delivery.at is not None and watched.symbol == symbol:
                reading = self.stretch.corpus.reference.readings[delivery.at]
                watched.tainted = watched.tainted or delivery.taints
                if frame and reading.checksum is not None:
                    at, checked = delivery.at, True
                if frame and not reading.snapshot and reading.last is not None:
                    watched.reached = max(watched.reached, reading.last)
            watched.judge(at, checked=checked, revealing=frame)


async def trial(stretch: Stretch, *faults: Fault, latency: int = 0, lag: int = 0) -> Outcome:
    """Play a stretch with these faults, and judge every book after every record."""
    corpus, stage, over = stretch.corpus, Stage(stretch, faults, latency, lag), anyio.Event()
    counted: list[LinkCounters] = []

    async def run() -> None:
        async with open_exchange(
            connect(corpus.feed.plugin, corpus.feed.venue),
            pairs=[corpus.prepared.pair_of(symbol) for symbol in stretch.symbols],
            variant=corpus.prepared.variant,
            clock=stage.player.clock,
            transports=stage,
            pacers=PacerRegistry(),
            seed=1,
        ) as exchange:
            stage.watch(exchange)
            await over.wait()
            counted.extend(exchange.link_counters().values())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        await stage.player.play(close=False)
        for watched in stage.books.values():
            watched.conclude(stage.at)
        over.set()
    return Outcome(
        stage.books,
        stage.at,
        sum(link.malformed for link in counted),
        sum(link.dials for link in counted),
        sum(link.renewals for link in counted),
        stage.http.count,
    )
