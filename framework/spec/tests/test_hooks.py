"""The hooks: an object registered with pluggy against the specification, as the core's loader does it."""

from __future__ import annotations

import inspect
from typing import cast

import pluggy
import pytest

from venuekit_spec import (
    Connector,
    Description,
    Environment,
    InstrumentKind,
    OrderEntry,
    hook_names,
    hookimpl,
    hooks,
)

LOCAL = Environment("local", {"rest": "http://127.0.0.1:9"}, real_money=False)
FOR_A_MARKET = {
    "environment": LOCAL,
    "instruments": None,
    "credentials": None,
    "order_entry": OrderEntry.REST,
}


class DescribesOnly:
    @hookimpl
    def describe(self) -> Description:
        return Description(
            venue="tiny",
            name="Tiny",
            environments=(LOCAL,),
            kinds=frozenset({InstrumentKind.SPOT}),
            capabilities=frozenset(),
            topics=(),
            links=(),
        )


class TakesTooMuch:
    @hookimpl
    def data_source(self, environment: Environment, credentials: object) -> None: ...


class NamesNoHook:
    @hookimpl
    def describes(self) -> None: ...


class TakesLess:
    @hookimpl
    def market(self, environment: Environment) -> str:
        return environment.name


class HasBothWays:
    @hookimpl
    def market(self, order_entry: OrderEntry) -> OrderEntry:
        return order_entry


def manager(plugin: object) -> pluggy.PluginManager:
    """The plugin, registered against the specification and checked."""
    found = pluggy.PluginManager(hooks.PROJECT)
    found.add_hookspecs(hooks)
    found.register(plugin)
    found.check_pending()
    return found


def test_a_minimal_connector_describes_its_venue() -> None:
    """One hook is a connector: `describe` gives one description, not a list of them."""
    connector = cast("Connector", manager(DescribesOnly()).hook)
    assert connector.describe().venue == "tiny"


def test_a_hook_that_a_connector_leaves_out_gives_none() -> None:
    """The caller learns of a missing hook by None, without asking which hooks there are."""
    assert manager(DescribesOnly()).hook.data_source(environment=LOCAL) is None


def test_an_unknown_argument_is_refused_at_registration() -> None:
    """A hook that asks for an argument which the contract does not give fails before anything is called."""
    with pytest.raises(pluggy.PluginValidationError, match="credentials"):
        manager(TakesTooMuch())


def test_an_unknown_hook_is_refused() -> None:
    """A misspelt hook is an error, not a function that nobody ever calls."""
    with pytest.raises(pluggy.PluginValidationError, match="describes"):
        manager(NamesNoHook())


def test_a_connector_may_take_fewer_arguments() -> None:
    """A later contract can add an argument to a hook without breaking the connectors there are."""
    assert manager(TakesLess()).hook.market(**FOR_A_MARKET) == "local"


@pytest.mark.parametrize("way", OrderEntry)
def test_a_market_learns_how_orders_are_to_travel(way: OrderEntry) -> None:
    """A connector of a venue with both ways takes `order_entry`; one with a single way leaves it out, as above."""
    assert manager(HasBothWays()).hook.market(**{**FOR_A_MARKET, "order_entry": way}) is way


def test_hooks_are_called_by_keyword_only() -> None:
    """An argument without its name is refused."""
    with pytest.raises(TypeError):
        manager(DescribesOnly()).hook.data_source(*[LOCAL])


@pytest.mark.parametrize("name", hook_names())
def test_the_typed_view_is_the_specification(name: str) -> None:
    """`Connector`, which type checkers see, takes the same arguments as the hook it stands for."""
    specified = inspect.signature(getattr(hooks, name)).parameters
    typed = list(inspect.signature(getattr(Connector, name)).parameters)[1:]
    assert typed == list(specified)


@pytest.mark.parametrize("name", hook_names())
def test_a_specification_is_never_run(name: str) -> None:
    """Calling a specification itself is a programming error and says so."""
    specification = getattr(hooks, name)
    arguments = dict.fromkeys(inspect.signature(specification).parameters)
    with pytest.raises(AssertionError, match="not called"):
        specification(**arguments)
