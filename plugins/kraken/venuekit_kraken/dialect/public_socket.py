"""The public socket: subscriptions of one client, and what it is told.

A book is told as the difference between the levels that the client has, cut to its depth, and the best there are: what falls
out of the depth is not told, what comes back into it is. Each message carries the checksum of the best ten levels after it.
Numbers are bare and without trailing zeros. One answer comes for each symbol of a request, before its snapshot.

https://docs.kraken.com/exchange/guides/websockets/introduction
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final, TypeAlias
from zlib import crc32

import msgspec
from msgspec import Struct

from venuekit_kraken.description import BOOK_DEPTHS
from venuekit_kraken.dialect.market import Levels, Market, NumberedTrade
from venuekit_spec import (
    MICROSECOND,
    SECOND,
    UNREADABLE,
    Engine,
    EngineEvent,
    Instant,
    Instrument,
    LevelChanged,
    Send,
    ServerOutput,
    ServerOutputs,
    Side,
    TradeHappened,
    Wake,
)

BEAT: Final = SECOND
"""So long after the last frame a heartbeat comes, where anything is subscribed to."""

USUAL_DEPTH: Final = 10
CHECKED: Final = 10
"""Levels a side that a checksum covers, at any depth."""

DEPTHS: Final = frozenset(BOOK_DEPTHS.values())
RECENT: Final = 50
"""Trades in a snapshot of them."""

VERSION: Final[Mapping[str, str]] = MappingProxyType({"api_version": "v2", "version": "2.0.0"})

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


_Level: TypeAlias = tuple[Decimal | None, Decimal | None]


class _Parameters(Struct, frozen=True):
    channel: str
    symbol: list[str] = []
    depth: int = USUAL_DEPTH
    snapshot: bool | None = None
    event_trigger: str = "trades"


class _Request(Struct, frozen=True):
    """``{"method":"subscribe","params":{"channel":"book","symbol":["BTC/USD"],"depth":10},"req_id":1}``"""

    method: str
    params: _Parameters | None = None
    req_id: int | None = None


class _Book(Struct):
    """A book as the client has it."""

    depth: int
    sides: dict[Side, Levels]


class _Ticker(Struct):
    """A ticker: whether each change of the best prices is told, or each trade; and what was told last."""

    by_quote: bool
    told: tuple[_Level, _Level] | None = None


_request = msgspec.json.Decoder(_Request)
_encoder = msgspec.json.Encoder(decimal_format="number")


class PublicSocket:
    """One client's socket."""

    def __init__(self, engine: Engine, market: Market) -> None:
        self._engine = engine
        self._market = market
        self._ids = engine.instruments.ids_by_native("socket")
        self._books: dict[str, _Book] = {}
        self._tickers: dict[str, _Ticker] = {}
        self._trades: set[str] = set()
        self._held: Mapping[str, Collection[str]] = {
            "book": self._books,
            "ticker": self._tickers,
            "trade": self._trades,
        }
        self._read = market.trades
        self._beat: Instant = 0

    def opened(self, now: Instant) -> ServerOutputs:
        """The state of the engine, first of all."""
        status = {**VERSION, "connection_id": 2**63 + now % 2**62, "system": "online"}
        return self._told([_data("status", "update", status)], now)

    def feed(self, frame: str | bytes, now: Instant) -> ServerOutputs:
        """A request."""
        try:
            request = _request.decode(frame)
        except UNREADABLE:
            return self._told([_answer("error", None, now, success=False, error="Malformed request")], now)
        if request.method == "ping":
            return self._told([_answer("pong", request.req_id, now)], now)
        if request.method not in {"subscribe", "unsubscribe"} or request.params is None:
            refusal = _answer("error", request.req_id, now, success=False, error="Method is not supported")
            return self._told([refusal], now)
        out: list[Send] = []
        for symbol in request.params.symbol:
            out += self._change(request, request.params, symbol, now)
        return self._told(out, now)

    def event(self, event: EngineEvent, now: Instant) -> ServerOutputs:
        """What has happened to something that is subscribed to. All changes of one moment are one message."""
        out: list[Send] = []
        if isinstance(event, TradeHappened):
            out = self._traded(now)
        elif isinstance(event, LevelChanged) and self._market.complete(event):
            out = [*self._changed(event.instrument, now), *self._ticked(event.instrument, now)]
        return self._told(out, now) if out else ()

    def tick(self, now: Instant) -> ServerOutputs:
        """A heartbeat, if nothing else was sent."""
        if now < self._beat:
            return (Wake(self._beat),)
        subscribed = self._books or self._tickers or self._trades
        return self._told([_send({"channel": "heartbeat"})] if subscribed else [], now)

    def closed(self) -> None:
        """The client is gone."""
        self._books.clear()
        self._tickers.clear()
        self._trades.clear()

    # Subscriptions

    def _change(self, request: _Request, asked: _Parameters, symbol: str, now: Instant) -> Sequence[Send]:
        """Subscribe to one symbol, or unsubscribe: the answer, then the snapshot."""
        id_, channel = self._ids.get(symbol), asked.channel
        error = self._refusal(request.method, asked, symbol)
        if error or id_ is None:
            refusal = _answer(request.method, request.req_id, now, success=False, error=error, symbol=symbol)
            return (refusal,)
        result: dict[str, Any] = {"channel": channel, "symbol": symbol}
        if channel == "book":
            result["depth"] = asked.depth
        if request.method == "unsubscribe":
            self._forget(channel, id_)
            return (_answer(request.method, request.req_id, now, success=True, result=result),)
        wanted = channel != "trade" if asked.snapshot is None else asked.snapshot
        answer = _answer(
            request.method, request.req_id, now, success=True, result={**result, "snapshot": wanted}
        )
        if channel == "book":
            self._books[id_] = _Book(asked.depth, self._best(id_, asked.depth))
            return (answer, self._image(id_, asked.depth, now)) if wanted else (answer,)
        if channel == "ticker":
            self._tickers[id_] = _Ticker(asked.event_trigger == "bbo")
            return (answer, *self._ticked(id_, now, type_="snapshot"))
        self._trades.add(id_)
        recent = [each for each in self._market.trades_since(0) if each.trade.instrument == id_][-RECENT:]
        return (answer, self._told_trades(recent, "snapshot")) if wanted and recent else (answer,)

    def _refusal(self, method: str, asked: _Parameters, symbol: str) -> str:
        """Why a subscription, or its end, is refused; empty where it is not."""
        if asked.channel not in self._held:
            return "Channel not supported"
        if symbol not in self._ids:
            return f"Currency pair not supported {symbol}"
        if asked.channel == "book" and asked.depth not in DEPTHS:
            return "Subscription depth not supported"
        if (self._ids[symbol] in self._held[asked.channel]) == (method == "subscribe"):
            return "Already subscribed" if method == "subscribe" else "Subscription not found"
        return ""

    def _forget(self, channel: str, id_: str) -> None:
        if channel == "book":
            del self._books[id_]
        elif channel == "ticker":
            del self._tickers[id_]
        else:
            self._trades.discard(id_)

    # What is told

    def _changed(self, id_: str, now: Instant) -> Sequence[Send]:
        """What has changed within a book's depth."""
        book = self._books.get(id_)
        if book is None:
            return ()
        before, book.sides = book.sides, self._best(id_, book.depth)
        rows = {side: _difference(before[side], now_, side, book.depth) for side, now_ in book.sides.items()}
        if not any(rows.values()):
            return ()
        top = {side: [*levels.items()][:CHECKED] for side, levels in book.sides.items()}
        return (self._book("update", id_, rows, top, now),)

    def _image(self, id_: str, depth: int, now: Instant) -> Send:
        """A book, as the engine shows it."""
        image = self._engine.book(id_, depth)
        rows = {Side.BUY: [*image.bids], Side.SELL: [*image.asks]}
        return self._book("snapshot", id_, rows, rows, now)

    def _book(
        self,
        type_: str,
        id_: str,
        rows: Mapping[Side, Sequence[tuple[Decimal, Decimal]]],
        top: Mapping[Side, Sequence[tuple[Decimal, Decimal]]],
        now: Instant,
    ) -> Send:
        instrument = self._engine.instruments[id_]
        bids, asks = (
            [{"price": _short(price), "qty": _short(size)} for price, size in rows[side]] for side in Side
        )
        told = {
            "symbol": instrument.native["socket"],
            "bids": bids,
            "asks": asks,
            "checksum": _checksum(top, instrument),
            "timestamp": _moment(now),
        }
        return _data("book", type_, told)

    def _best(self, id_: str, depth: int) -> dict[Side, Levels]:
        return {side: self._market.best(id_, side, depth) for side in Side}

    def _ticked(self, id_: str, now: Instant, type_: str = "update") -> Sequence[Send]:
        """The best prices, where they are others than those told last."""
        ticker = self._tickers.get(id_)
        if ticker is None or not (ticker.by_quote or type_ == "snapshot"):
            return ()
        best = self._quote(id_)
        if best == ticker.told:
            return ()
        ticker.told = best
        return (self._ticker(id_, best, now, type_),)

    def _quote(self, id_: str) -> tuple[_Level, _Level]:
        """The best bid and ask; None where a side is empty."""
        bid, ask = (
            next(((_short(price), _short(size)) for price, size in levels.items()), (None, None))
            for levels in self._best(id_, 1).values()
        )
        return bid, ask

    def _ticker(self, id_: str, best: tuple[_Level, _Level], now: Instant, type_: str) -> Send:
        (bid, bid_size), (ask, ask_size) = best
        told = {
            "symbol": self._engine.instruments[id_].native["socket"],
            "bid": bid,
            "bid_qty": bid_size,
            "ask": ask,
            "ask_qty": ask_size,
            "timestamp": _moment(now),
        }
        return _data("ticker", type_, told)

    def _traded(self, now: Instant) -> list[Send]:
        """The trades that were not read yet, a message for each symbol, and the tickers that go by trades."""
        by_symbol: dict[str, list[NumberedTrade]] = {}
        for each in self._market.trades_since(self._read):
            by_symbol.setdefault(each.trade.instrument, []).append(each)
        self._read = self._market.trades
        out: list[Send] = []
        for id_, trades in by_symbol.items():
            if id_ in self._trades:
                out.append(self._told_trades(trades, "update"))
            if id_ in self._tickers and not self._tickers[id_].by_quote:
                out.append(self._ticker(id_, self._quote(id_), now, "update"))
        return out

    def _told_trades(self, trades: Sequence[NumberedTrade], type_: str) -> Send:
        return _data(
            "trade",
            type_,
            *(
                {
                    "symbol": self._engine.instruments[each.trade.instrument].native["socket"],
                    "side": each.trade.side.value,
                    "price": _short(each.trade.price),
                    "qty": _short(each.trade.size),
                    "ord_type": "limit",
                    "trade_id": each.number,
                    "timestamp": _moment(each.trade.time),
                }
                for each in trades
            ),
        )

    def _told(self, frames: Sequence[Send], now: Instant) -> ServerOutputs:
        """These frames; the next heartbeat is due one `BEAT` after them."""
        self._beat = now + BEAT
        out: list[ServerOutput] = [*frames]
        return (*out, Wake(self._beat))


