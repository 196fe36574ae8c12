"""Coinbase Advanced Trade: one sequence per connection over all channels; sides are called bid and offer.

Every frame has a number, whatever its channel, and says so (`Continuity`) before anything else is made of it. A frame that
cannot be read is missing in that sequence, and the next one shows it.

Source: https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket/websocket-channels
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from msgspec import Struct
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
    MICROSECOND,
    BookDelta,
    BookSnapshot,
    Channel,
    Continuity,
    Flow,
    Instant,
    Instrument,
    Output,
    Outputs,
    PriceRule,
    Row,
    SnapshotSource,
    SyncRule,
    Topic,
    TopicLive,
)

VENUE: Final = "coinbase_advanced"

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Level(Struct):
    """``{"side":"bid","event_time":"...","price_level":"65083.66","new_quantity":"0.20371215"}``."""

    side: str
    price_level: str
    new_quantity: str


class Event(Struct):
    """A part of a frame: changed levels of one product, or all subscriptions by channel."""

    type: str = ""
    product_id: str = ""
    updates: list[Level] = []
    subscriptions: dict[str, list[str]] = {}


class Frame(Struct):
    """Any frame of any channel."""

    channel: str
    sequence_num: int
    timestamp: datetime
    events: list[Event]


class Product(Struct):
    """One entry of ``/market/products``. `alias`: it is another name of that product, and has no stream of its own."""

    product_id: str
    base_currency_id: str
    quote_currency_id: str
    price_increment: Decimal
    product_type: str
    alias: str = ""


class Products(Struct):
    """All of them."""

    products: list[Product]


FRAME: Final = Decoder(Frame)
PRODUCTS: Final = Decoder(Products)


class CoinbaseAdvancedSession(SmallSession):
    """Books of channel ``level2``, whose frames are named ``l2_data``."""

    def opened(self, now: Instant) -> Outputs:
        """Without heartbeats a quiet channel is closed by the venue."""
        return [send({"type": "subscribe", "channel": "heartbeats"})]

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
        """The number of the frame, and what it says of books and subscriptions."""
        out: list[Output] = [Continuity(n=told.sequence_num)]
        for event in told.events:
            if told.channel == "l2_data" and event.product_id in self.ids:
                out.append(self._book(told, event, now))
            for product in event.subscriptions.get("level2", ()):
                topic = Topic(Channel.BOOK, self.ids.get(product, ""))
                if topic in self.wanted:
                    out.append(TopicLive(topic))
        return out

    def _book(self, told: Frame, event: Event, now: Instant) -> Output:
        rows: dict[str, list[Row]] = {"bid": [], "offer": []}
        for level in event.updates:
            rows[level.side].append((level.price_level, level.new_quantity))
        make = BookSnapshot if event.type == "snapshot" else BookDelta
        return make(
            instrument=self.ids[event.product_id],
            bids=rows["bid"],
            asks=rows["offer"],
            last=told.sequence_num,
            time=(told.timestamp - EPOCH) // timedelta(microseconds=1) * MICROSECOND,
            received=now,
        )

    def _request(self, verb: str, topics: Sequence[Topic]) -> Any:
        products = [self.names[topic.instrument] for topic in topics]
        return send({"type": verb, "product_ids": products, "channel": "level2"})


class CoinbaseAdvancedDataSource(SmallDataSource):
    """Spot products under their main names."""

    session_type = CoinbaseAdvancedSession

    def instruments(self) -> Flow[Sequence[Instrument]]:
        """Of the list that needs no login."""
        response = yield from self.get("/api/v3/brokerage/market/products")
        return [
            small_instrument(
                product.base_currency_id,
                product.quote_currency_id,
                product.product_id,
                price=PriceRule(product.price_increment),
            )
            for product in PRODUCTS.decode(response.body).products
            if product.product_type == "SPOT" and not product.alias
        ]


CONNECTOR: Final = SmallConnector(
    small_description(
        VENUE,
        SyncRule(SnapshotSource.IN_BAND, per_connection=True),
        rest="https://api.coinbase.com",
        stream="wss://advanced-trade-ws.coinbase.com",
    ),
    CoinbaseAdvancedDataSource,
)
