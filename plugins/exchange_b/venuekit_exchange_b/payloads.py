"""Exchange B's wire structures, each with the section of PROTOCOL.md that tells of it and one raw example.

The connector decodes with them and the dialect encodes with them. Prices and sizes are integers in quanta of their market,
amounts of an asset are integers as text in units of 10**-18, hashes and client ids are hexadecimal text, heights are integers.
"""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

from msgspec import Meta, Raw, Struct

VENUE: Final = "exchange_b"

Quanta: TypeAlias = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
"""A price or a size, in quanta of its market."""

Amount: TypeAlias = Annotated[str, Meta(pattern=r"\A-?[0-9]{1,40}\Z")]
"""An amount of an asset, in units of 10**-18."""

Address: TypeAlias = Annotated[str, Meta(pattern=r"\A0x[0-9a-f]{40}\Z")]
"""An account or a signer."""

Hash: TypeAlias = Annotated[str, Meta(pattern=r"\A0x[0-9a-f]{64}\Z")]
"""An order, a challenge."""

ClientId: TypeAlias = Annotated[str, Meta(pattern=r"\A0x[0-9a-f]{32}\Z")]
"""An order in its placer's words, 128 bits."""

Number: TypeAlias = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
"""A nonce, a height, a market, a time in milliseconds."""

MarketId: TypeAlias = Annotated[int, Meta(ge=0, lt=1 << 32)]


# --- errors and public data by REST


class Failure(Struct, frozen=True):
    """Why something was refused; `label` is what it is known by. PROTOCOL.md, "Errors".

    ``{"label":"nonceReplayed","text":"this nonce was used before"}``
    """

    label: str
    text: str = ""


class ErrorBody(Struct, frozen=True):
    """A refusal: the body of a response whose status is 200 all the same. PROTOCOL.md, "Errors".

    ``{"error":{"label":"unknownOrder","text":"no such order"}}``
    """

    error: Failure | None = None


class ChainState(Struct, frozen=True):
    """The venue's clock and its height. PROTOCOL.md, "Chain".

    ``{"chain":8702,"time":1767225600123,"height":189388800}``
    """

    chain: int
    time: Number
    height: Number


class MarketList(Struct, frozen=True):
    """What is listed, each still as bytes, so that a bad one costs itself alone. PROTOCOL.md, "Markets".

    ``{"markets":[{"market":1,"kind":"spot","base":"BTC","quote":"USDC"}]}``
    """

    markets: list[Raw]


class Listed(Struct, frozen=True, rename="camel", omit_defaults=True):
    """One market. `tick` and `lot` are in quanta, `min_notional` in price times size quanta. PROTOCOL.md, "Markets".

    ``{"market":3,"kind":"perpetual","base":"BTC","quote":"USDC","status":"trading","priceExponent":-1,"sizeExponent":-5,``
    ``"tick":1,"lot":1,"minSize":1,"maxSize":1000000000,"maxPrice":10000000,"minNotional":5000000,"maxLeverage":20}``
    """

    market: MarketId
    kind: str
    base: str
    quote: str
    status: str
    price_exponent: Annotated[int, Meta(ge=-18, le=18)]
    size_exponent: Annotated[int, Meta(ge=-18, le=18)]
    tick: Annotated[int, Meta(gt=0)]
    lot: Annotated[int, Meta(gt=0)]
    min_size: int | None = None
    max_size: int | None = None
    max_price: int | None = None
    min_notional: int | None = None
    max_orders: int | None = None
    max_leverage: int | None = None


class Resting(Struct, frozen=True, gc=False, array_like=True):
    """One resting order: its hash, whether it buys, price, size. PROTOCOL.md, "Order books".

    ``["0x5f...",true,600000,150000]``
    """

    order: Hash
    buy: bool
    price: Quanta
    size: Quanta


class Book(Struct, frozen=True):
    """Every resting order of a market, per price in queue order. PROTOCOL.md, "Order books".

    ``{"market":1,"orders":[["0x5f...",true,600000,150000]]}``
    """

    market: MarketId
    orders: list[Resting]


