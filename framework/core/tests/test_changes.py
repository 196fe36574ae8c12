"""Following a book: conflated, and complete."""

from __future__ import annotations

import gc

import anyio
import pytest
from framework.core.tests.venues import START, delta, entry, live, snapshot

from venuekit.books import BookMessage, BookNotLive, BookState, StateChange
from venuekit.broadcast import Overflow
from venuekit_spec import BookDelta, BookSnapshot, Side

pytestmark = pytest.mark.anyio


def kinds(messages: list[BookMessage | Overflow]) -> list[str]:
    """What messages are, and which."""
    told = []
    for message in messages:
        if isinstance(message, StateChange):
            told.append(message.state.value)
        elif isinstance(message, Overflow):
            told.append(f"missed {message.missed}")
        elif isinstance(message, BookDelta | BookSnapshot):
            told.append(f"{type(message).__name__} {message.last}")
    return told


async def test_conflated_consumer_sees_the_latest() -> None:
    """Whoever was away finds one change, and the book as it is now."""
    tracked = live()
    changes = tracked.book.changes()
    assert (await anext(changes)) is tracked.book
    for id_ in range(11, 100):
        tracked.delta(delta(id_, bids=[("1", str(id_))]))
    assert (await anext(changes)).rows(Side.BUY) == [("1", "99")]
    with anyio.move_on_after(0):
        await anext(changes)
        raise AssertionError("nothing has changed since")


async def test_conflated_consumer_is_woken_by_each_change_it_has_time_for() -> None:
    """A consumer that keeps up sees every state of the book, and slows nothing when it does not."""
    tracked = live()
    seen: list[int | None] = []

    async def follow() -> None:
        seen.extend([book.last if book.live else None async for book in tracked.book.changes()])

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(follow)
        await anyio.wait_all_tasks_blocked()
        for ids in ((11,), (12, 13, 14), (15,)):
            for id_ in ids:
                tracked.delta(delta(id_))
            await anyio.wait_all_tasks_blocked()
        tracked.close("over", START)
    assert seen == [10, 11, 14, 15, None]


async def test_every_change_in_order() -> None:
    """The complete stream has each snapshot, delta and change of state, and ends when the book is CLOSED."""
    tracked = entry()
    stream = tracked.book.every_change()
    tracked.started(START)
    tracked.snapshot(snapshot(10))
    tracked.delta(delta(11))
    tracked.delta(delta(13))
    tracked.snapshot(snapshot(13))
    tracked.close("over", START)
    tracked.delta(delta(14))
    told = kinds([message async for message in stream])
    assert told == [
        "buffering",
        "live",
        "BookSnapshot 10",
        "BookDelta 11",
        "gap",
        "live",
        "BookSnapshot 13",
        "closed",
    ]


async def test_every_change_overflows_and_slows_nobody() -> None:
    """A consumer behind its buffer hears how much it missed; the book and other consumers have everything."""
    tracked = live()
    slow, quick = tracked.book.every_change(buffer=2), tracked.book.every_change()
    for id_ in range(11, 21):
        tracked.delta(delta(id_, bids=[("1", str(id_))]))
    assert tracked.book.rows(Side.BUY) == [("1", "20")]
    assert [await anext(slow), await anext(slow)]
    tracked.delta(delta(21))
    tracked.close("over", START)
    assert kinds([message async for message in slow]) == ["missed 8", "BookDelta 21", "missed 1"]
    assert slow.overflowed == 9
    assert len([message async for message in quick]) == 12


async def test_left_stream_hears_no_more() -> None:
    """Leaving either stream stops listening; doing so twice is harmless."""
    tracked = live()
    async with tracked.book.changes() as changes, tracked.book.every_change() as every:
        assert len(tracked.book.listeners) == 2
    changes.close()
    every.close()
    assert tracked.book.listeners == []


async def test_all_streams_end_together() -> None:
    """Closing a book ends every stream of it, of either kind and in any order of subscription."""
    tracked = live()
    streams = [
        stream()
        for stream in (
            tracked.book.every_change,
            tracked.book.changes,
            tracked.book.every_change,
            tracked.book.changes,
        )
    ]
    ended = 0

    async def follow(place: int) -> None:
        nonlocal ended
        async for _ in streams[place]:
            pass
        ended += 1

    async with anyio.create_task_group() as tasks:
        for place in range(len(streams)):
            tasks.start_soon(follow, place)
        await anyio.wait_all_tasks_blocked()
        tracked.close("over", START)
    assert ended == len(streams)
    assert tracked.book.listeners == []


async def test_streams_of_a_closed_book() -> None:
    """Following a book that is CLOSED already: the conflated stream shows it once, the complete one is empty."""
    tracked = live()
    tracked.close("over", START)
    assert [book.state async for book in tracked.book.changes()] == [BookState.CLOSED]
    assert [message async for message in tracked.book.every_change()] == []


async def test_wait_live() -> None:
    """Waiting ends when the book becomes LIVE, and at once where it is."""
    tracked = entry()

    async def join() -> None:
        await anyio.wait_all_tasks_blocked()
        tracked.snapshot(snapshot(10))

    tracked.started(START)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(join)
        await tracked.book.wait_live()
        assert tracked.book.live
    await tracked.book.wait_live()
    assert tracked.book.listeners == []


async def test_waiting_for_a_book_that_will_never_be_live() -> None:
    """A book that is CLOSED, now or before, ends the wait with the reason."""
    tracked = entry()

    async def refuse() -> None:
        await anyio.wait_all_tasks_blocked()
        tracked.close("delisted", START)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(refuse)
        with pytest.raises(BookNotLive, match="the book of P1-USD is closed: delisted"):
            await tracked.book.wait_live()
    with pytest.raises(BookNotLive, match="delisted"):
        await tracked.book.wait_live()


async def test_followers_that_are_dropped_are_forgotten() -> None:
    """Whoever leaves a loop early, a thousand times, leaves no listener behind in the book."""
    tracked = live()
    for _ in range(1000):
        async for _book in tracked.book.changes():
            break
        tracked.book.every_change()
    gc.collect()
    assert tracked.book.listeners == []
