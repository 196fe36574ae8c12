"""What is true of Bitfinex before anything is sent. There is no testnet: test markets are among the real ones.

Source: https://docs.bitfinex.com/docs/requirements-and-limitations
"""

from __future__ import annotations

from typing import Final

from venuekit_bitfinex.books import DEPTHS, book_rule
from venuekit_bitfinex.data_source import REQUESTS, limit_report
from venuekit_bitfinex.payloads import VENUE
from venuekit_spec.description import Capability, Description, Environment, RatePool, SocketLimits, TopicRule
from venuekit_spec.instruments import InstrumentKind
from venuekit_spec.sessions import Channel

DESCRIPTION: Final = Description(
    venue=VENUE,
    name="Bitfinex",
    environments=(
        Environment(
            "production",
            {"rest": "https://api-pub.bitfinex.com/v2", "stream": "wss://api-pub.bitfinex.com/ws/2"},
        ),
        Environment(  # a venue on this machine, see `venuekit_bitfinex.dialect`
            "local",
            {"rest": "http://127.0.0.1:8715/v2", "stream": "ws://127.0.0.1:8715/ws/2"},
            real_money=False,
        ),
    ),
    kinds=frozenset({InstrumentKind.SPOT}),
    capabilities=frozenset({Capability.BOOKS, Capability.TRADES}),
    topics=(
        *(TopicRule(Channel.BOOK, book_rule(depth), of, group="book") for of, depth in DEPTHS.items()),
        TopicRule(Channel.TRADES),
    ),
    links=(
        "https://docs.bitfinex.com/docs/ws-general",
        "https://docs.bitfinex.com/reference/ws-public-books",
        "https://docs.bitfinex.com/reference/ws-public-trades",
    ),
    # From 10 to 90 requests a minute by endpoint, of which one is used.
    pools=(RatePool(REQUESTS, capacity=10, period=60.0),),
    # 25 channels on a connection; 20 dials a minute, then a block of one; no limit of frames is stated.
    sockets=SocketLimits(topics=25, frames_per_second=30.0, dials=20),
    limit_report=limit_report,
)
