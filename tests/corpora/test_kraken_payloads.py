"""Real Kraken recordings, told in v2, through the connector's session and checksum.

Recordings are found in the folder that VENUEKIT_CORPORA names, or in ``shared/corpora`` beside the repository; without any,
nothing here runs. The book that the checksums are computed over is built here the slow way, with dicts and decimals.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from heapq import nlargest, nsmallest
from pathlib import Path
from typing import Any

import pytest
from tests.corpora.kraken_v2 import Record, bare, transcode, v2_symbol

from venuekit_kraken.checksum import book_checksum
from venuekit_kraken.data_source import KrakenDataSource
from venuekit_kraken.description import DESCRIPTION
from venuekit_kraken.session import KrakenSession
from venuekit_spec import (
    BookDelta,
    BookSnapshot,
    Channel,
    HttpRequest,
    HttpResponse,
    Instrument,
    InstrumentTable,
    MalformedMessage,
    Rows,
    Topic,
    TopicLive,
    TopOfBook,
    Trade,
)

REPOSITORY = Path(__file__).resolve().parents[2]
CORPORA = Path(os.environ.get("VENUEKIT_CORPORA") or REPOSITORY.parent / "shared" / "corpora")
RECORDINGS = sorted(CORPORA.glob("KRAKEN_V1_*.jsonl.gz"))
CHANNELS = {"book": Channel.BOOK, "trade": Channel.TRADES, "ticker": Channel.TOP}

needs_recording = pytest.mark.skipif(not RECORDINGS, reason=f"no KRAKEN_V1 recording in {CORPORA}")
each_recording = pytest.mark.parametrize(
    "path", RECORDINGS, ids=lambda path: path.name.removesuffix(".jsonl.gz")
)


@cache
def recording(path: Path) -> list[Record]:
    """The records as they were made, in v1."""
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as file:
        return [json.loads(line, parse_float=Decimal) for line in file]


@cache
def told(path: Path) -> list[dict[str, Any]]:
    """The records in v2."""
    return [*transcode(recording(path))]


def oracle(path: Path) -> dict[str, Any] | None:
    """What an independent builder made of the recording, if its account is there."""
    account = path.parent.parent / "oracle" / path.name.replace(".jsonl.gz", ".json")
    return json.loads(account.read_text(encoding="utf-8")) if account.exists() else None


def listed(records: list[dict[str, Any]]) -> InstrumentTable:
    """The instruments that the recorded AssetPairs answer lists."""
    flow = KrakenDataSource(DESCRIPTION.environment()).instruments()
    assert isinstance(next(flow), HttpRequest)
    body = next(record["payload"] for record in records if "/AssetPairs" in record["url"])
    with pytest.raises(StopIteration) as end:
        flow.send(HttpResponse(200, body.encode()))
    return InstrumentTable(end.value.value)


class SlowBook:
    """One book in the plainest way: a dict per side, cut after each message."""

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.depth = 0
        self.bids: dict[Decimal, tuple[str, str]] = {}
        self.asks: dict[Decimal, tuple[str, str]] = {}

    def take(self, message: BookSnapshot | BookDelta) -> None:
        if isinstance(message, BookSnapshot):
            assert message.depth is not None
            self.depth, self.bids, self.asks = message.depth, {}, {}
        self._apply(self.bids, message.bids)
        self._apply(self.asks, message.asks)
        for side, worst_first in ((self.bids, nsmallest), (self.asks, nlargest)):
            for price in worst_first(max(0, len(side) - self.depth), side):
                del side[price]

    def best(self) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        """The best ten bids and asks."""
        bids, asks = nlargest(10, self.bids), nsmallest(10, self.asks)
        return [self.bids[price] for price in bids], [self.asks[price] for price in asks]

    @staticmethod
    def _apply(side: dict[Decimal, tuple[str, str]], rows: Rows) -> None:
        for price, size, *_ in rows:
            assert isinstance(price, str)
            if Decimal(size):
                side[Decimal(price)] = (price, size)
            else:
                side.pop(Decimal(price), None)


def replay(records: list[dict[str, Any]]) -> Iterator[tuple[int, Any]]:
    """Every record through a session of its connection: record index and each output."""
    instruments = listed(records)
    ids = instruments.ids_by_native("socket")
    sessions: dict[str, KrakenSession] = {}
    wanted: dict[str, frozenset[Topic]] = {}
    for k, record in enumerate(records):
        if record["channel"] != "ws":
            continue
        conn, now = record["conn"], int(record["recv_ts"] * 10**9)
        if record["dir"] == "open":
            sessions[conn], wanted[conn] = KrakenSession(instruments), frozenset()
            yield from ((k, out) for out in sessions[conn].opened(now))
        elif record["dir"] == "out":
            params = json.loads(record["payload"])["params"]
            channel, variant = CHANNELS[params["channel"]], str(params.get("depth", ""))
            wanted[conn] |= {Topic(channel, ids[symbol], variant) for symbol in params["symbol"]}
            yield from ((k, out) for out in sessions[conn].want(wanted[conn], now))
        else:
            yield from ((k, out) for out in sessions[conn].feed(record["payload"].encode(), now))


def plain(text: str) -> str:
    """A decimal without trailing zeros and exponents."""
    return format(Decimal(text).normalize(), "f")


@needs_recording
@each_recording
def test_every_recorded_checksum_is_the_one_we_compute(path: Path) -> None:
    """Each transcoded update leaves a book whose checksum is the venue's, and whose best levels are the oracle's."""
    records, account = told(path), oracle(path)
    instruments = listed(records)
    books: dict[str, SlowBook] = {}
    verified: Counter[str] = Counter()
    deltas: Counter[str] = Counter()
    digests: dict[str, Any] = {}
    for k, message in replay(records):
        if not isinstance(message, BookSnapshot | BookDelta):
            continue
        book = books.setdefault(message.instrument, SlowBook(instruments[message.instrument]))
        book.take(message)
        bids, asks = book.best()
        deltas[message.instrument] += isinstance(message, BookDelta)
        if message.checksum is not None:
            assert book_checksum(bids, asks, book.instrument) == message.checksum, f"record {k}"
            verified[message.instrument] += 1
        sides = (
            "|" + ";".join(f"{plain(price)}:{plain(size)}" for price, size in side) for side in (bids, asks)
        )
        line = f"{k}{''.join(sides)}\n"
        digests.setdefault(message.instrument, hashlib.sha256()).update(line.encode())
    assert verified.total() > 0
    if account is not None:
        assert verified.total() == account["totals"]["checksum_ok"]
        assert deltas.total() == account["totals"]["deltas"]
        assert len(books) == account["totals"]["snapshots"]
        ids = {pair: v2_symbol(pair).replace("/", "-") for pair in account["per_symbol"]}
        for pair, counts in account["per_symbol"].items():
            assert verified[ids[pair]] == counts["checksum_ok"], pair
            assert digests[ids[pair]].hexdigest() == account["digest"]["symbols"][pair]["sha256"], pair


@needs_recording
@each_recording
def test_a_changed_level_does_not_pass(path: Path) -> None:
    """The checksum is a proof: one unit of the smallest size more on the best bid, and none of the recorded ones agrees."""
    records = told(path)
    instruments = listed(records)
    books: dict[str, SlowBook] = {}
    agreed = checked = 0
    for _, message in replay(records):
        if isinstance(message, BookSnapshot | BookDelta):
            book = books.setdefault(message.instrument, SlowBook(instruments[message.instrument]))
            book.take(message)
            bids, asks = book.best()
            price, size = bids[0]
            step = book.instrument.size.step
            bids[0] = (price, format(Decimal(size) + step, "f"))
            agreed += book_checksum(bids, asks, book.instrument) == message.checksum
            checked += message.checksum is not None
    assert (agreed, checked > 0) == (0, True)


@needs_recording
@each_recording
def test_acks_trades_and_tops_come_through(path: Path) -> None:
    """Every recorded subscription goes live, and every trade and ticker row becomes a message."""
    records = told(path)
    counts = Counter(type(out) for _, out in replay(records))
    payloads = [r["payload"] for r in recording(path) if r["dir"] == "in" and r["channel"] == "ws"]
    frames = [json.loads(payload) for payload in payloads]
    events = [frame for frame in frames if isinstance(frame, dict)]
    data = [frame for frame in frames if isinstance(frame, list)]
    assert counts[TopicLive] == sum(event.get("status") == "subscribed" for event in events)
    assert counts[Trade] == sum(len(frame[1]) for frame in data if frame[-2] == "trade")
    assert counts[TopOfBook] == sum(frame[-2] == "ticker" for frame in data)
    assert counts[BookSnapshot] + counts[BookDelta] == sum(frame[-2].startswith("book") for frame in data)


@needs_recording
@each_recording
def test_a_transcoded_recording_keeps_its_shape(path: Path) -> None:
    """One record comes out for each that went in, of the same kind, time and connection, and in v2's own words."""
    before, after = recording(path), told(path)
    kept = ("recv_ts", "channel", "dir", "conn")
    assert [[record[key] for key in kept] for record in after] == [
        [record[key] for key in kept] for record in before
    ]
    for record in after:
        if record["channel"] == "ws" and record["payload"] is not None:
            frame = json.loads(record["payload"])
            assert "channel" in frame or "method" in frame
            assert "XBT" not in record["payload"]


