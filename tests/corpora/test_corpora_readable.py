"""The recordings of real venues are tapes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from venuekit.tapes import open_tape


def test_a_recording_is_read_whole(corpus: Path, oracle: Path) -> None:
    """Every record of a recording is read, as many as the reference counted, in rising order of time, none of it cut."""
    expected = json.loads((oracle / f"{corpus.name.partition('.')[0]}.json").read_bytes())["records"]
    tape = open_tape(corpus)
    indices: list[int | None] = []
    instants: list[int] = []
    kinds: Counter[tuple[str, str]] = Counter()
    for index, record in tape:
        indices.append(index)
        instants.append(record.instant)
        kinds[record.channel, record.direction] += 1
        assert (record.payload is None) == (record.direction == "open")
    assert indices == list(range(expected))
    assert instants == sorted(instants)
    assert kinds["ws", "open"] == len(tape.opens())
    assert not tape.truncated


def test_binary_frames_are_bytes(corpora: Callable[[str], list[Path]]) -> None:
    """Huobi's compressed frames come out as the gzip bytes that were on the wire."""
    (path,) = corpora("HUOBI_SPOT_20210417")
    frames = [record for _, record in open_tape(path) if record.channel == "ws" and record.direction == "in"]
    assert len(frames) == 362
    assert all(record.binary and (record.payload or b"").startswith(b"\x1f\x8b") for record in frames)


def test_instants_are_exact_to_the_nanosecond(corpora: Callable[[str], list[Path]]) -> None:
    """A recorded 1723161255.088182467 is that instant and not the nearest float."""
    (path,) = corpora("BINANCE_FUTURES_BTCUSDT_20240808")
    instants = [record.instant for (_, record), _ in zip(open_tape(path), range(6), strict=False)]
    assert instants[5] == 1723161255_088182467
