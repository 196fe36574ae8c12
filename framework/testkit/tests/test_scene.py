"""A scene says why something did not come, not only that it did not."""

from __future__ import annotations

import pytest

from venuekit_simulator.faults import Fault, FaultKind
from venuekit_spec import CallKind
from venuekit_testkit import Subject
from venuekit_testkit.scene import NotSo, scene

pytestmark = pytest.mark.anyio


async def test_a_book_that_does_not_come_says_why() -> None:
    """What it waits for, what failed last and how often: otherwise two dozen checks fail alike, and none says what to mend."""
    fault = Fault(kind=FaultKind.ERROR_BEFORE, on={CallKind.SNAPSHOT}, probability=1.0, times=1_000)
    async with scene(Subject.of("exchange_a"), [fault], trade=False) as there:
        there.crowd()
        with pytest.raises(NotSo) as told:
            await there.until(lambda: there.book.live, "the book is LIVE", 10.0)
    late, waiting, failed = str(told.value).split("; ")
    assert late == "not so after 10 s: the book is LIVE"
    assert waiting == f"{there.pair} is buffering: waiting for a snapshot"
    assert "snapshots failed, the last: exchange_a" in failed
