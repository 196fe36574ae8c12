"""What a trial compares: each order as the client has it, and as the venue holds it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

from attrs import define, field

from venuekit.orders import InFlightOrder, OrderState
from venuekit_spec import Engine, OrderStatus

UNSETTLED: Final = frozenset({OrderState.PENDING, OrderState.UNKNOWN, OrderState.CANCELING})

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


@define
class Findings:
    """What was found when both sides were compared."""

    orders: int = 0
    fills: int = 0
    lost: int = 0
    doubled: int = 0
    wrong: int = 0
    problems: list[str] = field(factory=list)


def settled(order: InFlightOrder) -> bool:
    """Whether nothing more has to come: it is complete, or known to rest at the venue."""
    return order.complete or not (order.done or order.state in UNSETTLED or order.cancel_requested)


def told(order: InFlightOrder) -> dict[str, Any]:
    """An order as the client has it, as plain values."""
    return {
        "client_order_id": order.client_order_id,
        "order_id": order.order_id,
        "state": order.state.value,
        "filled": str(order.filled),
        "fills": sorted(fill.key for fill in order.fills),
    }


def compare(engine: Engine, account: str, client: Iterable[Mapping[str, Any]]) -> Findings:
    """Where the venue's orders and executions of an account differ from what the client says of all its orders."""
    found = Findings()
    ours = {order["client_order_id"]: order for order in client}
    fills: dict[str, list[str]] = {}
    for execution in engine.executions(account):
        fills.setdefault(execution.order.order_id, []).append(execution.fill.key)
    held = {}
    for order in engine.orders(account):
        id_ = order.intent.client_order_id
        if id_ in held:
            found.doubled += 1
            found.problems.append(f"{id_} is at the venue twice")
        held[id_] = order
    found.orders, found.fills = len(ours), sum(map(len, fills.values()))
    for id_, order in held.items():
        if id_ not in ours:
            found.lost += 1
            found.problems.append(f"{id_} is at the venue ({order.status.value}) and not at the client")
            continue
        said = ours[id_]
        theirs = (order.order_id, order.filled, sorted(fills.get(order.order_id, ())))
        same = theirs == (said["order_id"], Decimal(said["filled"]), said["fills"])
        if not same or said["state"] not in STATES[order.status]:
            found.wrong += 1
            found.problems.append(f"{id_}: venue {order.status.value} {theirs}, client {dict(said)}")
    for id_ in ours.keys() - held.keys():
        if ours[id_]["state"] != "rejected":
            found.lost += 1
            found.problems.append(f"{id_} is {ours[id_]['state']} at the client and not at the venue")
    return found
