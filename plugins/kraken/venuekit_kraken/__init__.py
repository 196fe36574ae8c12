"""Kraken spot for venuekit: books with a checked checksum, trades, and top of book over WebSocket v2.

The hooks; each part is in a module of its own. Perpetuals live on another Kraken host with another protocol and are no
part of this venue.
"""

from __future__ import annotations

# At import, not in the hook: importing a submodule sets its name in this package, and here that is a hook's name.
from venuekit_kraken.data_source import KrakenDataSource
from venuekit_kraken.description import DESCRIPTION
from venuekit_spec import DataSource, Description, Environment, hookimpl

__all__ = ["data_source", "describe"]


@hookimpl
def describe() -> Description:
    """What is true of Kraken before anything is sent."""
    return DESCRIPTION


@hookimpl
def data_source(environment: Environment) -> DataSource:
    """The public side in one environment. Raises `LocalError` if it lacks a "rest" or a "stream" URL."""
    return KrakenDataSource(environment)
