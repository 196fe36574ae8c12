"""The trial of order-by-order feeds: crowded books, frames that go astray, and what the client shows meanwhile.

A crowd trades in bursts on every book of a local venue, on a virtual clock. Frames are lost, doubled, swapped and altered, and
sockets are cut. Between the bursts, when all that was told has arrived, each book of the client is held beside the engine's:

* It *agrees* where both have the same levels with the same sizes, and at each level orders of the same sizes.
* It is *wrong* while it is LIVE and does not. How long is counted from the last look at which it agreed to the look that finds
  it agreeing, or not LIVE: never too short, and too long by two looks at most.
* A wrong time is *noticed* where the book left LIVE since, and has *healed* where it did not: what was lost was over by itself.
* An audit that has ended is an *audit point*. The book agrees at it, unless it went wrong since the audit began; an audit that
  found nothing in a book that was wrong before has *missed* a loss.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from random import Random
from typing import Final

from attrs import define, field, frozen
from tests.trials.venues import dialect

from venuekit import Exchange, VirtualClock, open_exchange
from venuekit.books import OrderByOrderBook
from venuekit.pacing import PacerRegistry
from venuekit_simulator.engine import MatchingEngine
from venuekit_simulator.faults import Fault, FaultKind, FaultPlan
from venuekit_simulator.market_flow import RandomFlow
from venuekit_simulator.venue import LocalVenue
from venuekit_spec import (
    SECOND,
    Capability,
    Channel,
    EngineEvent,
    Instant,
    OrderEvent,
    RestingOrder,
    Seconds,
    Side,
    SyncRule,
    after,
    seconds_between,
)

START: Final = 1_700_000_000 * SECOND
DAY: Final[Seconds] = 86_400.0
BETWEEN: Final[Seconds] = 0.25
"""Between two bursts of the crowd."""

CALM: Final[Seconds] = 0.2
"""From a burst until all that it caused has arrived."""

LOOK: Final = 4
"""Bursts from one look to the next."""

STEPS: Final = 200
"""What the crowd does in a burst, at most; on average half of it."""

LATENCY: Final[Seconds] = 0.02
MARGIN: Final[Seconds] = 1.0
"""By how much looks and ticks may shift what is measured."""

SILENT: Final[Mapping[FaultKind, float]] = {
    FaultKind.DROP: 0.002,
    FaultKind.DOUBLE: 0.001,
    FaultKind.SWAP: 0.001,
}
LOUD: Final[Mapping[FaultKind, float]] = {
    FaultKind.CORRUPT: 0.0002,
    FaultKind.TRUNCATE: 0.0001,
    FaultKind.CUT: 0.0001,
}
"""What befalls a frame, and how often: what nothing shows, and what costs a repair of every book of the socket."""


def faults(often: float = 1.0) -> FaultPlan:
    """What goes wrong; `often` times as often as usual."""
    return FaultPlan(
        tuple(
            Fault(kind=kind, probability=often * share)
            for kinds in (SILENT, LOUD)
            for kind, share in kinds.items()
        )
    )


@define
class Report:
    """What was seen. Times are virtual seconds, those of losses by book together."""

    venue: str
    period: Seconds
    """The audit period that the venue's feed declares."""
    events: int = 0
    seconds: Seconds = 0.0
    looks: int = 0
    agreed: int = 0
    points: int = 0
    """Audit points."""
    agreed_points: int = 0
    drifts: int = 0
    """Audits that found a loss."""
    missed: int = 0
    repairs: int = 0
    noticed: list[Seconds] = field(factory=list)
    healed: list[Seconds] = field(factory=list)
    injected: Counter[FaultKind] = field(factory=Counter)
    at_the_end: bool = False
    """Whether every book agreed in the end."""

    @property
    def longest(self) -> Seconds:
        """The longest time for which a book was wrong."""
        return max([*self.noticed, *self.healed], default=0.0)


@define
class _Watch:
    """One book, and how it was at the last look."""

    id: str
    book: OrderByOrderBook
    right: Instant
    """The last look at which it was not wrong."""
    wrong: bool = False
    gaps: int = 0
    audits: int = 0
    drifts: int = 0


@frozen
class _Watcher:
    """Holds books beside the engine's."""

    exchange: Exchange
    engine: MatchingEngine
    rule: SyncRule
    report: Report
    watches: Sequence[_Watch]

    def look(self, now: Instant) -> None:
        """All that was told has arrived: look at every book."""
        for watch in self.watches:
            self._look_at(watch, now)

    def agree(self) -> bool:
        """Whether every book is LIVE and as the engine's."""
        return all(each.book.live and agrees(each.book, self.engine, each.id) for each in self.watches)

    def _look_at(self, watch: _Watch, now: Instant) -> None:
        report, counters = self.report, self.exchange.counters()[watch.id]
        left = counters.gaps > watch.gaps or not watch.book.live
        wrong = watch.book.live and not agrees(watch.book, self.engine, watch.id)
        since = seconds_between(watch.right, now)
        report.looks += 1
        report.agreed += not wrong
        if watch.wrong and (left or not wrong):
            (report.noticed if left else report.healed).append(since)
        if counters.audits > watch.audits:
            found = counters.drifts > watch.drifts
            report.points += 1
            report.drifts += found
            report.agreed_points += not wrong
            report.missed += wrong and not found and since > 2 * self.rule.audit_window + 2 * MARGIN
        if not wrong or left:
            watch.right = now
        watch.wrong = wrong
        watch.gaps, watch.audits, watch.drifts = counters.gaps, counters.audits, counters.drifts


