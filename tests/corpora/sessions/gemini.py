"""Gemini: after a subscription the whole book, then changes without a number. Nothing shows a loss but an audit.

https://docs.gemini.com/websocket/market-data/v2/level-2-data
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from tests.corpora.sessions.common import (
    SmallConnector,
    SmallDataSource,
    SmallSession,
    numbers_as_text,
    plain_text,
    send,
    small_description,
    small_instrument,
)

from venuekit_spec import (
    NOTHING,
    BookDelta,
    BookSnapshot,
    Flow,
    Ids,
    Instant,
    Instrument,
    OrderBookSnapshot,
    Outputs,
    Row,
    SnapshotSource,
    SyncRule,
    Topic,
)

RULE: Final = SyncRule(SnapshotSource.IN_BAND, Ids.ARRIVAL, audit=60.0)


class GeminiSession(SmallSession):
    """Nothing is acknowledged. The first message of a market has its last trades too, and that makes it known."""

    def ask(self, topics: Sequence[Topic]) -> Outputs:
        """Subscribe to these."""
        return (send(self._request("subscribe", topics)),)

    def leave(self, topics: Sequence[Topic]) -> Outputs:
        """Unsubscribe from these."""
        return (send(self._request("unsubscribe", topics)),)

    def read(self, told: Any, now: Instant) -> Outputs:
        """The whole book, or a change of it."""
        if told["type"] != "l2_updates":
            return NOTHING
        sides: Mapping[str, list[Row]] = {"buy": [], "sell": []}
        for side, price, size in told["changes"]:
            sides[side].append((price, size))
        kind = BookSnapshot if "trades" in told else BookDelta
        return (
            kind(
                instrument=self.ids[told["symbol"]],
                bids=sides["buy"],
                asks=sides["sell"],
                received=now,
            ),
        )

    def _request(self, kind: str, topics: Sequence[Topic]) -> dict[str, Any]:
        symbols = [self.names[topic.instrument] for topic in topics]
        return {"type": kind, "subscriptions": [{"name": "l2", "symbols": symbols}]}


class GeminiDataSource(SmallDataSource):
    """The public side."""

    session_type = GeminiSession

    def instruments(self) -> Flow[Sequence[Instrument]]:
        """GET /symbols, which does not tell the currencies, and then the details of each."""
        listed = yield from self.get("/v1/symbols")
        found: list[Instrument] = []
        for symbol in msgspec.json.decode(listed.body):
            response = yield from self.get(f"/v1/symbols/details/{symbol}")
            told = numbers_as_text(response.body)
            native = {"rest": symbol, "socket": told["symbol"]}
            found.append(
                small_instrument(
                    told["base_currency"], told["quote_currency"], native, tick=told["quote_increment"]
                )
            )
        return found

    def snapshot(self, topic: Topic, instrument: Instrument) -> Flow[BookSnapshot | OrderBookSnapshot]:
        """GET /book/SYMBOL, whole, for audits."""
        path = f"/v1/book/{instrument.native['rest']}?limit_bids=0&limit_asks=0"
        response = yield from self.get(path)
        told = msgspec.json.decode(response.body)
        bids, asks = (
            [(plain_text(level["price"]), plain_text(level["amount"])) for level in told[side]]
            for side in ("bids", "asks")
        )
        return BookSnapshot(instrument=instrument.id, bids=bids, asks=asks, received=response.received)


CONNECTOR: Final = SmallConnector(
    small_description(
        "gemini", RULE, rest="https://api.gemini.com", stream="wss://api.gemini.com/v2/marketdata"
    ),
    GeminiDataSource,
)
