"""Kraken seen from the venue: the mirror of the connector, for a venue on this machine. Public data only.

    request -> server (REST) -> engine            engine -> market (books, trade numbers) -> public_socket -> frames

This module is what the entry point names: a `DialectPlugin`.
"""

from collections.abc import Sequence

from venuekit_kraken.dialect.listings import listings
from venuekit_kraken.dialect.server import KrakenDialect
from venuekit_spec import Dialect, Engine, VenueAccount

__all__ = ["accounts", "listings", "serve"]


def accounts() -> Sequence[VenueAccount]:
    """None: nothing that is served needs a key."""
    return ()


def serve(engine: Engine) -> Dialect:
    """Kraken's public protocol over this engine, with its memory empty."""
    return KrakenDialect(engine)
