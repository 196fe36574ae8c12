"""Which topics share a socket."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from venuekit.sharding import shard, topic_rule
from venuekit_spec import (
    Channel,
    Description,
    Environment,
    Instrument,
    InstrumentKind,
    LocalError,
    PriceRule,
    SizeRule,
    SnapshotSource,
    SocketLimits,
    SyncRule,
    Topic,
    TopicRule,
)

SYNC = SyncRule(SnapshotSource.IN_BAND)
RULES = (
    TopicRule(Channel.BOOK, sync=SYNC, per_socket=3, group="book"),
    TopicRule(Channel.BOOK, sync=SYNC, variant="fast", group="book"),
    TopicRule(Channel.TRADES),
    TopicRule(Channel.TOP, endpoint="other"),
)


def description(limit: int, rules: tuple[TopicRule, ...] = RULES, **endpoints: SocketLimits) -> Description:
    """A venue with room for `limit` topics on a socket."""
    limits: Mapping[str, SocketLimits] = endpoints
    return Description(
        venue="toy",
        name="Toy",
        environments=(Environment("local", {}),),
        kinds=frozenset(),
        capabilities=frozenset(),
        topics=rules,
        links=(),
        sockets=SocketLimits(topics=limit),
        endpoint_sockets=limits,
    )


def instrument(id_: str, endpoint: str) -> Instrument:
    """A market at one of the venue's addresses."""
    rules = PriceRule(Decimal("0.01")), SizeRule(Decimal("0.01"))
    return Instrument(id_, InstrumentKind.SPOT, id_, "USD", {}, *rules, endpoint=endpoint)


TOPICS = st.lists(
    st.builds(
        lambda kind, number: Topic(kind[0], f"P{number}", kind[1]),
        st.sampled_from([(rule.channel, rule.variant) for rule in RULES]),
        st.integers(0, 20),
    ),
    max_size=60,
)


@given(topics=TOPICS, limit=st.integers(1, 12))
def test_every_rule_holds_on_every_socket(topics: list[Topic], limit: int) -> None:
    """Every topic is on one socket, of its endpoint, with no more beside it than fit, and none that it excludes."""
    venue = description(limit, other=SocketLimits(topics=2))
    shards = shard(topics, venue, {})
    assert Counter(topic for part in shards for topic in part) == Counter(set(topics))
    for part in shards:
        rules = {topic: topic_rule(topic, venue) for topic in part}
        (endpoint,) = {rule.endpoint for rule in rules.values()}
        assert len(part) <= (2 if endpoint == "other" else limit)
        assert sum(rule is RULES[0] for rule in rules.values()) <= 3
        grouped = Counter((topic.instrument, rule.group) for topic, rule in rules.items() if rule.group)
        assert all(count == 1 for count in grouped.values())


def test_sockets_are_filled() -> None:
    """Topics without further rules need as few sockets as the limit allows."""
    topics = [Topic(Channel.TRADES, f"P{number}") for number in range(201)]
    assert [len(part) for part in shard(topics, description(100), {})] == [100, 100, 1]
    assert shard([], description(100), {}) == []


def test_excluding_feeds_of_one_instrument_live_apart() -> None:
    """Two books of one pair that exclude each other get two sockets, shared by other pairs."""
    topics = [Topic(Channel.BOOK, pair, variant) for pair in ("A", "B") for variant in ("", "fast")]
    assert [sorted(map(str, part)) for part in shard(topics, description(100), {})] == [
        ["book:A", "book:B"],
        ["book:A:fast", "book:B:fast"],
    ]


def test_markets_at_several_addresses_live_apart() -> None:
    """Topics of instruments that the venue keeps at another address share no socket with those of its other markets."""
    markets = {"A": "spot", "B": "linear", "C": "spot", "D": ""}
    listed = {id_: instrument(id_, endpoint) for id_, endpoint in markets.items()}
    topics = [Topic(Channel.TRADES, id_) for id_ in markets]
    assert [sorted(map(str, part)) for part in shard(topics, description(100), listed)] == [
        ["trades:A", "trades:C"],
        ["trades:B"],
        ["trades:D"],
    ]


@pytest.mark.parametrize(
    ("topic", "told"),
    [(Topic(Channel.ORDERS, "A"), "orders"), (Topic(Channel.BOOK, "A", "slow"), "book:slow")],
)
def test_unknown_channel(topic: Topic, told: str) -> None:
    """A channel or variant that the venue does not have is a mistake of the caller, told with what there is."""
    expected = f"toy has no channel {told}; it has book, book:fast, trades, top"
    with pytest.raises(LocalError, match=expected):
        shard([topic], description(10), {})
