"""The conversation on the public socket: events are objects, data are arrays that know their channel by number only.

* Flags come first: each array then carries its number in one sequence of the socket, and the time.
* The first array of a channel is a list of rows, the snapshot; that of trades is dropped, and so is ``tu``: it tells a ``te``
  once more.
* ``[price, count, amount]``: the sign of the amount is the side, count 0 removes the level whatever the amount.

Source: https://docs.bitfinex.com/docs/ws-general
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from msgspec.json import encode

from venuekit_bitfinex.books import DEPTHS
from venuekit_bitfinex.instruments import SYMBOL
from venuekit_bitfinex.payloads import ARRAY, EVENT, VENUE, Event
from venuekit_spec.errors import MalformedMessage
from venuekit_spec.listening import PublicSession
from venuekit_spec.messages import BookChecksum, BookDelta, BookSnapshot, Continuity, Row, Side, Trade
from venuekit_spec.reading import decode, plain_text
from venuekit_spec.sessions import NOTHING, Channel, Heard, Outputs, Redial, Send, Topic
from venuekit_spec.streams import Stream
from venuekit_spec.times import MILLISECOND, Instant

FLAGS: Final = 32768 + 65536 + 131072
"""Times, numbers, checksums."""

USELESS: Final = frozenset({10001, 10020, 10302})
"""Refusals that no later attempt would change: unknown pair, parameters, or channel."""

NOTICES: Final = {
    20051: Redial("the venue restarts", planned=True),
    20060: Redial("maintenance begins", after=60.0),
    10050: Redial("the flags were refused: nothing is numbered"),
}


class BitfinexSession(PublicSession):
    """One socket."""

    answer_within = 60.0  # books of quiet markets were seen to be confirmed after 13 s

    def greeting(self) -> Outputs:
        """The flags."""
        return [_send(event="conf", flags=FLAGS)]

    def serves(self, topic: Topic) -> bool:
        """Books at their depths, and trades."""
        return topic.variant in {Channel.BOOK: DEPTHS, Channel.TRADES: {""}}.get(topic.channel, ())

    def ask(self, topic: Topic) -> Send:
        """By the venue's words."""
        channel, symbol = self._words(topic)
        book = {"prec": "P0", "freq": "F0", "len": str(DEPTHS[topic.variant])}
        more = book if topic.channel is Channel.BOOK else {}
        return _send(event="subscribe", channel=channel, symbol=symbol, **more)

    def leave(self, stream: Stream) -> Send:
        """By its number."""
        return _send(event="unsubscribe", chanId=stream.id)

    def feed(self, frame: bytes, now: Instant) -> Outputs:
        """An event or an array. Raises `MalformedMessage`."""
        if not frame.startswith(b"["):
            return self._event(decode(EVENT, frame, "event", venue=VENUE), now)
        told = decode(ARRAY, frame, "array", venue=VENUE)
        try:
            return self._array(told, now)
        except ValueError as error:
            raise MalformedMessage(str(error), venue=VENUE, topic="array", frame=frame) from error

    def _words(self, topic: Topic) -> tuple[str, str]:
        return topic.channel.value, self.instruments[topic.instrument].native[SYMBOL]

    def _event(self, told: Event, now: Instant) -> Outputs:
        if told.code in NOTICES:
            return [NOTICES[told.code]]
        waiting = {self._words(each.topic): each for each in self.streams.values() if not each.live}
        stream = self.by_id.get(told.id) or waiting.get((told.channel, told.symbol))
        if stream and told.event == "subscribed" and told.id is not None:
            return self.confirmed(stream, now, told.id)
        if stream and told.event in {"unsubscribed", "error"}:
            return self.ended(stream, now, f"{told.msg} ({told.code})", final=told.code in USELESS)
        return NOTHING

    def _array(self, told: list[Any], now: Instant) -> Outputs:
        id_, head, *_ = told
        word = head if isinstance(head, str) else ""
        content, number, *rest = told[1 if word in {"", "hb"} else 2 :]
        if {type(id_), type(number)} != {int}:
            raise ValueError("an array without a channel or a number")
        said, stream = Continuity(n=number), self.by_id.get(id_)
        if stream is None or stream.leaving:
            return [said]
        topic = stream.topic
        match topic.channel, word:
            case _, "hb":
                return [said, Heard(topic)]
            case Channel.BOOK, "":
                return [said, _book(content, stream, number, rest, now)]
            case Channel.BOOK, "cs" if isinstance(content, int):
                return [said, BookChecksum(instrument=topic.instrument, checksum=content, received=now)]
            case Channel.TRADES, "te":
                return [said, _trade(content, topic.instrument, now)]
            case _:
                return [said]


def _book(content: Any, stream: Stream, n: int, rest: list[Any], now: Instant) -> BookSnapshot | BookDelta:
    sides: tuple[list[Row], list[Row]] = ([], [])
    rows = _rows(content, 3)
    if stream.fresh and rows is not content:
        raise ValueError("a change comes before the snapshot")
    for price, count, amount in rows:
        sides[amount.is_signed()].append((plain_text(price), plain_text(abs(amount)) if count else "0"))
    (bids, asks), of = sides, stream.topic.instrument
    time = rest[0] * MILLISECOND if rest and isinstance(rest[0], int) else 0
    if not stream.fresh:
        return BookDelta(instrument=of, bids=bids, asks=asks, last=n, time=time, received=now)
    stream.fresh = False
    depth = DEPTHS[stream.topic.variant]
    return BookSnapshot(instrument=of, bids=bids, asks=asks, last=n, depth=depth, time=time, received=now)


def _trade(content: Any, of: str, now: Instant) -> Trade:
    [(key, time, amount, price)] = _rows(content, 4)
    return Trade(
        instrument=of,
        price=plain_text(price),
        size=plain_text(abs(amount)),
        side=Side.SELL if amount.is_signed() else Side.BUY,
        key=plain_text(key),
        time=int(plain_text(time)) * MILLISECOND,
        received=now,
    )


def _rows(content: Any, count: int) -> list[list[Decimal]]:
    """One row of so many numbers, or a list of them, as a list. Raises `ValueError` for anything else."""
    rows = content if isinstance(content, list) and isinstance((content or [[]])[0], list) else [content]
    for row in rows:
        if not isinstance(row, list) or len(row) != count or not all(isinstance(x, Decimal) for x in row):
            raise ValueError(f"{count} numbers make a row")
    return rows


def _send(**told: Any) -> Send:
    return Send(encode(told).decode())
