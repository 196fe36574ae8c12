"""``venuekit check``: the score card of a connector.

Found by the core through the entry point ``check`` of ``venuekit.commands``.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Sequence

import click

from venuekit_testkit.catalogue import Group
from venuekit_testkit.running import LOOPS, Outcome, Result, judge_all
from venuekit_testkit.subject import Subject


@click.command("check", short_help="the conformance suite of a connector")
@click.argument("venue")
@click.option("--json", "as_json", is_flag=True, help="The score card as JSON.")
@click.option(
    "--loop", type=click.Choice(LOOPS), help="Run asynchronous checks on this event loop only, not on each."
)
@click.pass_context
def command(ctx: click.Context, venue: str, loop: str | None, *, as_json: bool) -> None:
    """Check the connector of VENUE against its own dialect, on this machine and in virtual time.

    Every check by group: passed, failed, or skipped because the connector does not claim what it is about. Ends with 0 when
    none failed, with 1 otherwise.
    """
    subject = Subject.of(venue)
    logging.getLogger().addHandler(
        logging.NullHandler()
    )  # faults are injected: what is logged of them is no news
    results: list[Result] = []
    group: Group | None = None
    if not as_json:
        click.echo(_title(subject))
    for result in judge_all(subject, (loop,) if loop else LOOPS):
        results.append(result)
        if as_json:
            continue
        if result.check.group is not group:
            group = result.check.group
            click.echo(f"\n{group.value}")
        click.echo(line(result))
    click.echo(_as_json(subject, results) if as_json else f"\n{summary(results)}")
    ctx.exit(int(any(result.outcome is Outcome.FAILED for result in results)))


def line(result: Result) -> str:
    """One line of the card: the summary of what passed, the reason of what did not."""
    told = result.check.summary if result.outcome is Outcome.PASSED else result.reason
    return f"  {result.outcome.value:8} {result.check.id:42} {told}"


def summary(results: Sequence[Result]) -> str:
    """How many checks came to what."""
    counts = Counter(result.outcome for result in results)
    return f"{len(results)} checks: " + ", ".join(f"{counts[outcome]} {outcome.value}" for outcome in Outcome)


def _title(subject: Subject) -> str:
    installed = subject.connector.installed
    return f"{subject.description.name} ({installed.distribution} {installed.version}, contract {subject.description.contract})"


def _as_json(subject: Subject, results: Sequence[Result]) -> str:
    counts = Counter(result.outcome for result in results)
    rows = [
        {
            "id": result.check.id,
            "group": result.check.group.value,
            "outcome": result.outcome.value,
            "reason": result.reason,
            "summary": result.check.summary,
        }
        for result in results
    ]
    told = {
        "venue": subject.venue,
        "version": subject.connector.installed.version,
        "counts": {outcome.value: counts[outcome] for outcome in Outcome},
        "checks": rows,
    }
    return json.dumps(told, indent=2, ensure_ascii=False)
