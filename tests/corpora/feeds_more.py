"""The feeds of the other families whose numbers or checksums prove a book; `tests.corpora.feeds` tells what a `Feed` is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from attrs import evolve
from tests.corpora import preparations_more as more
from tests.corpora import preparations_sockets as sockets
from tests.corpora import readers
from tests.corpora.feeds import (
    Asked,
    Feed,
    Refuse,
    Stand,
    binance_answer,
    binance_body,
    binance_requested,
    texts,
)
from tests.corpora.preparations import lines
from tests.corpora.reference import Level, Stamps, Standing
from tests.corpora.replays import Prepared
from tests.corpora.sessions import (
    binance_futures,
    bitget,
    bybit,
    coinbase_advanced,
    dydx,
    gateio,
    kucoin,
    okx,
)

import venuekit_bitfinex
from venuekit.tapes.matching import address_of
from venuekit_bitfinex.books import DEPTHS


def frames(*told: Any) -> list[bytes]:
    """Frames of JSON."""
    return [json.dumps(each, separators=(",", ":")).encode() for each in told]


def standings(symbols: Iterable[str], stand: Stand) -> list[Standing] | None:
    """The books of all of these; None as long as one is missing."""
    books = [stand(symbol) for symbol in symbols]
    found = [book for book in books if book is not None]
    return found if len(found) == len(books) else None


# --- numbered connections


SHALLOW: Final = 1000
"""Updates of a side that a snapshot is left with: its tens of thousands would be most of a trial's time."""


def shallow(recording: Path, folder: Path) -> Prepared:
    """COINBASE_ADVANCED_*, the snapshots cut to their best levels, and the venue's books with them."""
    tape = folder / "shallow.jsonl"
    with tape.open("w", encoding="utf-8") as file:
        for record in lines(recording):
            payload = record["payload"] or ""
            if '"l2_data"' in payload and '"type":"snapshot"' in payload:
                frame = json.loads(payload)
                for event in frame["events"]:
                    event["updates"] = _best(event["updates"])
                record["payload"] = json.dumps(frame, separators=(",", ":"))
            file.write(f"{json.dumps(record, default=float)}\n")
    return evolve(sockets.coinbase_advanced(recording, folder), tape=tape)


def _best(updates: list[dict[str, str]]) -> list[dict[str, str]]:
    rising = sorted(updates, key=lambda update: Decimal(update["price_level"]))
    bids = [update for update in rising if update["side"] == "bid"]
    return [*bids[-SHALLOW:], *[update for update in rising if update["side"] == "offer"][:SHALLOW]]


def coinbase_advanced_answer(asked: Asked, stand: Stand, refuse: Refuse) -> list[bytes] | None:
    """The snapshots, then the list of all subscriptions. Every frame has a number."""
    told = asked.told
    subscribing = told["type"] == "subscribe" and told["channel"] == "level2"
    books = standings(told["product_ids"], stand) if subscribing else []
    if books is None:
        return None
    given = [book for book in books if not refuse(book.symbol)]
    head = {"timestamp": "2026-08-09T21:05:48Z", "sequence_num": 0}
    listed = {"level2": [book.symbol for book in given]} if given else {}
    return frames(
        *({"channel": "l2_data", **head, "events": [_advanced_snapshot(book)]} for book in given),
        {"channel": "subscriptions", **head, "events": [{"subscriptions": listed}]},
    )


def _advanced_snapshot(book: Standing) -> dict[str, Any]:
    updates = [
        {"side": side, "price_level": price, "new_quantity": size}
        for side, levels in (("bid", book.bids), ("offer", book.asks))
        for price, size in texts(levels)
    ]
    return {"type": "snapshot", "product_id": book.symbol, "updates": updates}


