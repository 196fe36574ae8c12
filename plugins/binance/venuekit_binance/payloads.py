"""Binance's wire structures: what its documentation says a message holds, and only the parts that are used.

Level lists are handed on just as the decoder makes them: nothing is made or called per level. Fields that are not named
here are skipped by the decoder without being built.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final, Generic, TypeAlias, TypeVar

from msgspec import UNSET, Raw, Struct, UnsetType

T = TypeVar("T")
P = TypeVar("P", str, float)

VENUE: Final = "binance"

Level: TypeAlias = tuple[P, str]
"""Price and absolute size; size zero removes the level. The price is the wire's text, or the double of it."""


# --- market streams: https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams


class DepthUpdate(
    Struct,
    Generic[P],
    frozen=True,
    gc=False,
    rename={"time": "E", "symbol": "s", "first": "U", "last": "u", "bids": "b", "asks": "a"},
):
    """Changed levels, from ``<symbol>@depth@100ms``; `time` in milliseconds.

    https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams#diff-depth-stream

    ``{"e":"depthUpdate","E":1672515782136,"s":"BNBBTC","U":157,"u":160,"b":[["0.0024","10"]],"a":[["0.0026","100"]]}``
    """

    time: int
    symbol: str
    first: int
    last: int
    bids: list[Level[P]]
    asks: list[Level[P]]


class TradeEvent(
    Struct,
    frozen=True,
    gc=False,
    rename={"symbol": "s", "id": "t", "price": "p", "size": "q", "time": "T", "buyer_is_maker": "m"},
):
    """One trade, from ``<symbol>@trade``; `time` is the trade's, in milliseconds.

    https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams#trade-streams

    ``{"e":"trade","E":1672515782136,"s":"BNBBTC","t":12345,"p":"0.001","q":"100","T":1672515782136,"m":true,"M":true}``
    """

    symbol: str
    id: int
    price: str
    size: str
    time: int
    buyer_is_maker: bool


class BookTicker(
    Struct,
    frozen=True,
    gc=False,
    rename={"last": "u", "symbol": "s", "bid": "b", "bid_size": "B", "ask": "a", "ask_size": "A"},
):
    """Best bid and ask, from ``<symbol>@bookTicker``: no event type and no time; `last` is the book's update id.

    https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams#individual-symbol-book-ticker-streams

    ``{"u":400900217,"s":"BNBUSDT","b":"25.35190000","B":"31.21000000","a":"25.36520000","A":"40.66000000"}``
    """

    last: int
    symbol: str
    bid: str
    bid_size: str
    ask: str
    ask_size: str


class Wrapped(Struct, Generic[T], frozen=True, gc=False):
    """An event of a combined stream; the stream's name is read from the bytes, not from here.

    https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams#general-wss-information

    ``{"stream":"bnbusdt@bookTicker","data":{"u":400900217,"s":"BNBUSDT","b":"25.3","B":"31.2","a":"25.4","A":"40.6"}}``
    """

    data: T


class ErrorBody(Struct, frozen=True, rename={"message": "msg"}):
    """An error, as the body of a REST response and inside an answer on a socket.

    https://developers.binance.com/docs/binance-spot-api-docs/errors

    ``{"code":-1121,"msg":"Invalid symbol."}``
    """

    code: int
    message: str = ""


class Frame(Struct, frozen=True, rename={"event": "e", "last": "u", "ask_size": "A", "message": "msg"}):
    """Any frame, just far enough to tell which it is: wrapped, bare, an answer to a request, or an error.

    https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams#live-subscribingunsubscribing-to-streams

    ``{"result":null,"id":1}`` · ``{"code":2,"msg":"Invalid request: too many parameters","id":1}``
    · ``{"error":{"code":2,"msg":"Invalid request: too many parameters"},"id":1}``
    · ``{"e":"serverShutdown","E":1770123456789}``
    """

    stream: str = ""
    data: Raw | UnsetType = UNSET
    event: str = ""
    last: Raw | UnsetType = UNSET
    ask_size: Raw | UnsetType = UNSET
    id: int | str | UnsetType | None = UNSET
    code: int | None = None
    message: str = ""
    error: ErrorBody | None = None

    @property
    def refusal(self) -> ErrorBody | None:
        """The error in either of its two shapes."""
        return self.error if self.error or self.code is None else ErrorBody(self.code, self.message)


# --- REST: https://developers.binance.com/docs/binance-spot-api-docs/rest-api


class ServerTime(Struct, frozen=True, rename="camel"):
    """The venue's clock: milliseconds, or microseconds where the request asked for them.

    https://developers.binance.com/docs/binance-spot-api-docs/rest-api/general-endpoints#check-server-time

    ``{"serverTime":1499827319559}``
    """

    server_time: int


