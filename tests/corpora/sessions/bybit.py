"""Bybit version 5: a snapshot first, then changes numbered one by one per topic; number 1 or another snapshot begins anew.

Spot and linear contracts have the same symbols: the address tells them apart.

https://bybit-exchange.github.io/docs/v5/websocket/public/orderbook
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
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
    Environment,
    Flow,
    Ids,
    Instant,
    Instrument,
    InstrumentKind,
    InstrumentTable,
    LocalError,
    Outputs,
    SnapshotSource,
    SyncRule,
    Topic,
)

DEPTH: Final = 200
PER_REQUEST: Final = 10
"""Topics that one request may name."""

RULE: Final = SyncRule(SnapshotSource.IN_BAND, Ids.NEXT, depth=DEPTH)


class BybitSession(SmallSession):
    """One category, which is also the use of its names."""

    def __init__(self, dial: Dial, instruments: InstrumentTable) -> None:
        self.native = dial.context["category"]
        super().__init__(dial, instruments)

    def ask(self, topics: Sequence[Topic]) -> Outputs:
        """Subscribe to these."""
        return [send(request) for request in self._requests("subscribe", topics)]

    def leave(self, topics: Sequence[Topic]) -> Outputs:
        """Unsubscribe from these."""
        return [send(request) for request in self._requests("unsubscribe", topics)]

    def read(self, told: Any, now: Instant) -> Outputs:
        """A snapshot or a change of a book."""
        if not told.get("topic", "").startswith("orderbook."):
            return NOTHING
        data = told["data"]
        whole = told["type"] == "snapshot" or data["u"] == 1
        common: dict[str, Any] = {
            "instrument": self.ids[data["s"]],
            "bids": data["b"],
            "asks": data["a"],
            "last": data["u"],
            "time": told["cts"] * MILLISECOND,
            "received": now,
        }
        return (BookSnapshot(**common) if whole else BookDelta(**common),)

    def _requests(self, operation: str, topics: Sequence[Topic]) -> Iterator[Mapping[str, Any]]:
        named = [f"orderbook.{DEPTH}.{self.names[topic.instrument]}" for topic in topics]
        for start in range(0, len(named), PER_REQUEST):
            yield {"op": operation, "args": named[start : start + PER_REQUEST]}


class BybitDataSource(SmallDataSource):
    """The public side: spot and linear contracts. It remembers which instrument is which."""

    session_type = BybitSession

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self._categories: dict[str, str] = {}

    def instruments(self) -> Flow[Sequence[Instrument]]:
        """GET /v5/market/instruments-info, once per category."""
        found: list[Instrument] = []
        for category in ("linear", "spot"):
            response = yield from self.get(f"/v5/market/instruments-info?category={category}&limit=1000")
            listed = msgspec.json.decode(response.body)["result"]["list"]
            found += [_instrument(category, told) for told in listed]
        self._categories = {instrument.id: instrument.endpoint for instrument in found}
        return found

    def dial(self, topics: Collection[Topic]) -> Flow[Dial]:
        """The address of the category that all topics are of. Raises `LocalError` if they are of several."""
        yield from ()
        categories = {self._categories[topic.instrument] for topic in topics}
        if len(categories) != 1:
            raise LocalError(f"no socket of Bybit has {' and '.join(sorted(categories)) or 'nothing'}")
        (category,) = categories
        return Dial(f"{self.environment.url('stream')}/{category}", context={"category": category})


def _instrument(category: str, told: Mapping[str, Any]) -> Instrument:
    base, quote, native = told["baseCoin"], told["quoteCoin"], {category: told["symbol"]}
    options: dict[str, Any] = {"tick": told["priceFilter"]["tickSize"], "endpoint": category}
    if category == "spot":
        return small_instrument(base, quote, native, **options)
    if told["contractType"] == "LinearPerpetual":
        return small_instrument(base, quote, native, InstrumentKind.PERPETUAL, **options)
    id_ = f"{base}-{quote}-{day_of(int(told['deliveryTime']))}"
    return small_instrument(base, quote, native, InstrumentKind.FUTURE, id=id_, **options)


CONNECTOR: Final = SmallConnector(
    small_description("bybit", RULE, rest="https://api.bybit.com", stream="wss://stream.bybit.com/v5/public"),
    BybitDataSource,
)
