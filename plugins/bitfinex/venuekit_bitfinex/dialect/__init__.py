"""Bitfinex seen from the venue: the mirror of the connector, for a venue on this machine. Public data only.

This module is what the entry point names: a `DialectPlugin`.
"""

from __future__ import annotations

from collections.abc import Sequence

from venuekit_bitfinex.dialect.server import BitfinexDialect, listings
from venuekit_spec import Dialect, Engine, VenueAccount

__all__ = ["accounts", "listings", "serve"]


def accounts() -> Sequence[VenueAccount]:
    """None: nothing that is served needs a key."""
    return ()


def serve(engine: Engine) -> Dialect:
    """Bitfinex's public protocol over this engine, with its memory empty."""
    return BitfinexDialect(engine)
