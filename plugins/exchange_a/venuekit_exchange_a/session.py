"""The conversation on the market stream: topics -> frames, frames -> messages.

Requests carry a number and up to `batch` topics. The venue answers each with the topics that it refuses, or with an error that
concerns the whole request; the rest is `SubscribingSession`'s.

Every data frame opens with its topic, which is cut out of the bytes and says which typed decoder reads the whole frame at once.
Prices are decoded as doubles where the instrument allows it (`Instrument.float_keys`): the decoder makes them for next to
nothing.

PROTOCOL.md, "Market stream".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import chain
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import msgspec
from msgspec import Struct

from venuekit_exchange_a.instruments import SYMBOL
from venuekit_exchange_a.payloads import VENUE, DepthUpdate, StreamFrame, TopUpdate, TradeUpdate
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
    Send,
    Side,
    StreamRequest,
    SubscribingSession,
    Topic,
    TopOfBook,
    Trade,
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


class ExchangeASession(SubscribingSession):
    """One socket. `instruments` are those whose updates are read; updates of others are left alone."""

    batch = 100  # the most that the venue takes
    spacing = 0.1  # ten frames a second, half of what the venue takes

    def __init__(self, instruments: InstrumentTable) -> None:
        super().__init__(instruments)
        self._symbols = instruments.ids_by_native(SYMBOL)
        self._routes: dict[bytes, _Route] = {}  # filled by the topics that are met

    def serves(self, topic: Topic) -> bool:
        """Three channels, without variants."""
        return topic.channel in WORDS and not topic.variant

    def name(self, topic: Topic) -> str:
        """The venue's name of a topic."""
        return f"{WORDS[topic.channel]}:{self.instruments[topic.instrument].native[SYMBOL]}"

    def frame(self, request: StreamRequest) -> Send:
        """Subscribe to topics, or unsubscribe."""
        op = "subscribe" if request.asks else "unsubscribe"
        topics = [stream.name for stream in request.streams]
        return Send(msgspec.json.encode({"op": op, "id": request.number, "topics": topics}).decode())

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
        return self.passed(route.name, (message,), now) if self.unsettled else (message,)

    def _route(self, raw: bytes) -> _Route | None:
        """What the updates of a topic become, remembered for `feed`; None for a topic that is not read."""
        name = raw.decode("utf-8", "replace")
        word, _, symbol = name.partition(":")
        channel, id_ = CHANNELS.get(word), self._symbols.get(symbol)
        if channel is None or id_ is None:
            return None
        event = _EVENTS[channel]
        if event is _BOOK and self.instruments[id_].float_keys:
            event = _BOOK_OF_DOUBLES
        return self._routes.setdefault(raw, _Route(name, id_, event))

    def _answer(self, frame: bytes, now: Instant) -> Outputs:
        """The answer to a request; one that comes too late, or twice, means nothing, nor do topics that are not read."""
        head = decode(_frame, frame, "", venue=VENUE)
        if head.id is None and head.topic is None:
            raise MalformedMessage("neither data nor an answer", venue=VENUE, frame=frame)
        request = None if head.id is None else self.requests.get(head.id)
        if request is None:
            return NOTHING
        if head.error is not None:
            return self.refused(request, now, f"{head.error.msg} ({head.error.code})")
        reasons = {refusal.topic: f"{refusal.msg} ({refusal.code})" for refusal in head.refused}
        refused = [stream for stream in request.open if stream.name in reasons]
        lost = [self.ended(stream, now, reasons[stream.name], final=True) for stream in refused]
        return [*chain.from_iterable(lost), *self.carried_out(request, now)]
