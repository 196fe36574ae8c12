"""Binance USD-M futures: each change names the id of the one before it; the first one spans the id of a snapshot by REST.

https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams/How-to-manage-a-local-order-book-correctly
"""

from __future__ import annotations

from collections.abc import Sequence
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
    Flow,
    Ids,
    Instant,
    Instrument,
    InstrumentKind,
    Join,
    Outputs,
    SnapshotSource,
    SyncRule,
    Topic,
    TopicLive,
)

DEPTH: Final = 1000
RULE: Final = SyncRule(SnapshotSource.REST, Ids.LINK, Join.SPANS_LAST)


class BinanceFuturesSession(SmallSession):
    """Combined streams. An acknowledgement names its request."""

    def ask(self, topics: Sequence[Topic]) -> Outputs:
        """Subscribe to these."""
        return self._request("SUBSCRIBE", topics)

    def leave(self, topics: Sequence[Topic]) -> Outputs:
        """Unsubscribe from these."""
        return self._request("UNSUBSCRIBE", topics)

    def read(self, told: Any, now: Instant) -> Outputs:
        """A change of a book, or an acknowledgement."""
        if "id" in told:
            return [TopicLive(topic) for topic in self._asked.pop(told["id"], ()) if topic in self.wanted]
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
        self._requests += 1
        self._asked[self._requests] = topics
        streams = [f"{self.names[topic.instrument].lower()}@depth@100ms" for topic in topics]
        return (send({"method": method, "params": streams, "id": self._requests}),)

    _requests = 0

    @property
    def _asked(self) -> dict[int, Sequence[Topic]]:
        return self.__dict__.setdefault("asked", {})
