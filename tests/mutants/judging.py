"""What a mutant is, and what a check says of it."""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen

from venuekit_testkit import Check, Outcome, Subject, checks, judge


@frozen
class Mutant:
    """A connector with one wrong thing. `meant` is the id of the check that must catch it."""

    id: str
    wrong: str
    meant: str
    make: Callable[[], Subject]


def check_of(id_: str) -> Check:
    """The check of that id."""
    (found,) = [check for check in checks() if check.id == id_]
    return found


def caught(mutant: Mutant, id_: str = "") -> str:
    """Why a check (by default the one that is meant for it) fails a mutant; empty where it lets it pass."""
    result = judge(check_of(id_ or mutant.meant), mutant.make(), ["asyncio"])
    return result.reason if result.outcome is Outcome.FAILED else ""
