"""Sequences of a socket: what follows, what is repeated, what is a hole."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from venuekit.sequences import FIRST, FOLLOWS, HOLE, REPEATED, Sequences


def test_numbers_that_rise_by_one_follow() -> None:
    """The first has nothing before it; scopes do not know one another."""
    sequences = Sequences()
    assert [sequences.judge("a", n) for n in (7, 8, 9)] == [FIRST, FOLLOWS, FOLLOWS]
    assert sequences.judge("b", 1) is FIRST


def test_a_jump_is_a_hole_once() -> None:
    """What comes after the hole follows again, and the number before it is known."""
    sequences = Sequences()
    assert [sequences.judge("", n) for n in (1, 2, 5, 6)] == [FIRST, FOLLOWS, HOLE, FOLLOWS]
    assert sequences.before == 2


def test_a_sequence_that_begins_anew_is_a_hole() -> None:
    """One old number is a repetition; two that follow one another are a new beginning."""
    sequences = Sequences()
    assert [sequences.judge("", n) for n in (8, 9, 1, 2, 3)] == [FIRST, FOLLOWS, REPEATED, HOLE, FOLLOWS]


@given(st.lists(st.integers(min_value=0, max_value=3), min_size=1, max_size=50))
def test_whatever_is_skipped_shows(skips: list[int]) -> None:
    """A hole is judged exactly where numbers of a rising sequence are missing."""
    sequences, n = Sequences(), 100
    sequences.judge("", n)
    for skip in skips:
        n += 1 + skip
        assert sequences.judge("", n) is (HOLE if skip else FOLLOWS)
