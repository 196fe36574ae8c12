"""The socket: subscriptions of one client, and what it is told.

============  ===================================================================================================
type          what is told
============  ===================================================================================================
l2Book        the whole book, on a clock that all coins share: 20 levels every 5.4 s, or, ``fast``, 5 every 0.54 s
bbo           with each block that changes them: the best prices
trades        with each block: its trades. At first those of the last seconds
============  ===================================================================================================

A coin that is not known ends the socket, and everything on it, without a goodbye. A minute in which the venue
had nothing to say ends it too, with one.

https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/websocket/subscriptions
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import msgspec
from msgspec import Struct

from venuekit_hyperliquid.description import BOOK_DEPTHS, FAST
from venuekit_hyperliquid.dialect.books import Books
from venuekit_hyperliquid.payloads import GREETING
from venuekit_spec import (
    MILLISECOND,
    SECOND,
    UNREADABLE,
    Engine,
    EngineEvent,
    Hangup,
    Instant,
    LevelChanged,
    Send,
    ServerOutput,
    ServerOutputs,
    TradeHappened,
    Wake,
)

BLOCK: Final = 70 * MILLISECOND
"""From one block to the next."""

INTERVALS: Final[Mapping[bool, Instant]] = MappingProxyType({
    False: 5_400 * MILLISECOND,
    True: 540 * MILLISECOND,
})  # fmt: skip
"""Whether it is the fast kind of book -> from one of its moments to the next."""

SILENCE: Final = 60 * SECOND
"""After so long without a frame of the venue's it closes the socket."""

GOING_AWAY: Final = 1001
NO_GOODBYE: Final = 0
"""The client's side makes 1006 of it."""

BOOK: Final = "l2Book"
BEST: Final = "bbo"
TRADES: Final = "trades"

_Key: TypeAlias = tuple[str, str]
"""A stream: type, and canonical id."""


class _Subscription(Struct, frozen=True):
    type: str
    coin: str
    fast: bool | None = None


class _Request(Struct, frozen=True):
    """``{"method":"subscribe","subscription":{"type":"l2Book","coin":"BTC"}}``, ``{"method":"ping"}``"""

    method: str
    subscription: _Subscription | None = None


_request = msgspec.json.Decoder(_Request)