def agrees(book: OrderByOrderBook, engine: MatchingEngine, instrument: str) -> bool:
    """Whether a book has the levels of the engine's, and at each of them orders of the same sizes."""
    view, image, queues = book.unproven, engine.book(instrument), book.sides.queues
    if queues is None or view.bids() != list(image.bids) or view.asks() != list(image.asks):
        return False
    ours = (order for side in Side for row in view.rows(side) for order in queues.queue(side, str(row[0])))
    return _sizes(ours) == _sizes(engine.resting(instrument))


def _sizes(orders: Iterable[RestingOrder]) -> Counter[tuple[Side, float, float]]:
    return Counter((order.side, float(order.price), float(order.size)) for order in orders)


class _Crowd:
    """Bursts of a random order flow, until so many events of orders have been told."""

    def __init__(self, venue: LocalVenue, engine: MatchingEngine, steps: int, seed: int) -> None:
        self.left = 0
        self._steps = steps
        self._venue = venue
        self._random = Random(f"{seed} bursts")
        self._flow = RandomFlow(engine, seed)
        self._flow.fill_books(venue.venue_now)
        engine.listen(self._happened)

    def start(self) -> None:
        """From now on."""
        self._venue.timeline.after(BETWEEN, self._burst)

    def _burst(self) -> None:
        if self.left <= 0:
            return
        for _ in range(self._random.randint(1, self._steps)):
            self._flow.step(self._venue.venue_now)
        self._venue.tell()
        self.start()

    def _happened(self, event: EngineEvent) -> None:
        self.left -= isinstance(event, OrderEvent)


async def order_events(
    name: str, events: int, *, often: float = 1.0, steps: int = STEPS, seed: int = 0
) -> Report:
    """Let a crowd do so much under `faults`, up to `steps` at a time, and tell what the client's books were like."""
    clock, plugin = VirtualClock(START), dialect(name)
    engine = MatchingEngine(plugin.listings(), plugin.accounts(), seed)
    venue = LocalVenue(
        plugin,
        clock=clock,
        seed=seed,
        faults=faults(often),
        flow=False,
        latency=LATENCY,
        engine=engine,
    )
    crowd = _Crowd(venue, engine, steps, seed)
    opened = open_exchange(
        name,
        pairs=list(engine.instruments),
        channels=[Channel.ORDERS.value],
        transports=venue,
        clock=clock,
        pacers=PacerRegistry(),
        seed=seed,
    )
    async with clock.autojump(30 * DAY), opened as exchange:
        assert Capability.ORDER_BY_ORDER in exchange.description.capabilities
        (rule,) = [
            topic.sync
            for topic in exchange.description.topics
            if topic.channel is Channel.ORDERS and topic.sync
        ]
        await exchange.wait_live()
        began = clock.now()
        report = Report(name, rule.audit or 0.0)
        books = [_Watch(id_, book, began) for id_, book in exchange.order_books.items()]
        watcher = _Watcher(exchange, engine, rule, report, books)
        crowd.left = events
        crowd.start()
        looks = 0
        while crowd.left > 0:
            looks += 1
            await clock.sleep_until(after(began, looks * LOOK * BETWEEN + CALM))
            watcher.look(clock.now())
        report.events = events - crowd.left
        report.seconds = seconds_between(began, clock.now())
        end = after(clock.now(), 2 * report.period)
        while clock.now() < end and not report.at_the_end:
            await clock.sleep(LOOK * BETWEEN)
            watcher.look(clock.now())
            report.at_the_end = watcher.agree()
        report.repairs = sum(counters.repairs for counters in exchange.counters().values())
        report.injected = Counter(venue.injected)
        return report


def rows(report: Report) -> list[Sequence[object]]:
    """The report as a table: its heading, and one line."""
    return [
        (
            "venue",
            "events",
            "seconds",
            "faults",
            "repairs",
            "audits",
            "agreed",
            "drifts",
            "missed",
            "noticed",
            "mean s",
            "longest s",
            "healed",
            "mean s",
            "longest s",
            "period s",
        ),
        (
            report.venue,
            report.events,
            f"{report.seconds:.0f}",
            report.injected.total(),
            report.repairs,
            report.points,
            report.agreed_points,
            report.drifts,
            report.missed,
            *_summed(report.noticed),
            *_summed(report.healed),
            f"{report.period:g}",
        ),
    ]


def _summed(times: Sequence[Seconds]) -> tuple[int, str, str]:
    """How many there are, their mean, and the longest."""
    return len(times), f"{statistics.fmean(times or (0.0,)):.1f}", f"{max(times, default=0.0):.1f}"
