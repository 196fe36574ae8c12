"""A session that an exchange recorded, replayed: it ends with the books as they were when it was left."""

from __future__ import annotations

from pathlib import Path

import pytest
from framework.core.tests.venues import ToyVenue, toy

from venuekit import open_exchange
from venuekit.pacing import PacerRegistry
from venuekit.replay import open_replay

pytestmark = pytest.mark.anyio


async def test_recorded_session_replays_to_the_same_book(tmp_path: Path) -> None:
    """The end of the recording is no end of the feed: the books of the replay are LIVE, repair included."""
    venue, path = ToyVenue(["P1-USD"]), tmp_path / "session.jsonl.gz"
    async with open_exchange(
        toy(),
        pairs=venue.pairs,
        channels=["book", "trades"],
        record=path,
        clock=venue.clock,
        transports=venue.transports,
        pacers=PacerRegistry(),
        seed=1,
    ) as exchange:
        book = exchange.books["P1-USD"]
        await venue.until(lambda: book.live)
        for lose in (False, False, True, False):
            venue.move("P1-USD", lose=lose)
            await venue.clock.advance(20)
        await venue.until(lambda: not venue.wrong(exchange))
        seen, counters = book.table(), exchange.counters()["P1-USD"]
    assert counters.repairs == 1
    async with open_replay(path, venue=toy()) as replay:
        await replay.play()
        assert replay.exchange.books["P1-USD"].table() == seen
        assert replay.exchange.counters()["P1-USD"] == counters
