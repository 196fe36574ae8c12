"""``venuekit describe VENUE``: what a connector says of its venue, as JSON."""

from __future__ import annotations

import json

import click

from venuekit.export import described
from venuekit.loader import load_connector


@click.command("describe", short_help="what a connector says of its venue")
@click.argument("venue")
def command(venue: str) -> None:
    """Print the description of VENUE as JSON: environments, capabilities, feeds and their proofs, rate limits, links."""
    click.echo(json.dumps(described(load_connector(venue).description), indent=2, ensure_ascii=False))
