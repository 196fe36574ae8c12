"""Exchange A seen from the venue: the mirror of the connector, for a venue on this machine.

    request -> limits -> keys -> requests -> engine         (server: HTTP, the life of tokens, the countdown)
    frame   -> frames -> the same, or a subscription        (market_socket, call_socket, user_socket)

This module is what the entry point names: a `DialectPlugin`.
"""

from venuekit_exchange_a.dialect.listings import accounts, listings
from venuekit_exchange_a.dialect.server import ExchangeADialect
from venuekit_spec import Dialect, Engine

__all__ = ["accounts", "listings", "serve"]


def serve(engine: Engine) -> Dialect:
    """Exchange A's protocol over this engine, with its memory empty."""
    return ExchangeADialect(engine, accounts())
