"""What travels between us and Kraken, typed. Fields that nothing reads are left out; unknown ones are ignored.

WebSocket v2 writes numbers as bare JSON numbers: they are decoded to `Decimal` from their text, never by way of a float.
REST writes them as strings.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Final, Literal

from msgspec import Meta, Raw, Struct, field
from msgspec.json import Decoder

VENUE: Final = "kraken"
"""The venue id, and the name of the entry point."""

Decimals = Annotated[int, Meta(ge=0, le=40)]
"""A number of decimals."""

Moment = Annotated[datetime, Meta(tz=True)]
"""An RFC 3339 time with its zone, as Kraken stamps (UTC, microseconds)."""

# WebSocket v2, to the venue


class Parameters(Struct, omit_defaults=True):
    """Of a subscription: one channel, one depth, many symbols. `snapshot` and `event_trigger` only where they apply."""

    channel: str
    symbol: list[str]
    depth: int | None = None
    snapshot: bool | None = None
    event_trigger: str | None = None


class Subscription(Struct):
    """Subscribe or unsubscribe.

    https://docs.kraken.com/exchange/api-reference/spot-websocket-v2/book

    {"method":"subscribe","params":{"channel":"book","symbol":["BTC/USD"],"depth":10,"snapshot":true},"req_id":1}
    """

    method: Literal["subscribe", "unsubscribe"]
    params: Parameters
    req_id: int


class Ping(Struct, tag_field="method", tag="ping"):
    """A sign of life is asked for; the answer is a frame with method ``pong`` and the same `req_id`.

    https://docs.kraken.com/exchange/api-reference/spot-websocket-v2/ping

    {"method":"ping","req_id":7}
    """

    req_id: int


# WebSocket v2, from the venue


class Frame(Struct):
    """Any frame, as far as it must be read to know what it is: data has a `channel`, an answer a `method`.

    https://docs.kraken.com/exchange/guides/websockets/introduction

    {"channel":"heartbeat"}
    """

    channel: str = ""
    method: str = ""
    type: str = ""
    data: Raw = field(default_factory=Raw)


class Subscribed(Struct):
    """Which subscription an answer is about."""

    channel: str = ""
    symbol: str = ""


class SubscriptionAnswer(Struct):
    """The answer to a subscription or its end: one for each symbol of the request.

    https://docs.kraken.com/exchange/api-reference/spot-websocket-v2/book

    {"method":"subscribe","req_id":1,"success":true,"result":{"channel":"book","symbol":"BTC/USD","depth":10,
    "snapshot":true},"time_in":"2023-10-06T17:35:55.219022Z","time_out":"2023-10-06T17:35:55.219067Z"}

    {"method":"subscribe","req_id":1,"success":false,"error":"Currency pair not supported XYZ/USD","symbol":"XYZ/USD",
    "time_in":"2023-10-06T17:35:55.219022Z","time_out":"2023-10-06T17:35:55.219067Z"}
    """

    success: bool = False
    req_id: int | None = None
    error: str | None = None
    symbol: str | None = None
    result: Subscribed | None = None


class Level(Struct, frozen=True, gc=False):
    """One price of a book; `qty` zero removes it."""

    price: Decimal
    qty: Decimal


class Book(Struct, frozen=True, gc=False):
    """A snapshot of a book or an update to it; `data` of a frame holds exactly one.

    Both carry the checksum of the book after them; recordings of WebSocket v1 have none with their snapshots.

    https://docs.kraken.com/exchange/api-reference/spot-websocket-v2/book

    {"channel":"book","type":"update","data":[{"symbol":"MATIC/USD","bids":[{"price":0.5657,"qty":1098.3947558}],
    "asks":[],"checksum":2114181697,"timestamp":"2023-10-06T17:35:55.440295Z"}]}
    """

    symbol: str
    bids: list[Level] = field(default_factory=list)
    asks: list[Level] = field(default_factory=list)
    checksum: int | None = None
    timestamp: Moment | None = None


class PublicTrade(Struct, frozen=True, gc=False):
    """One trade; `side` is the taker's, `trade_id` rises by one per symbol.

    https://docs.kraken.com/exchange/api-reference/spot-websocket-v2/trade

    {"channel":"trade","type":"update","data":[{"symbol":"BTC/USD","side":"buy","price":105944.2,"qty":0.00027625,
    "ord_type":"limit","trade_id":10218208,"timestamp":"2025-11-11T00:17:28.123456Z"}]}
    """

    symbol: str
    side: Literal["buy", "sell"]
    price: Decimal
    qty: Decimal
    trade_id: int
    timestamp: Moment


class Ticker(Struct, frozen=True, gc=False):
    """Best bid and ask, sent at each change of either when subscribed to with ``event_trigger: bbo``.

    https://docs.kraken.com/exchange/api-reference/spot-websocket-v2/ticker

    {"channel":"ticker","type":"update","data":[{"symbol":"ALGO/USD","bid":0.10025,"bid_qty":740.0,"ask":0.10036,
    "ask_qty":1361.44813783,"last":0.10035,"volume":997038.98383185,"vwap":0.10148,"low":0.09979,"high":0.10285,
    "change":-0.00017,"change_pct":-0.17}]}
    """

    symbol: str
    bid: Decimal | None = None
    bid_qty: Decimal | None = None
    ask: Decimal | None = None
    ask_qty: Decimal | None = None
    timestamp: Moment | None = None


class SystemStatus(Struct):
    """What the matching engine does: sent first of all on a connection, and at each change.

    `connection_id` is beyond 63 bits, and nobody needs it.

    https://docs.kraken.com/exchange/api-reference/spot-websocket-v2/status

    {"channel":"status","type":"update","data":[{"api_version":"v2","connection_id":13834774380200032777,
    "system":"online","version":"2.0.0"}]}
    """

    system: str


FRAME: Final = Decoder(Frame)
SUBSCRIPTION_ANSWER: Final = Decoder(SubscriptionAnswer)
BOOKS: Final = Decoder(list[Book])
TRADES: Final = Decoder(list[PublicTrade])
TICKERS: Final = Decoder(list[Ticker])
STATUSES: Final = Decoder(list[SystemStatus])

# REST


class Envelope(Struct):
    """Every REST answer, HTTP 200 also for errors. An entry of `error` that starts with W is only a warning.

    https://docs.kraken.com/exchange/guides/rest/introduction

    {"error":["EGeneral:Invalid arguments"]}
    """

    error: list[str] = field(default_factory=list)
    result: Raw = field(default_factory=Raw)


class ServerTime(Struct):
    """The venue's clock, to the second.

    https://docs.kraken.com/api-reference/market-data/get-server-time

    {"error":[],"result":{"unixtime":1762820224,"rfc1123":"Tue, 11 Nov 25 00:17:04 +0000"}}
    """

    unixtime: int


class AssetPair(Struct):
    """One market. Dark pools have no `wsname`; `tick_size`, `costmin` and `status` came after 2021.

    https://docs.kraken.com/api-reference/market-data/get-tradable-asset-pairs

    {"error":[],"result":{"XXBTZUSD":{"altname":"XBTUSD","wsname":"XBT/USD","aclass_base":"currency","base":"XXBT",
    "aclass_quote":"currency","quote":"ZUSD","lot":"unit","cost_decimals":5,"pair_decimals":1,"lot_decimals":8,
    "lot_multiplier":1,"fees":[[0,0.4]],"fees_maker":[[0,0.25]],"fee_volume_currency":"ZUSD","margin_call":80,
    "margin_stop":40,"ordermin":"0.00005","costmin":"0.5","tick_size":"0.1","status":"online",
    "execution_venue":"international"}}}
    """

    altname: str
    pair_decimals: Decimals
    lot_decimals: Decimals
    wsname: str = ""
    aclass_base: str = "currency"
    execution_venue: str = "international"
    tick_size: Decimal | None = None
    ordermin: Decimal | None = None
    costmin: Decimal | None = None
    status: str = "online"


class Depth(Struct):
    """The book by REST: rows of price, size and the second of the level's last change; no id and no checksum.

    https://docs.kraken.com/api-reference/market-data/get-order-book

    {"error":[],"result":{"XXBTZUSD":{"asks":[["105944.30000","0.136",1762820248]],
    "bids":[["105944.20000","1.007",1762820247]]}}}
    """

    bids: list[tuple[str, str, float]]
    asks: list[tuple[str, str, float]]


ENVELOPE: Final = Decoder(Envelope)
