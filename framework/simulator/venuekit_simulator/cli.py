"""``venuekit venue``: local venues on the command line.

Also as ``python -m venuekit_simulator``. Found by the core through the entry point ``venue`` of ``venuekit.commands``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from venuekit_simulator.faults import FaultPlan
from venuekit_simulator.plugins import PORT, installed_dialects, load_dialect, local_port
from venuekit_spec import VenuekitError


@click.group(
    "venue", short_help="a venue on this machine", context_settings={"help_option_names": ["-h", "--help"]}
)
def command() -> None:
    """Trading venues on this machine: nothing that happens there happens anywhere else."""


@command.command("list", short_help="the venues that can be started")
def list_venues() -> None:
    """List the venues whose dialects are installed, without importing any."""
    found = installed_dialects()
    if not found:
        click.echo("no dialect is installed; try: pip install venuekit-exchange-a")
    for venue, entry in found.items():
        told = f"{entry.dist.name} {entry.dist.version}" if entry.dist is not None else entry.value
        click.echo(f"{venue}  {told}")


@command.command("start", short_help="start one, until Ctrl-C")
@click.argument("venue")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help=f"The default is the port of the connector's environment `local` ({PORT} without a connector). 0 takes a free one.",
)
@click.option("--seed", default=0, show_default=True, help="All chance follows from it.")
@click.option(
    "--faults",
    "plan",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A fault plan (TOML): what is to go wrong.",
)
@click.option("--quiet-market", is_flag=True, help="No other participants: the book holds what you place.")
def start(
    venue: str, host: str, port: int | None, seed: int, plan: Path | None, *, quiet_market: bool
) -> None:
    """Start VENUE here and serve it until Ctrl-C, which ends it with exit code 0. One line tells where, once it is there."""
    faults = FaultPlan.load(plan) if plan is not None else None
    plugin = load_dialect(venue)
    port = local_port(venue) if port is None else port

    import anyio

    from venuekit_simulator.server import serve
    from venuekit_simulator.timeline import MachineClock
    from venuekit_simulator.venue import LocalVenue

    local = LocalVenue(plugin, clock=MachineClock(), seed=seed, faults=faults, flow=not quiet_market)

    def ready(url: str) -> None:
        click.echo(f"{venue} at {url} (seed {seed})")

    async def run() -> None:
        await serve(local, host, port, ready=ready)

    anyio.run(run)
    if local.injected:
        done = ", ".join(f"{kind} {count}" for kind, count in sorted(local.injected.items()))
        click.echo(f"faults injected: {done}")


def main() -> None:
    """Run the command line of this package alone."""
    try:
        command(standalone_mode=False)
    except (KeyboardInterrupt, click.Abort):
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except VenuekitError as error:
        click.echo(f"venuekit: {error}", err=True)
        sys.exit(1)


__all__ = ["command", "main"]
