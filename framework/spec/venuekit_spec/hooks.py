"""The hooks of a connector: factories, called once per connection. What they return is called directly ever after.

A connector is a module (or an object) with functions of these names, marked with `hookimpl`, under an entry point of the
group ``venuekit.connectors`` whose name is the venue id::

    [project.entry-points."venuekit.connectors"]
    my_venue = "venuekit_my_venue"

Only `describe` is required; a data connector adds `data_source`, a trading one `auth`, `market` and `user_stream`.
"""

from __future__ import annotations

from typing import Any, Final, Protocol

import pluggy

from venuekit_spec.auth import Auth, Credentials
from venuekit_spec.description import Description, Environment
from venuekit_spec.instruments import Instrument, InstrumentTable
from venuekit_spec.orders import OrderEntry
from venuekit_spec.protocols import ActiveOrderTracker, DataSource, Market, OpenTransport, UserStream

PROJECT: Final = "venuekit"
CONNECTORS: Final = "venuekit.connectors"
"""Entry-point group of connectors; the entry's name is the venue id."""

hookspec: Final = pluggy.HookspecMarker(PROJECT)
hookimpl: Final = pluggy.HookimplMarker(PROJECT)


@hookspec(firstresult=True)
def describe() -> Description:
    """What is true of the venue before anything is sent."""
    raise AssertionError("a specification is not called")


@hookspec(firstresult=True)
def data_source(environment: Environment) -> DataSource:
    """The public side in one environment."""
    raise AssertionError("a specification is not called")


@hookspec(firstresult=True)
def active_order_tracker(instrument: Instrument) -> ActiveOrderTracker | None:
    """An order-by-order tracker of the venue's own; None (or no hook) for the core's standard one."""
    raise AssertionError("a specification is not called")


@hookspec(firstresult=True)
def auth(credentials: Credentials, environment: Environment) -> Auth:
    """The signer of one account. Raises `LocalError` when a credential is missing or malformed."""
    raise AssertionError("a specification is not called")


@hookspec(firstresult=True)
def market(
    environment: Environment,
    instruments: InstrumentTable,
    credentials: Credentials,
    order_entry: OrderEntry,
) -> Market:
    """Trading for one account. `credentials` are there for public parts (an address); signing is `auth`'s.

    `order_entry` is how orders are to travel where the venue has both ways; a connector of a venue with one leaves it out.
    """
    raise AssertionError("a specification is not called")


@hookspec(firstresult=True)
def user_stream(
    environment: Environment, instruments: InstrumentTable, credentials: Credentials
) -> UserStream:
    """The private stream of one account."""
    raise AssertionError("a specification is not called")


@hookspec(firstresult=True)
def open_transport(environment: Environment) -> OpenTransport:
    """Last of all: the transport of a venue that cannot be sans-I/O (`Capability.OWN_TRANSPORT`)."""
    raise AssertionError("a specification is not called")


class Connector(Protocol):
    """The hooks of one venue, callable: ``pluggy``'s relay as the type checker should see it. Keyword arguments only."""

    def describe(self) -> Description:
        """As the hook of that name."""
        ...

    def data_source(self, *, environment: Environment) -> DataSource:
        """As the hook of that name."""
        ...

    def active_order_tracker(self, *, instrument: Instrument) -> ActiveOrderTracker | None:
        """As the hook of that name."""
        ...

    def auth(self, *, credentials: Credentials, environment: Environment) -> Auth:
        """As the hook of that name."""
        ...

    def market(
        self,
        *,
        environment: Environment,
        instruments: InstrumentTable,
        credentials: Credentials,
        order_entry: OrderEntry,
    ) -> Market:
        """As the hook of that name."""
        ...

    def user_stream(
        self, *, environment: Environment, instruments: InstrumentTable, credentials: Credentials
    ) -> UserStream:
        """As the hook of that name."""
        ...

    def open_transport(self, *, environment: Environment) -> OpenTransport:
        """As the hook of that name."""
        ...


def hook_names() -> tuple[str, ...]:
    """The names of all hooks, in the order of this file."""
    found: dict[str, Any] = globals()
    return tuple(name for name, value in found.items() if hasattr(value, f"{PROJECT}_spec"))
