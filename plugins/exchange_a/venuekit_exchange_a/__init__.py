"""The Exchange A connector: market data and trading of the reference centralised venue."""

# At import, not in the hooks: importing a submodule sets its name in this package, and here some are names of hooks.
from venuekit_exchange_a.auth import ExchangeAAuth
from venuekit_exchange_a.data_source import ExchangeADataSource
from venuekit_exchange_a.description import DESCRIPTION
from venuekit_exchange_a.market import ExchangeAMarket
from venuekit_exchange_a.user_stream import ExchangeAUserStream
from venuekit_spec import (
    Auth,
    Credentials,
    DataSource,
    Description,
    Environment,
    InstrumentTable,
    Market,
    OrderEntry,
    UserStream,
    hookimpl,
)

__all__ = ["auth", "data_source", "describe", "market", "user_stream"]


@hookimpl
def describe() -> Description:
    """What is true of Exchange A before anything is sent."""
    return DESCRIPTION


@hookimpl
def data_source(environment: Environment) -> DataSource:
    """The public side in one environment. Raises `LocalError` if it lacks a "rest" or a "stream" URL."""
    return ExchangeADataSource(environment)


@hookimpl
def auth(credentials: Credentials) -> Auth:
    """The signer of one key. Raises `LocalError` when a field is missing."""
    return ExchangeAAuth(credentials)


@hookimpl
def market(environment: Environment, instruments: InstrumentTable, order_entry: OrderEntry) -> Market:
    """Trading for one account; orders travel by REST or on a socket."""
    return ExchangeAMarket(environment, instruments, order_entry)


@hookimpl
def user_stream(environment: Environment) -> UserStream:
    """The private stream of one account, and the socket that takes its calls."""
    return ExchangeAUserStream(environment)
