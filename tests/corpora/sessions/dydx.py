"""dYdX, version 3 (retired): every level has an offset of its own, and every frame a number.

* A level changes only by an offset above the one it has, also after its removal.
* A frame has its number from the moment at which the venue begins to make it. The answer to a subscription takes longer to
  make than others, so it arrives after frames with higher numbers: `Order` puts that right.
* Two levels may cross: the older one is gone, only its removal is not told yet. The variant `CROSSED` leaves them as told.

Source: https://docs.dydx.exchange, and for today's form https://docs.dydx.xyz/interaction/data/watch-orderbook
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec
from attrs import evolve
from tests.corpora.sessions.common import (
    SmallConnector,
    SmallDataSource,
    SmallSession,
    send,
    small_description,
    small_instrument,
)

from venuekit_spec import (
    NOTHING,
    BookDelta,
    BookSnapshot,
    Channel,
    Continuity,
    Crossed,
    Dial,
    Flow,
    Instant,
    Instrument,
    InstrumentKind,
    InstrumentTable,
    Output,
    Outputs,
    Row,
    Side,
    SnapshotSource,
    SyncRule,
    Topic,
    TopicLive,
    TopicRule,
    Trade,
)

VENUE: Final = "dydx"

CHANNELS: Final = {Channel.BOOK: "v3_orderbook", Channel.TRADES: "v3_trades"}

OFFSET: Final = 2
"""Where in a row its offset stands."""

RULE: Final = SyncRule(SnapshotSource.IN_BAND, per_connection=True, row_ids=OFFSET, crossed=Crossed.UNCROSS)

CROSSED: Final = "crossed"
"""The variant that shows crossing levels, for as long as they are told."""

CROSSED_RULE: Final = evolve(RULE, crossed=Crossed.TRANSIENT, crossed_tolerance=600.0)


class Order:
    """The order of numbered frames that may arrive late.

    `next` is the lowest number that has not arrived. The numbers above it that have are kept back until it has, or until
    there are more missing than answers to wait for: then one of them is lost.
    """

    def __init__(self) -> None:
        self.next = 0
        self._ahead: set[int] = set()

    def arrived(self, number: int, awaited: int) -> Iterator[int]:
        """The numbers that are in order now; one that is known is told again. `awaited` answers are yet to come."""
        if number < self.next or number in self._ahead:
            yield number
            return
        self._ahead.add(number)
        while self._ahead:
            missing = max(self._ahead) + 1 - self.next - len(self._ahead)
            if self.next not in self._ahead and missing <= awaited:
                return
            self.next = min(self._ahead)
            self._ahead.discard(self.next)
            yield self.next
            self.next += 1


class DydxSession(SmallSession):
    """Books with offsets, and trades."""

    def __init__(self, dial: Dial, instruments: InstrumentTable) -> None:
        super().__init__(dial, instruments)
        self._order = Order()
        self._connected = False
        self._awaited: set[Topic] = set()

    def ask(self, topics: Sequence[Topic]) -> Outputs:
        """A frame each, once the venue has greeted."""
        if not self._connected:
            return NOTHING
        self._awaited.update(topics)
        return [send({"type": "subscribe", **self._name(topic), "includeOffsets": True}) for topic in topics]

    def leave(self, topics: Sequence[Topic]) -> Outputs:
        """A frame each."""
        self._awaited.difference_update(topics)
        return [send({"type": "unsubscribe", **self._name(topic)}) for topic in topics]

    def read(self, told: Any, now: Instant) -> Outputs:
        """The numbers that are in order now, and what the frame says."""
        out: list[Output] = []
        topic = self._topic(told.get("channel"), told.get("id", ""))
        if told["type"] == "connected":
            self._connected = True
            out += self.ask(sorted(self.wanted, key=str))
        elif topic is not None and told["type"] == "subscribed":
            self._awaited.discard(topic)
            out.append(TopicLive(topic))
        if topic is not None and "contents" in told:
            read = self._book if topic.channel is Channel.BOOK else self._trades
            out += read(topic, told, now)
        numbers = self._order.arrived(told["message_id"], len(self._awaited))
        return [*(Continuity(n=number) for number in numbers), *out]

    def _book(self, topic: Topic, told: Any, now: Instant) -> Outputs:
        book = told["contents"]
        if told["type"] == "subscribed":
            bids, asks = (
                [(level["price"], level["size"], level["offset"]) for level in book[side]]
                for side in ("bids", "asks")
            )
            return [BookSnapshot(instrument=topic.instrument, bids=bids, asks=asks, received=now)]
        offset = book["offset"]
        bids, asks = (rows(book[side], offset) for side in ("bids", "asks"))
        return [BookDelta(instrument=topic.instrument, bids=bids, asks=asks, last=int(offset), received=now)]

    def _trades(self, topic: Topic, told: Any, now: Instant) -> Outputs:
        """Of changes only: they have no ids, so those of the answer to a subscription could not be told from known ones."""
        if told["type"] == "subscribed":
            return NOTHING
        return [
            Trade(
                instrument=topic.instrument,
                price=trade["price"],
                size=trade["size"],
                side=Side(trade["side"].lower()),
                key=f"{told['connection_id']}:{told['message_id']}:{place}",
                received=now,
            )
            for place, trade in enumerate(told["contents"]["trades"])
        ]

    def _topic(self, channel: str | None, name: str) -> Topic | None:
        """The wanted topic that a frame is about."""
        id_ = self.ids.get(name)
        return next(
            (each for each in self.wanted if each.instrument == id_ and CHANNELS[each.channel] == channel),
            None,
        )

    def _name(self, topic: Topic) -> dict[str, str]:
        return {"channel": CHANNELS[topic.channel], "id": self.names[topic.instrument]}


def rows(levels: Sequence[Sequence[str]], offset: str) -> list[Row]:
    """Changed levels, each with the offset of their frame."""
    return [(price, size, offset) for price, size in levels]


class DydxDataSource(SmallDataSource):
    """Perpetuals."""

    session_type = DydxSession

    def instruments(self) -> Flow[Sequence[Instrument]]:
        """Of the list of markets."""
        response = yield from self.get("/v3/markets")
        markets = msgspec.json.decode(response.body)["markets"]
        return [
            small_instrument(market["baseAsset"], market["quoteAsset"], name, InstrumentKind.PERPETUAL)
            for name, market in markets.items()
        ]


CONNECTOR: Final = SmallConnector(
    small_description(
        VENUE,
        RULE,
        rest="https://api.dydx.exchange",
        stream="wss://api.dydx.exchange/v3/ws",
        topics=(
            TopicRule(Channel.BOOK, RULE),
            TopicRule(Channel.BOOK, CROSSED_RULE, variant=CROSSED),
            TopicRule(Channel.TRADES),
        ),
    ),
    DydxDataSource,
)
