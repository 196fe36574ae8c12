"""What the check that is meant for a mutant says of it."""

from __future__ import annotations

from tests.mutants.catalogue import Mutant

from venuekit_testkit import Outcome, checks, judge


def caught(mutant: Mutant) -> str:
    """Why the check fails the mutant; empty where it lets it pass."""
    (meant,) = [check for check in checks() if check.id == mutant.check]
    result = judge(meant, mutant.make(), ["asyncio"])
    return result.reason if result.outcome is Outcome.FAILED else ""
