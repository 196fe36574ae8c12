"""The conversation on a feed socket: frames -> messages.

An update of a book begins with its type and its product, so both are cut out of the bytes and the frame is read at once, by a
decoder that suits the instrument. Everything else goes through one decoder that tells the kinds of message apart; what that
one does not know (snapshots, an update in another order of its fields, kinds that are not read, nonsense) takes a slower way.

Prices are decoded as doubles where the instrument allows it (`Instrument.float_keys`): the decoder makes them for next to
nothing. A change says its side, so one pass over the changes makes the rows of each.

=====================  =========================================================================
message                becomes
=====================  =========================================================================
snapshot, l2update     `BookSnapshot`, `BookDelta`
match                  `Trade`, of the taker's side; with an order-by-order topic, `OrderEvent` MATCH
last_match             nothing: it is a trade of the past
ticker                 `TopOfBook`; nothing where it has no sizes (before 2022)
heartbeat              `Heard`, of every book of the product
received               `OrderEvent` NOTHING: only the sequence moves
open, done             `OrderEvent` OPEN, DONE
change                 `OrderEvent` CHANGE; NOTHING where a market order's funds change
activate, other kinds  nothing; a private message is in no sequence
a row (level3)         `OrderEvent`, see `level3`
subscriptions, error   see `subscriptions`
=====================  =========================================================================

https://docs.cdp.coinbase.com/exchange/websocket-feed/channels
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import msgspec
from msgspec import Struct

from venuekit_coinbase_exchange.description import COMPACT
from venuekit_coinbase_exchange.level3 import SIDES, Level3
from venuekit_coinbase_exchange.payloads import (
    VENUE,
    Change,
    Done,
    Head,
    Heartbeat,
    Match,
    Message,
    Open,
    Problem,
    Received,
    Schema,
    Snapshot,
    SubscriptionList,
    Ticker,
    Update,
    WireSide,
)
from venuekit_coinbase_exchange.subscriptions import Subscriptions
from venuekit_spec import (
    NOTHING,
    UNREADABLE,
    BookDelta,
    BookSnapshot,
    Channel,
    Heard,
    Instant,
    InstrumentTable,
    MalformedMessage,
    OrderAction,
    OrderEvent,
    Output,
    Outputs,
    Row,
    Topic,
    TopOfBook,
    Trade,
    decode,
    instant_of,
)

KNOWN: Final[Mapping[str, Channel | None]] = MappingProxyType({
    "snapshot": Channel.BOOK,
    "l2update": Channel.BOOK,
    "received": Channel.ORDERS,
    "open": Channel.ORDERS,
    "match": Channel.TRADES,
    "done": Channel.ORDERS,
    "change": Channel.ORDERS,
    "ticker": Channel.TOP,
    "heartbeat": None,
    "level3": None,
    "subscriptions": None,
    "error": None,
})  # fmt: skip
"""The kinds of message that are read -> whose loss it is when one of them cannot be."""

UPDATE: Final = b'{"type":"l2update","product_id":"'
PRODUCT: Final = len(UPDATE)
"""How the venue begins an update of a book, and where its product starts."""

_Decode: TypeAlias = Callable[[bytes], Any]

_message: Final[_Decode] = msgspec.json.Decoder(Message).decode
_head = msgspec.json.Decoder(Head)

# Not strict: it reads a number from text.
_BOOKS: Final[Mapping[bool, Mapping[str, _Decode]]] = MappingProxyType({
    False: {
        "snapshot": msgspec.json.Decoder(Snapshot[str]).decode,
        "l2update": msgspec.json.Decoder(Update[str]).decode,
    },
    True: {
        "snapshot": msgspec.json.Decoder(Snapshot[float], strict=False).decode,
        "l2update": msgspec.json.Decoder(Update[float], strict=False).decode,
    },
})  # fmt: skip
"""`Instrument.float_keys`, then the type of message -> its decoder."""


class _Route(Struct, frozen=True):
    """What becomes of the messages of one product."""

    instrument: str
    update: _Decode
    snapshot: _Decode
    book: Topic
    orders: Topic
    compact: Topic
    trades: Topic
    top: Topic


class CoinbaseExchangeSession(Subscriptions):
    """One socket. `instruments` are those whose messages are read; those of others are left alone."""

    def __init__(self, instruments: InstrumentTable) -> None:
        super().__init__(instruments)
        self._ids = instruments.ids_by_native("socket")
        self._routes: dict[bytes, _Route] = {}  # filled by the products that are met
        self._level3 = Level3(instruments)
        self._held: frozenset[Topic] = frozenset()
        self._readers: Mapping[type, Callable[[Any, Instant], Outputs]] = {
            Received: self._received,
            Open: self._open,
            Match: self._match,
            Done: self._done,
            Change: self._change,
            Ticker: self._ticker,
            Heartbeat: self._heartbeat,
            Schema: self._schema,
            SubscriptionList: self.listed,
            Problem: self._problem,
        }

    def want(self, topics: frozenset[Topic], now: Instant) -> Outputs:
        """Ask for exactly these topics."""
        outputs = super().want(topics, now)
        self._held = frozenset(self.wanted.values())
        return outputs

    def feed(self, frame: bytes, now: Instant) -> Outputs:
        """A frame. Raises `MalformedMessage` for what cannot be read, naming the topic and the book that lost it."""
        if frame.startswith(UPDATE):
            route = self._routes.get(frame[PRODUCT : frame.find(b'"', PRODUCT)])
            if route is not None:
                return self._update(route, frame, now)
        elif frame.startswith(b"["):
            return self._row(frame, now)
        try:
            message = _message(frame)
        except UNREADABLE as error:
            return self._other(frame, str(error), now)
        return self._readers[type(message)](message, now)

    def _route(self, product: str) -> _Route | None:
        """What becomes of the messages of a product; None for one that is not listed."""
        name = product.encode()
        route = self._routes.get(name)
        if route is None and product in self._ids:
            id_ = self._ids[product]
            decoders = _BOOKS[self.instruments[id_].float_keys]
            self._routes[name] = route = _Route(
                id_,
                decoders["l2update"],
                decoders["snapshot"],
                Topic(Channel.BOOK, id_),
                Topic(Channel.ORDERS, id_),
                Topic(Channel.ORDERS, id_, COMPACT),
                Topic(Channel.TRADES, id_),
                Topic(Channel.TOP, id_),
            )
        return route

    def _told(self, topic: Topic, message: Output, now: Instant) -> Outputs:
        """A message of a topic, unless it is one of a subscription that is being left."""
        return self.passed(self.name(topic), (message,), now) if self.unsettled else (message,)

    # Books

    def _update(self, route: _Route, frame: bytes, now: Instant) -> Outputs:
        try:
            update = route.update(frame)
        except UNREADABLE as error:
            raise _malformed(route.book, str(error), frame) from error
        bids: list[Row] = []
        asks: list[Row] = []
        for side, price, size in update.changes:
            if side == "buy":
                bids.append((price, size))
            else:
                asks.append((price, size))
        delta = BookDelta(
            instrument=route.instrument, bids=bids, asks=asks, time=instant_of(update.time), received=now
        )
        return self._told(route.book, delta, now)

    def _snapshot(self, route: _Route, frame: bytes, now: Instant) -> Outputs:
        try:
            book = route.snapshot(frame)
        except UNREADABLE as error:
            raise _malformed(route.book, str(error), frame) from error
        snapshot = BookSnapshot(
            instrument=route.instrument,
            bids=book.bids,
            asks=book.asks,
            time=instant_of(book.time),
            received=now,
        )
        return self._told(route.book, snapshot, now)

    def _other(self, frame: bytes, reason: str, now: Instant) -> Outputs:
        """A frame that the decoder of messages did not know: a book, something that is not read, or nonsense."""
        head = decode(_head, frame, "", venue=VENUE)
        if head.type not in KNOWN:
            return NOTHING
        route = self._route(head.product_id)
        if head.product_id and route is None:
            return NOTHING
        channel = KNOWN[head.type]
        if route is None or channel is None:
            raise MalformedMessage(reason, venue=VENUE, topic=head.type, frame=frame)
        if head.type == "l2update":
            return self._update(route, frame, now)
        if head.type == "snapshot":
            return self._snapshot(route, frame, now)
        ordered = head.type == "match" and route.orders in self._held
        raise _malformed(route.orders if ordered else Topic(channel, route.instrument), reason, frame)

    # Trades and tops

    def _match(self, match: Match, now: Instant) -> Outputs:
        route = self._route(match.product_id)
        if route is None:
            return NOTHING
        by_order = route.orders in self._held
        outputs: Outputs = NOTHING
        if by_order:
            event = _event(
                OrderAction.MATCH, match, route, match.maker_order_id, now, match.side, size=match.size
            )
            outputs = self._ordered(route, event, now)
        if by_order and route.trades not in self._held:
            return outputs
        trade = Trade(
            instrument=route.instrument,
            price=match.price,
            size=match.size,
            side=SIDES[match.side].opposite,
            key=str(match.trade_id),
            sequence=match.trade_id,
            time=instant_of(match.time),
            received=now,
        )
        return (*outputs, *self._told(route.trades, trade, now))

    def _ticker(self, ticker: Ticker, now: Instant) -> Outputs:
        route = self._route(ticker.product_id)
        if route is None or ticker.best_bid_size is None or ticker.best_ask_size is None:
            return NOTHING
        top = TopOfBook(
            instrument=route.instrument,
            bid=_level(ticker.best_bid, ticker.best_bid_size),
            ask=_level(ticker.best_ask, ticker.best_ask_size),
            last=ticker.sequence,
            time=instant_of(ticker.time),
            received=now,
        )
        return self._told(route.top, top, now)

    def _heartbeat(self, heartbeat: Heartbeat, now: Instant) -> Outputs:
        route = self._route(heartbeat.product_id)
        if route is None:
            return NOTHING
        books = (route.book, route.orders, route.compact)
        return [Heard(topic) for topic in books if topic in self._held]

    # Orders

    def _received(self, message: Received, now: Instant) -> Outputs:
        route = self._route(message.product_id)
        if route is None:
            return NOTHING
        return self._ordered(route, _event(OrderAction.NOTHING, message, route, message.order_id, now), now)

    def _open(self, message: Open, now: Instant) -> Outputs:
        route = self._route(message.product_id)
        if route is None:
            return NOTHING
        event = _event(
            OrderAction.OPEN,
            message,
            route,
            message.order_id,
            now,
            message.side,
            message.price,
            message.remaining_size,
        )
        return self._ordered(route, event, now)

    def _done(self, message: Done, now: Instant) -> Outputs:
        # Its price may be another than the one under which the order rests, so it is not handed on.
        route = self._route(message.product_id)
        if route is None:
            return NOTHING
        event = _event(OrderAction.DONE, message, route, message.order_id, now, message.side)
        return self._ordered(route, event, now)

    def _change(self, message: Change, now: Instant) -> Outputs:
        route = self._route(message.product_id)
        if route is None:
            return NOTHING
        action = OrderAction.NOTHING if message.new_size is None else OrderAction.CHANGE
        event = _event(
            action,
            message,
            route,
            message.order_id,
            now,
            message.side,
            message.new_price or "",
            message.new_size or "",
        )
        return self._ordered(route, event, now)

    def _ordered(self, route: _Route, event: OrderEvent, now: Instant) -> Outputs:
        """An event, unless it is private and in no sequence."""
        return NOTHING if event.last is None else self._told(route.orders, event, now)

    def _row(self, frame: bytes, now: Instant) -> Outputs:
        event = self._level3.read(frame, now)
        return (
            NOTHING
            if event is None
            else self._told(Topic(Channel.ORDERS, event.instrument, COMPACT), event, now)
        )

    # What is about the conversation

    def _schema(self, schema: Schema, now: Instant) -> Outputs:
        self._level3.learn(schema)
        return NOTHING

    def _problem(self, problem: Problem, now: Instant) -> Outputs:
        return self.failed(problem.text, now)


def _event(
    action: OrderAction,
    message: Received | Open | Match | Done | Change,
    route: _Route,
    order_id: str,
    now: Instant,
    side: WireSide | None = None,
    price: str = "",
    size: str = "",
) -> OrderEvent:
    return OrderEvent(
        instrument=route.instrument,
        action=action,
        order_id=order_id,
        side=None if side is None else SIDES[side],
        price=price,
        size=size,
        last=message.sequence,
        time=instant_of(message.time),
        received=now,
    )


def _level(price: str, size: str) -> Row | None:
    """A best level; an empty side has neither price nor size."""
    return (price, size) if price.strip("0.") and size.strip("0.") else None


def _malformed(topic: Topic, reason: str, frame: bytes) -> MalformedMessage:
    return MalformedMessage(reason, venue=VENUE, topic=str(topic), instrument=topic.instrument, frame=frame)
