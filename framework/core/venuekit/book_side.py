"""The books of one link: which book a message is for, and which may have lost one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from venuekit.books.tracker import AnyEntry
from venuekit_spec import (
    BookChecksum,
    BookDelta,
    BookSnapshot,
    Channel,
    Continuity,
    Instant,
    MalformedMessage,
    OrderBookSnapshot,
    OrderEvent,
    StatusChange,
    Topic,
)


class BookSide:
    """The books that one socket with these topics feeds."""

    def __init__(self, topics: frozenset[Topic], entries: Iterable[AnyEntry]) -> None:
        self._topics = topics
        self.feed(entries)

    def feed(self, entries: Iterable[AnyEntry]) -> None:
        """These are the entries whose books it feeds from now on."""
        self.entries: Mapping[Topic, AnyEntry] = {entry.topic: entry for entry in entries}
        self._levels = self._by_instrument(orders=False)
        self._orders = self._by_instrument(orders=True)

    def handlers(self) -> Mapping[type, Callable[[Any], None]]:
        """What is done with each type of message."""
        return {
            BookDelta: self._on_delta,
            BookSnapshot: self._on_snapshot,
            OrderEvent: self._on_order_event,
            OrderBookSnapshot: self._on_order_snapshot,
            BookChecksum: self._on_checksum,
            StatusChange: self._on_status,
        }

    def hole(self, told: Continuity, before: int, now: Instant) -> None:
        """Frames of a sequence are missing: every book of its scope leaves LIVE."""
        covered = self._covered(told.scope)
        for topic, entry in self.entries.items():
            if entry.rule.per_connection and topic in covered:
                entry.lost(f"after frame {before} came {told.n}", now)

    def unreadable(self, error: MalformedMessage, now: Instant) -> None:
        """Repair the books that an unreadable frame may have been for."""
        known = error.topic in map(str, self._topics)
        for topic, entry in self.entries.items():
            if error.instrument:
                if str(topic) == error.topic if known else topic.instrument == error.instrument:
                    entry.lost("a message could not be read", now)
            elif not entry.rule.shows_loss:
                entry.lost("a frame could not be read", now)

    def _on_delta(self, delta: BookDelta) -> None:
        entry = self._levels.get(delta.instrument)
        if entry is not None:
            entry.delta(delta)

    def _on_snapshot(self, snapshot: BookSnapshot) -> None:
        entry = self._levels.get(snapshot.instrument)
        if entry is not None:
            entry.snapshot(snapshot)

    def _on_order_event(self, event: OrderEvent) -> None:
        entry = self._orders.get(event.instrument)
        if entry is not None:
            entry.delta(event)

    def _on_order_snapshot(self, snapshot: OrderBookSnapshot) -> None:
        entry = self._orders.get(snapshot.instrument)
        if entry is not None:
            entry.snapshot(snapshot)

    def _on_checksum(self, checksum: BookChecksum) -> None:
        """A checksum does not say of which channel: a venue that sends both kinds keeps them on sockets of their own."""
        entry = self._levels.get(checksum.instrument) or self._orders.get(checksum.instrument)
        if entry is not None:
            entry.checksum(checksum)

    def _on_status(self, change: StatusChange) -> None:
        for entries in (self._levels, self._orders):
            entry = entries.get(change.instrument)
            if entry is not None:
                entry.status(change)

    def _covered(self, scope: str) -> frozenset[Topic]:
        """The topics of a sequence: those that its scope names, by channel or in full; of no such name, all."""
        topics = self._topics
        return frozenset(topic for topic in topics if scope in {topic.channel.value, str(topic)}) or topics

    def _by_instrument(self, *, orders: bool) -> dict[str, AnyEntry]:
        """The entries that messages of levels, or of orders, are for."""
        return {
            topic.instrument: entry
            for topic, entry in self.entries.items()
            if (topic.channel is Channel.ORDERS) is orders
        }
