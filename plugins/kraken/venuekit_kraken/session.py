"""The conversation on Kraken's public socket (WebSocket v2): subscriptions, status and data.

* A stream is one channel of one symbol: the venue knows no finer name, and allows one depth of it per connection. An answer
  comes once per symbol of a request, in any order, and data may come before it. One without a request id is taken by what it
  names: the venue ended a stream, or a tape is played whose requests had none.
* Trades are subscribed to without the venue's snapshot of the last 50: none comes twice after a resubscription.
* Kraken sends a heartbeat each second once anything is subscribed to. A socket quiet for `QUIET` is asked with a ping of the
  application; the driver ends it after `SILENCE`.
* The status of the whole engine, as long as it is not "online", is the status of every instrument on the socket; online
  again, each has what the market list said of it. The connection survives that, so nothing is redialled. It is told for
  every instrument that becomes wanted, too: an earlier connection may have ended in a halt.
* Numbers become plain decimal text. What is not a price or a size makes the frame malformed.

Source: https://docs.kraken.com/exchange/guides/websockets/introduction
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Final, Literal

from msgspec.json import encode

from venuekit_kraken import payloads
from venuekit_kraken.description import BOOK_DEPTHS
from venuekit_kraken.instruments import STATUSES
from venuekit_kraken.payloads import VENUE
from venuekit_spec import (
    NOTHING,
    UNREADABLE,
    BookDelta,
    BookSnapshot,
    Channel,
    Instant,
    InstrumentStatus,
    InstrumentTable,
    MalformedMessage,
    Output,
    Outputs,
    Row,
    Seconds,
    Send,
    Side,
    StatusChange,
    Stream,
    StreamRequest,
    SubscribingSession,
    Topic,
    TopOfBook,
    Trade,
    instant_of,
    plain_text,
)

SILENCE: Final[Seconds] = 10.0
"""After so long without a frame the connection counts as dead."""

WORDS: Final[Mapping[Channel, str]] = MappingProxyType({
    Channel.BOOK: "book",
    Channel.TRADES: "trade",
    Channel.TOP: "ticker",
})  # fmt: skip
"""What the venue calls the channels."""

FINAL_REFUSAL: Final = "Currency pair not"
"""How a refusal begins that no later attempt would change ("Currency pair not supported XYZ/USD")."""

SIDES: Final[Mapping[str, Side]] = MappingProxyType({"buy": Side.BUY, "sell": Side.SELL})

CHANNEL: Final = re.compile(rb'"channel"\s*:\s*"(\w{1,40})"')
SYMBOL: Final = re.compile(rb'"symbol"\s*:\s*"([^"\\]{1,80})"')
"""Where a frame that cannot be read names what it is about."""


class KrakenSession(SubscribingSession):
    """One socket. See the module."""

    batch = 100
    tries = 1
    quiet = 5.0

    def __init__(self, instruments: InstrumentTable) -> None:
        super().__init__(instruments)
        self._system: InstrumentStatus | None = None
        self._readers: dict[str, Callable[[payloads.Frame, Instant], Outputs]] = {
            "book": self._books,
            "trade": self._trades,
            "ticker": self._tops,
            "status": self._status,
        }

    def serves(self, topic: Topic) -> bool:
        """Books at their depths; trades and tops."""
        variants: Collection[str] = BOOK_DEPTHS.keys() if topic.channel is Channel.BOOK else {""}
        return topic.channel in WORDS and topic.variant in variants

    def name(self, topic: Topic) -> tuple[str, str]:
        """Channel and symbol."""
        return WORDS[topic.channel], self.instruments[topic.instrument].native["socket"]

    def alike(self, topic: Topic) -> tuple[str, str]:
        """A frame is about one channel and one depth."""
        return topic.channel, topic.variant

    def frame(self, request: StreamRequest) -> Send:
        """Subscribe to symbols of a channel, or unsubscribe."""
        topic, channel = request.streams[0].topic, WORDS[request.streams[0].topic.channel]
        parameters = payloads.Parameters(
            channel,
            [stream.name[1] for stream in request.streams],
            BOOK_DEPTHS[topic.variant] if topic.channel is Channel.BOOK else None,
            snapshot=topic.channel is not Channel.TRADES if request.asks else None,
            event_trigger="bbo" if topic.channel is Channel.TOP else None,
        )
        method: Literal["subscribe", "unsubscribe"] = "subscribe" if request.asks else "unsubscribe"
        return _send(payloads.Subscription(method, parameters, request.number))

    def ping(self) -> Send:
        """A ping of the application."""
        return _send(payloads.Ping(self.next_number()))

    def want(self, topics: frozenset[Topic], now: Instant) -> Outputs:
        """Ask for exactly these topics, and tell the status of what is new among them."""
        before = set(self.wanted.values())
        outputs = super().want(topics, now)
        if self._system is None:
            return outputs
        return [*outputs, *self._statuses(set(self.wanted.values()) - before, now)]

    def feed(self, frame: bytes, now: Instant) -> Outputs:
        """A frame arrived. Unknown channels and methods are ignored.

        Raises `MalformedMessage`, which names the instrument wherever the frame does.
        """
        self.heard = now
        try:
            head = payloads.FRAME.decode(frame)
        except UNREADABLE as error:
            raise self._malformed(frame, error, payloads.Frame()) from error
        try:
            read = self._readers.get(head.channel)
            if read is not None:
                return read(head, now)
            if head.method in {"subscribe", "unsubscribe", "error"}:
                answer = payloads.SUBSCRIPTION_ANSWER.decode(frame)
                return self._answer(answer, head.method, now)
        except UNREADABLE as error:
            raise self._malformed(frame, error, head) from error
        return NOTHING

    def _answer(self, answer: payloads.SubscriptionAnswer, method: str, now: Instant) -> Outputs:
        """One symbol of a request was answered, or all that are left of it when the answer names none."""
        named = answer.result or payloads.Subscribed()
        symbol = named.symbol or answer.symbol or ""
        if answer.req_id is None:
            stream = self.streams.get((named.channel, symbol))
            return (
                NOTHING
                if stream is None
                else self._settled(stream, answer, now, ends=method == "unsubscribe")
            )
        request = self.requests.get(answer.req_id)
        if request is None or (answer.success and not symbol):
            return NOTHING
        out: list[Output] = []
        for stream in request.open:
            if not symbol or stream.name[1] == symbol:
                out += self._settled(stream, answer, now, ends=not request.asks)
        return out

    def _settled(
        self, stream: Stream, answer: payloads.SubscriptionAnswer, now: Instant, *, ends: bool
    ) -> Outputs:
        if ends:
            return self.ended(stream, now, "the venue ended the subscription")
        if answer.success:
            return self.confirmed(stream, now)
        if stream.live:
            return NOTHING
        reason = answer.error or "no reason given"
        return self.ended(stream, now, reason, final=reason.startswith(FINAL_REFUSAL))

    def _topic(self, channel: str, symbol: str) -> Topic | None:
        """The topic that data belong to; None if they belong to none, or to one that is being left."""
        stream = self.streams.get((channel, symbol))
        return None if stream is None or stream.leaving else stream.topic

    def _books(self, head: payloads.Frame, now: Instant) -> Outputs:
        out: list[Output] = []
        for book in payloads.BOOKS.decode(head.data):
            topic = self._topic("book", book.symbol)
            if topic is None:
                continue
            bids = [(plain_text(level.price), plain_text(level.qty)) for level in book.bids]
            asks = [(plain_text(level.price), plain_text(level.qty)) for level in book.asks]
            if head.type == "update":
                out.append(
                    BookDelta(
                        instrument=topic.instrument,
                        bids=bids,
                        asks=asks,
                        checksum=book.checksum,
                        time=instant_of(book.timestamp),
                        received=now,
                    )
                )
            elif head.type == "snapshot":
                out.append(
                    BookSnapshot(
                        instrument=topic.instrument,
                        bids=bids,
                        asks=asks,
                        depth=BOOK_DEPTHS[topic.variant],
                        checksum=book.checksum,
                        time=instant_of(book.timestamp),
                        received=now,
                    )
                )
            else:
                raise ValueError(f"a book is a snapshot or an update, not {head.type!r}")
        return out

    def _trades(self, head: payloads.Frame, now: Instant) -> Outputs:
        if head.type != "update":
            return NOTHING
        return [
            Trade(
                instrument=topic.instrument,
                price=plain_text(trade.price),
                size=plain_text(trade.qty),
                side=SIDES[trade.side],
                key=str(trade.trade_id),
                sequence=trade.trade_id,
                time=instant_of(trade.timestamp),
                received=now,
            )
            for trade in payloads.TRADES.decode(head.data)
            if (topic := self._topic("trade", trade.symbol)) is not None
        ]

    def _tops(self, head: payloads.Frame, now: Instant) -> Outputs:
        return [
            TopOfBook(
                instrument=topic.instrument,
                bid=_side(ticker.bid, ticker.bid_qty),
                ask=_side(ticker.ask, ticker.ask_qty),
                time=instant_of(ticker.timestamp),
                received=now,
            )
            for ticker in payloads.TICKERS.decode(head.data)
            if (topic := self._topic("ticker", ticker.symbol)) is not None
        ]

    def _status(self, head: payloads.Frame, now: Instant) -> Outputs:
        out: list[Output] = []
        for status in payloads.STATUSES.decode(head.data):
            system = STATUSES.get(status.system)
            if system is not None:
                self._system = system
                out += self._statuses(self.wanted.values(), now)
        return out

    def _statuses(self, topics: Collection[Topic], now: Instant) -> list[Output]:
        """What may be done with the instruments of `topics`: what was listed for each, while the engine is online."""
        out: list[Output] = []
        for id_ in sorted({topic.instrument for topic in topics}):
            listed, system = self.instruments[id_].status, self._system
            status = listed if system is None or system is InstrumentStatus.TRADING else system
            out.append(StatusChange(instrument=id_, status=status, received=now))
        return out

    def _malformed(self, frame: bytes, error: Exception, head: payloads.Frame) -> MalformedMessage:
        """The error of a frame that could not be read. Whose message was lost is looked for in its bytes, JSON or not:
        the checksum of the best ten levels would not show a loss further down.
        """
        channel = head.channel or _only(CHANNEL, frame)
        symbol = "" if head.method else _only(SYMBOL, frame)
        topic = self._topic(channel or "book", symbol)
        return MalformedMessage(
            str(error),
            venue=VENUE,
            topic=str(topic or channel or head.method),
            instrument=topic.instrument if topic else "",
            frame=frame,
        )


def _send(told: payloads.Subscription | payloads.Ping) -> Send:
    return Send(encode(told).decode())


def _only(name: re.Pattern[bytes], frame: bytes) -> str:
    """What a name is said to be, all over a frame; empty where that is nothing, or several things."""
    found = {*name.findall(frame)}
    return found.pop().decode(errors="replace") if len(found) == 1 else ""


def _side(price: Decimal | None, size: Decimal | None) -> Row | None:
    """One side of a ticker; an empty side has no price."""
    return (plain_text(price), plain_text(size)) if price and size else None
