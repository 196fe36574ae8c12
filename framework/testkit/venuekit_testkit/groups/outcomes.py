"""Outcomes: every way for the answer to a placement, a cancel or an amendment to go astray. None loses or doubles an order."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

from venuekit import OrderAccepted, OrderRejected, OrderUnknown
from venuekit_simulator.faults import Fault, FaultKind, Unreachable
from venuekit_spec import CallKind, Capability, OrderEntry, Side
from venuekit_testkit.catalogue import DIALECT, ORDERS, Group, Need, register
from venuekit_testkit.scene import scene
from venuekit_testkit.subject import Subject

ASTRAY: Final[dict[str, tuple[FaultKind, dict[str, Any], str]]] = {
    "reply-lost": (FaultKind.LOST, {}, "The venue acts, and its reply never comes."),
    "socket-cut-after": (
        FaultKind.LOST, {"cut": True}, "The venue acts, and the socket breaks before its reply.",
    ),
    "error-before": (FaultKind.ERROR_BEFORE, {}, "The venue fails with a 5xx and has done nothing."),
    "error-after": (FaultKind.ERROR_AFTER, {}, "The venue fails with a 5xx, and has acted."),
    "proxy-error-after": (
        FaultKind.ERROR_AFTER, {"status": 502}, "A proxy says 502 with a page of its own, and the venue has acted.",
    ),
    "reply-slow": (
        FaultKind.SLOW, {"seconds": 45.0}, "The reply comes when nobody waits for it any more.",
    ),
    "reply-truncated": (FaultKind.TRUNCATE, {}, "Half of the reply comes, with the status of success."),
    "reply-corrupted": (FaultKind.CORRUPT, {}, "One character of the reply makes no sense."),
    "connection-cut": (FaultKind.CUT, {}, "The connection breaks off before the venue has acted."),
    "connection-stalled": (FaultKind.STALL, {}, "The connection stays open, and nothing comes any more."),
    "events-first": (
        FaultKind.EVENTS_FIRST, {}, "The user stream tells of the order, and of its fills, before the reply comes.",
    ),
    "rate-limited": (
        FaultKind.RATE_LIMITED, {"seconds": 5.0}, "The venue answers 429 and refuses everything for five seconds.",
    ),
    "banned": (FaultKind.BANNED, {"seconds": 60.0}, "The venue bans the address for a minute."),
    "clock-skewed": (
        FaultKind.CLOCK_SKEW, {"offset": 30.0, "seconds": 60.0}, "The venue's clock jumps half a minute ahead.",
    ),
    "venue-restarted": (
        FaultKind.RESTART, {"seconds": 10.0}, "The venue starts anew while the order is under way.",
    ),
    "name-lost": (
        FaultKind.UNREACHABLE, {"how": Unreachable.DNS, "seconds": 60.0}, "The venue's name is not found any more.",
    ),
    "black-hole": (
        FaultKind.UNREACHABLE, {"how": Unreachable.BLACK_HOLE, "seconds": 60.0},
        "The request, and all after it, vanishes without a word for a minute.",
    ),
}  # fmt: skip
"""What befalls the answer, by name: the fault, what it has besides, and the story."""

REFUSING: Final = frozenset({FaultKind.RATE_LIMITED, FaultKind.BANNED})
"""The venue has said that it did nothing: such a placement is not accepted."""

Trial: TypeAlias = Callable[[Subject, Fault, OrderEntry, int], Awaitable[None]]
"""What is tried under a fault, by one way of orders, which has a number."""


async def _placed(subject: Subject, fault: Fault, way: OrderEntry, number: int) -> None:
    """An order that rests, or one that is filled at once."""
    async with scene(subject, [fault], way=way) as there:
        there.somebody(Side.SELL, "0.001", 30)
        placement = await there.exchange.place(there.limit(Side.BUY, ("0.02", "-0.002")[number]))
        if fault.kind in REFUSING:
            assert not isinstance(placement, OrderAccepted), "a refusal was taken for accepted"
        await there.settle()
        assert len(there.orders) <= 1, "the order was placed again"
        lived = isinstance(placement, OrderRejected) and there.has(placement.order)
        assert not lived, "it was told as rejected, and the venue had it"
        if isinstance(placement, OrderUnknown):
            settled = placement.order.done or placement.order.confirmed
            assert settled, "it was never found out what became of it"


async def _cancelled(subject: Subject, fault: Fault, way: OrderEntry, _number: int) -> None:
    async with scene(subject, [fault], way=way) as there:
        order = await there.rest()
        await there.exchange.cancel(order)
        await there.clock.sleep(30.0)
        if not order.done:
            await there.exchange.cancel(order)
        await there.until(lambda: order.done, "the order is over")
        await there.settle()


async def _amended(subject: Subject, fault: Fault, way: OrderEntry, _number: int) -> None:
    async with scene(subject, [fault], way=way) as there:
        order = await there.rest()
        await there.exchange.amend(order, quantity=order.quantity * 2)
        await there.clock.sleep(60.0)
        await there.account.reconcile()
        await there.settle()
        held = there.held(order)
        assert held.quantity == order.quantity, (
            f"{order.quantity} is the quantity here, {held.quantity} there"
        )


async def _tried(trial: Trial, fault: Fault, least: int, subject: Subject) -> None:
    """The trial by every way of orders, `least` times at least."""
    ways = subject.ways
    for number, way in enumerate(ways * max(1, least // len(ways))):
        await trial(subject, fault, way, number)


def _register(
    id_: str, group: Group, on: CallKind, trial: Trial, more: str, *needs: Need | Capability
) -> None:
    """The checks of a trial, one per thing that befalls it; `more` follows the story of each."""
    least = 2 if trial is _placed else 1
    for name in ASTRAY if trial is _placed else CHANGES:
        kind, fields, story = ASTRAY[name]
        fault = Fault(kind=kind, on=frozenset({on}), nth=1, **fields)

        async def check(subject: Subject, fault: Fault = fault) -> None:
            await _tried(trial, fault, least, subject)

        register(
            f"{id_}-survives-{name}",
            group,
            check,
            needs=(*needs, DIALECT),
            documentation=f"{story}\n\n{more}",
        )


CHANGES: Final = ("reply-lost", "error-after", "error-before", "reply-truncated")
"""What befalls the answer of a cancel or an amendment."""

_register(
    "placement", Group.PLACING, CallKind.PLACE, _placed,
    "An order that rests and one that is filled at once, by one way each where there are two. Afterwards client and venue "
    "agree on each, none is lost, none is doubled.",
    ORDERS,
)  # fmt: skip
_register(
    "cancel", Group.CHANGING, CallKind.CANCEL, _cancelled,
    "This is the answer to a cancel. Its outcome is unknown until the venue is asked; then client and venue agree.",
    ORDERS,
)  # fmt: skip
_register(
    "amend", Group.CHANGING, CallKind.AMEND, _amended,
    "This is the answer to an amendment. Its outcome is unknown until the venue is asked; then client and venue agree.",
    ORDERS, Capability.AMEND,
)  # fmt: skip
