"""The conversation on a market-stream socket: topics -> frames, frames -> messages.

The venue takes five frames a second and answers a request by its number, never by its streams; some errors have no number, and
are the oldest request's. An error refuses the whole request, and the refused stream is narrowed down (`SubscribingSession`).

Of a wrapped event the stream's name is cut out of the bytes; it says which typed decoder reads the whole frame at once. What
a stream means is learned when it is wanted, or from its first frame, so a frame is understood although this session did not
ask for it (a URL may name streams too). All else takes a second, slower way: first frames, bare events, answers, notices.

Prices are decoded as doubles where the instrument allows it (`Instrument.float_keys`): the decoder makes them for next to
nothing, while a call per level would cost more than all the rest.

https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import msgspec
from msgspec import UNSET, Struct

from venuekit_binance.payloads import (
    VENUE,
    BookTicker,
    DepthUpdate,
    Frame,
    TradeEvent,
    Wrapped,
)
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
    Redial,
    Row,
    Send,
    Side,
    StreamRequest,
    SubscribingSession,
    Topic,
    TopOfBook,
    Trade,
    decode,
)

STREAMS: Final[Mapping[tuple[Channel, str], str]] = MappingProxyType({
    (Channel.BOOK, ""): "depth@100ms",
    (Channel.TRADES, ""): "trade",
    (Channel.TOP, ""): "bookTicker",
})  # fmt: skip
"""Channel and variant of a topic -> what follows the symbol and an @ in the name of its stream."""

SHUTDOWN: Final = "serverShutdown"

WRAPPED: Final = b'{"stream":"'
NAME: Final = len(WRAPPED)
"""How the venue begins every frame of a combined stream, and where the stream's name starts."""

_Decode: TypeAlias = Callable[[bytes], Any]
_Message: TypeAlias = Callable[[Any, str, Instant], OrderBookMessage]


# --- events


def _delta(event: DepthUpdate[Any], instrument: str, now: Instant) -> BookDelta:
    return BookDelta(
        instrument=instrument,
        bids=event.bids,
        asks=event.asks,
        first=event.first,
        last=event.last,
        time=event.time * MILLISECOND,
        received=now,
    )


def _trade(event: TradeEvent, instrument: str, now: Instant) -> Trade:
    # Ids rise by one in every recording, but nothing documents that they do: they are no `sequence`.
    return Trade(
        instrument=instrument,
        price=event.price,
        size=event.size,
        side=Side.SELL if event.buyer_is_maker else Side.BUY,
        key=str(event.id),
        time=event.time * MILLISECOND,
        received=now,
    )


def _top(event: BookTicker, instrument: str, now: Instant) -> TopOfBook:
    return TopOfBook(
        instrument=instrument,
        bid=_level(event.bid, event.bid_size),
        ask=_level(event.ask, event.ask_size),
        last=event.last,
        received=now,
    )


def _level(price: str, size: str) -> Row | None:
    """A best level; an empty side is told as zeros."""
    return (price, size) if size.strip("0.") else None


class _Event:
    """One shape of event: its channel, how it is decoded, wrapped and bare, and what message it makes."""

    __slots__ = ("bare", "channel", "message", "wrapped")

    def __init__(self, channel: Channel, shape: Any, message: _Message, *, strict: bool = True) -> None:
        self.channel = channel
        self.wrapped: _Decode = msgspec.json.Decoder(Wrapped[shape], strict=strict).decode
        self.bare: _Decode = msgspec.json.Decoder(shape, strict=strict).decode
        self.message = message


_BOOK: Final = _Event(Channel.BOOK, DepthUpdate[str], _delta)
# Not strict: it reads a number from text.
_BOOK_OF_DOUBLES: Final = _Event(Channel.BOOK, DepthUpdate[float], _delta, strict=False)
_TRADE: Final = _Event(Channel.TRADES, TradeEvent, _trade)
_TOP: Final = _Event(Channel.TOP, BookTicker, _top)

BY_STREAM: Final[Mapping[str, _Event]] = MappingProxyType({
    "depth@100ms": _BOOK,
    "depth": _BOOK,
    "trade": _TRADE,
    "bookTicker": _TOP,
})  # fmt: skip
"""What follows the symbol and an @ in the name of a stream -> the shape of its events."""

BY_TYPE: Final[Mapping[str, _Event]] = MappingProxyType({"depthUpdate": _BOOK, "trade": _TRADE})
"""The type that a bare event says it has -> its shape; that of a book ticker says none."""


class _Route(Struct, frozen=True, gc=False):
    """What becomes of the events of one stream."""

    event: _Event
    symbol: str
    instrument: str
    stream: str


_frame = msgspec.json.Decoder(Frame)


