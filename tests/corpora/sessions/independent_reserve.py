"""Independent Reserve, order by order: events with a number per channel, over a snapshot by REST that has no number.

* A channel is of one primary currency, and its orders are offered in every secondary one: an event concerns the book of each.
* Events that waited for the snapshot are all replayed on top of it: each says how an order is now.

https://github.com/independentreserve/websockets/blob/master/orderbook.md
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any, Final

import msgspec
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
    Flow,
    Ids,
    Instant,
    Instrument,
    Join,
    OrderAction,
    OrderBookSnapshot,
    OrderEvent,
    Outputs,
    RestingOrder,
    Side,
    SnapshotSource,
    SyncRule,
    Topic,
    TopicLive,
)

PREFIX: Final = "orderbook-"
RULE: Final = SyncRule(SnapshotSource.REST, Ids.NEXT, Join.ANYWHERE)

ACTIONS: Final[Mapping[str, OrderAction]] = {
    "NewOrder": OrderAction.OPEN,
    "OrderChanged": OrderAction.CHANGE,
    "OrderCanceled": OrderAction.DONE,
}
SIDES: Final[Mapping[str, Side]] = {"LimitBid": Side.BUY, "LimitOffer": Side.SELL}


class IndependentReserveSession(SmallSession):
    """Channels of primary currencies, for the pairs that are wanted."""

    def decode(self, frame: bytes) -> Any:
        """Prices and volumes are bare numbers."""
        return numbers_as_text(frame)

    def ask(self, topics: Sequence[Topic]) -> Outputs:
        """Subscribe to the channels of these."""
        return (send({"Event": "Subscribe", "Data": self._channels(topics)}),)

    def leave(self, topics: Sequence[Topic]) -> Outputs:
        """Unsubscribe from the channels that no other pair needs."""
        unneeded = set(self._channels(topics)) - set(self._channels(self.wanted))
        return (send({"Event": "Unsubscribe", "Data": sorted(unneeded)}),) if unneeded else NOTHING

    def read(self, told: Any, now: Instant) -> Outputs:
        """An event of an order, or the list of channels that are subscribed to."""
        action, data = ACTIONS.get(told["Event"]), told.get("Data")
        if told["Event"] == "Subscriptions":
            return [TopicLive(topic) for topic in self.wanted if self._channel(topic) in data]
        if action is None:
            return NOTHING
        return [
            self._event(topic.instrument, action, told, now)
            for topic in self.wanted
            if self._channel(topic) == told["Channel"]
        ]

    def _event(self, instrument: str, action: OrderAction, told: Any, now: Instant) -> OrderEvent:
        data = told["Data"]
        price = data.get("Price", {}).get(self.instruments[instrument].facts["secondary"], "")
        if action is OrderAction.OPEN and not price:
            action = OrderAction.NOTHING
        return OrderEvent(
            instrument=instrument,
            action=action,
            order_id=data["OrderGuid"],
            side=SIDES[data["OrderType"]],
            price=price if action is OrderAction.OPEN else "",
            size=data.get("Volume", ""),
            last=int(told["Nonce"]),
            time=int(told["Time"]) * MILLISECOND,
            received=now,
        )

    def _channels(self, topics: Iterable[Topic]) -> list[str]:
        return sorted({self._channel(topic) for topic in topics})

    def _channel(self, topic: Topic) -> str:
        return PREFIX + self.instruments[topic.instrument].facts["primary"]


class IndependentReserveDataSource(SmallDataSource):
    """The public side."""

    session_type = IndependentReserveSession

    def instruments(self) -> Flow[Sequence[Instrument]]:
        """Every primary currency in every secondary one."""
        primaries = yield from self.get("/Public/GetValidPrimaryCurrencyCodes")
        secondaries = yield from self.get("/Public/GetValidSecondaryCurrencyCodes")
        codes = (msgspec.json.decode(response.body, type=list[str]) for response in (primaries, secondaries))
        return [
            small_instrument(
                primary.upper(),
                secondary.upper(),
                f"{primary}-{secondary}".lower(),
                facts={"primary": primary.lower(), "secondary": secondary.lower()},
            )
            for primary, secondary in product(*codes)
        ]

    def snapshot(self, topic: Topic, instrument: Instrument) -> Flow[BookSnapshot | OrderBookSnapshot]:
        """GET /Public/GetAllOrders."""
        codes = instrument.facts
        response = yield from self.get(
            f"/Public/GetAllOrders?primaryCurrencyCode={codes['primary']}&secondaryCurrencyCode={codes['secondary']}"
        )
        told = numbers_as_text(response.body)
        orders = [
            RestingOrder(order["Guid"], side, order["Price"], order["Volume"])
            for name, side in (("BuyOrders", Side.BUY), ("SellOrders", Side.SELL))
            for order in told[name]
        ]
        return OrderBookSnapshot(instrument=instrument.id, orders=orders, received=response.received)


CONNECTOR: Final = SmallConnector(
    small_description(
        "independent_reserve",
        RULE,
        rest="https://api.independentreserve.com",
        stream="wss://websockets.independentreserve.com",
        channel=Channel.ORDERS,
    ),
    IndependentReserveDataSource,
)
