"""Every kind of feed, for tests: one market whose true book is known after each step, told as each rule wants it told.

A frame is a list of values of the contract, ``[["BookDelta", {"instrument": "P1-USD", "last": 9, ...}], ...]``, so that the
session has nothing to translate. The market counts its steps by the size of a bid far below all others: any book says by
itself which step it shows, whatever ids its feed has, and can be compared with the truth of that step.

Update ids of feeds with snapshots on the socket are another socket's by an offset: they must never be mixed.
"""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Callable, Collection, Iterable
from decimal import Decimal
from random import Random
from typing import Any, Final

import msgspec
from attrs import define, evolve, field, frozen
from framework.core.tests.order_feeds import Model, event
from framework.core.tests.venues import SOCKET, ToySession, ToySource, ToyVenue, topic

from venuekit import Exchange, LoadedConnector, connect
from venuekit.books import OrderBook
from venuekit.books.order_book import OrderByOrderBook
from venuekit.drivers.websocket import MockWebSocket
from venuekit_spec import (
    Auth,
    BookChecksum,
    BookDelta,
    BookSnapshot,
    Capability,
    Channel,
    Checksum,
    Codec,
    Continuity,
    Credentials,
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
    LimitReport,
    Login,
    MalformedMessage,
    OrderAction,
    OrderBookSnapshot,
    OrderEvent,
    Output,
    Outputs,
    Redial,
    RestingOrder,
    Rows,
    Seconds,
    Send,
    Side,
    Sign,
    SnapshotSource,
    SyncRule,
    Topic,
    TopicLive,
    TopicLost,
    TopicRule,
    TopOfBook,
    Trade,
    VenueUnavailable,
    after,
    hookimpl,
    http,
)

PAIRS: Final = ("P1-USD", "P2-USD")

TICK: Final[Seconds] = 0.25
"""How often a market makes a step, unless a test has it slower (`KindVenue.pace`)."""

LATENCY: Final[Seconds] = 0.2
"""How long a request is on its way, there and back each."""

MARK: Final = Decimal(1)
"""The price of the bid whose size is the number of the step."""

FAR: Final = Decimal(1000)
"""The price of an ask that always rests."""


def crc(bids: Rows, asks: Rows, _instrument: Instrument) -> int:
    """The checksum of the feed that has one."""
    return _crc(bids, asks)


def _crc(*sides: Rows) -> int:
    return zlib.crc32(repr([[list(row[:2]) for row in rows] for rows in sides]).encode())


REST, IN_BAND, EVERY_MESSAGE = SnapshotSource


@frozen
class Kind:
    """A feed: its rule, and the channel of its books."""

    rule: SyncRule
    channel: Channel = Channel.BOOK

    def with_rule(self, **changes: Any) -> Kind:
        """The same with other values in its rule."""
        return evolve(self, rule=evolve(self.rule, **changes))


KINDS: Final = {
    "ranges": Kind(SyncRule(REST, Ids.RANGE, Join.SPANS_NEXT)),
    "ranges, global ids": Kind(SyncRule(REST, Ids.RANGE, Join.SPANS_NEXT, global_ids=True)),
    "links to a snapshot": Kind(SyncRule(REST, Ids.LINK, Join.SPANS_LAST)),
    "stamps": Kind(SyncRule(REST, Ids.ARRIVAL, Join.NEWER)),
    "one by one": Kind(SyncRule(IN_BAND, Ids.NEXT)),
    "links": Kind(SyncRule(IN_BAND, Ids.LINK)),
    "per connection": Kind(SyncRule(IN_BAND, per_connection=True)),
    "checksum": Kind(SyncRule(IN_BAND, checksum=Checksum(crc, 5))),
    "every message": Kind(SyncRule(EVERY_MESSAGE)),
    "arrival": Kind(SyncRule(IN_BAND, audit=30.0, audit_window=2.0)),
    "orders": Kind(SyncRule(REST, Ids.NEXT), Channel.ORDERS),
}
"""The kinds of feed that venues have."""


# --- the connector

