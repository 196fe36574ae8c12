"""Replays of recordings through a connector and the whole core, as live, on a virtual clock."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import anyio
from attrs import frozen
from tests.corpora.recordings import Comparison, oracle

from venuekit import Exchange, LoadedConnector, connect, open_exchange
from venuekit.books import Counters
from venuekit.link import LinkCounters
from venuekit.pacing import PacerRegistry
from venuekit.tapes import Played, Record, TapePlayer, open_tape
from venuekit_spec import Channel, SnapshotSource

ORACLE_NAMES: Final = {
    "snapshots": "snapshots",
    "deltas": "deltas",
    "stale_dropped": "stale",
    "from_buffer": "buffered",
    "checksum_ok": "checksums",
}
"""What the oracles call a counter -> what we call it."""


@frozen
class Prepared:
    """A recording made ready for the player: a tape, what its sidecar adds, and what to open."""

    tape: Path
    sidecar: Path | None
    pairs: tuple[str, ...]
    pair_of: Callable[[str], str]
    channels: tuple[str, ...] = ("book",)
    variant: str = ""


@frozen
class Replayed:
    """What a replay came to. `counters` by the oracle's symbols, `links` of each connection."""

    comparison: Comparison
    counters: dict[str, Counters]
    played: Played
    links: tuple[LinkCounters, ...]


@asynccontextmanager
async def opened(
    connector: LoadedConnector, prepared: Prepared, player: TapePlayer, **options: Any
) -> AsyncIterator[list[Exchange]]:
    """Open an exchange on a tape. It becomes available (in the list) once the tape has told the instruments."""
    found: list[Exchange] = []
    over = anyio.Event()

    async def run() -> None:
        async with open_exchange(
            connector,
            pairs=prepared.pairs,
            channels=prepared.channels,
            variant=prepared.variant,
            clock=player.clock,
            transports=player,
            pacers=PacerRegistry(),
            seed=1,
            **options,
        ) as exchange:
            found.append(exchange)
            await over.wait()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        yield found
        over.set()


async def replay(connector: LoadedConnector, recording: Path, prepared: Prepared) -> Replayed:
    """Play a prepared recording and compare it with the oracle of `recording` after each record."""
    player = TapePlayer(open_tape(prepared.tape, prepared.sidecar))
    expected = oracle(recording)
    async with opened(connector, prepared, player) as found:
        comparison = Comparison(
            expected,
            lambda pair: found[0].books[pair],
            prepared.pair_of,
            by_rest=_by_rest(connector, prepared),
        )

        def on_record(index: int | None, record: Record) -> None:
            if found:
                comparison.after(index, from_socket=record.channel == "ws")

        played = await player.play(on_record=on_record, close=False)
        exchange = found[0]
        counters = {
            symbol: exchange.counters()[prepared.pair_of(symbol)] for symbol in expected["per_symbol"]
        }
        return Replayed(
            comparison,
            counters,
            played,
            tuple(exchange.link_counters().values()),
        )


async def agrees(
    recording: Path,
    folder: Path,
    plugin: object,
    venue: str,
    prepare: Callable[[Path, Path], Prepared],
    *,
    without: Collection[str] = (),
) -> Replayed:
    """Replay and compare everything that the oracle tells. The tape tells nothing of the counters `without`."""
    replayed = await replay(connect(plugin, venue), recording, prepare(recording, folder))
    comparison = replayed.comparison
    assert comparison.different == []
    assert comparison.equal == len(oracle(recording)["checkpoints"]) > 0
    assert all(comparison.digests_equal().values())
    assert sum(link.malformed + link.holes for link in replayed.links) == 0
    for symbol, told in oracle(recording)["per_symbol"].items():
        assert counted(replayed.counters[symbol]) == {
            ours: 0 if ours in without else told.get(theirs, 0) for theirs, ours in ORACLE_NAMES.items()
        }
        assert replayed.counters[symbol].gaps == replayed.counters[symbol].checksum_failures == 0
    return replayed


def _by_rest(connector: LoadedConnector, prepared: Prepared) -> bool:
    """Whether the books of a recording have their snapshots by REST."""
    rule = connector.description.topic_rule(Channel(prepared.channels[0]), prepared.variant)
    return rule is not None and rule.sync is not None and rule.sync.snapshot is SnapshotSource.REST


def counted(counters: Counters) -> dict[str, int]:
    """Our counters of what the oracles count too."""
    return {ours: getattr(counters, ours) for ours in ORACLE_NAMES.values()}
