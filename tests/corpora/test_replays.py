"""Recordings of real venues, replayed through connector and core, end in the oracles' books after every single record."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from tests.corpora.preparations import binance_spot, coinbase_exchange, hyperliquid, kraken_v2, lines
from tests.corpora.recordings import each_on_a_loop, oracle, recordings
from tests.corpora.replays import agrees

import venuekit_binance
import venuekit_coinbase_exchange
import venuekit_hyperliquid
import venuekit_kraken
from venuekit_spec import (
    Channel,
    HttpResponse,
    Instrument,
    InstrumentKind,
    PriceRule,
    Side,
    SizeRule,
    Topic,
)

pytestmark = pytest.mark.anyio


@each_on_a_loop("BINANCE_SPOT_*")
async def test_binance_spot(recording: Path, tmp_path: Path) -> None:
    """REST snapshots joined to id ranges: every update, every checkpoint and every count is the oracle's."""
    await agrees(recording, tmp_path, venuekit_binance, "binance", binance_spot)


@each_on_a_loop("KRAKEN_V1_*")
async def test_kraken_v2(recording: Path, tmp_path: Path) -> None:
    """In-band snapshots proven by checksums: every update, checkpoint and checksum is the oracle's."""
    await agrees(recording, tmp_path, venuekit_kraken, "kraken", kraken_v2)


@each_on_a_loop("COINBASE_EXCHANGE_[0-9]*")
async def test_coinbase_exchange(recording: Path, tmp_path: Path) -> None:
    """In-band snapshots and changes without numbers: every update, checkpoint and count is the oracle's."""
    await agrees(recording, tmp_path, venuekit_coinbase_exchange, "coinbase_exchange", coinbase_exchange)


@pytest.mark.parametrize("recording", recordings("COINBASE_EXCHANGE_L3SNAP_*"))
def test_coinbase_exchange_orders(recording: Path) -> None:
    """A recorded book of single orders: every order is there, and the best prices have the oracle's queues."""
    [checkpoint] = oracle(recording)["checkpoints"]
    [record] = lines(recording)
    source = venuekit_coinbase_exchange.data_source(venuekit_coinbase_exchange.describe().environment())
    name = checkpoint["symbol"]
    base, quote = name.split("-")
    price, size = PriceRule(Decimal("0.01")), SizeRule(Decimal("0.00000001"))
    instrument = Instrument(
        name, InstrumentKind.SPOT, base, quote, {"rest": name, "socket": name}, price, size
    )
    flow = source.snapshot(Topic(Channel.ORDERS, name), instrument)
    next(flow)
    with pytest.raises(StopIteration) as end:
        flow.send(HttpResponse(200, record["payload"].encode()))
    book = end.value.value
    assert (len(book.orders), book.last) == (checkpoint["n_orders"], checkpoint["seq"])
    for side, best in ((Side.BUY, checkpoint["l3_bids"]), (Side.SELL, checkpoint["l3_asks"])):
        for at, queue in best:
            found = [
                [order.order_id, order.size]
                for order in book.orders
                if order.side is side and order.price == at
            ]
            assert found == queue


@each_on_a_loop("HYPERLIQUID_L2BOOK_*")
async def test_hyperliquid(recording: Path, tmp_path: Path) -> None:
    """Full replacements: every update and every checkpoint is the oracle's."""
    await agrees(recording, tmp_path, venuekit_hyperliquid, "hyperliquid", hyperliquid)
