"""Recordings of Kraken's WebSocket v1, told in v2.

Only v1 was ever recorded at length, and v1 is frozen; the connector speaks v2. The two carry the same books with the same
checksums, so a v1 recording becomes a v2 one frame by frame: one record in, one record out, and record indexes hold.

========================================  ==========================================================================
v1                                        v2
========================================  ==========================================================================
``[id, {as, bs}, "book-N", pair]``        book snapshot; v1 sends no checksum with it, so there is none
``[id, {a, c}, ...]``, ``{b}``, both      book update, levels in their order, checksum a number
``[id, [...], "trade", pair]``            trade update; v1 has no trade ids: they are counted from 1 per symbol
``[id, {a, b, c, ...}, "ticker", pair]``  ticker; the first of a symbol is the snapshot
subscriptionStatus                        answer to subscribe or unsubscribe, without the fields that v1 does not tell
systemStatus, heartbeat, pong             the same
subscribe, unsubscribe, ping (sent)       the same
anything else                             the payload is None
AssetPairs (REST)                         `pair_decimals` and `lot_decimals` as the book is written, see below
========================================  ==========================================================================

Numbers become bare JSON numbers without trailing zeros (``0.5660`` -> ``0.566``), the hardest form that v2 may send. v1
computes its checksum over the text as sent, which in 2021 had more decimals than AssetPairs told; v2 computes it over the
decimals of its instrument list. The list of a transcoded recording therefore states those of the recorded text, and the
tick that the recorded list implied.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, TypeAlias

Record: TypeAlias = Mapping[str, Any]
"""One line of a recording: recv_ts, channel, dir, conn, url, payload."""

V2_ASSETS: Final = {"XBT": "BTC", "XDG": "DOGE"}
V2_CHANNELS: Final = {"book": "book", "trade": "trade", "ticker": "ticker"}
SIDES: Final = {"b": "buy", "s": "sell"}
ORDER_TYPES: Final = {"l": "limit", "m": "market"}
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def transcode(records: Iterable[Record]) -> Iterator[dict[str, Any]]:
    """The records of a v1 recording as records of a v2 one: the same number, in the same order."""
    recording = [*records]
    decimals = book_decimals(recording)
    state = _State()
    for record in recording:
        payload = record["payload"]
        told = dict(record)
        if record["channel"] == "http":
            told["payload"] = _asset_pairs(payload, decimals) if "/AssetPairs" in record["url"] else payload
        else:
            told["url"] = f"{record['url'].rstrip('/')}/v2"
            told["payload"] = None if payload is None else _frame(payload, record, state)
        yield told


def book_decimals(records: Iterable[Record]) -> dict[str, tuple[int, int]]:
    """Decimals of prices and sizes in the books of a v1 recording, by v1 pair."""
    found: dict[str, tuple[int, int]] = {}
    for record in records:
        if record["channel"] != "ws" or record["dir"] != "in" or not record["payload"].startswith("["):
            continue
        frame = json.loads(record["payload"])
        if frame[-2].startswith("book") and frame[-1] not in found:
            rows = [
                row for part in frame[1:-2] for side in ("as", "bs", "a", "b") for row in part.get(side, ())
            ]
            if rows:
                found[frame[-1]] = (_decimals(rows[0][0]), _decimals(rows[0][1]))
    return found


def v2_symbol(pair: str) -> str:
    """The v2 symbol of a v1 pair: ``XBT/USD`` -> ``BTC/USD``."""
    return "/".join(V2_ASSETS.get(asset, asset) for asset in pair.split("/"))


def bare(text: str) -> str:
    """A decimal text as a JSON number without trailing zeros."""
    if "." not in text or "e" in text.lower():
        return text
    return text.rstrip("0").rstrip(".")


class _State:
    """What v2 numbers and v1 does not."""

    def __init__(self) -> None:
        self.trades: Counter[str] = Counter()
        self.tickers: set[tuple[str, str]] = set()


def _frame(payload: str, record: Record, state: _State) -> str | None:
    frame = json.loads(payload, parse_float=Decimal)
    if isinstance(frame, list):
        channel, symbol = frame[-2].partition("-")[0], v2_symbol(frame[-1])
        if channel == "book":
            return _book(frame[1:-2], symbol, record)
        if channel == "trade":
            return _trades(frame[1], symbol, state)
        return _ticker(frame[1], symbol, record, state) if channel == "ticker" else None
    return _event(frame, record)


def _book(parts: list[dict[str, Any]], symbol: str, record: Record) -> str:
    snapshot = any("as" in part or "bs" in part for part in parts)
    bids = [row for part in parts for row in part.get("bs" if snapshot else "b", ())]
    asks = [row for part in parts for row in part.get("as" if snapshot else "a", ())]
    checksum = "".join(f'"checksum":{part["c"]},' for part in parts if "c" in part)
    stamp = max((Decimal(row[2]) for row in (*bids, *asks)), default=Decimal(record["recv_ts"]))
    return (
        f'{{"channel":"book","type":"{"snapshot" if snapshot else "update"}","data":[{{"symbol":{json.dumps(symbol)},'
        f'"bids":[{_levels(bids)}],"asks":[{_levels(asks)}],{checksum}"timestamp":"{_time(stamp)}"}}]}}'
    )


def _levels(rows: list[list[str]]) -> str:
    return ",".join(f'{{"price":{bare(row[0])},"qty":{bare(row[1])}}}' for row in rows)


def _trades(rows: list[list[str]], symbol: str, state: _State) -> str:
    told = []
    for price, size, stamp, side, order_type, *_ in rows:
        state.trades[symbol] += 1
        told.append(
            f'{{"symbol":{json.dumps(symbol)},"side":"{SIDES[side]}","price":{bare(price)},"qty":{bare(size)},'
            f'"ord_type":"{ORDER_TYPES[order_type]}","trade_id":{state.trades[symbol]},'
            f'"timestamp":"{_time(Decimal(stamp))}"}}'
        )
    return f'{{"channel":"trade","type":"update","data":[{",".join(told)}]}}'


def _ticker(ticker: dict[str, Any], symbol: str, record: Record, state: _State) -> str:
    """Totals of v1 come as [today, last 24 hours]; v2 tells the latter."""
    last, opened = Decimal(ticker["c"][0]), Decimal(ticker["o"][1])
    fields = {
        "bid": ticker["b"][0],
        "bid_qty": ticker["b"][2],
        "ask": ticker["a"][0],
        "ask_qty": ticker["a"][2],
        "last": ticker["c"][0],
        "volume": ticker["v"][1],
        "vwap": ticker["p"][1],
        "low": ticker["l"][1],
        "high": ticker["h"][1],
        "change": f"{last - opened:f}",
        "change_pct": f"{(last - opened) / opened * 100:.2f}" if opened else "0",
    }
    told = ",".join(f'"{name}":{bare(text)}' for name, text in fields.items())
    first = (record["conn"], symbol) not in state.tickers
    state.tickers.add((record["conn"], symbol))
    return (
        f'{{"channel":"ticker","type":"{"snapshot" if first else "update"}",'
        f'"data":[{{"symbol":{json.dumps(symbol)},{told}}}]}}'
    )


def _event(event: dict[str, Any], record: Record) -> str | None:
    name = event.get("event")
    if name in {"subscribe", "unsubscribe"}:
        told: dict[str, Any] | None = _request(event)
    elif name == "subscriptionStatus":
        told = _answer(event, record)
    elif name == "systemStatus":
        status = {
            "api_version": "v2",
            "connection_id": event.get("connectionID", 0),
            "system": event["status"],
        }
        told = {"channel": "status", "type": "update", "data": [{**status, "version": "2.0.0"}]}
    elif name == "heartbeat":
        told = {"channel": "heartbeat"}
    elif name in {"ping", "pong"}:
        told = {"method": name, **_request_id(event)}
    else:
        told = None
    return None if told is None else json.dumps(told, separators=(",", ":"))


def _request(event: dict[str, Any]) -> dict[str, Any] | None:
    subscription = event["subscription"]
    channel = V2_CHANNELS.get(subscription["name"])
    if channel is None:
        return None
    depth = {"depth": subscription.get("depth", 10)} if channel == "book" else {}
    symbols = [v2_symbol(pair) for pair in event["pair"]]
    return {
        "method": event["event"],
        "params": {"channel": channel, "symbol": symbols, **depth},
        **_request_id(event),
    }


def _answer(event: dict[str, Any], record: Record) -> dict[str, Any] | None:
    subscription = event.get("subscription", {})
    channel = V2_CHANNELS.get(subscription.get("name", ""))
    if channel is None:
        return None
    symbol = v2_symbol(event["pair"]) if "pair" in event else ""
    method = "unsubscribe" if event["status"] == "unsubscribed" else "subscribe"
    depth = {"depth": subscription.get("depth", 10)} if channel == "book" else {}
    stamps = dict.fromkeys(("time_in", "time_out"), _time(Decimal(record["recv_ts"])))
    if event["status"] == "error":
        outcome = {"success": False, "error": event.get("errorMessage", ""), "symbol": symbol}
    else:
        outcome = {"success": True, "result": {"channel": channel, "symbol": symbol, **depth}}
    return {"method": method, **outcome, **stamps, **_request_id(event)}


def _request_id(event: dict[str, Any]) -> dict[str, Any]:
    return {"req_id": event["reqid"]} if "reqid" in event else {}


def _asset_pairs(body: str, decimals: Mapping[str, tuple[int, int]]) -> str:
    answer = json.loads(body)
    for pair in answer.get("result", {}).values():
        written = decimals.get(pair.get("wsname", ""))
        if written is not None:
            pair.setdefault("tick_size", f"{Decimal(1).scaleb(-pair['pair_decimals']):f}")
            pair["pair_decimals"], pair["lot_decimals"] = written
    return json.dumps(answer, separators=(",", ":"))


def _decimals(text: str) -> int:
    return len(text.partition(".")[2])


def _time(seconds: Decimal) -> str:
    """Unix seconds as v2 writes time: RFC 3339 with microseconds."""
    moment = EPOCH + timedelta(microseconds=int(seconds * 1_000_000))
    return f"{moment:%Y-%m-%dT%H:%M:%S.%f}Z"
