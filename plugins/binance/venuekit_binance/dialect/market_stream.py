"""The market streams of one socket.

Changes of a book are gathered and told at instants aligned to the clock: each level with its size at the end, under the range
``U`` to ``u`` of ids that is covered. Trades are told at once, and so is the best price of either side when it changes. A
stream that does not exist is subscribed to like any other, and nothing ever comes of it. The socket is pinged whether or not
anything happens.

https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

import msgspec
from msgspec import Struct

from venuekit_binance.data_source import LIFETIME
from venuekit_binance.dialect.listings import number
from venuekit_binance.session import SHUTDOWN
from venuekit_spec import (
    MILLISECOND,
    SECOND,
    UNREADABLE,
    Engine,
    EngineEvent,
    Hangup,
    Instant,
    LevelChanged,
    Ping,
    Send,
    ServerOutput,
    ServerOutputs,
    Side,
    TradeHappened,
    Wake,
    after,
)

STREAMS: Final = 1_024
"""On one socket."""

FRAMES: Final = 5
"""A second that a client may send."""

PING: Final = 20 * SECOND
"""From one ping to the next. Whoever does not answer for a minute would be disconnected; here pongs are not seen."""

NOTICE: Final = 60 * SECOND
"""So long before the end of a socket's life its end is announced."""

INTERVALS: Final[Mapping[str, Instant]] = MappingProxyType({
    "depth": SECOND,
    "depth@100ms": 100 * MILLISECOND,
})  # fmt: skip
"""What follows the symbol in the name of a stream of changes -> how often it tells them."""

POLICY: Final = 1008
GOING_AWAY: Final = 1001


class Method(StrEnum):
    """What a client can ask."""

    SUBSCRIBE = "SUBSCRIBE"
    UNSUBSCRIBE = "UNSUBSCRIBE"
    LIST = "LIST_SUBSCRIPTIONS"


class _Request(Struct, frozen=True):
    """``{"method":"SUBSCRIBE","params":["btcusdt@depth@100ms"],"id":1}``"""

    method: str
    id: int | str | None = None
    params: list[str] = []


class _Gathered(Struct):
    """What has changed in a book since it was last told of, and when it is told."""

    first: int
    last: int
    levels: dict[tuple[Side, Decimal], Decimal]
    due: Instant


_request = msgspec.json.Decoder(_Request)


