"""Bitstamp: changes with a time in microseconds and no order to rely on, over a snapshot by REST that has such a time too.

Changes that are not newer than the snapshot are dropped, all others applied as they arrive. Nothing shows a loss but an audit.

https://www.bitstamp.net/websocket/v2/
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec
from tests.corpora.sessions.common import (
    SmallConnector,
    SmallDataSource,
    SmallSession,
    send,
    small_description,
    small_instrument,
)

from venuekit_spec import (
    MICROSECOND,
    NOTHING,
    BookDelta,
    BookSnapshot,
    Channel,
    Flow,
    Ids,
    Instant,
    Instrument,
    Join,
    OrderBookSnapshot,
    Outputs,
    Redial,
    SnapshotSource,
    SyncRule,
    Topic,
    TopicLive,
)

PREFIX: Final = "diff_order_book_"
RULE: Final = SyncRule(SnapshotSource.REST, Ids.ARRIVAL, Join.NEWER, audit=60.0)


class BitstampSession(SmallSession):
    """A channel per market; every frame names its channel."""

    def ask(self, topics: Sequence[Topic]) -> Outputs:
        """Subscribe to these."""
        return [send(self._request("bts:subscribe", topic)) for topic in topics]

    def leave(self, topics: Sequence[Topic]) -> Outputs:
        """Unsubscribe from these."""
        return [send(self._request("bts:unsubscribe", topic)) for topic in topics]

    def read(self, told: Any, now: Instant) -> Outputs:
        """A change of a book, an acknowledgement, or the request to go."""
        event, channel = told["event"], told["channel"]
        if event == "bts:request_reconnect":
            return (Redial("the venue asks for it", planned=True),)
        if not channel.startswith(PREFIX):
            return NOTHING
        instrument = self.ids[channel.removeprefix(PREFIX)]
        if event == "bts:subscription_succeeded":
            topic = Topic(Channel.BOOK, instrument)
            return (TopicLive(topic),) if topic in self.wanted else NOTHING
        if event != "data":
            return NOTHING
        data = told["data"]
        stamp = int(data["microtimestamp"])
        delta = BookDelta(
            instrument=instrument,
            bids=data["bids"],
            asks=data["asks"],
            last=stamp,
            time=stamp * MICROSECOND,
            received=now,
        )
        return (delta,)

    def _request(self, event: str, topic: Topic) -> dict[str, Any]:
        return {"event": event, "data": {"channel": f"{PREFIX}{self.names[topic.instrument]}"}}


class BitstampDataSource(SmallDataSource):
    """The public side."""

    session_type = BitstampSession

    def instruments(self) -> Flow[Sequence[Instrument]]:
        """GET /trading-pairs-info/. A pair tells its currencies in its name alone, which is made to be shown: "BTC/USD"."""
        response = yield from self.get("/api/v2/trading-pairs-info/")
        found: list[Instrument] = []
        for pair in msgspec.json.decode(response.body):
            base, quote = pair["name"].split("/")
            tick = Decimal(1).scaleb(-pair["counter_decimals"])
            found.append(small_instrument(base, quote, pair["url_symbol"], tick=tick))
        return found

    def snapshot(self, topic: Topic, instrument: Instrument) -> Flow[BookSnapshot | OrderBookSnapshot]:
        """GET /order_book/SYMBOL/: the whole book."""
        response = yield from self.get(f"/api/v2/order_book/{instrument.native['rest']}/")
        told = msgspec.json.decode(response.body)
        stamp = int(told["microtimestamp"])
        return BookSnapshot(
            instrument=instrument.id,
            bids=told["bids"],
            asks=told["asks"],
            last=stamp,
            time=stamp * MICROSECOND,
            received=response.received,
        )


CONNECTOR: Final = SmallConnector(
    small_description("bitstamp", RULE, rest="https://www.bitstamp.net", stream="wss://ws.bitstamp.net/"),
    BitstampDataSource,
)
