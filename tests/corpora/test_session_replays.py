"""Feeds of many kinds, each said by a small connector: what fits one rule of the contract fits the next venue like it."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any, Final

import anyio
import pytest
from attrs import evolve
from tests.corpora.preparations_more import FAMILIES, Family
from tests.corpora.recordings import LOOPS, drops, name_of, oracle, recordings
from tests.corpora.replays import agrees, opened
from tests.corpora.sessions import bybit, kucoin
from tests.corpora.sessions.common import small_instrument

from venuekit import connect
from venuekit.books import OrderBookTrackerEntry
from venuekit.tapes import Record, TapePlayer, open_tape
from venuekit_spec import BookDelta, BookSnapshot, Channel, Dial, InstrumentTable, Topic

EVERY: Final = [
    pytest.param(family, *each.values, LOOPS[number % 2], id=each.id, marks=each.marks)
    for number, (family, each) in enumerate(
        (family, each) for family in FAMILIES for each in recordings(family.recordings)
    )
]
"""Whole recordings are long, so each is played on one event loop, in turns."""

DROPS: Final = [
    pytest.param(family, path, fault, LOOPS[number % 2], id=f"{name_of(path)}-{fault['drop']}", marks=marks)
    for family in FAMILIES
    for (path,) in (each.values for each in recordings(family.recordings) if not each.marks)
    for number, (fault, marks) in enumerate(drops(path))
] or [pytest.param(None, None, None, "", marks=pytest.mark.skip(reason="no recordings with faults"))]
"""The oracles' faults, on one event loop each, in turns."""

LISTED: Final = small_instrument("BTC", "USDT", {"spot": "BTCUSDT", "socket": "BTC-USDT"}, endpoint="spot")
TOPIC: Final = Topic(Channel.BOOK, LISTED.id)


@pytest.mark.anyio
@pytest.mark.parametrize(("family", "recording", "anyio_backend"), EVERY)
async def test_a_recording_ends_in_the_oracles_books(family: Family, recording: Path, tmp_path: Path) -> None:
    """Every update, every checkpoint and every count of every book is the oracle's, order by order where it is so told."""
    await agrees(recording, tmp_path, family.connector, family.venue, family.prepare)


@pytest.mark.parametrize(("family", "recording", "fault", "loop"), DROPS)
def test_a_loss_is_noticed(
    family: Family, recording: Path, fault: dict[str, Any], loop: str, tmp_path: Path
) -> None:
    """A book that lost a message leaves LIVE on the record that shows it, and no other book does."""
    left = anyio.run(left_live, family, recording, fault["drop"], tmp_path, backend=loop)
    assert left == ({} if fault["detected_at"] is None else {fault["symbol"]: fault["detected_at"]})


async def left_live(family: Family, recording: Path, drop: int, folder: Path) -> dict[str, int]:
    """By the oracle's symbols, on which record of a recording that lacks record `drop` books left LIVE first."""
    prepared = family.prepare(recording, folder)
    with gzip.open(recording, "rb") as file:
        told = file.read().splitlines(keepends=True)
    tape = folder / "tape.jsonl"
    tape.write_bytes(b"".join(told[:drop] + told[drop + 1 :]))
    player = TapePlayer(open_tape(tape, prepared.sidecar))
    symbols = tuple(oracle(recording)["per_symbol"])
    lived: set[str] = set()
    left: dict[str, int] = {}
    connector = connect(family.connector, family.venue)
    async with opened(connector, evolve(prepared, tape=tape), player) as found:

        def on_record(index: int | None, _record: Record) -> None:
            for symbol in symbols if found and index is not None else ():
                if found[0].books[prepared.pair_of(symbol)].live:
                    lived.add(symbol)
                elif symbol in lived and index is not None:
                    left.setdefault(symbol, index + (index >= drop))

        await player.play(on_record=on_record, close=False)
    return left


@pytest.mark.parametrize(("kind", "number", "told"), [("delta", 7, BookDelta), ("delta", 1, BookSnapshot)])
def test_number_one_begins_anew(kind: str, number: int, told: type) -> None:
    """Bybit's message number 1 is a whole book, whatever it is called: the service was restarted."""
    session = bybit.BybitSession(Dial("", context={"category": "spot"}), InstrumentTable([LISTED]))
    data = {"s": "BTCUSDT", "b": [["1", "2"]], "a": [], "u": number, "seq": 5}
    frame = {"topic": "orderbook.200.BTCUSDT", "type": kind, "ts": 4, "cts": 3, "data": data}
    (message,) = session.feed(json.dumps(frame).encode(), 0)
    assert type(message) is told


def test_a_snapshot_within_a_range_keeps_its_newer_rows() -> None:
    """Of a KuCoin message that began before the snapshot and ended after it, only the rows that are newer are applied."""
    session = kucoin.KucoinSession(Dial("", context={"ping_interval": "1"}), InstrumentTable([LISTED]))
    entry = OrderBookTrackerEntry(TOPIC, LISTED, kucoin.RULE, lambda *_: None)
    entry.subscribed(0)
    rows = [["100", "5", "9"], ["99", "2", "12"], ["0", "0", "11"], ["98", "0", "10"]]
    data = {
        "symbol": "BTC-USDT",
        "sequenceStart": 9,
        "sequenceEnd": 12,
        "changes": {"asks": [], "bids": rows},
    }
    frame = {"type": "message", "subject": "trade.l2update", "data": data}
    (delta,) = session.feed(json.dumps(frame).encode(), 0)
    assert isinstance(delta, BookDelta)
    entry.delta(delta)
    bids = [("100", "1"), ("98", "3")]
    entry.snapshot(BookSnapshot(instrument=LISTED.id, bids=bids, asks=[], last=10))
    assert [tuple(map(str, level)) for level in entry.book.bids()] == [("100", "1"), ("99", "2"), ("98", "3")]
    assert entry.book.last == 12