@needs_recording
@each_recording
def test_a_cut_frame_costs_itself_only(path: Path) -> None:
    """Recorded frames that lost their end raise MalformedMessage, and the whole ones after them are read as ever."""
    records = told(path)
    instruments = listed(records)
    session = KrakenSession(instruments)
    session.opened(0)
    ids = instruments.ids_by_native("socket")
    books = [r["payload"] for r in records if (r["payload"] or "").startswith('{"channel":"book",')][:200]
    symbols = {json.loads(frame)["data"][0]["symbol"] for frame in books}
    session.want(frozenset(Topic(Channel.BOOK, ids[symbol], "1000") for symbol in symbols), 0)
    for frame in books:
        with pytest.raises(MalformedMessage):
            session.feed(frame[: len(frame) // 2].encode(), 1)
        assert len(session.feed(frame.encode(), 1)) == 1


@pytest.mark.parametrize(
    ("text", "number"),
    [("0.5660", "0.566"), ("2600.00000000", "2600"), ("0.00000000", "0"), ("35", "35"), ("1.0e-7", "1.0e-7")],
)
def test_numbers_are_shortened_as_v2_does(text: str, number: str) -> None:
    """A number of v1 loses its trailing zeros and nothing of its value."""
    assert bare(text) == number
    assert Decimal(number) == Decimal(text)


def test_frames_of_v1_are_told_in_v2() -> None:
    """Each kind of v1 frame becomes the v2 frame that says the same; what v2 does not know has no payload."""
    frames = [
        ("out", {"event": "subscribe", "pair": ["XBT/CHF"], "subscription": {"name": "book", "depth": 25}}),
        (
            "in",
            {
                "channelName": "book-25",
                "event": "subscriptionStatus",
                "pair": "XBT/CHF",
                "status": "subscribed",
                "subscription": {"depth": 25, "name": "book"},
            },
        ),
        ("in", [1, {"as": [["2.50", "1.0", "1.5"]], "bs": [["2.00", "3.10", "1.25"]]}, "book-25", "XBT/CHF"]),
        (
            "in",
            [
                1,
                {"a": [["2.50", "0.0", "2.000001"]]},
                {"b": [["2.10", "1.0", "2.0", "r"], ["2.10", "0.0", "2.0"]], "c": "77"},
                "book-25",
                "XBT/CHF",
            ],
        ),
        ("in", [2, [["2.40", "0.50", "3.0", "s", "m", ""]], "trade", "XBT/CHF"]),
        ("in", [3, ["1", "2"], "spread", "XBT/CHF"]),
        ("in", {"event": "heartbeat"}),
    ]
    base = {"recv_ts": Decimal("1.5"), "channel": "ws", "conn": "ws.1", "url": "wss://ws.kraken.com"}
    after = [*transcode([{**base, "dir": way, "payload": json.dumps(frame)} for way, frame in frames])]
    payloads = [record["payload"] for record in after]
    assert {record["url"] for record in after} == {"wss://ws.kraken.com/v2"}
    stamp = "1970-01-01T00:00:01.500000Z"
    assert [payload and json.loads(payload) for payload in payloads] == [
        {"method": "subscribe", "params": {"channel": "book", "symbol": ["BTC/CHF"], "depth": 25}},
        {
            "method": "subscribe",
            "success": True,
            "result": {"channel": "book", "symbol": "BTC/CHF", "depth": 25},
            "time_in": stamp,
            "time_out": stamp,
        },
        {
            "channel": "book",
            "type": "snapshot",
            "data": [
                {
                    "symbol": "BTC/CHF",
                    "bids": [{"price": 2, "qty": 3.1}],
                    "asks": [{"price": 2.5, "qty": 1}],
                    "timestamp": stamp,
                }
            ],
        },
        {
            "channel": "book",
            "type": "update",
            "data": [
                {
                    "symbol": "BTC/CHF",
                    "bids": [{"price": 2.1, "qty": 1}, {"price": 2.1, "qty": 0}],
                    "asks": [{"price": 2.5, "qty": 0}],
                    "checksum": 77,
                    "timestamp": "1970-01-01T00:00:02.000001Z",
                }
            ],
        },
        {
            "channel": "trade",
            "type": "update",
            "data": [
                {
                    "symbol": "BTC/CHF",
                    "side": "sell",
                    "price": 2.4,
                    "qty": 0.5,
                    "ord_type": "market",
                    "trade_id": 1,
                    "timestamp": "1970-01-01T00:00:03.000000Z",
                }
            ],
        },
        None,
        {"channel": "heartbeat"},
    ]
