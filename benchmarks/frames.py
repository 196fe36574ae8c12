"""Frames of one pair out of a recording, ready to be fed."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

from attrs import frozen

from venuekit.tapes import open_tape
from venuekit_spec import BookSnapshot, Instrument, InstrumentKind, PriceRule, SizeRule


@frozen
class Frames:
    """The depth frames before and after the first snapshot of the pair that has most."""

    instrument: Instrument
    before: tuple[bytes, ...]
    snapshot: BookSnapshot
    after: tuple[bytes, ...]
    levels: float


def load(path: Path) -> Frames:
    """Read a recording of Binance's spot streams."""
    before: list[bytes] = []
    after: list[bytes] = []
    snapshot: BookSnapshot | None = None
    levels = 0
    for _, record in open_tape(path):
        payload = record.payload
        if payload is None or record.direction != "in":
            continue
        if record.channel == "http" and "depth?symbol=BTCUSDT" in record.url and snapshot is None:
            told = json.loads(payload)
            bids, asks = ([tuple(row) for row in told[side]] for side in ("bids", "asks"))
            snapshot = BookSnapshot(
                instrument="BTC-USDT", bids=bids, asks=asks, last=told["lastUpdateId"], depth=1000
            )
        elif record.channel == "ws" and b"btcusdt@depth" in payload[:60]:
            (before if snapshot is None else after).append(bytes(payload))
            levels += payload.count(b'["') - payload.count(b':["')
    assert snapshot is not None, f"{path.name} has no snapshot of BTCUSDT"
    instrument = Instrument(
        id="BTC-USDT",
        kind=InstrumentKind.SPOT,
        base="BTC",
        quote="USDT",
        native={"rest": "BTCUSDT", "socket": "btcusdt"},
        price=PriceRule(tick=Decimal("0.01"), maximum=Decimal(1_000_000)),
        size=SizeRule(step=Decimal("0.00001")),
    )
    return Frames(instrument, tuple(before), snapshot, tuple(after), levels / (len(before) + len(after)))
