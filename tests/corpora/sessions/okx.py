"""OKX: books proven by a checksum on every message until 2026, and by linked ids since.

* Today each message names the id before it; ids jump and may be reset, so only the link counts. `checksum` is always 0.
* The form of 2022 has no ids, and a checksum over the best 25 levels as their text came. It is the variant `CHECKED`.

Source: https://www.okx.com/docs-v5/en/#order-book-trading-market-data-ws-order-book-channel
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any, Final
from zlib import crc32

from attrs import evolve
from msgspec import Raw, Struct
from msgspec.json import Decoder
from tests.corpora.sessions.common import (
    SmallConnector,
    SmallDataSource,
    SmallSession,
    send,
    small_description,
    small_instrument,
)

from venuekit_spec import (
    MILLISECOND,
    NOTHING,
    BookDelta,
    BookSnapshot,
    Channel,
    Checksum,
    Flow,
    Ids,
    Instant,
    Instrument,
    InstrumentKind,
    Output,
    Outputs,
    Rows,
    SnapshotSource,
    SyncRule,
    Topic,
    TopicLive,
    TopicRule,
)

VENUE: Final = "okx"

CHANNELS: Final = frozenset({"books", "books-l2-tbt"})
"""The same book, and for some users more often."""

LEVELS: Final = 400
"""Levels a side."""

CHECKED: Final = "checked"
"""The variant of the books of 2022."""

LISTS: Final = ("SPOT", "SWAP", "FUTURES", "OPTION&uly=BTC-USD", "OPTION&uly=ETH-USD")
"""The parts of the instrument list, as a query names them."""


def interleaved_crc(bids: Rows, asks: Rows, _instrument: Instrument) -> int:
    """OKX's checksum: the signed CRC32 of ``bid:size:ask:size:...``, best first, a shorter side left out at the end.

    >>> interleaved_crc([("3366.1", "7"), ("3366", "6")], [("3366.8", "9"), ("3368", "8")], ...)
    -1881014294
    """
    pairs = zip_longest(bids, asks)
    text = ":".join(f"{row[0]}:{row[1]}" for pair in pairs for row in pair if row is not None)
    value = crc32(text.encode())
    return value - (1 << 32) if value >= 1 << 31 else value


CHECKSUM: Final = Checksum(interleaved_crc, levels=25, absent=frozenset({0}))

LINKED_RULE: Final = SyncRule(SnapshotSource.IN_BAND, Ids.LINK, checksum=CHECKSUM, depth=LEVELS)
CHECKED_RULE: Final = evolve(LINKED_RULE, ids=Ids.ARRIVAL)


class Argument(Struct, frozen=True):
    """What a frame is about."""

    channel: str = ""
    instId: str = ""  # noqa: N815 - the venue's name, here and below


class Book(Struct):
    """``{"asks":[["30261","4","0","1"]],"bids":[],"ts":"1652459225464","checksum":-914047754}``, today with ids."""

    asks: list[Any]
    bids: list[Any]
    ts: str
    checksum: int | None = None
    seqId: int | None = None  # noqa: N815
    prevSeqId: int | None = None  # noqa: N815


class Frame(Struct):
    """Any frame."""

    arg: Argument = Argument()
    event: str = ""
    action: str = ""
    data: Raw = Raw(b"[]")


class Listed(Struct):
    """One entry of an instrument list. `uly` is the underlying pair of a derivative."""

    instId: str  # noqa: N815
    instType: str  # noqa: N815
    baseCcy: str = ""  # noqa: N815
    quoteCcy: str = ""  # noqa: N815
    uly: str = ""


class List(Struct):
    """An instrument list."""

    data: list[Listed]


FRAME: Final = Decoder(Frame)
BOOKS: Final = Decoder(list[Book])
LIST: Final = Decoder(List)


class OkxSession(SmallSession):
    """Channel ``books``."""

    def ask(self, topics: Sequence[Topic]) -> Outputs:
        """One frame for all of them."""
        return [self._request("subscribe", topics)]

    def leave(self, topics: Sequence[Topic]) -> Outputs:
        """One frame for all of them."""
        return [self._request("unsubscribe", topics)]

    def decode(self, frame: bytes) -> Frame:
        """Any frame."""
        return FRAME.decode(frame)

    def read(self, told: Frame, now: Instant) -> Outputs:
        """What is said of a book that is wanted."""
        topic = self._topic(told.arg)
        if topic is None:
            return NOTHING
        if told.event:
            return [TopicLive(topic)] if told.event == "subscribe" else NOTHING
        return [self._book(topic, told.action, book, now) for book in BOOKS.decode(told.data)]

    def _book(self, topic: Topic, action: str, book: Book, now: Instant) -> Output:
        told: dict[str, Any] = {
            "instrument": topic.instrument,
            "bids": book.bids,
            "asks": book.asks,
            "last": book.seqId,
            "checksum": book.checksum,
            "time": int(book.ts) * MILLISECOND,
            "received": now,
        }
        return BookSnapshot(**told) if action == "snapshot" else BookDelta(previous=book.prevSeqId, **told)

    def _topic(self, told: Argument) -> Topic | None:
        """The wanted topic that a frame is about."""
        id_ = self.ids.get(told.instId, "") if told.channel in CHANNELS else ""
        return next((topic for topic in self.wanted if topic.instrument == id_), None)

    def _request(self, verb: str, topics: Sequence[Topic]) -> Output:
        books = [{"channel": "books", "instId": self.names[topic.instrument]} for topic in topics]
        return send({"op": verb, "args": books})


class OkxDataSource(SmallDataSource):
    """Spot, perpetuals, futures and options of two underlyings."""

    session_type = OkxSession

    def instruments(self) -> Flow[Sequence[Instrument]]:
        """Of all lists."""
        found: list[Instrument] = []
        for part in LISTS:
            response = yield from self.get(f"/api/v5/public/instruments?instType={part}")
            found += map(instrument, LIST.decode(response.body).data)
        return found


def instrument(listed: Listed) -> Instrument:
    """An entry of the list. The dates in the venue's names lack their century."""
    if listed.instType == "SPOT":
        return small_instrument(listed.baseCcy, listed.quoteCcy, listed.instId)
    base, quote = listed.uly.split("-")
    if listed.instType == "SWAP":
        return small_instrument(base, quote, listed.instId, InstrumentKind.PERPETUAL)
    kind = InstrumentKind.FUTURE if listed.instType == "FUTURES" else InstrumentKind.OPTION
    return small_instrument(base, quote, listed.instId, kind, id=pair(listed.instId))


def pair(name: str) -> str:
    """Our id of one of the venue's names.

    >>> pair("BTC-USD-220527"), pair("UNI-USD-SWAP"), pair("BTC-USDT")
    ('BTC-USD-20220527', 'UNI-USD-PERP', 'BTC-USDT')
    """
    base, quote, *rest = name.split("-")
    if not rest:
        return name
    if rest == ["SWAP"]:
        return f"{base}-{quote}-PERP"
    return "-".join((base, quote, f"20{rest[0]}", *rest[1:]))


CONNECTOR: Final = SmallConnector(
    small_description(
        VENUE,
        LINKED_RULE,
        rest="https://www.okx.com",
        stream="wss://ws.okx.com:8443/ws/v5/public",
        topics=(
            TopicRule(Channel.BOOK, LINKED_RULE),
            TopicRule(Channel.BOOK, CHECKED_RULE, variant=CHECKED),
        ),
    ),
    OkxDataSource,
)
