"""What recordings lack and the tests supply: an instrument list, or the form that a venue's frames have today.

A sidecar is a small tape that is inserted into a recording; the recording itself is not touched.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.corpora.kraken_v2 import transcode, v2_symbol
from tests.corpora.recordings import oracle
from tests.corpora.replays import Prepared

QUOTES = ("USDT", "USDC", "BUSD", "FDUSD", "TUSD", "USD", "EUR", "BTC", "ETH", "BNB")


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """The records of a recording, numbers exact."""
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as file:
        for line in file:
            yield json.loads(line, parse_float=Decimal)


def write_sidecar(path: Path, header: dict[str, Any], inserted: list[dict[str, Any]]) -> Path:
    """A sidecar with a header and records, each with ``at``: the index before which it is played."""
    text = "".join(f"{json.dumps(line, default=str)}\n" for line in ({"tape": 1, **header}, *inserted))
    path.write_text(text, encoding="utf-8")
    return path


def binance_pair(symbol: str) -> str:
    """The pair of a Binance symbol. Only tests may split one: they know which quotes the recordings have."""
    quote = next(quote for quote in QUOTES if symbol.endswith(quote))
    return f"{symbol.removesuffix(quote)}-{quote}"


def binance_spot(recording: Path, folder: Path) -> Prepared:
    """BINANCE_SPOT_*: recorded without an instrument list and without acknowledgements, streams named in the URL."""
    symbols = list(oracle(recording)["per_symbol"])
    first = next(lines(recording))
    told = {
        "at": 0,
        "recv_ts": float(first["recv_ts"]),
        "channel": "http",
        "dir": "in",
        "conn": "http",
        "url": "https://api.binance.com/api/v3/exchangeInfo",
        "payload": json.dumps({"symbols": [_binance_symbol(symbol) for symbol in symbols]}),
    }
    pairs = tuple(binance_pair(symbol) for symbol in symbols)
    header = {"venue": "binance", "pairs": pairs, "paths": "last"}
    return Prepared(recording, write_sidecar(folder / "sidecar.jsonl", header, [told]), pairs, binance_pair)


def _binance_symbol(symbol: str) -> dict[str, Any]:
    base, quote = binance_pair(symbol).split("-")
    price = {
        "filterType": "PRICE_FILTER",
        "minPrice": "0.00000001",
        "maxPrice": "1000000",
        "tickSize": "0.00000001",
    }
    size = {"filterType": "LOT_SIZE", "minQty": "0.00000001", "maxQty": "9000000", "stepSize": "0.00000001"}
    return {
        "symbol": symbol,
        "status": "TRADING",
        "baseAsset": base,
        "quoteAsset": quote,
        "baseAssetPrecision": 8,
        "quoteAssetPrecision": 8,
        "filters": [price, size],
    }


def kraken_pair(symbol: str) -> str:
    """The pair of a Kraken v1 symbol."""
    return v2_symbol(symbol).replace("/", "-")


def kraken_v2(recording: Path, folder: Path) -> Prepared:
    """KRAKEN_V1_*: told anew in the frames of version 2: same books, same checksums, same record indexes."""
    tape = folder / "kraken_v2.jsonl"
    connections = set()
    with tape.open("w", encoding="utf-8") as file:
        for record in transcode(lines(recording)):
            file.write(json.dumps(record, default=float, ensure_ascii=False) + "\n")
            if '"channel":"book"' in (record["payload"] or "").replace(" ", ""):
                connections.add(record["conn"])
    pairs = tuple(kraken_pair(symbol) for symbol in oracle(recording)["per_symbol"])
    header = {"venue": "kraken", "pairs": pairs, "paths": "last", "connections": sorted(connections)}
    return Prepared(
        tape, write_sidecar(folder / "sidecar.jsonl", header, []), pairs, kraken_pair, variant="1000"
    )
