"""Coinbase Exchange's wire structures: what its documentation says a message holds, and only the parts that are used.

Fields that are not named here are skipped by the decoder without being built. Every message of the feed says its type, and
those that are no books are one tagged union, so that a single pass reads them. A message of a kind that is not known is to be
ignored: new ones may come at any time.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Final, Generic, Literal, TypeAlias, TypeVar

from msgspec import Meta, Struct

P = TypeVar("P", str, float)

VENUE: Final = "coinbase_exchange"

Moment: TypeAlias = Annotated[datetime, Meta(tz=True)]
"""ISO 8601 with its zone: ``2014-11-07T08:19:27.028459Z``."""

WireSide: TypeAlias = Literal["buy", "sell"]

Level: TypeAlias = tuple[P, str]
"""Price and size. The price is the wire's text, or the double of it."""

# --- books: https://docs.cdp.coinbase.com/exchange/websocket-feed/channels#level2-channel


class Snapshot(Struct, Generic[P], frozen=True, gc=False):
    """The whole book, the first message of a product after each subscription. Its product is read before it.

    https://docs.cdp.coinbase.com/exchange/websocket-feed/channels#level2-channel

    ``{"type":"snapshot","product_id":"BTC-USD","bids":[["10101.10","0.45054140"]],"asks":[["10102.55","0.57753524"]]}``
    """

    bids: list[Level[P]]
    asks: list[Level[P]]
    time: Moment | None = None


class Update(Struct, Generic[P], frozen=True, gc=False):
    """Changed levels, each with its side: sizes are absolute, zero removes. Its product is read before it.

    https://docs.cdp.coinbase.com/exchange/websocket-feed/channels#level2-batch-channel

    ``{"type":"l2update","product_id":"BTC-USD","changes":[["buy","22356.270000","0.00000000"],``
    ``["buy","22356.300000","1.00000000"]],"time":"2022-08-04T15:25:05.010758Z"}``
    """

    changes: list[tuple[WireSide, P, str]]
    time: Moment | None = None


# --- orders: https://docs.cdp.coinbase.com/exchange/websocket-feed/channels#full-channel


class _OrderMessage(Struct, frozen=True, gc=False, kw_only=True):
    """What every message of the full channel says. A private one has no sequence number."""

    product_id: str
    sequence: int | None = None
    time: Moment | None = None


class Received(_OrderMessage, frozen=True, gc=False, kw_only=True, tag="received"):
    """The engine took an order; it does not rest (yet).

    https://docs.cdp.coinbase.com/exchange/websocket-feed/channels#received

    ``{"type":"received","time":"2014-11-07T08:19:27.028459Z","product_id":"BTC-USD","sequence":10,``
    ``"order_id":"d50ec984-77a8-460a-b958-66f114b0de9b","size":"1.34","price":"502.1","side":"buy","order_type":"limit"}``
    """

    order_id: str


class Open(_OrderMessage, frozen=True, gc=False, kw_only=True, tag="open"):
    """What was left of an order rests now.

    https://docs.cdp.coinbase.com/exchange/websocket-feed/channels#open

    ``{"type":"open","time":"2014-11-07T08:19:27.028459Z","product_id":"BTC-USD","sequence":10,``
    ``"order_id":"d50ec984-77a8-460a-b958-66f114b0de9b","price":"200.2","remaining_size":"1.00","side":"sell"}``
    """

    order_id: str
    side: WireSide
    price: str
    remaining_size: str


class Match(_OrderMessage, frozen=True, gc=False, kw_only=True, tag="match"):
    """Two orders traded; `side` is that of the maker, the order which rested.

    https://docs.cdp.coinbase.com/exchange/websocket-feed/channels#match

    ``{"type":"match","trade_id":10,"sequence":50,"maker_order_id":"ac928c66-ca53-498f-9c13-a110027a60e8",``
    ``"taker_order_id":"132fb6ae-456b-4654-b4e0-d681ac05cea1","time":"2014-11-07T08:19:27.028459Z",``
    ``"product_id":"BTC-USD","size":"5.23512","price":"400.23","side":"sell"}``
    """

    trade_id: int
    maker_order_id: str
    side: WireSide
    price: str
    size: str


