"""The conversation on the public stream: changes of orders and trades out of frames of a market.

A demand is about one topic, carries a number, and is answered under it.

All changes of a frame are one step of a book: each says so of those that follow it. Nothing is numbered and nothing has a
time, so a frame that is lost shows nowhere; one that cannot be read names its market where that much can be read.

PROTOCOL.md, "Public stream" and "Order books".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

import msgspec
from msgspec import Struct

from venuekit_exchange_b.instruments import MARKET, STATUSES
from venuekit_exchange_b.payloads import (
    VENUE,
    Change,
    Demand,
    Failure,
    Pong,
    PublicFrame,
    PublicTrade,
    Resting,
)
from venuekit_exchange_b.quanta import price_exponent, size_exponent, text
from venuekit_spec import (
    NOTHING,
    UNREADABLE,
    Channel,
    Instant,
    Instrument,
    InstrumentStatus,
    InstrumentTable,
    MalformedMessage,
    OrderAction,
    OrderBookSnapshot,
    OrderEvent,
    Output,
    Outputs,
    RestingOrder,
    Send,
    Side,
    StatusChange,
    StreamRequest,
    SubscribingSession,
    Topic,
    Trade,
)

ORDERS: Final = "orders"
TRADES: Final = "trades"
WORDS: Final[Mapping[Channel, str]] = MappingProxyType({Channel.ORDERS: ORDERS, Channel.TRADES: TRADES})
"""What the venue calls the channels."""

ACTIONS: Final[Mapping[str, OrderAction]] = MappingProxyType({
    "open": OrderAction.OPEN,
    "change": OrderAction.CHANGE,
    "match": OrderAction.MATCH,
    "done": OrderAction.DONE,
})  # fmt: skip

SIDES: Final[Mapping[bool | None, Side | None]] = MappingProxyType(
    {True: Side.BUY, False: Side.SELL, None: None}
)

_frame = msgspec.json.Decoder(PublicFrame)


class _Head(Struct, frozen=True):
    """What can be read of a frame that cannot be read."""

    market: int | None = None


_head = msgspec.json.Decoder(_Head)


def resting(orders: Sequence[Resting], instrument: Instrument) -> list[RestingOrder]:
    """The resting orders of a market."""
    prices, sizes = price_exponent(instrument), size_exponent(instrument)
    return [
        RestingOrder(
            each.order, Side.BUY if each.buy else Side.SELL, text(each.price, prices), text(each.size, sizes)
        )
        for each in orders
    ]


class ExchangeBSession(SubscribingSession):
    """One socket. `instruments` are those whose data are read; data of other markets are left alone."""

    spacing = 0.1  # ten frames a second, half of what the venue takes

    def __init__(self, instruments: InstrumentTable) -> None:
        super().__init__(instruments)
        self._markets = instruments.ids_by_native(MARKET)

    def serves(self, topic: Topic) -> bool:
        """Two channels, without variants."""
        return topic.channel in WORDS and not topic.variant

    def name(self, topic: Topic) -> tuple[str, int]:
        """Channel and market."""
        return WORDS[topic.channel], int(self.instruments[topic.instrument].native[MARKET])

    def frame(self, request: StreamRequest) -> Send:
        """Subscribe to a topic, or unsubscribe."""
        channel, market = request.streams[0].name
        op = "subscribe" if request.asks else "unsubscribe"
        return _send(Demand(request.number, op, channel, market))

    def feed(self, frame: bytes, now: Instant) -> Outputs:
        """A message. Raises `MalformedMessage` for what cannot be read, naming the book that lost it where that is known."""
        try:
            told = _frame.decode(frame)
            if told.market is not None:
                return self._data(told, told.market, now)
        except UNREADABLE as error:
            raise self._malformed(str(error), frame) from error
        if told.id is not None:
            return self._answer(told.id, told.error, now)
        if told.ping is not None:
            return (_send(Pong(told.ping)),)
        if told.height is None and told.error is None:
            raise self._malformed("nothing that is known", frame)
        return NOTHING

    def _answer(self, number: int, error: Failure | None, now: Instant) -> Outputs:
        """The answer to a demand; one that nobody waits for means nothing."""
        demand = self.requests.get(number)
        if demand is None:
            return NOTHING
        if error is not None:
            return self.refused(demand, now, error.text or error.label, final=True)
        return self.carried_out(demand, now)

    def _data(self, told: PublicFrame, market: int, now: Instant) -> Outputs:
        """What a frame says of a market. Raises `ValueError` for what means nothing."""
        id_ = self._markets.get(str(market))
        if id_ is None:
            return NOTHING
        instrument = self.instruments[id_]
        orders: list[Output] = []
        if told.snapshot is not None:
            book = resting(told.snapshot, instrument)
            orders.append(OrderBookSnapshot(instrument=id_, orders=book, received=now))
        if told.changes is not None:
            orders += _events(told.changes, instrument, now)
        outputs: list[Output] = []
        if told.snapshot is not None or told.changes is not None:
            outputs += self.passed((ORDERS, market), orders, now)
        if told.trades is not None:
            trades = [_trade(trade, instrument, now) for trade in told.trades]
            outputs += self.passed((TRADES, market), trades, now)
        if told.status is not None:
            status = STATUSES.get(told.status, InstrumentStatus.HALTED)
            outputs.append(StatusChange(instrument=id_, status=status, received=now))
        return outputs

    def _malformed(self, reason: str, frame: bytes) -> MalformedMessage:
        try:
            id_ = self._markets.get(str(_head.decode(frame).market), "")
        except UNREADABLE:
            id_ = ""
        topic = str(Topic(Channel.ORDERS, id_)) if id_ else ""
        return MalformedMessage(reason, venue=VENUE, topic=topic, instrument=id_, frame=frame)


def _send(told: Demand | Pong) -> Send:
    return Send(msgspec.json.encode(told).decode())


def _events(changes: Sequence[Change], instrument: Instrument, now: Instant) -> list[OrderEvent]:
    """The changes of a frame. Raises `ValueError` for one that is not known."""
    prices, sizes = price_exponent(instrument), size_exponent(instrument)
    last = len(changes) - 1
    events: list[OrderEvent] = []
    for place, change in enumerate(changes):
        action = ACTIONS.get(change.do)
        if action is None or not change.order:
            raise ValueError(f"a change {change.do!r} of an order {change.order!r}")
        events.append(
            OrderEvent(
                instrument=instrument.id,
                action=action,
                more=place < last,
                order_id=change.order,
                side=SIDES[change.buy],
                price="" if change.price is None else text(change.price, prices),
                size="" if change.size is None else text(change.size, sizes),
                received=now,
            )
        )
    return events


def _trade(trade: PublicTrade, instrument: Instrument, now: Instant) -> Trade:
    return Trade(
        instrument=instrument.id,
        price=text(trade.price, price_exponent(instrument)),
        size=text(trade.size, size_exponent(instrument)),
        side=Side.BUY if trade.buy else Side.SELL,
        key=trade.trade,
        received=now,
    )
