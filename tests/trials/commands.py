"""The command line as a process of its own, with the key of a local venue's first account."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

from tests.trials.venues import credentials

ROOT: Final = Path(__file__).resolve().parents[2]


def command(*arguments: str) -> list[str]:
    """A command of venuekit."""
    return [sys.executable, "-m", "venuekit", *arguments]


def secrets(venue: str) -> tuple[str, ...]:
    """What of the account nobody may see: every field of its credentials, the key as well as what signs."""
    key = credentials(venue)
    return tuple(key[field] for field in key.fields)


def environment(venue: str, folder: Path) -> dict[str, str]:
    """Its variables: state and orders are kept in `folder`, nothing of the machine's own is read."""
    key = credentials(venue)
    given = {f"VENUEKIT_{venue}_{field}".upper(): key[field] for field in key.fields}
    return {**os.environ, **given, "VENUEKIT_STATE": str(folder), "VENUEKIT_CREDENTIALS": os.devnull}
