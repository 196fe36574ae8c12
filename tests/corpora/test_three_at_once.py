"""Three venues at once on one event loop, from recordings: each ends as it does alone."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest
from tests.corpora.preparations import binance_spot, hyperliquid, kraken_v2
from tests.corpora.recordings import CORPORA
from tests.corpora.replays import agrees

import venuekit_binance
import venuekit_hyperliquid
import venuekit_kraken

pytestmark = pytest.mark.anyio

VENUES = (
    ("BINANCE_SPOT_2021*", venuekit_binance, "binance", binance_spot),
    ("KRAKEN_V1_*", venuekit_kraken, "kraken", kraken_v2),
    ("HYPERLIQUID_L2BOOK_*", venuekit_hyperliquid, "hyperliquid", hyperliquid),
)


async def test_three_venues_at_once(tmp_path: Path) -> None:
    """Sequences, checksums and replacement side by side: every book of each venue equals its oracle after every record."""
    found = [(sorted(CORPORA.glob(f"{pattern}.jsonl.gz")), *rest) for pattern, *rest in VENUES]
    if not all(paths for paths, *_ in found):
        pytest.skip(f"not all three recordings are in {CORPORA}")
    async with anyio.create_task_group() as tasks:
        for paths, plugin, venue, prepare in found:
            folder = tmp_path / venue
            folder.mkdir()
            tasks.start_soon(agrees, paths[0], folder, plugin, venue, prepare)
