"""Fault trials: a recording is played through connector and core, disturbed, and every book is compared with the truth.

The stage (`tests.corpora.stage`) hands over the records of a stretch of a recording (`stretches`), disturbed as the faults
say (`disturbances`), and answers in the venue's place what the recording has no answer to. Its answers come from the reference,
which saw the whole recording. After every record `watching` judges each book that says LIVE.
"""

from __future__ import annotations

import anyio
from tests.corpora.disturbances import Fault
from tests.corpora.stage import Stage
from tests.corpora.stretches import Stretch
from tests.corpora.watching import Outcome

from venuekit import connect, open_exchange
from venuekit.link import LinkCounters
from venuekit.pacing import PacerRegistry
from venuekit_spec import (
    Seconds,
)


async def trial(
    stretch: Stretch, *faults: Fault, latency: int = 0, lag: int = 0, longer: Seconds = 0.0
) -> Outcome:
    """Play a stretch with these faults, and judge every book after every record."""
    corpus, over = stretch.corpus, anyio.Event()
    stage = Stage(stretch, faults, latency, lag, longer)
    counted: list[LinkCounters] = []

    async def run() -> None:
        async with open_exchange(
            connect(corpus.feed.plugin, corpus.feed.venue),
            pairs=[corpus.prepared.pair_of(symbol) for symbol in stretch.symbols],
            variant=corpus.prepared.variant,
            clock=stage.player.clock,
            transports=stage,
            pacers=PacerRegistry(),
            seed=1,
        ) as exchange:
            stage.watch(exchange)
            await over.wait()
            counted.extend(exchange.link_counters().values())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        await stage.player.play(close=False)
        for watched in stage.books.values():
            watched.conclude(stage.at)
        over.set()
    return Outcome(
        stage.books,
        stage.at,
        sum(link.malformed for link in counted),
        sum(link.dials for link in counted),
        len(counted),
        sum(link.renewals for link in counted),
        stage.http.count,
    )
