"""The Bitfinex connector through the whole core: its recording ends in the oracle's books, and a loss is noticed at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest
from tests.corpora.preparations import lines, write_sidecar
from tests.corpora.preparations_sockets import without_record
from tests.corpora.recordings import CORPORA, faults, name_of, oracle, recordings
from tests.corpora.replays import Prepared, agrees, opened

import venuekit_bitfinex
from venuekit import connect
from venuekit.tapes import Record, TapePlayer, open_tape
from venuekit_bitfinex.data_source import LISTS
from venuekit_bitfinex.instruments import read_instruments
from venuekit_spec import InstrumentTable

pytestmark = pytest.mark.anyio

CODES: Final = [["UST", "USDt"], ["IOT", "IOTA"], ["MNA", "MANA"], ["DOG", "MDOGE"], ["TESTUSD", "TESTUSD"]]
"""Codes of the venue's own. The recording has the list of pairs only, so this and the rules of pairs are supplied."""


def prepared(recording: Path, folder: Path) -> Prepared:
    """The recording, with the one answer that the connector asks for: its own list of pairs, and rules for those replayed."""
    records = [*lines(recording)]
    [pairs] = json.loads(records[0]["payload"])
    rules = [[pair, [None, None, None, "0.00004", "2000.0"]] for pair in pairs]
    body = json.dumps([pairs, rules, CODES])
    told = {
        "at": 0,
        "recv_ts": float(records[0]["recv_ts"]),
        "channel": "http",
        "dir": "in",
        "conn": "http",
        "url": f"{venuekit_bitfinex.describe().environment().url('rest')}/{LISTS}",
        "payload": body,
    }
    ids = InstrumentTable(read_instruments(body.encode())).ids_by_native("symbol")
    sidecar = write_sidecar(folder / "sidecar.jsonl", {}, [told])
    return Prepared(
        recording, sidecar, tuple(ids[each] for each in oracle(recording)["per_symbol"]), ids.__getitem__
    )


@pytest.mark.parametrize("recording", recordings("BITFINEX_*"))
async def test_books_are_the_oracles(recording: Path, tmp_path: Path) -> None:
    """Every update, checkpoint, digest and count, and every frame of the socket in sequence, those of other channels too."""
    replayed = await agrees(recording, tmp_path, venuekit_bitfinex, "bitfinex", prepared)
    assert sum(link.numbered for link in replayed.links) == oracle(recording)["totals"]["conn_seq_ok"]


DROPS: Final = [
    pytest.param(path, fault, ("asyncio", "trio")[number % 2], id=f"{name_of(path)}-{fault['drop']}")
    for path in sorted(CORPORA.glob("BITFINEX_*.jsonl.gz"))
    for number, fault in enumerate(faults(path))
] or [pytest.param(None, None, "asyncio", marks=pytest.mark.skip(reason=f"no recordings in {CORPORA}"))]
"""The oracle's faults, on one event loop each, in turns."""


@pytest.mark.parametrize(("recording", "fault", "anyio_backend"), DROPS)
async def test_a_loss_is_noticed(recording: Path, fault: dict[str, Any], tmp_path: Path) -> None:
    """A record that is left out takes the book out of LIVE on the record that the oracle names, and no earlier."""
    told = prepared(recording, tmp_path)
    player = TapePlayer(open_tape(without_record(told.tape, tmp_path, fault["drop"]), told.sidecar))
    noticed: list[int] = []
    async with opened(connect(venuekit_bitfinex, "bitfinex"), told, player) as found:

        def on_record(index: int | None, _record: Record) -> None:
            if (
                index is not None
                and index >= fault["drop"]
                and not found[0].books[told.pair_of(fault["symbol"])].live
            ):
                noticed.append(index + 1)

        await player.play(on_record=on_record, close=False)
    assert noticed[:1] == [fault["detected_at"]]
