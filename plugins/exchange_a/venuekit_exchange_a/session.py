"""The conversation on the market stream: frames -> messages.

Every data frame opens with its topic, which is cut out of the bytes and says which typed decoder reads the whole frame at once.
Prices are decoded as doubles where the instrument allows it (`Instrument.float_keys`): the decoder makes them for next to
nothing. All other frames are answers to subscriptions.

PROTOCOL.md, "Market stream".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import msgspec
from msgspec import Struct

from venuekit_exchange_a.instruments import SYMBOL
from venuekit_exchange_a.payloads import VENUE, DepthUpdate, StreamFrame, TopUpdate, TradeUpdate
from venuekit_exchange_a.subscriptions import Subscriptions
from venuekit_spec import (
    MILLISECOND,
    NOTHING,
    UNREADABLE,
    BookDelta,
    Channel,
    Instant,
    InstrumentTable,
    MalformedMessage,
    OrderBookMessage,
    Outputs,
    Side,
    SocketRequest,
    Topic,
    TopicLost,
    TopOfBook,
    Trade,
    Unsupported,
    decode,
)

CHANNELS: Final[Mapping[str, Channel]] = MappingProxyType({
    "depth": Channel.BOOK,
    "trades": Channel.TRADES,
    "top": Channel.TOP,
})  # fmt: skip
"""The venue's word for a channel, which stands before the symbol and a colon in a topic -> the contract's."""

WORDS: Final[Mapping[Channel, str]] = MappingProxyType({channel: word for word, channel in CHANNELS.items()})

OPENING: Final = b'{"topic":"'
NAME: Final = len(OPENING)
"""How every data frame begins, and where its topic starts."""

_Decode: TypeAlias = Callable[[bytes], Any]
_Message: TypeAlias = Callable[[Any, str, Instant], OrderBookMessage]


def _delta(update: DepthUpdate[Any], instrument: str, now: Instant) -> BookDelta:
    return BookDelta(
        instrument=instrument,
        bids=update.bids,
        asks=update.asks,
        first=update.first,
        last=update.last,
        time=update.time * MILLISECOND,
        received=now,
    )


def _trade(update: TradeUpdate, instrument: str, now: Instant) -> Trade:
    return Trade(
        instrument=instrument,
        price=update.price,
        size=update.size,
        side=Side(update.side),
        key=str(update.id),
        time=update.time * MILLISECOND,
        received=now,
    )


def _top(update: TopUpdate, instrument: str, now: Instant) -> TopOfBook:
    return TopOfBook(
        instrument=instrument,
        bid=update.bid,
        ask=update.ask,
        last=update.id,
        time=update.time * MILLISECOND,
        received=now,
    )


class _Event(Struct, frozen=True):
    """One shape of update: its channel, how it is decoded, and what message it makes."""

    channel: Channel
    decode: _Decode
    message: _Message


_BOOK: Final = _Event(Channel.BOOK, msgspec.json.Decoder(DepthUpdate[str]).decode, _delta)
# Not strict: it reads a number from text.
_BOOK_OF_DOUBLES: Final = _Event(
    Channel.BOOK, msgspec.json.Decoder(DepthUpdate[float], strict=False).decode, _delta
)
_EVENTS: Final[Mapping[Channel, _Event]] = MappingProxyType({
    Channel.BOOK: _BOOK,
    Channel.TRADES: _Event(Channel.TRADES, msgspec.json.Decoder(TradeUpdate).decode, _trade),
    Channel.TOP: _Event(Channel.TOP, msgspec.json.Decoder(TopUpdate).decode, _top),
})  # fmt: skip


class _Route(Struct, frozen=True, gc=False):
    """What becomes of the updates of one topic. `name` is the venue's name of it."""

    name: str
    instrument: str
    event: _Event


_frame = msgspec.json.Decoder(StreamFrame)


