from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.mutants.catalogue import ALSO, MUTANTS, WITHOUT
from tests.mutants.judging import Mutant, caught, check_of

from venuekit_testkit import Group, checks


def cheap_first() -> Iterator[object]:
    """Every mutant; those whose check needs a venue that runs are left to long runs, but for the first of each group."""
    seen: set[Group] = set()
    for mutant in MUTANTS:
        check = check_of(mutant.meant)
        costly = check.asynchronous and check.group in seen
        if check.asynchronous:
            seen.add(check.group)
        yield pytest.param(mutant, id=mutant.id, marks=pytest.mark.soak if costly else ())


@pytest.mark.parametrize("mutant", [*cheap_first()])
def test_no_mutant_survives(mutant: Mutant) -> None:
    """A connector with one wrong thing fails the check that is meant for it."""
    assert caught(mutant), f"{mutant.wrong}: not noticed by {mutant.meant}"


@pytest.mark.soak
@pytest.mark.parametrize("check", ALSO)
def test_no_mutant_survives_what_catches_it_too(check: str) -> None:
    """A check without a mutant of its own is failed by one that was made for another."""
    (mutant,) = [mutant for mutant in MUTANTS if mutant.id == ALSO[check]]
    assert caught(mutant, check), f"{mutant.wrong}: not noticed by {check}"


def test_every_check_has_a_mutant_or_a_reason() -> None:
    """No check is left about which nobody knows whether it can fail, and each mutant has a name of its own."""
    having = {mutant.meant for mutant in MUTANTS}
    assert having | set(ALSO) | set(WITHOUT) == {check.id for check in checks()}
    assert not having & set(ALSO) | having & set(WITHOUT) | set(ALSO) & set(WITHOUT)
    assert len({mutant.id for mutant in MUTANTS}) == len(MUTANTS) >= 15
