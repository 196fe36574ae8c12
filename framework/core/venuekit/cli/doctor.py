"""``venuekit doctor VENUE``: clock, way, keys, limits and orders of a venue, examined."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

import click

from venuekit.cli.account import NOT_DONE, Where, json_option, on_account
from venuekit.cli.tables import print_table
from venuekit.cli.terminal import run

if TYPE_CHECKING:
    from venuekit.cli.examination import Finding

STYLES: Final = {"ok": "green", "warning": "bold yellow", "failed": "bold red", "skipped": "dim"}


@click.command("doctor", short_help="clock, way, keys, limits and orders of a venue, examined")
@on_account
@json_option
@click.pass_context
def command(ctx: click.Context, where: Where, as_json: bool) -> None:
    """Examine VENUE and one account of it, without placing or changing anything.

    Exit code 0: nothing failed (warnings included); 1: something did.
    """
    from venuekit.cli.examination import Verdict

    findings = run(partial(_examine, where))
    if as_json:
        told = [
            {"what": each.what, "verdict": each.verdict.value, "told": each.told, **each.facts}
            for each in findings
        ]
        click.echo(json.dumps(told, indent=2))
    else:
        print_table(
            ("what", "verdict", "found"),
            [(each.what, each.verdict.value, each.told) for each in findings],
            styles=STYLES,
        )
    ctx.exit(NOT_DONE if any(each.verdict is Verdict.FAILED for each in findings) else 0)


async def _examine(where: Where) -> Sequence[Finding]:
    from venuekit.cli.examination import Examination
    from venuekit.clock import SystemClock
    from venuekit.exchange import NetworkTransports
    from venuekit.loader import load_connector

    clock = SystemClock()
    transports = NetworkTransports.on(clock)
    try:
        examination = Examination(where, load_connector(where.venue), clock, transports)
        await examination.run()
    finally:
        await transports.http.aclose()
    return examination.findings
