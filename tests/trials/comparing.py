"""What a trial compares: each order as the client has it, and as the venue holds it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

from attrs import define, field

from venuekit.orders import InFlightOrder, OrderState
from venuekit_spec import Engine, Finality, OrderStatus, VenueOrder

STATES: Final = {
    OrderStatus.PENDING: {"accepted"},
    OrderStatus.OPEN: {"open", "accepted"},
    OrderStatus.PARTIALLY_FILLED: {"partially_filled"},
    OrderStatus.FILLED: {"filled"},
    OrderStatus.CANCELED: {"canceled"},
    OrderStatus.REJECTED: {"rejected"},
    OrderStatus.EXPIRED: {"expired"},
}
"""What a client may say of an order that the venue holds so."""


EXPIRED: Final = "expired"
"""The reason of an order that its venue cancelled because its time was over."""


@define
class Findings:
    """What was found when both sides were compared."""

    orders: int = 0
    fills: int = 0
    lost: int = 0
    doubled: int = 0
    wrong: int = 0
    problems: list[str] = field(factory=list)


NEAR: Final = 5
"""Blocks before the height at which an order ends."""


def settled(order: InFlightOrder, height: int | None = None) -> bool:
    """Whether nothing more has to come: it is complete, or known to wait at the venue, and nothing may be taken back.

    One that ends near this `height` ends first: it would while the two sides are compared.
    """
    if any(fill.finality is Finality.PROVISIONAL for fill in order.fills):
        return False
    if order.done:
        return order.complete
    expiry = order.intent.expires_at_height
    if expiry is not None and height is not None and expiry < height + NEAR:
        return False
    waits = {OrderState.OPEN, OrderState.PARTIALLY_FILLED}
    if order.intent.trigger_price is not None:
        waits.add(OrderState.ACCEPTED)
    return order.state in waits and not order.cancel_requested


def told(order: InFlightOrder) -> dict[str, Any]:
    """An order as the client has it, as plain values."""
    return {
        "client_order_id": order.client_order_id,
        "order_id": order.order_id,
        "state": order.state.value,
        "filled": str(order.filled),
        "fills": sorted(fill.key for fill in order.fills),
    }


def compare(
    engine: Engine, account: str, client: Iterable[Mapping[str, Any]], *, forgot: bool = False
) -> Findings:
    """Where the venue's orders and executions of an account differ from what the client says of all its orders.

    `forgot`: the venue may have forgotten orders that it had taken and not carried out; they are over, and nothing was traded.
    """
    found = Findings()
    ours = {order["client_order_id"]: order for order in client}
    fills: dict[str, list[str]] = {}
    for execution in engine.executions(account):
        fills.setdefault(execution.order.order_id, []).append(execution.fill.key)
    held: dict[str, list[VenueOrder]] = {}
    for order in engine.orders(account):
        held.setdefault(order.intent.client_order_id, []).append(order)
    found.orders, found.fills = len(ours), sum(map(len, fills.values()))
    for id_, orders in held.items():
        # A venue that takes a block back places its orders anew: what counts is what lives or has traded.
        if sum(order.filled > 0 or not order.status.terminal for order in orders) > 1:
            found.doubled += 1
            found.problems.append(f"{id_} is at the venue more than once")
        order = orders[-1]
        if id_ not in ours:
            found.lost += 1
            found.problems.append(f"{id_} is at the venue ({order.status.value}) and not at the client")
            continue
        said = ours[id_]
        keys = sorted(key for each in orders for key in fills.get(each.order_id, ()))
        theirs = (order.filled, keys)
        state = OrderStatus.EXPIRED if order.reason == EXPIRED else order.status
        if theirs != (Decimal(said["filled"]), said["fills"]) or said["state"] not in STATES[state]:
            found.wrong += 1
            found.problems.append(f"{id_}: venue {state.value} {theirs}, client {dict(said)}")
    for id_ in ours.keys() - held.keys():
        forgotten = forgot and ours[id_]["state"] == "canceled" and not ours[id_]["fills"]
        if ours[id_]["state"] != "rejected" and not forgotten:
            found.lost += 1
            found.problems.append(f"{id_} is {ours[id_]['state']} at the client and not at the venue")
    return found
