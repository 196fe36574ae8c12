"""The conversation on Kraken's public socket (WebSocket v2): life, status and data. See `subscriptions` for the rest.

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
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

from msgspec.json import encode

from venuekit_kraken import payloads
from venuekit_kraken.description import BOOK_DEPTHS
from venuekit_kraken.instruments import STATUSES
from venuekit_kraken.payloads import VENUE
from venuekit_kraken.subscriptions import Subscriptions
from venuekit_spec import (
    NOTHING,
    UNREADABLE,
    BookDelta,
    BookSnapshot,
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
    SocketRequest,
    StatusChange,
    Topic,
    TopOfBook,
    Trade,
    Unsupported,
    Wake,
    after,
    instant_of,
    plain_text,
)

QUIET: Final[Seconds] = 5.0
"""After so long without a frame the venue is asked for a sign of life."""

SILENCE: Final[Seconds] = 10.0
"""After so long without a frame the connection counts as dead."""

SIDES: Final[Mapping[str, Side]] = MappingProxyType({"buy": Side.BUY, "sell": Side.SELL})

CHANNEL: Final = re.compile(rb'"channel"\s*:\s*"(\w{1,40})"')
SYMBOL: Final = re.compile(rb'"symbol"\s*:\s*"([^"\\]{1,80})"')
"""Where a frame that cannot be read names what it is about."""


class KrakenSession:
    """One socket. See the module."""

    def __init__(self, instruments: InstrumentTable) -> None:
        self._instruments = instruments
        self._subscriptions = Subscriptions(instruments)
        self._open = False
        self._heard: Instant = 0
        self._pinged: Instant = 0
        self._wake: Instant | None = None
        self._system: InstrumentStatus | None = None
        self._readers: dict[str, Callable[[payloads.Frame, Instant], Outputs]] = {
            "book": self._books,
            "trade": self._trades,
            "ticker": self._tops,
            "status": self._status,
        }

    def opened(self, now: Instant) -> Outputs:
        """Subscribe to what is wanted already, and watch for silence."""
        self._open = True
        self._heard = now
        return self._waking(self._subscriptions.opened(now))

    def want(self, topics: frozenset[Topic], now: Instant) -> Outputs:
        """Subscribe and unsubscribe until exactly `topics` are subscribed."""
        before = set(self._subscriptions.wanted)
        out = self._subscriptions.want(topics, now)
        if self._system is not None:
            out += self._statuses(set(self._subscriptions.wanted) - before, now)
        return self._waking(out)

    def call(self, request: SocketRequest, now: Instant) -> Outputs:
        """Raises `Unsupported`: the public socket takes no calls."""
        raise Unsupported(f"the public socket of {VENUE} takes no calls, and was given {request.method}")

    def feed(self, frame: bytes, now: Instant) -> Outputs:
        """A frame arrived. Unknown channels and methods are ignored.

        Raises `MalformedMessage`, which names the instrument wherever the frame does.
        """
        self._heard = now
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
                return self._subscriptions.answer(answer, head.method, now)
        except UNREADABLE as error:
            raise self._malformed(frame, error, head) from error
        return NOTHING

    def tick(self, now: Instant) -> Outputs:
        """Give up on what was not answered in time, and ask a quiet venue for a sign of life."""
        self._wake = None
        if not self._open:
            return NOTHING
        out = self._subscriptions.overdue(now)
        if now >= self._quiet_at():
            self._pinged = now
            out.append(Send(encode(payloads.Ping(self._subscriptions.next_id())).decode()))
        return self._waking(out)

    def answered(self, tag: str, result: Any, now: Instant) -> Outputs:
        """Never called with anything of ours: no flow is asked for."""
        return NOTHING

    def closed(self, reason: str) -> None:
        """The socket is gone, and every stream with it."""
        self._open = False
        self._subscriptions.closed()

    def _quiet_at(self) -> Instant:
        """When the venue will have been quiet for too long, unless something arrives."""
        return after(max(self._heard, self._pinged), QUIET)

    def _waking(self, out: list[Output]) -> Outputs:
        """`out`, and a `Wake` where something falls due before the one that is set."""
        if not self._open:
            return out
        deadline, due = self._subscriptions.deadline, self._quiet_at()
        if deadline is not None:
            due = min(due, deadline)
        if self._wake is None or due < self._wake:
            self._wake = due
            out.append(Wake(due))
        return out

    def _books(self, head: payloads.Frame, now: Instant) -> Outputs:
        out: list[Output] = []
        for book in payloads.BOOKS.decode(head.data):
            topic = self._subscriptions.topic("book", book.symbol)
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
            if (topic := self._subscriptions.topic("trade", trade.symbol)) is not None
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
            if (topic := self._subscriptions.topic("ticker", ticker.symbol)) is not None
        ]

    def _status(self, head: payloads.Frame, now: Instant) -> Outputs:
        out: list[Output] = []
        for status in payloads.STATUSES.decode(head.data):
            system = STATUSES.get(status.system)
            if system is not None:
                self._system = system
                out += self._statuses(self._subscriptions.wanted, now)
        return out

    def _statuses(self, topics: Iterable[Topic], now: Instant) -> list[Output]:
        """What may be done with the instruments of `topics`: what was listed for each, while the engine is online."""
        out: list[Output] = []
        for id_ in sorted({topic.instrument for topic in topics}):
            listed, system = self._instruments[id_].status, self._system
            status = listed if system is None or system is InstrumentStatus.TRADING else system
            out.append(StatusChange(instrument=id_, status=status, received=now))
        return out

    def _malformed(self, frame: bytes, error: Exception, head: payloads.Frame) -> MalformedMessage:
        """The error of a frame that could not be read. Whose message was lost is looked for in its bytes, JSON or not:
        the checksum of the best ten levels would not show a loss further down.
        """
        channel = head.channel or _only(CHANNEL, frame)
        symbol = "" if head.method else _only(SYMBOL, frame)
        topic = self._subscriptions.topic(channel or "book", symbol)
        return MalformedMessage(
            str(error),
            venue=VENUE,
            topic=str(topic or channel or head.method),
            instrument=topic.instrument if topic else "",
            frame=frame,
        )


def _only(name: re.Pattern[bytes], frame: bytes) -> str:
    """What a name is said to be, all over a frame; empty where that is nothing, or several things."""
    found = {*name.findall(frame)}
    return found.pop().decode(errors="replace") if len(found) == 1 else ""


def _side(price: Decimal | None, size: Decimal | None) -> Row | None:
    """One side of a ticker; an empty side has no price."""
    return (plain_text(price), plain_text(size)) if price and size else None
