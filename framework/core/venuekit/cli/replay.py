"""``venuekit replay TAPE``: the ladder of a recorded session, and what became of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

import anyio
import click
from attrs import asdict

from venuekit.broadcast import Subscription
from venuekit.cli.terminal import tell
from venuekit.events import Event, FrameRefused, SnapshotFailed, TopicRefused
from venuekit.exchange import Exchange
from venuekit.replay import Replay, open_replay
from venuekit.tapes import Record
from venuekit.tapes.player import OnRecord

FRAMES_PER_SECOND = 20

FAILURES = (FrameRefused, SnapshotFailed, TopicRefused)


@click.command("replay", short_help="play a tape through the same code as live")
@click.argument("tape", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--sidecar", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="What the tape lacks."
)
@click.option("--venue", default="", help="The connector; the tape's header says by default.")
@click.option("--pair", "pairs", multiple=True, help="Only these pairs; may be given more than once.")
@click.option(
    "--speed",
    type=click.FloatRange(min=0, min_open=True),
    default=None,
    help="1 is real time; as fast as possible by default.",
)
@click.option("--depth", type=click.IntRange(min=1), default=10, show_default=True, help="Levels a side.")
@click.option("--json", "as_json", is_flag=True, help="Print the final books and counters as JSON.")
def command(
    tape: Path,
    sidecar: Path | None,
    venue: str,
    pairs: tuple[str, ...],
    speed: float | None,
    depth: int,
    as_json: bool,
) -> None:
    """Play TAPE through connector and core, as if it were live, and tell what became of it."""
    anyio.run(partial(_replay, tape, sidecar, venue, pairs, speed, depth, quiet=as_json))


async def _replay(
    tape: Path,
    sidecar: Path | None,
    venue: str,
    pairs: tuple[str, ...],
    speed: float | None,
    depth: int,
    *,
    quiet: bool,
) -> None:
    async with open_replay(tape, sidecar=sidecar, venue=venue, pairs=pairs) as replay:
        if quiet:
            await _play(replay, speed)
            click.echo(json.dumps(_result(replay, depth), indent=2))
        else:
            await _show(replay, speed, depth)
        if replay.player.tape.truncated:
            click.echo(f"{tape} was cut off: what it holds up to there was played", err=True)


async def _play(replay: Replay, speed: float | None, on_record: OnRecord | None = None) -> None:
    """Play, and tell afterwards what failed: of each kind and topic the last."""
    events: Subscription[Event] | None = None

    def listen(index: int | None, record: Record) -> None:
        nonlocal events
        if events is None and replay.opened:
            events = replay.exchange.events()
        if on_record is not None:
            on_record(index, record)

    await replay.play(speed, listen)
    if events is not None:
        events.close()
        failed = [event async for event in events if isinstance(event, FAILURES)]
        for event in {(type(event), getattr(event, "topic", None)): event for event in failed}.values():
            tell(event)


async def _show(replay: Replay, speed: float | None, depth: int) -> None:
    from rich.console import Console, Group
    from rich.live import Live
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from venuekit.cli.ladder import ladder, summary

    console = Console()
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    )
    click.echo(f"playing {replay.player.tape.path.name}", err=True)
    bar = progress.add_task(replay.player.tape.path.name, total=replay.player.tape.count())

    def picture() -> Group:
        books = [replay.exchange.books[pair] for pair in replay.pairs[:2]] if replay.opened else []
        return Group(*(ladder(book, depth) for book in books), progress)

    if sys.stdout.isatty():
        with Live(picture(), console=console, auto_refresh=False, transient=True) as live:

            def draw() -> None:
                progress.update(bar, completed=replay.player.records)
                live.update(picture(), refresh=True)

            await _play(replay, speed, _now_and_then(draw))
    else:
        await _play(replay, speed)
    for pair in replay.pairs:
        console.print(ladder(replay.exchange.books[pair], depth))
    console.print(summary(replay.exchange, replay.player.records), crop=False)


def _now_and_then(draw: Callable[[], None]) -> OnRecord:
    """Draw no more often than the eye sees; a replay runs a hundred times faster."""
    drawn = 0.0

    def on_record(_index: int | None, _record: Record) -> None:
        nonlocal drawn
        now = monotonic()
        if now - drawn >= 1 / FRAMES_PER_SECOND:
            drawn = now
            draw()

    return on_record


def _result(replay: Replay, depth: int) -> dict[str, Any]:
    from venuekit.cli.ladder import as_json

    exchange: Exchange = replay.exchange
    return {
        "records": replay.player.records,
        "truncated": replay.player.tape.truncated,
        "books": [as_json(exchange.books[pair], depth) for pair in replay.pairs],
        "counters": {pair: asdict(counters) for pair, counters in exchange.counters().items()},
        "connections": {name: asdict(counters) for name, counters in exchange.link_counters().items()},
    }
