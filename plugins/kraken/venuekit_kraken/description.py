"""What is true of Kraken before anything is sent.

The book is subscribed to at one of five depths. There is no sequence number: the checksum that comes with every message is
the proof, and it covers the best ten levels whatever the depth; what lies below is compared with the REST book now and then.
The feed sends no removal for levels that fall out of the
depth, so both sides are cut after each message.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from venuekit_kraken.checksum import LEVELS, book_checksum
from venuekit_kraken.errors import limit_report
from venuekit_kraken.payloads import VENUE
from venuekit_spec import (
    Capability,
    Channel,
    Checksum,
    Crossed,
    Description,
    Environment,
    Ids,
    InstrumentKind,
    PoolKind,
    RatePool,
    Seconds,
    SnapshotSource,
    SocketLimits,
    SyncRule,
    TopicRule,
)

REST_POOL: Final = "public"
"""Name of the pool that every public REST request takes 1 from."""

BOOK_DEPTHS: Final[Mapping[str, int]] = MappingProxyType({
    "": 100,
    "10": 10,
    "25": 25,
    "100": 100,
    "500": 500,
    "1000": 1000,
})  # fmt: skip
"""Levels a side, by `Topic.variant`. The venue's own default is 10, which leaves no level to spare
beyond the best ten."""


AUDIT: Final[Seconds] = 600.0
"""Between two audits of a book: one request a second is allowed, for all books."""

AUDIT_WINDOW: Final[Seconds] = 5.0
"""The REST book has neither an id nor a time, and may come from a cache."""


def _book_rule(variant: str, depth: int) -> TopicRule:
    """One subscription per symbol and channel on a connection: the depths of one symbol exclude each other.

    A book of ten levels is covered by its checksum and needs no audit.
    """
    sync = SyncRule(
        snapshot=SnapshotSource.IN_BAND,
        ids=Ids.ARRIVAL,
        checksum=Checksum(compute=book_checksum, levels=LEVELS),
        depth=depth,
        crossed=Crossed.FAULT,
        audit=AUDIT if depth > LEVELS else None,
        audit_window=AUDIT_WINDOW,
    )
    return TopicRule(Channel.BOOK, sync=sync, variant=variant, group="book")


DESCRIPTION: Final = Description(
    venue=VENUE,
    name="Kraken",
    environments=(
        Environment(
            "production",
            {"rest": "https://api.kraken.com", "stream": "wss://ws.kraken.com/v2"},
        ),
        # New features ahead of production, on the production engine: the money is as real.
        Environment(
            "beta",
            {"rest": "https://api.kraken.com", "stream": "wss://beta-ws.kraken.com/v2"},
        ),
        Environment(  # a venue on this machine, see `venuekit_kraken.dialect`
            "local",
            {"rest": "http://127.0.0.1:8712", "stream": "ws://127.0.0.1:8712/v2"},
            real_money=False,
        ),
    ),
    kinds=frozenset({InstrumentKind.SPOT}),
    capabilities=frozenset(
        {Capability.BOOKS, Capability.TRADES, Capability.TOP_OF_BOOK, Capability.SERVER_TIME}
    ),
    topics=(
        *(_book_rule(variant, depth) for variant, depth in BOOK_DEPTHS.items()),
        TopicRule(Channel.TRADES),
        TopicRule(Channel.TOP),
    ),
    links=(
        "https://docs.kraken.com/exchange/guides/websockets/introduction",
        "https://docs.kraken.com/exchange/guides/websockets/book-checksum-v2",
        "https://docs.kraken.com/exchange/api-reference/spot-websocket-v2/book",
        "https://docs.kraken.com/exchange/api-reference/spot-websocket-v2/trade",
        "https://docs.kraken.com/exchange/api-reference/spot-websocket-v2/ticker",
        "https://docs.kraken.com/exchange/api-reference/spot-websocket-v2/status",
        "https://docs.kraken.com/api-reference/market-data/get-tradable-asset-pairs",
        "https://docs.kraken.com/api-reference/market-data/get-order-book",
    ),
    # Public REST is limited by address, to about one request a second.
    pools=(RatePool(REST_POOL, capacity=1.0, period=1.0, kind=PoolKind.LEAKY),),
    # About 150 dials in 10 minutes, then the address is banned for 10 minutes; at least 5 s between dials after a
    # maintenance. One dial per 5 s keeps both. Kraken states no limit of topics or frames.
    sockets=SocketLimits(topics=500, frames_per_second=5.0, dials=1, dial_period=5.0),
    limit_report=limit_report,
)
