"""The Bitfinex connector: what the entry point of the venue names. Books and trades; no trading."""

from __future__ import annotations

from venuekit_bitfinex.data_source import BitfinexData
from venuekit_bitfinex.description import DESCRIPTION
from venuekit_spec import DataSource, Description, Environment, hookimpl

__all__ = ["data_source", "describe"]


@hookimpl
def describe() -> Description:
    """What is true of the venue before anything is sent."""
    return DESCRIPTION


@hookimpl
def data_source(environment: Environment) -> DataSource:
    """The public side in one environment. Raises `LocalError` if it lacks a "rest" or a "stream" URL."""
    return BitfinexData(environment)