class ExchangeASession:
    """One socket. `instruments` are those whose updates are read; updates of others are left alone."""

    __slots__ = ("_instruments", "_routes", "_subscriptions", "_symbols", "_unconfirmed", "_unserved")

    def __init__(self, instruments: InstrumentTable) -> None:
        self._instruments = instruments
        self._symbols = instruments.ids_by_native(SYMBOL)
        self._routes: dict[bytes, _Route] = {}  # filled by the topics that are met
        self._subscriptions = Subscriptions()
        self._unconfirmed = self._subscriptions.unconfirmed
        self._unserved: frozenset[Topic] = frozenset()

    def opened(self, now: Instant) -> Outputs:
        """The socket is open: ask for what is wanted already."""
        return self._subscriptions.opened(now)

    def want(self, topics: frozenset[Topic], now: Instant) -> Outputs:
        """Ask for exactly these topics. One that the venue does not have is lost for good at once."""
        names = {topic: self._name(topic) for topic in topics}
        unserved = frozenset(topic for topic, name in names.items() if not name)
        lost = [TopicLost(topic, "Exchange A has no such topic") for topic in unserved - self._unserved]
        self._unserved = unserved
        wanted = dict(sorted((name, topic) for topic, name in names.items() if name))
        return [*lost, *self._subscriptions.want(wanted, now)]

    def call(self, request: SocketRequest, now: Instant) -> Outputs:
        """Raises `Unsupported`: the market stream takes no calls."""
        raise Unsupported(f"the market stream takes no calls, so no {request.method}")

    def feed(self, frame: bytes, now: Instant) -> Outputs:
        """A frame. Raises `MalformedMessage` for what cannot be read, naming the topic and the book that lost it."""
        name = frame[NAME : frame.find(b'"', NAME)]
        route = self._routes.get(name)
        if route is None or not frame.startswith(OPENING):
            route = self._route(name) if frame.startswith(OPENING) else None
            if route is None:
                return self._answer(frame, now)
        try:
            message = route.event.message(route.event.decode(frame), route.instrument, now)
        except UNREADABLE as error:
            topic = str(Topic(route.event.channel, route.instrument))
            raise MalformedMessage(
                str(error), venue=VENUE, topic=topic, instrument=route.instrument, frame=frame
            ) from error
        if self._unconfirmed:
            return [*self._subscriptions.seen(route.name), message]
        return (message,)

    def tick(self, now: Instant) -> Outputs:
        """It is time for the next frame, or an answer is overdue."""
        return self._subscriptions.tick(now)

    def answered(self, tag: str, result: Any, now: Instant) -> Outputs:
        """Nothing: this session runs no flows."""
        return NOTHING

    def closed(self, reason: str) -> None:
        """The socket is gone."""
        self._subscriptions.closed()

    def _name(self, topic: Topic) -> str:
        """The venue's name of a topic, empty if there is none."""
        word = WORDS.get(topic.channel)
        if word is None or topic.variant or topic.instrument not in self._instruments:
            return ""
        return f"{word}:{self._instruments[topic.instrument].native[SYMBOL]}"

    def _route(self, raw: bytes) -> _Route | None:
        """What the updates of a topic become, remembered for `feed`; None for a topic that is not read."""
        name = raw.decode("utf-8", "replace")
        word, _, symbol = name.partition(":")
        channel, id_ = CHANNELS.get(word), self._symbols.get(symbol)
        if channel is None or id_ is None:
            return None
        event = _EVENTS[channel]
        if event is _BOOK and self._instruments[id_].float_keys:
            event = _BOOK_OF_DOUBLES
        return self._routes.setdefault(raw, _Route(name, id_, event))

    def _answer(self, frame: bytes, now: Instant) -> Outputs:
        """The answer to a request; one that comes too late, or twice, means nothing, nor do topics that are not read."""
        head = decode(_frame, frame, "", venue=VENUE)
        if head.id is not None:
            refused = {refusal.topic: f"{refusal.msg} ({refusal.code})" for refusal in head.refused}
            return self._subscriptions.answered(head.id, refused, head.error, now)
        if head.topic is None:
            raise MalformedMessage("neither data nor an answer", venue=VENUE, frame=frame)
        return NOTHING
