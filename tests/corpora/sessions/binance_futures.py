"""Binance USD-M futures: each change names the id of the one before it; the first one spans the id of a snapshot by REST.

https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams/How-to-manage-a-local-order-book-correctly
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from tests.corpora.sessions.common import (
    SmallConnector,
    SmallDataSource,
    SmallSession,
    day_of,
    send,
    small_description,
    small_instrument,
)

from venuekit_spec import (
    MILLISECOND,
    NOTHING,
    BookDelta,
    BookSnapshot,
    Dial,
    Flow,
    Ids,
    Instant,
    Instrument,
    InstrumentKind,
    InstrumentTable,
    Join,
    OrderBookSnapshot,
    Outputs,
    SnapshotSource,
    SyncRule,
    Topic,
    TopicLive,
)

DEPTH: Final = 1000
RULE: Final = SyncRule(SnapshotSource.REST, Ids.LINK, Join.SPANS_LAST)


class BinanceFuturesSession(SmallSession):
    """Combined streams. An acknowledgement names its request and nothing else."""

    def __init__(self, dial: Dial, instruments: InstrumentTable) -> None:
        super().__init__(dial, instruments)
        self._asked: list[Sequence[Topic]] = []
        """The topics of each request, by its id."""

    def ask(self, topics: Sequence[Topic]) -> Outputs:
        """Subscribe to these."""
        return self._request("SUBSCRIBE", topics)

    def leave(self, topics: Sequence[Topic]) -> Outputs:
        """Unsubscribe from these."""
        return self._request("UNSUBSCRIBE", topics)

    def read(self, told: Any, now: Instant) -> Outputs:
        """A change of a book, or an acknowledgement."""
        if "id" in told:
            return [TopicLive(topic) for topic in self._asked[told["id"]] if topic in self.wanted]
        data = told["data"]
        if data["e"] != "depthUpdate":
            return NOTHING
        delta = BookDelta(
            instrument=self.ids[data["s"]],
            bids=data["b"],
            asks=data["a"],
            first=data["U"],
            last=data["u"],
            previous=data["pu"],
            time=data["T"] * MILLISECOND,
            received=now,
        )
        return (delta,)

    def _request(self, method: str, topics: Sequence[Topic]) -> Outputs:
        streams = [f"{self.names[topic.instrument].lower()}@depth@100ms" for topic in topics]
        self._asked.append(topics)
        return (send({"method": method, "params": streams, "id": len(self._asked) - 1}),)


class BinanceFuturesDataSource(SmallDataSource):
    """The public side."""

    session_type = BinanceFuturesSession

    def instruments(self) -> Flow[Sequence[Instrument]]:
        """GET /fapi/v1/exchangeInfo: perpetuals and quarterly futures."""
        response = yield from self.get("/fapi/v1/exchangeInfo")
        listed = msgspec.json.decode(response.body)["symbols"]
        return [_instrument(symbol) for symbol in listed if symbol["contractType"]]

    def snapshot(self, topic: Topic, instrument: Instrument) -> Flow[BookSnapshot | OrderBookSnapshot]:
        """GET /fapi/v1/depth."""
        path = f"/fapi/v1/depth?symbol={instrument.native['rest']}&limit={DEPTH}"
        response = yield from self.get(path)
        told = msgspec.json.decode(response.body)
        return BookSnapshot(
            instrument=instrument.id,
            bids=told["bids"],
            asks=told["asks"],
            last=told["lastUpdateId"],
            depth=DEPTH,
            received=response.received,
        )


def _instrument(symbol: Mapping[str, Any]) -> Instrument:
    base, quote = symbol["baseAsset"], symbol["quoteAsset"]
    tick = next(rule["tickSize"] for rule in symbol["filters"] if rule["filterType"] == "PRICE_FILTER")
    if "PERPETUAL" in symbol["contractType"]:
        return small_instrument(base, quote, symbol["symbol"], InstrumentKind.PERPETUAL, tick=tick)
    id_ = f"{base}-{quote}-{day_of(symbol['deliveryDate'])}"
    return small_instrument(base, quote, symbol["symbol"], InstrumentKind.FUTURE, tick=tick, id=id_)


CONNECTOR: Final = SmallConnector(
    small_description(
        "binance_futures", RULE, rest="https://fapi.binance.com", stream="wss://fstream.binance.com/stream"
    ),
    BinanceFuturesDataSource,
)
