"""The feed: one connection, its subscriptions, and what it is told.

==============================  ==========================================================================================
channel                         what is told
==============================  ==========================================================================================
level2_batch, level2_50         the whole book, then the changed levels every 50 ms, without numbers. `level2` is the same
                                here, behind a login
full                            every message of a product, numbered by one. Needs a login
level3                          the same in rows, after a schema. Needs a login
matches                         trades; at first the last one
ticker                          best prices, at each trade; at first as they are
heartbeat                       once a second: the last numbers of a product
==============================  ==========================================================================================

A match comes once per connection, whichever channel it is for. A request is answered by the list of all subscriptions, or is
refused as a whole. Who asks for nothing within five seconds is disconnected.

https://docs.cdp.coinbase.com/exchange/websocket-feed/overview
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec
from msgspec import Struct

from venuekit_coinbase_exchange.dialect.keys import Keys
from venuekit_coinbase_exchange.dialect.listings import text
from venuekit_coinbase_exchange.dialect.tape import SCHEMA, Message, Tape, moment
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
    Side,
    TradeHappened,
    Wake,
)

BATCH: Final = 50 * MILLISECOND
BEAT: Final = SECOND
PATIENCE: Final = 5 * SECOND
"""How long a client may be connected without a subscription."""

POLICY: Final = 1008

LEVELS: Final = frozenset({"level2", "level2_50", "level2_batch"})
SIGNED: Final = frozenset({"level2", "level3", "full"})
CHANNELS: Final = LEVELS | SIGNED | {"matches", "ticker", "heartbeat"}


class _Channel(Struct, frozen=True):
    name: str
    product_ids: list[str] = []


class _Request(Struct, frozen=True):
    """``{"type":"subscribe","product_ids":["ETH-USD"],"channels":["level2_batch",{"name":"heartbeat"}]}``"""

    type: str
    channels: list[str | _Channel] = []
    product_ids: list[str] = []
    key: str = ""
    passphrase: str = ""
    timestamp: str = ""
    signature: str = ""


class _Refusal(Exception):
    """Why a request is refused as a whole."""

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason


_request = msgspec.json.Decoder(_Request)


class Feed:
    """One client's connection."""

    def __init__(self, engine: Engine, tape: Tape, keys: Keys) -> None:
        self._engine = engine
        self._tape = tape
        self._keys = keys
        self._ids = engine.instruments.ids_by_native("socket")
        self._channels: dict[str, dict[str, None]] = {name: {} for name in sorted(CHANNELS)}
        self._changed: dict[str, dict[tuple[Side, Decimal], Decimal]] = {}
        self._batch: Instant | None = None
        self._beat: Instant | None = None
        self._patience: Instant | None = None
        self._read = tape.position

    def opened(self, now: Instant) -> ServerOutputs:
        """Nothing is said; the client speaks first, and soon."""
        self._patience = now + PATIENCE
        return (self._wake(),)

    def feed(self, frame: str | bytes, now: Instant) -> ServerOutputs:
        """A request: all of it is done, or nothing."""
        try:
            request = _request.decode(frame)
        except UNREADABLE:
            return (_error("Malformed JSON", "the message is no request"),)
        try:
            asked = self._read_request(request, now)
        except _Refusal as refusal:
            return (_error(refusal.message, refusal.reason),)
        if request.type == "unsubscribe":
            return self._unsubscribe(asked)
        return self._subscribe(asked, now)

    def event(self, event: EngineEvent, now: Instant) -> ServerOutputs:
        """What concerns the subscriptions: messages at once, levels with the next batch."""
        out: list[ServerOutput] = [*self._news()]
        if isinstance(event, LevelChanged) and self._has(LEVELS, event.instrument):
            self._changed.setdefault(event.instrument, {})[event.side, event.price] = event.size
            if self._batch is None:
                self._batch = (now // BATCH + 1) * BATCH
                out.append(self._wake())
        if isinstance(event, TradeHappened) and event.instrument in self._channels["ticker"]:
            out.append(self._ticker(event.instrument))
        return out

    def tick(self, now: Instant) -> ServerOutputs:
        """A batch of levels, a heartbeat, or the end of patience."""
        if self._patience is not None and now >= self._patience:
            return (Hangup(POLICY, "nothing was subscribed to"),)
        out: list[ServerOutput] = []
        if self._batch is not None and now >= self._batch:
            self._batch = None
            out += self._levels(now)
        if self._beat is not None and now >= self._beat:
            out += [self._heartbeat(id_, now) for id_ in self._channels["heartbeat"]]
            self._beat += BEAT
        return (*out, self._wake())

    def closed(self) -> None:
        """The client is gone."""
        for held in self._channels.values():
            held.clear()
        self._changed.clear()

    # Subscriptions

    def _read_request(self, request: _Request, now: Instant) -> dict[str, list[str]]:
        """Which products of which channels are meant. Raises `_Refusal`."""
        failed = f"Failed to {request.type}"
        if request.type not in {"subscribe", "unsubscribe"}:
            raise _Refusal("Malformed message", "Type has to be either subscribe or unsubscribe")
        asked: dict[str, list[str]] = {}
        for channel in request.channels:
            each = _Channel(channel) if isinstance(channel, str) else channel
            if each.name not in CHANNELS:
                raise _Refusal(failed, f"{each.name} is not a valid channel")
            named = [*request.product_ids, *each.product_ids]
            if not named and request.type == "unsubscribe":
                asked[each.name] = [*self._channels[each.name]]
                continue
            if not named:
                raise _Refusal(failed, f"{each.name} needs product ids")
            for product in named:
                if product not in self._ids:
                    raise _Refusal(failed, f"{product} is not a valid product")
            asked.setdefault(each.name, []).extend(self._ids[product] for product in named)
        if not asked:
            raise _Refusal(failed, "channels are missing")
        if request.type == "subscribe" and asked.keys() & SIGNED:
            self._login(request, now)
        return asked

    def _login(self, request: _Request, now: Instant) -> None:
        """Raises `_Refusal`."""
        if not request.signature:
            raise _Refusal("Failed to subscribe", "authentication is required for this channel")
        refused = self._keys.refusal(
            request.key, request.passphrase, request.timestamp, request.signature, now
        )
        if refused:
            raise _Refusal("Authentication Failed", refused)

    def _subscribe(self, asked: dict[str, list[str]], now: Instant) -> ServerOutputs:
        """The list of everything, and the first data of what is new."""
        self._patience = None
        out: list[ServerOutput] = []
        new = {name: [id_ for id_ in ids if id_ not in self._channels[name]] for name, ids in asked.items()}
        for name, ids in new.items():
            if name == "level3" and not self._channels["level3"] and ids:
                out.append(_send({"type": "level3", "schema": dict(SCHEMA)}))
            self._channels[name].update(dict.fromkeys(ids))
        out.append(self._list())
        for name, ids in new.items():
            for id_ in ids:
                out += self._first(name, id_, now)
        if self._beat is None and self._channels["heartbeat"]:
            self._beat = now + BEAT
        return (*out, self._wake())

    def _unsubscribe(self, asked: dict[str, list[str]]) -> ServerOutputs:
        for name, ids in asked.items():
            for id_ in ids:
                self._channels[name].pop(id_, None)
                if not self._has(LEVELS, id_):
                    self._changed.pop(id_, None)
        if not self._channels["heartbeat"]:
            self._beat = None
        return (self._list(), self._wake())

    def _list(self) -> Send:
        channels = [
            {"name": name, "product_ids": [self._product(id_) for id_ in ids]}
            for name, ids in self._channels.items()
            if ids
        ]
        return _send({"type": "subscriptions", "channels": channels})

    def _has(self, names: Iterable[str], id_: str) -> bool:
        return any(id_ in self._channels[name] for name in names)

    # What is told

    def _first(self, name: str, id_: str, now: Instant) -> Sequence[Send]:
        """What comes at first of a channel."""
        if name in LEVELS:
            self._changed.pop(id_, None)
            image = self._engine.book(id_)
            bids, asks = (
                [(text(price), text(size)) for price, size in side] for side in (image.bids, image.asks)
            )
            told = {"type": "snapshot", "product_id": self._product(id_), "asks": asks, "bids": bids}
            return (_send({**told, "time": moment(now)}),)
        last = self._tape.last_match(id_)
        if name == "matches" and last is not None:
            return (_send({**last.full, "type": "last_match"}),)
        if name == "ticker" and last is not None:
            return (self._ticker(id_),)
        return ()

    def _news(self) -> list[Send]:
        """The messages that were not read yet."""
        new = self._tape.since(self._read)
        self._read = self._tape.position
        return [frame for message in new for frame in self._message(message)]

    def _message(self, message: Message) -> list[Send]:
        out: list[Send] = []
        matches = message.kind == "match" and message.instrument in self._channels["matches"]
        if message.instrument in self._channels["full"] or matches:
            out.append(_send(message.full))
        if message.instrument in self._channels["level3"]:
            out.append(_send(message.row))
        return out

    def _levels(self, now: Instant) -> list[Send]:
        out = []
        for id_, levels in self._changed.items():
            changes = [(side.value, text(price), text(size)) for (side, price), size in levels.items()]
            told = {"type": "l2update", "product_id": self._product(id_), "changes": changes}
            out.append(_send({**told, "time": moment(now)}))
        self._changed.clear()
        return out

    def _ticker(self, id_: str) -> Send:
        """The best prices, with the last trade."""
        image = self._engine.book(id_, 1)
        (bid, bid_size), (ask, ask_size) = (
            side[0] if side else (Decimal(0), Decimal(0)) for side in (image.bids, image.asks)
        )
        last = self._tape.last_match(id_)
        full = {} if last is None else last.full
        taker = {"buy": "sell", "sell": "buy"}
        return _send({
            "type": "ticker",
            "sequence": full.get("sequence", 0),
            "product_id": self._product(id_),
            "price": full.get("price"),
            "best_bid": text(bid),
            "best_bid_size": text(bid_size),
            "best_ask": text(ask),
            "best_ask_size": text(ask_size),
            "side": taker.get(full.get("side", "")),
            "time": full.get("time"),
            "trade_id": full.get("trade_id"),
            "last_size": full.get("size"),
        })  # fmt: skip

    def _heartbeat(self, id_: str, now: Instant) -> Send:
        return _send({
            "type": "heartbeat",
            "sequence": self._tape.sequence(id_),
            "last_trade_id": self._tape.trade_id(id_),
            "product_id": self._product(id_),
            "time": moment(now),
        })  # fmt: skip

    def _product(self, id_: str) -> str:
        return self._engine.instruments[id_].native["socket"]

    def _wake(self) -> Wake:
        """Wake for what is due first; sleep where nothing is."""
        due = [each for each in (self._batch, self._beat, self._patience) if each is not None]
        return Wake(min(due, default=None))


def method_of(frame: str | bytes) -> str:
    """What a client's frame asks for; empty where it cannot be read."""
    try:
        return _request.decode(frame).type
    except UNREADABLE:
        return ""


def _send(payload: Any) -> Send:
    return Send(msgspec.json.encode(payload).decode())


def _error(message: str, reason: str) -> Send:
    return _send({"type": "error", "message": message, "reason": reason})
