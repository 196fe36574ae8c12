"""Makes the tape of the demo: two pairs of a made-up market, in Binance's frames, with one frame missing.

``python -m demo.tape`` writes ``demo/gap.jsonl.gz`` anew; the same seed gives the same bytes.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any, Final

from attrs import define, field

TAPE: Final = Path(__file__).with_name("gap.jsonl.gz")
START: Final = 1_790_000_000_000
"""When the recording begins, milliseconds."""
STEPS: Final = 450
STEP: Final = 100
"""Milliseconds between two updates of one pair, as the venue sends them."""
LOST: Final = 200
"""The step whose BTC frame never arrives."""
REPAIRED: Final = LOST + 16
"""The step at which the venue answers the request for a new snapshot."""
LEVELS: Final = 40
STREAM: Final = "wss://stream.binance.com:9443/stream"
REST: Final = "https://api.binance.com/api/v3"


@define
class Market:
    """One pair: a price that wanders, and levels around it. Prices and sizes in units of their last decimal."""

    symbol: str
    base: str
    mid: int
    random: Random
    size: int
    bids: dict[int, int] = field(factory=dict)
    asks: dict[int, int] = field(factory=dict)
    last: int = 1_000_000

    def __attrs_post_init__(self) -> None:
        self._fill()

    def step(self) -> dict[str, Any]:
        """Let the market move; the venue's frame about it, without its time."""
        before = (dict(self.bids), dict(self.asks))
        self.mid += self.random.choice((-2, -1, -1, 0, 0, 0, 1, 1, 2))
        for levels in (self.bids, self.asks):
            for price in self.random.sample(sorted(levels), k=6):
                levels[price] = self._size()
        self._fill()
        first, self.last = self.last + 1, self.last + self.random.randint(2, 30)
        changes = [
            [
                [_text(price, 2), _text(now.get(price, 0), 5)]
                for price in was.keys() | now.keys()
                if was.get(price) != now.get(price)
            ]
            for was, now in zip(before, (self.bids, self.asks), strict=True)
        ]
        return {
            "e": "depthUpdate",
            "E": 0,
            "s": self.symbol,
            "U": first,
            "u": self.last,
            "b": sorted(changes[0]),
            "a": sorted(changes[1]),
        }

    def snapshot(self) -> dict[str, Any]:
        """The whole book, as the venue answers a request for it."""
        return {
            "lastUpdateId": self.last,
            "bids": [
                [_text(price, 2), _text(self.bids[price], 5)] for price in sorted(self.bids, reverse=True)
            ],
            "asks": [[_text(price, 2), _text(self.asks[price], 5)] for price in sorted(self.asks)],
        }

    def instrument(self) -> dict[str, Any]:
        """The pair in the venue's list."""
        price = {
            "filterType": "PRICE_FILTER",
            "minPrice": "0.01",
            "maxPrice": "1000000.00",
            "tickSize": "0.01",
        }
        size = {"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000.00000", "stepSize": "0.00001"}
        return {
            "symbol": self.symbol,
            "status": "TRADING",
            "baseAsset": self.base,
            "quoteAsset": "USDT",
            "baseAssetPrecision": 8,
            "quoteAssetPrecision": 8,
            "filters": [price, size],
        }

    def _fill(self) -> None:
        """Levels on both sides of the middle, a few ticks apart, none on the wrong side."""
        for levels, way in ((self.bids, -1), (self.asks, 1)):
            for price in [
                price
                for price in levels
                if (price - self.mid) * way <= 0 or abs(price - self.mid) > LEVELS * 4
            ]:
                del levels[price]
            for place in range(1, LEVELS + 1):
                levels.setdefault(self.mid + way * place * 3, self._size())

    def _size(self) -> int:
        return max(1, round(self.random.expovariate(1 / self.size)))


def records() -> Iterator[dict[str, Any]]:
    """The tape, record by record."""
    markets = [
        Market("BTCUSDT", "BTC", 6_400_000, Random(7), 45_000),
        Market("ETHUSDT", "ETH", 310_000, Random(8), 900_000),
    ]
    yield {
        "tape": 1,
        "venue": "binance",
        "environment": "production",
        "pairs": ["BTC-USDT", "ETH-USDT"],
        "topics": ["book:BTC-USDT", "book:ETH-USDT"],
        "contract": "1.0",
        "by": "python -m demo.tape",
    }
    streams = [f"{market.symbol.lower()}@depth@100ms" for market in markets]
    yield _http(0, f"{REST}/exchangeInfo", {"symbols": [market.instrument() for market in markets]})
    yield _socket(20, "open", None)
    yield _socket(30, "out", {"method": "SUBSCRIBE", "params": streams, "id": 1})
    yield _socket(60, "in", {"result": None, "id": 1})
    for step in range(STEPS):
        now = 100 + step * STEP
        for market, stream in zip(markets, streams, strict=True):
            frame = market.step()
            frame["E"] = START + now
            if not (step == LOST and market is markets[0]):
                yield _socket(now + 4, "in", {"stream": stream, "data": frame})
            if step == 5 or (step == REPAIRED and market is markets[0]):
                yield _http(now + 6, f"{REST}/depth?symbol={market.symbol}&limit=1000", market.snapshot())


def write(path: Path) -> None:
    """Write the tape. No time stamp goes into the file, so the same records give the same bytes."""
    text = "".join(json.dumps(record, separators=(",", ":")) + "\n" for record in records())
    path.write_bytes(gzip.compress(text.encode(), compresslevel=9, mtime=0))


def _http(after: int, url: str, body: dict[str, Any]) -> dict[str, Any]:
    return {**_record(after, "http", "in", "http", url, body), "method": "GET", "status": 200}


def _socket(after: int, direction: str, frame: dict[str, Any] | None) -> dict[str, Any]:
    return _record(after, "ws", direction, "ws.1", STREAM, frame)


def _record(
    after: int, channel: str, direction: str, connection: str, url: str, payload: dict[str, Any] | None
) -> dict[str, Any]:
    return {
        "recv_ts": (START + after) / 1000,
        "channel": channel,
        "dir": direction,
        "conn": connection,
        "url": url,
        "payload": None if payload is None else json.dumps(payload, separators=(",", ":")),
    }


def _text(number: int, decimals: int) -> str:
    return f"{number // 10**decimals}.{number % 10**decimals:0{decimals}d}"


if __name__ == "__main__":
    write(TAPE)
