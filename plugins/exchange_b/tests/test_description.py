"""What is said of the venue before anything is sent."""

from __future__ import annotations

import re

from plugins.exchange_b.tests.local import LOCAL, START, LocalB

from venuekit_exchange_b.description import (
    CLIENT_ORDER_IDS,
    DESCRIPTION,
)
from venuekit_spec import (
    MILLISECOND,
    Capability,
    Channel,
    SnapshotSource,
)


def test_no_real_money() -> None:
    """Exchange B exists on this machine only, at the port of its own."""
    assert [each.real_money for each in DESCRIPTION.environments] == [False]
    assert all("127.0.0.1:8702" in url for url in LOCAL.urls.values())


def test_what_is_not_offered() -> None:
    """An order is its terms, cancels name their order, and no socket takes calls: none of that is claimed."""
    assert not DESCRIPTION.capabilities & {
        Capability.AMEND,
        Capability.CANCEL_ALL,
        Capability.SOCKET_ORDERS,
        Capability.DEAD_MAN_SWITCH,
        Capability.QUOTE_SIZED,
    }


def test_only_the_audit_proves_a_book() -> None:
    """The feed has a snapshot in band and neither numbers nor checksums."""
    rule = DESCRIPTION.topic_rule(Channel.ORDERS)
    assert rule is not None
    assert rule.sync is not None
    assert rule.sync.snapshot is SnapshotSource.IN_BAND
    assert rule.sync.proofs == ("audit",)
    assert not rule.sync.shows_loss


def test_the_venues_time(local: LocalB) -> None:
    """It is told to the millisecond."""
    assert local.run(local.source.server_time()) == START // MILLISECOND * MILLISECOND


def test_client_ids_fit_their_pattern(local: LocalB) -> None:
    """What the market makes of numbers is what the description promises."""
    assert re.fullmatch(CLIENT_ORDER_IDS.pattern, local.market().client_order_id(2**56 - 1))