class MarketStream:
    """One client's socket. `streams` are those that its URL names; `wrapped`: events come with the names of theirs."""

    def __init__(self, engine: Engine, streams: Iterable[str], *, wrapped: bool) -> None:
        self._engine = engine
        self._symbols = engine.instruments.ids_by_native("socket")
        self._wrapped = wrapped
        self._streams: dict[str, None] = dict.fromkeys(streams)
        self._gathered: dict[str, _Gathered] = {}
        self._tops: dict[str, tuple[str, str, str, str]] = {}
        self._second: Instant = 0
        self._frames = 0
        self._ends: Instant = 0
        self._pings: Instant = 0
        self._announced = False

    def opened(self, now: Instant) -> ServerOutputs:
        """Nothing is said; the client speaks first."""
        self._ends = after(now, LIFETIME)
        self._pings = now + PING
        return (self._wake(),)

    def feed(self, frame: str | bytes, now: Instant) -> ServerOutputs:
        """A request."""
        if now // SECOND != self._second:
            self._second, self._frames = now // SECOND, 0
        self._frames += 1
        if self._frames > FRAMES:
            return (Hangup(POLICY, "Too many requests"),)
        try:
            request = _request.decode(frame)
        except UNREADABLE:
            return (_refuse(3, "Invalid JSON: not a request", None),)
        if request.method == Method.LIST:
            return (_frame({"result": [*self._streams], "id": request.id}),)
        if request.method == Method.SUBSCRIBE:
            if len(self._streams.keys() | set(request.params)) > STREAMS:
                return (_refuse(2, "Invalid request: too many parameters", request.id),)
            self._streams.update(dict.fromkeys(request.params))
        elif request.method == Method.UNSUBSCRIBE:
            for stream in request.params:
                self._streams.pop(stream, None)
                self._gathered.pop(stream, None)
                self._tops.pop(stream, None)
        else:
            return (_refuse(2, f"Invalid request: unknown method {request.method}", request.id),)
        return (_frame({"result": None, "id": request.id}),)

    def event(self, event: EngineEvent, now: Instant) -> ServerOutputs:
        """A trade is told at once, a level is gathered."""
        if isinstance(event, LevelChanged):
            return self._level(event, now)
        if isinstance(event, TradeHappened):
            stream = f"{self._symbol(event.instrument)}@trade"
            return (self._event(stream, self._trade(event, now)),) if stream in self._streams else ()
        return ()

    def tick(self, now: Instant) -> ServerOutputs:
        """Tell what was gathered, and ping."""
        if now >= self._ends:
            return (Hangup(GOING_AWAY, "24 hours have passed"),)
        out: list[ServerOutput] = []
        if now >= self._pings:
            self._pings = now + PING
            out.append(Ping())
        if now >= self._ends - NOTICE and not self._announced:
            self._announced = True
            out.append(self._event(f"!{SHUTDOWN}", {"e": SHUTDOWN, "E": now // MILLISECOND}))
        for stream, gathered in [*self._gathered.items()]:
            if now >= gathered.due:
                del self._gathered[stream]
                out.append(self._event(stream, self._depth(stream, gathered, now)))
        return (*out, self._wake())

    def closed(self) -> None:
        """The client is gone."""
        self._streams.clear()
        self._gathered.clear()

    def _level(self, event: LevelChanged, now: Instant) -> ServerOutputs:
        symbol = self._symbol(event.instrument)
        waking = False
        for suffix, interval in INTERVALS.items():
            stream = f"{symbol}@{suffix}"
            if stream not in self._streams:
                continue
            gathered = self._gathered.get(stream)
            if gathered is None:
                due = (now // interval + 1) * interval
                self._gathered[stream] = gathered = _Gathered(event.id, event.id, {}, due)
                waking = True
            gathered.last = event.id
            gathered.levels[event.side, event.price] = event.size
        out: list[ServerOutput] = [self._wake()] if waking else []
        stream = f"{symbol}@bookTicker"
        if stream in self._streams:
            out += self._top(stream, event)
        return out

    def _top(self, stream: str, event: LevelChanged) -> ServerOutputs:
        """The best prices, where they are others than those told last; once for each change of the book."""
        book = self._engine.book(event.instrument, 1)
        if event.id != book.id:
            return ()
        best = [(number(p), number(s)) for p, s in (*book.bids[:1], *book.asks[:1])]
        nothing = (number(None), number(None))
        bid = best[0] if book.bids else nothing
        ask = best[-1] if book.asks else nothing
        if self._tops.get(stream) == (*bid, *ask):
            return ()
        self._tops[stream] = (*bid, *ask)
        symbol = self._engine.instruments[event.instrument].native["rest"]
        told = {"u": book.id, "s": symbol, "b": bid[0], "B": bid[1], "a": ask[0], "A": ask[1]}
        return (self._event(stream, told),)

    def _depth(self, stream: str, gathered: _Gathered, now: Instant) -> dict[str, Any]:
        sides: dict[Side, list[tuple[str, str]]] = {Side.BUY: [], Side.SELL: []}
        for (side, price), size in gathered.levels.items():
            sides[side].append((number(price), number(size)))
        instrument = self._engine.instruments[self._symbols[stream.partition("@")[0]]]
        return {
            "e": "depthUpdate",
            "E": now // MILLISECOND,
            "s": instrument.native["rest"],
            "U": gathered.first,
            "u": gathered.last,
            "b": sides[Side.BUY],
            "a": sides[Side.SELL],
        }

    def _trade(self, event: TradeHappened, now: Instant) -> dict[str, Any]:
        return {
            "e": "trade",
            "E": now // MILLISECOND,
            "s": self._engine.instruments[event.instrument].native["rest"],
            "t": event.number,
            "p": number(event.price),
            "q": number(event.size),
            "T": event.time // MILLISECOND,
            "m": event.side is Side.SELL,
            "M": True,
        }

    def _symbol(self, instrument: str) -> str:
        return self._engine.instruments[instrument].native["socket"]

    def _event(self, stream: str, data: dict[str, Any]) -> Send:
        return _frame({"stream": stream, "data": data} if self._wrapped else data)

    def _wake(self) -> Wake:
        """Wake for what is told first, for the next ping, or for the end."""
        end = self._ends if self._announced else self._ends - NOTICE
        return Wake(min((end, self._pings, *(gathered.due for gathered in self._gathered.values()))))


def method_of(frame: str | bytes) -> str:
    """What a client's frame asks for; empty where it cannot be read."""
    try:
        return _request.decode(frame).method
    except UNREADABLE:
        return ""


def _frame(payload: dict[str, Any]) -> Send:
    return Send(msgspec.json.encode(payload).decode())


def _refuse(code: int, message: str, number_: int | str | None) -> Send:
    return _frame({"error": {"code": code, "msg": message}, "id": number_})
