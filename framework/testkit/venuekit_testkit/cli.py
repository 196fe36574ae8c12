"""``venuekit check``: the score card of a connector.

Found by the core through the entry point ``check`` of ``venuekit.commands``.
"""

from __future__ import annotations

import json
import logging
import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Final

import click

from venuekit_spec import LocalError
from venuekit_testkit.catalogue import Check, Group, checks
from venuekit_testkit.running import LOOPS, Outcome, Result, judge_all
from venuekit_testkit.subject import Subject

WIDTH: Final = 100


class _NothingToCheck(click.ClickException):
    """There is no connector that could be checked."""

    exit_code = 2


def _chosen(_ctx: click.Context, _parameter: click.Parameter, ids: Sequence[str]) -> Sequence[Check] | None:
    known = {check.id: check for check in checks()}
    if unknown := [id_ for id_ in ids if id_ not in known]:
        raise click.BadParameter(f"there is no check {unknown[0]!r}; --all lists them")
    return [known[id_] for id_ in ids] or None


@click.command("check", short_help="the conformance suite of a connector")
@click.argument("venue")
@click.option("--all", "each", is_flag=True, help="A line for each check, not for each group only.")
@click.option("--json", "as_json", is_flag=True, help="The score card as JSON.")
@click.option(
    "--loop", type=click.Choice(LOOPS), help="Run asynchronous checks on this event loop only, not on each."
)
@click.option(
    "--only", metavar="ID", multiple=True, callback=_chosen, help="Make this check only; may be repeated."
)
@click.pass_context
def command(
    ctx: click.Context,
    venue: str,
    loop: str | None,
    only: Sequence[Check] | None,
    *,
    each: bool,
    as_json: bool,
) -> None:
    """Check the connector of VENUE against its own dialect, on this machine and in virtual time.

    First how many checks of each group passed, failed, or were skipped; then each that failed, with the reason and what it is
    about; then why some were skipped. Ends with 0 when none failed, with 1 when some did, with 2 when nothing could be checked.
    """
    try:
        subject = Subject.of(venue)
    except LocalError as error:
        raise _NothingToCheck(str(error)) from error
    logging.getLogger().addHandler(
        logging.NullHandler()
    )  # faults are injected: what is logged of them is no news
    found = judge_all(subject, (loop,) if loop else LOOPS, only)
    if as_json:
        results = list(found)
        click.echo(_as_json(subject, results))
    else:
        click.echo(f"{_title(subject)}\n")
        results = _told_by_group(found, each=each)
        for text in (*failures(results), *skips(results), summary(results)):
            click.echo(f"\n{text}")
    ctx.exit(int(any(result.outcome is Outcome.FAILED for result in results)))


def _told_by_group(found: Iterable[Result], *, each: bool) -> list[Result]:
    """All results, told as they come."""
    results: list[Result] = []
    for group, members in groupby(found, key=lambda result: result.check.group):
        if each:
            click.echo(group.value)
        of_group: list[Result] = []
        for result in members:
            of_group.append(result)
            if each:
                click.echo(line(result))
        if not each:
            click.echo(row(group, of_group))
        results += of_group
    return results


def row(group: Group, results: Sequence[Result]) -> str:
    """One group in one line."""
    counts = Counter(result.outcome for result in results)
    told = "   ".join(
        f"{counts[outcome]:3} {outcome.value}" if counts[outcome] else " " * (4 + len(outcome.value))
        for outcome in Outcome
    )
    return f"  {group.value:16}{told}".rstrip()


def line(result: Result) -> str:
    """One check in one line: the summary of what passed, the reason of what did not."""
    told = result.check.summary if result.outcome is Outcome.PASSED else result.reason
    return f"  {result.outcome.value:8} {result.check.id:42} {told}"


def failures(results: Sequence[Result]) -> list[str]:
    """Each check that failed: its id, the reason, and its documentation."""
    return [
        "\n".join(
            [f"FAILED {result.check.id}", _indented(result.reason), "", _indented(result.check.documentation)]
        )
        for result in results
        if result.outcome is Outcome.FAILED
    ]


def skips(results: Sequence[Result]) -> list[str]:
    """Why checks were skipped: the reasons, the most frequent first. Nothing where none was."""
    reasons = Counter(result.reason for result in results if result.outcome is Outcome.SKIPPED)
    told = [f"  {count:3}  {reason}" for reason, count in reasons.most_common()]
    return ["\n".join(["skipped because", *told])] if told else []


def summary(results: Sequence[Result]) -> str:
    """How many checks came to what."""
    counts = Counter(result.outcome for result in results)
    return f"{len(results)} checks: " + ", ".join(f"{counts[outcome]} {outcome.value}" for outcome in Outcome)


def _indented(text: str) -> str:
    paragraphs = [" ".join(paragraph.split()) for paragraph in text.split("\n\n")]
    return "\n".join(
        textwrap.fill(each, WIDTH, initial_indent="  ", subsequent_indent="  ") for each in paragraphs
    )


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
