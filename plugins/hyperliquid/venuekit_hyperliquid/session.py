"""The conversation on the socket: subscriptions, life and data.

* A stream is one type of one coin; the venue knows no finer name in its data, so a coin's two kinds of book are one stream.
  Requests have no number and are answered by what they name.
* An error names its request in its text, if at all. "Already" is an answer like any other; another text refuses the request
  if only one is unanswered.
* Delisted instruments, and whatever the socket or the venue is known not to have, are lost for good at once: asking for them
  would close the socket. See `suspects` for what the instrument list does not tell.
* The venue closes a socket to which it has sent nothing for 60 s, and it never pings. So when nothing has come for `QUIET`
  it is asked for a sign of life.
* Every frame of a book is the whole of it. Which of two is newer is the core's to judge, by their times.
* The first frame of trades after a subscription repeats old ones: each is told once per socket. `Trade.key` is the time and
  the venue's trade id; a system fill has no id, so there the rest of it stands in.
* Prices of books are doubles where that is exact for every instrument of the table (`Instrument.float_keys`), which the
  venue's five significant figures see to; otherwise all of them are text.

https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/websocket
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import Any, Final

from msgspec.json import encode

from venuekit_hyperliquid.description import BOOK_DEPTHS, FAST
from venuekit_hyperliquid.payloads import (
    CHANNELS,
    FRAME_OF_DOUBLES,
    FRAME_OF_TEXT,
    GREETING,
    HEAD,
    NAMED,
    PING,
    SUBSCRIPTION,
    VENUE,
    AcknowledgedFrame,
    BookFrame,
    ErrorFrame,
    Head,
    Level,
    PongFrame,
    PublicTrade,
    Request,
    Subscription,
    TopFrame,
    TradesFrame,
)
from venuekit_hyperliquid.suspects import Suspects
from venuekit_spec import (
    MILLISECOND,
    NOTHING,
    UNREADABLE,
    BookSnapshot,
    Channel,
    Instant,
    InstrumentStatus,
    InstrumentTable,
    MalformedMessage,
    Output,
    Outputs,
    Phase,
    Row,
    Seconds,
    Send,
    Side,
    Stream,
    StreamRequest,
    SubscribingSession,
    Topic,
    TopOfBook,
    Trade,
)

SILENCE: Final[Seconds] = 60.0
"""After so long without a frame the connection counts as dead; the venue thinks so too."""

REMEMBERED: Final = 2_000
"""Trades per instrument that are recognised when they are repeated."""

TYPES: Final[Mapping[Channel, str]] = MappingProxyType({
    Channel.BOOK: "l2Book",
    Channel.TRADES: "trades",
    Channel.TOP: "bbo",
})  # fmt: skip
"""What the venue calls the channels."""

ALREADY: Final[Mapping[str, bool]] = MappingProxyType({
    "Already subscribed": True,
    "Already unsubscribed": False,
})  # fmt: skip
"""How an error begins that says that a request was carried out before, and whether that was a subscription."""

SIDES: Final[Mapping[str, Side]] = MappingProxyType({"A": Side.SELL, "B": Side.BUY})


class HyperliquidSession(SubscribingSession):
    """One socket. See the module."""

    spacing = 0.03  # 2,000 frames a minute are allowed
    window = 20
    tries = 1
    quiet = 30.0

    def __init__(self, instruments: InstrumentTable, suspects: Suspects | None = None) -> None:
        super().__init__(instruments)
        self._suspects = Suspects() if suspects is None else suspects
        self._worked = False
        exact = all(instrument.float_keys for instrument in instruments.values())
        self._decode: Callable[[bytes], Any] = (FRAME_OF_DOUBLES if exact else FRAME_OF_TEXT).decode
        self._seen: dict[str, OrderedDict[str, None]] = {}
        self._readers: dict[type, Callable[[Any, Instant], Outputs]] = {
            BookFrame: self._book,
            TopFrame: self._top,
            TradesFrame: self._trades,
            AcknowledgedFrame: self._acknowledged,
            ErrorFrame: self._error,
            PongFrame: self._pong,
        }

    # Subscriptions

    def greeting(self) -> Outputs:
        """Where anything is suspected, a ping shows that the socket works before that is asked for."""
        return [self.ping()] if self._suspects else NOTHING

    def serves(self, topic: Topic) -> bool:
        """Books of both kinds; trades and tops."""
        variants: Collection[str] = BOOK_DEPTHS.keys() if topic.channel is Channel.BOOK else {""}
        return topic.channel in TYPES and topic.variant in variants

    def obstacle(self, topic: Topic) -> str:
        """Also what would close the socket."""
        reason = super().obstacle(topic)
        if not reason and self.instruments[topic.instrument].status is InstrumentStatus.DELISTED:
            return "the instrument is delisted"
        if not reason and self._suspects.guilty(topic):
            return "the venue closes the socket when it is asked for this"
        return reason

    def name(self, topic: Topic) -> tuple[str, str]:
        """Type and coin."""
        return TYPES[topic.channel], self.instruments[topic.instrument].native["socket"]

    def held_back(self, stream: Stream) -> bool:
        """A suspected stream is asked for last and alone, on a socket that works."""
        if not self._suspects:
            return False
        asked = [request.streams[0] for request in self.requests.values() if request.asks]
        if any(each.topic in self._suspects for each in asked):
            return True
        if stream.leaving or stream.topic not in self._suspects:
            return False
        others = (each for each in self.streams.values() if each.topic not in self._suspects)
        return bool(self.requests) or not self._worked or not all(each.live for each in others)

    def frame(self, request: StreamRequest) -> Send:
        """Subscribe to a coin, or unsubscribe."""
        (stream,) = request.streams
        type_, coin = stream.name
        named = Subscription(type_, coin, fast=True if stream.topic.variant == FAST else None)
        return Send(encode(Request("subscribe" if request.asks else "unsubscribe", named)).decode())

    def ping(self) -> Send:
        """A ping of the application."""
        return Send(PING)

    def confirmed(self, stream: Stream, now: Instant, id_: Any = None) -> Outputs:
        """Nothing is held against it any more."""
        if stream.phase is Phase.ASKED:
            self._worked = True
            self._suspects.cleared(stream.topic)
        return super().confirmed(stream, now, id_)

    def closed(self, reason: str) -> None:
        """Whatever was asked for and not answered is suspected."""
        if self.is_open:
            asked = [request.streams[0].topic for request in self.requests.values() if request.asks]
            self._suspects.died(asked, worked=self._worked)
        super().closed(reason)

    def feed(self, frame: bytes, now: Instant) -> Outputs:
        """A frame arrived. Frames of unknown channels are left alone.

        Raises `MalformedMessage`, which names the topic and the instrument wherever the frame does.
        """
        self.heard = now
        try:
            told = self._decode(frame)
        except UNREADABLE as error:
            return self._unread(frame, error)
        return self._readers[type(told)](told, now)

    # Frames

    def _book(self, frame: BookFrame[Any], now: Instant) -> Outputs:
        book, name = frame.data, ("l2Book", frame.data.coin)
        stream = self.streams.get(name)
        if stream is None:
            return NOTHING
        bids, asks = book.levels
        message = BookSnapshot(
            instrument=stream.topic.instrument,
            bids=[(level.px, level.sz) for level in bids],
            asks=[(level.px, level.sz) for level in asks],
            depth=BOOK_DEPTHS[stream.topic.variant],
            time=book.time * MILLISECOND,
            received=now,
        )
        return self.passed(name, (message,), now)

    def _top(self, frame: TopFrame[Any], now: Instant) -> Outputs:
        top, name = frame.data, ("bbo", frame.data.coin)
        stream = self.streams.get(name)
        if stream is None:
            return NOTHING
        bid, ask = top.bbo
        message = TopOfBook(
            instrument=stream.topic.instrument,
            bid=_row(bid),
            ask=_row(ask),
            time=top.time * MILLISECOND,
            received=now,
        )
        return self.passed(name, (message,), now)

    def _trades(self, frame: TradesFrame, now: Instant) -> Outputs:
        out: list[Output] = []
        for trade in frame.data:
            name = ("trades", trade.coin)
            stream = self.streams.get(name)
            if stream is None or stream.leaving:
                continue
            key = _key(trade)
            message = Trade(
                instrument=stream.topic.instrument,
                price=trade.px,
                size=trade.sz,
                side=SIDES[trade.side],
                key=key,
                time=trade.time * MILLISECOND,
                received=now,
            )
            first = self._first_seen(stream.topic.instrument, key)
            out += self.passed(name, (message,) if first else NOTHING, now)
        return out

    def _acknowledged(self, frame: AcknowledgedFrame, now: Instant) -> Outputs:
        told = frame.data
        return self._told(told.subscription, now, subscribed=told.method == "subscribe")

    def _error(self, frame: ErrorFrame, now: Instant) -> Outputs:
        """The venue did not carry a request out. Raises `MalformedMessage` if the text does not tell which."""
        self._worked = True
        told, _, named = frame.data.partition(":")
        if told in ALREADY:
            try:
                subscription = SUBSCRIPTION.decode(named)
            except UNREADABLE as error:
                raise _nameless(frame) from error
            return self._told(subscription, now, subscribed=ALREADY[told])
        if len(self.requests) != 1:
            raise _nameless(frame)
        (request,) = self.requests.values()
        for stream in request.streams:
            self._suspects.cleared(stream.topic)
        return self.refused(request, now, frame.data)

    def _told(self, named: Subscription, now: Instant, *, subscribed: bool) -> Outputs:
        """A request about this was carried out, now or before."""
        self._worked = True
        stream = self.streams.get((named.type, named.coin))
        request = stream.request if stream is not None else None
        if request is not None and request.asks is subscribed:
            return self.carried_out(request, now)
        return self.advance(now)

    def _pong(self, _frame: PongFrame, now: Instant) -> Outputs:
        self._worked = True
        return self.advance(now)

    def _unread(self, frame: bytes, error: Exception) -> Outputs:
        """A frame that is none of those that are read. Raises `MalformedMessage` where it should have been one."""
        if frame.startswith(GREETING):
            return NOTHING
        try:
            head = HEAD.decode(frame)
        except UNREADABLE as worse:
            raise MalformedMessage(str(worse), venue=VENUE, frame=frame) from worse
        if head.channel and head.channel not in CHANNELS:
            return NOTHING
        topic = self._loser(head)
        raise MalformedMessage(
            str(error),
            venue=VENUE,
            topic=head.channel if topic is None else str(topic),
            instrument="" if topic is None else topic.instrument,
            frame=frame,
        ) from error

    def _loser(self, head: Head) -> Topic | None:
        """The topic that lost a message with a frame; None where the frame names none that is wanted."""
        try:
            named = NAMED.decode(head.data)
        except UNREADABLE:
            return None
        coins = {each.coin for each in named} if isinstance(named, list) else {named.coin}
        return self.wanted.get((head.channel, coins.pop())) if len(coins) == 1 else None

    # Inside

    def _first_seen(self, instrument: str, key: str) -> bool:
        """Whether this trade was not told before on this socket."""
        seen = self._seen.setdefault(instrument, OrderedDict())
        if key in seen:
            return False
        seen[key] = None
        if len(seen) > REMEMBERED:
            seen.popitem(last=False)
        return True


def _nameless(frame: ErrorFrame) -> MalformedMessage:
    return MalformedMessage("an error that names no request", venue=VENUE, frame=frame.data)


def _row(level: Level[Any] | None) -> Row | None:
    return None if level is None else (level.px, level.sz)


def _key(trade: PublicTrade) -> str:
    """What tells a trade from all others of its coin."""
    if trade.tid:
        return f"{trade.time}:{trade.tid}"
    return f"{trade.time}:0:{trade.side}:{trade.px}:{trade.sz}"
