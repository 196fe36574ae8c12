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
from typing import Final

from venuekit_testkit.new import bake, questions

CHOICES: Final[Mapping[str, Sequence[str]]] = {
    key: choices for key, choices in questions().items() if isinstance(choices, list)
}
"""Question -> what may be chosen."""


def covering(
    choices: Mapping[str, Sequence[str]], width: int, first: Sequence[Mapping[str, str]] = ()
) -> list[dict[str, str]]:
    """Rows of choices in which any choices of so many questions occur together: greedy, and the same each time.

    They begin with the rows that are to be `first`.
    """
    names = list(choices)
    rows = [dict(zip(names, row, strict=True)) for row in itertools.product(*choices.values())]
    chosen = [dict(row) for row in first]
    still = {each for row in rows for each in met(row, width)}.difference(
        *(met(row, width) for row in chosen)
    )
    while still:
        best = max(rows, key=lambda row: len(still & met(row, width)))
        chosen.append(best)
        still -= met(best, width)
    return chosen


def met(row: Mapping[str, str], width: int) -> set[tuple[tuple[str, str], ...]]:
    """Every so many choices of a row."""
    return set(itertools.combinations(row.items(), width))


FEW: Final = (
    {"kind": "centralised", "sync": "range", "auth": "none", "order_by_order": "no"},
    {"kind": "decentralised", "sync": "checksum", "auth": "wallet", "order_by_order": "yes"},
)
"""A connector of public data, and one that trades on a chain: every run puts them through checks."""

SINGLES: Final = covering(CHOICES, 1, FEW)
"""Every choice: every run bakes these."""

PAIRS: Final = covering(CHOICES, 2)
"""Every two choices: for long runs."""


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


def suite_of(folders: Sequence[Path], environment: Mapping[str, str], *options: str) -> tuple[int, str]:
    """What pytest makes of projects, by the configuration of the first: how it ended, and all that it said."""
    pytest = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
    places = [str(folder / "tests") for folder in folders]
    done = subprocess.run(
        [*pytest, *places], cwd=folders[0], env=environment, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr
