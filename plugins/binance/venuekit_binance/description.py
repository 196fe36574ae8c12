"""What is true of Binance Spot before anything is sent.

https://developers.binance.com/docs/binance-spot-api-docs
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from venuekit_binance.errors import BANS, pause
from venuekit_binance.payloads import VENUE, ExchangeLimits
from venuekit_spec import (
    UNREADABLE,
    Capability,
    Channel,
    Description,
    Environment,
    HttpResponse,
    Ids,
    InstrumentKind,
    Join,
    LimitReport,
    PoolKind,
    RatePool,
    Seconds,
    SnapshotSource,
    SocketLimits,
    SyncRule,
    TopicRule,
)

DOCS: Final = "https://developers.binance.com/docs/binance-spot-api-docs"

WEIGHT: Final = "REQUEST_WEIGHT"
RAW_REQUESTS: Final = "RAW_REQUESTS"

ENVIRONMENTS: Final = (
    Environment(
        "production",
        {"rest": "https://api.binance.com", "stream": "wss://stream.binance.com:9443"},
    ),
    Environment(
        "us",
        {"rest": "https://api.binance.us", "stream": "wss://stream.binance.us:9443"},
    ),
    Environment(
        "testnet",
        {"rest": "https://testnet.binance.vision", "stream": "wss://stream.testnet.binance.vision"},
        real_money=False,
    ),
    Environment(
        "demo",
        {"rest": "https://demo-api.binance.com", "stream": "wss://demo-stream.binance.com"},
        real_money=False,
    ),
    Environment(  # production's market data from hosts that know no accounts
        "data",
        {"rest": "https://data-api.binance.vision", "stream": "wss://data-stream.binance.vision"},
    ),
    Environment(  # a venue on this machine, see `venuekit_binance.dialect`
        "local",
        {"rest": "http://127.0.0.1:8711", "stream": "ws://127.0.0.1:8711"},
        real_money=False,
    ),
)

# Capacities as documented for production; exchangeInfo tells those of the environment, see `limit_report`.
POOLS: Final = (
    RatePool(WEIGHT, capacity=6_000, period=60.0, kind=PoolKind.FIXED_WINDOW),
    RatePool(RAW_REQUESTS, capacity=300_000, period=300.0, kind=PoolKind.FIXED_WINDOW),
)

INTERVALS: Final[Mapping[str, Seconds]] = MappingProxyType({
    "SECOND": 1.0,
    "MINUTE": 60.0,
    "HOUR": 3_600.0,
    "DAY": 86_400.0,
})  # fmt: skip

BOOKS: Final = SyncRule(
    snapshot=SnapshotSource.REST,
    ids=Ids.RANGE,
    join=Join.SPANS_NEXT,
    global_ids=True,
    audit=300.0,
)
"""https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams#how-to-manage-a-local-order-book-correctly"""

_exchange_limits = msgspec.json.Decoder(ExchangeLimits)


def limit_report(response: HttpResponse) -> LimitReport:
    """What a REST response says of limits.

    Weight used in this minute from X-MBX-USED-WEIGHT-1M, the pause from a 429, 418 or firewall response, and the
    capacities of this environment from exchangeInfo.

    https://developers.binance.com/docs/binance-spot-api-docs/rest-api/limits
    """
    told = response.headers.get("x-mbx-used-weight-1m", "")
    stop = pause(response) if response.status != 200 else None
    return LimitReport(
        used={WEIGHT: float(told)} if told.isascii() and told.isdecimal() else {},
        capacities=_capacities(response),
        penalty=stop,
        banned=stop is not None and response.status in BANS,
    )


def _capacities(response: HttpResponse) -> dict[str, float]:
    """Capacities by pool, where the response is exchangeInfo and tells them for the pool's own period."""
    if response.status != 200 or not response.url.partition("?")[0].endswith("/exchangeInfo"):
        return {}
    try:
        limits = _exchange_limits.decode(response.body).rate_limits
    except UNREADABLE:
        return {}  # the flow that asked reports the body
    periods = {pool.name: pool.period for pool in POOLS}
    return {
        limit.rate_limit_type: float(limit.limit)
        for limit in limits
        if limit.limit > 0
        and INTERVALS.get(limit.interval, 0.0) * limit.interval_num == periods.get(limit.rate_limit_type)
    }


DESCRIPTION: Final = Description(
    venue=VENUE,
    name="Binance Spot",
    environments=ENVIRONMENTS,
    kinds=frozenset({InstrumentKind.SPOT}),
    capabilities=frozenset({
        Capability.BOOKS,
        Capability.TRADES,
        Capability.TOP_OF_BOOK,
        Capability.SERVER_TIME,
    }),
    topics=(
        TopicRule(Channel.BOOK, sync=BOOKS),
        TopicRule(Channel.TRADES),
        TopicRule(Channel.TOP),
    ),
    links=(
        f"{DOCS}/rest-api",
        f"{DOCS}/web-socket-streams",
        f"{DOCS}/filters",
        f"{DOCS}/errors",
        f"{DOCS}/enums",
        f"{DOCS}/faqs/market_data_only",
        f"{DOCS}/testnet",
        f"{DOCS}/demo-mode/general-info",
        "https://docs.binance.us",
    ),
    pools=POOLS,
    sockets=SocketLimits(topics=1_024, frames_per_second=5.0, dials=300, dial_period=300.0),
    limit_report=limit_report,
)  # fmt: skip
