"""Exchange A's wire structures, each with the section of PROTOCOL.md that tells of it and one raw example.

The connector decodes with them and the dialect encodes with them. Prices and quantities are decimal text in plain notation,
times are milliseconds. Level lists are handed on just as the decoder makes them: nothing is made or called per level.
"""

from __future__ import annotations

from typing import Annotated, Final, Generic, TypeAlias, TypeVar

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

P = TypeVar("P", str, float)

VENUE: Final = "exchange_a"

Number: TypeAlias = Annotated[str, Meta(pattern=r"\A-?[0-9]{1,30}(\.[0-9]{1,30})?\Z")]
"""A decimal number as text, in plain notation."""

Milliseconds: TypeAlias = Annotated[int, Meta(ge=0, lt=10**14)]
"""A time, counted since the Unix epoch."""

Level: TypeAlias = tuple[P, str]
"""Price and absolute size; size zero removes the level. The price is the wire's text, or the double of it."""


# --- errors and public data by REST


class ErrorBody(Struct, frozen=True):
    """An error: the body of a REST response, and part of an answer on a socket. PROTOCOL.md, "Errors".

    ``{"code":-2011,"msg":"no such open order"}``
    """

    code: int
    msg: str = ""


class ServerTime(Struct, frozen=True):
    """The venue's clock. PROTOCOL.md, "Market data".

    ``{"time":1767225600000}``
    """

    time: Milliseconds


class Limit(Struct, frozen=True, omit_defaults=True):
    """One rate limit: `limit` per `period` seconds, of which `used` are spent. PROTOCOL.md, "Limits".

    ``{"pool":"weight","limit":6000,"period":60,"used":12}``
    """

    pool: str
    limit: int
    period: int
    used: int = 0


class Limits(Struct, frozen=True):
    """The rate limits, part of the instrument list and of account/limits. PROTOCOL.md, "Limits".

    ``{"limits":[{"pool":"orders","limit":100,"period":10,"used":3}]}``
    """

    limits: list[Limit]


class InstrumentList(Struct, frozen=True):
    """What is listed, each still as bytes, so that a bad one costs itself alone. PROTOCOL.md, "Instruments".

    ``{"limits":[],"instruments":[{"symbol":"BTCUSDT","base":"BTC","quote":"USDT"}]}``
    """

    instruments: list[Raw]
    limits: list[Limit] = []


class Listed(Struct, frozen=True, rename="camel", omit_defaults=True):
    """One instrument. What is absent sets no bound. PROTOCOL.md, "Instruments".

    ``{"symbol":"MATICUSDT","base":"POL","quote":"USDT","status":"trading","tickSize":"0.0001","stepSize":"0.1",``
    ``"quoteStep":"0.01","minQuantity":"0.1","minNotional":"5","maxOpenOrders":200}``
    """

    symbol: str
    base: str
    quote: str
    status: str
    tick_size: Number
    step_size: Number
    min_price: Number | None = None
    max_price: Number | None = None
    min_quantity: Number | None = None
    max_quantity: Number | None = None
    max_market_quantity: Number | None = None
    quote_step: Number | None = None
    min_notional: Number | None = None
    max_notional: Number | None = None
    max_open_orders: int | None = None


class Depth(Struct, frozen=True, gc=False):
    """A snapshot of the book, best level first; `id` is that of the last change in it. PROTOCOL.md, "Order books".

    ``{"symbol":"BTCUSDT","id":160,"time":1767225600000,"bids":[["60000.00","1.5"]],"asks":[["60000.01","0.2"]]}``
    """

    symbol: str
    id: int
    time: Milliseconds
    bids: list[Level[str]]
    asks: list[Level[str]]


# --- the market stream


class DepthUpdate(Struct, Generic[P], frozen=True, gc=False, rename={"first": "U", "last": "u"}):
    """Changed levels; covers every change from `first` to `last`. PROTOCOL.md, "Order books".

    ``{"topic":"depth:BTCUSDT","U":157,"u":160,"time":1767225600100,"bids":[["60000.00","1.4"]],"asks":[]}``
    """

    topic: str
    first: int
    last: int
    time: Milliseconds
    bids: list[Level[P]]
    asks: list[Level[P]]


class TradeUpdate(Struct, frozen=True, gc=False):
    """One trade; `side` is the taker's, ids rise. PROTOCOL.md, "Market stream".

    ``{"topic":"trades:BTCUSDT","id":12,"time":1767225600100,"price":"60000.00","size":"0.1","side":"sell"}``
    """

    topic: str
    id: int
    time: Milliseconds
    price: str
    size: str
    side: str


class TopUpdate(Struct, frozen=True, gc=False):
    """Best bid and ask, null for an empty side. PROTOCOL.md, "Market stream".

    ``{"topic":"top:BTCUSDT","id":160,"time":1767225600100,"bid":["60000.00","1.4"],"ask":["60000.01","0.2"]}``
    """

    topic: str
    id: int
    time: Milliseconds
    bid: Level[str] | None
    ask: Level[str] | None


class Refusal(Struct, frozen=True):
    """One topic that is not served. PROTOCOL.md, "Market stream".

    ``{"topic":"depth:NONE","code":-1121,"msg":"no such symbol"}``
    """

    topic: str
    code: int
    msg: str = ""


class StreamFrame(Struct, frozen=True):
    """Any frame that is not data: the answer to a request, or an error. PROTOCOL.md, "Market stream".

    ``{"id":1,"refused":[]}`` · ``{"id":2,"error":{"code":-1100,"msg":"too many topics"}}``
    """

    id: int | None = None
    refused: list[Refusal] = []
    error: ErrorBody | None = None
    topic: str | None = None