# --- the public stream


class Change(Struct, frozen=True, gc=False, omit_defaults=True):
    """What happened to one resting order. PROTOCOL.md, "Order books".

    ``{"do":"open","order":"0x5f...","buy":true,"price":600000,"size":150000}`` · ``{"do":"done","order":"0x5f..."}``
    """

    do: str
    order: str
    buy: bool | None = None
    price: Quanta | None = None
    size: Quanta | None = None


class PublicTrade(Struct, frozen=True, gc=False):
    """One trade; `buy`: the taker bought. PROTOCOL.md, "Public stream".

    ``{"trade":"77","buy":true,"price":600000,"size":150000}``
    """

    trade: str
    buy: bool
    price: Quanta
    size: Quanta


class PublicFrame(Struct, frozen=True, omit_defaults=True):
    """A frame of the public stream: data of a market, an answer, a ping, or a height. PROTOCOL.md, "Public stream".

    ``{"market":1,"snapshot":[["0x5f...",true,600000,150000]]}`` · ``{"market":1,"changes":[{"do":"done","order":"0x5f..."}]}``
    · ``{"market":1,"trades":[]}`` · ``{"market":1,"status":"halted"}`` · ``{"id":3}`` · ``{"ping":17}``
    · ``{"height":189388800}`` · ``{"id":4,"error":{"label":"unknownMarket"}}``
    """

    market: MarketId | None = None
    snapshot: list[Resting] | None = None
    changes: list[Change] | None = None
    trades: list[PublicTrade] | None = None
    status: str | None = None
    id: int | None = None
    error: Failure | None = None
    ping: int | None = None
    height: Number | None = None


class Demand(Struct, frozen=True):
    """What a client asks on the public stream. PROTOCOL.md, "Public stream".

    ``{"id":3,"op":"subscribe","channel":"orders","market":1}``
    """

    id: Number
    op: str
    channel: str
    market: MarketId


class Pong(Struct, frozen=True):
    """The answer to a ping: its id. PROTOCOL.md, "Public stream".

    ``{"pong":17}``
    """

    pong: int


# --- what an account has


class OrderState(Struct, frozen=True, omit_defaults=True, tag_field="is", tag="order"):
    """An order. `spent` is in price quanta times size quanta; `expires` is a height. PROTOCOL.md, "Orders".

    ``{"is":"order","order":"0x5f...","client":"0x76...","market":1,"status":"open","buy":true,"price":600000,"size":5000,``
    ``"filled":0,"spent":0,"expires":189389100,"finality":"final","time":1767225600000}``
    """

    order: Hash
    client: ClientId
    market: MarketId
    status: str
    buy: bool
    price: Quanta
    size: Quanta
    filled: Quanta
    spent: Quanta
    expires: Number
    finality: str
    time: Number
    reason: str = ""


class Execution(Struct, frozen=True, omit_defaults=True, tag_field="is", tag="fill"):
    """One execution of an order; `key` is unique for the account. PROTOCOL.md, "Orders".

    ``{"is":"fill","key":"77t","order":"0x5f...","client":"0x76...","market":1,"buy":true,"price":600000,"size":5000,``
    ``"fee":"60000000000000000","asset":"USDC","maker":false,"finality":"provisional","time":1767225600000}``
    """

    key: str
    order: Hash
    client: ClientId
    market: MarketId
    buy: bool
    price: Quanta
    size: Quanta
    fee: Amount
    asset: str
    maker: bool
    finality: str
    time: Number


class Holding(Struct, frozen=True, tag_field="is", tag="balance"):
    """What the account holds of an asset; absolute. PROTOCOL.md, "Account".

    ``{"is":"balance","asset":"USDC","total":"1000000000000000000","held":"0"}``
    """

    asset: str
    total: Amount
    held: Amount


