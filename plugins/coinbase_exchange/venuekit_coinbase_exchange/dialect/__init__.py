"""Coinbase Exchange seen from the venue: the mirror of the connector, for a venue on this machine. Market data only.

    request      -> server (REST) -> engine         engine -> tape (numbered messages) -> feed -> frames
    subscription -> keys -> feed                    engine -> levels                   -> feed

This module is what the entry point names: a `DialectPlugin`.
"""

from venuekit_coinbase_exchange.dialect.listings import accounts, listings
from venuekit_coinbase_exchange.dialect.server import CoinbaseExchangeDialect
from venuekit_spec import Dialect, Engine

__all__ = ["accounts", "listings", "serve"]


def serve(engine: Engine) -> Dialect:
    """Coinbase Exchange's feed and public requests over this engine, with its memory empty."""
    return CoinbaseExchangeDialect(engine, accounts())
