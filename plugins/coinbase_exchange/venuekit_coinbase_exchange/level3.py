"""The rows of the level3 channel -> order events.

The venue sends the schema first: which column of a row of which kind is what. A row is read by the names of its columns and
never by their places, so a column that is moved or added changes nothing. Every row is one step of the product's sequence, so
a kind that is not known moves the sequence and nothing else. Numbers are text here, the sequence number too.

==========  =====================================================================
kind        event
==========  =====================================================================
open        `OrderAction.OPEN`: side, price, size
change      `OrderAction.CHANGE`: what rests from now on, size and price
match       `OrderAction.MATCH` of the maker's order: the size that was executed
done        `OrderAction.DONE`
noop        `OrderAction.NOTHING`
==========  =====================================================================

https://docs.cdp.coinbase.com/exchange/websocket-feed/channels#level3-channel
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

import msgspec

from venuekit_coinbase_exchange.description import COMPACT
from venuekit_coinbase_exchange.payloads import VENUE, Moment, Schema
from venuekit_spec import (
    Channel,
    Instant,
    InstrumentTable,
    MalformedMessage,
    OrderAction,
    OrderEvent,
    Side,
    Topic,
    decode,
    instant_of,
)

ACTIONS: Final[Mapping[str, OrderAction]] = MappingProxyType({
    "open": OrderAction.OPEN,
    "change": OrderAction.CHANGE,
    "match": OrderAction.MATCH,
    "done": OrderAction.DONE,
})  # fmt: skip
"""What a row of a kind does to the book; one of another kind does nothing."""

SIDES: Final[Mapping[str, Side]] = MappingProxyType({"buy": Side.BUY, "sell": Side.SELL})

MAXIMUM_DIGITS: Final = 18
"""No sequence number has more."""

_row = msgspec.json.Decoder(list[str | int | None])


class Level3:
    """The rows of one connection. Before a schema came there is none to read them by."""

    __slots__ = ("_columns", "_ids")

    def __init__(self, instruments: InstrumentTable) -> None:
        self._ids = instruments.ids_by_native("socket")
        self._columns: Mapping[str, Sequence[str]] = {}

    def learn(self, told: Schema) -> None:
        """The venue told the schema."""
        self._columns = told.schema

    def read(self, frame: bytes, now: Instant) -> OrderEvent | None:
        """A row -> its event; None for a product that is not listed. Raises `MalformedMessage`."""
        row = decode(_row, frame, COMPACT, venue=VENUE)
        kind = str(row[0]) if row else ""
        columns = self._columns.get(kind)
        if columns is None or len(columns) != len(row):
            raise MalformedMessage("a row without a schema", venue=VENUE, topic=COMPACT, frame=frame)
        told = {name: str(value) for name, value in zip(columns, row, strict=True) if value is not None}
        instrument = self._ids.get(told.get("product_id", ""))
        return None if instrument is None else _event(told, kind, instrument, frame, now)


def _event(told: Mapping[str, str], kind: str, instrument: str, frame: bytes, now: Instant) -> OrderEvent:
    action = ACTIONS.get(kind, OrderAction.NOTHING)
    sequence = told.get("sequence", "")
    order_id = told.get("maker_order_id" if action is OrderAction.MATCH else "order_id", "")
    sound = sequence.isascii() and sequence.isdecimal() and len(sequence) <= MAXIMUM_DIGITS
    if not sound or not (order_id or action is OrderAction.NOTHING):
        raise MalformedMessage(
            "a row without number or order",
            venue=VENUE,
            topic=str(Topic(Channel.ORDERS, instrument, COMPACT)),
            instrument=instrument,
            frame=frame,
        )
    return OrderEvent(
        instrument=instrument,
        action=action,
        order_id=order_id,
        side=SIDES.get(told.get("side", "")),
        price=told.get("price", ""),
        size=told.get("size", ""),
        last=int(sequence),
        time=_time(told.get("time", "")),
        received=now,
    )


def _time(text: str) -> Instant:
    """The instant of a row; 0 where it tells none that can be read, as nothing rests on it."""
    try:
        return instant_of(msgspec.convert(text, Moment))
    except msgspec.ValidationError:
        return 0
