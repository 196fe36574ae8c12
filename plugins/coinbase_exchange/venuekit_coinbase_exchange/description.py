"""What is true of Coinbase Exchange before anything is sent.

The public book has no sequence number and no checksum: what proves it is that the feed is alive (a heartbeat per product and
second), that it never crosses, and an audit by the REST book every few minutes. The order-by-order feed numbers every message
of a product by one, on every connection alike, and so does the REST book that it starts from.

https://docs.cdp.coinbase.com/exchange/websocket-feed/channels
"""

from __future__ import annotations

from typing import Final

from venuekit_coinbase_exchange.auth import FIELDS
from venuekit_coinbase_exchange.errors import limit_report
from venuekit_coinbase_exchange.payloads import VENUE
from venuekit_spec import (
    Capability,
    Channel,
    Crossed,
    Description,
    Environment,
    Ids,
    InstrumentKind,
    PoolKind,
    PoolScope,
    RatePool,
    Seconds,
    SnapshotSource,
    SocketLimits,
    SyncRule,
    TopicRule,
)

PUBLIC: Final = "public"
"""The pool of requests that need no key."""
PRIVATE: Final = "private"
"""The pool of signed requests."""
FILLS: Final = "fills"
"""The pool of requests for executions."""

COMPACT: Final = "level3"
"""The variant of the order-by-order feed in fewer bytes: rows by a schema that the venue sends first."""

ORDER_FEEDS: Final = "orders"
"""The endpoint of order-by-order feeds. Its address is the other feeds', but the venue advises one product per connection;
and a match comes once per connection, whichever of its subscriptions it is for."""

SILENCE: Final[Seconds] = 10.0
"""Heartbeats come each second: after so many missing ones a book counts as silent."""

ENVIRONMENTS: Final = (
    Environment(
        "production",
        {"rest": "https://api.exchange.coinbase.com", "stream": "wss://ws-feed.exchange.coinbase.com"},
    ),
    Environment(
        "sandbox",
        {
            "rest": "https://api-public.sandbox.exchange.coinbase.com",
            "stream": "wss://ws-feed-public.sandbox.exchange.coinbase.com",
        },
        real_money=False,
    ),
    Environment(  # accounts under MiCA, since December 2025
        "eu",
        {"rest": "https://api-us.dma.prime.coinbase.com", "stream": "wss://ws-us.dma.prime.coinbase.com"},
    ),
    Environment(
        "eu-sandbox",
        {
            "rest": "https://api-us.dma.sandbox.prime.coinbase.com",
            "stream": "wss://ws-us.dma.sandbox.prime.coinbase.com",
        },
        real_money=False,
    ),
    Environment(  # a venue on this machine, see `venuekit_coinbase_exchange.dialect`
        "local",
        {"rest": "http://127.0.0.1:8713", "stream": "ws://127.0.0.1:8713"},
        real_money=False,
    ),
)

BOOKS: Final = SyncRule(
    snapshot=SnapshotSource.IN_BAND,
    ids=Ids.ARRIVAL,
    silence=SILENCE,
    audit=300.0,
    audit_window=5.0,  # the REST book has an id, but the feed has none; and it may come from a cache
)
"""https://docs.cdp.coinbase.com/exchange/websocket-feed/channels#level2-batch-channel"""

ORDERS: Final = SyncRule(
    snapshot=SnapshotSource.REST,
    ids=Ids.NEXT,
    global_ids=True,
    silence=SILENCE,
    # An order that is modified to a price on the other side moves there first, and is matched by the messages after it.
    crossed=Crossed.TRANSIENT,
    crossed_tolerance=1.0,
)
"""https://docs.cdp.coinbase.com/exchange/websocket-feed/channels#full-channel"""

DESCRIPTION: Final = Description(
    venue=VENUE,
    name="Coinbase Exchange",
    environments=ENVIRONMENTS,
    kinds=frozenset({InstrumentKind.SPOT}),
    capabilities=frozenset({
        Capability.BOOKS,
        Capability.ORDER_BY_ORDER,
        Capability.TRADES,
        Capability.TOP_OF_BOOK,
        Capability.SERVER_TIME,
    }),
    topics=(
        TopicRule(Channel.BOOK, sync=BOOKS),
        TopicRule(Channel.ORDERS, sync=ORDERS, authenticated=True, endpoint=ORDER_FEEDS, group="orders"),
        TopicRule(
            Channel.ORDERS,
            sync=ORDERS,
            variant=COMPACT,
            authenticated=True,
            endpoint=ORDER_FEEDS,
            group="orders",
        ),
        TopicRule(Channel.TRADES),
        TopicRule(Channel.TOP),
    ),
    links=(
        "https://docs.cdp.coinbase.com/exchange/websocket-feed/overview",
        "https://docs.cdp.coinbase.com/exchange/websocket-feed/channels",
        "https://docs.cdp.coinbase.com/exchange/websocket-feed/authentication",
        "https://docs.cdp.coinbase.com/exchange/rest-api/authentication",
        "https://docs.cdp.coinbase.com/exchange/rest-api/rate-limits",
        "https://docs.cdp.coinbase.com/api-reference/exchange-api/rest-api/products/get-all-trading-pairs",
        "https://docs.cdp.coinbase.com/api-reference/exchange-api/rest-api/products/get-product-book",
    ),
    # Token buckets that refill steadily: https://docs.cdp.coinbase.com/exchange/rest-api/rate-limits
    pools=(
        RatePool(PUBLIC, capacity=10.0, period=1.0, kind=PoolKind.LEAKY, burst=15.0),
        RatePool(PRIVATE, capacity=15.0, period=1.0, kind=PoolKind.LEAKY, scope=PoolScope.KEY, burst=30.0),
        RatePool(FILLS, capacity=10.0, period=1.0, kind=PoolKind.LEAKY, scope=PoolScope.KEY, burst=20.0),
    ),
    # Copies of the documentation differ on frames a second (100, or 10): half of the smaller. Eight dials a second.
    sockets=SocketLimits(topics=100, frames_per_second=5.0, dials=8, dial_period=1.0),
    endpoint_sockets={
        ORDER_FEEDS: SocketLimits(topics=1, frames_per_second=5.0, dials=8, dial_period=1.0),
    },
    limit_report=limit_report,
    credentials=FIELDS,
)  # fmt: skip
