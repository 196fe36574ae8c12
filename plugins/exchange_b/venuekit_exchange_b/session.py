"""The conversation on the public stream: changes of orders and trades out of frames of a market.

All changes of a frame are one step of a book: each says so of those that follow it. Nothing is numbered and nothing has a
time, so a frame that is lost shows nowhere; one that cannot be read names its market where that much can be read.

PROTOCOL.md, "Public stream" and "Order books".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import msgspec
from msgspec import Struct

from venuekit_exchange_b.instruments import MARKET, STATUSES
from venuekit_exchange_b.payloads import VENUE, Change, Pong, PublicFrame, PublicTrade, Resting
from venuekit_exchange_b.quanta import price_exponent, size_exponent, text
from venuekit_exchange_b.subscriptions import Name, Subscriptions
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
    SocketRequest,
    StatusChange,
    Topic,
    TopicLost,
    Trade,
    Unsupported,
)

WORDS: Final[Mapping[Channel, str]] = MappingProxyType({Channel.ORDERS: "orders", Channel.TRADES: "trades"})
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


class ExchangeBSession:
    """One socket. `instruments` are those whose data are read; data of other markets are left alone."""

    __slots__ = ("_instruments", "_markets", "_subscriptions", "_unserved")

    def __init__(self, instruments: InstrumentTable) -> None:
        self._instruments = instruments
        self._markets = instruments.ids_by_native(MARKET)
        self._subscriptions = Subscriptions()
        self._unserved: frozenset[Topic] = frozenset()

    def opened(self, now: Instant) -> Outputs:
        """The socket is open: ask for what is wanted already."""
        return self._subscriptions.opened(now)

    def want(self, topics: frozenset[Topic], now: Instant) -> Outputs:
        """Ask for exactly these topics. One that the venue does not have is lost for good at once."""
        names = {topic: self._name(topic) for topic in topics}
        unserved = frozenset(topic for topic, name in names.items() if name is None)
        lost = [TopicLost(topic, "Exchange B has no such topic") for topic in unserved - self._unserved]
        self._unserved = unserved
        wanted = {name: topic for topic, name in names.items() if name is not None}
        return [*lost, *self._subscriptions.want(wanted, now)]

    def call(self, request: SocketRequest, now: Instant) -> Outputs:
        """Raises `Unsupported`: the public stream takes no calls."""
        raise Unsupported(f"the public stream takes no calls, so no {request.method}")

    def feed(self, frame: bytes, now: Instant) -> Outputs:
        """A message. Raises `MalformedMessage` for what cannot be read, naming the book that lost it where that is known."""
        try:
            told = _frame.decode(frame)
            if told.market is not None:
                return self._data(told, told.market, now)
        except UNREADABLE as error:
            raise self._malformed(str(error), frame) from error
        if told.id is not None:
            return self._subscriptions.answered(told.id, told.error, now)
        if told.ping is not None:
            return (Send(msgspec.json.encode(Pong(told.ping)).decode()),)
        if told.height is None and told.error is None:
            raise self._malformed("nothing that is known", frame)
        return NOTHING

    def tick(self, now: Instant) -> Outputs:
        """It is time for the next frame, or an answer is overdue."""
        return self._subscriptions.tick(now)

    def answered(self, tag: str, result: Any, now: Instant) -> Outputs:
        """Nothing: this session runs no flows."""
        return NOTHING

    def closed(self, reason: str) -> None:
        """The socket is gone."""
        self._subscriptions.closed()

    def _name(self, topic: Topic) -> Name | None:
        """The venue's name of a topic, None if there is none."""
        word = WORDS.get(topic.channel)
        if word is None or topic.variant or topic.instrument not in self._instruments:
            return None
        return word, int(self._instruments[topic.instrument].native[MARKET])

    def _data(self, told: PublicFrame, market: int, now: Instant) -> Outputs:
        """What a frame says of a market. Raises `ValueError` for what means nothing."""
        id_ = self._markets.get(str(market))
        if id_ is None:
            return NOTHING
        instrument = self._instruments[id_]
        outputs: list[Output] = []
        if told.snapshot is not None or told.changes is not None:
            outputs += self._subscriptions.heard(("orders", market))
        if told.trades is not None:
            outputs += self._subscriptions.heard(("trades", market))
        if told.snapshot is not None:
            outputs.append(
                OrderBookSnapshot(instrument=id_, orders=resting(told.snapshot, instrument), received=now)
            )
        if told.changes is not None:
            outputs += _events(told.changes, instrument, now)
        if told.trades is not None:
            outputs += [_trade(trade, instrument, now) for trade in told.trades]
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
