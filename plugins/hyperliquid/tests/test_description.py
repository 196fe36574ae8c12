"""What the connector claims, and how it is found."""

from __future__ import annotations

import pytest

import venuekit_hyperliquid
from venuekit_spec import (
    Capability,
    Channel,
    InstrumentKind,
    SnapshotSource,
)

DESCRIPTION = venuekit_hyperliquid.describe()


def test_it_claims_public_data_only() -> None:
    """Books, trades, top of book and the clock, of perpetuals and spot: nothing that would need a key."""
    assert DESCRIPTION.capabilities == {
        Capability.BOOKS,
        Capability.TRADES,
        Capability.TOP_OF_BOOK,
        Capability.SERVER_TIME,
    }
    assert DESCRIPTION.kinds == {InstrumentKind.PERPETUAL, InstrumentKind.SPOT}
    assert DESCRIPTION.credentials == ()


@pytest.mark.parametrize(("variant", "depth"), [("", 20), ("fast", 5)])
def test_every_message_is_the_book(variant: str, depth: int) -> None:
    """Each message replaces the book, which is also its proof, and best prices are merged; the fast kind has fewer levels."""
    rule = DESCRIPTION.topic_rule(Channel.BOOK, variant)
    assert rule is not None
    assert rule.sync is not None
    assert (rule.sync.snapshot, rule.sync.depth) == (SnapshotSource.EVERY_MESSAGE, depth)
    assert rule.sync.overlay
    assert rule.sync.shows_loss


def test_both_kinds_of_book_exclude_each_other() -> None:
    """Their frames have the same names, so they cannot share a socket; trades and tops can."""
    groups = {(rule.channel, rule.variant): rule.group for rule in DESCRIPTION.topics}
    assert groups.pop((Channel.BOOK, "")) == groups.pop((Channel.BOOK, "fast")) != ""
    assert set(groups.values()) == {""}


def test_environments() -> None:
    """Production comes first and is real money; the test network and what runs on this machine are not."""
    assert [(place.name, place.real_money) for place in DESCRIPTION.environments] == [
        ("production", True),
        ("testnet", False),
        ("local", False),
    ]


def test_limits_of_an_address() -> None:
    """Ten sockets, thirty dials a minute, two thousand frames a minute, and weight 1200 a minute for requests."""
    sockets = DESCRIPTION.sockets
    assert (sockets.sockets, sockets.dials, sockets.dial_period) == (10, 30, 60.0)
    assert sockets.frames_per_second * 60 == pytest.approx(2_000)
    [pool] = DESCRIPTION.pools
    assert (pool.capacity, pool.period) == (1_200, 60.0)
