"""A venue for tests: the connector `toy`, whose frames are small JSON objects, and the venue behind it, played by a test.

A client says ``{"op": "subscribe", "topics": ["book:P1-USD"]}``, or ``unsubscribe``; the venue says one of

    {"live": "book:P1-USD"}                                             that topic is subscribed
    {"lost": "book:P1-USD", "reason": "delisted", "final": true}        that topic is refused
    {"redial": "maintenance", "planned": true}                          this socket is about to end
    {"delta": "P1-USD", "first": 8, "last": 9, "bids": [["1", "2"]], "asks": []}
    {"snapshot": "P1-USD", "last": 9, "bids": [], "asks": [], "depth": 10}
    {"trade": "P1-USD", "price": "1", "size": "2", "key": "77"}

and each of them may carry ``"n"``, the number of the frame on its connection.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any, Final

import anyio
import msgspec
from msgspec import Struct

from venuekit import Exchange, LoadedConnector, NetworkTransports, VirtualClock, connect, open_exchange
from venuekit.books import Need, OrderBookTrackerEntry
from venuekit.books.tracker import AnyEntry
from venuekit.drivers.http import MockHttpTransport
from venuekit.drivers.websocket import MockWebSocket, MockWebSocketTransport
from venuekit.pacing import PacerRegistry
from venuekit_spec import (
    NOTHING,
    SECOND,
    BookDelta,
    BookSnapshot,
    Capability,
    Channel,
    Continuity,
    Description,
    Dial,
    Environment,
    Flow,
    HttpRequest,
    HttpResponse,
    Ids,
    Instant,
    Instrument,
    InstrumentKind,
    InstrumentTable,
    Join,
    MalformedMessage,
    Output,
    Outputs,
    PriceRule,
    Redial,
    Row,
    Send,
    Side,
    SizeRule,
    SnapshotSource,
    SocketLimits,
    SocketRequest,
    SyncRule,
    Topic,
    TopicLive,
    TopicLost,
    TopicRule,
    Trade,
    Unsupported,
    VenueUnavailable,
    Wake,
    hookimpl,
    http,
)

START: Final[Instant] = 1_700_000_000 * SECOND

RANGES: Final = SyncRule(snapshot=SnapshotSource.REST, ids=Ids.RANGE, join=Join.SPANS_NEXT)
SOCKET: Final = Dial("toy://socket", ping=None)
IN_BAND: Final = SyncRule(snapshot=SnapshotSource.IN_BAND, ids=Ids.NEXT)


def instrument(id_: str = "P1-USD", tick: str = "0.01", maximum: str | None = None) -> Instrument:
    """A spot instrument; by default one whose prices are exact as doubles."""
    base, quote = id_.split("-")
    return Instrument(
        id=id_,
        kind=InstrumentKind.SPOT,
        base=base,
        quote=quote,
        native={"name": id_},
        price=PriceRule(Decimal(tick), maximum=None if maximum is None else Decimal(maximum)),
        size=SizeRule(Decimal("0.001")),
    )


def delta(
    first: int, last: int | None = None, bids: Sequence[Row] = (), asks: Sequence[Row] = (), **more: Any
) -> BookDelta:
    """A delta of ``P1-USD`` that covers the ids from `first` to `last`."""
    last = first if last is None else last
    return BookDelta(
        instrument="P1-USD", bids=bids, asks=asks, **{"first": first, "last": last, "received": START} | more
    )


def snapshot(
    last: int | None, bids: Sequence[Row] = (), asks: Sequence[Row] = (), **more: Any
) -> BookSnapshot:
    """A snapshot of ``P1-USD`` that stands at `last`."""
    return BookSnapshot(instrument="P1-USD", bids=bids, asks=asks, last=last, **{"received": START} | more)


def entry(
    rule: SyncRule = RANGES, needs: list[Need] | None = None, traded: Instrument | None = None
) -> OrderBookTrackerEntry:
    """A tracked book that nobody drives; what it needs is noted in `needs`."""

    def note(_entry: AnyEntry, need: Need) -> None:
        if needs is not None:
            needs.append(need)

    traded = traded or instrument()
    return OrderBookTrackerEntry(Topic(Channel.BOOK, traded.id), traded, rule, note, venue="toy")


def live(
    rule: SyncRule = RANGES,
    bids: Sequence[Row] = (("1", "1"),),
    asks: Sequence[Row] = (("2", "1"),),
    *,
    needs: list[Need] | None = None,
    traded: Instrument | None = None,
    **more: Any,
) -> OrderBookTrackerEntry:
    """A tracked book that is LIVE at id 10."""
    tracked = entry(rule, needs, traded)
    tracked.started(START)
    tracked.snapshot(snapshot(10, bids, asks, **more))
    assert tracked.book.live
    return tracked


# --- the connector


class Frame(Struct):
    """All that the venue says, in one structure."""

    n: int | None = None
    live: str = ""
    lost: str = ""
    reason: str = ""
    final: bool = True
    redial: str = ""
    planned: bool = False
    wake: float | None = None
    delta: str = ""
    snapshot: str = ""
    trade: str = ""
    key: str = ""
    price: str = ""
    size: str = ""
    first: int | None = None
    last: int | None = None
    depth: int | None = None
    bids: list[tuple[str, str]] = []
    asks: list[tuple[str, str]] = []


class Head(Struct):
    """Whom a frame is about, where the rest of it cannot be read."""

    delta: str = ""
    snapshot: str = ""


class Book(Struct):
    """A book by REST."""

    last: int
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]
    depth: int | None = None


_frame = msgspec.json.Decoder(Frame)
_head = msgspec.json.Decoder(Head)
_book = msgspec.json.Decoder(Book)


def topic(text: str) -> Topic:
    """The topic of that name."""
    channel, _, pair = text.partition(":")
    return Topic(Channel(channel), pair)


class ToySession:
    def __init__(self) -> None:
        self._asked: frozenset[Topic] = frozenset()
        self.ticks: list[Instant] = []

    def opened(self, now: Instant) -> Outputs:
        return NOTHING

    def want(self, topics: frozenset[Topic], now: Instant) -> Outputs:
        gone, new = self._asked - topics, topics - self._asked
        self._asked = topics
        changes = (("unsubscribe", gone), ("subscribe", new))
        return [Send(_say(verb, which)) for verb, which in changes if which]

    def call(self, request: SocketRequest, now: Instant) -> Outputs:
        raise Unsupported("toy takes no calls")

    def feed(self, frame: bytes, now: Instant) -> Outputs:
        try:
            return self._outputs(_frame.decode(frame), now)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            pair = _loser(frame)
            raise MalformedMessage(
                str(error)[:100],
                venue="toy",
                topic=f"book:{pair}" if pair else "",
                instrument=pair,
                frame=frame,
            ) from error

    def tick(self, now: Instant) -> Outputs:
        self.ticks.append(now)
        return [Send("tick")]

    def answered(self, tag: str, result: Any, now: Instant) -> Outputs:
        return NOTHING

    def closed(self, reason: str) -> None:
        pass

    def _outputs(self, frame: Frame, now: Instant) -> Outputs:
        said: list[Output] = [] if frame.n is None else [Continuity(n=frame.n)]
        bids, asks = frame.bids, frame.asks
        if frame.live:
            said.append(TopicLive(topic(frame.live)))
        if frame.lost:
            lost = topic(frame.lost)
            self._asked -= {lost}
            said.append(TopicLost(lost, frame.reason, final=frame.final))
        if frame.redial:
            said.append(Redial(frame.redial, planned=frame.planned))
        if frame.wake is not None:
            said.append(Wake(START + round(frame.wake * SECOND)))
        if frame.snapshot:
            said.append(
                BookSnapshot(
                    instrument=frame.snapshot,
                    bids=bids,
                    asks=asks,
                    last=frame.last,
                    depth=frame.depth,
                    received=now,
                )
            )
        if frame.delta:
            said.append(
                BookDelta(
                    instrument=frame.delta,
                    bids=bids,
                    asks=asks,
                    first=frame.first,
                    last=frame.last,
                    received=now,
                )
            )
        if frame.trade:
            said.append(
                Trade(
                    instrument=frame.trade,
                    price=frame.price,
                    size=frame.size,
                    side=Side.BUY,
                    key=frame.key,
                    received=now,
                )
            )
        return said


def _say(verb: str, topics: Iterable[Topic]) -> str:
    return msgspec.json.encode({"op": verb, "topics": sorted(map(str, topics))}).decode()


def _loser(frame: bytes) -> str:
    """The pair of a frame that cannot be read as a whole, empty where not even that can be told."""
    try:
        head = _head.decode(frame)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""
    return head.delta or head.snapshot


class ToySource:
    def __init__(self, dial: Dial) -> None:
        self._dial = dial

    def instruments(self) -> Flow[Sequence[Instrument]]:
        response = yield from http(HttpRequest("GET", "toy://rest/instruments"))
        return [instrument(name) for name in msgspec.json.decode(response.body, type=list[str])]

    def server_time(self) -> Flow[Instant]:
        yield from http(HttpRequest("GET", "toy://rest/time"))
        raise Unsupported("toy has no clock")

    def snapshot(self, topic: Topic, instrument: Instrument) -> Flow[BookSnapshot]:
        response = yield from http(HttpRequest("GET", f"toy://rest/book/{instrument.id}", repeatable=False))
        if response.status != 200:
            raise VenueUnavailable(f"HTTP {response.status}", venue="toy")
        book = _book.decode(response.body)
        return BookSnapshot(
            instrument=instrument.id,
            bids=book.bids,
            asks=book.asks,
            last=book.last,
            depth=book.depth,
            received=response.received,
        )

    def dial(self, topics: Collection[Topic]) -> Flow[Dial]:
        yield from ()
        return self._dial

    def session(self, dial: Dial, instruments: InstrumentTable) -> ToySession:
        return ToySession()


class ToyConnector:
    """The plugin: an object with the hooks."""

    def __init__(self, rule: SyncRule, dial: Dial, topics: int) -> None:
        self._dial = dial
        self._description = Description(
            venue="toy",
            name="Toy",
            environments=(Environment("local", {"rest": "toy://rest"}, real_money=False),),
            kinds=frozenset({InstrumentKind.SPOT}),
            capabilities=frozenset({Capability.BOOKS, Capability.TRADES}),
            topics=(TopicRule(Channel.BOOK, sync=rule), TopicRule(Channel.TRADES)),
            links=("https://toy.example/docs",),
            sockets=SocketLimits(topics=topics),
        )

    @hookimpl
    def describe(self) -> Description:
        return self._description

    @hookimpl
    def data_source(self, environment: Environment) -> ToySource:
        return ToySource(self._dial)


def toy(rule: SyncRule = RANGES, *, dial: Dial = SOCKET, topics: int = 1000) -> LoadedConnector:
    """The connector, loaded; `topics` fit on one socket."""
    return connect(ToyConnector(rule, dial, topics), "toy")


# --- the venue


class GatedTransport(MockWebSocketTransport):
    """A transport whose dials take until `gate` is set, where there is one."""

    gate: anyio.Event | None = None

    async def open(self, dial: Dial) -> MockWebSocket:
        if self.gate is not None:
            await self.gate.wait()
        return await super().open(dial)


class ToyVenue:
    """The venue's side, played by a test. Each pair has one bid and one ask, and an update id that starts at 1.

    `failing`: pairs whose snapshot is answered by an error. `silent`: topics whose subscription is not confirmed.
    `asked` counts the snapshots asked for.
    """

    def __init__(self, pairs: Iterable[str], *, in_band: bool = False) -> None:
        self.clock = VirtualClock(START)
        self.http = MockHttpTransport(self._answer, clock=self.clock)
        self.websockets = GatedTransport(self.clock, on_open=self._script)
        self.failing: set[str] = set()
        self.silent: set[str] = set()
        self.asked: defaultdict[str, int] = defaultdict(int)
        self.told: list[dict[str, Any]] = []
        """What clients said, oldest first."""
        self.transports = NetworkTransports(self.http, self.websockets)
        self._sizes = dict.fromkeys(pairs, "5")
        self._held: anyio.Event | None = None
        self._in_band = in_band
        self._ids = dict.fromkeys(pairs, 1)
        self._subscribed: defaultdict[str, list[MockWebSocket]] = defaultdict(list)

    @property
    def pairs(self) -> tuple[str, ...]:
        return tuple(self._ids)

    @property
    def socket(self) -> MockWebSocket:
        return self.websockets.latest

    def serving(self, topic: str) -> MockWebSocket:
        """The socket that a topic was subscribed to on last."""
        return self._subscribed[topic][-1]

    def push(self, text: str | bytes | dict[str, Any], socket: MockWebSocket | None = None) -> None:
        """A frame arrives."""
        (socket or self.socket).push(text if isinstance(text, str | bytes) else msgspec.json.encode(text))

    def move(self, pair: str, *, lose: bool = False) -> int:
        """The best bid of a pair has another size, its update id; tells subscribers of it unless that is to be lost."""
        self._ids[pair] = last = self._ids[pair] + 1
        said = {"delta": pair, "first": last, "last": last, "bids": [("100", str(last))]}
        for socket in () if lose else self._subscribed[f"book:{pair}"]:
            self.push(said, socket)
        return last

    def spoil(self, pair: str, size: str = "5") -> None:
        """The size at the best ask of a pair, from now on in snapshots; nobody is told."""
        self._sizes[pair] = size

    def hold(self, until: anyio.Event) -> None:
        """The next snapshot is made at once and answered only when `until` is set."""
        self._held = until

    def true_size(self, pair: str) -> Decimal:
        """What rests at the best bid of a pair."""
        return Decimal(self._ids[pair])

    def wrong(self, exchange: Exchange) -> list[str]:
        """The pairs whose book is not LIVE, or not what it is here."""
        return [
            pair
            for pair in self.pairs
            if not (book := exchange.books[pair]).live
            or book.size_at(Side.BUY, "100") != self.true_size(pair)
        ]

    async def until(self, condition: Callable[[], bool], limit: float = 60.0) -> None:
        """Let time pass until something is so."""
        await self.clock.run_until(condition, limit)

    async def settle(self) -> None:
        """Let everybody run who has something to do now."""
        await self.clock.settle()

    @asynccontextmanager
    async def opened(
        self, connector: LoadedConnector | None = None, *, channels: Iterable[str] = ("book",)
    ) -> AsyncIterator[Exchange]:
        """An exchange on this venue, with all its pairs."""
        async with open_exchange(
            connector or toy(),
            pairs=self.pairs,
            channels=channels,
            clock=self.clock,
            transports=self.transports,
            pacers=PacerRegistry(),
            seed=1,
        ) as exchange:
            yield exchange

    def _state(self, pair: str) -> dict[str, Any]:
        last = self._ids[pair]
        return {"last": last, "bids": [("100", str(last))], "asks": [("101", self._sizes[pair])]}

    def _answer(self, request: HttpRequest) -> HttpResponse | Awaitable[HttpResponse]:
        path = request.url.removeprefix("toy://rest/")
        if path == "instruments":
            return HttpResponse(200, msgspec.json.encode(self.pairs))
        pair = path.removeprefix("book/")
        self.asked[pair] += 1
        if pair in self.failing:
            return HttpResponse(502, b"bad gateway")
        response = HttpResponse(200, msgspec.json.encode(self._state(pair)))
        held, self._held = self._held, None
        return response if held is None else _later(response, held)

    def _script(self, socket: MockWebSocket) -> None:
        def on_send(frame: str | bytes) -> None:
            if frame == "tick":
                return
            said = msgspec.json.decode(frame)
            self.told.append(said)
            for name in said["topics"]:
                sockets = self._subscribed[name]
                if socket in sockets:
                    sockets.remove(socket)
                if said["op"] == "unsubscribe" or name in self.silent:
                    continue
                sockets.append(socket)
                self.push({"live": name}, socket)
                pair = name.partition(":")[2]
                if self._in_band and name.startswith("book:"):
                    self.push({"snapshot": pair, **self._state(pair)}, socket)

        socket.on_send = on_send


async def _later(response: HttpResponse, until: anyio.Event) -> HttpResponse:
    await until.wait()
    return response
