"""Sharding: which topics share a socket. Pure.

Topics of different endpoints, by their rules or by their instruments, live on different sockets. On one socket there are at
most as many topics as the venue allows, in all and per channel, and never two of one instrument whose rules exclude each
other (`TopicRule.group`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from attrs import define, field

from venuekit_spec import Channel, Description, Instrument, LocalError, Topic, TopicRule


@define
class Shard:
    """The topics of one socket. `endpoint` is that of their rules and that of their instruments."""

    endpoint: tuple[str, str]
    topics: list[Topic] = field(factory=list)
    _per_channel: Counter[Channel] = field(factory=Counter)
    _groups: set[tuple[str, str]] = field(factory=set)

    def takes(self, topic: Topic, endpoint: tuple[str, str], rule: TopicRule, limit: int) -> bool:
        """Whether `topic` fits on this socket."""
        return (
            self.endpoint == endpoint
            and len(self.topics) < limit
            and (rule.per_socket is None or self._per_channel[topic.channel] < rule.per_socket)
            and not (rule.group and (topic.instrument, rule.group) in self._groups)
        )

    def add(self, topic: Topic, rule: TopicRule) -> None:
        """Put `topic` on this socket."""
        self.topics.append(topic)
        self._per_channel[topic.channel] += 1
        if rule.group:
            self._groups.add((topic.instrument, rule.group))


def shard(
    topics: Iterable[Topic], description: Description, instruments: Mapping[str, Instrument]
) -> list[frozenset[Topic]]:
    """The topics of each socket, first fit, in the order given; no topic twice. `instruments` by canonical id.

    Raises `LocalError` for a topic that the venue does not have.
    """
    shards: list[Shard] = []
    for topic in dict.fromkeys(topics):
        rule = topic_rule(topic, description)
        instrument = instruments.get(topic.instrument)
        endpoint = (rule.endpoint, instrument.endpoint if instrument else "")
        limit = description.socket_limits(rule.endpoint).topics
        for candidate in shards:
            if candidate.takes(topic, endpoint, rule, limit):
                candidate.add(topic, rule)
                break
        else:
            fresh = Shard(endpoint)
            fresh.add(topic, rule)
            shards.append(fresh)
    return [frozenset(each.topics) for each in shards]


def topic_rule(topic: Topic, description: Description) -> TopicRule:
    """The rule of a topic. Raises `LocalError` naming what the venue has."""
    rule = description.topic_rule(topic.channel, topic.variant)
    if rule is None:
        have = ", ".join(":".join(filter(None, (rule.channel, rule.variant))) for rule in description.topics)
        raise LocalError(
            f"{description.venue} has no channel {topic.channel.value}{topic.variant and ':' + topic.variant}; it has {have}"
        )
    return rule
