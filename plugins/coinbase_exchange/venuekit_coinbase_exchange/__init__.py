"""Coinbase Exchange for venuekit: level-2 books, order-by-order books, trades, and the top of the book.

The hooks; each part is in a module of its own. Coinbase Advanced Trade shares the matching engine, but has another protocol
and other keys: it is no part of this venue.
"""

from __future__ import annotations

# At import, not in the hooks: importing a submodule sets its name in this package, and here those are names of hooks.
from venuekit_coinbase_exchange.auth import CoinbaseExchangeAuth
from venuekit_coinbase_exchange.data_source import CoinbaseExchangeDataSource
from venuekit_coinbase_exchange.description import DESCRIPTION
from venuekit_spec import Auth, Credentials, DataSource, Description, Environment, hookimpl

__all__ = ["auth", "data_source", "describe"]


@hookimpl
def describe() -> Description:
    """What is true of Coinbase Exchange before anything is sent."""
    return DESCRIPTION


@hookimpl
def data_source(environment: Environment) -> DataSource:
    """The public side in one environment. Raises `LocalError` if it lacks a "rest" or a "stream" URL."""
    return CoinbaseExchangeDataSource(environment)


@hookimpl
def auth(credentials: Credentials, environment: Environment) -> Auth:
    """The signer of one account. Raises `LocalError` for a credential that is missing or malformed."""
    return CoinbaseExchangeAuth(credentials)
