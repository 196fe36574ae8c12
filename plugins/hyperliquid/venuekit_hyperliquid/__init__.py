"""The Hyperliquid connector: market data of perpetuals and spot.

The hooks; each part is in a module of its own.
"""

from __future__ import annotations

# At import, not in the hook: importing a submodule sets its name in this package, and here that is a hook's name.
from venuekit_hyperliquid.data_source import HyperliquidDataSource
from venuekit_hyperliquid.description import DESCRIPTION
from venuekit_spec import DataSource, Description, Environment, hookimpl

__all__ = ["data_source", "describe"]


@hookimpl
def describe() -> Description:
    """What is true of Hyperliquid before anything is sent."""
    return DESCRIPTION


@hookimpl
def data_source(environment: Environment) -> DataSource:
    """The public side in one environment. Raises `LocalError` if it lacks a "rest" or a "stream" URL."""
    return HyperliquidDataSource(environment)
