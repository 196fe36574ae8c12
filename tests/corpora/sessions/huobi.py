"""Huobi: gzip in binary frames, the whole book in every message, and pings that the application answers.

Source: https://huobiapi.github.io/docs/spot/v1/en/#websocket-market-data
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Sequence
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
    MILLISECOND,
    NOTHING,
    BookSnapshot,
    Channel,
    Dial,
    Flow,
    Instant,
    Instrument,
    MalformedMessage,
    Outputs,
    SnapshotSource,
    SyncRule,
    Topic,
    TopicLive,
)

VENUE: Final = "huobi"

LEVELS: Final = 150
"""Levels a side of ``depth.step0``."""

GZIP_WINDOW: Final = 31


class GzipCodec:
    """Messages are gzip streams, one after the other; where frames end does not matter."""

    def __init__(self) -> None:
        self._inflater = zlib.decompressobj(GZIP_WINDOW)
        self._message = bytearray()

    def decode(self, frame: bytes) -> Sequence[bytes]:
        """The messages that end in this frame. Raises `MalformedMessage`; the next frame then begins a message."""
        messages: list[bytes] = []
        while frame:
            try:
                self._message += self._inflater.decompress(frame)
            except zlib.error as error:
                self._restart()
                raise MalformedMessage(f"no gzip: {error}", venue=VENUE) from error
            frame = self._inflater.unused_data
            if self._inflater.eof:
                messages.append(bytes(self._message))
                self._restart()
        return messages

    def _restart(self) -> None:
        self._inflater = zlib.decompressobj(GZIP_WINDOW)
        self._message.clear()


class HuobiSession(SmallSession):
    """Channel ``depth.step0``."""

    def ask(self, topics: Sequence[Topic]) -> Outputs:
        """A frame each."""
        return [send({"sub": self._channel(topic)}) for topic in topics]

    def leave(self, topics: Sequence[Topic]) -> Outputs:
        """A frame each."""
        return [send({"unsub": self._channel(topic)}) for topic in topics]

    def decode(self, frame: bytes) -> Any:
        """Every number as its text."""
        return numbers_as_text(frame)

    def read(self, told: Any, now: Instant) -> Outputs:
        """A ping that wants its number back, the answer to a subscription, or a book."""
        if "ping" in told:
            return [send({"pong": int(told["ping"])})]
        _, name, *kind = told.get("ch", told.get("subbed", "market.")).split(".")
        topic = Topic(Channel.BOOK, self.ids.get(name, ""))
        if kind != ["depth", "step0"] or topic not in self.wanted:
            return NOTHING
        if "subbed" in told:
            return [TopicLive(topic)]
        book = told["tick"]
        return [
            BookSnapshot(
                instrument=topic.instrument,
                bids=book["bids"],
                asks=book["asks"],
                last=int(book["version"]),
                depth=LEVELS,
                time=int(book["ts"]) * MILLISECOND,
                received=now,
            )
        ]

    def _channel(self, topic: Topic) -> str:
        return f"market.{self.names[topic.instrument]}.depth.step0"


class HuobiDataSource(SmallDataSource):
    """Spot."""

    session_type = HuobiSession

    def instruments(self) -> Flow[Sequence[Instrument]]:
        """Of the list of symbols."""
        response = yield from self.get("/v1/common/symbols")
        return [
            small_instrument(told["base-currency"].upper(), told["quote-currency"].upper(), told["symbol"])
            for told in numbers_as_text(response.body)["data"]
        ]

    def dial(self, topics: Collection[Topic]) -> Flow[Dial]:
        """A fresh codec for each socket: it may hold the beginning of a message."""
        yield from ()
        return Dial(self.environment.url("stream"), compression=False, ping=None, codec=GzipCodec())


CONNECTOR: Final = SmallConnector(
    small_description(
        VENUE,
        SyncRule(SnapshotSource.EVERY_MESSAGE),
        rest="https://api.huobi.pro",
        stream="wss://api.huobi.pro/ws",
    ),
    HuobiDataSource,
)
