"""The market stream: topics of one socket. PROTOCOL.md, "Market stream".

Changes of levels are gathered per book and told every 100 ms, at instants aligned to the clock: each level with its size
at the end, under the range of ids that is covered. Trades are told at once, best prices that changed with the levels.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import msgspec
from msgspec import Struct

from venuekit_exchange_a import payloads
from venuekit_exchange_a.dialect.frames import TOO_MANY, TOO_OLD, Frames, send
from venuekit_exchange_a.dialect.refusals import PARAMETER, SYMBOL, TOPIC, UNKNOWN_REQUEST
from venuekit_exchange_a.dialect.writing import plain
from venuekit_exchange_a.instruments import SYMBOL as NATIVE
from venuekit_spec import (
    MILLISECOND,
    UNREADABLE,
    Engine,
    EngineEvent,
    Instant,
    LevelChanged,
    ServerOutputs,
    Side,
    TradeHappened,
)

INTERVAL: Final = 100 * MILLISECOND
TOPICS: Final = 100
"""Topics in one request."""

DEPTH: Final = "depth"
TRADES: Final = "trades"
TOP: Final = "top"
_FLUSH: Final = "flush"


class _Request(Struct, frozen=True):
    """``{"op":"subscribe","id":1,"topics":["depth:BTCUSDT"]}``"""

    op: str
    id: int
    topics: list[str]


class _Gathered(Struct):
    """What has changed in one book since it was last told of."""

    first: int
    last: int
    levels: dict[tuple[Side, Decimal], Decimal]


_request = msgspec.json.Decoder(_Request)


class MarketSocket:
    """One client's market stream."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._frames = Frames()
        self._topics: dict[str, set[str]] = {DEPTH: set(), TRADES: set(), TOP: set()}
        self._gathered: dict[str, _Gathered] = {}
        self._tops: dict[str, payloads.TopUpdate] = {}

    def opened(self, now: Instant) -> ServerOutputs:
        """Nothing is said; the client speaks first."""
        self._frames.opened(now)
        return self._frames.wake()

    def feed(self, frame: str | bytes, now: Instant) -> ServerOutputs:
        """A request: what is not refused is subscribed to."""
        if not self._frames.allows(now):
            return TOO_MANY
        try:
            request = _request.decode(frame)
        except UNREADABLE:
            return (send({"id": None, "error": payloads.ErrorBody(PARAMETER, "not a request")}),)
        if request.op not in {"subscribe", "unsubscribe"}:
            return (send({"id": request.id, "error": payloads.ErrorBody(UNKNOWN_REQUEST, "no such op")}),)
        if len(request.topics) > TOPICS:
            error = payloads.ErrorBody(PARAMETER, f"at most {TOPICS} topics")
            return (send({"id": request.id, "error": error}),)
        refused = [
            refusal for topic in request.topics if (refusal := self._change(request.op, topic)) is not None
        ]
        if self._topics[TOP]:
            self._frames.due.setdefault(_FLUSH, _next_flush(now))
        return (send({"id": request.id, "refused": refused}), *self._frames.wake())

    def event(self, event: EngineEvent, now: Instant) -> ServerOutputs:
        """A trade is told at once, a level is gathered."""
        if isinstance(event, LevelChanged):
            return self._gather(event, now)
        if isinstance(event, TradeHappened) and event.instrument in self._topics[TRADES]:
            return (send(self._trade(event)),)
        return ()

    def tick(self, now: Instant) -> ServerOutputs:
        """Tell what was gathered."""
        self._frames.woken()
        if now >= self._frames.ends:
            return TOO_OLD
        told: list[Struct] = []
        if now >= self._frames.due.get(_FLUSH, now + 1):
            del self._frames.due[_FLUSH]
            told += [self._depth(id_, gathered, now) for id_, gathered in self._gathered.items()]
            self._gathered.clear()
            told += self._changed_tops(now)
        return (*(send(update) for update in told), *self._frames.wake())

    def closed(self) -> None:
        """The client is gone."""
        self._gathered.clear()

    def _change(self, op: str, topic: str) -> payloads.Refusal | None:
        """Subscribe to a topic, or unsubscribe from it."""
        word, _, symbol = topic.partition(":")
        if word not in self._topics:
            return payloads.Refusal(topic, TOPIC, "no such topic")
        id_ = self._engine.instruments.ids_by_native(NATIVE).get(symbol)
        if id_ is None:
            return payloads.Refusal(topic, SYMBOL, "no such symbol")
        if op == "subscribe":
            self._topics[word].add(id_)
            return None
        self._topics[word].discard(id_)
        if word == DEPTH:
            self._gathered.pop(id_, None)
        if word == TOP:
            self._tops.pop(id_, None)
        return None

    def _gather(self, event: LevelChanged, now: Instant) -> ServerOutputs:
        if event.instrument in self._topics[DEPTH]:
            gathered = self._gathered.setdefault(event.instrument, _Gathered(event.id, event.id, {}))
            gathered.last = event.id
            gathered.levels[event.side, event.price] = event.size
        elif event.instrument not in self._topics[TOP]:
            return ()
        if _FLUSH in self._frames.due:
            return ()
        self._frames.due[_FLUSH] = _next_flush(now)
        return self._frames.wake()

    def _topic(self, word: str, id_: str) -> str:
        return f"{word}:{self._engine.instruments[id_].native[NATIVE]}"

    def _depth(self, id_: str, gathered: _Gathered, now: Instant) -> payloads.DepthUpdate[str]:
        sides: dict[Side, list[tuple[str, str]]] = {Side.BUY: [], Side.SELL: []}
        for (side, price), size in gathered.levels.items():
            sides[side].append((plain(price), plain(size)))
        return payloads.DepthUpdate(
            topic=self._topic(DEPTH, id_),
            first=gathered.first,
            last=gathered.last,
            time=now // MILLISECOND,
            bids=sides[Side.BUY],
            asks=sides[Side.SELL],
        )

    def _changed_tops(self, now: Instant) -> Sequence[payloads.TopUpdate]:
        """The best prices that are not those that were told last."""
        changed = []
        for id_ in sorted(self._topics[TOP]):
            image = self._engine.book(id_, 1)
            bid, ask = (
                next(((plain(price), plain(size)) for price, size in side), None)
                for side in (image.bids, image.asks)
            )
            told = self._tops.get(id_)
            if told is None or (told.bid, told.ask) != (bid, ask):
                update = payloads.TopUpdate(self._topic(TOP, id_), image.id, now // MILLISECOND, bid, ask)
                self._tops[id_] = update
                changed.append(update)
        return changed

    def _trade(self, event: TradeHappened) -> payloads.TradeUpdate:
        return payloads.TradeUpdate(
            topic=self._topic(TRADES, event.instrument),
            id=event.number,
            time=event.time // MILLISECOND,
            price=plain(event.price),
            size=plain(event.size),
            side=event.side.value,
        )


def _next_flush(now: Instant) -> Instant:
    return (now // INTERVAL + 1) * INTERVAL
