"""The trials, as tables: ``python -m tests.trials crash|outage|unknown VENUE [RUNS]``, from the root of the repository."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Sequence

import anyio
from tests.trials import crash
from tests.trials.saying import say


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
    names = ("orders", "fills", "lost", "doubled", "wrong")
    sums: dict[str, Counter[str]] = {}
    for run in done:
        for plan in (run.plan, "all"):
            counter = sums.setdefault(plan, Counter())
            counter.update({name: getattr(run.found, name) for name in names})
            counter.update(runs=1, seen=run.seen, unwritten=run.unwritten)
    columns = ("runs", "seen", "unwritten", *names)
    order = [*sorted(sums.keys() - {"all"}), "all"]
    table([("faults", *columns), *([plan, *(sums[plan][name] for name in columns)] for plan in order)])
    for run in done:
        for problem in run.found.problems:
            say(f"{run.plan}: {problem}")
    return sum(bool(run.found.problems or run.unwritten) for run in done)


COMMANDS = {"crash": crashes}


if __name__ == "__main__":
    what, venue, *more = sys.argv[1:]
    sys.exit(1 if COMMANDS[what](venue, int(more[0]) if more else 20) else 0)
