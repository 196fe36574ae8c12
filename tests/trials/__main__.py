"""The trials, as tables: ``python -m tests.trials crash|outage|unknown VENUE [RUNS]``, from the root of the repository."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial

import anyio
from tests.trials import crash



def table(rows: Iterable[Sequence[object]]) -> None:
    """Rows in columns, the first of them the heading."""
    texts = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    for row in texts:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def crashes(venue: str, runs: int) -> int:
    """Run the crash trial; how many runs went wrong."""
    done: list[crash.Run] = []

    async def work() -> None:
        done.extend(await crash.trials(venue, runs))

    anyio.run(work)
    names = ("runs", "orders", "fills", "unwritten", "lost", "doubled", "wrong")
    sums: dict[str, Counter[str]] = {}
    for run in done:
        for plan in (run.plan, "all"):
            counter = sums.setdefault(plan, Counter())
            counter.update({name: getattr(run, name) for name in names[1:]})
            counter["runs"] += 1
    order = [*sorted(sums.keys() - {"all"}), "all"]
    table([("faults", *names), *([plan, *(sums[plan][name] for name in names)] for plan in order)])
    for run in done:
        for problem in run.problems:
            print(f"{run.plan}: {problem}")
    return sum(bool(run.problems or run.unwritten) for run in done)


COMMANDS = {"crash": partial(crashes)}


if __name__ == "__main__":
    what, venue, *more = sys.argv[1:]
    sys.exit(1 if COMMANDS[what](venue, int(more[0]) if more else 20) else 0)
