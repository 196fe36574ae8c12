"""The feeds that show no loss: those whose next frame makes it good (`REPLACED`), and those of which an audit has to tell it
(`AUDITED`).

The latter are audited oftener here than their rules say, and do not mind silence: recordings are short, and have no heartbeats.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from typing import Any, Final

from attrs import evolve
from tests.corpora import preparations_more as more
from tests.corpora import preparations_sockets as sockets
from tests.corpora import readers
from tests.corpora.feeds import Asked, Feed, Refuse, Stand, texts
from tests.corpora.feeds_more import frames, standings
from tests.corpora.preparations import coinbase_exchange, hyperliquid
from tests.corpora.reference import Level, Standing
from tests.corpora.sessions import bitstamp, gemini, huobi
from tests.corpora.sessions.common import SmallConnector

import venuekit_coinbase_exchange
import venuekit_hyperliquid
from venuekit.tapes.matching import address_of
from venuekit_spec import Channel, DataSource, Environment, Seconds, SyncRule

AUDIT: Final[Seconds] = 10.0
"""The period of audits."""

TICK: Final[Seconds] = 1.0
"""How often the core looks whether the window of an audit has passed."""


def audit_bound(rule: SyncRule) -> Seconds:
    """How long a loss stays unnoticed at most: a period and the window, as audits end within their period.

    A period that is too short for two windows is longer than it says: half of it passes between two audits at least.
    """
    assert rule.audit is not None
    shortest = rule.audit / 2 + 2 * rule.audit_window + TICK
    return max(rule.audit, shortest) + rule.audit_window


def audited(plugin: Any) -> SmallConnector:
    """The public side of a connector, its books audited every `AUDIT` seconds."""
    description = plugin.describe()
    topics = tuple(
        evolve(rule, sync=evolve(rule.sync, audit=AUDIT, silence=None))
        if rule.channel is Channel.BOOK and rule.sync is not None
        else rule
        for rule in description.topics
    )

    def source(environment: Environment) -> DataSource:
        """Its own: a function that is no hook."""
        data_source: DataSource = plugin.data_source(environment)
        return data_source

    return SmallConnector(evolve(description, topics=topics), source)


# --- the whole book in every message


def hyperliquid_answer(asked: Asked, stand: Stand, refuse: Refuse) -> list[bytes] | None:
    """An acknowledgement, and after it the book."""
    told = asked.told
    if told["method"] == "ping":
        return frames({"channel": "pong"})
    subscription = told["subscription"]
    book = stand(subscription["coin"])
    if book is None:
        return None
    echo = {"nSigFigs": None, "mantissa": None, "fast": False, **subscription}
    answered = [{"channel": "subscriptionResponse", "data": {"method": told["method"], "subscription": echo}}]
    if told["method"] == "subscribe" and not refuse(book.symbol):
        sides = [
            [{"px": price, "sz": size, "n": 1} for price, size in texts(levels)]
            for levels in (book.bids, book.asks)
        ]
        data = {"coin": book.symbol, "time": book.last, "levels": sides}
        answered.append({"channel": "l2Book", "data": data})
    return frames(*answered)


def huobi_answer(asked: Asked, stand: Stand, refuse: Refuse) -> list[bytes] | None:
    """An acknowledgement, and after it the book. A frame holds a packed message; a pong is for the recording's own pings."""
    told = asked.told
    if "sub" not in told:
        return []
    book = stand(told["sub"].split(".")[1])
    if book is None:
        return None
    answered = frames({"id": "0", "status": "ok", "subbed": told["sub"], "ts": 0})
    if not refuse(book.symbol):
        bids, asks = (
            ",".join(f"[{price:f},{size:f}]" for price, size in side) for side in (book.bids, book.asks)
        )
        tick = f'{{"bids":[{bids}],"asks":[{asks}],"version":{book.last},"ts":0}}'
        answered.append(f'{{"ch":"{told["sub"]}","ts":0,"tick":{tick}}}'.encode())
    return [gzip.compress(message) for message in answered]


# --- audits


def coinbase_exchange_answer(asked: Asked, stand: Stand, refuse: Refuse) -> list[bytes] | None:
    """The list of everything that is subscribed to by then, and after it the snapshots."""
    listed: set[tuple[str, str]] = set()
    told, new = asked.told, set[tuple[str, str]]()
    for request in (*map(json.loads, asked.earlier), told):
        streams = {
            (name, product)
            for name, products in map(_channel, request["channels"])
            for product in products or request.get("product_ids", ())
        }
        new = streams if request["type"] == "subscribe" else set()
        listed = listed | streams if request["type"] == "subscribe" else listed - streams
    books = standings(sorted(product for name, product in new if name.startswith("level2")), stand)
    if books is None:
        return None
    names = sorted({name for name, _ in listed})
    channels = [
        {"name": name, "product_ids": sorted(product for each, product in listed if each == name)}
        for name in names
    ]
    snapshots = (
        {"type": "snapshot", "product_id": book.symbol, "bids": texts(book.bids), "asks": texts(book.asks)}
        for book in books
        if not refuse(book.symbol)
    )
    return frames({"type": "subscriptions", "channels": channels}, *snapshots)


