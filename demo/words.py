"""What the demo and its trading client say to each other: one JSON line each, numbers as decimal text."""

from __future__ import annotations

from decimal import Decimal
from typing import Final, TypeAlias

import msgspec
from msgspec import Struct

from venuekit_spec import Side


class Place(Struct, frozen=True, tag=True):
    """To the client: place a limit order."""

    pair: str
    side: Side
    quantity: Decimal
    price: Decimal


class AskMoney(Struct, frozen=True, tag=True):
    """To the client: ask for the balances."""


class OrderSaid(Struct, frozen=True, tag=True):
    """An order as the client has it now. `fills` counts them; `fees` are by asset."""

    client_order_id: str
    side: Side
    quantity: Decimal
    price: Decimal | None
    state: str
    filled: Decimal
    average_price: Decimal | None
    fills: int
    fees: dict[str, Decimal]
    complete: bool


class Opened(Struct, frozen=True, tag=True):
    """The client has opened the venue; `found` is what its store says is not over yet."""

    found: list[OrderSaid]


class Money(Struct, frozen=True, tag=True):
    """Balances by asset: total, and what of it is held for open orders."""

    assets: dict[str, tuple[Decimal, Decimal]]


class Compared(Struct, frozen=True, tag=True):
    """The client has compared its store with the venue; `failures` counts what could not be asked."""

    reason: str
    failures: int


Command: TypeAlias = Place | AskMoney
Word: TypeAlias = Opened | OrderSaid | Money | Compared

commands: Final = msgspec.json.Decoder[Command](Command)
words: Final = msgspec.json.Decoder[Word](Word)


def line(said: Command | Word) -> bytes:
    """One of them as a line."""
    return msgspec.json.encode(said) + b"\n"
