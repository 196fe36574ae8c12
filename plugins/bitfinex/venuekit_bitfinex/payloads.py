"""What travels, typed: each with one raw example. Numbers are bare, and read from their text without loss."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from msgspec import Struct, field
from msgspec.json import Decoder

VENUE: Final = "bitfinex"


class Event(Struct):
    """``{"event":"subscribed","channel":"book","chanId":225206,"symbol":"tBTCUSD","prec":"P0","freq":"F0","len":"100"}``

    ``{"event":"error","msg":"subscribe: dup","code":10301,"channel":"book","symbol":"tBTCUSD"}``
    """

    event: str
    channel: str = ""
    symbol: str = ""
    id: int | None = field(default=None, name="chanId")
    code: int = 0
    msg: str = ""


EVENT: Final = Decoder(Event)

ARRAY: Final = Decoder(list[int | str | list[Decimal | list[Decimal]]])
"""``[225206,[215350,0,1],18,1618677543951]``: channel, content (perhaps with a word before it), number, milliseconds."""

MARKETS: Final = Decoder(tuple[list[str], list[tuple[str, list[Decimal | None]]], list[tuple[str, str]]])
"""``[["BTCUSD"],[["BTCUSD",[null,null,null,"0.00004","2000.0",null,null,null,0.2,0.1,null,null]]],[["UST","USDt"]]]``"""
