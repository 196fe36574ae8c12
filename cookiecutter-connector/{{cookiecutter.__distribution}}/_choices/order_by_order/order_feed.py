"""The order-by-order feed: the queues in band, then one event after another, numbered without a hole."""

from __future__ import annotations

from typing import ClassVar, Final

from msgspec import Struct
from venuekit_spec import (
    Ids,
    Instant,
    OrderAction,
    OrderBookSnapshot,
    OrderEvent,
    RestingOrder,
    Side,
    SnapshotSource,
    SyncRule,
)

from {{ cookiecutter.__package }}.payloads import Size

ORDERS: Final = SyncRule(SnapshotSource.IN_BAND, ids=Ids.NEXT)


class QueueFrame(Struct, frozen=True, gc=False, tag_field="type", tag="queue"):
    """``{"type":"queue","symbol":"BTCUSDT","n":12,"orders":[["a1","buy","60000","1.4"]]}``, per price in queue order."""

    channel: ClassVar = "orders"
    symbol: str
    n: int
    orders: list[tuple[str, Side, Size, Size]]


class OrderFrame(Struct, frozen=True, gc=False, tag_field="type", tag="order", omit_defaults=True):
    """``{"type":"order","symbol":"BTCUSDT","n":13,"do":"open","id":"a2","side":"sell","price":"60001","size":"1"}``

    `size` of a match is what was executed; what an event does not change it does not tell.
    """

    channel: ClassVar = "orders"
    symbol: str
    n: int
    do: OrderAction
    id: str
    side: Side | None = None
    price: Size | None = None
    size: Size | None = None


def order_message(told: OrderFrame | QueueFrame, id_: str, now: Instant) -> OrderBookSnapshot | OrderEvent:
    """The queues, or what happened to one order."""
    if isinstance(told, QueueFrame):
        orders = [RestingOrder(*order) for order in told.orders]
        return OrderBookSnapshot(instrument=id_, orders=orders, last=told.n, received=now)
    return OrderEvent(
        instrument=id_,
        action=told.do,
        order_id=told.id,
        side=told.side,
        price=told.price or "",
        size=told.size or "",
        last=told.n,
        received=now,
    )
