"""What an exchange is built of: its topics, an entry per book, feeds, and the connections that serve them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from attrs import frozen

from venuekit.books.changes import BookDrift, StateChange
from venuekit.books.keeping import Need, NeedCallback
from venuekit.books.level_entry import OrderBookTrackerEntry
from venuekit.books.order_entry import OrderByOrderEntry
from venuekit.books.tracker import AnyEntry
from venuekit.broadcast import Broadcast
from venuekit.connection import Connection
from venuekit.events import Event
from venuekit.feeds import Feeds, TradeFeed
from venuekit.loader import LoadedConnector
from venuekit.sharding import shard, topic_rule
from venuekit.snapshots import Snapshots
from venuekit.venue import Venue
from venuekit_spec import Channel, Description, LocalError, SnapshotSource, SyncRule, Topic


@frozen
class Parts:
    """The moving parts of one exchange. `audited` are the entries whose books are asked for by REST, too."""

    entries: Mapping[Topic, AnyEntry]
    feeds: Feeds
    connections: Sequence[Connection]
    snapshots: Snapshots
    audited: Sequence[AnyEntry]


def wanted_topics(
    pairs: Iterable[str], channels: Iterable[str] | None, variant: str, description: Description
) -> list[Topic]:
    """What is to be subscribed to: books, where no channels are given.

    Raises `LocalError` for a channel that the venue does not have.
    """
    if isinstance(pairs, str):
        raise LocalError(f"pairs is a list of pairs, not one text: [{pairs!r}]")
    if isinstance(channels, str):
        raise LocalError(f"channels is a list of channels, not one text: [{channels!r}]")
    try:
        wanted = [
            Channel(channel) for channel in ((description.book_channel,) if channels is None else channels)
        ]
    except ValueError as error:
        offered = dict.fromkeys(rule.channel for rule in description.topics)
        raise LocalError(f"{error}; channels are {', '.join(offered)}") from None
    varied = Channel.BOOK if Channel.BOOK in wanted else Channel.ORDERS
    topics = [
        Topic(channel, pair, variant if channel is varied else "")
        for pair in dict.fromkeys(pairs)
        for channel in wanted
    ]
    for topic in topics:
        topic_rule(topic, description)
    return topics


def build(connector: LoadedConnector, venue: Venue, topics: Sequence[Topic]) -> Parts:
    """Make what serves these topics. Nothing runs yet."""
    snapshots = Snapshots(venue)
    entries: dict[Topic, AnyEntry] = {}
    audited: list[AnyEntry] = []
    feeds = Feeds()
    owners: dict[AnyEntry, Connection] = {}

    def need(entry: AnyEntry, what: Need) -> None:
        owners[entry].need(entry, what)

    def shadow(entry: AnyEntry, need: NeedCallback) -> AnyEntry:
        return _entry(connector, venue, entry.topic, entry.rule, need)

    for topic in topics:
        rule = topic_rule(topic, venue.description)
        if rule.sync is not None:
            entry = entries[topic] = _entry(connector, venue, topic, rule.sync, need)
            entry.book.listeners.append(_teller(venue.events))
            if rule.sync.overlay and isinstance(entry, OrderBookTrackerEntry):
                feeds.overlaid[topic.instrument] = entry
            if rule.sync.snapshot is SnapshotSource.REST or rule.sync.audit is not None:
                audited.append(entry)
        elif topic.channel is Channel.TRADES:
            feeds.trades[topic.instrument] = TradeFeed()
        elif topic.channel is Channel.TOP:
            feeds.tops[topic.instrument] = Broadcast()
    connections: list[Connection] = []
    for number, part in enumerate(shard(topics, venue.description, venue.instruments), start=1):
        fed = [entry for entry in entries.values() if entry.topic in part]
        connection = Connection(
            f"{venue.id}.{number}", venue, venue.source, part, fed, snapshots, feeds, shadow
        )
        connections.append(connection)
        owners.update(dict.fromkeys(fed, connection))
    return Parts(entries, feeds, connections, snapshots, audited)


def _entry(
    connector: LoadedConnector,
    venue: Venue,
    topic: Topic,
    rule: SyncRule,
    need: NeedCallback,
) -> AnyEntry:
    """What tracks the book of a topic: of levels, or of orders with the venue's tracker or the standard one."""
    instrument = venue.instruments[topic.instrument]
    entry: AnyEntry
    if topic.channel is not Channel.ORDERS:
        entry = OrderBookTrackerEntry(topic, instrument, rule, need, venue=venue.id)
    else:
        offered = connector.offers("active_order_tracker")
        tracker = partial(connector.hooks.active_order_tracker, instrument=instrument) if offered else None
        entry = OrderByOrderEntry(topic, instrument, rule, need, venue=venue.id, tracker=tracker)
    venue.tracked.add(entry)
    return entry


def _teller(events: Broadcast[Event]) -> Callable[[Any], None]:
    """A listener that passes on what is an event: not every message of a book is."""

    def tell(message: Any) -> None:
        if isinstance(message, (StateChange, BookDrift)):
            events.publish(message)

    return tell


__all__ = ["Parts", "build", "wanted_topics"]
