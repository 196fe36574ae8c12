"""The local venues that trials run against: found by their dialects, none known by name."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Final

from venuekit import load_connector
from venuekit_spec import DIALECTS, Capability, Credentials, DialectPlugin, OrderEntry

PAIRS: Final = 2
"""How many instruments a trial trades: the first of what the venue lists."""

WAYS: Final = {OrderEntry.REST: Capability.REST_ORDERS, OrderEntry.SOCKET: Capability.SOCKET_ORDERS}


def ways(venue: str) -> list[str]:
    """How orders may travel there."""
    claimed = load_connector(venue).description.capabilities
    return [way.value for way, claim in WAYS.items() if claim in claimed]


def has_pool(venue: str) -> bool:
    """Whether orders wait for a block there, in what a restart forgets."""
    return load_connector(venue).description.order_life is not None


def dialect(venue: str) -> DialectPlugin:
    """The dialect of a venue."""
    (entry,) = entry_points(group=DIALECTS, name=venue)
    plugin: DialectPlugin = entry.load()
    return plugin


def credentials(venue: str) -> Credentials:
    """The keys of its first account."""
    return dialect(venue).accounts()[0].credentials


def pairs(venue: str) -> list[str]:
    """What a trial trades there."""
    return [listing.instrument.id for listing in dialect(venue).listings()[:PAIRS]]