class Depth(Struct, frozen=True, gc=False, rename="camel"):
    """A snapshot of the book, best level first.

    https://developers.binance.com/docs/binance-spot-api-docs/rest-api/market-data-endpoints#order-book

    ``{"lastUpdateId":1027024,"bids":[["4.00000000","431.00000000"]],"asks":[["4.00000200","12.00000000"]]}``
    """

    last_update_id: int
    bids: list[Level[str]]
    asks: list[Level[str]]


class RateLimit(Struct, frozen=True, rename="camel"):
    """One rate limit: `limit` per `interval_num` times `interval`.

    https://developers.binance.com/docs/binance-spot-api-docs/enums#rate-limiters-ratelimittype

    ``{"rateLimitType":"REQUEST_WEIGHT","interval":"MINUTE","intervalNum":1,"limit":6000}``
    """

    rate_limit_type: str
    interval: str
    interval_num: int
    limit: int


class ExchangeLimits(Struct, frozen=True, rename="camel"):
    """The rate limits in exchangeInfo.

    https://developers.binance.com/docs/binance-spot-api-docs/rest-api/general-endpoints#exchange-information

    ``{"rateLimits":[{"rateLimitType":"RAW_REQUESTS","interval":"MINUTE","intervalNum":5,"limit":300000}],"symbols":[]}``
    """

    rate_limits: list[RateLimit]


class ExchangeInfo(Struct, frozen=True):
    """The symbols in exchangeInfo, each still as bytes, so that a bad one costs itself alone.

    https://developers.binance.com/docs/binance-spot-api-docs/rest-api/general-endpoints#exchange-information

    ``{"timezone":"UTC","serverTime":1565246363776,"rateLimits":[],"exchangeFilters":[],"symbols":[{"symbol":"ETHBTC"}]}``
    """

    symbols: list[Raw]


class Symbol(Struct, frozen=True, rename="camel"):
    """One symbol of exchangeInfo. Precisions are numbers of decimals.

    https://developers.binance.com/docs/binance-spot-api-docs/rest-api/general-endpoints#exchange-information

    ``{"symbol":"ETHBTC","status":"TRADING","baseAsset":"ETH","baseAssetPrecision":8,"quoteAsset":"BTC",``
    ``"quoteAssetPrecision":8,"filters":[]}``
    """

    symbol: str
    status: str
    base_asset: str
    quote_asset: str
    base_asset_precision: int = 8
    quote_asset_precision: int = 8
    filters: list[Raw] = []


class Filter(Struct, frozen=True, rename="camel"):
    """Any filter, just far enough to tell which it is; those that are not known are left alone.

    https://developers.binance.com/docs/binance-spot-api-docs/filters

    ``{"filterType":"MAX_POSITION","maxPosition":"10.00000000"}``
    """

    filter_type: str


class PriceFilter(Struct, frozen=True, rename="camel"):
    """Which prices are valid; zero switches a part of the rule off.

    https://developers.binance.com/docs/binance-spot-api-docs/filters#price_filter

    ``{"filterType":"PRICE_FILTER","minPrice":"0.00000100","maxPrice":"100000.00000000","tickSize":"0.00000100"}``
    """

    min_price: Decimal = Decimal(0)
    max_price: Decimal = Decimal(0)
    tick_size: Decimal = Decimal(0)


class LotSize(Struct, frozen=True, rename="camel"):
    """Which quantities are valid: LOT_SIZE for all orders, MARKET_LOT_SIZE for market orders besides.

    https://developers.binance.com/docs/binance-spot-api-docs/filters#lot_size

    ``{"filterType":"LOT_SIZE","minQty":"0.00100000","maxQty":"100000.00000000","stepSize":"0.00100000"}``
    """

    min_qty: Decimal = Decimal(0)
    max_qty: Decimal = Decimal(0)
    step_size: Decimal = Decimal(0)


class Notional(Struct, frozen=True, rename="camel"):
    """Bounds on price times quantity: NOTIONAL, and MIN_NOTIONAL, which has no upper one.

    https://developers.binance.com/docs/binance-spot-api-docs/filters#notional

    ``{"filterType":"NOTIONAL","minNotional":"10.00000000","applyMinToMarket":false,"maxNotional":"10000.00000000",``
    ``"applyMaxToMarket":false,"avgPriceMins":5}``
    """

    min_notional: Decimal = Decimal(0)
    max_notional: Decimal = Decimal(0)


class MaxNumOrders(Struct, frozen=True, rename="camel"):
    """How many orders may be open.

    https://developers.binance.com/docs/binance-spot-api-docs/filters#max_num_orders

    ``{"filterType":"MAX_NUM_ORDERS","maxNumOrders":200}``
    """

    max_num_orders: int
