"""What travels between us and Hyperliquid, typed. Fields that nothing reads are left out; unknown ones are ignored.

Prices and sizes are text on the wire, times are milliseconds. A level is an object; its price is decoded as the text or as
the double of it, as `P` says.
"""

from __future__ import annotations

from typing import Annotated, Final, Generic, Literal, TypeAlias, TypeVar

from msgspec import Meta, Raw, Struct, field
from msgspec.json import Decoder

P = TypeVar("P", str, float)

VENUE: Final = "hyperliquid"
"""The venue id, and the name of the entry point."""

DOCS: Final = "https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api"

Milliseconds: TypeAlias = Annotated[int, Meta(ge=0, le=2**48)]
"""Since 1970; the bound lies some thousand years ahead."""

Number: TypeAlias = Annotated[str, Meta(pattern=r"\A[0-9]+(\.[0-9]+)?\Z", max_length=80)]
"""A price or a size: plain decimal text, never negative, never with an exponent."""

Decimals: TypeAlias = Annotated[int, Meta(ge=0, le=40)]
"""A number of decimals."""


# --- the socket, to the venue


class Subscription(Struct, frozen=True, omit_defaults=True):
    """What is subscribed to. In answers the venue fills the defaults in, as null or false.

    https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/websocket/subscriptions

    {"type":"l2Book","coin":"BTC","fast":true}
    """

    type: str
    coin: str = ""
    fast: bool | None = None


class Request(Struct, frozen=True):
    """Subscribe or unsubscribe: one stream a frame.

    https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/websocket/subscriptions

    {"method":"subscribe","subscription":{"type":"trades","coin":"SOL"}}
    """

    method: str
    subscription: Subscription


PING: Final = '{"method":"ping"}'
"""Asks for a sign of life; the answer is ``{"channel":"pong"}``.

https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/websocket/timeouts-and-heartbeats
"""

# --- the socket, from the venue


class Level(Struct, Generic[P], frozen=True, gc=False):
    """One price of a book and the size that rests there."""

    px: P
    sz: str


class Book(Struct, Generic[P], frozen=True, gc=False):
    """A whole book at one block: bids and asks, best first. Over REST the response, over the socket the data of a frame.

    https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/info-endpoint#l2-book-snapshot

    {"coin":"BTC","time":1754450974231,"levels":[[{"px":"113377.0","sz":"7.6699","n":17}],[{"px":"113397.0","sz":"0.11543",
    "n":3}]]}
    """

    coin: str
    time: Milliseconds
    levels: tuple[list[Level[P]], list[Level[P]]]


class Top(Struct, Generic[P], frozen=True, gc=False):
    """Best bid and best ask, null for an empty side; at each block that changes either."""

    coin: str
    time: Milliseconds
    bbo: tuple[Level[P] | None, Level[P] | None]


class PublicTrade(Struct, frozen=True, gc=False):
    """One trade. `side` is the taker's: B bought, A sold. `tid` is unique only together with the time and the coin.

    System fills, such as conversions of dust, have `tid` 0.
    """

    coin: str
    side: Literal["A", "B"]
    px: Number
    sz: Number
    time: Milliseconds
    tid: int


class Acknowledged(Struct, frozen=True):
    """Which request was carried out."""

    method: str
    subscription: Subscription


class BookFrame(Struct, Generic[P], frozen=True, gc=False, tag_field="channel", tag="l2Book"):
    """The whole book, again and again.

    https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/websocket/subscriptions

    {"channel":"l2Book","data":{"coin":"BTC","time":1790232236546,"levels":[[{"px":"84143.0","sz":"10.25923","n":36}],
    [{"px":"84144.0","sz":"50.66449","n":18}]]}}
    """

    data: Book[P]


class TopFrame(Struct, Generic[P], frozen=True, gc=False, tag_field="channel", tag="bbo"):
    """The top of a book.

    https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/websocket/subscriptions

    {"channel":"bbo","data":{"coin":"BTC","time":1790232236546,"bbo":[{"px":"84143.0","sz":"10.25923","n":36},null]}}
    """

    data: Top[P]


class TradesFrame(Struct, frozen=True, gc=False, tag_field="channel", tag="trades"):
    """Trades, oldest first. The first frame after a subscription holds those of the last seconds.

    https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/websocket/subscriptions

    {"channel":"trades","data":[{"coin":"BTC","side":"A","px":"84143.0","sz":"0.00036","time":1790232216193,"hash":"0x7a",
    "tid":1045359869404765,"users":["0x01","0x02"]}]}
    """

    data: list[PublicTrade]


