"""Snapshots by REST: to start a book, to repair it, and to audit it.

Each pair has its own task, so one that fails delays no other; what all of them may spend is the pacer's business. A failed
or useless snapshot is asked for again with backoff; the deltas that wait for it stay where they are.

An audit asks for a snapshot of a book that is LIVE, so that it ends within `SyncRule.audit` seconds of the last one, and
also when the market has moved half way to the edge of what the last snapshot showed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from weakref import WeakKeyDictionary

from venuekit.backoff import Backoff
from venuekit.books.tracker import AnyEntry
from venuekit.events import SnapshotFailed
from venuekit.faults import UnexpectedError, unexpected
from venuekit.venue import Venue
from venuekit_spec import BookSnapshot, Instant, OrderBookSnapshot, Seconds, VenueError, VenuekitError, after

AUDIT_CHECK: Final[Seconds] = 5.0
"""How often it is looked whether the market has moved towards the edge of what is known."""

CONCLUSION: Final[Seconds] = 1.0
"""How long after its window an audit may be concluded. Audits begin early enough to end within their period."""

RECENTLY: Final[Seconds] = 10.0
"""A book that is lost again so soon after a repair is repaired after a pause: one that never holds would storm the venue."""


class Snapshots:
    """Fetches what entries need."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._repairing: set[AnyEntry] = set()
        self._backoffs: WeakKeyDictionary[AnyEntry, Backoff] = WeakKeyDictionary()  # shadows come and go
        self._repaired: WeakKeyDictionary[AnyEntry, Instant] = WeakKeyDictionary()

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
            look = after(clock.now(), AUDIT_CHECK)
            await clock.sleep_until(look if due is None else min(look, due))
            overdue = due is not None and clock.now() >= due
            if not (overdue or entry.near_horizon):
                continue
            if not entry.begin_audit():  # there is nothing to audit now; look again soon
                due = due if due is None else max(due, after(clock.now(), AUDIT_CHECK))
                continue
            due = self._next_audit(entry)
            if entry.audits_by_window:
                await clock.sleep(rule.audit_window)
            snapshot = await self._fetch(entry)
            if snapshot is None:
                entry.abandon_audit()
                continue
            self._take(entry, entry.audit, snapshot)

    async def _repair(self, entry: AnyEntry) -> None:
        clock = self._venue.clock
        backoff = self._backoffs.setdefault(entry, Backoff(self._venue.random.random))
        repaired = self._repaired.get(entry)
        if repaired is not None and clock.now() < after(repaired, RECENTLY):
            await clock.sleep(backoff.failed(clock.now()))
        while entry.waits_for_snapshot:
            era = entry.era
            snapshot = await self._fetch(entry)
            if snapshot is not None and entry.era == era:
                self._take(entry, entry.snapshot, snapshot)
            if entry.book.live:
                self._repaired[entry] = now = clock.now()
                backoff.worked(now)
                return
            await clock.sleep(backoff.failed(clock.now()))

    async def _fetch(self, entry: AnyEntry) -> BookSnapshot | OrderBookSnapshot | None:
        venue = self._venue
        try:
            snapshot = await venue.flows.run(venue.source.snapshot(entry.topic, entry.book.instrument))
        except VenuekitError as error:
            self._failed(entry, error)
            return None
        if isinstance(snapshot, entry.snapshot_type):
            return snapshot
        self._failed(entry, UnexpectedError(f"a snapshot is no {type(snapshot).__name__}", venue=venue.id))
        return None

    def _take(self, entry: AnyEntry, take: Callable[[Any], None], snapshot: Any) -> None:
        try:
            take(snapshot)
        except VenueError as error:
            self._failed(entry, error)
        except Exception as error:  # noqa: BLE001  # whatever foreign code raises costs this snapshot alone
            self._failed(entry, unexpected(error, self._venue.id))

    def _failed(self, entry: AnyEntry, error: VenuekitError) -> None:
        now = self._venue.clock.now()
        self._venue.events.publish(SnapshotFailed(topic=entry.topic, error=error, at=now))

    def _next_audit(self, entry: AnyEntry) -> Instant | None:
        period = entry.rule.audit
        if period is None:
            return None
        lead = 2 * entry.rule.audit_window + CONCLUSION if entry.audits_by_window else 0.0
        wait = max(period - lead, period / 2) * self._venue.random.uniform(0.9, 1.0)
        return after(self._venue.clock.now(), wait)
