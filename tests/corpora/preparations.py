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


def coinbase_exchange_pair(symbol: str) -> str:
    """The pair of a Coinbase Exchange product: its own name."""
    return symbol


def coinbase_exchange(recording: Path, folder: Path) -> Prepared:
    """COINBASE_EXCHANGE_*: recorded with its instrument list, on the venue's former hosts."""
    pairs = tuple(oracle(recording)["per_symbol"])
    header = {"venue": "coinbase_exchange", "pairs": pairs, "paths": "last"}
    return Prepared(
        recording, write_sidecar(folder / "sidecar.jsonl", header, []), pairs, coinbase_exchange_pair
    )


def hyperliquid_pair(symbol: str) -> str:
    """The perpetual of a Hyperliquid coin."""
    return f"{symbol}-USDC-PERP"


def hyperliquid(recording: Path, folder: Path) -> Prepared:
    """HYPERLIQUID_L2BOOK_*: recorded without instrument lists and without acknowledgements."""
    symbols = list(oracle(recording)["per_symbol"])
    first = next(lines(recording))
    perps = [{"name": symbol, "szDecimals": 5, "maxLeverage": 40} for symbol in symbols]
    lists: tuple[Any, ...] = (
        [{"universe": perps, "marginTables": [], "collateralToken": 0}],
        {"tokens": [{"name": "USDC", "szDecimals": 8, "weiDecimals": 8, "index": 0}], "universe": []},
    )
    http = {"channel": "http", "method": "POST", "conn": "http", "url": "https://api.hyperliquid.xyz/info"}
    socket = {"channel": "ws", "conn": first["conn"], "url": first["url"]}
    told = [{"at": 0, "dir": "in", **http, "payload": json.dumps(each)} for each in lists]
    for symbol in symbols:
        subscription = {"type": "l2Book", "coin": symbol, "nSigFigs": None, "mantissa": None, "fast": False}
        answer = {
            "channel": "subscriptionResponse",
            "data": {"method": "subscribe", "subscription": subscription},
        }
        told.append({"at": 1, "dir": "in", **socket, "payload": json.dumps(answer)})
    pairs = tuple(hyperliquid_pair(symbol) for symbol in symbols)
    header = {"venue": "hyperliquid", "pairs": pairs}
    return Prepared(recording, write_sidecar(folder / "sidecar.jsonl", header, told), pairs, hyperliquid_pair)