class Done(_OrderMessage, frozen=True, gc=False, kw_only=True, tag="done"):
    """An order is gone; it need not have rested. A market order has no price.

    https://docs.cdp.coinbase.com/exchange/websocket-feed/channels#done

    ``{"type":"done","time":"2014-11-07T08:19:27.028459Z","product_id":"BTC-USD","sequence":10,"price":"200.2",``
    ``"order_id":"d50ec984-77a8-460a-b958-66f114b0de9b","reason":"filled","side":"sell","remaining_size":"0"}``
    """

    order_id: str
    side: WireSide


class Change(_OrderMessage, frozen=True, gc=False, kw_only=True, tag="change"):
    """An order has another size (self-trade prevention), or another size and price (modified). It need not rest.

    Of a market order it is the funds that change, and there is no size.

    https://docs.cdp.coinbase.com/exchange/websocket-feed/channels#change

    ``{"type":"change","reason":"STP","time":"2014-11-07T08:19:27.028459Z","sequence":80,``
    ``"order_id":"ac928c66-ca53-498f-9c13-a110027a60e8","side":"sell","product_id":"BTC-USD",``
    ``"old_size":"12.234412","new_size":"5.23512","price":"400.23"}``
    · ``{"type":"change","reason":"modify_order","time":"2022-06-06T22:55:43.433114Z","sequence":24753,``
    ``"order_id":"c3f16063-77b1-408f-a743-88b7bc20cdcd","side":"buy","product_id":"ETH-USD","old_size":"80",``
    ``"new_size":"80","old_price":"7","new_price":"6"}``
    """

    order_id: str
    side: WireSide
    new_size: str | None = None
    new_price: str | None = None


class Schema(Struct, frozen=True, tag="level3"):
    """How the rows of the level3 channel are to be read: kind of message -> names of the columns.

    https://docs.cdp.coinbase.com/exchange/websocket-feed/channels#level3-channel

    ``{"type":"level3","schema":{"noop":["type","product_id","sequence","time"],``
    ``"done":["type","product_id","sequence","order_id","time"]}}``
    """

    schema: dict[str, list[str]]


# --- the rest of the feed: https://docs.cdp.coinbase.com/exchange/websocket-feed/overview


class Heartbeat(Struct, frozen=True, gc=False, tag="heartbeat"):
    """The product is served, told once a second.

    https://docs.cdp.coinbase.com/exchange/websocket-feed/channels#heartbeat-channel

    ``{"type":"heartbeat","sequence":90,"last_trade_id":20,"product_id":"BTC-USD","time":"2014-11-07T08:19:28.464459Z"}``
    """

    product_id: str


class Ticker(Struct, frozen=True, gc=False, kw_only=True, tag="ticker"):
    """Best bid and ask, told at each trade. Until 2022 it had no sizes.

    https://docs.cdp.coinbase.com/exchange/websocket-feed/channels#ticker-channel

    ``{"type":"ticker","sequence":37475248783,"product_id":"ETH-USD","price":"1285.22","best_bid":"1285.04",``
    ``"best_bid_size":"0.46688654","best_ask":"1285.27","best_ask_size":"1.56637040","side":"buy",``
    ``"time":"2022-10-19T23:28:22.061769Z","trade_id":370843401,"last_size":"11.4396987"}``
    """

    product_id: str
    best_bid: str
    best_ask: str
    best_bid_size: str | None = None
    best_ask_size: str | None = None
    sequence: int | None = None
    time: Moment | None = None


class Subscribed(Struct, frozen=True):
    """One channel of a `SubscriptionList`, and its products; some channels have none."""

    name: str
    product_ids: list[str] | None = None


