"""``venuekit record VENUE PAIR...``: tape a session into a file, or into a tape and a cassette."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import anyio
import click

from venuekit.cli.account import account_option, credentials_option, environment_option, feed_credentials
from venuekit.cli.terminal import run, tell
from venuekit.exchange import open_exchange
from venuekit.loader import LoadedConnector, load_connector
from venuekit_spec import Credentials, NetworkError, UnknownInstrument


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
@click.option(
    "--cassette",
    type=click.Path(path_type=Path),
    default=None,
    help="NAME.yaml: put what HTTP says there, for tests that use vcrpy; both replay together.",
)
@environment_option
@credentials_option
@account_option
@click.option("--channels", default="book,trades", show_default=True, help="What to subscribe to.")
@click.option("--variant", default="", help="One of several book feeds, for example a depth.")
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=None,
    help="How long, connecting included; until Ctrl-C by default.",
)
def command(
    venue: str,
    pairs: tuple[str, ...],
    output: Path,
    cassette: Path | None,
    environment: str,
    credentials: str,
    account: str,
    channels: str,
    variant: str,
    seconds: float | None,
) -> None:
    """Record HTTP exchanges and WebSocket frames of PAIRS on VENUE. Secrets are scrubbed."""
    wanted = [channel.strip() for channel in channels.split(",") if channel.strip()]
    files = [file for file in (output, cassette) if file is not None]
    ours = not any(file.exists() for file in files)  # otherwise the recorder refuses, and what is there stays
    opened = anyio.Event()
    try:
        connector = load_connector(venue)
        keys = feed_credentials(connector, credentials, account)
        run(
            partial(
                _record,
                connector,
                pairs,
                output,
                cassette,
                environment,
                keys,
                wanted,
                variant,
                seconds,
                opened,
            )
        )
    except (NetworkError, UnknownInstrument):
        if ours and not opened.is_set():
            for file in files:
                file.unlink(missing_ok=True)  # no frame was recorded; the next try may have the name
        raise
    finally:
        for file in files:
            if ours and file.exists():
                click.echo(f"{file}: {file.stat().st_size:,} bytes", err=True)


async def _record(
    connector: LoadedConnector,
    pairs: tuple[str, ...],
    output: Path,
    cassette: Path | None,
    environment: str,
    credentials: Credentials | None,
    channels: list[str],
    variant: str,
    seconds: float | None,
    opened: anyio.Event,
) -> None:
    with anyio.move_on_after(seconds):
        async with open_exchange(
            connector,
            pairs=pairs,
            environment=environment,
            credentials=credentials,
            channels=channels,
            variant=variant,
            record=output,
            cassette=cassette,
        ) as exchange:
            opened.set()
            click.echo(f"recording {', '.join(pairs)} into {output}; Ctrl-C ends", err=True)
            async for event in exchange.events():
                tell(event)
    if not opened.is_set():
        raise NetworkError(
            f"no answer about the instruments within {seconds} s", venue=connector.description.venue
        )