def method_of(frame: str | bytes) -> str:
    """What a client's frame asks for; empty where it cannot be read."""
    try:
        return _request.decode(frame).method
    except UNREADABLE:
        return ""


def _difference(before: Levels, now: Levels, side: Side, depth: int) -> list[tuple[Decimal, Decimal]]:
    """What leads from one side to another, for a client that cuts to the depth by itself.

    A client with fewer levels than that cuts nothing, and is told of each that goes.
    """
    worst = next(reversed(now)) if len(now) == depth else None
    gone = [
        (price, Decimal(0))
        for price in before.keys() - now.keys()
        if worst is None or (price > worst) == (side is Side.BUY)
    ]
    return [*sorted(gone), *((price, size) for price, size in now.items() if before.get(price) != size)]


def _checksum(top: Mapping[Side, Sequence[tuple[Decimal, Decimal]]], instrument: Instrument) -> int:
    """Of the best levels, asks first: each number in its smallest unit. Worked out here, so that the client's sum is judged."""
    price_decimals, size_decimals = instrument.price_decimals or 0, instrument.size_decimals or 0
    told = (
        f"{int(price.scaleb(price_decimals))}{int(size.scaleb(size_decimals))}"
        for side in (Side.SELL, Side.BUY)
        for price, size in top[side][:CHECKED]
    )
    return crc32("".join(told).encode())


def _short(number: Decimal) -> Decimal:
    """A number without trailing zeros and without an exponent."""
    return Decimal(format(number.normalize(), "f"))


def _moment(instant: Instant) -> str:
    stamp = EPOCH + timedelta(microseconds=instant // MICROSECOND)
    return stamp.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _send(payload: Mapping[str, Any]) -> Send:
    return Send(_encoder.encode(payload).decode())


def _data(channel: str, type_: str, *data: Mapping[str, Any]) -> Send:
    return _send({"channel": channel, "type": type_, "data": data})


def _answer(method: str, number: int | None, now: Instant, **told: Any) -> Send:
    """An answer to a request; it says when the request came, and when it was answered."""
    asked = {} if number is None else {"req_id": number}
    return _send({"method": method, **asked, **told, "time_in": _moment(now), "time_out": _moment(now)})
