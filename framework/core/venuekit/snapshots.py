"""Snapshots by REST: to start a book, to repair it, and to audit it.

Each pair has its own task, so one that fails delays no other; what all of them may spend is the pacer's business. A failed
or useless snapshot is asked for again with backoff; the deltas that wait for it stay where they are.

An audit asks for a snapshot of a book that is LIVE, every `SyncRule.audit` seconds, and also when the market has moved half
way to the edge of what the last snapshot showed.
"""

from __future__ import annotations

from typing import Final
from weakref import WeakKeyDictionary

from venuekit.backoff import Backoff
from venuekit.books.tracker import AnyEntry
from venuekit.events import SnapshotFailed
from venuekit.venue import Venue
from venuekit_spec import BookSnapshot, Instant, OrderBookSnapshot, Seconds, VenueError, after

AUDIT_CHECK: Final[Seconds] = 5.0
"""How often it is looked whether an audit is due."""


class Snapshots:
    """Fetches what entries need."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._repairing: set[AnyEntry] = set()
        self._backoffs: WeakKeyDictionary[AnyEntry, Backoff] = WeakKeyDictionary()  # shadows come and go

    def wanted(self, entry: AnyEntry) -> None:
        """This entry needs a snapshot, now and until it is LIVE."""
        if entry in self._repairing:
            return
        self._repairing.add(entry)

        async def repair() -> None:
            try:
                await self._repair(entry)
            finally:
                self._repairing.discard(entry)

        self._venue.spawn(repair)

    async def audit(self, entry: AnyEntry) -> None:
        """Audit one entry for as long as the exchange is open."""
        clock, rule = self._venue.clock, entry.rule
        due = self._next_audit(entry)
        while True:
            await clock.sleep(AUDIT_CHECK)
            overdue = due is not None and clock.now() >= due
            if not (overdue or entry.near_horizon) or not entry.begin_audit():
                continue
            due = self._next_audit(entry)
            if entry.audits_by_window:
                await clock.sleep(rule.audit_window)
            snapshot = await self._fetch(entry)
            if snapshot is None:
                entry.abandon_audit()
                continue
            try:
                entry.audit(snapshot)
            except VenueError as error:
                self._failed(entry, error)

    async def _repair(self, entry: AnyEntry) -> None:
        clock = self._venue.clock
        backoff = self._backoffs.setdefault(entry, Backoff(self._venue.random.random))
        while entry.waits_for_snapshot:
            era = entry.era
            snapshot = await self._fetch(entry)
            if snapshot is not None and entry.era == era:
                try:
                    entry.snapshot(snapshot)
                except VenueError as error:
                    self._failed(entry, error)
            if entry.book.live:
                backoff.worked(clock.now())
                return
            await clock.sleep(backoff.failed(clock.now()))

    async def _fetch(self, entry: AnyEntry) -> BookSnapshot | OrderBookSnapshot | None:
        venue = self._venue
        try:
            snapshot = await venue.flows.run(venue.source.snapshot(entry.topic, entry.book.instrument))
        except VenueError as error:
            self._failed(entry, error)
            return None
        assert isinstance(snapshot, entry.snapshot_type)
        return snapshot

    def _failed(self, entry: AnyEntry, error: VenueError) -> None:
        now = self._venue.clock.now()
        self._venue.events.publish(SnapshotFailed(topic=entry.topic, error=error, at=now))

    def _next_audit(self, entry: AnyEntry) -> Instant | None:
        period = entry.rule.audit
        if period is None:
            return None
        return after(self._venue.clock.now(), period * self._venue.random.uniform(0.9, 1.1))
