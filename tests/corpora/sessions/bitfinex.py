"""Bitfinex: books on numbered channels, and, once it is asked for, one sequence over everything that a socket sends.

* With the flag SEQ_ALL the last element of every array is its number, also of heartbeats and of other channels.
* The first array of a channel is the snapshot; its shape does not tell.
* ``[price, count, amount]``: the sign of the amount is the side, count 0 removes the level, whatever the amount.
* Numbers are bare, small ones with an exponent: they are kept as the text they are.

Source: https://docs.bitfinex.com/reference/ws-public-books and https://docs.bitfinex.com/docs/ws-conf
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

from tests.corpora.sessions.common import (
    SmallConnector,
    SmallDataSource,
    SmallSession,
    numbers_as_text,
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
    Dial,
    Flow,
    Heard,
    Instant,
    Instrument,
    InstrumentTable,
    Output,
    Outputs,
    PriceRule,
    Row,
    SnapshotSource,
    SyncRule,
    Topic,
    TopicLive,
)

VENUE: Final = "bitfinex"

SEQ_ALL: Final = 65536
"""The flag that numbers everything."""

LEVELS: Final = 100
"""Levels a side."""

FIGURES: Final = 5
"""Significant figures of a price."""


class BitfinexSession(SmallSession):
    """Books with precision P0."""

    def __init__(self, dial: Dial, instruments: InstrumentTable) -> None:
        super().__init__(dial, instruments)
        self._topics: dict[str, Topic] = {}
        self._fresh: set[str] = set()
        """Channels whose next array is the snapshot."""

    def opened(self, now: Instant) -> Outputs:
        """Ask for numbers before anything is subscribed to."""
        return [send({"event": "conf", "flags": SEQ_ALL})]

    def ask(self, topics: Sequence[Topic]) -> Outputs:
        """A frame each."""
        book = {"event": "subscribe", "channel": "book", "prec": "P0", "freq": "F0", "len": str(LEVELS)}
        return [send({**book, "symbol": self.names[topic.instrument]}) for topic in topics]

    def leave(self, topics: Sequence[Topic]) -> Outputs:
        """A channel is left by its number. What it still sends is for nobody."""
        left = [number for number, topic in self._topics.items() if topic in topics]
        for number in left:
            del self._topics[number]
        return [send({"event": "unsubscribe", "chanId": int(number)}) for number in left]

    def decode(self, frame: bytes) -> Any:
        """Every number as its text."""
        return numbers_as_text(frame)

    def read(self, told: Any, now: Instant) -> Outputs:
        """An event, or the number of an array and what it says of a book."""
        if isinstance(told, dict):
            return self._event(told)
        channel, payload, *_, number = told
        said = Continuity(n=int(number))
        topic = self._topics.get(channel)
        if topic is None:
            return [said]
        return [
            said,
            Heard(topic) if payload == "hb" else self._book(topic, channel, payload, int(number), now),
        ]

    def _event(self, told: dict[str, str]) -> Outputs:
        topic = Topic(Channel.BOOK, self.ids.get(told.get("symbol", ""), ""))
        if told["event"] != "subscribed" or told["channel"] != "book" or topic not in self.wanted:
            return NOTHING
        self._topics[told["chanId"]] = topic
        self._fresh.add(told["chanId"])
        return [TopicLive(topic)]

    def _book(self, topic: Topic, channel: str, payload: Any, number: int, now: Instant) -> Output:
        first = channel in self._fresh
        self._fresh.discard(channel)
        bids: list[Row] = []
        asks: list[Row] = []
        for price, count, amount in payload if first else [payload]:
            rows = asks if amount.startswith("-") else bids
            rows.append((price, "0" if count == "0" else amount.removeprefix("-")))
        make = BookSnapshot if first else BookDelta
        return make(instrument=topic.instrument, bids=bids, asks=asks, last=number, received=now)


class BitfinexDataSource(SmallDataSource):
    """Pairs of the exchange wallet."""

    session_type = BitfinexSession

    def instruments(self) -> Flow[Sequence[Instrument]]:
        """Of the list of pairs."""
        response = yield from self.get("/v2/conf/pub:list:pair:exchange")
        (pairs,) = numbers_as_text(response.body)
        price = PriceRule(Decimal(0), significant_figures=FIGURES)
        return [small_instrument(*currencies(pair), f"t{pair}", price=price) for pair in pairs]


def currencies(pair: str) -> tuple[str, str]:
    """Base and quote: parted by a colon, or three letters each."""
    base, colon, quote = pair.partition(":")
    return (base, quote) if colon else (pair[:3], pair[3:])


CONNECTOR: Final = SmallConnector(
    small_description(
        VENUE,
        SyncRule(SnapshotSource.IN_BAND, per_connection=True, depth=LEVELS),
        rest="https://api-pub.bitfinex.com",
        stream="wss://api-pub.bitfinex.com/ws/2",
    ),
    BitfinexDataSource,
)