def bitfinex_answer(asked: Asked, stand: Stand, refuse: Refuse) -> list[bytes] | None:
    """A subscription gets the channel that the book has in the recording. Events have no number."""
    told = asked.told
    if told["event"] == "conf":
        return frames({"event": "conf", "status": "OK"})
    if told["event"] == "unsubscribe":
        return frames({"event": "unsubscribed", "status": "OK", "chanId": told["chanId"]})
    book = stand(told["symbol"])
    if book is None:
        return None
    if refuse(book.symbol):
        return frames({"event": "error", "channel": "book", "symbol": book.symbol, "code": 10300})
    rows = [f"[{price:f},1,{size:f}]" for price, size in book.bids]
    rows += [f"[{price:f},1,-{size:f}]" for price, size in book.asks]
    subscribed = {"event": "subscribed", "channel": "book", "chanId": int(book.name), "symbol": book.symbol}
    return [*frames(subscribed), f"[{book.name},[{','.join(rows)}],0]".encode()]


DYDX_CONNECTED: Final = b'{"type":"connected","connection_id":"0","message_id":0}'


def dydx_answer(asked: Asked, stand: Stand, refuse: Refuse) -> list[bytes] | None:
    """A book comes with the offsets of its levels, also of those that are gone. Every frame has a number."""
    told = asked.told
    about = {"connection_id": "0", "message_id": 0, "channel": told["channel"], "id": told["id"]}
    if told["type"] == "unsubscribe":
        return frames({"type": "unsubscribed", **about})
    book = stand(told["id"])
    if book is None:
        return None
    if refuse(book.symbol):
        return frames({"type": "error", "connection_id": "0", "message_id": 0, "message": "unavailable"})
    contents = {"bids": _offsets(book.bids, book.bid_stamps), "asks": _offsets(book.asks, book.ask_stamps)}
    return frames({"type": "subscribed", **about, "contents": contents})


def _offsets(levels: Sequence[Level], stamps: Stamps) -> list[Mapping[str, str]]:
    sizes = dict(levels)
    return [
        {"price": f"{price:f}", "size": f"{sizes.get(price, Decimal(0)):f}", "offset": str(stamp)}
        for price, stamp in stamps.items()
    ]


# --- checksums and links


def okx_answer(asked: Asked, stand: Stand, refuse: Refuse) -> list[bytes] | None:
    """One acknowledgement per book, and after it the snapshot; OKX and Bitget alike."""
    told = asked.told
    answered: list[Any] = []
    for arg in told["args"]:
        book = stand(f"{arg['instType']}:{arg['instId']}" if "instType" in arg else arg["instId"])
        if book is None:
            return None
        answered.append({"event": told["op"], "arg": arg})
        if told["op"] == "subscribe" and not refuse(book.symbol):
            data = {
                "bids": texts(book.bids),
                "asks": texts(book.asks),
                "ts": "0",
                "checksum": book.checksum or 0,
                "seqId": book.last,
                "prevSeqId": -1,
            }
            answered.append({"action": "snapshot", "arg": arg, "data": [data]})
    return frames(*answered)


# --- ids


def bybit_answer(asked: Asked, stand: Stand, refuse: Refuse) -> list[bytes] | None:
    """One acknowledgement for all, then the snapshots. The address tells the category."""
    told, category = asked.told, asked.url.rpartition("/")[2]
    names = [topic.rpartition(".")[2] for topic in told["args"]]
    books = standings((f"{category}:{name}" for name in names), stand)
    if books is None:
        return None
    answered: list[Any] = [{"success": True, "op": told["op"]}]
    for name, book in zip(names, books, strict=True):
        if told["op"] == "subscribe" and not refuse(book.symbol):
            data = {"s": name, "b": texts(book.bids), "a": texts(book.asks), "u": book.last, "seq": 0}
            head = {"topic": f"orderbook.200.{name}", "type": "snapshot", "ts": 0, "cts": 0}
            answered.append({**head, "data": data})
    return frames(*answered)


def gateio_answer(asked: Asked, stand: Stand, refuse: Refuse) -> list[bytes]:
    """Every request is granted."""
    told = asked.told
    return frames({**told, "result": {"status": "success"}})


