"""The public stream: topics of one socket. PROTOCOL.md, "Public stream".

What happens at one instant is gathered and goes out together, a frame per market: changes of orders in their order, then the
trades. A snapshot goes out when a topic is subscribed to, again when it is subscribed to again; what it holds already is not
told after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Final

import msgspec

from venuekit_exchange_b.dialect import refusals
from venuekit_exchange_b.dialect.frames import TOO_MANY, Frames, send
from venuekit_exchange_b.dialect.requests import Requests
from venuekit_exchange_b.instruments import MARKET
from venuekit_exchange_b.payloads import Change, Demand, Failure, PublicFrame, PublicTrade
from venuekit_exchange_b.quanta import price_exponent, size_exponent
from venuekit_spec import (
    UNREADABLE,
    EngineEvent,
    Instant,
    Instrument,
    OrderAction,
    OrderEvent,
    Send,
    ServerOutput,
    ServerOutputs,
    Side,
    StatusChange,
    TradeHappened,
)

ORDERS: Final = "orders"
TRADES: Final = "trades"
_FLUSH: Final = "flush"

_DOING: Final[Mapping[OrderAction, str]] = MappingProxyType({
    OrderAction.OPEN: "open",
    OrderAction.CHANGE: "change",
    OrderAction.MATCH: "match",
    OrderAction.DONE: "done",
})  # fmt: skip

_demand = msgspec.json.Decoder(Demand)


class MarketSocket:
    """One client's public stream."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self._chain = requests.chain
        self._frames = Frames(requests.chain)
        self._height = requests.chain.height
        self._books: dict[str, int] = {}
        """Instrument -> the last change that was told, or that the snapshot held."""
        self._trades: set[str] = set()
        self._changes: dict[str, list[Change]] = {}
        self._traded: dict[str, list[PublicTrade]] = {}

    def opened(self, now: Instant) -> ServerOutputs:
        """Nothing is said; the client speaks first."""
        self._frames.opened(now)
        return self._frames.wake(now)

    def feed(self, frame: str | bytes, now: Instant) -> ServerOutputs:
        """A pong, or a demand."""
        if not self._frames.allows(now):
            return TOO_MANY
        if self._frames.pong(frame):
            return ()
        try:
            demand = _demand.decode(frame)
        except UNREADABLE:
            return (send(PublicFrame(error=Failure(refusals.MALFORMED, "not a demand"))),)
        id_ = self._chain.engine.instruments.ids_by_native(MARKET).get(str(demand.market))
        if id_ is None:
            return (_refusal(demand, refusals.UNKNOWN_MARKET),)
        if demand.channel not in {ORDERS, TRADES} or demand.op not in {"subscribe", "unsubscribe"}:
            return (_refusal(demand, refusals.UNKNOWN_CHANNEL),)
        answer = send(PublicFrame(id=demand.id))
        if demand.channel == TRADES:
            (self._trades.add if demand.op == "subscribe" else self._trades.discard)(id_)
            return (answer,)
        self._changes.pop(id_, None)
        if demand.op == "unsubscribe":
            self._books.pop(id_, None)
            return (answer,)
        self._books[id_] = self._chain.engine.event_id(id_)
        resting = self._requests.resting(self._chain.engine.instruments[id_])
        return (answer, send(PublicFrame(market=demand.market, snapshot=resting)))

    def event(self, event: EngineEvent, now: Instant) -> ServerOutputs:
        """A change of an order or a trade is gathered, a status told at once."""
        match event:
            case OrderEvent() if (event.last or 0) > self._books.get(event.instrument, 1 << 62):
                if event.action not in _DOING:
                    return ()
                self._books[event.instrument] = event.last or 0
                instrument = self._chain.engine.instruments[event.instrument]
                change = _change(event, self._chain.hash(event.order_id), instrument)
                self._changes.setdefault(event.instrument, []).append(change)
            case TradeHappened() if event.instrument in self._trades:
                instrument = self._chain.engine.instruments[event.instrument]
                self._traded.setdefault(event.instrument, []).append(_trade(event, instrument))
            case StatusChange() if event.instrument in self._books or event.instrument in self._trades:
                market = self._market(event.instrument)
                return (*self._flush(), send(PublicFrame(market=market, status=event.status.value)))
            case _:
                return ()
        self._frames.due[_FLUSH] = now
        return self._frames.wake(now)

    def tick(self, now: Instant) -> ServerOutputs:
        """Tell what was gathered, a new height, a ping."""
        self._chain.advance(now)
        outputs: list[ServerOutput] = [*self._frames.beat(now), *self._flush()]
        if self._chain.height != self._height:
            self._height = self._chain.height
            outputs.append(send(PublicFrame(height=self._height)))
        return (*outputs, *self._frames.wake(now))

    def closed(self) -> None:
        """The client is gone."""
        self._books.clear()
        self._trades.clear()

    def _flush(self) -> list[Send]:
        self._frames.due.pop(_FLUSH, None)
        changes, self._changes = self._changes, {}
        traded, self._traded = self._traded, {}
        return [
            send(PublicFrame(market=self._market(id_), changes=changes.get(id_), trades=traded.get(id_)))
            for id_ in {**changes, **traded}
        ]

    def _market(self, instrument: str) -> int:
        return int(self._chain.engine.instruments[instrument].native[MARKET])


def _refusal(demand: Demand, label: str) -> Send:
    return send(
        PublicFrame(id=demand.id, error=Failure(label, f"{demand.op} {demand.channel} {demand.market}"))
    )


def _change(event: OrderEvent, hash_: str, instrument: Instrument) -> Change:
    """What the feed tells: all of an order that opens, sizes of others, and of one that is gone its hash only."""
    action = event.action
    if action is OrderAction.DONE:
        return Change("done", hash_)
    size = int(Decimal(event.size).scaleb(-size_exponent(instrument)))
    if action is OrderAction.MATCH:
        return Change("match", hash_, size=size)
    price = int(Decimal(event.price).scaleb(-price_exponent(instrument)))
    return Change(_DOING[action], hash_, event.side is Side.BUY, price, size)


def _trade(event: TradeHappened, instrument: Instrument) -> PublicTrade:
    return PublicTrade(
        str(event.number),
        event.side is Side.BUY,
        int(event.price.scaleb(-price_exponent(instrument))),
        int(event.size.scaleb(-size_exponent(instrument))),
    )
