"""What happens to orders, as the venue numbers it: one sequence per product, the same for every connection.

==============================================  ===========================================================
the engine tells                                messages
==============================================  ===========================================================
an order is taken                               received
a trade                                         match, then done of the maker where it was all of it
an order rests                                  open (also after it was amended)
an order has less                               change
an order is over, whether it rested or not      done
==============================================  ===========================================================

A done of an order that a trade ended comes after its match, though the engine tells it before. Ids are UUIDs, made from the
engine's. After a restart the sequences begin anew.

https://docs.cdp.coinbase.com/exchange/websocket-feed/channels#full-channel
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from msgspec import Struct

from venuekit_coinbase_exchange.dialect.listings import text
from venuekit_spec import (
    MICROSECOND,
    Engine,
    EngineEvent,
    Instant,
    OrderAction,
    OrderChanged,
    OrderEvent,
    OrderStatus,
    TradeHappened,
    VenueOrder,
)

REMEMBERED: Final = 10_000
"""Messages, over all products: more than come between two moments at which connections are told."""

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

SCHEMA: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType({
    "change": ("type", "product_id", "sequence", "order_id", "price", "size", "time"),
    "done": ("type", "product_id", "sequence", "order_id", "time"),
    "match": ("type", "product_id", "sequence", "maker_order_id", "taker_order_id", "price", "size", "time"),
    "noop": ("type", "product_id", "sequence", "time"),
    "open": ("type", "product_id", "sequence", "order_id", "side", "price", "size", "time"),
})  # fmt: skip
"""The columns of the level3 channel, by kind of row."""

_COLUMNS: Final = MappingProxyType({
    ("open", "size"): "remaining_size",
    ("change", "size"): "new_size",
})  # fmt: skip
"""Where a column and the field of the full channel have different names."""


class Message(Struct, frozen=True):
    """One message of a product."""

    instrument: str
    kind: str
    full: Mapping[str, Any]

    @property
    def row(self) -> list[Any]:
        """It, as the level3 channel has it. The sequence is text there."""
        kind = self.kind if self.kind in SCHEMA else "noop"
        told = {**self.full, "type": kind, "sequence": str(self.full["sequence"])}
        return [told[_COLUMNS.get((kind, column), column)] for column in SCHEMA[kind]]


class _Product(Struct):
    sequence: int = 0
    trade_id: int = 0
    last_match: Message | None = None


class Tape:
    """The messages of every product, as they happen."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._products: dict[str, _Product] = defaultdict(_Product)
        self._messages: deque[Message] = deque(maxlen=REMEMBERED)
        self._count = 0
        self._trade: TradeHappened | None = None
        self._ended: list[VenueOrder] = []
        engine.listen(self._happened)

    @property
    def position(self) -> int:
        """How many messages there were."""
        return self._count

    def since(self, position: int) -> Sequence[Message]:
        """The messages after the first `position`, as far as they are remembered."""
        new = min(self._count - position, len(self._messages))
        return [*islice(self._messages, len(self._messages) - new, None)]

    def sequence(self, instrument: str) -> int:
        """The number of a product's last message."""
        return self._products[instrument].sequence

    def last_match(self, instrument: str) -> Message | None:
        """A product's last trade; None before the first."""
        return self._products[instrument].last_match

    def trade_id(self, instrument: str) -> int:
        """The id of a product's last trade."""
        return self._products[instrument].trade_id

    def _happened(self, event: EngineEvent) -> None:
        if isinstance(event, OrderChanged):
            self._changed(event.order)
        elif isinstance(event, TradeHappened):
            self._trade, self._ended = event, []
        elif isinstance(event, OrderEvent):
            self._in_book(event)

    def _changed(self, order: VenueOrder) -> None:
        """An order was taken, or is over."""
        if order.status.terminal:
            if self._trade is not None:
                self._ended.append(order)
            else:
                self._done(order)
        elif (
            not order.revision and order.intent.trigger_price is None
        ):  # a stop order is nobody's business yet
            type_ = "market" if order.price is None else "limit"
            told = {"order_id": uuid(order.order_id), "order_type": type_, "side": order.intent.side.value}
            sizes = {"size": text(order.quantity), "price": text(order.price)}
            self._write(order.intent.instrument, "received", order.updated, **told, **sizes)

    def _in_book(self, event: OrderEvent) -> None:
        side = event.side.value if event.side is not None else None
        if event.action is OrderAction.MATCH and self._trade is not None:
            trade, self._trade = self._trade, None
            self._match(trade)
            for order in self._ended:
                self._done(order)
        elif event.action is OrderAction.OPEN:
            self._write(
                event.instrument,
                "open",
                event.time,
                order_id=uuid(event.order_id),
                side=side,
                price=event.price,
                remaining_size=event.size,
            )
        elif event.action is OrderAction.CHANGE:
            self._write(
                event.instrument,
                "change",
                event.time,
                reason="modify_order",
                order_id=uuid(event.order_id),
                side=side,
                price=event.price,
                new_price=event.price,
                new_size=event.size,
            )

    def _match(self, trade: TradeHappened) -> None:
        product = self._products[trade.instrument]
        product.trade_id = product.trade_id + 1 if product.trade_id else trade.number
        product.last_match = self._write(
            trade.instrument,
            "match",
            trade.time,
            trade_id=product.trade_id,
            maker_order_id=uuid(trade.maker_order_id),
            taker_order_id=uuid(trade.taker_order_id),
            side=trade.side.opposite.value,
            size=text(trade.size),
            price=text(trade.price),
        )

    def _done(self, order: VenueOrder) -> None:
        filled = order.status is OrderStatus.FILLED
        prices = {} if order.price is None else {"price": text(order.price)}
        self._write(
            order.intent.instrument,
            "done",
            order.updated,
            order_id=uuid(order.order_id),
            side=order.intent.side.value,
            reason="filled" if filled else "canceled",
            remaining_size=text(order.remaining),
            **prices,
        )

    def _write(self, instrument: str, kind: str, time: Instant, **told: Any) -> Message:
        product = self._products[instrument]
        product.sequence += 1
        common = {
            "type": kind,
            "product_id": self._engine.instruments[instrument].native["socket"],
            "sequence": product.sequence,
            "time": moment(time),
        }
        message = Message(instrument, kind, {**common, **told})
        self._messages.append(message)
        self._count += 1
        return message


def uuid(order_id: str) -> str:
    """An order's id as the venue has it."""
    return str(UUID(int=int(order_id), version=4))


def moment(instant: Instant) -> str:
    """An instant as the venue writes it."""
    stamp = EPOCH + timedelta(microseconds=instant // MICROSECOND)
    return stamp.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