def gateio_requested(url: str) -> str | None:
    """GET /spot/order_book?currency_pair=."""
    return address_of(url).query.get("currency_pair")


def gateio_body(url: str, book: Standing) -> bytes:
    """As many levels as were asked for."""
    limit = int(address_of(url).query["limit"])
    told = {"id": book.last, "bids": texts(book.bids[:limit]), "asks": texts(book.asks[:limit])}
    return json.dumps(told).encode()


KUCOIN_WELCOME: Final = b'{"id":"0","type":"welcome"}'


def kucoin_answer(asked: Asked, stand: Stand, refuse: Refuse) -> list[bytes]:
    """Requests are acknowledged by their id, and pings answered."""
    told = asked.told
    return frames({"id": told["id"], "type": "pong" if told["type"] == "ping" else "ack"})


def kucoin_requested(url: str) -> str | None:
    """GET /market/orderbook/level2?symbol=."""
    address = address_of(url)
    return address.query["symbol"] if address.segments[-1:] == ("level2",) else None


def kucoin_body(url: str, book: Standing) -> bytes:
    """The whole book."""
    data = {"time": 0, "sequence": str(book.last), "bids": texts(book.bids), "asks": texts(book.asks)}
    return json.dumps({"code": "200000", "data": data}).encode()


PROVEN: Final = (
    Feed(
        "COINBASE_ADVANCED_*",
        coinbase_advanced.CONNECTOR,
        coinbase_advanced.VENUE,
        shallow,
        readers.coinbase_advanced,
        coinbase_advanced_answer,
        number=re.compile(rb'(?<="sequence_num":)\d+'),
        retold=True,
    ),
    Feed(
        "BITFINEX_*",
        venuekit_bitfinex,
        "bitfinex",
        sockets.bitfinex,
        readers.Bitfinex(),
        bitfinex_answer,
        depth=DEPTHS[""],
        number=re.compile(rb"(?<=,)\d+(?=\]$)"),
    ),
    Feed(
        "DYDX_V3_*",
        dydx.CONNECTOR,
        dydx.VENUE,
        sockets.dydx,
        readers.dydx,
        dydx_answer,
        greetings=(DYDX_CONNECTED,),
        number=re.compile(rb'(?<="message_id":)\d+'),
    ),
    Feed(
        "OKX_*",
        okx.CONNECTOR,
        okx.VENUE,
        sockets.okx_checked,
        readers.okx,
        okx_answer,
        depth=okx.LEVELS,
        title="checked",
    ),
    Feed(
        "OKX_*",
        okx.CONNECTOR,
        okx.VENUE,
        sockets.okx_linked,
        readers.okx,
        okx_answer,
        depth=okx.LEVELS,
        retold=True,
        title="linked",
    ),
    Feed("BITGET_V1_*", bitget.CONNECTOR, bitget.VENUE, sockets.bitget, readers.bitget, okx_answer),
    Feed(
        "BINANCE_FUTURES_*",
        binance_futures.CONNECTOR,
        "binance_futures",
        more.futures,
        readers.binance_futures,
        binance_answer,
        requested=binance_requested,
        body=binance_body,
        noise=(b"@bookTicker", b"@trade"),
    ),
    Feed(
        "BYBIT_V5_*",
        bybit.CONNECTOR,
        "bybit",
        more.linear_and_spot,
        readers.bybit,
        bybit_answer,
        depth=bybit.DEPTH,
    ),
    Feed(
        "GATEIO_SPOT_*",
        gateio.CONNECTOR,
        "gateio",
        more.gate,
        readers.gateio,
        gateio_answer,
        requested=gateio_requested,
        body=gateio_body,
    ),
    Feed(
        "KUCOIN_*",
        kucoin.CONNECTOR,
        "kucoin",
        more.kucoin_spot,
        readers.kucoin,
        kucoin_answer,
        requested=kucoin_requested,
        body=kucoin_body,
        greetings=(KUCOIN_WELCOME,),
    ),
)
"""Feeds that show a loss by numbers or checksums."""
