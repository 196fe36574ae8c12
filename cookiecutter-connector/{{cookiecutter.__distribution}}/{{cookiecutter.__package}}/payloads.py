"""What travels, typed: each structure with one raw example. Name the page of the venue's documentation with each of yours.

Whatever does not fit its structure is refused as malformed: a number that is none never reaches a book.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, TypeAlias

from msgspec import Meta, Struct
from venuekit_spec import Side

VENUE: Final = "{{ cookiecutter.venue }}"

REQUESTS: Final = "requests"
"""The rate limit that every request takes from."""

Number: TypeAlias = Annotated[str, Meta(pattern=r"\A-?[0-9]{1,30}(\.[0-9]{1,30})?\Z")]
"""A decimal number, in plain notation."""

Size: TypeAlias = Annotated[str, Meta(pattern=r"\A[0-9]{1,30}(\.[0-9]{1,30})?\Z")]
"""A decimal number without a sign: a price, a size."""

Level: TypeAlias = tuple[Size, Size]
"""A price and its size; zero: the level is gone."""

Milliseconds: TypeAlias = Annotated[int, Meta(ge=0, lt=10**14)]


class ServerTime(Struct, frozen=True):
    """``{"time":1767225600123}``"""

    time: Milliseconds


class Listed(Struct, frozen=True):
    """``{"symbol":"BTCUSDT","base":"BTC","quote":"USDT","tick":"0.01","step":"0.00001","least":"5","trading":true}``"""

    symbol: str
    base: str
    quote: str
    tick: Size
    step: Size
    least: Size
    trading: bool


class InstrumentList(Struct, frozen=True):
    """``{"instruments":[]}``"""

    instruments: list[Listed]


{% if cookiecutter.sync in ("range", "audit") -%}
class Book(Struct, frozen=True):
    """``{"symbol":"BTCUSDT","id":160,"bids":[["60000","1.4"]],"asks":[]}``"""

    symbol: str
    id: int
    bids: list[Level]
    asks: list[Level]


{% endif -%}
class ErrorBody(Struct, frozen=True):
    """``{"code":"funds","message":"not enough USDT"}``"""

    code: str
    message: str = ""


class Demand(Struct, frozen=True):
    """``{"op":"subscribe","channel":"book","symbol":"BTCUSDT"}``"""

    op: str
    channel: str
    symbol: str


class Subscribed(Struct, frozen=True, tag_field="type", tag="subscribed"):
    """``{"type":"subscribed","channel":"book","symbol":"BTCUSDT"}``"""

    channel: str
    symbol: str


class Ended(Struct, frozen=True, tag_field="type", tag="ended"):
    """``{"type":"ended","channel":"book","symbol":"NOSUCH","reason":"no such symbol"}``: refused, or left."""

    channel: str
    symbol: str
    reason: str


class TradeFrame(Struct, frozen=True, gc=False, tag_field="type", tag="trade"):
    """``{"type":"trade","symbol":"BTCUSDT","id":77,"price":"60000","size":"0.5","side":"buy","time":1767225600123}``"""

    channel: ClassVar = "trades"
    symbol: str
    id: int
    price: Size
    size: Size
    side: Side
    time: Milliseconds
