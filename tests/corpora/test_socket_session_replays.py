"""Feeds whose socket itself is special, through their connectors (small ones, where there is no plugin) and the whole core:
their recordings end in the oracles' books after every single record.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from tests.corpora.preparations import lines
from tests.corpora.preparations_sockets import (
    bitfinex,
    bitget,
    coinbase_advanced,
    dydx,
    dydx_backwards,
    huobi,
    huobi_cut,
    next_of,
    okx_checked,
    okx_linked,
    without_record,
)
from tests.corpora.recordings import (
    CORPORA,
    LOOPS,
    drops,
    each_on_a_loop,
    faults,
    name_of,
    oracle,
)
from tests.corpora.replays import Prepared, Replayed, agrees, opened
from tests.corpora.sessions import bitget as bitget_session
from tests.corpora.sessions import coinbase_advanced as coinbase_advanced_session
from tests.corpora.sessions import dydx as dydx_session
from tests.corpora.sessions import huobi as huobi_session
from tests.corpora.sessions import okx as okx_session

import venuekit_bitfinex
from venuekit import connect
from venuekit.tapes import Record, TapePlayer, open_tape
from venuekit_spec import MalformedMessage

pytestmark = pytest.mark.anyio


def numbered(replayed: Replayed) -> int:
    """Frames that followed one another in the sequence of their connection."""
    return sum(link.numbered for link in replayed.links)


@each_on_a_loop("COINBASE_ADVANCED_*")
async def test_coinbase_advanced(recording: Path, tmp_path: Path) -> None:
    """One sequence over all channels of a connection: every frame of any channel is counted, every book is the oracle's."""
    connector = coinbase_advanced_session.CONNECTOR
    replayed = await agrees(recording, tmp_path, connector, "coinbase_advanced", coinbase_advanced)
    assert numbered(replayed) == oracle(recording)["totals"]["conn_seq_ok"]


@each_on_a_loop("BITFINEX_*")
async def test_bitfinex(recording: Path, tmp_path: Path) -> None:
    """A sequence of the socket that heartbeats have a part in, channels by number: every book is the oracle's."""
    replayed = await agrees(recording, tmp_path, venuekit_bitfinex, "bitfinex", bitfinex)
    assert numbered(replayed) == oracle(recording)["totals"]["conn_seq_ok"]


@each_on_a_loop("OKX_*")
async def test_okx_checksums(recording: Path, tmp_path: Path) -> None:
    """A checksum of the wire's text on every message: each is the venue's, and every book is the oracle's."""
    await agrees(recording, tmp_path, okx_session.CONNECTOR, "okx", okx_checked)


@each_on_a_loop("OKX_*")
async def test_okx_links(recording: Path, tmp_path: Path) -> None:
    """Linked ids that may begin anew, and a checksum of 0 that is none: every book is the oracle's."""
    await agrees(recording, tmp_path, okx_session.CONNECTOR, "okx", okx_linked, without={"checksums"})


@each_on_a_loop("BITGET_V1_*")
async def test_bitget(recording: Path, tmp_path: Path) -> None:
    """Markets with the same names on two sockets, each book with a checksum: every book is the oracle's."""
    replayed = await agrees(recording, tmp_path, bitget_session.CONNECTOR, "bitget", bitget)
    markets = {symbol.partition(":")[0] for symbol in oracle(recording)["per_symbol"]}
    assert len(replayed.links) == len(markets)


@pytest.mark.parametrize("prepare", [huobi, huobi_cut])
@each_on_a_loop("HUOBI_SPOT_*")
async def test_huobi(recording: Path, prepare: Any, tmp_path: Path) -> None:
    """The whole book in every message, packed: whether a frame holds one, none or two, every book is the oracle's."""
    await agrees(recording, tmp_path, huobi_session.CONNECTOR, "huobi", prepare)


@each_on_a_loop("HUOBI_SPOT_*")
async def test_huobi_pings(recording: Path, tmp_path: Path) -> None:
    """A ping in a data frame is answered with its number, as the recorder did."""
    prepared = huobi(recording, tmp_path)
    player = TapePlayer(open_tape(prepared.tape, prepared.sidecar))
    async with opened(connect(huobi_session.CONNECTOR, "huobi"), prepared, player):
        await player.play(close=False)
    pongs = [sent.frame for sent in player.sent if "pong" in str(sent.frame)]
    recorded = [record["payload"] for record in lines(recording) if record["dir"] == "out"]
    assert [frame.replace(" ", "") for frame in map(str, pongs)] == [
        frame for frame in recorded if "pong" in frame
    ]


def test_huobi_damaged_frame() -> None:
    """Bytes that are not packed cost their frame and nothing else."""
    codec = huobi_session.GzipCodec()
    with pytest.raises(MalformedMessage, match="no gzip"):
        codec.decode(b'{"ping":1}')
    assert codec.decode(b"") == []


@each_on_a_loop("DYDX_V3_*")
async def test_dydx(recording: Path, tmp_path: Path) -> None:
    """Levels with offsets, answers that overtake one another: every book is the oracle's, and no frame is missed."""
    replayed = await agrees(recording, tmp_path, dydx_session.CONNECTOR, "dydx", dydx)
    totals = oracle(recording)["totals"]
    assert numbered(replayed) == totals["conn_seq_ok"] + totals["conn_seq_gap"]