# --- private data


class Fee(Struct, frozen=True):
    """What an execution cost. PROTOCOL.md, "Orders".

    ``{"asset":"USDT","amount":"1.2"}``
    """

    asset: str
    amount: Number


class Execution(Struct, frozen=True, rename="camel"):
    """One execution of one of our orders; `id` is unique for the account. PROTOCOL.md, "Orders".

    ``{"id":"77","symbol":"BTCUSDT","orderId":"9","clientOrderId":"vk1","side":"buy","price":"60000.00",``
    ``"quantity":"0.01","fees":[{"asset":"USDT","amount":"1.2"}],"maker":false,"time":1767225600000}``
    """

    id: str
    symbol: str
    order_id: str
    client_order_id: str
    side: str
    price: Number
    quantity: Number
    fees: list[Fee]
    maker: bool
    time: Milliseconds


class Order(Struct, frozen=True, rename="camel", omit_defaults=True):
    """An order, wholly (REST, first report) or what has changed (later reports). PROTOCOL.md, "Orders".

    ``{"symbol":"BTCUSDT","orderId":"9","status":"open","clientOrderId":"vk1","side":"buy","type":"limit",``
    ``"price":"60000.00","quantity":"0.5","filled":"0","spent":"0","time":1767225600000}``
    · ``{"symbol":"BTCUSDT","orderId":"9","status":"canceled","time":1767225601000}``
    """

    symbol: str
    order_id: str
    status: str
    client_order_id: str | None = None
    side: str | None = None
    type: str | None = None
    price: Number | None = None
    quantity: Number | None = None
    filled: Number | None = None
    spent: Number | None = None
    reason: str | None = None
    time: Milliseconds = 0
    fills: list[Execution] = []


class Orders(Struct, frozen=True):
    """Several orders. PROTOCOL.md, "Orders".

    ``{"orders":[{"symbol":"BTCUSDT","orderId":"9","status":"canceled","time":1767225601000}]}``
    """

    orders: list[Order]


class BatchItem(Struct, frozen=True, omit_defaults=True):
    """The result of one cancel of a batch: the order or an error. PROTOCOL.md, "Orders".

    ``{"error":{"code":-2011,"msg":"no such open order"}}``
    """

    order: Order | None = None
    error: ErrorBody | None = None


class Batch(Struct, frozen=True):
    """The results of a batch, in the order in which they were asked for. PROTOCOL.md, "Orders".

    ``{"results":[{"error":{"code":-2011,"msg":"no such open order"}}]}``
    """

    results: list[BatchItem]


class Named(Struct, frozen=True, rename="camel", omit_defaults=True):
    """How an order of a batch is named. PROTOCOL.md, "Orders".

    ``[{"symbol":"BTCUSDT","orderId":"9"}]``
    """

    symbol: str
    order_id: str | None = None
    client_order_id: str | None = None


class Page(Struct, frozen=True):
    """Executions, oldest first; `more`: the page is full, ask for what comes after its last. PROTOCOL.md, "Orders".

    ``{"fills":[],"more":false}``
    """

    fills: list[Execution]
    more: bool


class Balance(Struct, frozen=True):
    """What the account holds of an asset; absolute. PROTOCOL.md, "Account".

    ``{"asset":"USDT","total":"1000","free":"940","held":"60"}``
    """

    asset: str
    total: Number
    free: Number
    held: Number


class Balances(Struct, frozen=True):
    """The whole account. PROTOCOL.md, "Account".

    ``{"balances":[{"asset":"USDT","total":"1000","free":"940","held":"60"}]}``
    """

    balances: list[Balance]


class Fees(Struct, frozen=True):
    """Fractions of the notional. PROTOCOL.md, "Account".

    ``{"maker":"0.001","taker":"0.002"}``
    """

    maker: Number
    taker: Number


class Permitted(Struct, frozen=True):
    """What the key may do. PROTOCOL.md, "Account".

    ``{"read":true,"trade":true,"withdraw":false,"addresses":[]}``
    """

    read: bool
    trade: bool
    withdraw: bool
    addresses: list[str] = []


# --- private sockets


class Token(Struct, frozen=True):
    """A token of the user stream. PROTOCOL.md, "User stream".

    ``{"token":"5f0c...","expires":1767229200000}``
    """

    token: str
    expires: Milliseconds

    def __repr__(self) -> str:
        return f"Token(expires={self.expires})"


class UserFrame(Struct, frozen=True):
    """A frame of the user stream: `n` rises by one from 1. PROTOCOL.md, "User stream".

    ``{"n":3,"type":"balance","data":{"asset":"USDT","total":"1000","free":"940","held":"60"}}``
    · ``{"n":1,"type":"welcome"}`` · ``{"n":9,"type":"beat"}`` · ``{"n":12,"type":"expired"}``
    """

    n: Annotated[int, Meta(ge=1)]
    type: str
    data: Raw = Raw(b"null")


class CallAnswer(Struct, frozen=True, rename="camel"):
    """An answer to a call: that it has arrived, then its result or an error. PROTOCOL.md, "Calls".

    ``{"id":"7","ack":true}`` · ``{"id":"7","status":200,"result":{},"used":{"weight":3,"orders":1}}``
    · ``{"id":"7","status":429,"error":{"code":-1004,"msg":"too many orders"},"retryAfter":4}``
    """

    id: str | None = None
    ack: bool = False
    status: int = 0
    result: Raw | UnsetType = UNSET
    error: ErrorBody | None = None
    used: dict[str, int] = {}
    retry_after: Annotated[int, Meta(ge=0)] | None = None