def _channel(told: Any) -> tuple[str, Sequence[str]]:
    """A channel is told by its name, or with the products that are asked of it."""
    return (told, ()) if isinstance(told, str) else (told["name"], told.get("product_ids", ()))


def coinbase_exchange_requested(url: str) -> str | None:
    """GET /products/PRODUCT/book."""
    segments = address_of(url).segments
    return segments[-2] if segments[-1:] == ("book",) else None


def coinbase_exchange_body(url: str, book: Standing) -> bytes:
    """The whole book by level."""
    bids, asks = ([[*row, 1] for row in texts(side)] for side in (book.bids, book.asks))
    return json.dumps({"sequence": 1, "bids": bids, "asks": asks}).encode()


def bitstamp_answer(asked: Asked, stand: Stand, refuse: Refuse) -> list[bytes]:
    """Every request is granted."""
    told = asked.told
    verb = {"bts:subscribe": "subscription", "bts:unsubscribe": "unsubscription"}[told["event"]]
    return frames({"event": f"bts:{verb}_succeeded", "channel": told["data"]["channel"], "data": {}})


def bitstamp_requested(url: str) -> str | None:
    """GET /order_book/SYMBOL/."""
    segments = address_of(url).segments
    return segments[-1] if segments[-2:-1] == ("order_book",) else None


def bitstamp_body(url: str, book: Standing) -> bytes:
    """The whole book with its time."""
    told = {"microtimestamp": str(book.last), "bids": texts(book.bids), "asks": texts(book.asks)}
    return json.dumps(told).encode()


def gemini_answer(asked: Asked, stand: Stand, refuse: Refuse) -> list[bytes] | None:
    """The books that are asked for, with trades, which makes them known."""
    told = asked.told
    symbols = told["subscriptions"][0]["symbols"] if told["type"] == "subscribe" else ()
    books = standings(symbols, stand)
    if books is None:
        return None
    return frames(
        *(
            {
                "type": "l2_updates",
                "symbol": book.symbol,
                "changes": [
                    *(["buy", *row] for row in texts(book.bids)),
                    *(["sell", *row] for row in texts(book.asks)),
                ],
                "trades": [],
            }
            for book in books
            if not refuse(book.symbol)
        )
    )


def gemini_requested(url: str) -> str | None:
    """GET /book/SYMBOL, in small letters."""
    segments = address_of(url).segments
    return segments[-1].upper() if segments[-2:-1] == ("book",) else None


def gemini_body(url: str, book: Standing) -> bytes:
    """The whole book."""
    return json.dumps({"bids": _amounts(book.bids), "asks": _amounts(book.asks)}).encode()


def _amounts(levels: Sequence[Level]) -> list[dict[str, str]]:
    return [{"price": price, "amount": size} for price, size in texts(levels)]


REPLACED: Final = (
    Feed(
        "HYPERLIQUID_L2BOOK_*",
        venuekit_hyperliquid,
        "hyperliquid",
        hyperliquid,
        readers.hyperliquid,
        hyperliquid_answer,
    ),
    Feed("HUOBI_SPOT_*", huobi.CONNECTOR, huobi.VENUE, sockets.huobi, readers.huobi, huobi_answer),
)
AUDITED: Final = (
    Feed(
        "COINBASE_EXCHANGE_[0-9]*",
        audited(venuekit_coinbase_exchange),
        "coinbase_exchange",
        coinbase_exchange,
        readers.coinbase_exchange,
        coinbase_exchange_answer,
        requested=coinbase_exchange_requested,
        body=coinbase_exchange_body,
        noise=(b'"type":"ticker"', b'"type":"match"', b'"type":"last_match"'),
    ),
    Feed(
        "BITSTAMP_*",
        audited(bitstamp.CONNECTOR),
        "bitstamp",
        more.bitstamp_spot,
        readers.bitstamp,
        bitstamp_answer,
        requested=bitstamp_requested,
        body=bitstamp_body,
    ),
    Feed(
        "GEMINI_*",
        audited(gemini.CONNECTOR),
        "gemini",
        more.gemini_spot,
        readers.gemini,
        gemini_answer,
        requested=gemini_requested,
        body=gemini_body,
    ),
)
