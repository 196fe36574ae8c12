"""KuCoin spot: changes with ranges of ids, joined to a snapshot by REST row by row.

* Each row has the id of its own change, and one that the snapshot has already is skipped.
* A row of price "0" only moves the sequence.
* The address of the socket and a token for it come from a request, and a session speaks once it was welcomed.

https://www.kucoin.com/docs-new/3470221w0
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
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
    BookDelta,
    BookSnapshot,
    Dial,
    Flow,
    HttpRequest,
    Ids,
    Instant,
    Instrument,
    Join,
    OrderBookSnapshot,
    Outputs,
    Rows,
    SnapshotSource,
    SyncRule,
    Topic,
    TopicLive,
    Wake,
    after,
    http,
)

RULE: Final = SyncRule(SnapshotSource.REST, Ids.RANGE, Join.SPANS_NEXT, row_ids=2)


class KucoinSession(SmallSession):
    """The welcome comes before anything may be sent; after that, a ping every so often."""

    _welcomed = False

    def want(self, topics: frozenset[Topic], now: Instant) -> Outputs:
        """Before the welcome this is only remembered."""
        if self._welcomed:
            return super().want(topics, now)
        self.wanted = topics
        return NOTHING

    def ask(self, topics: Sequence[Topic]) -> Outputs:
        """Subscribe to these. The id of the request is the list of the ids, so that the acknowledgement tells them."""
        return (self._request("subscribe", topics),)

    def leave(self, topics: Sequence[Topic]) -> Outputs:
        """Unsubscribe from these."""
        return (self._request("unsubscribe", topics),)

    def read(self, told: Any, now: Instant) -> Outputs:
        """The welcome, an acknowledgement, or a change of a book."""
        if told["type"] == "welcome":
            self._welcomed = True
            return [*(self.ask(sorted(self.wanted, key=str)) if self.wanted else NOTHING), self._wake(now)]
        if told["type"] == "ack":
            named = told["id"].split(",")
            return [TopicLive(topic) for topic in sorted(self.wanted, key=str) if topic.instrument in named]
        if told.get("subject") != "trade.l2update":
            return NOTHING
        data = told["data"]
        delta = BookDelta(
            instrument=self.ids[data["symbol"]],
            bids=_levels(data["changes"]["bids"]),
            asks=_levels(data["changes"]["asks"]),
            first=data["sequenceStart"],
            last=data["sequenceEnd"],
            time=data.get("time", 0) * MILLISECOND,
            received=now,
        )
        return (delta,)

    def tick(self, now: Instant) -> Outputs:
        """It is time for a ping."""
        return send({"id": str(now), "type": "ping"}), self._wake(now)

    def _wake(self, now: Instant) -> Wake:
        return Wake(after(now, int(self.dial.context["ping_interval"]) / 1000))

    def _request(self, kind: str, topics: Sequence[Topic]) -> Any:
        symbols = ",".join(self.names[topic.instrument] for topic in topics)
        id_ = ",".join(topic.instrument for topic in topics) if kind == "subscribe" else ""
        return send({"id": id_, "type": kind, "topic": f"/market/level2:{symbols}", "response": True})


class KucoinDataSource(SmallDataSource):
    """The public side."""

    session_type = KucoinSession

    def instruments(self) -> Flow[Sequence[Instrument]]:
        """GET /symbols."""
        response = yield from self.get("/api/v2/symbols")
        return [
            small_instrument(
                pair["baseCurrency"], pair["quoteCurrency"], pair["symbol"], tick=pair["priceIncrement"]
            )
            for pair in msgspec.json.decode(response.body)["data"]
        ]

    def snapshot(self, topic: Topic, instrument: Instrument) -> Flow[BookSnapshot | OrderBookSnapshot]:
        """GET /market/orderbook/level2: the whole book. Public when the recordings were made, signed today."""
        response = yield from self.get(f"/api/v2/market/orderbook/level2?symbol={instrument.native['rest']}")
        told = msgspec.json.decode(response.body)["data"]
        return BookSnapshot(
            instrument=instrument.id,
            bids=told["bids"],
            asks=told["asks"],
            last=int(told["sequence"]),
            time=told["time"] * MILLISECOND,
            received=response.received,
        )

    def dial(self, topics: Collection[Topic]) -> Flow[Dial]:
        """POST /bullet-public: where the socket is, the token for it, and how often it wants a ping."""
        url = f"{self.environment.url('rest')}/api/v1/bullet-public"
        response = yield from http(HttpRequest("POST", url, repeatable=True, label="bullet-public"))
        told = msgspec.json.decode(response.body)["data"]
        server = told["instanceServers"][0]
        return Dial(
            f"{server['endpoint']}?token={told['token']}",
            ping=None,
            context={"ping_interval": str(server["pingInterval"])},
        )


def _levels(rows: Rows) -> Rows:
    return [row for row in rows if row[0] != "0"]


CONNECTOR: Final = SmallConnector(
    small_description("kucoin", RULE, rest="https://api.kucoin.com", stream=""), KucoinDataSource
)
