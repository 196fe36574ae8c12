"""The trials, as tables, from the root of the repository::

    python -m tests.trials crash|outage|unknown|pacing|events VENUE [RUNS|MILLIONS]

``pacing`` and ``events`` take minutes.
"""

from __future__ import annotations

import logging
import os
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from tempfile import TemporaryDirectory

import anyio
from tests.trials import crash, order_events, outage, pacing
from tests.trials.comparing import Findings
from tests.trials.saying import say
from tests.trials.venues import ways

from venuekit_simulator.faults import Unreachable


def table(rows: Iterable[Sequence[object]]) -> None:
    """Rows in columns, the first of them the heading."""
    texts = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    for row in texts:
        say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def crashes(venue: str, runs: int) -> int:
    """Run the crash trial; how many runs went wrong."""
    done: list[crash.Run] = []

    async def work() -> None:
        done.extend(await crash.trials(venue, runs))

    anyio.run(work)
    sums: dict[str, Counter[str]] = {}
    for run in done:
        for plan in (run.plan, "all"):
            counter = sums.setdefault(plan, Counter())
            counter.update({name: getattr(run.found, name) for name in COUNTS})
            counter.update(runs=1, seen=run.seen, unwritten=run.unwritten)
    columns = ("runs", "seen", "unwritten", *COUNTS)
    order = [*sorted(sums.keys() - {"all"}), "all"]
    table([("faults", *columns), *([plan, *(sums[plan][name] for name in columns)] for plan in order)])
    for run in done:
        for problem in run.found.problems:
            say(f"{run.plan}: {problem}")
    return sum(bool(run.found.problems or run.unwritten) for run in done)


def outages(venue: str, _runs: int) -> int:
    """An hour out of reach in each way; how many of the trials went wrong."""
    rows: list[tuple[object, ...]] = [("out of reach", "orders by", "failed", *COUNTS)]
    wrong = 0
    for entry in ways(venue):
        for how in Unreachable:
            result = anyio.run(outage.outage, venue, how, entry)
            rows.append((how.value, entry, result.failed, *counts(result.found)))
            wrong += bool(result.failed or result.found.problems)
    table(rows)
    return wrong


def unknowns(venue: str, _runs: int) -> int:
    """Every fault that hides an outcome; how many of the trials went wrong."""
    rows: list[tuple[object, ...]] = [("fault", "orders by", "order", "taken for", *COUNTS)]
    wrong = 0
    for entry in ways(venue):
        for fault in outage.UNKNOWNS:
            for kind, away in (("resting", "0.005"), ("crossing", "-0.015")):
                result = anyio.run(outage.answerless, venue, fault, entry, away)
                rows.append((fault, entry, kind, result.taken_for, *counts(result.found)))
                wrong += bool(result.found.problems)
    table(rows)
    return wrong


def pace(venue: str, _runs: int) -> int:
    """What of each pool was used, counted by the venue."""
    logging.getLogger("venuekit").setLevel(logging.ERROR)
    table(anyio.run(pacing.rows, venue))
    return 0


def events(venue: str, millions: int) -> int:
    """A book order by order over so many million events, with faults; whether it was ever wrong unnoticed."""
    logging.getLogger("venuekit").setLevel(logging.ERROR)
    report = anyio.run(order_events.order_events, venue, millions * 1_000_000)
    table(order_events.rows(report))
    return int(bool(report.missed) or not report.at_the_end)


COUNTS = ("orders", "fills", "lost", "doubled", "wrong")


def counts(found: Findings) -> tuple[int, ...]:
    """The figures of one comparison, as `COUNTS`."""
    return found.orders, found.fills, found.lost, found.doubled, found.wrong


COMMANDS = {"crash": crashes, "outage": outages, "unknown": unknowns, "pacing": pace, "events": events}

DEFAULTS = {"crash": 20, "events": 1}


if __name__ == "__main__":
    what, venue, *more = sys.argv[1:]
    with TemporaryDirectory() as state:
        os.environ["VENUEKIT_STATE"] = state
        sys.exit(1 if COMMANDS[what](venue, int(more[0]) if more else DEFAULTS.get(what, 0)) else 0)
