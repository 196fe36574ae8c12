"""Cleanup: nothing is left behind, and the same seed tells the same story."""

from __future__ import annotations

import anyio

from venuekit_spec import NetworkError, VenuekitError
from venuekit_testkit.catalogue import BOOK, DIALECT, ORDERS, Group, check
from venuekit_testkit.hand import Hand
from venuekit_testkit.scene import scene, stage
from venuekit_testkit.subject import Subject


@check(Group.CLEANUP, DIALECT)
async def no_socket_is_left(subject: Subject) -> None:
    """Once the exchange is closed no socket is open at the venue.

    Neither public nor private ones.
    """
    async with stage(subject) as there:
        async with there.client() as opened:
            opened.crowd()
            await opened.clock.sleep(5.0)
            assert there.venue.sockets or subject.book_topic is None, "no socket was ever open"
        await there.clock.sleep(5.0)
        assert not there.venue.sockets, f"{len(there.venue.sockets)} sockets are left"


@check(Group.CLEANUP, DIALECT)
async def no_task_is_left(subject: Subject) -> None:
    """Once the exchange is closed no task of it runs.

    Counted on the event loop, before and after.
    """
    async with stage(subject) as there:
        before = len(anyio.get_running_tasks())
        async with there.client() as opened:
            await opened.clock.sleep(5.0)
        await there.clock.sleep(1.0)
        assert len(anyio.get_running_tasks()) <= before, "a task is left"


@check(Group.CLEANUP, BOOK, DIALECT)
async def closing_amid_trouble_ends(subject: Subject) -> None:
    """An exchange can be closed while nothing answers.

    The way to the venue is gone when the user leaves.
    """
    from venuekit_simulator.faults import Unreachable

    async with stage(subject) as there:
        async with there.client() as opened:
            await opened.clock.sleep(3.0)
            there.venue.unreachable(Unreachable.BLACK_HOLE, 3600.0)
            await opened.clock.sleep(3.0)
        state = opened.book.state.value
        assert state == "closed", f"its book is {state} once it is closed"


@check(Group.CLEANUP, DIALECT)
async def failed_openings_leave_nothing(subject: Subject) -> None:
    """An exchange that cannot be opened says why, and leaves nothing behind.

    Nobody listens at the venue.
    """
    from venuekit_simulator.faults import Unreachable

    async with stage(subject) as there:
        before = len(anyio.get_running_tasks())
        there.venue.unreachable(Unreachable.REFUSED, 7200.0)
        try:
            async with there.client():
                raise AssertionError("it opened without a venue")
        except VenuekitError as error:
            assert isinstance(error, NetworkError), f"it was told as {error!r}"  # noqa: PT017
        assert len(anyio.get_running_tasks()) <= before, "a task is left"


@check(Group.CLEANUP, BOOK, DIALECT)
async def the_same_seed_tells_the_same(subject: Subject) -> None:
    """Two runs from one seed tell the same events at the same instants.

    Nothing depends on the machine, its clock or its dice; so what went wrong can be had again.
    """
    stories: list[list[str]] = []
    for _ in range(2):
        async with scene(subject, trade=False, seed=3) as there:
            there.crowd()
            await there.clock.sleep(5.0)
            image = [f"{level}" for level in (*there.book.bids(5), *there.book.asks(5))]
            stories.append([*map(repr, there.events), *image])
    assert stories[0], "nothing was told"
    differ = [(one, other) for one, other in zip(*stories, strict=False) if one != other]
    assert not differ, f"once it told {differ[0][0]}, then {differ[0][1]}"
    assert len(stories[0]) == len(stories[1]), "one run told more than the other"


@check(Group.CLEANUP, ORDERS, DIALECT)
def flows_can_be_abandoned(subject: Subject) -> None:
    """A flow that is closed in the middle ends quietly.

    As when a user's task is cancelled while an answer is awaited.
    """
    hand = Hand(subject)
    market = hand.market(subject.ways[0])
    for flow in (market.place([hand.limit(1)]), market.balances(), market.open_orders(None)):
        next(flow)
        flow.close()
