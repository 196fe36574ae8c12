"""Gate spot: changes with ranges of ids, joined to a snapshot by REST that shows the best hundred levels of each side.

https://www.gate.com/docs/developers/apiv4/ws/en/#changed-order-book-levels
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
    MILLISECOND,
    NOTHING,
    SECOND,
    BookDelta,
    BookSnapshot,
    Flow,
    Ids,
    Instant,
    Instrument,
    Join,
    OrderBookSnapshot,
    Outputs,
    SnapshotSource,
    SyncRule,
    Topic,
)

CHANNEL: Final = "spot.order_book_update"
DEPTH: Final = 100
RULE: Final = SyncRule(SnapshotSource.REST, Ids.RANGE, Join.SPANS_NEXT)


class GateioSession(SmallSession):
    """A request names one market. Its acknowledgement names none, so the first change tells that a topic is live."""

    def want(self, topics: frozenset[Topic], now: Instant) -> Outputs:
        """A request carries its time."""
        self._now = now
        return super().want(topics, now)

    def ask(self, topics: Sequence[Topic]) -> Outputs:
        """Subscribe to these."""
        return [send(self._request("subscribe", topic)) for topic in topics]

    def leave(self, topics: Sequence[Topic]) -> Outputs:
        """Unsubscribe from these."""
        return [send(self._request("unsubscribe", topic)) for topic in topics]

    def read(self, told: Any, now: Instant) -> Outputs:
        """A change of a book."""
        if told["channel"] != CHANNEL or told["event"] != "update":
            return NOTHING
        result = told["result"]
        delta = BookDelta(
            instrument=self.ids[result["s"]],
            bids=result["b"],
            asks=result["a"],
            first=result["U"],
            last=result["u"],
            time=result["t"] * MILLISECOND,
            received=now,
        )
        return (delta,)

    def _request(self, event: str, topic: Topic) -> dict[str, Any]:
        payload = [self.names[topic.instrument], "100ms"]
        return {"time": self._now // SECOND, "channel": CHANNEL, "event": event, "payload": payload}


class GateioDataSource(SmallDataSource):
    """The public side."""

    session_type = GateioSession

    def instruments(self) -> Flow[Sequence[Instrument]]:
        """GET /spot/currency_pairs."""
        response = yield from self.get("/api/v4/spot/currency_pairs")
        return [
            small_instrument(
                pair["base"], pair["quote"], pair["id"], tick=Decimal(1).scaleb(-pair["precision"])
            )
            for pair in msgspec.json.decode(response.body)
        ]

    def snapshot(self, topic: Topic, instrument: Instrument) -> Flow[BookSnapshot | OrderBookSnapshot]:
        """GET /spot/order_book."""
        pair = instrument.native["rest"]
        response = yield from self.get(
            f"/api/v4/spot/order_book?currency_pair={pair}&limit={DEPTH}&with_id=true"
        )
        told = msgspec.json.decode(response.body)
        return BookSnapshot(
            instrument=instrument.id,
            bids=told["bids"],
            asks=told["asks"],
            last=told["id"],
            depth=DEPTH,
            received=response.received,
        )


CONNECTOR: Final = SmallConnector(
    small_description("gateio", RULE, rest="https://api.gateio.ws", stream="wss://api.gateio.ws/ws/v4/"),
    GateioDataSource,
)
