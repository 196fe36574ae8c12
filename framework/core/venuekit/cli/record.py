"""``venuekit record VENUE PAIR...``: tape a session into a file."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import anyio
import click


@click.command("record", short_help="tape a session into a file")
@click.argument("venue")
@click.argument("pairs", nargs=-1, required=True)
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    help="TAPE.jsonl, .jsonl.gz or .jsonl.zst",
)
@click.option("--environment", default="", help="Where the venue runs; its first one by default.")
@click.option("--channels", default="book,trades", show_default=True, help="What to subscribe to.")
@click.option("--variant", default="", help="One of several book feeds, for example a depth.")
@click.option("--seconds", type=float, default=None, help="How long; until Ctrl-C by default.")
def command(
    venue: str,
    pairs: tuple[str, ...],
    output: Path,
    environment: str,
    channels: str,
    variant: str,
    seconds: float | None,
) -> None:
    """Record HTTP exchanges and WebSocket frames of PAIRS on VENUE. Secrets are scrubbed."""
    try:
        anyio.run(partial(_record, venue, pairs, output, environment, channels.split(","), variant, seconds))
    finally:
        if output.exists():
            click.echo(f"{output}: {output.stat().st_size:,} bytes", err=True)


async def _record(
    venue: str,
    pairs: tuple[str, ...],
    output: Path,
    environment: str,
    channels: list[str],
    variant: str,
    seconds: float | None,
) -> None:
    from venuekit.exchange import open_exchange

    with anyio.move_on_after(seconds):
        async with open_exchange(
            venue, pairs=pairs, environment=environment, channels=channels, variant=variant, record=output
        ) as exchange:
            click.echo(f"recording {', '.join(pairs)} into {output}; Ctrl-C ends", err=True)
            async for event in exchange.events():
                click.echo(f"{type(event).__name__}: {event}", err=True)