class DataSocket:
    """One client's socket."""

    def __init__(self, engine: Engine, books: Books) -> None:
        self._coins = engine.instruments.ids_by_native("socket")
        self._books = books
        self._streams: dict[_Key, bool] = {}
        """What is subscribed to; whether it is the fast kind."""
        self._changed: set[str] = set()
        self._best: dict[str, Any] = {}
        self._trades: dict[str, list[TradeHappened]] = {}
        self._block: Instant | None = None
        self._told: Instant = 0
        self._moments: dict[bool, int] = {}
        """The last moment of each kind of book, by its number."""

    def opened(self, now: Instant) -> ServerOutputs:
        """A greeting, which is no JSON."""
        self._moments = {fast: now // interval for fast, interval in INTERVALS.items()}
        return self._say([Send(f"{GREETING.decode()}.")], now)

    def feed(self, frame: str | bytes, now: Instant) -> ServerOutputs:
        """A request."""
        try:
            request = _request.decode(frame)
        except UNREADABLE:
            shown = frame if isinstance(frame, str) else frame.decode(errors="replace")
            return self._say([_unread(shown)], now)
        if request.method == "ping":
            return self._say([_frame({"channel": "pong"})], now)
        asked = request.subscription
        known = asked is not None and asked.type in {BOOK, BEST, TRADES}
        if asked is None or not known or request.method not in {"subscribe", "unsubscribe"}:
            return self._say([_unread(str(msgspec.json.encode(request), "utf-8"))], now)
        if asked.coin not in self._coins:
            return (Hangup(NO_GOODBYE),)
        return self._say(self._change(request.method, asked, now), now)

    def event(self, event: EngineEvent, now: Instant) -> ServerOutputs:
        """Something that the next block tells."""
        if isinstance(event, LevelChanged) and (BEST, event.instrument) in self._streams:
            self._changed.add(event.instrument)
        elif isinstance(event, TradeHappened) and (TRADES, event.instrument) in self._streams:
            self._trades.setdefault(event.instrument, []).append(event)
        else:
            return ()
        if self._block is not None:
            return ()
        self._block = (now // BLOCK + 1) * BLOCK
        return (self._wake(now),)

    def tick(self, now: Instant) -> ServerOutputs:
        """A block, the clock of the books, or the end of a silence."""
        out: list[Send] = []
        if self._block is not None and now >= self._block:
            self._block = None
            out += self._in_block(now)
        for fast, interval in INTERVALS.items():
            if now // interval != self._moments[fast]:
                self._moments[fast] = now // interval
                out += [
                    self._book(id_, fast=fast, now=now)
                    for (type_, id_), kind in self._streams.items()
                    if type_ == BOOK and kind is fast
                ]
        if not out and now >= self._told + SILENCE:
            return (Hangup(GOING_AWAY),)
        return self._say(out, now) if out else (self._wake(now),)

    def closed(self) -> None:
        """The client is gone."""
        self._streams.clear()
        self._trades.clear()
        self._changed.clear()

    def _change(self, method: str, asked: _Subscription, now: Instant) -> list[Send]:
        """Subscribe to one stream, or unsubscribe: the answer, then the first data."""
        key, fast = (asked.type, self._coins[asked.coin]), bool(asked.fast)
        if (key in self._streams) == (method == "subscribe"):
            subscription = str(msgspec.json.encode({"type": asked.type, "coin": asked.coin}), "utf-8")
            return [_frame({"channel": "error", "data": f"Already {method}d: {subscription}"})]
        told: dict[str, Any] = {"type": asked.type, "coin": asked.coin}
        if asked.type == BOOK:
            told |= {"nSigFigs": None, "mantissa": None, "fast": fast}
        answer = _frame({
            "channel": "subscriptionResponse", "data": {"method": method, "subscription": told}
        })  # fmt: skip
        if method == "unsubscribe":
            del self._streams[key]
            self._best.pop(key[1], None)
            return [answer]
        self._streams[key] = fast
        if asked.type == BOOK:
            return [answer, self._book(key[1], fast=fast, now=now)]
        if asked.type == BEST:
            return [answer, *self._new_best(key[1], now)]
        recent = [self._books.trade(each) for each in self._books.recent(key[1])]
        return [answer, _frame({"channel": TRADES, "data": recent})] if recent else [answer]

    def _in_block(self, now: Instant) -> list[Send]:
        """The best prices that are others than before, and the trades."""
        out = [
            _frame({"channel": TRADES, "data": [self._books.trade(each) for each in trades]})
            for id_, trades in self._trades.items()
            if (TRADES, id_) in self._streams
        ]
        for id_ in sorted(self._changed):
            if (BEST, id_) in self._streams:
                out += self._new_best(id_, now)
        self._trades.clear()
        self._changed.clear()
        return out

    def _new_best(self, id_: str, now: Instant) -> list[Send]:
        told = self._books.best(id_, now)
        if self._best.get(id_) == told["bbo"]:
            return []
        self._best[id_] = told["bbo"]
        return [_frame({"channel": BEST, "data": told})]

    def _book(self, id_: str, *, fast: bool, now: Instant) -> Send:
        depth = BOOK_DEPTHS[FAST if fast else ""]
        return _frame({"channel": BOOK, "data": self._books.book(id_, depth, now)})

    def _say(self, frames: list[Send], now: Instant) -> ServerOutputs:
        self._told = now
        out: list[ServerOutput] = [*frames]
        return (*out, self._wake(now))

    def _wake(self, now: Instant) -> Wake:
        """Wake for the next block, the next books, or the end."""
        due = [self._told + SILENCE]
        if self._block is not None:
            due.append(self._block)
        kinds = {fast for (type_, _), fast in self._streams.items() if type_ == BOOK}
        due += [(now // INTERVALS[fast] + 1) * INTERVALS[fast] for fast in kinds]
        return Wake(min(due))


def method_of(frame: str | bytes) -> str:
    """What a client's frame asks for; empty where it cannot be read."""
    try:
        return _request.decode(frame).method
    except UNREADABLE:
        return ""


def _frame(payload: dict[str, Any]) -> Send:
    return Send(msgspec.json.encode(payload).decode())


def _unread(frame: str) -> Send:
    told = f"Error parsing JSON into valid websocket request: {frame}"
    return _frame({"channel": "error", "data": told})
