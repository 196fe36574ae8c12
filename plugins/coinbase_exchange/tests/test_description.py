from __future__ import annotations

import pytest

import venuekit_coinbase_exchange
from venuekit_coinbase_exchange.description import DESCRIPTION
from venuekit_spec import Capability, Channel, Ids, Join, PoolKind, SnapshotSource


def test_only_data_is_claimed() -> None:
    """The connector claims market data, order by order too, and nothing of trading."""
    assert venuekit_coinbase_exchange.describe().capabilities == {
        Capability.BOOKS,
        Capability.ORDER_BY_ORDER,
        Capability.TRADES,
        Capability.TOP_OF_BOOK,
        Capability.SERVER_TIME,
    }


def test_play_money_is_told() -> None:
    """Only the sandboxes, and what runs on this machine, are without real money."""
    assert {each.name for each in DESCRIPTION.environments if not each.real_money} == {
        "sandbox",
        "eu-sandbox",
        "local",
    }


def test_the_public_book_is_proven_by_audits_alone() -> None:
    """The feed has no ids, so only audits and silence tell of a loss; it needs no key."""
    rule = DESCRIPTION.topic_rule(Channel.BOOK)
    assert rule is not None
    assert rule.sync is not None
    assert (rule.sync.snapshot, rule.sync.ids) == (SnapshotSource.IN_BAND, Ids.ARRIVAL)
    assert rule.sync.proofs == ("audit",)
    assert rule.sync.silence is not None
    assert not rule.sync.shows_loss
    assert not rule.authenticated


@pytest.mark.parametrize("variant", ["", "level3"])
def test_orders_follow_one_another_from_a_rest_snapshot(variant: str) -> None:
    """Order by order every message counts, from REST; it needs a key, and a socket of its own for each product."""
    rule = DESCRIPTION.topic_rule(Channel.ORDERS, variant)
    assert rule is not None
    assert rule.sync is not None
    assert (rule.sync.snapshot, rule.sync.ids, rule.sync.join) == (
        SnapshotSource.REST,
        Ids.NEXT,
        Join.FOLLOWS,
    )
    assert rule.sync.proofs == ("sequence",)
    assert rule.authenticated
    assert DESCRIPTION.socket_limits(rule.endpoint).topics == 1
    others = {topic.endpoint for topic in DESCRIPTION.topics if topic.channel is not Channel.ORDERS}
    assert rule.endpoint not in others


def test_pools_are_token_buckets() -> None:
    """Rates and bursts are the documented ones; fewer than eight frames a second may be sent."""
    assert {pool.name: (pool.capacity, pool.period, pool.burst) for pool in DESCRIPTION.pools} == {
        "public": (10, 1, 15),
        "private": (15, 1, 30),
        "fills": (10, 1, 20),
    }
    assert all(pool.kind is PoolKind.LEAKY for pool in DESCRIPTION.pools)
    assert all(DESCRIPTION.socket_limits(rule.endpoint).frames_per_second < 8 for rule in DESCRIPTION.topics)