class SubscriptionList(Struct, frozen=True, tag="subscriptions"):
    """The answer to every request: all that this connection is subscribed to now.

    https://docs.cdp.coinbase.com/exchange/websocket-feed/overview#subscribe

    ``{"type":"subscriptions","channels":[{"name":"level2","product_ids":["ETH-USD","ETH-EUR"]}]}``
    """

    channels: list[Subscribed]


class Problem(Struct, frozen=True, tag="error"):
    """A request was refused as a whole, or the connection is about to be ended.

    https://docs.cdp.coinbase.com/exchange/websocket-feed/errors

    ``{"type":"error","message":"Failed to subscribe","reason":"BTC-USB is not a valid product"}``
    """

    message: str = ""
    reason: str | None = None

    @property
    def text(self) -> str:
        """Both of its texts."""
        return ": ".join(filter(None, (self.message, self.reason)))


class Head(Struct, frozen=True):
    """Any message, just far enough to tell which it is and of what product."""

    type: str = ""
    product_id: str = ""


Message: TypeAlias = (
    Received
    | Open
    | Match
    | Done
    | Change
    | Schema
    | Heartbeat
    | Ticker
    | SubscriptionList
    | Problem
)  # fmt: skip
"""What the union decoder tells apart. Books, and what is not read (activate, last_match, status), are not in it."""


# --- REST: https://docs.cdp.coinbase.com/exchange/rest-api/requests


class ErrorBody(Struct, frozen=True):
    """The body of a response that is no success.

    https://docs.cdp.coinbase.com/exchange/rest-api/requests

    ``{"message":"Invalid Price"}``
    """

    message: str


class ServerTime(Struct, frozen=True):
    """The venue's clock.

    https://docs.cdp.coinbase.com/api-reference/exchange-api/rest-api/time/get-server-time

    ``{"iso":"2015-01-07T23:47:25.201Z","epoch":1420674445.201}``
    """

    iso: Moment


class Book(Struct, frozen=True, gc=False):
    """A book of aggregated levels: price, size, number of orders. In an auction it is only indicative.

    https://docs.cdp.coinbase.com/api-reference/exchange-api/rest-api/products/get-product-book

    ``{"sequence":13051505638,"bids":[["6247.58","6.3578146",2]],"asks":[["6251.52","2",1]],``
    ``"time":"2021-02-12T01:09:23.334Z"}``
    """

    bids: list[tuple[str, str, int]]
    asks: list[tuple[str, str, int]]
    time: Moment | None = None
    auction_mode: bool | None = None


class OrderBook(Struct, frozen=True, gc=False):
    """A book of single orders: price, size, order id; best first, and in the order of the queue within a price.

    https://docs.cdp.coinbase.com/api-reference/exchange-api/rest-api/products/get-product-book

    ``{"sequence":3,"bids":[["295.96","0.05","3b0f1225-7f84-490b-a29f-0faef9de823a"]],``
    ``"asks":[["295.97","5.7","da863862-25f4-4868-ac41-005d11ab0a5f"]]}``
    """

    sequence: int
    bids: list[tuple[str, str, str]]
    asks: list[tuple[str, str, str]]
    time: Moment | None = None
    auction_mode: bool | None = None


class Product(Struct, frozen=True, kw_only=True):
    """One product of /products.

    https://docs.cdp.coinbase.com/api-reference/exchange-api/rest-api/products/get-all-trading-pairs

    ``{"id":"BTC-USD","base_currency":"BTC","quote_currency":"USD","quote_increment":"0.01",``
    ``"base_increment":"0.00000001","min_market_funds":"1","post_only":false,"limit_only":false,"cancel_only":false,``
    ``"trading_disabled":false,"status":"online","auction_mode":false}``
    """

    id: str
    base_currency: str
    quote_currency: str
    quote_increment: Decimal
    base_increment: Decimal
    status: str
    min_market_funds: Decimal | None = None
    trading_disabled: bool | None = None
    auction_mode: bool | None = None
    cancel_only: bool | None = None
    post_only: bool | None = None
    limit_only: bool | None = None
