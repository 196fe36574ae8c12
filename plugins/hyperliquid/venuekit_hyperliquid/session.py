"""The conversation on the socket: life and data. See `subscriptions` for the rest.

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
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from venuekit_hyperliquid.description import BOOK_DEPTHS
from venuekit_hyperliquid.payloads import (
    CHANNELS,
    FRAME_OF_DOUBLES,
    FRAME_OF_TEXT,
    GREETING,
    HEAD,
    NAMED,
    PING,
    VENUE,
    AcknowledgedFrame,
    BookFrame,
    ErrorFrame,
    Head,
    Level,
    PongFrame,
    PublicTrade,
    TopFrame,
    TradesFrame,
)
from venuekit_hyperliquid.subscriptions import Subscriptions
from venuekit_hyperliquid.suspects import Suspects
from venuekit_spec import (
    MILLISECOND,
    NOTHING,
    UNREADABLE,
    BookSnapshot,
    Instant,
    InstrumentTable,
    MalformedMessage,
    Output,
    Outputs,
    Row,
    Seconds,
    Send,
    Side,
    SocketRequest,
    Topic,
    TopOfBook,
    Trade,
    Unsupported,
    Wake,
    after,
)

QUIET: Final[Seconds] = 30.0
"""After so long without a frame the venue is asked for a sign of life."""

SILENCE: Final[Seconds] = 60.0
"""After so long without a frame the connection counts as dead; the venue thinks so too."""

REMEMBERED: Final = 2_000
"""Trades per instrument that are recognised when they are repeated."""

SIDES: Final[Mapping[str, Side]] = MappingProxyType({"A": Side.SELL, "B": Side.BUY})


class HyperliquidSession:
    """One socket. See the module."""

    def __init__(self, instruments: InstrumentTable, suspects: Suspects | None = None) -> None:
        self._subscriptions = Subscriptions(instruments, Suspects() if suspects is None else suspects)
        exact = all(instrument.float_keys for instrument in instruments.values())
        self._decode: Callable[[bytes], Any] = (FRAME_OF_DOUBLES if exact else FRAME_OF_TEXT).decode
        self._seen: dict[str, OrderedDict[str, None]] = {}
        self._open = False
        self._heard: Instant = 0
        self._pinged: Instant = 0
        self._wake: Instant | None = None
        self._readers: dict[type, Callable[[Any, Instant], Outputs]] = {
            BookFrame: self._book,
            TopFrame: self._top,
            TradesFrame: self._trades,
            AcknowledgedFrame: self._acknowledged,
            ErrorFrame: self._error,
            PongFrame: self._pong,
        }

    def opened(self, now: Instant) -> Outputs:
        """Subscribe to what is wanted already, and watch for silence."""
        self._open = True
        self._heard = now
        return self._waking(self._subscriptions.opened(now))

    def want(self, topics: frozenset[Topic], now: Instant) -> Outputs:
        """Subscribe and unsubscribe until exactly `topics` are subscribed."""
        return self._waking(self._subscriptions.want(topics, now))

    def call(self, request: SocketRequest, now: Instant) -> Outputs:
        """Raises `Unsupported`: this socket carries data."""
        raise Unsupported(f"the data socket of {VENUE} takes no calls, and was given {request.method}")

    def feed(self, frame: bytes, now: Instant) -> Outputs:
        """A frame arrived. Frames of unknown channels are left alone.

        Raises `MalformedMessage`, which names the topic and the instrument wherever the frame does.
        """
        self._heard = now
        try:
            told = self._decode(frame)
        except UNREADABLE as error:
            return self._unread(frame, error)
        return self._readers[type(told)](told, now)

    def tick(self, now: Instant) -> Outputs:
        """Send what may be sent by now, give up on what was not answered, and ask a quiet venue for a sign of life."""
        self._wake = None
        if not self._open:
            return NOTHING
        out = self._subscriptions.tick(now)
        if now >= self._quiet_at():
            self._pinged = now
            out.append(Send(PING))
        return self._waking(out)

    def answered(self, tag: str, result: Any, now: Instant) -> Outputs:
        """Never called with anything of ours: no flow is asked for."""
        return NOTHING

    def closed(self, reason: str) -> None:
        """The socket is gone, and every stream with it."""
        self._open = False
        self._subscriptions.closed()

    # Frames

    def _book(self, frame: BookFrame[Any], now: Instant) -> Outputs:
        book = frame.data
        topic, news = self._subscriptions.data("l2Book", book.coin, now)
        if topic is None:
            return NOTHING
        bids, asks = book.levels
        message = BookSnapshot(
            instrument=topic.instrument,
            bids=[(level.px, level.sz) for level in bids],
            asks=[(level.px, level.sz) for level in asks],
            depth=BOOK_DEPTHS[topic.variant],
            time=book.time * MILLISECOND,
            received=now,
        )
        return self._waking([*news, message]) if news else (message,)

    def _top(self, frame: TopFrame[Any], now: Instant) -> Outputs:
        top = frame.data
        topic, news = self._subscriptions.data("bbo", top.coin, now)
        if topic is None:
            return NOTHING
        bid, ask = top.bbo
        message = TopOfBook(
            instrument=topic.instrument,
            bid=_row(bid),
            ask=_row(ask),
            time=top.time * MILLISECOND,
            received=now,
        )
        return self._waking([*news, message]) if news else (message,)

    def _trades(self, frame: TradesFrame, now: Instant) -> Outputs:
        out: list[Output] = []
        for trade in frame.data:
            topic, news = self._subscriptions.data("trades", trade.coin, now)
            out += news
            if topic is None:
                continue
            key = _key(trade)
            if self._first_seen(topic.instrument, key):
                out.append(
                    Trade(
                        instrument=topic.instrument,
                        price=trade.px,
                        size=trade.sz,
                        side=SIDES[trade.side],
                        key=key,
                        time=trade.time * MILLISECOND,
                        received=now,
                    )
                )
        return self._waking(out)

    def _acknowledged(self, frame: AcknowledgedFrame, now: Instant) -> Outputs:
        return self._waking(self._subscriptions.acknowledged(frame.data, now))

    def _error(self, frame: ErrorFrame, now: Instant) -> Outputs:
        out = self._subscriptions.error(frame.data, now)
        if out is None:
            raise MalformedMessage("an error that names no request", venue=VENUE, frame=frame.data)
        return self._waking(out)

    def _pong(self, _frame: PongFrame, now: Instant) -> Outputs:
        return self._waking(self._subscriptions.pong(now))

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
        return self._subscriptions.topic(head.channel, coins.pop()) if len(coins) == 1 else None

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

    def _quiet_at(self) -> Instant:
        """When the venue will have been quiet for too long, unless something arrives."""
        return after(max(self._heard, self._pinged), QUIET)

    def _waking(self, out: list[Output]) -> Outputs:
        """`out`, and a `Wake` where something falls due before the one that is set."""
        if not self._open:
            return out
        due, quiet = self._subscriptions.due, self._quiet_at()
        due = quiet if due is None else min(due, quiet)
        if self._wake is None or due < self._wake:
            self._wake = due
            out.append(Wake(due))
        return out


def _row(level: Level[Any] | None) -> Row | None:
    return None if level is None else (level.px, level.sz)


def _key(trade: PublicTrade) -> str:
    """What tells a trade from all others of its coin."""
    if trade.tid:
        return f"{trade.time}:{trade.tid}"
    return f"{trade.time}:0:{trade.side}:{trade.px}:{trade.sz}"
