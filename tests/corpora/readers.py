"""What one record says of one book, for each family of recordings: the `Reader` functions of the reference.

Written from the recorded frames alone. Symbols are those of the oracles.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from attrs import define, field
from tests.corpora.reference import Level, Reading, levels

from venuekit.tapes import Record


def told(record: Record, *marks: bytes) -> Any:
    """What a frame that came from the venue holds, numbers exact; None where one of `marks` is missing."""
    payload = record.payload or b""
    ours = record.channel == "ws" and record.direction == "in" and all(mark in payload for mark in marks)
    return json.loads(payload, parse_float=Decimal) if ours else None


def body(record: Record, mark: str) -> Any:
    """What a response holds whose URL has `mark`; None for any other record."""
    ours = record.channel == "http" and record.direction == "in" and mark in record.url
    return json.loads(record.payload or b"", parse_float=Decimal) if ours else None


def query(record: Record, name: str) -> str:
    """A parameter of the URL."""
    return record.url.partition(f"{name}=")[2].partition("&")[0]


def named(rows: Iterable[Any], price: str, size: str) -> list[Level]:
    """Rows with names."""
    return [(Decimal(row[price]), Decimal(row[size])) for row in rows]


def stamps(rows: Sequence[Sequence[Any]], place: int) -> list[int]:
    """The ids of rows."""
    return [int(row[place]) for row in rows]


def binance_spot(record: Record) -> Reading | None:
    """Combined streams ``SYMBOL@depth@100ms``, and GET /depth, whose symbol stands in its URL."""
    payload = record.payload or b""
    if record.channel == "http" and "/depth?symbol=" in record.url:
        told = json.loads(payload)
        symbol = record.url.partition("symbol=")[2].partition("&")[0]
        last = told["lastUpdateId"]
        return Reading(symbol, levels(told["bids"]), levels(told["asks"]), snapshot=True, last=last)
    if record.channel == "ws" and b"@depth" in payload[:64]:
        told = json.loads(payload)["data"]
        return Reading(told["s"], levels(told["b"]), levels(told["a"]), first=told["U"], last=told["u"])
    return None


def kraken_v1(record: Record) -> Reading | None:
    """``[id, {as, bs} | {a, c} | {b, c} | {a}, {b, c}, "book-N", pair]``."""
    payload = record.payload or b""
    if record.channel != "ws" or record.direction != "in" or not payload.startswith(b"["):
        return None
    _, *parts, channel, symbol = json.loads(payload)
    if not channel.startswith("book-"):
        return None
    told = {name: value for part in parts for name, value in part.items()}
    snapshot = "as" in told or "bs" in told
    return Reading(
        symbol,
        levels(told.get("bs" if snapshot else "b", ())),
        levels(told.get("as" if snapshot else "a", ())),
        snapshot=snapshot,
        checksum=int(told["c"]) if "c" in told else None,
    )


def binance_futures(record: Record) -> Reading | None:
    """As spot, and each change names the one before it."""
    answer = body(record, "/depth?symbol=")
    if answer is not None:
        symbol, last = query(record, "symbol"), answer["lastUpdateId"]
        return Reading(symbol, levels(answer["bids"]), levels(answer["asks"]), snapshot=True, last=last)
    frame = told(record, b'"depthUpdate"')
    if frame is None:
        return None
    data = frame["data"]
    return Reading(
        data["s"],
        levels(data["b"]),
        levels(data["a"]),
        first=data["U"],
        last=data["u"],
        previous=data["pu"],
    )


def coinbase_advanced(record: Record) -> Reading | None:
    """Frames of ``l2_data``, of one product each."""
    frame = told(record, b'"channel":"l2_data"')
    if frame is None:
        return None
    (event,) = frame["events"]
    bids, asks = (
        named((row for row in event["updates"] if row["side"] == side), "price_level", "new_quantity")
        for side in ("bid", "offer")
    )
    return Reading(event["product_id"], bids, asks, snapshot=event["type"] == "snapshot")


@define(eq=False)
class Bitfinex:
    """``[channel, [price, count, amount] or many of them, number]``. Channels are known from one opened socket to the next."""

    _symbols: dict[int, str] = field(factory=dict)
    _begun: set[int] = field(factory=set)

    def __call__(self, record: Record) -> Reading | None:
        """A snapshot, or one changed level."""
        if record.direction == "open":
            self._symbols.clear()
            self._begun.clear()
        frame = told(record)
        if isinstance(frame, dict):
            if frame["event"] == "subscribed" and frame["channel"] == "book":
                self._symbols[frame["chanId"]] = frame["symbol"]
            return None
        if frame is None or frame[0] not in self._symbols or frame[1] == "hb":
            return None
        channel, rows, _ = frame
        snapshot = channel not in self._begun
        self._begun.add(channel)
        sides: tuple[list[Level], list[Level]] = ([], [])
        for price, count, amount in rows if snapshot else [rows]:
            size = abs(Decimal(amount)) if count else Decimal(0)
            sides[amount < 0].append((Decimal(price), size))
        return Reading(self._symbols[channel], *sides, snapshot=snapshot, name=str(channel))


def okx(record: Record) -> Reading | None:
    """Channel ``books``, with checksums; told anew also with linked ids."""
    frame = told(record, b'"channel":"books', b'"action":')
    if frame is None:
        return None
    (data,) = frame["data"]
    snapshot = frame["action"] == "snapshot"
    return Reading(
        frame["arg"]["instId"],
        levels(data["bids"]),
        levels(data["asks"]),
        snapshot=snapshot,
        checksum=data["checksum"] or None,
        last=data.get("seqId"),
        previous=None if snapshot else data.get("prevSeqId"),
    )


def bitget(record: Record) -> Reading | None:
    """Channel ``books`` of a market."""
    frame = told(record, b'"channel":"books"', b'"action":')
    if frame is None:
        return None
    (data,), about = frame["data"], frame["arg"]
    return Reading(
        f"{about['instType'].upper()}:{about['instId']}",
        levels(data["bids"]),
        levels(data["asks"]),
        snapshot=frame["action"] == "snapshot",
        checksum=data["checksum"],
    )


def bybit(record: Record) -> Reading | None:
    """Topics ``orderbook.200``. The address tells the category."""
    frame = told(record, b'"topic":"orderbook.')
    if frame is None:
        return None
    data = frame["data"]
    return Reading(
        f"{record.url.rpartition('/')[2]}:{data['s']}",
        levels(data["b"]),
        levels(data["a"]),
        snapshot=frame["type"] == "snapshot",
        first=data["u"],
        last=data["u"],
    )


def gateio(record: Record) -> Reading | None:
    """Channel ``spot.order_book_update``, and GET /spot/order_book."""
    answer = body(record, "/spot/order_book?")
    if answer is not None:
        symbol, last = query(record, "currency_pair"), answer["id"]
        return Reading(symbol, levels(answer["bids"]), levels(answer["asks"]), snapshot=True, last=last)
    frame = told(record, b'"spot.order_book_update"', b'"event":"update"')
    if frame is None:
        return None
    data = frame["result"]
    return Reading(data["s"], levels(data["b"]), levels(data["a"]), first=data["U"], last=data["u"])


def kucoin(record: Record) -> Reading | None:
    """Subject ``trade.l2update``, rows with ids, and GET /market/orderbook/level2."""
    answer = body(record, "/market/orderbook/level2?")
    if answer is not None:
        data = answer["data"]
        symbol, last = query(record, "symbol"), int(data["sequence"])
        return Reading(symbol, levels(data["bids"]), levels(data["asks"]), snapshot=True, last=last)
    frame = told(record, b'"trade.l2update"')
    if frame is None:
        return None
    data = frame["data"]
    bids, asks = ([row for row in data["changes"][side] if row[0] != "0"] for side in ("bids", "asks"))
    return Reading(
        data["symbol"],
        levels(bids),
        levels(asks),
        first=data["sequenceStart"],
        last=data["sequenceEnd"],
        bid_stamps=stamps(bids, 2),
        ask_stamps=stamps(asks, 2),
    )


def dydx(record: Record) -> Reading | None:
    """Channel ``v3_orderbook``: each level has the offset of its last change."""
    frame = told(record, b'"v3_orderbook"', b'"contents":')
    if frame is None:
        return None
    book, snapshot = frame["contents"], frame["type"] == "subscribed"
    bids, asks = (
        [
            (row["price"], row["size"], row["offset"]) if snapshot else (*row, book["offset"])
            for row in book[side]
        ]
        for side in ("bids", "asks")
    )
    return Reading(
        frame["id"],
        levels(bids),
        levels(asks),
        snapshot=snapshot,
        bid_stamps=stamps(bids, 2),
        ask_stamps=stamps(asks, 2),
    )


def hyperliquid(record: Record) -> Reading | None:
    """Channel ``l2Book``: always the whole book, with its time."""
    frame = told(record, b'"channel":"l2Book"')
    if frame is None:
        return None
    data = frame["data"]
    bids, asks = (named(side, "px", "sz") for side in data["levels"])
    return Reading(data["coin"], bids, asks, snapshot=True, last=data["time"])


def huobi(record: Record) -> Reading | None:
    """Channel ``depth.step0``, packed: always the whole book."""
    if record.channel != "ws" or record.direction != "in":
        return None
    frame = json.loads(gzip.decompress(record.payload or b""), parse_float=Decimal)
    if not frame.get("ch", "").endswith(".depth.step0"):
        return None
    book = frame["tick"]
    symbol = frame["ch"].split(".")[1]
    return Reading(symbol, levels(book["bids"]), levels(book["asks"]), snapshot=True, last=book["version"])


def coinbase_exchange(record: Record) -> Reading | None:
    """Channel ``level2``."""
    frame = told(record, b'"product_id"')
    if frame is None or frame["type"] not in {"snapshot", "l2update"}:
        return None
    symbol = frame["product_id"]
    if frame["type"] == "snapshot":
        return Reading(symbol, levels(frame["bids"]), levels(frame["asks"]), snapshot=True)
    bids, asks = (levels(row[1:] for row in frame["changes"] if row[0] == side) for side in ("buy", "sell"))
    return Reading(symbol, bids, asks)


def bitstamp(record: Record) -> Reading | None:
    """Channels ``diff_order_book_``, and GET /order_book: both have a time."""
    answer = body(record, "/order_book/")
    if answer is not None:
        symbol = record.url.rstrip("/").rpartition("/")[2]
        last = int(answer["microtimestamp"])
        return Reading(symbol, levels(answer["bids"]), levels(answer["asks"]), snapshot=True, last=last)
    frame = told(record, b'"diff_order_book_', b'"event":"data"')
    if frame is None:
        return None
    data, symbol = frame["data"], frame["channel"].removeprefix("diff_order_book_")
    return Reading(symbol, levels(data["bids"]), levels(data["asks"]), last=int(data["microtimestamp"]))


def gemini(record: Record) -> Reading | None:
    """Messages ``l2_updates``: the first of a market has its trades too."""
    frame = told(record, b'"l2_updates"')
    if frame is None:
        return None
    bids, asks = (levels(row[1:] for row in frame["changes"] if row[0] == side) for side in ("buy", "sell"))
    return Reading(frame["symbol"], bids, asks, snapshot="trades" in frame)
