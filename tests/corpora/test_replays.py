"""Recordings of real venues, replayed through connector and core, end in the oracles' books after every single record."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.corpora.preparations import binance_spot, kraken_v2
from tests.corpora.recordings import oracle, recordings
from tests.corpora.replays import Prepared, replay

import venuekit_binance
import venuekit_kraken
from venuekit import connect
from venuekit.books import Counters

pytestmark = pytest.mark.anyio

ORACLE_NAMES = {
    "snapshots": "snapshots",
    "deltas": "deltas",
    "stale_dropped": "stale",
    "from_buffer": "buffered",
    "checksum_ok": "checksums",
}
"""What the oracles call a counter -> what we call it."""


@pytest.mark.parametrize("recording", recordings("BINANCE_SPOT_*"))
async def test_binance_spot(recording: Path, tmp_path: Path) -> None:
    """REST snapshots joined to id ranges: every update, every checkpoint and every count is the oracle's."""
    await agrees(recording, tmp_path, venuekit_binance, "binance", binance_spot)


@pytest.mark.parametrize("recording", recordings("KRAKEN_V1_*"))
async def test_kraken_v2(recording: Path, tmp_path: Path) -> None:
    """In-band snapshots proven by checksums: every update, checkpoint and checksum is the oracle's."""
    await agrees(recording, tmp_path, venuekit_kraken, "kraken", kraken_v2)


async def agrees(
    recording: Path,
    folder: Path,
    plugin: object,
    venue: str,
    prepare: Callable[[Path, Path], Prepared],
) -> None:
    """Replay and compare everything that the oracle tells."""
    replayed = await replay(connect(plugin, venue), recording, prepare(recording, folder))
    comparison = replayed.comparison
    assert comparison.different == []
    assert comparison.equal == len(oracle(recording)["checkpoints"]) > 0
    assert all(comparison.digests_equal().values())
    assert replayed.malformed == 0
    for symbol, told in oracle(recording)["per_symbol"].items():
        assert counted(replayed.counters[symbol]) == {
            ours: told.get(theirs, 0) for theirs, ours in ORACLE_NAMES.items()
        }
        assert replayed.counters[symbol].gaps == replayed.counters[symbol].checksum_failures == 0


def counted(counters: Counters) -> dict[str, int]:
    """Our counters of what the oracles count too."""
    return {ours: getattr(counters, ours) for ours in ORACLE_NAMES.values()}
