"""Exchange B seen from the venue: the mirror of the connector, for a venue on this machine.

    action  -> signers (who, which nonce) -> pool -> block -> engine      (requests, chain)
    engine  -> chain (what the block did)  -> news of the account          (chain, account_socket)
    frame   -> frames -> a subscription                                    (market_socket)

This module is what the entry point names: a `DialectPlugin`.
"""

from venuekit_exchange_b.dialect.chain import Chain
from venuekit_exchange_b.dialect.listings import accounts, listings
from venuekit_exchange_b.dialect.server import ExchangeBDialect
from venuekit_spec import Dialect, Engine

__all__ = ["accounts", "listings", "serve"]


def serve(engine: Engine, *, undo_rate: float = 0.0, seed: int = 0) -> Dialect:
    """Exchange B's protocol over this engine, with its memory empty. `undo_rate` is the share of blocks that are undone."""
    return ExchangeBDialect(Chain(engine, accounts(), undo_rate=undo_rate, seed=seed))
