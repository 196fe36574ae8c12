"""``venuekit connectors``: what is installed, from package metadata; nothing is imported."""

from __future__ import annotations

import json

import click
from attrs import asdict

from venuekit.loader import installed_connectors


@click.command("connectors", short_help="the connectors that are installed")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
def command(as_json: bool) -> None:  # click passes flags so
    """List the connectors that are installed, without importing any."""
    found = installed_connectors()
    if as_json:
        click.echo(json.dumps([asdict(each) for each in found], indent=2))
        return
    if not found:
        click.echo("no connector is installed; try: pip install venuekit-binance")
        return
    width = max(len(each.venue) for each in found)
    for each in found:
        click.echo(f"{each.venue:<{width}}  {each.distribution} {each.version}  {each.summary}".rstrip())