@each_on_a_loop("DYDX_V3_*")
async def test_dydx_uncrossed(recording: Path, tmp_path: Path) -> None:
    """Removals that come late cross books; uncrossed by their stamps none ever is, and all end as if told in order."""
    crossing, _ = await _watched(dydx_backwards(recording, tmp_path, dydx_session.CROSSED))
    crossed, uncrossed = await _watched(dydx_backwards(recording, tmp_path))
    _, in_order = await _watched(dydx(recording, tmp_path))
    assert crossing
    assert not crossed
    assert uncrossed == in_order


async def _watched(prepared: Prepared) -> tuple[bool, dict[str, Any]]:
    """Play a tape of dYdX: whether a book was crossed at any time, and all levels of the books at the end."""
    player = TapePlayer(open_tape(prepared.tape, prepared.sidecar))
    crossed = False
    async with opened(connect(dydx_session.CONNECTOR, "dydx"), prepared, player) as found:

        def on_record(_index: int | None, _record: Record) -> None:
            nonlocal crossed
            crossed = crossed or (bool(found) and any(book.crossed for book in found[0].books.values()))

        await player.play(on_record=on_record, close=False)
        return crossed, {id_: (book.bids(), book.asks()) for id_, book in found[0].books.items()}


@pytest.mark.parametrize(
    ("arrivals", "in_order"),
    [
        ([(0, 2), (3, 2), (2, 1), (1, 0), (4, 0)], [0, 1, 2, 3, 4]),
        ([(0, 0), (1, 0), (3, 0)], [0, 1, 3]),
        ([(0, 1), (4, 1), (5, 1)], [0, 4, 5]),
        ([(0, 0), (1, 0), (1, 0)], [0, 1, 1]),
    ],
    ids=["late answers", "a loss", "more missing than awaited", "a repetition"],
)
def test_dydx_order(arrivals: list[tuple[int, int]], in_order: list[int]) -> None:
    """Numbers are told in order: kept back while answers may fill the hole, told with the hole once none can."""
    order = dydx_session.Order()
    assert [n for number, awaited in arrivals for n in order.arrived(number, awaited)] == in_order


CHECKED_FEEDS: Final[tuple[tuple[str, Any, Callable[[Path, Path], Prepared]], ...]] = (
    ("COINBASE_ADVANCED_*", coinbase_advanced_session.CONNECTOR, coinbase_advanced),
    ("BITFINEX_*", venuekit_bitfinex, bitfinex),
    ("OKX_*", okx_session.CONNECTOR, okx_checked),
    ("BITGET_V1_*", bitget_session.CONNECTOR, bitget),
)
"""Feeds that show a loss."""

DROPS: Final = [
    pytest.param(
        path,
        connector,
        prepare,
        fault,
        LOOPS[number % 2],
        id=f"{name_of(path)}-{fault['drop']}",
        marks=marks,
    )
    for pattern, connector, prepare in CHECKED_FEEDS
    for path in sorted(CORPORA.glob(f"{pattern}.jsonl.gz"))
    for number, (fault, marks) in enumerate(drops(path))
] or [pytest.param(*[None] * 4, LOOPS[0], marks=pytest.mark.skip(reason=f"no recordings in {CORPORA}"))]
"""The oracle's faults, on one event loop each, in turns."""


@pytest.mark.parametrize(("recording", "connector", "prepare", "fault", "anyio_backend"), DROPS)
async def test_lost_record(
    recording: Path, connector: Any, prepare: Any, fault: dict[str, Any], tmp_path: Path
) -> None:
    """A record that is left out is noticed at the one that the oracle names, by the book leaving LIVE, and no earlier."""
    assert await _noticed(connector, prepare(recording, tmp_path), tmp_path, fault) == fault["detected_at"]


@each_on_a_loop("OKX_*")
async def test_lost_link(recording: Path, tmp_path: Path) -> None:
    """A link shows each loss at the very next change of the book, also where no checksum ever did."""
    dropped = faults(recording) or pytest.skip("nothing was left out of this recording")
    prepared = okx_linked(recording, tmp_path)
    for fault in dropped:
        noticed = await _noticed(okx_session.CONNECTOR, prepared, tmp_path, fault)
        assert noticed == next_of(recording, fault["symbol"], fault["drop"])


async def _noticed(connector: Any, prepared: Prepared, folder: Path, fault: dict[str, Any]) -> int | None:
    """Play all but one record: which one, as the whole recording counts, took the book out of LIVE."""
    player = TapePlayer(open_tape(without_record(prepared.tape, folder, fault["drop"]), prepared.sidecar))
    noticed: int | None = None
    async with opened(connect(connector, connector.describe().venue), prepared, player) as found:

        def on_record(index: int | None, _record: Record) -> None:
            nonlocal noticed
            if index is not None and index >= fault["drop"] and noticed is None:
                live = found[0].books[prepared.pair_of(fault["symbol"])].live
                noticed = None if live else index + 1

        await player.play(on_record=on_record, close=False)
    return noticed