class AcknowledgedFrame(Struct, frozen=True, tag_field="channel", tag="subscriptionResponse"):
    """The answer to a request that was carried out; it comes before the first data.

    https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/websocket/subscriptions

    {"channel":"subscriptionResponse","data":{"method":"subscribe","subscription":{"type":"l2Book","coin":"BTC",
    "nSigFigs":null,"mantissa":null,"fast":false}}}
    """

    data: Acknowledged


class ErrorFrame(Struct, frozen=True, tag_field="channel", tag="error"):
    r"""A request was not carried out. Nothing but the text tells which.

    https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/websocket/subscriptions

    {"channel":"error","data":"Already subscribed: {\"type\":\"trades\",\"coin\":\"BTC\"}"}
    """

    data: str


class PongFrame(Struct, frozen=True, tag_field="channel", tag="pong"):
    """The answer to a ping.

    https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/websocket/timeouts-and-heartbeats

    {"channel":"pong"}
    """


Told: TypeAlias = TradesFrame | AcknowledgedFrame | ErrorFrame | PongFrame
"""Every frame that is read and holds no levels."""

CHANNELS: Final = frozenset({"l2Book", "bbo", "trades", "subscriptionResponse", "error", "pong"})
"""Their channels; frames of any other are left alone."""

GREETING: Final = b"Websocket connection established"
"""How a first frame may begin, which is no JSON."""


class Head(Struct, frozen=True):
    """Any frame, just far enough to tell what could not be read."""

    channel: str = ""
    data: Raw = field(default_factory=Raw)


class Named(Struct, frozen=True):
    """The coin of data that could not be read."""

    coin: str = ""


FRAME_OF_TEXT: Final = Decoder(BookFrame[str] | TopFrame[str] | Told)
FRAME_OF_DOUBLES: Final = Decoder(BookFrame[float] | TopFrame[float] | Told, strict=False)
"""Not strict: it reads a number from text."""
SUBSCRIPTION: Final = Decoder(Subscription)
HEAD: Final = Decoder(Head)
NAMED: Final = Decoder(Named | list[Named])

# --- POST /info


class ExchangeStatus(Struct, frozen=True):
    """The venue's clock, and whether anything is out of the ordinary.

    https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/rate-limits-and-user-limits

    {"time":1754450974231,"specialStatuses":null}
    """

    time: Milliseconds


class PerpMeta(Struct, frozen=True, rename="camel"):
    """The perpetuals of one exchange, by position; each still as bytes, so that a bad one costs itself alone.

    `collateral_token` is the index of the token that they are margined and quoted in.

    https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/info-endpoint/perpetuals

    {"universe":[{"name":"BTC","szDecimals":5,"maxLeverage":40,"marginTableId":56}],"marginTables":[],"collateralToken":0}
    """

    universe: list[Raw]
    collateral_token: int | None = None


class Perp(Struct, frozen=True, rename="camel"):
    """One perpetual. A delisted one keeps its position.

    https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/info-endpoint/perpetuals

    {"name":"MATIC","szDecimals":1,"maxLeverage":20,"marginTableId":20,"isDelisted":true}
    """

    name: str
    sz_decimals: Decimals
    is_delisted: bool | None = None


class SpotMeta(Struct, frozen=True):
    """Tokens, and the pairs that are traded; each still as bytes, so that a bad one costs itself alone.

    https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/info-endpoint/spot

    {"tokens":[{"name":"USDC","szDecimals":8,"weiDecimals":8,"index":0,"tokenId":"0x6d1e7cde53ba9467b783cb7c530ce054",
    "isCanonical":true}],"universe":[{"name":"PURR/USDC","tokens":[1,0],"index":0,"isCanonical":true}]}
    """

    tokens: list[Raw]
    universe: list[Raw]


class Token(Struct, frozen=True, rename="camel"):
    """One token, known by its `index`, not by its position.

    https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/info-endpoint/spot

    {"name":"PURR","szDecimals":0,"weiDecimals":5,"index":1,"tokenId":"0xc1fb593aeffbeb02f85e0308e9956a90",
    "isCanonical":true}
    """

    name: str
    index: int
    sz_decimals: Decimals


class SpotPair(Struct, frozen=True):
    """One pair: the indexes of its base and quote token, and its own.

    https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/info-endpoint/spot

    {"name":"@107","tokens":[150,0],"index":107,"isCanonical":false}
    """

    name: str
    tokens: tuple[int, int]
    index: int
