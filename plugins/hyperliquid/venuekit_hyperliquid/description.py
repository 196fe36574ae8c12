"""What is true of Hyperliquid before anything is sent.

Every frame of a book is the whole of it, so nothing has to be joined and a lost frame is made good by the next. The frames
are few: the default book, of 20 levels a side, comes about every five seconds for all coins at once; the fast one, of 5
levels, twice a second. The top of the book comes with every block that changes it, and is merged into the book of whoever
subscribes to both.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from venuekit_hyperliquid.errors import pause
from venuekit_hyperliquid.payloads import DOCS, VENUE
from venuekit_spec import (
    Capability,
    Channel,
    Description,
    Environment,
    HttpResponse,
    InstrumentKind,
    LimitReport,
    RatePool,
    Seconds,
    SnapshotSource,
    SocketLimits,
    SyncRule,
    TopicRule,
)

WEIGHT: Final = "weight"
"""Name of the pool that every request takes from."""

FAST: Final = "fast"
"""The variant of books that come often and have few levels."""

BOOK_DEPTHS: Final[Mapping[str, int]] = MappingProxyType({"": 20, FAST: 5})
"""Levels a side, by `Topic.variant`."""

BOOK_SILENCE: Final[Seconds] = 60.0
"""Books are told again when nothing changes, so ten of the slow kind have gone missing."""


def limit_report(response: HttpResponse) -> LimitReport:
    """What a response says of limits: nothing but that they are exceeded (429)."""
    return LimitReport(penalty=pause(response))


def _books(variant: str, depth: int) -> TopicRule:
    """Both kinds have the same names in frames, so those of one coin need two sockets."""
    sync = SyncRule(snapshot=SnapshotSource.EVERY_MESSAGE, depth=depth, overlay=True, silence=BOOK_SILENCE)
    return TopicRule(Channel.BOOK, sync=sync, variant=variant, group="book")


DESCRIPTION: Final = Description(
    venue=VENUE,
    name="Hyperliquid",
    environments=(
        Environment(
            "production",
            {"rest": "https://api.hyperliquid.xyz", "stream": "wss://api.hyperliquid.xyz/ws"},
        ),
        Environment(
            "testnet",
            {"rest": "https://api.hyperliquid-testnet.xyz", "stream": "wss://api.hyperliquid-testnet.xyz/ws"},
            real_money=False,
        ),
        Environment(  # a venue on this machine, see `venuekit_hyperliquid.dialect`
            "local",
            {"rest": "http://127.0.0.1:8714", "stream": "ws://127.0.0.1:8714/ws"},
            real_money=False,
        ),
    ),
    kinds=frozenset({InstrumentKind.PERPETUAL, InstrumentKind.SPOT}),
    capabilities=frozenset(
        {Capability.BOOKS, Capability.TRADES, Capability.TOP_OF_BOOK, Capability.SERVER_TIME}
    ),
    topics=(
        *(_books(variant, depth) for variant, depth in BOOK_DEPTHS.items()),
        TopicRule(Channel.TRADES),
        TopicRule(Channel.TOP),
    ),
    links=(
        f"{DOCS}/notation",
        f"{DOCS}/asset-ids",
        f"{DOCS}/tick-and-lot-size",
        f"{DOCS}/info-endpoint",
        f"{DOCS}/info-endpoint/perpetuals",
        f"{DOCS}/info-endpoint/spot",
        f"{DOCS}/websocket/subscriptions",
        f"{DOCS}/websocket/timeouts-and-heartbeats",
        f"{DOCS}/rate-limits-and-user-limits",
    ),
    pools=(RatePool(WEIGHT, capacity=1_200, period=60.0),),
    # An address may have 1,000 subscriptions, 10 sockets, 30 dials and 2,000 frames a minute. Five sockets of 200 hold all
    # subscriptions, and what closes one ends the others' streams no more than it must.
    sockets=SocketLimits(topics=200, frames_per_second=2_000 / 60, dials=30, dial_period=60.0, sockets=10),
    limit_report=limit_report,
)
