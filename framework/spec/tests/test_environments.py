"""Environments: where a venue runs, and which of them may be somewhere else."""

from __future__ import annotations

import pytest

from venuekit_spec import Description, Environment, InstrumentKind, LocalError

PRODUCTION = Environment("production", {"rest": "https://api.example.com"})
LOCAL = Environment(
    "local", {"rest": "http://127.0.0.1:8701/v1", "stream": "ws://127.0.0.1:8701/stream"}, real_money=False
)
VENUE = Description(
    venue="tiny",
    name="Tiny",
    environments=(PRODUCTION, LOCAL),
    kinds=frozenset({InstrumentKind.SPOT}),
    capabilities=frozenset(),
    topics=(),
    links=(),
)


def test_an_environment_moves_to_another_address() -> None:
    """Every URL gets the new host and port; scheme, path, name and the rest stay, and so does the original."""
    moved = LOCAL.at("localhost:9000")
    assert dict(moved.urls) == {"rest": "http://localhost:9000/v1", "stream": "ws://localhost:9000/stream"}
    assert (moved.name, moved.real_money) == ("local", False)
    assert LOCAL.url("rest") == "http://127.0.0.1:8701/v1"


def test_an_address_may_be_of_the_newer_kind() -> None:
    """An IPv6 address in brackets is an address."""
    assert LOCAL.at("[::1]:9000").url("rest") == "http://[::1]:9000/v1"


def test_real_money_does_not_move() -> None:
    """A signed request of production goes to the venue's own address only; the error says which environment it is."""
    with pytest.raises(LocalError, match="production"):
        PRODUCTION.at("127.0.0.1:9000")


def test_a_name_may_carry_an_address() -> None:
    """``local@host:port`` is the environment of that name at that address; without an address it is as described."""
    assert VENUE.environment("local@127.0.0.1:9000") == LOCAL.at("127.0.0.1:9000")
    assert VENUE.environment("local") is LOCAL
    assert VENUE.environment() is PRODUCTION


def test_an_address_does_not_make_production_movable() -> None:
    """The written form obeys the same rule."""
    with pytest.raises(LocalError, match="own address"):
        VENUE.environment("production@127.0.0.1:9000")


@pytest.mark.parametrize("name", ["staging", "staging@127.0.0.1:9000", "@127.0.0.1:9000"])
def test_an_unknown_environment_names_those_there_are(name: str) -> None:
    """A misspelt name is refused with the names that exist, with or without an address."""
    with pytest.raises(LocalError, match="production, local"):
        VENUE.environment(name)