class BinanceSession(SubscribingSession):
    """One socket. `instruments` are those whose events are read; events of others are left alone."""

    batch = 100
    # The venue is reported to ignore frames above some 8,000 bytes; a hundred names take 2,500.

    spacing = 0.25
    # Four a second, which leaves one of the five for pongs, as those count too.

    def __init__(self, instruments: InstrumentTable) -> None:
        super().__init__(instruments)
        self._symbols = instruments.ids_by_native("rest")
        self._names = instruments.ids_by_native("socket")
        self._routes: dict[bytes, _Route] = {}  # filled by the streams that are met

    def serves(self, topic: Topic) -> bool:
        """Whether there is a stream of this channel and variant."""
        return (topic.channel, topic.variant) in STREAMS

    def name(self, topic: Topic) -> str:
        """The name of a topic's stream."""
        socket = self.instruments[topic.instrument].native["socket"]
        return f"{socket}@{STREAMS[topic.channel, topic.variant]}"

    def frame(self, request: StreamRequest) -> Send:
        """Subscribe to streams, or unsubscribe."""
        streams = [stream.name for stream in request.streams]
        method = "SUBSCRIBE" if request.asks else "UNSUBSCRIBE"
        return Send(msgspec.json.encode({"method": method, "params": streams, "id": request.number}).decode())

    def want(self, topics: frozenset[Topic], now: Instant) -> Outputs:
        """Learn what the streams mean before they come, too."""
        outputs = super().want(topics, now)
        for name in self.wanted:
            self._route(name)
        return outputs

    def feed(self, frame: bytes, now: Instant) -> Outputs:
        """A frame. Raises `MalformedMessage` for what cannot be read, naming the topic and the book that lost it."""
        route = self._routes.get(frame[NAME : frame.find(b'"', NAME)])
        if route is None or not frame.startswith(WRAPPED):
            return self._other(frame, now)
        return self._event(route, frame, now)

    def _route(self, stream: str) -> _Route | None:
        """What the events of a stream become, for `feed` to find; None for a stream that is not read."""
        name, _, suffix = stream.partition("@")
        event, id_ = BY_STREAM.get(suffix), self._names.get(name)
        if event is None or id_ is None:
            return None
        instrument = self.instruments[id_]
        if event is _BOOK and instrument.float_keys:
            event = _BOOK_OF_DOUBLES
        route = _Route(event, instrument.native["rest"], id_, stream)
        self._routes[stream.encode()] = route
        return route

    def _event(self, route: _Route, frame: bytes, now: Instant) -> Outputs:
        """A wrapped event."""
        try:
            data = route.event.wrapped(frame).data
        except UNREADABLE as error:
            raise _malformed(route, frame, str(error)) from error
        if data.symbol != route.symbol:
            raise _malformed(route, frame, f"an event of {data.symbol}")
        message: OrderBookMessage = route.event.message(data, route.instrument, now)
        return self.passed(route.stream, (message,), now) if self.unsettled else (message,)

    def _other(self, frame: bytes, now: Instant) -> Outputs:
        """A frame of a stream that was not met before, or of none."""
        head = decode(_frame, frame, "", venue=VENUE)
        if SHUTDOWN in {head.event, head.stream.removeprefix("!")}:
            return (Redial("the server announced its shutdown", planned=True),)
        if head.stream:
            return self._first(head.stream, frame, now)
        if head.event:
            return self._bare(BY_TYPE.get(head.event), frame, now)
        if head.refusal is not None or head.id is not UNSET:
            return self._answer(head, frame, now)
        return self._bare(_TOP if head.last is not UNSET and head.ask_size is not UNSET else None, frame, now)

    def _first(self, stream: str, frame: bytes, now: Instant) -> Outputs:
        """A wrapped event of a stream that was not met before, or is written in another way than the venue's."""
        route = self._route(stream)
        return NOTHING if route is None else self._event(route, frame, now)

    def _bare(self, event: _Event | None, frame: bytes, now: Instant) -> Outputs:
        """An event without a wrapper."""
        if event is None:
            return NOTHING
        try:
            data = event.bare(frame)
        except UNREADABLE as error:
            raise MalformedMessage(str(error), venue=VENUE, topic=event.channel.value, frame=frame) from error
        id_ = self._symbols.get(data.symbol)
        return NOTHING if id_ is None else (event.message(data, id_, now),)

    def _answer(self, head: Frame, frame: bytes, now: Instant) -> Outputs:
        """The answer to a request. One that comes too late, or twice, or to nobody, means nothing."""
        number = head.id if isinstance(head.id, int) else None
        if number is None and (head.refusal is None or isinstance(head.id, str)):
            return NOTHING
        sure = number is not None or len(self.requests) == 1
        request = self.requests.get(next(iter(self.requests), 0) if number is None else number)
        if request is None and number is None:
            raise MalformedMessage("an error that answers no request", venue=VENUE, frame=frame)
        if request is None:
            return NOTHING
        if head.refusal is None:
            return self.carried_out(request, now)
        reason = f"refused: {head.refusal.message} ({head.refusal.code})"
        return self.narrowed(request, now, reason, final=sure)


def _malformed(route: _Route, frame: bytes, reason: str) -> MalformedMessage:
    """The error of an event that could not be read; its topic is in the contract's words, the frame tells the stream."""
    topic = str(Topic(route.event.channel, route.instrument))
    return MalformedMessage(reason, venue=VENUE, topic=topic, instrument=route.instrument, frame=frame)
