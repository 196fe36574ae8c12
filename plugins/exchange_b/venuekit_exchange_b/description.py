"""What is true of Exchange B before anything is sent. PROTOCOL.md tells the same in words."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from venuekit_exchange_b.auth import FIELDS
from venuekit_exchange_b.errors import FORBIDDEN, LIMITED
from venuekit_exchange_b.payloads import VENUE
from venuekit_spec import (
    Absence,
    Capability,
    Channel,
    ClientOrderIds,
    Cost,
    Description,
    Environment,
    HttpResponse,
    Ids,
    InstrumentKind,
    LimitReport,
    LocalError,
    OrderLife,
    OrderType,
    PoolKind,
    RatePool,
    Resolution,
    Resolver,
    Seconds,
    SnapshotSource,
    SocketLimits,
    SyncRule,
    TimeInForce,
    TopicRule,
    Uniqueness,
    retry_after,
)

ACCOUNT: Final = "account"
"""The endpoint of the account stream, by `TopicRule.endpoint`."""

ENVIRONMENTS: Final = (
    Environment(
        "local",
        {
            "rest": "http://127.0.0.1:8702",
            "stream": "ws://127.0.0.1:8702/v1/stream",
            "account": "ws://127.0.0.1:8702/v1/account",
        },
        real_money=False,
    ),
)

CHAINS: Final[Mapping[str, int]] = MappingProxyType({"local": 8702})
"""The chain of each environment: signatures of one are worthless on another."""

BLOCK: Final[Seconds] = 1.0
"""Between two blocks."""

ORDER_LIFE: Final = OrderLife(blocks=600, maximum=86_400)

BATCH: Final = 20
"""Orders, or cancels, in one action."""

REQUESTS: Final = "requests"
POOLS: Final = (RatePool(REQUESTS, capacity=2_400, period=60.0, kind=PoolKind.FIXED_WINDOW),)
ONE: Final = (Cost(REQUESTS),)
BOOK: Final = (Cost(REQUESTS, 10),)
"""What a request takes from the pool."""

CLIENT_ORDER_IDS: Final = ClientOrderIds(r"0x[0-9a-f]{32}", maximum_length=34, unique=Uniqueness.EVER)

BOOKS: Final = SyncRule(snapshot=SnapshotSource.IN_BAND, ids=Ids.ARRIVAL, audit=30.0, audit_window=2.0)
"""PROTOCOL.md, "Order books": no sequence numbers and no times, so nothing but the audit shows a loss."""

RESOLVER: Final = Resolver(
    # The hash of an order is that of its terms: the same bytes again are the same order. Where the answer to those is lost
    # too, a burnt nonce keeps the first attempt from landing later.
    steps=(Resolution.ASK, Resolution.RESEND, Resolution.BURN_NONCE),
    absence=Absence(above_expiry_height=True),
    found_closed=True,
)


def chain_of(environment: Environment) -> int:
    """The chain of an environment. Raises `LocalError` where none is known."""
    try:
        return CHAINS[environment.name]
    except KeyError:
        raise LocalError(f"Exchange B has no chain for environment {environment.name!r}") from None


def limit_report(response: HttpResponse) -> LimitReport:
    """The pause that a proxy orders. PROTOCOL.md, "Limits"."""
    if response.status not in {LIMITED, FORBIDDEN}:
        return LimitReport()
    return LimitReport(penalty=retry_after(response), banned=response.status == FORBIDDEN)


DESCRIPTION: Final = Description(
    venue=VENUE,
    name="Exchange B",
    environments=ENVIRONMENTS,
    kinds=frozenset({InstrumentKind.SPOT, InstrumentKind.PERPETUAL}),
    capabilities=frozenset({
        Capability.BOOKS,
        Capability.ORDER_BY_ORDER,
        Capability.TRADES,
        Capability.SERVER_TIME,
        Capability.REST_ORDERS,
        Capability.BATCH_PLACE,
        Capability.BATCH_CANCEL,
        Capability.USER_STREAM,
        Capability.BALANCE_STREAM,
        Capability.POSITIONS,
        Capability.LEVERAGE,
        Capability.FUNDING,
    }),
    topics=(
        TopicRule(Channel.ORDERS, sync=BOOKS),
        TopicRule(Channel.TRADES),
        TopicRule(Channel.USER, authenticated=True, endpoint=ACCOUNT),
    ),
    links=("https://github.com/venuekit/venuekit/blob/main/plugins/exchange_b/PROTOCOL.md",),
    pools=POOLS,
    sockets=SocketLimits(topics=100, frames_per_second=20.0, dials=120, dial_period=60.0),
    limit_report=limit_report,
    credentials=FIELDS,
    order_types=frozenset({OrderType.LIMIT}),
    times_in_force=frozenset({TimeInForce.GTC, TimeInForce.GTB, TimeInForce.IOC, TimeInForce.FOK}),
    client_order_ids=CLIENT_ORDER_IDS,
    resolver=RESOLVER,
    order_life=ORDER_LIFE,
    maximum_batch=BATCH,
)  # fmt: skip
