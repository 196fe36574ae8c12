"""Planned handover: a socket whose time is up is replaced by another one that was opened beside it.

Sockets live seconds here, in place of the day or so that venues give them.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final, cast

from attrs import evolve

from venuekit import BookState, OrderFilled, StateChange
from venuekit_spec import (
    Capability,
    Connector,
    DataSource,
    Dial,
    Flow,
    Seconds,
    Side,
    Topic,
    UserStream,
    after,
)
from venuekit_testkit.catalogue import BOOK, DIALECT, ORDERS, Group, Unclaimed, check
from venuekit_testkit.groups.data import quiet, same, watch
from venuekit_testkit.scene import scene
from venuekit_testkit.subject import Subject

LIFE: Final[Seconds] = 20.0


class _Hurried:
    """Hooks of which one makes sockets that live `LIFE` only; everything else is as it was."""

    def __init__(self, within: Connector, hook: str) -> None:
        self._within = within
        self._hook = hook

    def __getattr__(self, name: str) -> Any:
        hook = getattr(self._within, name)
        return _HurriedHook(hook) if name == self._hook else hook


class _HurriedHook:
    def __init__(self, within: Any) -> None:
        self._within = within

    def __getattr__(self, name: str) -> Any:
        return getattr(self._within, name)

    def __call__(self, **given: Any) -> Any:
        return _Speaker(self._within(**given))


class _Speaker:
    def __init__(self, within: DataSource | UserStream) -> None:
        self._within = within

    def __getattr__(self, name: str) -> Any:
        return getattr(self._within, name)

    def dial(self, topics: Collection[Topic]) -> Flow[Dial]:
        dial: Dial = yield from self._within.dial(topics)
        return evolve(dial, lifetime=LIFE)


def _hurried(subject: Subject, hook: str) -> Subject:
    """The same connector, but for the lifetime of these sockets. Raises `Unclaimed` where there is no second one."""
    if subject.description.sockets.sockets == 1:
        raise Unclaimed("it may have one socket only, so none beside it")
    hooks = cast("Connector", _Hurried(subject.connector.hooks, hook))
    return evolve(subject, connector=evolve(subject.connector, hooks=hooks))


@check(Group.DATA, BOOK, DIALECT)
async def planned_handovers_lose_nothing(subject: Subject) -> None:
    """Where a socket's time is up the next one takes over, and the book is LIVE and right all the while.

    Sockets live twenty seconds, for a minute of trading. Whether ids go on from socket to socket, so that a book is spliced, or
    not, so that another is built beside it, is the rule's to say: said wrongly, a handover costs the book.
    """
    async with scene(_hurried(subject, "data_source"), trade=False) as there:
        wrong = watch(there)
        crowd = there.crowd()
        await there.until(lambda: there.book.live, "the book is LIVE", 30.0)
        seen = len(there.events)
        await there.clock.sleep(3 * LIFE)
        states = [event for event in there.events[seen:] if isinstance(event, StateChange)]
        lost = [event for event in states if event.state is not BookState.LIVE]
        crowd.leave()
        await quiet(there)
        handovers = sum(each.handovers for each in there.exchange.link_counters().values())
        assert handovers >= 2, f"{handovers} sockets took over in {3 * LIFE:g} s"
        assert not lost, f"it went {lost[0].state}: {lost[0].reason}"
        assert not wrong, wrong[0]
        same(there)


@check(Group.STREAM, Capability.USER_STREAM, ORDERS, DIALECT)
async def private_handovers_lose_nothing(subject: Subject) -> None:
    """Where a private socket's time is up the next one takes over, and no fill is lost, late, or told twice.

    Sockets live twenty seconds; for a minute an order is filled bit by bit. Each bit is known within seconds of its trade, also
    while two sockets tell of it: what both tell has one key, and the last socket hears as much as the first.
    """
    async with scene(_hurried(subject, "user_stream"), channels=()) as there:
        await there.until(lambda: there.account.streaming, "the user stream is live", 60.0)
        dialled, end = len(there.watched.sockets), after(there.clock.now(), 3 * LIFE)
        while there.clock.now() < end:
            order = await there.rest("0.001", lots=2)
            there.somebody(Side.SELL, "-0.002", 2)
            await there.until(lambda order=order: order.complete, "a fill is told", 8.0)  # type: ignore[misc]
        next_ones = len(there.watched.sockets) - dialled
        assert next_ones >= 2, f"{next_ones} sockets took over in {3 * LIFE:g} s"
        await there.settle()
        told, traded = len(there.told(OrderFilled)), len(there.executions)
        assert told == traded, f"{told} fills were told of {traded}"
