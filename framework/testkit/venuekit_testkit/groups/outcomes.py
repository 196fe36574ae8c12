"""Outcomes: every way for the answer to a placement, a cancel or an amendment to go astray. None loses or doubles an order."""

from __future__ import annotations

from typing import Final

from venuekit import OrderAccepted, OrderUnknown
from venuekit_simulator.faults import Fault, FaultKind, Unreachable
from venuekit_spec import CallKind, Capability, Side
from venuekit_testkit.catalogue import DIALECT, ORDERS, Group, Need, claims, register
from venuekit_testkit.scene import scene
from venuekit_testkit.subject import Subject

PLACE: Final = frozenset({CallKind.PLACE})

WAYS: Final[dict[str, tuple[Fault, str]]] = {
    "reply-lost": (Fault(kind=FaultKind.LOST, on=PLACE, nth=1), "The venue acts, and its reply never comes."),
    "socket-cut-after": (
        Fault(kind=FaultKind.LOST, on=PLACE, nth=1, cut=True),
        "The venue acts, and the socket breaks before its reply.",
    ),
    "error-before": (
        Fault(kind=FaultKind.ERROR_BEFORE, on=PLACE, nth=1),
        "The venue fails with a 5xx and has done nothing.",
    ),
    "error-after": (
        Fault(kind=FaultKind.ERROR_AFTER, on=PLACE, nth=1),
        "The venue fails with a 5xx, and has the order.",
    ),
    "proxy-error-after": (
        Fault(kind=FaultKind.ERROR_AFTER, on=PLACE, nth=1, status=502),
        "A proxy says 502 with a page of its own, and the venue has the order.",
    ),
    "reply-slow": (
        Fault(kind=FaultKind.SLOW, on=PLACE, nth=1, seconds=45.0),
        "The reply comes when nobody waits for it any more.",
    ),
    "reply-truncated": (
        Fault(kind=FaultKind.TRUNCATE, on=PLACE, nth=1),
        "Half of the reply comes, with the status of success.",
    ),
    "reply-corrupted": (
        Fault(kind=FaultKind.CORRUPT, on=PLACE, nth=1),
        "One character of the reply makes no sense.",
    ),
    "connection-cut": (
        Fault(kind=FaultKind.CUT, on=PLACE, nth=1),
        "The connection breaks off before the venue has acted.",
    ),
    "connection-stalled": (
        Fault(kind=FaultKind.STALL, on=PLACE, nth=1),
        "The connection stays open, and nothing comes any more.",
    ),
    "events-first": (
        Fault(kind=FaultKind.EVENTS_FIRST, on=PLACE, nth=1),
        "The user stream tells of the order, and of its fills, before the reply comes.",
    ),
    "rate-limited": (
        Fault(kind=FaultKind.RATE_LIMITED, on=PLACE, nth=1, seconds=5.0),
        "The venue answers 429 and refuses everything for five seconds.",
    ),
    "banned": (
        Fault(kind=FaultKind.BANNED, on=PLACE, nth=1, seconds=60.0),
        "The venue bans the address for a minute.",
    ),
    "clock-skewed": (
        Fault(kind=FaultKind.CLOCK_SKEW, on=PLACE, nth=1, offset=30.0, seconds=60.0),
        "The venue's clock jumps half a minute ahead.",
    ),
    "venue-restarted": (
        Fault(kind=FaultKind.RESTART, on=PLACE, nth=1, seconds=10.0),
        "The venue starts anew while the order is under way.",
    ),
    "name-lost": (
        Fault(kind=FaultKind.UNREACHABLE, on=PLACE, nth=1, how=Unreachable.DNS, seconds=60.0),
        "The venue's name is not found any more.",
    ),
    "black-hole": (
        Fault(kind=FaultKind.UNREACHABLE, on=PLACE, nth=1, how=Unreachable.BLACK_HOLE, seconds=60.0),
        "The order, and all after it, vanishes without a word for a minute.",
    ),
}
"""What befalls the answer of a placement."""

REFUSING: Final = frozenset({"rate-limited", "banned"})
"""The venue has said that it did nothing: such a placement is not accepted."""


async def _placed(subject: Subject, name: str) -> None:
    """An order that rests and one that is filled at once, under the fault, by every way."""
    aways = ("0.02", "-0.002")
    for way, away in zip(subject.ways * (2 // len(subject.ways)), aways, strict=True):
        async with scene(subject, [WAYS[name][0]], way=way) as there:
            there.somebody(Side.SELL, "0.001", 30)
            placement = await there.exchange.place(there.limit(Side.BUY, away))
            if name in REFUSING:
                assert not isinstance(placement, OrderAccepted), f"{name} was taken for accepted"
            await there.settle()
            assert len(there.orders) <= 1, "the order was placed again"
            if isinstance(placement, OrderUnknown):
                assert placement.order.done or placement.order.confirmed


def _register(name: str, story: str) -> None:
    async def check(subject: Subject) -> None:
        await _placed(subject, name)

    register(
        f"placement-survives-{name}",
        Group.PLACING,
        check,
        needs=(ORDERS, DIALECT),
        documentation=f"{story}\n\nAn order that rests and one that is filled at once, by one way each where there are two. "
        "Afterwards client and venue agree on each, none is lost, none is doubled.",
    )


for _name, (_fault, _story) in WAYS.items():
    _register(_name, _story)

CHANGES: Final = {
    "reply-lost": FaultKind.LOST,
    "error-after": FaultKind.ERROR_AFTER,
    "error-before": FaultKind.ERROR_BEFORE,
    "reply-truncated": FaultKind.TRUNCATE,
}
"""What befalls the answer of a cancel or an amendment."""


async def _cancelled(subject: Subject, kind: FaultKind) -> None:
    fault = Fault(kind=kind, on={CallKind.CANCEL}, nth=1)
    for way in subject.ways:
        async with scene(subject, [fault], way=way) as there:
            order = await there.rest()
            await there.exchange.cancel(order)
            await there.clock.sleep(30.0)
            if not order.done:
                await there.exchange.cancel(order)
            await there.until(lambda order=order: order.done, "the order is over")  # type: ignore[misc]
            await there.settle()


async def _amended(subject: Subject, kind: FaultKind) -> None:
    fault = Fault(kind=kind, on={CallKind.AMEND}, nth=1)
    for way in subject.ways:
        async with scene(subject, [fault], way=way) as there:
            order = await there.rest()
            await there.exchange.amend(order, quantity=order.quantity * 2)
            await there.clock.sleep(60.0)
            await there.exchange.account().reconcile()
            await there.settle()
            held = there.held(order)
            assert held.quantity == order.quantity, (
                f"{order.quantity} is the quantity here, {held.quantity} there"
            )


def _register_change(verb: str, name: str, kind: FaultKind, needs: tuple[Need | Capability, ...]) -> None:
    async def check(subject: Subject) -> None:
        await (_cancelled if verb == "cancel" else _amended)(subject, kind)

    register(
        f"{verb}-survives-{name}",
        Group.CHANGING,
        check,
        needs=(*needs, DIALECT),
        documentation=f"The answer to {'a cancel' if verb == 'cancel' else 'an amendment'} goes astray "
        f"({name.replace('-', ' ')}).\n\nIts outcome is unknown until the venue is asked; then client and venue agree.",
    )


for _name, _kind in CHANGES.items():
    _register_change("cancel", _name, _kind, (ORDERS,))
    _register_change("amend", _name, _kind, (ORDERS, claims(Capability.AMEND)))
