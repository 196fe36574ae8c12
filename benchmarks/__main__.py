"""``./x bench [RECORDING]``: microseconds per message, ours beside the naive way, in the same run.

A recording of Binance's BTCUSDT depth stream (46 levels a message on average) goes through the connector's session and the
tracker, and the exact best bid and ask are read after each message. The naive way decodes with the standard library and
keeps two SortedDicts of Decimals. Both run in turn, several times; the best run of each counts.

The recording is looked for as the tests do (VENUEKIT_CORPORA, or shared/corpora beside the repository); without one, the
demo's tape stands in, whose messages are smaller.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from time import process_time

from sortedcontainers import SortedDict

from benchmarks.frames import Frames, load
from venuekit.books import OrderBookTrackerEntry
from venuekit_binance.description import DESCRIPTION
from venuekit_binance.session import BinanceSession
from venuekit_spec import BookDelta, BookSnapshot, Channel, InstrumentTable, Topic

ROUNDS = 5
REPOSITORY = Path(__file__).resolve().parents[1]
CORPORA = Path(os.environ.get("VENUEKIT_CORPORA") or REPOSITORY.parent / "shared" / "corpora")


def ours(frames: Frames) -> int:
    """Bytes -> session -> message -> tracker -> book -> exact best bid and ask. The number of messages."""
    instrument = frames.instrument
    rule = DESCRIPTION.topic_rule(Channel.BOOK)
    assert rule is not None
    assert rule.sync is not None
    entry = OrderBookTrackerEntry(Topic(Channel.BOOK, instrument.id), instrument, rule.sync, lambda *_: None)
    session = BinanceSession(InstrumentTable([instrument]))
    view = (
        entry.book.unproven
    )  # the market leaves the recorded snapshot's levels; live, the core fetches another
    now = 1
    for frame in frames.before:
        for message in session.feed(frame, now):
            if type(message) is BookDelta:
                entry.delta(message)
    entry.snapshot(frames.snapshot)
    for frame in frames.after:
        for message in session.feed(frame, now):
            if type(message) is BookDelta:
                entry.delta(message)
        _ = view.best_bid, view.best_ask  # reading is what is measured
    assert entry.counters.gaps == 0
    return len(frames.before) + len(frames.after)


def naive(frames: Frames) -> int:
    """json, and two SortedDicts of Decimals. The number of messages."""
    bids: SortedDict[Decimal, Decimal] = SortedDict()
    asks: SortedDict[Decimal, Decimal] = SortedDict()
    at = -1

    def apply(frame: bytes) -> None:
        nonlocal at
        data = json.loads(frame)["data"]
        if at < 0 or data["u"] <= at:
            return
        at = data["u"]
        for levels, rows in ((bids, data["b"]), (asks, data["a"])):
            for price_text, size_text in rows:
                price, size = Decimal(price_text), Decimal(size_text)
                if size:
                    levels[price] = size
                else:
                    levels.pop(price, None)

    def start(snapshot: BookSnapshot) -> None:
        nonlocal at
        at = snapshot.last or 0
        for levels, rows in ((bids, snapshot.bids), (asks, snapshot.asks)):
            levels.update((Decimal(str(row[0])), Decimal(row[1])) for row in rows)

    start(frames.snapshot)
    for frame in frames.before:
        apply(frame)
    for frame in frames.after:
        apply(frame)
        _ = bids.peekitem(-1), asks.peekitem(0)
    return len(frames.before) + len(frames.after)


def microseconds(way: Callable[[Frames], int], frames: Frames) -> float:
    """CPU microseconds per message of one run."""
    began = process_time()
    messages = way(frames)
    return (process_time() - began) / messages * 1e6


def main(arguments: list[str]) -> None:
    """Measure and print."""
    found = sorted(CORPORA.glob("BINANCE_SPOT_BTCUSDT_*.jsonl.gz"))
    path = Path(arguments[0]) if arguments else (found[0] if found else REPOSITORY / "demo" / "gap.jsonl.gz")
    if not path.is_file():
        sys.exit(f"{path} is no tape; the benchmark takes one tape of Binance spot, or none")
    frames = load(path)
    best: dict[str, float] = {}
    for _ in range(ROUNDS):
        for name, way in (("venuekit", ours), ("naive", naive)):
            best[name] = min(best.get(name, float("inf")), microseconds(way, frames))
    print(
        f"{path.name}: {len(frames.before) + len(frames.after):,} messages, {frames.levels:.1f} levels each"
    )
    print(f"{platform.machine()}, Python {platform.python_version()}, CPU time, best of {ROUNDS}")
    print(f"  venuekit  {best['venuekit']:7.1f} us a message   (session, tracker, exact best bid and ask)")
    print(f"  naive     {best['naive']:7.1f} us a message   (json, SortedDict of Decimals, best bid and ask)")
    print(f"  ratio     {best['venuekit'] / best['naive']:7.2f}")


if __name__ == "__main__":
    main(sys.argv[1:])
