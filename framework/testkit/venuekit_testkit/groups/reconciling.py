"""Reconciling: outages, crashes, and what is at the venue that is not ours."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from venuekit import OrderUnknown, SqliteOrderStore, StrayOrder
from venuekit_simulator.faults import Fault, FaultKind, Unreachable
from venuekit_spec import CallKind, Seconds, Side, VenuekitError
from venuekit_testkit.catalogue import DIALECT, ORDERS, Group, check, register
from venuekit_testkit.scene import scene, stage
from venuekit_testkit.subject import Subject

OUTAGE: Final[Seconds] = 600.0


@asynccontextmanager
async def kept() -> AsyncIterator[SqliteOrderStore]:
    """A store that outlasts its clients. In memory: on disk threads would write it, in a time that is not the clock's."""
    store = SqliteOrderStore()
    await store.open()
    try:
        yield store
    finally:
        await store.aclose()


async def _outage(subject: Subject, how: Unreachable) -> None:
    async with scene(subject) as there:
        orders = [await there.rest(away) for away in ("0.001", "0.002", "0.03")]
        there.venue.unreachable(how, OUTAGE)
        there.somebody(Side.SELL, "-0.0015", 14)
        placement = None
        try:
            placement = await there.exchange.place(there.limit(Side.BUY, "0.02"))
        except VenuekitError:
            placement = None  # refused on this side: nothing was stored
        await there.clock.sleep(OUTAGE - 60.0)
        held = {order.intent.client_order_id for order in there.engine.open_orders(there.account_name)}
        unsure = [placement.order] if isinstance(placement, OrderUnknown) else []
        failed = [order for order in (*orders, *unsure) if order.done and order.client_order_id in held]
        assert not failed, f"taken for over while nobody could be asked: {failed}"
        await there.clock.sleep(240.0)
        await there.settle()


def _register(how: Unreachable, story: str) -> None:
    async def check_(subject: Subject) -> None:
        await _outage(subject, how)

    register(
        f"outage-fails-no-order-{how.value.replace('_', '-')}",
        Group.RECONCILING,
        check_,
        needs=(ORDERS, DIALECT),
        documentation=f"For ten minutes {story}; no order is taken for over, and afterwards all agree.\n\n"
        "Orders rest and are filled meanwhile, and another is placed into the void. A failed question is no answer.",
    )


_register(Unreachable.REFUSED, "nobody listens")
_register(Unreachable.DNS, "the name is not found")
_register(Unreachable.BLACK_HOLE, "everything vanishes")


@check(Group.RECONCILING, ORDERS, DIALECT)
async def restarts_find_everything(subject: Subject) -> None:
    """A client that starts again with its store knows every order, and what became of it meanwhile.

    One still rests, one was filled while nobody watched, one was cancelled by somebody else.
    """
    async with stage(subject) as there, kept() as store:
        async with there.client(store=store) as first:
            orders = [await first.rest(away) for away in ("0.001", "0.03", "0.04")]
            ids = [order.client_order_id for order in orders]
            refs = [first.held(order) for order in orders]
            name = first.account_name
        await there.clock.sleep(5.0)
        first.somebody(Side.SELL, "-0.002", 10)
        first.cancel(name, refs[2])
        await there.clock.sleep(30.0)
        async with there.client(store=store) as again:
            assert set(ids) <= set(again.account.orders), "the store has forgotten orders"
            await again.settle()
            filled, rests, gone = (again.account.orders[id_] for id_ in ids)
            assert filled.complete, f"it was filled, and is told as {filled}"
            assert not rests.done, f"it still rests, and is told as {rests}"
            assert gone.done, f"it was cancelled, and is told as {gone}"


@check(Group.RECONCILING, ORDERS, DIALECT)
async def unknown_outcomes_survive_restarts(subject: Subject) -> None:
    """An order whose answer was lost when the client died is settled by the next one.

    The reply to a placement is lost, and the client ends at once. The intent was on disk before the first byte left.
    """
    fault = Fault(kind=FaultKind.STALL, on={CallKind.PLACE}, nth=1)
    lost = Fault(kind=FaultKind.LOST, on={CallKind.PLACE}, nth=1)
    for each in (fault, lost):
        async with stage(subject, [each]) as there, kept() as store:
            async with there.client(store=store) as first:
                placement = await first.exchange.place(first.limit(Side.BUY, "0.03"))
                id_ = placement.order.client_order_id
            async with there.client(store=store) as again:
                known = id_ in again.account.orders or placement.order.complete
                assert known, "the next client does not know the order"
                await again.settle()


@check(Group.RECONCILING, ORDERS, DIALECT)
async def strays_are_told(subject: Subject) -> None:
    """An open order of the account that is not in the store is told, once, and left alone.

    Somebody placed it past this client.
    """
    async with stage(subject) as there:
        async with there.client() as before:
            before.somebody(Side.BUY, "0.05", ours=True)
        async with there.client() as again:
            await again.clock.sleep(30.0)
            await again.account.reconcile()
            strays = again.told(StrayOrder)
            assert len(strays) == 1, f"{len(strays)} strays were told"
            assert len(again.engine.open_orders(again.account_name)) == 1, "it was not left alone"