_VALUES: Final[dict[str, Callable[..., Output]]] = {
    kind.__name__: kind
    for kind in (
        BookChecksum,
        BookDelta,
        BookSnapshot,
        Continuity,
        LimitReport,
        Login,
        OrderBookSnapshot,
        OrderEvent,
        Redial,
        Sign,
        TopicLive,
        TopicLost,
        TopOfBook,
        Trade,
    )
}
_RECEIVED: Final = {"BookDelta", "BookSnapshot", "OrderBookSnapshot", "OrderEvent", "TopOfBook", "Trade"}


def orders_of(told: Iterable[list[str]]) -> list[RestingOrder]:
    """Resting orders from the wire."""
    return [RestingOrder(id_, Side(side), price, size) for id_, side, price, size in told]


def _value(name: str, body: dict[str, Any], now: Instant) -> Output:
    if name in _RECEIVED:
        body["received"] = now
    if "topic" in body:
        body["topic"] = topic(body["topic"])
    if "side" in body:
        body["side"] = Side(body["side"])
    if "action" in body:
        body["action"] = OrderAction(body["action"])
    if "orders" in body:
        body["orders"] = orders_of(body["orders"])
    return _VALUES[name](**body)


class KindSession(ToySession):
    """Says what the venue says. `answers` are the results of what it asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: list[tuple[str, Any]] = []

    def feed(self, frame: bytes, now: Instant) -> Outputs:
        try:
            return [_value(name, body, now) for name, body in msgspec.json.decode(frame)]
        except msgspec.MsgspecError as error:
            raise MalformedMessage(str(error)[:100], venue="toy", frame=frame) from error

    def answered(self, tag: str, result: Any, now: Instant) -> Outputs:
        self.answers.append((tag, result))
        if isinstance(result, Exception):
            return [TopicLost(topic(tag), str(result))]
        return [Send(msgspec.json.encode({"op": "fields", "topics": [], tag: dict(result)}).decode())]


class KindSource(ToySource):
    """The public side; `sessions` are those it made, oldest first."""

    def __init__(self, dial: Dial) -> None:
        super().__init__(dial)
        self.sessions: list[KindSession] = []

    def session(self, dial: Dial, instruments: InstrumentTable) -> ToySession:
        self.sessions.append(KindSession())
        return self.sessions[-1]

    def snapshot(self, topic: Topic, instrument: Instrument) -> Flow[Any]:
        response = yield from http(HttpRequest("GET", f"toy://rest/book/{instrument.id}", repeatable=False))
        if response.status != 200:
            raise VenueUnavailable(f"HTTP {response.status}", venue="toy")
        ((name, body),) = msgspec.json.decode(response.body)
        return _value(name, body, response.received)


class KindConnector:
    """The plugin: an object with the hooks, for one kind of feed."""

    def __init__(self, kind: Kind, dial: Dial) -> None:
        self.source = KindSource(dial)
        self._description = Description(
            venue="toy",
            name="Toy",
            environments=(Environment("local", {"rest": "toy://rest"}, real_money=False),),
            kinds=frozenset({InstrumentKind.SPOT}),
            capabilities=frozenset({Capability.BOOKS, Capability.TRADES}),
            topics=(
                TopicRule(kind.channel, sync=kind.rule),
                TopicRule(Channel.TRADES),
                TopicRule(Channel.TOP),
            ),
            links=("https://toy.example/docs",),
        )

    @hookimpl
    def describe(self) -> Description:
        return self._description

    @hookimpl
    def data_source(self, environment: Environment) -> KindSource:
        return self.source


class SigningConnector(KindConnector):
    """One that signs as well."""

    def __init__(self, kind: Kind, dial: Dial, signer: Auth) -> None:
        super().__init__(kind, dial)
        self._signer = signer

    @hookimpl
    def auth(self, credentials: Credentials, environment: Environment) -> Auth:
        return self._signer


def kind_of(kind: Kind, *, codec: Codec | None = None, **dial: Any) -> LoadedConnector:
    """The connector of one kind of feed, loaded; `dial` changes how its sockets are opened."""
    return connect(KindConnector(kind, evolve(SOCKET, codec=codec, **dial)), "toy")


# --- the venue


@frozen
class Truth:
    """The book of one step: levels best first, and the queues behind them as ids and sizes."""

    bids: list[tuple[Decimal, Decimal]]
    asks: list[tuple[Decimal, Decimal]]
    queues: dict[tuple[Side, Decimal], list[tuple[str, Decimal]]]


class Market:
    """One pair: orders that come and go, its update id, and the truth of every step so far."""

    def __init__(self, pair: str, rule: SyncRule, random: Random) -> None:
        self.pair = pair
        self.step = 1
        self.last = 100
        self.previous = 100
        self.history: dict[int, Truth] = {}
        self._rule = rule
        self._random = random
        self._made = 0
        self._model = Model()
        for side, price, order in ((Side.BUY, MARK, "mark"), (Side.SELL, FAR, "far")):
            self._model.apply(event(OrderAction.OPEN, order, side=side, price=str(price), size="1"))
        for _ in range(10):
            self._model.apply(self._opening())
        self._note()

    @property
    def truth(self) -> Truth:
        """The book as it is."""
        return self.history[self.step]

    def move(self, *untold: OrderEvent) -> list[OrderEvent]:
        """A step: its events as they are to be told. `untold` happen as well, and are not."""
        self.step += 1
        wide = self._random.randint(1, 3) if self._rule.ids in {Ids.RANGE, Ids.LINK} else 1
        self.previous, self.last = self.last, self.last + wide
        told = []
        for _ in range(self._random.randint(1, 3)):
            told.append(self._something())
            self._model.apply(told[-1])
        told.append(event(OrderAction.CHANGE, "mark", size=str(self.step)))
        self._model.apply(told[-1])
        for silent in untold:
            self._model.apply(silent)
        self._note()
        return told

    def snapshot(self, offset: int = 0) -> tuple[str, dict[str, Any]]:
        """The book as it is, for the wire."""
        truth = self.truth
        body: dict[str, Any] = {"instrument": self.pair, **self._id("last", self.last + offset)}
        bids, asks = _rows(truth.bids), _rows(truth.asks)
        return "BookSnapshot", body | {"bids": bids, "asks": asks, **self._checksum()}

    def orders(self) -> tuple[str, dict[str, Any]]:
        """Every order as it is, for the wire."""
        orders = [[id_, side, str(price), str(size)] for id_, side, price, size in self._model.orders]
        return "OrderBookSnapshot", {"instrument": self.pair, "last": self.last, "orders": orders}

    def delta(self, offset: int = 0) -> tuple[str, dict[str, Any]]:
        """What the last step changed in levels, for the wire."""
        before, now = self.history[self.step - 1], self.truth
        body: dict[str, Any] = {
            "instrument": self.pair,
            "bids": _changes(before.bids, now.bids),
            "asks": _changes(before.asks, now.asks),
            **self._id("last", self.last + offset),
            **self._checksum(),
        }
        if self._rule.ids in {Ids.RANGE, Ids.LINK}:
            body["first"] = self.previous + 1 + offset
        if self._rule.ids is Ids.LINK:
            body["previous"] = self.previous + offset
        return "BookDelta", body

    def _id(self, name: str, value: int) -> dict[str, int]:
        idless = self._rule.ids is Ids.ARRIVAL and self._rule.snapshot is not REST
        return {} if idless else {name: value}

    def _checksum(self) -> dict[str, int]:
        checksum, truth = self._rule.checksum, self.truth
        if checksum is None:
            return {}
        bids, asks = (_rows(side)[: checksum.levels] for side in (truth.bids, truth.asks))
        return {"checksum": _crc(bids, asks)}

    def _something(self) -> OrderEvent:
        random = self._random
        free = [order for order in self._model.orders if order[0].startswith("o")]
        if len(free) < 6 or random.random() < 0.5:
            return self._opening()
        id_, _, _, size = random.choice(free)
        action = random.choice((OrderAction.DONE, OrderAction.MATCH, OrderAction.CHANGE))
        told = {
            OrderAction.DONE: {},
            OrderAction.MATCH: {"size": str(random.randint(1, int(size)))},
            OrderAction.CHANGE: {"size": str(random.randint(1, 9))},
        }
        return event(action, id_, **told[action])

    def _opening(self) -> OrderEvent:
        self._made += 1
        side = self._random.choice(tuple(Side))
        price = 100 + self._random.randint(1, 8) * (-1 if side is Side.BUY else 1)
        size = str(self._random.randint(1, 9))
        return event(OrderAction.OPEN, f"o{self._made}", side=side, price=str(price), size=size)

    def _note(self) -> None:
        levels = {key: total for key, (total, _, _) in self._model.levels().items()}
        bids, asks = (
            sorted(
                ((price, size) for (its, price), size in levels.items() if its is side),
                reverse=side is Side.BUY,
            )
            for side in Side
        )
        self.history[self.step] = Truth(bids, asks, self._model.queues())


def _rows(levels: Iterable[tuple[Decimal, Decimal]]) -> list[tuple[str, str]]:
    return [(str(price), str(size)) for price, size in levels]


def _changes(before: list[tuple[Decimal, Decimal]], now: list[tuple[Decimal, Decimal]]) -> list[Any]:
    old, new = dict(before), dict(now)
    changed = {price for price in old.keys() | new.keys() if old.get(price) != new.get(price)}
    return _rows((price, new.get(price, Decimal(0))) for price in sorted(changed))


@define(eq=False)
class Line:
    """One socket, seen from the venue: what is on its way arrives `lag` seconds late, and of `muted` topics nothing leaves."""

    socket: MockWebSocket
    offset: int
    numbered: bool
    lag: Seconds = 0.0
    topics: set[str] = field(factory=set)
    muted: set[str] = field(factory=set)
    _number: int = 0
    _waiting: deque[tuple[Instant, list[Any]]] = field(factory=deque)

    def say(self, about: str, now: Instant, *said: tuple[str, dict[str, Any]], lost: bool = False) -> None:
        """Send values in one frame; or lose them on the way."""
        if about in self.muted:
            return
        self._number += 1
        numbers = [("Continuity", {"n": self._number})] if self.numbered else []
        if not lost:
            self._waiting.append((after(now, self.lag), [*numbers, *said]))

    def arrive(self, now: Instant) -> None:
        """Deliver what is due."""
        while self._waiting and self._waiting[0][0] <= now:
            self.socket.push(msgspec.json.encode(self._waiting.popleft()[1]))

    def catch_up(self, now: Instant) -> None:
        """Everything that is on its way arrives, and is late no more."""
        self.lag = 0.0
        self._waiting = deque((now, said) for _, said in self._waiting)
        self.arrive(now)


class KindVenue(ToyVenue):
    """The venue's side of one kind of feed. Time passes by `run` and `moving_until`, and markets move with it.

    Sockets to come lag by `lag` seconds. `lines` are all sockets, oldest first. `faults` are the moments at which a book that
    said LIVE was not what the market was at its step.
    """

    def __init__(self, kind: Kind, pairs: Iterable[str] = PAIRS, *, seed: int = 1) -> None:
        super().__init__(pairs)
        self.kind = kind
        self.markets = {pair: Market(pair, kind.rule, Random(f"{seed} {pair}")) for pair in pairs}
        self.lines: list[Line] = []
        self.lag: Seconds = 0.0
        self.pace: Seconds = TICK
        self.faults: list[str] = []

    @property
    def topics(self) -> set[str]:
        """The topics of all books."""
        return {f"{self.kind.channel}:{pair}" for pair in self.pairs}

    @property
    def open_lines(self) -> list[Line]:
        """The sockets that are open."""
        return [line for line in self.lines if not line.socket.closed]

    def step(self, pair: str, *untold: OrderEvent, lost: bool = False) -> None:
        """A market moves; a step that is lost leaves the venue and arrives nowhere."""
        market, rule = self.markets[pair], self.kind.rule
        events = market.move(*untold)
        about, now = f"{self.kind.channel}:{pair}", self.clock.now()
        for line in self.open_lines:
            if about not in line.topics:
                continue
            said = [market.delta(line.offset)]
            if rule.snapshot is EVERY_MESSAGE:
                said = [("BookSnapshot", market.snapshot()[1] | {"time": now})]
            elif self.kind.channel is Channel.ORDERS:
                said = [_told(each, pair, market.last, more=each is not events[-1]) for each in events]
            line.say(about, now, *said, lost=lost)

    async def run(self, seconds: Seconds) -> None:
        """Let time pass."""
        for _ in range(round(seconds / self.pace)):
            await self._beat()

    async def moving_until(self, condition: Callable[[], bool], limit: Seconds = 60.0) -> None:
        """Let time pass until something is so."""
        for _ in range(round(limit / self.pace)):
            if condition():
                return
            await self._beat()
        raise AssertionError(f"not so within {limit} seconds")

    def watch(self, exchange: Exchange) -> None:
        """Compare every book at each of its messages from now on."""
        for pair, book in exchange.books.items():
            book.listeners.append(lambda _message, pair=pair, book=book: self._look(pair, book))  # type: ignore[misc]

    def fault(self, pair: str, book: OrderBook) -> str:
        """What contradicts a book that is LIVE at the step it shows; empty when nothing does."""
        truth = self.markets[pair].history[self.shown(book)]
        if (book.bids(), book.asks()) != (truth.bids, truth.asks):
            return f"{pair} shows {book.bids()} {book.asks()} in place of {truth.bids} {truth.asks}"
        if isinstance(book, OrderByOrderBook):
            for (side, price), queue in truth.queues.items():
                if [(order.order_id, order.size) for order in book.orders(side, price)] != queue:
                    return f"{pair} has another queue at {price}"
        return ""

    @staticmethod
    def shown(book: OrderBook) -> int:
        """The step that a LIVE book shows."""
        return int(book.size_at(Side.BUY, MARK))

    def wrong(self, exchange: Exchange) -> list[str]:
        """The pairs whose book is not LIVE, not the latest, or not right."""
        return [
            pair
            for pair, book in exchange.books.items()
            if not book.live or self.shown(book) != self.markets[pair].step or self.fault(pair, book)
        ]

    def announce(self, *, planned: bool) -> None:
        """The present socket is about to end, or done for."""
        line = self.open_lines[0]
        line.say("", self.clock.now(), ("Redial", {"reason": "maintenance", "planned": planned}))
        line.arrive(self.clock.now())

    async def _beat(self) -> None:
        for pair in self.pairs:
            self.step(pair)
        now = self.clock.now()
        for line in self.open_lines:
            line.arrive(now)
        await self.clock.settle()
        await self.clock.advance(self.pace)

    def _look(self, pair: str, book: OrderBook) -> None:
        if book.live and (fault := self.fault(pair, book)):
            self.faults.append(fault)

    def _answer(self, request: HttpRequest) -> Any:
        path = request.url.removeprefix("toy://rest/")
        return super()._answer(request) if path == "instruments" else self._book(path.removeprefix("book/"))

    async def _book(self, pair: str) -> HttpResponse:
        self.asked[pair] += 1
        await self.clock.sleep(LATENCY)
        market = self.markets[pair]
        said = market.orders() if self.kind.channel is Channel.ORDERS else market.snapshot()
        response = HttpResponse(502, b"") if pair in self.failing else HttpResponse(200, _encoded([said]))
        await self.clock.sleep(LATENCY)
        return response

    def _script(self, socket: MockWebSocket) -> None:
        rule = self.kind.rule
        offset = 10_000 * len(self.lines) if rule.snapshot is IN_BAND else 0
        line = Line(socket, offset, rule.per_connection, self.lag)
        self.lines.append(line)

        def on_send(frame: str | bytes) -> None:
            said = msgspec.json.decode(frame)
            self.told.append(said)
            for name in said["topics"]:
                if said["op"] == "unsubscribe":
                    line.topics.discard(name)
                else:
                    line.topics.add(name)
                    self._subscribe(line, name)
            line.arrive(self.clock.now())

        socket.on_send = on_send

    def _subscribe(self, line: Line, name: str) -> None:
        now, pair = self.clock.now(), name.partition(":")[2]
        line.say(name, now, ("TopicLive", {"topic": name}))
        if self.kind.rule.snapshot is not REST and name in self.topics:
            said, body = self.markets[pair].snapshot(line.offset)
            if self.kind.rule.snapshot is EVERY_MESSAGE:
                body["time"] = now
            line.say(name, now, (said, body))


def _told(each: OrderEvent, pair: str, last: int, *, more: bool) -> tuple[str, dict[str, Any]]:
    body = {
        name: value
        for name in ("action", "order_id", "side", "price", "size")
        if (value := getattr(each, name))
    }
    return "OrderEvent", body | {"instrument": pair, "last": last, "more": more}


def _encoded(said: Collection[Any]) -> bytes:
    return msgspec.json.encode(said)
