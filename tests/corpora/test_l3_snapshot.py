"""A whole order-by-order book of a real venue: 110,606 orders by REST, loaded at once."""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.corpora.preparations import lines
from tests.corpora.recordings import levels_text, oracle, plain, recordings

from venuekit.books import OrderByOrderBook, OrderByOrderEntry
from venuekit_spec import (
    Channel,
    Ids,
    Instrument,
    InstrumentKind,
    OrderBookSnapshot,
    PriceRule,
    RestingOrder,
    Side,
    SizeRule,
    SnapshotSource,
    SyncRule,
    Topic,
)

BTC_USD = Instrument(
    id="BTC-USD",
    kind=InstrumentKind.SPOT,
    base="BTC",
    quote="USD",
    native={"rest": "BTC-USD"},
    price=PriceRule(Decimal("0.01")),
    size=SizeRule(Decimal("0.00000001")),
)

SLOWEST = 5.0
"""Seconds of the processor, far more than a slow machine needs: 0.2 is usual."""


def told(recording: Path) -> dict[str, Any]:
    """The answer of ``GET /products/BTC-USD/book?level=3``: rows of price, size and order id, best first."""
    book: dict[str, Any] = json.loads(next(lines(recording))["payload"])
    return book


def snapshot_of(book: dict[str, Any]) -> OrderBookSnapshot:
    """The answer as the contract has it."""
    orders = [
        RestingOrder(order_id, side, price, size)
        for side, name in ((Side.BUY, "bids"), (Side.SELL, "asks"))
        for price, size, order_id in book[name]
    ]
    return OrderBookSnapshot(instrument="BTC-USD", orders=orders, last=book["sequence"])


def queues_text(book: OrderByOrderBook, side: Side, count: int) -> list[Any]:
    """The orders of the best levels of one side, as the oracle writes them."""
    levels = book.bids(count) if side is Side.BUY else book.asks(count)
    return [
        [
            plain(level.price),
            [[order.order_id, plain(order.size)] for order in book.orders(side, level.price)],
        ]
        for level in levels
    ]


@pytest.mark.parametrize("recording", recordings("COINBASE_EXCHANGE_L3SNAP_*"))
def test_a_whole_book_of_orders(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The book of a level-3 snapshot is the oracle's: levels, sums, numbers of orders, and the queues of the best."""
    snapshot = snapshot_of(told(recording))
    rule = SyncRule(snapshot=SnapshotSource.REST, ids=Ids.NEXT)
    entry = OrderByOrderEntry(Topic(Channel.ORDERS, "BTC-USD"), BTC_USD, rule, lambda *_: None)
    entry.started(0)
    seconds = timed(lambda: entry.snapshot(snapshot))
    book = entry.order_book
    assert book.live
    (expected,) = oracle(recording)["checkpoints"]
    assert book.last == expected["seq"]
    assert (len(book.bids()), len(book.asks())) == (expected["n_bid_levels"], expected["n_ask_levels"])
    counts = [book.order_count(Side.BUY, level.price) for level in book.bids()]
    counts += [book.order_count(Side.SELL, level.price) for level in book.asks()]
    assert sum(counts) == len(snapshot.orders) == expected["n_orders"]
    for shown, side in ((book.bids(25), "bids"), (book.asks(25), "asks")):
        assert levels_text(shown) == ";".join(f"{price}:{size}" for price, size in expected[side])
    assert queues_text(book, Side.BUY, 5) == expected["l3_bids"]
    assert queues_text(book, Side.SELL, 5) == expected["l3_asks"]
    with capsys.disabled():
        sys.stdout.write(f"\n{expected['n_orders']:,} orders loaded in {seconds:.3f} s\n")
    assert seconds < SLOWEST


def timed(work: Callable[[], None]) -> float:
    """Seconds of the processor that it takes; what was made before it is no part of it."""
    gc.collect()
    begin = time.process_time()
    work()
    return time.process_time() - begin
