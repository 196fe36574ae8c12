"""The public socket: channels by number, a row of a book in each frame, and one sequence over all of it.

Every 2.5 s each book tells its checksum, every 15 s each channel that it lives. Nothing is numbered before the flags say so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import count
from typing import Any, Final, TypeAlias
from zlib import crc32

from msgspec import Raw, Struct
from msgspec.json import Decoder, encode

from venuekit_bitfinex.instruments import SYMBOL
from venuekit_spec import (
    MILLISECOND,
    UNREADABLE,
    Engine,
    EngineEvent,
    Instant,
    LevelChanged,
    Send,
    ServerOutput,
    ServerOutputs,
    Side,
    TradeHappened,
    Wake,
)

CHECKED: Final = 25
"""Levels a side that a checksum covers."""

SMALL: Final = Decimal("0.000001")
"""Below this JavaScript writes a number with an exponent."""

CHECKSUM_EVERY: Final = 2_500 * MILLISECOND
HEARTBEAT: Final = 6
"""How many checksums there are to one heartbeat."""

TIMESTAMP, SEQUENCE, CHECKSUM = 32768, 65536, 131072

Levels: TypeAlias = dict[Decimal, Decimal]


class _Request(Struct):
    event: str = ""
    channel: str = ""
    symbol: str = ""
    len: str = "25"
    chanId: int = 0  # noqa: N815  # the venue's word
    flags: int = 0


_request = Decoder(_Request)


class Market:
    """The books as they are, event by event."""

    def __init__(self, engine: Engine) -> None:
        self.books: dict[str, dict[Side, Levels]] = {}
        self.last: dict[str, int] = {}
        for id_ in engine.instruments:
            book = engine.book(id_)
            self.books[id_] = {Side.BUY: dict(book.bids), Side.SELL: dict(book.asks)}
            self.last[id_] = book.id
        engine.listen(self._happened)

    def _happened(self, event: EngineEvent) -> None:
        if isinstance(event, LevelChanged):
            self.last[event.instrument] = event.id
            change(self.books[event.instrument], event)


class _Channel(Struct):
    """What was subscribed to: a book with all of its levels, as of event `last`, or trades."""

    word: str
    id: str
    depth: int = 0
    last: int = 0
    levels: dict[Side, Levels] = {}

    def window(self, side: Side) -> Levels:
        """The levels that the client is told of, best first."""
        best = sorted(self.levels[side].items(), reverse=side is Side.BUY)
        return dict(best[: self.depth])


class PublicSocket:
    """One client's socket."""

    def __init__(self, engine: Engine, market: Market) -> None:
        self._engine = engine
        self._market = market
        self._flags = 0
        self._number = count(1)
        self._ids = count(200_001)
        self._channels: dict[int, _Channel] = {}
        self._ticks = count(1)

    def opened(self, now: Instant) -> ServerOutputs:
        """A welcome."""
        info = {"event": "info", "version": 2, "serverId": "local", "platform": {"status": 1}}
        return (_send(info), Wake(now + CHECKSUM_EVERY))

    def feed(self, frame: str | bytes, now: Instant) -> ServerOutputs:
        """A request."""
        try:
            told = _request.decode(frame)
        except UNREADABLE:
            return (_error(10000, "unknown event"),)
        match told.event:
            case "conf":
                self._flags = told.flags
                return (_send({"event": "conf", "status": "OK", "flags": told.flags}),)
            case "ping":
                return (_send({"event": "pong", "ts": now // MILLISECOND}),)
            case "subscribe":
                return self._subscribe(told, now)
            case "unsubscribe" if self._channels.pop(told.chanId, None):
                return (_send({"event": "unsubscribed", "status": "OK", "chanId": told.chanId}),)
            case "unsubscribe":
                return (_error(10400, "unsubscribe: invalid", chanId=told.chanId),)
            case _:
                return (_error(10000, "unknown event"),)

    def event(self, event: EngineEvent, now: Instant) -> ServerOutputs:
        """What concerns the channels."""
        out: list[ServerOutput] = []
        for number, channel in self._channels.items():
            if isinstance(event, LevelChanged) and (channel.word, channel.id) == ("book", event.instrument):
                out += self._changed(number, channel, event, now)
            if isinstance(event, TradeHappened) and (channel.word, channel.id) == (
                "trades",
                event.instrument,
            ):
                size = event.size if event.side is Side.BUY else -event.size
                row = [event.number, event.time // MILLISECOND, _number(size), _number(event.price)]
                out += [self._array(now, number, word, row) for word in ("te", "tu")]
        return out

    def tick(self, now: Instant) -> ServerOutputs:
        """Checksums, and now and then heartbeats."""
        out: list[ServerOutput] = [Wake(now + CHECKSUM_EVERY)]
        beats = next(self._ticks) % HEARTBEAT == 0
        for number, channel in self._channels.items():
            if channel.word == "book" and self._flags & CHECKSUM:
                out.append(self._array(now, number, "cs", self._checksum(channel)))
            if beats:
                out.append(self._array(now, number, "hb"))
        return out

    def closed(self) -> None:
        """The client is gone."""
        self._channels.clear()

    def _subscribe(self, told: _Request, now: Instant) -> ServerOutputs:
        echo = {"channel": told.channel, "symbol": told.symbol}
        id_ = self._engine.instruments.ids_by_native(SYMBOL).get(told.symbol)
        if told.channel not in {"book", "trades"}:
            return (_error(10302, "channel: unknown", **echo),)
        if id_ is None or told.len not in {"1", "25", "100", "250"}:
            return (_error(10001 if id_ is None else 10020, "symbol or len: invalid", **echo),)
        channel = _Channel(told.channel, id_, int(told.len), self._market.last[id_])
        if any(
            (each.word, each.id, each.depth) == (told.channel, id_, channel.depth)
            for each in self._channels.values()
        ):
            return (_error(10301, "subscribe: dup", **echo),)
        channel.levels = {side: dict(levels) for side, levels in self._market.books[id_].items()}
        number = next(self._ids)
        self._channels[number] = channel
        book = {"prec": "P0", "freq": "F0", "len": told.len} if told.channel == "book" else {}
        confirmed = {"event": "subscribed", **echo, "chanId": number, **book, "pair": told.symbol[1:]}
        rows = [_row(side, *level) for side in Side for level in channel.window(side).items()]
        return (_send(confirmed), self._array(now, number, rows if book else []))

    def _changed(self, number: int, channel: _Channel, event: LevelChanged, now: Instant) -> Sequence[Send]:
        """The rows that lead from the window before an event to the one after it: removals first."""
        if event.id <= channel.last:
            return ()
        side = event.side
        before = channel.window(side)
        channel.last = event.id
        change(channel.levels, event)
        after = channel.window(side)
        gone = [_row(side, price, Decimal(0)) for price in before if price not in after]
        new = [_row(side, price, size) for price, size in after.items() if before.get(price) != size]
        return [self._array(now, number, row) for row in gone + new]

    def _checksum(self, channel: _Channel) -> int:
        sides = [(sign, [*channel.window(side).items()]) for side, sign in ((Side.BUY, 1), (Side.SELL, -1))]
        told = [
            f"{_script(rows[place][0])}:{_script(sign * rows[place][1])}"
            for place in range(CHECKED)
            for sign, rows in sides
            if place < len(rows)
        ]
        return int.from_bytes(crc32(":".join(told).encode()).to_bytes(4), signed=True)

    def _array(self, now: Instant, *told: Any) -> Send:
        number = [next(self._number)] if self._flags & SEQUENCE else []
        time = [now // MILLISECOND] if self._flags & TIMESTAMP else []
        return _send([*told, *number, *time])


def change(book: Mapping[Side, Levels], event: LevelChanged) -> None:
    """A level of a book has another size now, or is gone."""
    if event.size:
        book[event.side][event.price] = event.size
    else:
        book[event.side].pop(event.price, None)


def event_of(frame: str | bytes) -> str:
    """What a client's frame asks for; empty where it cannot be read."""
    try:
        return _request.decode(frame).event
    except UNREADABLE:
        return ""


def _row(side: Side, price: Decimal, size: Decimal) -> list[Any]:
    """``[price, count, amount]``; the sign of the amount is the side."""
    amount = size or Decimal(1)
    return [_number(price), 1 if size else 0, _number(amount if side is Side.BUY else -amount)]


def _number(number: Decimal) -> Raw:
    """A bare number, as the venue writes them."""
    return Raw(_script(number).encode())


def _script(number: Decimal) -> str:
    """As JavaScript writes it. Worked out here, so that the client's checksum is judged."""
    return format(number.normalize(), "e" if 0 < abs(number) < SMALL else "f")


def _error(code: int, text: str, **echo: Any) -> Send:
    return _send({"event": "error", "msg": text, "code": code, **echo})


def _send(told: Any) -> Send:
    return Send(encode(told).decode())
