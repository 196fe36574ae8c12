"""Binance seen from the venue: the mirror of the connector, for a venue on this machine. Public data only.

    request -> weight -> rest -> engine            engine -> market_stream -> frames

This module is what the entry point names: a `DialectPlugin`.
"""

from collections.abc import Sequence

from venuekit_binance.dialect.listings import listings
from venuekit_binance.dialect.server import BinanceDialect
from venuekit_spec import Dialect, Engine, VenueAccount

__all__ = ["accounts", "listings", "serve"]


def accounts() -> Sequence[VenueAccount]:
    """None: nothing that is served needs a key."""
    return ()


def serve(engine: Engine) -> Dialect:
    """Binance's public protocol over this engine, with its memory empty."""
    return BinanceDialect(engine)
