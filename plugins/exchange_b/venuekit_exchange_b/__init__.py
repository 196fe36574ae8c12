"""The Exchange B connector: market data and trading of the reference decentralised venue."""

# At import, not in the hooks: importing a submodule sets its name in this package, and here some are names of hooks.
from venuekit_exchange_b.auth import ExchangeBAuth
from venuekit_exchange_b.data_source import ExchangeBDataSource
from venuekit_exchange_b.description import DESCRIPTION, chain_of
from venuekit_exchange_b.market import ExchangeBMarket
from venuekit_exchange_b.user_stream import ExchangeBUserStream
from venuekit_spec import (
    Auth,
    Credentials,
    DataSource,
    Description,
    Environment,
    InstrumentTable,
    Market,
    UserStream,
    hookimpl,
)

__all__ = ["auth", "data_source", "describe", "market", "user_stream"]


@hookimpl
def describe() -> Description:
    """What is true of Exchange B before anything is sent."""
    return DESCRIPTION


@hookimpl
def data_source(environment: Environment) -> DataSource:
    """The public side in one environment. Raises `LocalError` if it lacks a "rest" or a "stream" URL."""
    return ExchangeBDataSource(environment)


@hookimpl
def auth(credentials: Credentials, environment: Environment) -> Auth:
    """The signer of one account. Raises `LocalError` without an address, or without a key or a signer."""
    return ExchangeBAuth(credentials, chain_of(environment))


@hookimpl
def market(environment: Environment, instruments: InstrumentTable, credentials: Credentials) -> Market:
    """Trading for one account."""
    return ExchangeBMarket(environment, instruments, credentials)


@hookimpl
def user_stream(environment: Environment) -> UserStream:
    """The account stream."""
    return ExchangeBUserStream(environment)
