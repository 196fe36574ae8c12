"""The venue of a fault trial: a tape that is made up while it is played.

It hands over the records of a stretch, disturbed as the faults say, and answers what the recording has no answer to.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from attrs import define
from msgspec.structs import replace
from tests.corpora.disturbances import Delivery, Fault, disturbed
from tests.corpora.feeds import Asked
from tests.corpora.reference import Standing
from tests.corpora.stretches import Entry, Stretch
from tests.corpora.watching import Change, Proof, Watched

from venuekit import Exchange
from venuekit.books import BookDrift, BookMessage, BookState, StateChange
from venuekit.drivers.http import HttpTransport
from venuekit.tapes import Header, Record, Tape, TapePlayer
from venuekit.tapes.matching import answers
from venuekit_spec import (
    MILLISECOND,
    BookSnapshot,
    HttpRequest,
    HttpResponse,
    Seconds,
    after,
)

STEPS: Final = (200 * MILLISECOND, 20 * MILLISECOND)
"""How far time moves at once when the records are over: while the core waits for itself, and while it waits for the venue."""

PATIENCE: Final = 2_000
"""How many steps a repair may take then."""

FAILED_STATUS: Final = 503


@define
class _Answer:
    """What the venue is about to say. `due` is a place in what the stage has handed over."""

    due: int
    connection: str = ""
    frame: bytes = b""
    earlier: tuple[bytes, ...] = ()
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


class _Numbers:
    """The numbers of the frames of each socket, from 0 on. A frame that is lost or late has one all the same."""

    def __init__(self, stretch: Stretch) -> None:
        self._pattern = stretch.corpus.feed.number
        self._originals = dict(stretch.entries) if self._pattern is not None else {}
        self._next: Counter[str] = Counter()
        self._given: dict[int, tuple[int, int]] = {}
        """By record: its number, and how many times its socket had been opened anew."""
        self._opened: Counter[str] = Counter()

    def numbered(self, record: Record) -> bool:
        """Whether a frame has a number, where any has."""
        return self._pattern is None or self._pattern.search(record.payload or b"") is not None

    def on(self, index: int, record: Record | None) -> Record | None:
        """The turn of a record of the recording has come: as it is numbered. None where its socket is no more."""
        original = self._originals.get(index)
        if original is None or original.channel != "ws" or original.direction != "in":
            return record
        connection = original.connection
        if index not in self._given and self.numbered(original):
            self._given[index] = self._next[connection], self._opened[connection]
            self._next[connection] += 1
        if record is None or index not in self._given:
            return record
        number, opened = self._given[index]
        return self._with(record, number) if opened == self._opened[connection] else None

    def inserted(self, record: Record) -> Record:
        """An answer of the stage, with the next number of its socket."""
        if self._pattern is None or record.channel != "ws" or not self.numbered(record):
            return record
        self._next[record.connection] += 1
        return self._with(record, self._next[record.connection] - 1)

    def anew(self, connection: str) -> None:
        """A socket is opened again."""
        self._next[connection] = 0
        self._opened[connection] += 1

    def _with(self, record: Record, number: int) -> Record:
        assert self._pattern is not None
        return replace(record, payload=self._pattern.sub(b"%d" % number, record.payload or b"", count=1))


class Stage:
    """The venue of one trial. `latency`: how many records later it answers. `lag`: how many its REST is behind its stream.

    `longer` is how much time passes at least when the records are over.
    """

    def __init__(
        self, stretch: Stretch, faults: Sequence[Fault], latency: int, lag: int, longer: Seconds
    ) -> None:
        corpus = stretch.corpus
        self.stretch = stretch
        self.at = stretch.start - 1
        """The last record of the recording whose time has come."""
        self.books: dict[str, Watched] = {}
        self._feed = corpus.feed
        self._plan = disturbed(stretch, faults)
        self._latency = latency
        self._lag = lag
        self._longer = longer
        self._past: list[int] = []
        """`at`, after each thing that was handed over."""
        self._answers: list[_Answer] = []
        self._failures: Counter[str] = Counter()
        self._cut: deque[Record] = deque()
        self._closed: set[str] = set()
        self._numbers = _Numbers(stretch)
        self._sent: dict[str, tuple[bytes, ...]] = {}
        """What was sent on each socket since it was opened."""
        self._told: list[Record] = []
        """Responses that are about no book: they are given again to whoever asks again."""
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
        over = after(self._clock.now(), self._longer)
        for _ in range(PATIENCE):
            settled = not self._answers and all(watched.book.live for watched in self.books.values())
            if settled and self._clock.now() >= over:
                return
            yield None, Record(self._clock.now() + STEPS[bool(self._answers)], "ws", "ping", connection, "")
            self._past.append(self.at)
            yield from self._answered()

    def _deliver(self, delivery: Delivery) -> Iterator[Entry]:
        record, index = delivery.record, delivery.at
        symbol = self.stretch.owner(index)
        if index is not None:
            self.at = max(self.at, index)
            record = self._numbers.on(index, record)
        if symbol is not None:
            self._failures[symbol] += delivery.failures
        if record is not None:
            asked = self._response(record)
            told = record if asked is None else self._recorded(record, asked)
            if told is not None:
                yield index, told
            if record.direction == "open" and not self._dialogue:
                yield from self._greet(record)
            elif record.channel == "http" and asked is None:
                self._told.append(record)
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

    def _greet(self, opened: Record) -> Iterator[Entry]:
        """What the venue says on a new socket by itself."""
        for frame in self._feed.greetings:
            told = replace(opened, instant=self._clock.now(), direction="in", payload=frame)
            yield None, self._numbers.inserted(told)

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
                self._numbers.anew(again.connection)
                self._sent.pop(again.connection, None)
                yield None, replace(again, instant=self._clock.now())
                yield from self._greet(again)
            elif not told:
                return
            for answer, records in told:
                self._answers.remove(answer)
                for record in records:
                    yield None, self._numbers.inserted(record)
            self._judge(None, None)

    def _listen(self) -> None:
        """Note what was asked since. Until every book has been LIVE once, the venue is quick."""
        started = all(watched.joined for watched in self.books.values())
        due = len(self._past) + self._latency * started
        while self.http.urls:
            url = self.http.urls.popleft()
            symbol = self._feed.requested(url)
            if symbol is None and not self.books:
                continue
            if symbol is None:
                again = [record for record in self._told if answers(record.url, url)]
                self._answers += [_Answer(0, recorded=record) for record in again[:1]]
            elif symbol in self._early:
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
            earlier = self._sent.get(sent.connection, ())
            self._sent[sent.connection] = (*earlier, frame)
            if not self._dialogue:
                answer = _Answer(due, connection=sent.connection, frame=frame, earlier=earlier)
                self._answers.append(answer)

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
        url = self._opens[answer.connection].url
        frames = self._feed.answer(Asked(answer.frame, url, answer.earlier), self._stand, self._refuse)
        if frames is None:
            return None
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
        elif isinstance(message, BookDrift) and not (watched.tainted and watched.proof is Proof.AUDIT):
            watched.drifts.append(message)

    def _judge(self, delivery: Delivery | None, symbol: str | None) -> None:
        """Look at every book. `symbol` is whose record was delivered."""
        record = delivery.record if delivery is not None and delivery.whole else None
        frame = record is not None and record.channel == "ws" and record.connection not in self._closed
        revealing = record is not None and frame and self._numbers.numbered(record)
        for watched in self.books.values():
            at, own, checked = self.at, False, False
            if delivery is not None and delivery.at is not None and watched.symbol == symbol:
                reading = self.stretch.corpus.reference.readings[delivery.at]
                own = frame
                replaced = own and watched.proof is Proof.REPLACEMENT
                watched.tainted = (watched.tainted and not replaced) or delivery.taints
                if frame and reading.checksum is not None:
                    at, checked = delivery.at, True
                if frame and not reading.snapshot and reading.last is not None:
                    watched.reached = max(watched.reached, reading.last)
            watched.judge(at, own=own, checked=checked, revealing=revealing)
