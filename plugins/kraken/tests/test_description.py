"""What the connector claims, and how it is found."""

from __future__ import annotations

import pytest

import venuekit_kraken
from venuekit_spec import (
    Capability,
    Channel,
    Crossed,
    Ids,
    SnapshotSource,
)

DESCRIPTION = venuekit_kraken.describe()


def test_it_claims_public_data_only() -> None:
    """Books, trades, top of book, and the clock: nothing that would need an account."""
    assert DESCRIPTION.capabilities == {
        Capability.BOOKS,
        Capability.TRADES,
        Capability.TOP_OF_BOOK,
        Capability.SERVER_TIME,
    }
    assert DESCRIPTION.credentials == ()


@pytest.mark.parametrize(
    ("variant", "depth"), [("", 100), ("10", 10), ("25", 25), ("100", 100), ("500", 500), ("1000", 1000)]
)
def test_each_depth_has_its_rule(variant: str, depth: int) -> None:
    """A book is cut at the depth subscribed to, proven by checksum and, below the ten levels of that, by audits."""
    rule = DESCRIPTION.topic_rule(Channel.BOOK, variant)
    assert rule is not None
    sync = rule.sync
    assert sync is not None
    assert (sync.snapshot, sync.ids, sync.depth) == (SnapshotSource.IN_BAND, Ids.ARRIVAL, depth)
    assert sync.crossed is Crossed.FAULT
    assert sync.checksum is not None
    assert sync.checksum.levels == 10
    assert sync.proofs == (("checksum", "audit") if depth > 10 else ("checksum",))


def test_audits_leave_room_for_other_requests() -> None:
    """A socket full of books takes less than all of the public requests for its audits."""
    rule = DESCRIPTION.topic_rule(Channel.BOOK)
    assert rule is not None
    assert rule.sync is not None
    assert rule.sync.audit is not None
    [pool] = DESCRIPTION.pools
    assert DESCRIPTION.sockets.topics < rule.sync.audit * pool.capacity / pool.period


def test_depths_of_one_symbol_exclude_each_other() -> None:
    """The venue has one depth per symbol and channel on a connection."""
    rules = [rule for rule in DESCRIPTION.topics if rule.channel is Channel.BOOK]
    assert len({rule.group for rule in rules}) == 1
    assert rules[0].group


def test_every_environment_of_the_venue_is_real_money() -> None:
    """The venue's beta runs on the production engine; only what runs on this machine is play."""
    assert [(place.name, place.real_money) for place in DESCRIPTION.environments] == [
        ("production", True),
        ("beta", True),
        ("local", False),
    ]


def test_dials_keep_within_the_ban_and_the_pause() -> None:
    """At most 150 dials in ten minutes, and five seconds between any two."""
    sockets = DESCRIPTION.sockets
    assert sockets.dials * 600 / sockets.dial_period < 150
    assert sockets.dial_period / sockets.dials >= 5.0
