"""The demo tells the story it promises, and its tape is what its script makes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from demo.tape import TAPE, write

REPOSITORY = Path(__file__).resolve().parents[1]


def test_the_tape_is_what_the_script_makes(tmp_path: Path) -> None:
    """The committed tape holds the same records as a fresh one."""
    fresh = tmp_path / "fresh.jsonl.gz"
    write(fresh)
    assert unpacked(fresh) == unpacked(TAPE)


def test_the_demo_shows_a_gap_and_its_repair() -> None:
    """One book leaves service and comes back; the other stays; the demo ends well."""
    ended = subprocess.run(
        [sys.executable, "-m", "demo"], capture_output=True, text=True, check=True, cwd=REPOSITORY, timeout=60
    )
    lines = [line.split() for line in ended.stdout.splitlines() if "-USDT" in line]
    states = {
        pair: [line[3] for line in lines if line[1:3] == ["s", pair]] for pair in ("BTC-USDT", "ETH-USDT")
    }
    assert states == {"BTC-USDT": ["BUFFERING", "LIVE", "GAP", "LIVE"], "ETH-USDT": ["BUFFERING", "LIVE"]}


def unpacked(path: Path) -> bytes:
    """The text of a compressed tape: compression itself may differ between versions of zlib."""
    import gzip

    return gzip.decompress(path.read_bytes())
