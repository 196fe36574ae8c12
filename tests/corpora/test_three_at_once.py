"""Three venues at once on one event loop, from recordings: each ends as it does alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
from tests.corpora.preparations import binance_spot, hyperliquid, kraken_v2
from tests.corpora.recordings import CORPORA
from tests.corpora.replays import Prepared, agrees

import venuekit_binance
import venuekit_hyperliquid
import venuekit_kraken

pytestmark = pytest.mark.anyio

VENUES: tuple[tuple[str, object, str, Callable[[Path, Path], Prepared]], ...] = (
    ("BINANCE_SPOT_2021*", venuekit_binance, "binance", binance_spot),
    ("KRAKEN_V1_*", venuekit_kraken, "kraken", kraken_v2),
    ("HYPERLIQUID_L2BOOK_*", venuekit_hyperliquid, "hyperliquid", hyperliquid),
)


async def test_three_venues_at_once(tmp_path: Path) -> None:
    """Sequences, checksums and replacement side by side: every book of each venue equals its oracle after every record."""
    found = {pattern: sorted(CORPORA.glob(f"{pattern}.jsonl.gz")) for pattern, *_ in VENUES}
    if not all(found.values()):
        pytest.skip(f"not all three recordings are in {CORPORA}")
    async with anyio.create_task_group() as tasks:
        for pattern, plugin, venue, prepare in VENUES:
            folder = tmp_path / venue
            folder.mkdir()
            tasks.start_soon(agrees, found[pattern][0], folder, plugin, venue, prepare)