class HeldPosition(Struct, frozen=True, omit_defaults=True, tag_field="is", tag="position"):
    """A position; `size` negative is short, `entry` is text of the price. PROTOCOL.md, "Account".

    ``{"is":"position","market":3,"size":-5000,"entry":"60000.5","leverage":1000}``
    """

    market: MarketId
    size: int
    entry: Annotated[str, Meta(pattern=r"\A[0-9]{1,30}(\.[0-9]{1,30})?\Z")] | None = None
    leverage: Annotated[int, Meta(gt=0)] | None = None
    """Hundredths: 1000 is ten times."""


class Funding(Struct, frozen=True, omit_defaults=True, tag_field="is", tag="funding"):
    """Funding that a position was paid (or paid, negative). `rate` in units of 10**-18. PROTOCOL.md, "Account".

    ``{"is":"funding","key":"9","market":3,"asset":"USDC","amount":"-600000000000000000","time":1767225600000}``
    """

    key: str
    market: MarketId
    asset: str
    amount: Amount
    time: Number
    rate: Amount | None = None
    size: int | None = None


class Reached(Struct, frozen=True, tag_field="is", tag="height"):
    """A block was added; what the frame before it tells is of this block or older. PROTOCOL.md, "Chain".

    ``{"is":"height","height":189388800,"time":1767225600000}``
    """

    height: Number
    time: Number


News: TypeAlias = OrderState | Execution | Holding | HeldPosition | Funding | Reached
"""What an account is told."""


class AccountFrame(Struct, frozen=True, omit_defaults=True):
    """A frame of the account stream: a challenge, a login, a ping, or numbered news. PROTOCOL.md, "Account stream".

    ``{"challenge":"0x8d..."}`` · ``{"login":true}`` · ``{"error":{"label":"unknownSigner"}}`` · ``{"ping":17}``
    · ``{"n":1,"news":[{"is":"height","height":189388800,"time":1767225600000}]}``
    """

    challenge: Hash | None = None
    login: bool = False
    error: Failure | None = None
    ping: int | None = None
    n: Annotated[int, Meta(ge=1)] | None = None
    news: list[Raw] = []


class Orders(Struct, frozen=True):
    """Several orders, oldest first. PROTOCOL.md, "Orders".

    ``{"orders":[]}``
    """

    orders: list[OrderState]


class Page(Struct, frozen=True):
    """Executions, oldest first; `more`: the page is full, ask for what comes after its last. PROTOCOL.md, "Orders".

    ``{"fills":[],"more":false}``
    """

    fills: list[Execution]
    more: bool


class Holdings(Struct, frozen=True):
    """The whole account. PROTOCOL.md, "Account".

    ``{"balances":[{"is":"balance","asset":"USDC","total":"1","held":"0"}]}``
    """

    balances: list[Holding]


class Positions(Struct, frozen=True):
    """Positions that are not flat. PROTOCOL.md, "Account".

    ``{"positions":[{"is":"position","market":3,"size":-5000}]}``
    """

    positions: list[HeldPosition]


class Fundings(Struct, frozen=True):
    """Funding, oldest first. PROTOCOL.md, "Account".

    ``{"funding":[]}``
    """

    funding: list[Funding]


class Fees(Struct, frozen=True):
    """Fractions of the notional, in units of 10**-18. PROTOCOL.md, "Account".

    ``{"maker":"100000000000000","taker":"500000000000000"}``
    """

    maker: Amount
    taker: Amount


# --- answers to signed actions


class Item(Struct, frozen=True, omit_defaults=True):
    """What became of one order of an action: taken into the pool, or refused. PROTOCOL.md, "Actions".

    ``{"order":{"is":"order","status":"pending"}}`` · ``{"error":{"label":"unknownOrder"}}``
    """

    order: OrderState | None = None
    error: Failure | None = None


class Results(Struct, frozen=True):
    """One result per order of an action, in its order. PROTOCOL.md, "Actions".

    ``{"results":[{"error":{"label":"tick","text":"the price is no multiple of the tick"}}]}``
    """

    results: list[Item]


class Done(Struct, frozen=True, omit_defaults=True):
    """An action of another kind was carried out; who signed it. PROTOCOL.md, "Actions".

    ``{"done":true,"signer":"0x1f...","height":189388800}``
    """

    done: bool
    signer: Address
    height: Number
