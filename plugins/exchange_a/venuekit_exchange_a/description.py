"""What is true of Exchange A before anything is sent. PROTOCOL.md tells the same in words."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from venuekit_exchange_a.auth import FIELDS
from venuekit_exchange_a.endpoints import INSTRUMENTS, LIMITS, ORDERS, RAW, WEIGHT
from venuekit_exchange_a.errors import BANNED, LIMITED
from venuekit_exchange_a.payloads import VENUE
from venuekit_exchange_a.payloads import Limits as WireLimits
from venuekit_spec import (
    UNREADABLE,
    Absence,
    Capability,
    Channel,
    ClientOrderIds,
    Description,
    Environment,
    HttpResponse,
    Ids,
    InstrumentKind,
    Join,
    LimitReport,
    OrderType,
    PoolKind,
    PoolScope,
    RatePool,
    Resolution,
    Resolver,
    SnapshotSource,
    SocketLimits,
    SyncRule,
    TimeInForce,
    TopicRule,
    Uniqueness,
    retry_after,
)

PUBLIC: Final = "public"
USER: Final = "user"
CALLS: Final = "calls"
"""The endpoints of sockets, by `TopicRule.endpoint`."""

ENVIRONMENTS: Final = (
    Environment(
        "local",
        {
            "rest": "http://127.0.0.1:8701",
            "stream": "ws://127.0.0.1:8701/v1/stream",
            "calls": "ws://127.0.0.1:8701/v1/calls",
            "user": "ws://127.0.0.1:8701/v1/user",
        },
        real_money=False,
    ),
)

POOLS: Final = (
    RatePool(WEIGHT, capacity=6_000, period=60.0, kind=PoolKind.FIXED_WINDOW),
    RatePool(RAW, capacity=20_000, period=300.0, kind=PoolKind.FIXED_WINDOW),
    RatePool(ORDERS, capacity=100, period=10.0, kind=PoolKind.FIXED_WINDOW, scope=PoolScope.KEY),
)

USED: Final[Mapping[str, str]] = MappingProxyType({
    "x-used-weight": WEIGHT,
    "x-used-raw": RAW,
    "x-order-count": ORDERS,
})  # fmt: skip
"""Header -> the pool whose use in the current window it tells."""

CLIENT_ORDER_IDS: Final = ClientOrderIds(r"[A-Za-z0-9_-]{1,36}", maximum_length=36, unique=Uniqueness.OPEN)

BOOKS: Final = SyncRule(
    snapshot=SnapshotSource.REST,
    ids=Ids.RANGE,
    join=Join.SPANS_NEXT,
    global_ids=True,
    audit=300.0,
)
"""PROTOCOL.md, "Order books"."""

RESOLVER: Final = Resolver(
    steps=(Resolution.ASK,),
    # The venue refuses what arrives later than its timestamp + 5 s. A timestamp may run ahead of the venue's clock by 1 s at
    # most. The rest is margin for an order that is being carried out at that very moment.
    absence=Absence(after=10.0),
    found_closed=True,
)

_limits = msgspec.json.Decoder(WireLimits)
_tells_limits = tuple(endpoint.path for endpoint in (INSTRUMENTS, LIMITS))


def limit_report(response: HttpResponse) -> LimitReport:
    """What a REST response says of limits.

    What is used in the current windows from the headers, the pause from a 429 or 418, and capacities from the instrument list
    and account/limits. PROTOCOL.md, "Limits".
    """
    told = {USED[name]: value for name, value in response.headers.items() if name in USED}
    limited = response.status in LIMITED
    return LimitReport(
        used={pool: float(value) for pool, value in told.items() if value.isascii() and value.isdecimal()},
        capacities=_capacities(response),
        penalty=retry_after(response) if limited else None,
        banned=response.status == BANNED,
    )


def _capacities(response: HttpResponse) -> dict[str, float]:
    """Capacities by pool, where the response tells them for the pool's own period."""
    if response.status != 200 or not response.url.partition("?")[0].endswith(_tells_limits):
        return {}
    try:
        limits = _limits.decode(response.body).limits
    except UNREADABLE:
        return {}  # the flow that asked reports the body
    periods = {pool.name: pool.period for pool in POOLS}
    return {
        limit.pool: float(limit.limit)
        for limit in limits
        if limit.limit > 0 and periods.get(limit.pool) == limit.period
    }


DESCRIPTION: Final = Description(
    venue=VENUE,
    name="Exchange A",
    environments=ENVIRONMENTS,
    kinds=frozenset({InstrumentKind.SPOT}),
    capabilities=frozenset({
        Capability.BOOKS,
        Capability.TRADES,
        Capability.TOP_OF_BOOK,
        Capability.SERVER_TIME,
        Capability.REST_ORDERS,
        Capability.SOCKET_ORDERS,
        Capability.AMEND,
        Capability.BATCH_CANCEL,
        Capability.CANCEL_ALL,
        Capability.DEAD_MAN_SWITCH,
        Capability.USER_STREAM,
        Capability.BALANCE_STREAM,
        Capability.QUOTE_SIZED,
    }),
    topics=(
        TopicRule(Channel.BOOK, sync=BOOKS),
        TopicRule(Channel.TRADES),
        TopicRule(Channel.TOP),
        TopicRule(Channel.USER, authenticated=True, endpoint=USER),
        TopicRule(Channel.CALLS, authenticated=True, endpoint=CALLS),
    ),
    links=("https://github.com/venuekit/venuekit/blob/main/plugins/exchange_a/PROTOCOL.md",),
    pools=POOLS,
    sockets=SocketLimits(topics=200, frames_per_second=20.0, dials=120, dial_period=60.0),
    limit_report=limit_report,
    credentials=FIELDS,
    order_types=frozenset({OrderType.LIMIT, OrderType.MARKET, OrderType.STOP, OrderType.STOP_LIMIT}),
    times_in_force=frozenset({TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK}),
    client_order_ids=CLIENT_ORDER_IDS,
    resolver=RESOLVER,
)  # fmt: skip
