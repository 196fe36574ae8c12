"""Planned handover: a socket whose time is up is replaced by another one that was opened beside it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final, cast

from attrs import evolve

from venuekit import BookState, StateChange
from venuekit_spec import Connector, DataSource, Dial, Flow, Seconds, Topic
from venuekit_testkit.catalogue import BOOK, DIALECT, Group, Unclaimed, check
from venuekit_testkit.groups.data import quiet, same, watch
from venuekit_testkit.scene import scene
from venuekit_testkit.subject import Subject

LIFE: Final[Seconds] = 20.0
"""So long a socket may live here, in place of the day or so that venues give it."""


class _Hurried:
    """Hooks whose public sockets live `LIFE` only; everything else is as it was."""

    def __init__(self, within: Connector) -> None:
        self._within = within

    def __getattr__(self, name: str) -> Any:
        return getattr(self._within, name)

    def data_source(self, **given: Any) -> Any:
        return _Source(self._within.data_source(**given))


class _Source:
    def __init__(self, within: DataSource) -> None:
        self._within = within

    def __getattr__(self, name: str) -> Any:
        return getattr(self._within, name)

    def dial(self, topics: Collection[Topic]) -> Flow[Dial]:
        dial: Dial = yield from self._within.dial(topics)
        return evolve(dial, lifetime=LIFE)


@check(Group.DATA, BOOK, DIALECT)
async def planned_handovers_lose_nothing(subject: Subject) -> None:
    """Where a socket's time is up the next one takes over, and the book is LIVE and right all the while.

    Sockets live twenty seconds, for a minute of trading. Whether ids go on from socket to socket, so that a book is spliced, or
    not, so that another is built beside it, is the rule's to say: said wrongly, a handover costs the book.
    """
    if subject.description.sockets.sockets == 1:
        raise Unclaimed("it may have one socket only, so none beside it")
    hurried = cast("Connector", _Hurried(subject.connector.hooks))
    async with scene(
        evolve(subject, connector=evolve(subject.connector, hooks=hurried)), trade=False
    ) as there:
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
