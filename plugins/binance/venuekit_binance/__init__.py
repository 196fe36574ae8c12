"""The Binance Spot connector: market data."""

# At import, not in the hook: importing a submodule sets its name in this package, and here that is a hook's name.
from venuekit_binance.data_source import BinanceDataSource
from venuekit_binance.description import DESCRIPTION
from venuekit_spec import DataSource, Description, Environment, hookimpl

__all__ = ["data_source", "describe"]


@hookimpl
def describe() -> Description:
    """What is true of Binance before anything is sent."""
    return DESCRIPTION


@hookimpl
def data_source(environment: Environment) -> DataSource:
    """The public side in one environment. Raises `LocalError` if it lacks a "rest" or a "stream" URL."""
    return BinanceDataSource(environment)
