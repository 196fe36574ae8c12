"""Bake, install, check: what an author does with the scaffold, as functions.

What is baked is installed into a folder of its own, never into the environment that the tests run in; a fresh interpreter finds
it there (`PYTHONPATH`), entry points and all.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from venuekit_testkit.new import bake, questions

CHOICES: Final[Mapping[str, Sequence[str]]] = {
    key: choices for key, choices in questions().items() if isinstance(choices, list)
}
"""Question -> what may be chosen."""

JUDGE: Final = """
import json, sys
from venuekit_testkit import Subject, checks, judge
from attrs import evolve
venue, target, chosen = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
subject = evolve(Subject.of(venue), search=(target,))
results = [judge(check, subject, ("asyncio",)) for check in checks() if not chosen or check.id in chosen]
print(json.dumps([[result.check.id, result.outcome.value, result.reason] for result in results]))
"""
"""A program that judges a connector by some checks, or by all, on one event loop."""


def pairs(choices: Mapping[str, Sequence[str]]) -> list[dict[str, str]]:
    """Rows of choices in which every pair of two questions' choices occurs: greedy, and the same each time."""
    names = list(choices)
    rows = [dict(zip(names, row, strict=True)) for row in itertools.product(*choices.values())]
    open_pairs = {pair for row in rows for pair in pairs_of(row)}
    chosen: list[dict[str, str]] = []
    while open_pairs:
        best = max(rows, key=lambda row: len(open_pairs & pairs_of(row)))
        chosen.append(best)
        open_pairs -= pairs_of(best)
    return chosen


def pairs_of(row: Mapping[str, str]) -> set[tuple[tuple[str, str], ...]]:
    """Every two choices of a row."""
    return set(itertools.combinations(row.items(), 2))


ROWS: Final = pairs(CHOICES)


def venue_of(row: Mapping[str, str]) -> str:
    """A venue id that tells the choices."""
    shown = (row["kind"][:2], row["sync"][:5], row["auth"].replace("_", "")[:8], row["order_by_order"][:1])
    return "_".join(shown)


def baked(row: Mapping[str, str], output: Path) -> Path:
    """The folder of a connector with these choices."""
    return bake({**row, "venue": venue_of(row)}, output)


def installed(folders: Sequence[Path], target: Path) -> Path:
    """Install connectors into a folder of their own, as pip does; without an index, and without what they need."""
    pip = [sys.executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--no-deps"]
    offline = ["--no-index", "--no-build-isolation", "--target", str(target)]
    subprocess.run([*pip, *offline, *map(str, folders)], check=True)
    return target


def beside(target: Path) -> dict[str, str]:
    """The environment of a process that finds what is installed in a folder."""
    return os.environ | {"PYTHONPATH": str(target), "PYTHONDONTWRITEBYTECODE": "1"}


def judged(venue: str, target: Path, only: Sequence[str] = ()) -> list[tuple[str, str, str]]:
    """The checks of an installed connector, made in a fresh process: id, outcome, reason."""
    import json

    program = [sys.executable, "-c", JUDGE, venue, str(target), json.dumps(list(only))]
    done = subprocess.run(program, env=beside(target), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    results: list[Any] = json.loads(done.stdout.splitlines()[-1])
    return [(id_, outcome, reason) for id_, outcome, reason in results]
