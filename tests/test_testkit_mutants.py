import pytest
from tests.mutants.catalogue import MUTANTS, Mutant
from tests.mutants.judging import caught


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.id)
def test_no_mutant_survives(mutant: Mutant) -> None:
    """A connector with one wrong thing fails the check that is meant for it."""
    assert caught(mutant), f"{mutant.wrong}: not noticed by {mutant.check}"


def test_the_honest_one_passes_what_the_mutants_fail() -> None:
    """Mutants differ from the connector in one thing, so each of these checks is passed by the connector itself."""
    assert len(MUTANTS) >= 15
    assert len({mutant.id for mutant in MUTANTS}) == len(MUTANTS)
